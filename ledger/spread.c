#include "ledger/spread.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/recipients.h"
#include "services/alloc.h"
#include "services/clock.h"

enum {
    LOOK_MS = 500, MOST = 10,                   /* twenty a second: Telegram allows thirty, and answers go on meanwhile */
    WORD_MS = 3 * SECOND,                       /* between two words on how far it is */
    QUIET_MS = 60 * SECOND,                     /* between two lines on what does not work */
    LONG_MS = 60 * SECOND                       /* a wait that somebody ends */
};

struct spread {
    struct svc *svc;
    struct steps steps;
    uv_work_t work;
    struct redis_call *call;
    bool ours, working, resting, draining, over;

    char answer[200];                           /* of the script */
    char id[128];                               /* what the thread reads for, and what it has read */
    int64_t after, room, users[MOST];
    int count, result;
    bool last;
    char problem[STORE_PROBLEM];
    int64_t told_at;                            /* monotonic; 0: never */
};

static enum step_end look(struct steps *st);
static enum step_end looked(struct steps *st);
static enum step_end read_users(struct steps *st);
static enum step_end judge_users(struct steps *st);
static enum step_end give(struct steps *st);
static enum step_end given(struct steps *st);
static enum step_end leave(struct steps *st);

/* It goes round from `look`, once in LOOK_MS. */
static const struct step spread_row[] = {
    { "look",        look },                    /* WAIT: script: is there anything to give, and from where on? */
    { "looked",      looked },
    { "read_users",  read_users },              /* WAIT: the next ones, on a thread */
    { "judge_users", judge_users },
    { "give",        give },                    /* WAIT: script: they get theirs */
    { "given",       given },
    { "leave",       leave },
    { 0 },
};

static struct spread *spread_of(struct steps *st) {
    return (struct spread *)((char *)st - offsetof(struct spread, steps));
}

static void say_trouble(struct spread *s, const char *what) {
    if (s->told_at && clock_mono_ms() - s->told_at < QUIET_MS)
        return;
    log_warn(NULL, "a message to everybody does not go on, tried again until it does: %.200s", what);
    s->told_at = clock_mono_ms();
}

static enum step_end rest(struct spread *s) {
    s->resting = !s->draining;
    return s->draining ? STEP_END : steps_sleep(&s->steps, "look", LOOK_MS);
}

static void on_answer(const redisReply *reply, void *owner) {
    struct spread *s = owner;
    s->call = NULL;
    if (reply->type == REDIS_REPLY_ERROR)
        say_trouble(s, reply->str);
    snprintf(s->answer, sizeof s->answer, "%s", reply->type == REDIS_REPLY_STRING ? reply->str : "");
    steps_wake(&s->steps);
}

static enum step_end ask(struct spread *s, bool gives) {
    struct args args = { 0 };
    args_str(&args, gives ? s->id : "");
    args_int(&args, gives ? s->after : 0);
    args_str(&args, gives && s->last ? "1" : "");
    args_int(&args, MOST);
    args_int(&args, WORD_MS);
    args_int(&args, gives ? s->count : 0);
    for (int i = 0; gives && i < s->count; i++)
        args_int(&args, s->users[i]);
    s->call = redis_script(s->svc->redis, SCRIPT_SPREAD, &args, on_answer, s);
    return STEP_WAIT;
}

static enum step_end look(struct steps *st) {
    struct spread *s = spread_of(st);
    s->resting = false;
    if (s->draining || !s->ours || !redis_is_up(s->svc->redis))
        return rest(s);
    return ask(s, false);
}

static enum step_end looked(struct steps *st) {
    struct spread *s = spread_of(st);
    if (s->call)
        return steps_sleep(st, "looked", LONG_MS);
    bool more = sscanf(s->answer, "%127s %" SCNd64 " %" SCNd64, s->id, &s->after, &s->room) == 3 && s->room > 0;
    s->room = s->room < MOST ? s->room : MOST;
    return more && !s->draining ? STEP_NEXT : rest(s);
}

static void read_on_thread(uv_work_t *work) {
    struct spread *s = work->data;
    struct sums *sums = NULL;
    s->result = sums_open(setting_text("DB_PATH"), &sums, s->problem);
    if (!s->result)
        s->result = recipients_next(sums, s->after, (int)s->room, s->users, &s->count, &s->last, s->problem);
    sums_close(sums);
}

static void after_work(uv_work_t *work, int status) {
    struct spread *s = work->data;
    s->working = false;
    steps_wake(&s->steps);
}

static enum step_end read_users(struct steps *st) {
    struct spread *s = spread_of(st);
    s->working = true;
    int r = uv_queue_work(s->svc->loop, &s->work, read_on_thread, after_work);
    assert(r == 0);                             /* it only fails without a function to run */
    (void)r;
    return STEP_WAIT;
}

static enum step_end judge_users(struct steps *st) {
    struct spread *s = spread_of(st);
    if (s->working)
        return steps_sleep(st, "judge_users", LONG_MS);
    if (s->result)
        say_trouble(s, s->problem);
    return s->result || s->draining ? rest(s) : STEP_NEXT;
}

static enum step_end give(struct steps *st) {
    return ask(spread_of(st), true);
}

static enum step_end given(struct steps *st) {
    struct spread *s = spread_of(st);
    return s->call ? steps_sleep(st, "given", LONG_MS) : rest(s);
}

static enum step_end leave(struct steps *st) {
    return STEP_END;
}

static void on_end(struct steps *st) {
    spread_of(st)->over = true;
}

/* ---- life ---- */

struct spread *spread_new(struct svc *svc) {
    struct spread *s = alloc_zero(sizeof *s);
    s->svc = svc;
    s->work.data = s;
    steps_start(&s->steps, svc->runner, spread_row, on_end);
    return s;
}

void spread_lead(struct spread *s, bool ours) {
    s->ours = ours;
}

/* Whatever Redis was asked need not be heard: the next ledger asks again. A thread is waited for. */
void spread_drain(struct spread *s) {
    s->draining = true;
    if (!s->resting && !s->call)
        return;
    redis_forget(s->call);
    s->call = NULL;
    s->resting = false;
    steps_divert(&s->steps, "leave");
}

bool spread_is_over(const struct spread *s) {
    return s->over;
}

void spread_free(struct spread *s) {
    if (s)
        redis_forget(s->call);
    free(s);
}
