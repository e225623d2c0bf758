/* What a call means for the user, for the dialogue and for the ledger: the contents of the commit. */
#include "llm/row.h"
#include "proto/cleanup.h"
#include "proto/keys.h"
#include "services/clock.h"
#include "services/metrics.h"
#include "services/texts.h"
#include "services/utf8.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct metric dead_total = {"llm_dead_total", "questions given up", NULL, METRIC_COUNTER};

void outcome_list_metrics(void) {
    metrics_list((struct metric *const[]){&dead_total, NULL});
}

/* ── what it means ─────────────────────────────────────────────────────────────────────────────────────────── */

static void count_usage(struct answer *a, struct usage_event *e, const struct response *r, const char *event, bool estimated) {
    const struct llm *llm = a->llm;
    const char *model = r->model && *r->model ? r->model : answer_model(a);
    struct usage u = {.input_tokens = r->input_tokens, .cached_tokens = r->cached_tokens, .cache_write_tokens = r->cache_write_tokens,
        .output_tokens = r->output_tokens, .reasoning_tokens = r->reasoning_tokens};
    char tools[TOOLS_TEXT];
    tools_used(&r->tools, &u, tools);
    *e = (struct usage_event){
        .event = event, .job = a->held.job, .chat = fields_str(a->job, "chat"), .user = fields_str(a->job, "user"), .at = clock_wall_ms(),
        .paid = "chat", .model = arena_str(a->mem, model), .response = arena_str(a->mem, r->id), .status = arena_str(a->mem, r->status),
        .input_tokens = r->input_tokens, .cached_tokens = r->cached_tokens, .cache_write_tokens = r->cache_write_tokens,
        .output_tokens = r->output_tokens, .reasoning_tokens = r->reasoning_tokens, .tools = arena_str(a->mem, tools),
        .cost_nusd = prices_cost(price_file_now(llm->prices), model, &u), .price_version = arena_str(a->mem, prices_version(price_file_now(llm->prices), model)), .estimated = estimated,
        .unclear = arena_str(a->mem, r->odd_usage),
    };
}

/* Nobody reported what it used: a stream that was cut off, a server that does not say. */
static void estimate_usage(struct answer *a) {
    struct request r = answer_request_of(a, 0);
    a->response.input_tokens = (*a->previous ? fields_int_or(a->chat, "context", 0) : 0) + request_tokens_most(&r) / 3;
    a->response.output_tokens = (int64_t)a->whole_len / 3;
    if (!a->response.text)
        a->response.tools = a->heard;
    if (!a->response.id)
        a->response.id = strdup(a->response_id);
    if (!a->response.status)
        a->response.status = strdup("cancelled");
}

/* The call's own usage goes with the commit. */
static void book_call(struct answer *a) {
    bool estimated = !a->response.has_usage;
    if (estimated)
        estimate_usage(a);
    count_usage(a, &a->usage, &a->response, arena_printf(a->mem, "%s:%s", a->held.job, a->call), estimated);
    if (!estimated && a->limited && !*a->usage.tools)        /* what tools have found is no surprise */
        budget_learn(&a->llm->surprise, &a->estimate, a->response.input_tokens, a->output_asked, a->response.output_tokens);
    a->end.events = &a->usage;
    a->end.events_count = 1;
    a->end.cost_nusd = a->usage.cost_nusd;
}

/* What was spent on a response that is thrown away goes alone, under the response's own name. */
void answer_book_waste(struct answer *a, const struct response *r) {
    if (!r->has_usage || !*a->response_id)
        return;
    struct usage_event e;
    count_usage(a, &e, r, arena_printf(a->mem, "%s:%s:wasted:%s", a->held.job, a->call, a->response_id), false);
    struct args args = {0};
    book_args(&args, &e, a->periods, PERIODS);
    (void)redis_script(a->llm->svc->redis, SCRIPT_BOOK, &args, NULL, NULL);
}

/* Of a text that goes into Redis. */
static size_t bounded(const char *text) {
    size_t len = strlen(text);
    return len > TEXT_MAX ? utf8_cut_bytes(text, len, TEXT_MAX) : len;
}

static char *shorten(struct answer *a, const char *text, size_t len) {
    return arena_copy(a->mem, text, utf8_cut_bytes(text, len, TURN_BYTES));
}

static void keep_turn(struct answer *a, const char *text, size_t len) {
    a->end.question = shorten(a, a->question, strlen(a->question));
    a->end.answer = shorten(a, text, len);
}

/* text:<job> is to end as a->whole. What was said already is usually its beginning; of a stopped answer it always stays, also
 * what a worker before us has said of it. */
void answer_put_text(struct answer *a) {
    size_t said = a->said_is_sure ? a->said : 0;
    bool stopped = !strcmp(a->end.how, HOW_STOPPED);
    bool goes_on = stopped || (a->said_is_sure && said <= a->whole_len && said <= a->text.len &&
                               (said == 0 || !memcmp(a->text.data, a->whole, said)));
    size_t from = !goes_on ? 0 : said < a->whole_len ? said : a->whole_len;
    a->end.text_len = goes_on ? (int64_t)(a->prelude + from) : -1;
    a->end.rest = a->whole + from;
    a->end.rest_len = a->whole_len - from;
}

/* Does the text end inside a block of code, as one may that was cut? */
static bool is_in_code(const char *text) {
    bool in = !strncmp(text, "```", 3);
    for (const char *s = text; (s = strstr(s, "\n```")); s += 4)
        in = !in;
    return in;
}

/* Below the answer: where it is from. */
static void add_sources(struct answer *a) {
    CLEANUP(text_done) char *list = cites_list(&a->response.cites);
    if (!*list)
        return;
    enum texts_lang lang = texts_lang(fields_get(a->job, "lang") ? fields_get(a->job, "lang") : setting_text("UI_LANG"));
    a->whole = arena_printf(a->mem, "%.*s%s\n\n%s\n\n%s", (int)a->whole_len, a->whole, is_in_code(a->whole) ? "\n```" : "", texts_fixed(lang, "sources"), list);
    a->whole_len = strlen(a->whole);
}

enum step_end step_settle(struct steps *s) {
    struct answer *a = answer_of(s);
    const struct response *r = &a->response;
    if (!strcmp(r->status, "failed") || (!strcmp(r->status, "cancelled") && !a->stop)) {
        a->verdict = judge_error(r->error_code, r->error_message);
        if (!strcmp(r->status, "cancelled"))
            a->verdict.why = "the response was cancelled over there";
        answer_book_waste(a, r);
        a->answered = false;
        response_done(&a->response);
        a->over = false;
        return answer_follow_verdict(a);
    }
    answer_tell_breaker(a, false);
    bool incomplete = !strcmp(r->status, "incomplete");
    (void)marks_end(&a->marks, &a->text);
    const char *text = r->text_len ? r->text : a->text.len && !*r->refusal ? buf_cstr(&a->text) : r->text;
    size_t len = bounded(text);
    a->end = (struct commit){.next = "follow", .how = HOW_DONE};
    if (*r->refusal) {
        text = len ? arena_printf(a->mem, "%.*s\n\n%s", (int)len, text, r->refusal) : r->refusal;
        len = bounded(text);
        a->end.line = "refusal";
    } else if (incomplete) {
        a->end.line = !strcmp(r->incomplete_reason, "content_filter") ? "incomplete_filter" : "incomplete_length";
    } else if (!len) {
        a->end.line = "empty";
    } else {
        a->end.line = a->beside;
    }
    keep_turn(a, text, len);
    if (!r->calls_pending)               /* an id with unanswered calls would be refused by the next turn */
        a->end.response = arena_str(a->mem, r->id);
    a->whole = text;
    a->whole_len = len;
    if (text == r->text)
        add_sources(a);
    book_call(a);
    return steps_goto(s, "hush");
}

/* ── stopped by the user ───────────────────────────────────────────────────────────────────────────────────── */

enum step_end step_stopped(struct steps *s) {
    struct answer *a = answer_of(s);
    a->end = (struct commit){.next = "follow", .how = HOW_STOPPED};
    (void)marks_end(&a->marks, &a->text);
    a->whole = a->text.len || !a->response.text ? buf_cstr(&a->text) : a->response.text;      /* the latter when another one has read it */
    a->whole_len = bounded(a->whole);
    keep_turn(a, a->whole, a->whole_len);
    a->over = true;                      /* no more words */
    if (a->response.status && !strcmp(a->response.status, "failed"))
        answer_book_waste(a, &a->response);           /* under its own name: whoever saw it fail may have done so */
    else if (a->response.has_usage || a->sent || *a->response_id)
        book_call(a);
    return steps_goto(s, "hush");
}

/* ── given up ──────────────────────────────────────────────────────────────────────────────────────────────── */

/* A model that its user has chosen is his to change, and nothing that the administrators have set is wrong. */
static void blame_choice(struct answer *a) {
    struct verdict *v = &a->verdict;
    bool forbidden = a->answered && a->result.status == 403 && !strcmp(v->line, "key"), refused = !v->alert && !strcmp(v->line, "rejected");
    if (!*answer_own_model(a) || (!v->of_model && !forbidden && !refused))
        return;
    v->line = v->of_model ? "model_gone" : "model_refused";
    v->alert = NULL;
}

enum step_end step_give_up(struct steps *s) {
    struct answer *a = answer_of(s);
    const struct verdict *v = &a->verdict;
    blame_choice(a);
    bool dead = !strcmp(v->line, "failed");
    note(a, dead || v->alert ? LOG_WARN : LOG_INFO, "give_up: %s (%s)", v->why, v->line);
    if (dead)
        metric_add(&dead_total, 1);
    a->end = (struct commit){.next = "follow", .how = dead ? HOW_DEAD : HOW_REFUSED, .line = v->line, .about = v->why, .alert = v->alert};
    if (dead)                            /* the next turn carries the question that was never answered */
        keep_turn(a, buf_cstr(&a->text), a->text.len);
    a->whole = "";                       /* half an answer that nobody will finish is not shown */
    a->whole_len = 0;
    a->over = true;
    return steps_goto(s, "hush");
}
