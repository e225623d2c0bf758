/* What was heard is said: the text so far goes to text:<job>, the first words at once, then a few times a second. */
#include "llm/answer.h"
#include "proto/doing.h"
#include "services/clock.h"
#include <stdlib.h>
#include <string.h>

enum { SAY_MS = 400, CALM_MS = 1000, MANY = 500 };    /* with many answers growing, each one speaks less often */

static void on_said(const redisReply *reply, void *owner) {
    struct answer *a = owner;
    a->saying = NULL;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer >= (int64_t)a->prelude) {
        a->said = (size_t)reply->integer - a->prelude;
        a->said_is_sure = true;
    } else if (reply->type == REDIS_REPLY_ERROR) {
        log_warn(&a->about, "say: %s", reply->str);
    } else {
        answer_not_ours(a);
    }
    if (a->over || a->stop)
        answer_wake(a);                  /* the commit may be waiting for it */
}

static void say(struct answer *a) {
    struct args args = {0};
    struct ticket t = answer_ticket(a);
    ticket_args(&args, &t);
    args_int(&args, (int64_t)(a->prelude + a->said));
    args_add(&args, a->text.data + a->said, a->text.len - a->said);
    args_str(&args, a->call);
    args_str(&args, a->response_id);
    a->said_at_ms = clock_mono_ms();
    a->saying = redis_script(a->llm->svc->redis, SCRIPT_SAY, &args, on_said, a);
}

static bool may_say(const struct answer *a) {
    return !a->saying && !a->over && !a->stop && !a->gone && a->recorded && a->text.len > a->said;
}

void voice_heard(struct answer *a) {
    if (a->said == 0 && may_say(a))
        say(a);
}

void voice_doing(struct answer *a, const char *tool) {
    static const char *const words[][2] = {
        {"web_search", DOING_SEARCHING}, {"file_search", DOING_READING}, {"code_interpreter", DOING_COMPUTING}, {"image_generation", DOING_DRAWING},
    };
    const char *word = DOING_THINKING;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(tool, words[i][0]))
            word = words[i][1];
    if (a->gone || a->stop || a->over || (!strcmp(a->doing, word) && a->doing_at == a->text.len))
        return;
    a->doing = word;
    a->doing_at = a->text.len;
    struct args args = {0};
    struct ticket t = answer_ticket(a);
    ticket_args(&args, &t);
    args_str(&args, word);
    args_int(&args, (int64_t)(a->prelude + a->doing_at));
    (void)redis_script(a->llm->svc->redis, SCRIPT_DOING, &args, NULL, NULL);
}

static void on_tick(uv_timer_t *timer) {
    struct llm *llm = timer->data;
    int64_t now = clock_mono_ms();
    if (llm->draining_since_ms)
        answer_drain(llm);
    int64_t pause = queue_in_hand(llm->svc->queue) > MANY ? CALM_MS : SAY_MS;
    for (struct answer *a = llm->answers; a; a = a->next)
        if (may_say(a) && now - a->said_at_ms >= pause)
            say(a);
}

void voice_start(struct llm *llm) {
    llm->mouth = calloc(1, sizeof *llm->mouth);
    if (!llm->mouth)
        abort();
    uv_timer_init(llm->svc->loop, llm->mouth);
    llm->mouth->data = llm;
    uv_timer_start(llm->mouth, on_tick, SAY_MS / 2, SAY_MS / 2);
}

static void on_closed(uv_handle_t *timer) {
    free(timer);
}

void voice_stop(struct llm *llm) {
    if (llm->mouth)
        uv_close((uv_handle_t *)llm->mouth, on_closed);
    llm->mouth = NULL;
}
