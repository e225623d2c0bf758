/* The life of one answer. The row below is its table of contents; the functions follow in the same order.
 *
 * Two things run beside the row while a stream is read: the response id is recorded the moment it is known, and the text so
 * far is said (voice.c). Both are scripts with the guard; if they find that the entry is not ours any more, the row hears of it. */
#include "llm/context.h"
#include "llm/row.h"
#include "proto/keys.h"
#include "services/clock.h"
#include "services/metrics.h"
#include "services/utf8.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARK_FROM_MS = 5 * SECOND,           /* longer waits hold no worker */
    STREAM_AGE_MS = 270 * SECOND,        /* after five minutes a response can only be polled (openai-python #2828) */
    LONG_MS = 3600 * SECOND,             /* a wait that something else ends */
    DRAIN_LATE_MS = 6 * SECOND           /* SIGTERM: until then an answer that runs only here may finish */
};

static struct metric answers_total = {"llm_answers_total", "answers handed over", NULL, METRIC_COUNTER};
static struct metric resumed_total = {"llm_resumed_total", "responses found again by their id", NULL, METRIC_COUNTER};
static struct metric stale_total = {"llm_stale_total", "answers thrown away because the job had moved on", NULL, METRIC_COUNTER};
static struct metric parks_total = {"llm_parks_total", "answers put off", NULL, METRIC_COUNTER};

static const struct step answer_row[] = {
    {"take", step_take},                      /* WAIT: script: still ours? what was asked, the dialogue so far */
    {"plan", step_plan},                      /* what goes in, what it may cost */
    {"begin", step_begin},                    /* WAIT: script: stopped? known? tries left? money held */
    {"judge_begin", step_judge_begin},
    {"ask", step_ask},                        /* WAIT: POST, streams into a->text */
    {"judge_answer", step_judge_answer},      /* settled, look up, again later, give up */

    {"attach", step_attach},                  /* WAIT: GET the stream of a response that exists */
    {"judge_attach", step_judge_attach},
    {"look_up", step_look_up},                /* WAIT: GET the response, every few seconds */
    {"judge_look_up", step_judge_look_up},
    {"settle", step_settle},                  /* what the response means for the user → hush */

    {"pause", step_pause_call},               /* WAIT: a timer, or parked when it is long */
    {"parked", step_parked},                  /* → let_go */

    {"stop", step_stop},                      /* WAIT, shortly, for the id of what is to be cancelled */
    {"cancel", step_cancel},                  /* WAIT: POST cancel, then GET: what was really used */
    {"judge_cancel", step_judge_cancel},      /* → stopped or wasted */
    {"stopped", step_stopped},                /* → hush */

    {"give_up", step_give_up},                /* → hush */
    {"hush", step_hush},                      /* WAIT: the last words are on their way */
    {"commit", step_commit},                  /* WAIT: one script: ack, text, chain, money, the token to whoever shows it */
    {"committed", step_committed},            /* → let_go */

    {"waste", step_waste},                    /* a response that nobody needs → cancel */
    {"wasted", step_wasted},                  /* what it cost is booked → let_go, or begin when the question is still ours */

    {"hand_back", step_hand_back},            /* WAIT: script release: we are leaving */
    {"let_go", step_let_go},
    {0},
};

struct answer *answer_of(struct steps *s) {
    return (struct answer *)((char *)s - offsetof(struct answer, steps));
}

struct ticket answer_ticket(const struct answer *a) {
    return (struct ticket){a->held.queue, a->held.entry, a->held.job};
}

void answer_wake(struct answer *a) {
    steps_wake(&a->steps);
}

/* ── beginning and end ─────────────────────────────────────────────────────────────────────────────────────── */

static void on_look(struct held *held, const struct look *look) {
    struct answer *a = (struct answer *)((char *)held - offsetof(struct answer, held));
    if (!look->live) {
        answer_not_ours(a);
        return;
    }
    if (look->stop && !a->stop) {
        a->stop = arena_str(a->mem, look->stop);
        if (a->http || a->napping)
            answer_wake(a);
    }
}

void answer_not_ours(struct answer *a) {
    if (a->gone)
        return;
    a->gone = true;
    note(a, LOG_INFO, "%s: the entry is not ours any more", a->steps.now);
    bool id_to_come = a->http && a->asked && !*a->response_id;      /* what we asked for is to be cancelled once we know its name */
    if ((a->http && !id_to_come) || a->napping)
        answer_wake(a);
}

static void on_end(struct steps *s) {
    struct answer *a = answer_of(s);
    struct llm *llm = a->llm;
    if (a->http)
        http_cancel(a->http);
    redis_forget(a->script);
    redis_forget(a->saying);
    queue_drop(&a->held);
    if (a->next)
        a->next->prev = a->prev;
    if (a->prev)
        a->prev->next = a->next;
    else
        llm->answers = a->next;
    llm->answering--;
    stream_done(a);
    buf_done(&a->result.body);
    free(a->job);
    free(a->chat);
    arena_free(a->mem);
    free(a);
    queue_room(llm->svc->queue);
}

void answer_list_metrics(void) {
    static struct metric *const figures[] = {&answers_total, &resumed_total, &stale_total, &parks_total, NULL};
    metrics_list(figures);
    call_list_metrics();
    outcome_list_metrics();
}

void answer_begin(struct llm *llm, const struct entry *e) {
    struct answer *a = calloc(1, sizeof *a);
    if (!a)
        abort();
    a->llm = llm;
    a->mem = arena_new();
    a->call = "1";
    a->tries_max = llm->tries_max;
    a->response_id = a->previous = a->context = a->question = a->library = a->doing = "";
    a->sequence = a->item = a->aside = -1;
    buf_init(&a->text, TEXT_MAX);
    buf_init(&a->refusal, TEXT_MAX);
    a->held.text_known = -1;
    queue_hold(llm->svc->queue, &a->held, e);
    a->about = (struct log_subject){arena_str(a->mem, e->job), arena_str(a->mem, e->chat)};
    a->user = arena_str(a->mem, e->user);
    llm->answering++;
    a->next = llm->answers;
    if (a->next)
        a->next->prev = a;
    llm->answers = a;
    steps_start(&a->steps, llm->svc->runner, answer_row, on_end);
}

/* Where every wait ends: is the world still as it was? STEP_NEXT: yes. */
enum step_end answer_interrupted(struct answer *a) {
    a->napping = false;
    if (a->beaten || (a->gone && a->asked && *a->response_id && !a->recorded))
        return steps_goto(&a->steps, "waste");
    if (a->gone && !(a->http && a->asked && !*a->response_id))
        return steps_goto(&a->steps, "let_go");
    if (a->stop && !a->over && !a->gone)
        return steps_goto(&a->steps, "stop");
    return STEP_NEXT;
}

/* The row was woken for something else. */
enum step_end answer_wait_again(struct answer *a) {
    return steps_sleep(&a->steps, a->steps.now, LONG_MS);
}

/* ── what was asked ────────────────────────────────────────────────────────────────────────────────────────── */

static void on_taken(const redisReply *reply, void *owner) {
    struct answer *a = owner;
    a->script = NULL;
    const char *word = answer_word(reply);
    if (!strcmp(word, "live") && reply->elements >= 3) {
        a->job = fields_copy(reply->element[1]);
        a->chat = fields_copy(reply->element[2]);
        a->held.on_look = on_look;       /* not before: until now another one stood in the job as its worker */
    } else if (!strcmp(word, "unknown")) {
        a->error_code = "unknown";
    } else if (reply->type == REDIS_REPLY_ERROR) {
        note(a, LOG_ERROR, "take: %s", reply->str);
    }
    answer_wake(a);
}

enum step_end step_take(struct steps *s) {
    struct answer *a = answer_of(s);
    struct args args = {0};
    struct ticket t = answer_ticket(a);
    ticket_args(&args, &t);
    args_str(&args, a->llm->svc->worker);
    a->script = redis_script(a->llm->svc->redis, SCRIPT_TAKE, &args, on_taken, a);
    return STEP_WAIT;
}

static void read_dialogue(struct answer *a) {
    int64_t turns = fields_int_or(a->chat, "turns", 0), chained = fields_int_or(a->chat, "chained", 0);
    a->previous = a->chain_lost ? "" : fields_str(a->chat, "response");
    int64_t from = *a->previous ? chained + 1 : 1;
    if (from <= turns - TURNS_KEPT)
        from = turns - TURNS_KEPT + 1;
    a->turns_count = 0;
    for (int64_t n = from; n <= turns && a->chain_lost < 2; n++) {
        char name[40];
        (void)snprintf(name, sizeof name, "question:%" PRId64, n);
        const char *question = fields_get(a->chat, name);
        (void)snprintf(name, sizeof name, "answer:%" PRId64, n);
        if (question)
            a->turns[a->turns_count++] = (struct turn){question, fields_str(a->chat, name)};
    }
}

/* `input:<n>` = `image <file id> <tokens>` or `file <file id> <tokens>`. */
static void read_inputs(struct answer *a) {
    for (a->inputs_count = 0; a->inputs_count < INPUTS_MOST; a->inputs_count++) {
        char name[24];
        (void)snprintf(name, sizeof name, "input:%d", a->inputs_count);
        const char *value = fields_get(a->job, name), *id = value ? strchr(value, ' ') : NULL;
        if (!id)
            return;
        size_t len = strcspn(++id, " ");
        a->inputs[a->inputs_count] = (struct input){
            .image = !strncmp(value, "image ", 6), .file = arena_copy(a->mem, id, len), .tokens = strtoll(id + len, NULL, 10)};
    }
}

const char *answer_model(const struct answer *a) {
    const char *set = a->job ? fields_str(a->job, "model") : "";
    return *set ? set : a->llm->model;
}

const char *answer_own_model(const struct answer *a) {
    return a->job && *fields_str(a->job, "own_model") ? answer_model(a) : "";
}

unsigned answer_without(const struct answer *a) {
    return learned_of(&a->llm->learned, answer_model(a));
}

bool answer_in_background(const struct answer *a) {
    return a->llm->background && !(answer_without(a) & WITHOUT_BACKGROUND);
}

struct request answer_request_of(const struct answer *a, int64_t max_output) {
    const struct llm *llm = a->llm;
    return (struct request){
        .model = answer_model(a), .instructions = llm->instructions, .user = fields_str(a->job, "user"), .job = a->held.job, .call = a->call,
        .previous = a->previous, .turns = a->turns, .turns_count = a->turns_count, .context = a->context, .question = a->question,
        .inputs = a->inputs, .inputs_count = a->inputs_count,
        .background = answer_in_background(a), .max_output_tokens = max_output, .compact_threshold = llm->compact_threshold,
        .tools = a->tools, .without = answer_without(a), .secret = llm->secret,
    };
}

/* A server that takes no bound gets no tools while a budget is in force: nothing would keep their calls within it. */
static void plan_tools(struct answer *a) {
    const struct llm *llm = a->llm;
    const struct prices *prices = price_file_now(llm->prices);
    unsigned unfit = WITHOUT_TOOLS | (a->limited ? WITHOUT_TOOL_LIMIT : 0);
    a->tools = (struct tools){.library = ""};
    if (answer_without(a) & unfit)
        return;
    bool able = prices_able(prices, answer_model(a), "tools");
    a->tools = (struct tools){.web_search = able && llm->web_search, .code_interpreter = able && llm->code_interpreter, .library = able ? a->library : ""};
    if (a->limited && tools_any(&a->tools))
        budget_offer_tools(&a->estimate, prices, answer_model(a), tools_fee(&a->tools, prices, answer_model(a)));
}

enum step_end step_plan(struct steps *s) {
    struct answer *a = answer_of(s);
    if (a->script)
        return answer_wait_again(a);
    if (!a->job) {
        if (a->error_code) {
            struct entry e = {.id = a->held.entry, .kind = KIND_TEXT, .job = a->held.job, .chat = a->about.chat, .user = a->user, .conv = ""};
            queue_bury(a->llm->svc->queue, &e, "there is no such job");
        } else {
            metric_add(&stale_total, 1);
        }
        return steps_goto(s, "let_go");
    }
    if (!a->try) {
        char posts[40];
        (void)snprintf(posts, sizeof posts, "posts:%s", a->call);
        a->try = fields_int_or(a->job, posts, 0) + 1;
        a->context = context_of(a->mem, a->job, a->llm->zone);
        a->question = fields_str(a->job, "text");
        a->prelude = (size_t)fields_int_or(a->job, "said", 0);
        read_inputs(a);
        a->library = tools_is_library(fields_get(a->job, "library")) ? fields_str(a->job, "library") : "";
    }
    budget_periods(clock_wall_ms(), a->job, a->periods);
    a->limited = a->periods[BUDGET_DAY].limited || a->periods[BUDGET_MONTH].limited || a->periods[BUDGET_ALL].limited;
    read_dialogue(a);
    struct request r = answer_request_of(a, 0);
    int64_t context = *a->previous ? fields_int_or(a->chat, "context", 0) : 0;
    a->estimate = budget_estimate(price_file_now(a->llm->prices), answer_model(a), context, request_tokens_most(&r), 2 * a->turns_count + 1,
                                  a->llm->output_most, a->limited, &a->llm->surprise);
    plan_tools(a);
    return STEP_NEXT;
}

/* ── before each paid request ──────────────────────────────────────────────────────────────────────────────── */

static void on_begun(const redisReply *reply, void *owner) {
    struct answer *a = owner;
    a->script = NULL;
    a->begun = begin_read(reply);
    if (a->begun.what != BEGIN_HELD && a->begun.what != BEGIN_UNREADY) {      /* those two may be heard for hours */
        a->begun.response = arena_str(a->mem, a->begun.response);
        a->begun.why = arena_str(a->mem, a->begun.why);
    }
    if (a->begun.what == BEGIN_FAILED)
        note(a, LOG_ERROR, "begin: %s", reply->type == REDIS_REPLY_ERROR ? reply->str : "an answer that makes no sense");
    answer_wake(a);
}

enum step_end step_begin(struct steps *s) {
    struct answer *a = answer_of(s);
    enum step_end end = answer_interrupted(a);
    if (end != STEP_NEXT)
        return end;
    struct begin b = {.call = a->call, .try = a->try, .try_max = a->tries_max, .lost = a->lost,
        .want_nusd = a->estimate.want_nusd, .least_nusd = a->estimate.least_nusd, .periods = a->periods, .periods_count = PERIODS,
        .worker = a->llm->svc->worker};
    struct args args = {0};
    struct ticket t = answer_ticket(a);
    begin_args(&args, &t, &b);
    a->script = redis_script(a->llm->svc->redis, SCRIPT_BEGIN, &args, on_begun, a);
    return STEP_WAIT;
}

enum step_end answer_nap(struct answer *a, const char *then, int64_t ms) {
    a->napping = true;
    return steps_sleep(&a->steps, then, ms);
}

enum step_end answer_refuse(struct answer *a, const char *line, const char *alert, const char *why) {
    a->verdict = (struct verdict){.what = VERDICT_GIVE_UP, .line = line, .alert = alert, .why = why};
    return steps_goto(&a->steps, "give_up");
}

enum step_end step_judge_begin(struct steps *s) {
    static const char *const budget_lines[PERIODS] = {"budget_day", "budget_month", "budget_all"};
    struct answer *a = answer_of(s);
    if (a->script)
        return answer_wait_again(a);
    a->held_ups = a->begun.what == BEGIN_HELD ? a->held_ups + 1 : 0;
    switch (a->begun.what) {
    case BEGIN_GO:
        a->counted = a->try;
        a->lost = NULL;
        a->said = 0;                     /* the lost one's text went with it */
        a->said_is_sure = true;
        a->reserved_nusd = a->begun.reserved_nusd;
        if (!queue_trusted(a->llm->svc->queue))
            return answer_nap(a, "begin", SECOND);
        return steps_goto(s, "ask");
    case BEGIN_KNOWN:
        a->response_id = a->begun.response;
        a->recorded = true;
        a->sequence = -1;                /* it may be another one's: what we have read is no part of it */
        a->said_is_sure = false;
        metric_add(&resumed_total, 1);
        note(a, LOG_INFO, "begin: the response is known, %" PRId64 " s old", a->begun.age_ms / 1000);
        a->polling_since_ms = clock_mono_ms();
        return steps_goto(s, answer_in_background(a) && a->begun.age_ms < STREAM_AGE_MS ? "attach" : "look_up");
    case BEGIN_STOP:
        a->stop = a->begun.why;
        if (*a->begun.response && !(a->lost && !strcmp(a->begun.response, a->lost))) {
            a->response_id = a->begun.response;
            a->recorded = true;
        }
        return steps_goto(s, "stop");
    case BEGIN_SPENT:
        return answer_refuse(a, "failed", "dead", a->verdict.why ? a->verdict.why : "no try is left");
    case BEGIN_OVER:
        for (int i = 0; i < PERIODS; i++)
            if (!strcmp(a->begun.why, a->periods[i].name))
                return answer_refuse(a, budget_lines[i], NULL, "the budget is used up");
        return answer_refuse(a, budget_lines[BUDGET_ALL], NULL, "the budget is used up");
    case BEGIN_HELD:
        return answer_nap(a, "begin", 300 * (a->held_ups < 8 ? a->held_ups : 8));     /* others' reservations end, one way or the other */
    case BEGIN_UNREADY:
        return answer_nap(a, "begin", SECOND);  /* until ledger has rebuilt the counters nothing is spent */
    case BEGIN_WAIT:
        a->llm->troubled = true;
        a->verdict = (struct verdict){.what = VERDICT_AGAIN, .wait_ms = a->begun.wait_ms, .why = "the circuit breaker is open"};
        return steps_goto(s, "pause");
    case BEGIN_STALE:
        metric_add(&stale_total, 1);
        return steps_goto(s, "let_go");
    case BEGIN_FAILED:
        break;
    }
    return answer_nap(a, "begin", SECOND);
}

/* ── later ─────────────────────────────────────────────────────────────────────────────────────────────────── */

static void on_parked(const redisReply *reply, void *owner) {
    struct answer *a = owner;
    a->script = NULL;
    if (reply->type == REDIS_REPLY_ERROR)
        note(a, LOG_ERROR, "park: %s", reply->str);
    answer_wake(a);
}

enum step_end step_pause_call(struct steps *s) {
    struct answer *a = answer_of(s);
    enum step_end end = answer_interrupted(a);
    if (end != STEP_NEXT)
        return end;
    if (a->verdict.wait_ms < PARK_FROM_MS)
        return answer_nap(a, "begin", a->verdict.wait_ms);
    metric_add(&parks_total, 1);
    struct args args = {0};
    struct ticket t = answer_ticket(a);
    ticket_args(&args, &t);
    args_int(&args, a->verdict.wait_ms);
    args_str(&args, "0");
    args_str(&args, a->counted == a->try ? a->call : "");       /* counted, and it never left us: no try */
    a->script = redis_script(a->llm->svc->redis, SCRIPT_PARK, &args, on_parked, a);
    return STEP_WAIT;
}

enum step_end step_parked(struct steps *s) {
    struct answer *a = answer_of(s);
    return a->script ? answer_wait_again(a) : steps_goto(s, "let_go");
}

/* ── the end of the step ───────────────────────────────────────────────────────────────────────────────────── */

enum step_end step_hush(struct steps *s) {
    struct answer *a = answer_of(s);
    if (a->saying || a->script)
        return answer_wait_again(a);
    if (a->beaten)
        return steps_goto(s, "waste");
    return a->gone ? steps_goto(s, "let_go") : STEP_NEXT;
}

static void on_committed(const redisReply *reply, void *owner) {
    struct answer *a = owner;
    a->script = NULL;
    switch (commit_read(reply)) {
    case COMMIT_OK:
        metric_add(&answers_total, 1);
        break;
    case COMMIT_STALE:
        metric_add(&stale_total, 1);
        break;
    default:
        note(a, LOG_ERROR, "commit: %s", reply->type == REDIS_REPLY_ERROR ? reply->str : answer_word(reply));
    }
    answer_wake(a);
}

/* `made:<n>` = `<container id> <file id> <name>`: what code has made, for whoever delivers it. */
static void add_made(struct answer *a, struct pair *fields) {
    const struct cites *c = &a->response.cites;
    for (int i = 0; i < c->made_count; i++) {
        const struct made *m = &c->made[i];
        fields[a->end.fields_count++] = (struct pair){arena_printf(a->mem, "made:%d", i), arena_printf(a->mem, "%s %s %s", m->container, m->file, m->name)};
    }
    if (c->made_count)
        a->end.next = STREAM_MEDIA;      /* which fetches them */
}

enum step_end step_commit(struct steps *s) {
    struct answer *a = answer_of(s);
    char tokens[24], response[40];
    const char *settled = a->lost && !*a->response_id ? a->lost : a->response_id;
    struct pair fields[2 + MADE_MOST] = {{response, settled}, {"context", tokens}};
    (void)snprintf(response, sizeof response, "response:%s", a->call);
    (void)snprintf(tokens, sizeof tokens, "%" PRId64, a->response.input_tokens + a->response.output_tokens);
    answer_put_text(a);
    a->end.call = a->call;
    a->end.fields = fields;
    a->end.fields_count = a->response.has_usage && a->end.response ? 2 : 1;
    if (!strcmp(a->end.how, HOW_DONE))
        add_made(a, fields);
    struct args args = {0};
    struct ticket t = answer_ticket(a);
    commit_args(&args, &t, &a->end);
    a->script = redis_script(a->llm->svc->redis, SCRIPT_COMMIT, &args, on_committed, a);
    return STEP_WAIT;
}

enum step_end step_committed(struct steps *s) {
    struct answer *a = answer_of(s);
    if (a->script)
        return answer_wait_again(a);
    note(a, LOG_INFO, "commit: %s, %zu bytes, %" PRId64 " tokens in, %" PRId64 " out, %" PRId64 " nano-dollars", a->end.how,
         a->whole_len, a->response.input_tokens, a->response.output_tokens, a->end.cost_nusd);
    return steps_goto(s, "let_go");
}

/* ── leaving ───────────────────────────────────────────────────────────────────────────────────────────────── */

static void on_released(void *owner) {
    answer_wake(owner);
}

enum step_end step_hand_back(struct steps *s) {
    struct answer *a = answer_of(s);
    answer_hang_up(a);
    queue_release(&a->held, on_released, a);
    return STEP_WAIT;
}

enum step_end step_let_go(struct steps *s) {
    (void)s;
    return STEP_END;
}

void answer_drain(struct llm *llm) {
    bool late = clock_mono_ms() - llm->draining_since_ms > DRAIN_LATE_MS;
    for (struct answer *a = llm->answers, *next; a; a = next) {
        next = a->next;
        bool waits = (a->http || a->napping) && !a->script && !a->saying;
        bool elsewhere = !a->asked || !a->http || (a->recorded && answer_in_background(a));      /* another worker loses nothing by going on */
        if (waits && !a->over && !a->stop && !a->beaten && !a->gone && (elsewhere || late)) {
            a->napping = false;
            a->gone = true;              /* nothing of this answer matters to us any more */
            steps_divert(&a->steps, "hand_back");
        }
    }
}
