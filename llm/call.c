/* The paid call: asked, read as it comes, found again by its id, cancelled. What it means for the user is outcome.c's business. */
#include "llm/allowance.h"
#include "llm/row.h"
#include "services/clock.h"
#include "services/metrics.h"
#include "services/openai.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CALL_DEADLINE_MS = 20 * SECOND,      /* of a look-up */
    STOP_MS = 900,                       /* a stop is to be seen within a second */
    CANCEL_MS = 450,                     /* so much of it at least is for the cancelling */
    CANCELS_MOST = 5,                    /* repetitions */
    PLAIN_POLLS = 3,                     /* looks, within 7 s, at a plain response that its server has not ended */
    POLL_FOR_MS = 30 * 60 * SECOND,      /* nobody waits longer for a response that is said to be under way */
    CUTS_MOST = 5,                       /* streams of one response that were cut before we only poll */
    BREAKER_AFTER = 8,                   /* failures in a row, of all workers */
    ANSWER_BODY_MAX = 16 * 1024 * 1024, REFUSAL_BODY_MAX = 64 * 1024
};

static struct metric posts_total = {"llm_requests_total", "paid requests made", NULL, METRIC_COUNTER};
static struct metric retries_total = {"llm_retries_total", "paid requests made again", NULL, METRIC_COUNTER};
static struct metric orphans_total = {"llm_orphan_responses_total", "responses that lost against another one of the same call", NULL, METRIC_COUNTER};
static struct metric healed_total = {"llm_chains_healed_total", "lost chains begun anew", NULL, METRIC_COUNTER};

void call_list_metrics(void) {
    static struct metric *const figures[] = {&posts_total, &retries_total, &orphans_total, &healed_total, NULL};
    metrics_list(figures);
}

/* ── the request ───────────────────────────────────────────────────────────────────────────────────────────── */

static void on_recorded(const redisReply *reply, void *owner) {
    struct answer *a = owner;
    a->script = NULL;
    if (!strcmp(answer_word(reply), "ok")) {
        a->recorded = !strcmp(answer_str(reply, 1), a->response_id);
        a->beaten = !a->recorded;
        voice_heard(a);
    } else if (reply->type != REDIS_REPLY_ERROR) {
        a->recorded = !strcmp(answer_str(reply, 1), a->response_id);       /* then whoever moved the job on has booked it */
        a->beaten = !a->recorded;        /* else it moved on without what we asked for: waste */
        a->gone = true;
    }
    if (a->beaten || a->gone || a->over || a->answered || a->error_code || a->stop)
        answer_wake(a);
}

void answer_created(struct answer *a, const char *response_id) {
    a->response_id = arena_str(a->mem, response_id);
    struct args args = {0};
    struct ticket t = answer_ticket(a);
    ticket_args(&args, &t);
    args_str(&args, a->call);
    args_str(&args, a->response_id);
    a->script = redis_script(a->llm->svc->redis, SCRIPT_RESPONSE, &args, on_recorded, a);
}

static void on_http(struct http_result *result, void *owner) {
    struct answer *a = owner;
    a->http = NULL;
    a->answered = true;
    if (a->reading)
        stream_end(a);
    buf_done(&a->result.body);
    a->result = *result;
    result->body = (struct buf){0};      /* ours now */
    allowance_note(a->llm, answer_model(a), &a->result);
    answer_wake(a);
}

void answer_hang_up(struct answer *a) {
    http_cancel(a->http);
    a->http = NULL;
}

static void call_model(struct answer *a, const char *method, const char *path, const char *query, char *body, bool stream) {
    char *url = arena_printf(a->mem, "%s/responses%s%s", a->llm->base_url, path, query);
    struct http_request r = {
        .method = method, .url = url, .headers = a->llm->headers, .body = body, .body_len = body ? strlen(body) : 0,
        .body_free = body ? free : NULL, .max_body = stream ? REFUSAL_BODY_MAX : ANSWER_BODY_MAX,
        .deadline_ms = stream ? 0 : CALL_DEADLINE_MS, .idle_ms = stream ? a->llm->idle_ms : 0,
        .on_bytes = stream ? stream_bytes : NULL, .on_done = on_http, .owner = a,
    };
    answer_hang_up(a);
    a->answered = false;
    a->reading = stream;
    a->http = http_start(a->llm->http, &r);
}

enum step_end step_ask(struct steps *s) {
    struct answer *a = answer_of(s);
    enum step_end end = answer_interrupted(a);     /* the last moment before money is spent */
    if (end != STEP_NEXT)
        return end;
    const struct prices *prices = price_file_now(a->llm->prices);
    a->tools.calls_most = a->limited ? budget_calls(prices, answer_model(a), &a->estimate, a->reserved_nusd) : 0;
    if (a->limited && !a->tools.calls_most)        /* its rest is for the answer */
        a->tools = (struct tools){.library = ""};
    int64_t output = a->limited ? budget_output(prices, answer_model(a), &a->estimate, a->tools.calls_most, a->reserved_nusd, true) : a->llm->output_most;
    if (a->limited && output < OUTPUT_LEAST)       /* a reservation from before, for a shorter question: too small for this one */
        output = OUTPUT_LEAST;
    a->output_asked = output;
    a->without = answer_without(a);
    struct request r = answer_request_of(a, output);
    stream_begin(a, true);
    a->asked = a->try;
    metric_add(&posts_total, 1);
    if (a->try > 1)
        metric_add(&retries_total, 1);
    note(a, LOG_DEBUG, "ask: try %" PRId64 " of %" PRId64, a->try, a->tries_max);
    call_model(a, "POST", "", "", request_body(&r), true);
    return STEP_WAIT;
}

void answer_tell_breaker(struct answer *a, bool failed) {
    if (!failed && !a->llm->troubled)
        return;
    a->llm->troubled = failed;
    struct args args = {0};
    args_str(&args, failed ? "failed" : "answered");
    args_int(&args, BREAKER_AFTER);
    (void)redis_script(a->llm->svc->redis, SCRIPT_BREAKER, &args, NULL, NULL);
}

/* Is the file that OpenAI names one that this question brings along? */
static bool names_our_input(const struct answer *a) {
    for (int i = 0; i < a->inputs_count && a->answered; i++)
        if (a->result.body.len && strstr(buf_cstr(&a->result.body), a->inputs[i].file))
            return true;
    return false;
}

/* What `verdict` says about a request of ours, or about the response that came of it. */
enum step_end answer_follow_verdict(struct answer *a) {
    struct verdict *v = &a->verdict;
    answer_hang_up(a);                   /* behind an error event the stream may go on: nothing of it is to wake us */
    bool of_choice = *answer_own_model(a) && a->answered && a->result.fate == HTTP_ANSWERED;         /* the others' model may be well */
    if (v->counts && a->asked && !of_choice)       /* a failure from before was counted when it was new */
        answer_tell_breaker(a, true);
    if (*a->response_id && a->recorded)
        a->lost = a->response_id;        /* whatever comes next, not this one again */
    a->response_id = "";
    a->recorded = false;
    switch (v->what) {
    case VERDICT_AGAIN:
    case VERDICT_LOOK_UP:
        break;
    case VERDICT_NEW_CHAIN:
        if (v->line && (names_our_input(a) || (!*a->previous && a->inputs_count)))       /* what it is about is gone */
            return answer_refuse(a, v->line, NULL, v->why);
        if (!*a->previous && !a->turns_count)         /* there is no chain: it is something else */
            return answer_refuse(a, v->line ? v->line : "rejected", NULL, v->why);
        a->beside = v->line ? v->line : a->beside;
        if (++a->chain_lost > 2)
            return answer_refuse(a, "too_long", NULL, v->why);
        metric_add(&healed_total, 1);
        note(a, LOG_WARN, "%s: %s: a new chain from the last turns", a->steps.now, v->why);
        if (a->asked == a->try)
            a->try++;
        if (a->try > a->tries_max)       /* found out by the last one: or every question behind it would fail likewise */
            a->tries_max = a->try;
        return steps_goto(&a->steps, "plan");
    case VERDICT_LEAVE_OUT:
        if (a->without & v->without)     /* it was left out already: it is something else */
            return answer_refuse(a, "rejected", NULL, v->why);
        learned_add(&a->llm->learned, answer_model(a), v->without);
        note(a, LOG_WARN, "%s: %s does not take one of our parameters: left out from now on", a->steps.now, answer_model(a));
        if (v->without & (WITHOUT_TOOLS | WITHOUT_TOOL_LIMIT))
            return steps_goto(&a->steps, "plan");   /* likewise, for less money */
        return steps_goto(&a->steps, "begin");      /* the same try: nothing was executed */
    case VERDICT_NO_LIBRARY:
        if (!*a->library)
            return answer_refuse(a, "rejected", NULL, v->why);
        note(a, LOG_WARN, "%s: %s: the answer goes without it", a->steps.now, v->why);
        a->library = "";
        if (a->asked == a->try)
            a->try++;
        if (a->try > a->tries_max)       /* as with a chain that is lost */
            a->tries_max = a->try;
        return steps_goto(&a->steps, "plan");
    case VERDICT_GIVE_UP:
        return steps_goto(&a->steps, "give_up");
    }
    bool unsent = a->answered && a->result.fate == HTTP_NOT_SENT;
    a->unreached = unsent ? a->unreached + 1 : 0;
    if (!unsent && a->asked == a->try)
        a->try++;                        /* what never left us is no try: an outage makes answers late, not lost */
    if (a->try > a->tries_max)
        return answer_refuse(a, "failed", "dead", v->why);
    if (!a->asked)
        return steps_goto(&a->steps, "begin");      /* found failed by its id: its time has been waited for already */
    int64_t wait_ms = openai_backoff(unsent ? a->unreached + 1 : a->try);
    if (wait_ms > v->wait_ms)
        v->wait_ms = wait_ms;
    note(a, LOG_WARN, "%s: %s: again in %" PRId64 " ms (try %" PRId64 " of %" PRId64 ")", a->steps.now, v->why, v->wait_ms, a->try, a->tries_max);
    return steps_goto(&a->steps, "pause");
}

static bool read_plain(struct answer *a, const struct buf *body) {
    struct response r = {0};
    if (!body->len || response_parse(body->data, body->len, &r) < 0)
        return false;
    response_done(&a->response);
    a->response = r;
    a->over = response_is_over(&r);
    return true;
}

enum step_end step_judge_answer(struct steps *s) {
    struct answer *a = answer_of(s);
    if (a->script)                       /* whether it is ours to go on with is being asked */
        return answer_wait_again(a);
    enum step_end end = answer_interrupted(a);
    if (end != STEP_NEXT)
        return end;
    if (!a->over && !a->answered && !a->error_code)
        return answer_wait_again(a);     /* woken early: the stream goes on */
    if (!a->over && a->plain.len && read_plain(a, &a->plain) && !*a->response_id && *a->response.id) {
        answer_created(a, a->response.id);
        return answer_wait_again(a);
    }
    if (a->over)
        return steps_goto(s, "settle");
    if (a->error_code)
        a->verdict = judge_error(a->error_code, NULL);
    bool decided = a->error_code && a->verdict.what == VERDICT_NEW_CHAIN;
    if (*a->response_id && !decided) {   /* it exists: find out about it before asking anew */
        a->polling_since_ms = clock_mono_ms();
        a->polls = 0;
        bool cut = !a->error_code && answer_in_background(a);
        note(a, LOG_WARN, "judge_answer: the stream ended early: %s", a->error_code ? "an error event" : cut ? "reading on" : "looking it up");
        return steps_goto(s, cut ? "attach" : "look_up");
    }
    if (!a->error_code)
        a->verdict = judge_http(&a->result);
    return answer_follow_verdict(a);
}

/* ── a response that exists ────────────────────────────────────────────────────────────────────────────────── */

enum step_end step_attach(struct steps *s) {
    struct answer *a = answer_of(s);
    enum step_end end = answer_interrupted(a);
    if (end != STEP_NEXT)
        return end;
    char query[80] = "?stream=true&include_obfuscation=false";
    if (a->sequence >= 0)                /* in the process that has the beginning; a new one reads from the start */
        (void)snprintf(query, sizeof query, "?stream=true&include_obfuscation=false&starting_after=%" PRId64, a->sequence);
    stream_begin(a, a->sequence < 0);
    call_model(a, "GET", arena_printf(a->mem, "/%s", a->response_id), query, NULL, true);
    a->cuts++;
    return STEP_WAIT;
}

enum step_end step_judge_attach(struct steps *s) {
    struct answer *a = answer_of(s);
    enum step_end end = answer_interrupted(a);
    if (end != STEP_NEXT)
        return end;
    if (!a->over && !a->answered && !a->error_code)
        return answer_wait_again(a);
    if (a->over)
        return steps_goto(s, "settle");
    if (a->streaming && !a->error_code && a->cuts < CUTS_MOST)
        return answer_nap(a, "attach", 200);
    return steps_goto(s, "look_up");     /* too old to be streamed, not to be streamed at all, or always cut */
}

enum step_end step_look_up(struct steps *s) {
    struct answer *a = answer_of(s);
    enum step_end end = answer_interrupted(a);
    if (end != STEP_NEXT)
        return end;
    call_model(a, "GET", arena_printf(a->mem, "/%s", a->response_id), "", NULL, false);
    return STEP_WAIT;
}

enum step_end step_judge_look_up(struct steps *s) {
    static const int waits_s[] = {1, 2, 4, 8, 10};
    struct answer *a = answer_of(s);
    enum step_end end = answer_interrupted(a);
    if (end != STEP_NEXT)
        return end;
    if (!a->answered)
        return answer_wait_again(a);
    bool found = a->result.fate == HTTP_ANSWERED && a->result.status == 200 && read_plain(a, &a->result.body);
    if (found && a->over)
        return steps_goto(s, "settle");
    bool missing = a->result.fate == HTTP_ANSWERED && (a->result.status == 404 || a->result.status == 405 || a->result.status == 400);
    /* OpenAI ends a plain stream when its connection goes; a server that goes on with it is given a little time. */
    bool dropped = found && !answer_in_background(a) && a->polls >= PLAIN_POLLS;
    if (missing || dropped) {
        a->answered = false;
        a->verdict = (struct verdict){.what = VERDICT_AGAIN, .why = missing ? "the response is gone" : "the stream was cut"};
        return answer_follow_verdict(a);
    }
    if (a->result.fate == HTTP_ANSWERED && (a->result.status == 401 || a->result.status == 403)) {
        a->verdict = judge_http(&a->result);
        return answer_follow_verdict(a);
    }
    if (a->result.fate != HTTP_ANSWERED)
        a->polling_since_ms = clock_mono_ms();        /* an outage makes answers late, not lost */
    if (clock_mono_ms() - a->polling_since_ms > POLL_FOR_MS)
        return answer_refuse(a, "failed", "dead", "the response never ended");
    int wait = waits_s[a->polls < 4 ? a->polls : 4];
    a->polls++;
    return answer_nap(a, "look_up", wait * SECOND);
}

/* ── stopped by the user ───────────────────────────────────────────────────────────────────────────────────── */

enum step_end step_stop(struct steps *s) {
    struct answer *a = answer_of(s);
    a->napping = false;
    if (a->script)                       /* the name of what is to be cancelled is being recorded */
        return answer_wait_again(a);
    if (a->gone || a->beaten)
        return steps_goto(s, "judge_answer");
    if (a->over)
        return steps_goto(s, "settle");
    int64_t now = clock_mono_ms();
    if (!a->cancel_until_ms)
        a->cancel_until_ms = now + STOP_MS;
    int64_t left = a->cancel_until_ms - CANCEL_MS - now;
    if (a->http && a->asked && !*a->response_id && answer_in_background(a) && left > 0)
        return steps_sleep(s, "stop", left);           /* that name comes any moment */
    a->sent = a->asked && a->http;
    answer_hang_up(a);
    a->polls = 0;
    if (left < 0)
        a->cancel_until_ms -= left;
    return steps_goto(s, *a->response_id && answer_in_background(a) ? "cancel" : "stopped");
}

enum step_end step_cancel(struct steps *s) {
    struct answer *a = answer_of(s);
    char *path = arena_printf(a->mem, a->cancelled ? "/%s" : "/%s/cancel", a->response_id);
    call_model(a, a->cancelled ? "GET" : "POST", path, "", a->cancelled ? NULL : strdup(""), false);
    return steps_sleep(s, "judge_cancel", a->cancel_until_ms - clock_mono_ms());
}

/* Done when the bill is written, or when there is nothing to be cancelled, or when it takes too long. */
enum step_end step_judge_cancel(struct steps *s) {
    struct answer *a = answer_of(s);
    if (a->gone && !a->wasted)
        return steps_goto(s, "let_go");
    int64_t left = a->cancel_until_ms - clock_mono_ms();
    if (!a->answered && left > 0)
        return steps_sleep(s, "judge_cancel", left);
    bool heard = a->answered && a->result.fate == HTTP_ANSWERED;
    bool found = heard && a->result.status == 200 && read_plain(a, &a->result.body);
    bool nothing = heard && (a->result.status == 400 || a->result.status == 404);
    a->cancelled = a->cancelled || found;
    if ((found && a->over && a->response.has_usage) || nothing || left <= 0 || a->polls >= CANCELS_MOST)
        return steps_goto(s, a->wasted ? "wasted" : "stopped");
    return steps_sleep(s, "cancel", 25 << a->polls++);
}

/* ── work thrown away ──────────────────────────────────────────────────────────────────────────────────────── */

enum step_end step_waste(struct steps *s) {
    struct answer *a = answer_of(s);
    metric_add(&orphans_total, 1);
    note(a, LOG_WARN, "waste: another response of this call was first");
    answer_hang_up(a);
    if (a->over || !answer_in_background(a) || !*a->response_id)
        return STEP_NEXT;
    a->wasted = true;
    a->polls = 0;
    a->cancel_until_ms = clock_mono_ms() + CALL_DEADLINE_MS;
    return steps_goto(s, "cancel");
}

enum step_end step_wasted(struct steps *s) {
    struct answer *a = answer_of(s);
    answer_book_waste(a, &a->response);
    if (a->gone)
        return steps_goto(s, "let_go");
    response_done(&a->response);         /* the question is still ours: on with the response that was first */
    a->over = a->beaten = a->wasted = a->cancelled = false;
    a->cancel_until_ms = 0;
    a->response_id = "";
    if (a->asked == a->try)
        a->try++;
    a->asked = 0;
    return steps_goto(s, "begin");
}
