/* A request to OpenAI: a transcription or a picture, which cost money, or an upload, which does not. All are begun alike, counted
 * alike, and kept alike: the moment the answer is there it goes into the job (script `response`), before anything else happens.
 * Whoever comes to `begin` after a crash is told it and asks nobody. */
#include "media/task.h"
#include "services/clock.h"
#include "services/metrics.h"
#include <inttypes.h>
#include <string.h>

enum { BREAKER_AFTER = 8 };              /* failures in a row, of all workers */

static struct metric known_total = {"media_results_known_total", "answers found where somebody left them", NULL, METRIC_COUNTER};
static struct metric retries_total = {"media_retries_total", "requests to OpenAI made again", NULL, METRIC_COUNTER};

void ask_list_metrics(void) {
    static struct metric *const figures[] = {&known_total, &retries_total, NULL};
    metrics_list(figures);
}

static bool item_heard(struct task *t, const char *json) {
    return heard_read(t, json, &task_item(t)->heard);
}

static bool item_uploaded(struct task *t, const char *json) {
    return upload_read(t, json, task_item(t));
}

static struct verdict judge_heard(struct task *t) {
    return judge_openai(&t->result, "model_audio");
}

static struct verdict judge_uploaded(struct task *t) {
    return judge_openai(&t->result, NULL);
}

/* What may be asked. */
static const struct asking {
    const char *what, *step;                                              /* which asks */
    bool per_file;
    int64_t (*likely_cost)(const struct task *t);                         /* NULL: it costs nothing */
    const char *(*result)(struct task *t, const struct http_result *r);   /* a good answer as the JSON that is kept; NULL: it makes no sense */
    bool (*known)(struct task *t, const char *json);                      /* that JSON is there */
    void (*waste)(struct task *t);                                        /* another one's was first */
    struct verdict (*judge)(struct task *t);
    void (*oddly)(struct task *t, const struct http_result *r);           /* it was paid for, and makes no sense; NULL: that costs nothing, or is the verdict's */
} askings[] = {
    {"heard", "hear", true, hear_likely_cost, heard_result, item_heard, heard_waste, judge_heard, heard_oddly},
    {"upload", "upload", true, NULL, upload_result, item_uploaded, upload_waste, judge_uploaded, NULL},
    {"drawn", "draw", false, draw_likely_cost, NULL, draw_known, draw_waste, draw_verdict, NULL},
    {"store", "make_store", false, NULL, shelf_result, shelf_known, shelf_waste, judge_uploaded, NULL},
};

static bool is_paid(const struct task *t) {
    return t->asking->likely_cost;
}

void ask_about(struct task *t, const char *what) {
    t->asking = askings;
    while (strcmp(t->asking->what, what))
        t->asking++;                     /* it is one of them */
    t->call = t->asking->per_file ? arena_printf(t->mem, "%s:%d", what, t->at) : what;
    t->try = t->counted = t->asked = 0;
}

/* ── before each request ───────────────────────────────────────────────────────────────────────────────────── */

static void on_begun(const redisReply *reply, void *owner) {
    struct task *t = owner;
    t->script = NULL;
    t->begun = begin_read(reply);
    if (t->begun.what != BEGIN_HELD && t->begun.what != BEGIN_UNREADY) {      /* those two may be heard for hours */
        t->begun.response = arena_str(t->mem, t->begun.response);
        t->begun.why = arena_str(t->mem, t->begun.why);
    }
    if (t->begun.what == BEGIN_FAILED)
        note(t, LOG_ERROR, "begin: %s", reply->type == REDIS_REPLY_ERROR ? reply->str : "an answer that makes no sense");
    steps_wake(&t->steps);
}

enum step_end step_begin(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    if (!t->try) {
        t->try = fields_int_or(t->job, arena_printf(t->mem, "posts:%s", t->call), 0) + 1;
        t->estimate_nusd = is_paid(t) ? t->asking->likely_cost(t) : 0;
        budget_periods(clock_wall_ms(), t->job, t->periods);
    }
    struct begin b = {.call = t->call, .try = t->try, .try_max = t->media->tries_max, .want_nusd = t->estimate_nusd, .least_nusd = t->estimate_nusd,
        .periods = t->periods, .periods_count = is_paid(t) ? PERIODS : 0, .worker = t->media->svc->worker};
    struct args args = {0};
    struct ticket ticket = task_ticket(t);
    begin_args(&args, &ticket, &b);
    t->script = redis_script(t->media->svc->redis, SCRIPT_BEGIN, &args, on_begun, t);
    return STEP_WAIT;
}

static enum step_end known(struct task *t, const char *json) {
    struct item *i = task_item(t);
    if (!t->asking->known(t, json))
        return task_refuse(t, "failed", "dead", "what is kept of the answer cannot be read");
    i->result = json;
    i->done = true;
    return steps_goto(&t->steps, "settle");
}

static enum step_end over_budget(struct task *t) {
    static const char *const lines[PERIODS] = {"budget_day", "budget_month", "budget_all"};
    for (int i = 0; i < PERIODS; i++)
        if (!strcmp(t->begun.why, t->periods[i].name))
            return task_refuse(t, lines[i], NULL, "the budget is used up");
    return task_refuse(t, lines[BUDGET_ALL], NULL, "the budget is used up");
}

enum step_end step_judge_begin(struct steps *s) {
    struct task *t = task_of(s);
    if (t->script)
        return task_wait_again(t);
    t->held_ups = t->begun.what == BEGIN_HELD ? t->held_ups + 1 : 0;
    switch (t->begun.what) {
    case BEGIN_GO:
        t->counted = t->try;
        if (!queue_trusted(t->media->svc->queue))
            return task_nap(t, "begin", SECOND);
        return steps_goto(s, t->asking->per_file && !is_paid(t) && t->may_be_there ? "seek" : t->asking->step);
    case BEGIN_KNOWN:
        metric_add(&known_total, 1);
        note(t, LOG_INFO, "begin: %s is known since %" PRId64 " s", t->call, t->begun.age_ms / 1000);
        return known(t, t->begun.response);
    case BEGIN_STOP:
        t->stop = t->begun.why;
        if (*t->begun.response)
            (void)known(t, t->begun.response);      /* for the bill */
        return steps_goto(s, "stop");
    case BEGIN_SPENT:
        t->verdict = (struct verdict){.what = VERDICT_REFUSE, .line = "failed", .dead = true, .why = t->verdict.why ? t->verdict.why : "no try is left"};
        return steps_goto(s, "give_up");
    case BEGIN_OVER:
        return over_budget(t);
    case BEGIN_HELD:
        return task_nap(t, "begin", 300 * (t->held_ups < 8 ? t->held_ups : 8));     /* others' reservations end, one way or the other */
    case BEGIN_UNREADY:
        return task_nap(t, "begin", SECOND);    /* until ledger has rebuilt the counters nothing is spent */
    case BEGIN_WAIT:
        t->media->troubled = true;
        t->verdict = (struct verdict){.what = VERDICT_AGAIN, .wait_ms = t->begun.wait_ms, .why = "the circuit breaker is open"};
        t->then = "begin";
        return steps_goto(s, "pause");
    case BEGIN_STALE:
        t->gone = true;
        return task_interrupted(t);
    case BEGIN_FAILED:
        break;
    }
    return task_nap(t, "begin", SECOND);
}

/* ── the paid call ─────────────────────────────────────────────────────────────────────────────────────────── */

/* ── the request ───────────────────────────────────────────────────────────────────────────────────────────── */

static void tell_breaker(struct task *t, bool failed) {
    if (!failed && !t->media->troubled)
        return;
    t->media->troubled = failed;
    struct args args = {0};
    args_str(&args, failed ? "failed" : "answered");
    args_int(&args, BREAKER_AFTER);
    (void)redis_script(t->media->svc->redis, SCRIPT_BREAKER, &args, NULL, NULL);
}

static void on_kept(const redisReply *reply, void *owner) {
    struct task *t = owner;
    t->script = NULL;
    const char *winner = answer_str(reply, 1);
    t->beaten = strcmp(winner, t->made) != 0;
    if (!strcmp(answer_word(reply), "ok")) {
        t->kept = arena_str(t->mem, winner);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        t->beaten = false;               /* it is kept in here, and goes with the commit */
        t->kept = t->made;
        note(t, LOG_ERROR, "response: %s", reply->str);
    } else {
        t->gone = true;                  /* whoever moved the job on has booked ours, if it was ours */
    }
    steps_wake(&t->steps);
}

/* No step between the answer and its safe place. */
void ask_keep(struct task *t, const char *made) {
    t->made = made;
    struct args args = {0};
    struct ticket ticket = task_ticket(t);
    ticket_args(&args, &ticket);
    args_str(&args, t->call);
    args_str(&args, made);
    t->script = redis_script(t->media->svc->redis, SCRIPT_RESPONSE, &args, on_kept, t);
}

void ask_book(struct task *t, const struct usage_event *e) {
    struct args args = {0};
    book_args(&args, e, t->periods, PERIODS);
    (void)redis_script(t->media->svc->redis, SCRIPT_BOOK, &args, NULL, NULL);
}

void ask_answered(struct http_result *result, void *owner) {
    struct task *t = owner;
    t->http = NULL;
    t->answered = true;
    t->posting = false;
    buf_done(&t->result.body);
    t->result = *result;
    result->body = (struct buf){0};
    bool good = t->result.fate == HTTP_ANSWERED && t->result.status == 200;
    const char *made = good ? t->asking->result(t, &t->result) : NULL;
    if (good && !made && t->asking->oddly)
        t->asking->oddly(t, &t->result);
    if (made)
        ask_keep(t, made);
    else
        steps_wake(&t->steps);
}

size_t ask_read_body(char *to, size_t room, void *owner) {
    struct task *t = owner;
    return multipart_read(&t->body, to, room);
}

void ask_call(struct task *t, struct http_request *r) {
    t->made = t->kept = NULL;
    t->asked = is_paid(t) ? t->try : 0;
    if (t->try > 1)
        metric_add(&retries_total, 1);
    task_call(t, t->media->openai, r);
    t->posting = true;
}

static enum step_end ask_again(struct task *t) {
    struct verdict *v = &t->verdict;
    t->unreached = v->unsent ? t->unreached + 1 : 0;
    t->may_be_there |= !is_paid(t) && t->result.fate == HTTP_UNKNOWN;
    if (!v->unsent)
        t->try++;                        /* what never left us is no try: an outage makes answers late, not lost */
    if (t->try > t->media->tries_max) {
        v->dead = true;
        v->line = "failed";
        return steps_goto(&t->steps, "give_up");
    }
    int64_t wait_ms = openai_backoff(v->unsent ? t->unreached + 1 : t->try);
    if (wait_ms > v->wait_ms)
        v->wait_ms = wait_ms;
    note(t, LOG_WARN, "%s: %s: again in %" PRId64 " ms (try %" PRId64 " of %" PRId64 ")", t->steps.now, v->why, v->wait_ms, t->try, t->media->tries_max);
    t->then = "begin";
    return steps_goto(&t->steps, "pause");
}

enum step_end ask_judge(struct task *t) {
    if (t->script)                       /* whose was first is being asked */
        return task_wait_again(t);
    if (t->made && t->beaten)
        t->asking->waste(t);
    t->beaten = false;
    if (!t->answered && !t->stop && !t->gone)
        return task_wait_again(t);
    if (t->answered)
        t->asked = 0;
    if (t->kept && t->stop)
        (void)known(t, t->kept);         /* for the bill */
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    if (t->kept) {
        tell_breaker(t, false);
        t->unreached = 0;
        return known(t, t->kept);
    }
    t->verdict = t->asking->judge(t);
    if (t->verdict.what == VERDICT_OK)
        t->verdict = (struct verdict){.what = VERDICT_AGAIN, .counts = true, .why = "the answer makes no sense"};
    if (t->verdict.counts)
        tell_breaker(t, true);
    return t->verdict.what == VERDICT_AGAIN ? ask_again(t) : steps_goto(&t->steps, "give_up");
}
