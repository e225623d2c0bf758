#include "sim/drafts.h"

#include <stdlib.h>
#include <string.h>

#include "sim/control.h"
#include "sim/updates.h"

enum { TEXT_MAX = 4096, LIFE_MS = 30000 };

static bool stands(const struct chat *c) {
    return c->draft.id && c->draft.until_ms > sim_now_ms();
}

void drafts_drop(struct chat *c) {
    free(c->draft.text);
    free(c->draft.entities);
    c->draft = (struct draft){0};
}

void drafts_send(struct tg_call *t) {
    struct chat *c = tg_chat(t, true);
    int64_t id = 0, thread = 0;
    char *text, *entities;
    if (!c)
        return;
    (void)param_i64(&t->p, "message_thread_id", &thread);       /* absent: 0 */
    if (strcmp(c->type, "private")) {
        tg_refuse(t, 400, "Bad Request: private chat not found");
    } else if (!param_i64(&t->p, "draft_id", &id) || !id) {
        tg_refuse(t, 400, "Bad Request: draft_id is invalid");
    } else if (thread && chat_thread(c, thread) < 0) {
        tg_refuse(t, 400, "Bad Request: message thread not found");
    } else if (tg_text(t, "text", "entities", TEXT_MAX, true, &text, &entities)) {
        drafts_drop(c);
        c->draft = (struct draft){ .id = id, .thread = thread, .until_ms = sim_now_ms() + LIFE_MS, .text = text, .entities = entities,
                                   .can_stop = param_bool(&t->p, "can_stop") };
        c->drafts++;
        t->sim->changed = true; /* not a new version: it is no message */
        tg_true(t);
    }
}

void drafts_to_json(const struct chat *c, struct buf *b) {
    if (!stands(c)) {
        buf_str(b, "null");
        return;
    }
    buf_fmt(b, "{\"draft_id\":%lld,\"thread\":%lld,\"can_stop\":%s,\"entities\":%s,\"text\":", (long long)c->draft.id, (long long)c->draft.thread,
            c->draft.can_stop ? "true" : "false", c->draft.entities ? c->draft.entities : "[]");
    buf_json_str(b, c->draft.text);
    buf_str(b, "}");
}

void drafts_post_stop(struct sim *sim, struct exch *x, const cJSON *o) {
    struct bot *bot = control_bot(sim, x, o);
    struct chat *c;
    struct buf b = {0};
    int64_t id = 0, update;
    if (!bot)
        return;
    (void)json_i64(o, "chat", &id);     /* absent: not found below */
    c = chat_find(bot, id);
    if (!c || !stands(c) || !c->draft.can_stop) {
        control_refuse(x, "no draft with a button stands in this chat");
        return;
    }
    buf_str(&b, "\"stopped_message_generation\":{\"chat\":");
    chat_to_json(c, &b);
    if (c->draft.thread)
        buf_fmt(&b, ",\"message_thread_id\":%lld", (long long)c->draft.thread);
    buf_fmt(&b, ",\"draft_id\":%lld}", (long long)c->draft.id);
    update = updates_push(bot, 0, "stopped_message_generation", b.p);
    b.n = 0;
    buf_fmt(&b, "{\"update_id\":%lld}", (long long)update);
    answer_json(x, 200, NULL, &b);
}
