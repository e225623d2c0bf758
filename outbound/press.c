/* A pressed button waits with a spinner until answerCallbackQuery: so a press stands in no row. No pacing (Telegram has none for it),
 * no place among the calls in flight, no order; only its script, its call, its end. What Telegram refuses is over (the query is too
 * old, or answered by whoever had this before us); what failed is tried again for half a minute, and then nobody misses it. */
#include "outbound/followed.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/cleanup.h"
#include "proto/keys.h"
#include "services/alloc.h"
#include "services/utf8.h"

enum { PRESS_MOST_MS = 30 * SECOND, PRESS_MOST_UNITS = 200 };

struct press {
    struct steps steps;                  /* first */
    struct held held;
    struct desk *desk;
    struct press *next, *prev;           /* desk->presses */
    struct log_subject about;
    char *job, *chat, *user;
    struct redis_call *script;
    char word[16], error[100];           /* of the script's answer */
    enum commit_answer commit;
    struct fields *fields;               /* of take */
    struct telegram_call call;
    bool answered, resting;
    int tries;
    int64_t until_ms;
};

static enum step_end take(struct steps *s);
static enum step_end taken(struct steps *s);
static enum step_end answer(struct steps *s);
static enum step_end judge(struct steps *s);
static enum step_end commit(struct steps *s);
static enum step_end committed(struct steps *s);
static enum step_end give_back(struct steps *s);
static enum step_end given_back(struct steps *s);

static const struct step press_row[] = {
    {"take_press", take},               /* WAIT: script: is it ours, and what was pressed? */
    {"press_taken", taken},
    {"answer_press", answer},           /* WAIT: the call */
    {"judge_press", judge},             /* again a little later, or over */
    {"commit_press", commit},           /* WAIT: script: the job is over */
    {"press_committed", committed},
    {"give_press_back", give_back},     /* WAIT: we are leaving */
    {"press_given_back", given_back},
    {0},
};

static struct press *press_of(struct steps *s) {
    return (struct press *)s;
}

static enum step_end wait_again(struct press *p) {
    return steps_sleep(&p->steps, p->steps.now, LONG_MS);
}

static enum step_end script_failed(struct press *p, const char *step) {
    log_error(&p->about, "%s: Redis refused: %s", p->steps.now, p->error);
    return steps_sleep(&p->steps, step, ODD_MS);
}

static void on_reply(const redisReply *reply, void *owner) {
    struct press *p = owner;
    p->script = NULL;
    snprintf(p->error, sizeof p->error, "%s", reply->type == REDIS_REPLY_ERROR ? reply->str : "");
    snprintf(p->word, sizeof p->word, "%s", reply->type == REDIS_REPLY_ERROR ? "" : answer_word(reply));
    p->commit = commit_read(reply);
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 4) {
        free(p->fields);
        p->fields = fields_copy(reply->element[1]);
    }
    steps_wake(&p->steps);
}

static struct ticket ticket_of(const struct press *p) {
    return (struct ticket){STREAM_OUTBOUND, p->held.entry, p->held.job};
}

static enum step_end take(struct steps *s) {
    struct press *p = press_of(s);
    struct args a = {0};
    struct ticket t = ticket_of(p);
    ticket_args(&a, &t);
    args_str(&a, p->desk->svc->worker);
    p->script = redis_script(p->desk->svc->redis, SCRIPT_TAKE, &a, on_reply, p);
    return STEP_WAIT;
}

static enum step_end taken(struct steps *s) {
    struct press *p = press_of(s);
    if (p->script)
        return wait_again(p);
    if (*p->error)
        return script_failed(p, "take_press");
    if (!strcmp(p->word, "unknown")) {
        struct entry e = {.id = p->held.entry, .kind = KIND_PRESS, .job = p->job, .chat = p->chat, .user = p->user, .conv = ""};
        queue_bury(p->desk->svc->queue, &e, "its job is not known");
        return STEP_END;
    }
    if (!p->fields || strcmp(p->word, "live"))
        return STEP_END;                 /* not ours any more */
    p->until_ms = clock_mono_ms() + PRESS_MOST_MS;
    return *fields_str(p->fields, "callback") ? STEP_NEXT : steps_goto(s, "commit_press");
}

static enum step_end answer(struct steps *s) {
    struct press *p = press_of(s);
    const char *line = fields_str(p->fields, "line"), *lang = fields_get(p->fields, "lang");
    CLEANUP(buf_done) struct buf words;
    buf_init(&words, 8192);
    if (*line && !texts_line(texts_lang(lang ? lang : setting_text("UI_LANG")), line, fields_str(p->fields, "about"), &words))
        log_error(&p->about, "there is no line called %s: something else was said", line);
    struct telegram_message m = {.callback = fields_str(p->fields, "callback"), .text = words.len ? buf_cstr(&words) : NULL};
    m.text_len = m.text ? utf8_fit(m.text, words.len, PRESS_MOST_UNITS) : 0;
    p->resting = p->answered = false;
    telegram_start(p->desk->telegram, &p->call, TELEGRAM_PRESS, telegram_body(TELEGRAM_PRESS, &m), TELEGRAM_PRESS_MS);
    return STEP_WAIT;
}

static enum step_end judge(struct steps *s) {
    struct press *p = press_of(s);
    if (!p->answered)
        return wait_again(p);
    const struct telegram_verdict *v = &p->call.verdict;
    bool refused = v->status >= 400 && v->status < 500 && v->what != TELEGRAM_PAUSE;
    if (v->what == TELEGRAM_OK || refused) {
        log_debug(&p->about, "press: %s %s", telegram_word(v->what), v->why);
        return STEP_NEXT;
    }
    int64_t wait = v->what == TELEGRAM_PAUSE ? v->wait_ms : pace_backoff_ms(++p->tries, 0);
    if (clock_mono_ms() + wait > p->until_ms) {
        log_info(&p->about, "press: %s (%s), and left at that", telegram_word(v->what), v->why);
        return STEP_NEXT;
    }
    if (p->desk->svc->draining)
        return steps_goto(s, "give_press_back");
    log_info(&p->about, "press: %s (%s), again in %" PRId64 " ms", telegram_word(v->what), v->why, wait);
    p->resting = true;
    return steps_sleep(s, "answer_press", wait);
}

static enum step_end commit(struct steps *s) {
    struct press *p = press_of(s);
    struct commit c = {.next = "end", .how = HOW_DONE};
    struct ticket t = ticket_of(p);
    struct args a = {0};
    commit_args(&a, &t, &c);
    p->script = redis_script(p->desk->svc->redis, SCRIPT_COMMIT, &a, on_reply, p);
    return STEP_WAIT;
}

static enum step_end committed(struct steps *s) {
    struct press *p = press_of(s);
    if (p->script)
        return wait_again(p);
    if (p->commit == COMMIT_FAILED)
        return script_failed(p, "commit_press");
    metric_add(&counted.jobs, 1);
    return STEP_END;
}

static void on_released(void *owner) {
    struct press *p = owner;
    p->answered = true;
    steps_wake(&p->steps);
}

static enum step_end give_back(struct steps *s) {
    struct press *p = press_of(s);
    p->resting = p->answered = false;
    queue_release(&p->held, on_released, p);
    return STEP_WAIT;
}

static enum step_end given_back(struct steps *s) {
    return press_of(s)->answered ? STEP_END : wait_again(press_of(s));
}

/* --- beginning and end --- */

/* Whoever else holds it by now: one answer too many is refused, and our commit is stale. */
static void on_look(struct held *h, const struct look *look) {
    (void)h;
    (void)look;
}

static void on_called(struct telegram_call *c) {
    struct press *p = (struct press *)((char *)c - offsetof(struct press, call));
    p->answered = true;
    steps_wake(&p->steps);
}

static void let_go(struct steps *s) {
    struct press *p = press_of(s);
    struct desk *d = p->desk;
    queue_drop(&p->held);
    redis_forget(p->script);
    telegram_leave(&p->call);
    *(p->prev ? &p->prev->next : &d->presses) = p->next;
    if (p->next)
        p->next->prev = p->prev;
    free(p->fields);
    free(p->job);
    free(p->chat);
    free(p->user);
    free(p);
    desk_count(d, -1);
}

static char *copy(const char *word) {
    return alloc_copy(word, strlen(word));
}

void press_begin(struct desk *d, const struct entry *e) {
    struct press *p = alloc_zero(sizeof *p);
    p->desk = d;
    p->job = copy(e->job);
    p->chat = copy(e->chat);
    p->user = copy(e->user);
    p->about = (struct log_subject){.job = p->job, .chat = p->chat};
    p->held.on_look = on_look;
    p->held.text_known = -1;
    p->call.on_done = on_called;
    queue_hold(d->svc->queue, &p->held, e);
    p->next = d->presses;
    if (d->presses)
        d->presses->prev = p;
    d->presses = p;
    desk_count(d, 1);
    steps_start(&p->steps, d->svc->runner, press_row, let_go);
}

void press_drain(struct desk *d) {
    for (struct press *p = d->presses; p; p = p->next)
        if (p->resting)
            steps_divert(&p->steps, "give_press_back");
}
