#include "sim/users.h"

#include <stdlib.h>
#include <string.h>

#include "sim/answer.h"
#include "sim/openai.h"
#include "sim/params.h"
#include "sim/people.h"

static void ask(struct chat *c) {
    int64_t update, message;
    cJSON *o = cJSON_CreateObject();
    c->asked_us = uv_hrtime() / 1000;
    c->questions_left--;
    c->bot->sim->telegram->users.asked++;
    cJSON_AddNumberToObject(o, "chat", (double)c->id);
    (void)people_say(c->bot, o, c->question, &update, &message);     /* it has all it needs */
    cJSON_Delete(o);
}

const char *users_start(struct sim *sim, struct bot *bot, const cJSON *o) {
    const char *text = json_str(o, "text");
    int64_t first, count = 1, turns = 1;
    char *question, *say;
    if (!json_i64(o, "first", &first) || first <= 0 || !text)
        return "first and text: a chat and what is asked there";
    (void)json_i64(o, "count", &count);         /* absent: one */
    (void)json_i64(o, "turns", &turns);
    for (int64_t id = first; id < first + count && count <= 100000; id++) {
        struct chat *c = chat_make(bot, id);
        struct plan plan = sim->openai->plan;
        question = answer_read_directives(text, &plan, &say);
        chat_set(&c->question, text);
        free(c->awaited);
        c->awaited = answer_text(question, say, &plan, 0, 0);
        free(question);
        free(say);
        c->questions_left = turns;
        if (turns > 0 && !c->asked_us)
            ask(c);
    }
    return NULL;
}

void users_read(struct chat *c, const char *text) {
    struct users *u = &c->bot->sim->telegram->users;
    if (!c->asked_us || !text || strcmp(text, c->awaited))
        return;
    u->spans[u->answered++ % SPANS_MAX] = uv_hrtime() / 1000 - c->asked_us;
    c->asked_us = 0;
    sim_count(c->bot->sim, "users.answered", 1);
    if (c->questions_left > 0)
        ask(c);
}

void users_to_json(const struct sim *sim, int64_t since, struct buf *b) {
    const struct users *u = &sim->telegram->users;
    buf_fmt(b, "{\"asked\":%lld,\"answered\":%lld,\"us\":[", (long long)u->asked, (long long)u->answered);
    if (since < u->answered - SPANS_MAX)
        since = u->answered - SPANS_MAX;
    for (int64_t n = since; n < u->answered; n++) {
        if (n > since)
            buf_str(b, ",");
        buf_i64(b, (int64_t)u->spans[n % SPANS_MAX]);
    }
    buf_str(b, "]}");
}
