/* Speech becomes text. */
#include "media/task.h"
#include "proto/json.h"
#include "services/settings.h"
#include "services/clock.h"
#include "services/metrics.h"
#include "services/utf8.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    ANSWER_MAX = 4 * 1024 * 1024,
    TRANSCRIPT_MAX = 48 * 1024,          /* bytes of it that are kept */
    TOKENS_PER_S = 10, WORDS_PER_S = 6   /* of models that are paid by the token, generously */
};

static struct metric requests_total = {"media_transcriptions_total", "paid requests made", NULL, METRIC_COUNTER};
static struct metric wasted_total = {"media_transcriptions_wasted_total", "transcriptions that lost against another one", NULL, METRIC_COUNTER};

void hear_list_metrics(void) {
    static struct metric *const figures[] = {&requests_total, &wasted_total, NULL};
    metrics_list(figures);
}

/* ── what was heard ────────────────────────────────────────────────────────────────────────────────────────── */

static bool well_heard(struct task *t, const cJSON *o, struct heard *ret) {
    struct heard h = {.text = json_get_str(o, "text"), .model = json_get_str(o, "model"), .nonce = json_get_str(o, "nonce")};
    if (!h.text || !h.model || !h.nonce || !json_get_i64(o, "ms", &h.ms))
        return false;
    (void)json_get_i64(o, "input_tokens", &h.input_tokens);      /* absent: paid by time */
    (void)json_get_i64(o, "audio_tokens", &h.audio_tokens);
    (void)json_get_i64(o, "output_tokens", &h.output_tokens);
    (void)json_get_bool(o, "estimated", &h.estimated);
    h.text = arena_str(t->mem, h.text);
    h.model = arena_str(t->mem, h.model);
    h.nonce = arena_str(t->mem, h.nonce);
    *ret = h;
    return true;
}

bool heard_read(struct task *t, const char *json, struct heard *ret) {
    CLEANUP(json_done) cJSON *o = json_parse(json, strlen(json));
    return well_heard(t, o, ret);
}

/* Makes two results of one file differ. */
static const char *nonce(struct task *t) {
    unsigned char bytes[8];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        abort();
    return arena_printf(t->mem, "%02x%02x%02x%02x%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]);
}

/* The words, without the white space around them, and not more than may be kept. */
static const char *clean(struct task *t, const char *text) {
    size_t len;
    CLEANUP(text_done) char *valid = utf8_clean(text, strlen(text), &len);
    const char *from = valid + strspn(valid, " \t\r\n");
    len = strlen(from);
    while (len && strchr(" \t\r\n", from[len - 1]))
        len--;
    return arena_copy(t->mem, from, utf8_cut_bytes(from, len, TRANSCRIPT_MAX));
}

static void read_usage(const cJSON *usage, struct heard *h) {
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(usage, "seconds");
    if (cJSON_IsNumber(seconds) && seconds->valuedouble > 0 && seconds->valuedouble < 1e7) {
        h->ms = (int64_t)(seconds->valuedouble * SECOND + 0.5);
        h->estimated = false;
    }
    if (json_get_i64(usage, "input_tokens", &h->input_tokens)) {
        (void)json_get_i64(usage, "output_tokens", &h->output_tokens);
        (void)json_get_i64(json_get_obj(usage, "input_token_details"), "audio_tokens", &h->audio_tokens);
        h->estimated = false;
    }
}

/* OpenAI's answer as the JSON that is kept. NULL: it is none. */
const char *heard_result(struct task *t, const struct http_result *r) {
    CLEANUP(json_done) cJSON *body = r->body.data ? json_parse(r->body.data, r->body.len) : NULL;
    const char *text = json_get_str(body, "text");
    if (!text)
        return NULL;
    struct heard h = {.text = clean(t, text), .ms = hear_likely_ms(t), .estimated = true};
    read_usage(json_get_obj(body, "usage"), &h);
    CLEANUP(json_done) cJSON *o = cJSON_CreateObject();
    json_put_str(o, "text", h.text);
    json_put_str(o, "model", task_model(t));
    json_put_i64(o, "ms", h.ms);
    json_put_i64(o, "input_tokens", h.input_tokens);
    json_put_i64(o, "audio_tokens", h.audio_tokens);
    json_put_i64(o, "output_tokens", h.output_tokens);
    json_put_bool(o, "estimated", h.estimated);
    json_put_str(o, "nonce", nonce(t));
    CLEANUP(text_done) char *json = json_take_text(o);
    return json ? arena_str(t->mem, json) : NULL;
}

/* How long it is, as far as anybody can tell before it was heard. */
int64_t hear_likely_ms(const struct task *t) {
    const struct item *i = &t->items[t->at];
    int64_t ms = t->what.duration_ms ? t->what.duration_ms : t->spool.len / 2;       /* 16 kbit/s, as voices have */
    return ms > i->seconds * SECOND ? ms : i->seconds * SECOND;
}

/* With the shortest of answers: who cannot have one need not pay for being heard. */
int64_t hear_likely_cost(const struct task *t) {
    enum { QUESTION = 400, ANSWER = 32 };
    int64_t ms = hear_likely_ms(t) + SECOND;
    struct usage u = {.audio_ms = ms, .input_tokens = ms * TOKENS_PER_S / SECOND + 100, .audio_tokens = ms * TOKENS_PER_S / SECOND, .output_tokens = ms * WORDS_PER_S / SECOND + 100};
    const struct prices *prices = price_file_now(t->media->prices);
    const char *answering = *fields_str(t->job, "model") ? fields_str(t->job, "model") : setting_text("OPENAI_MODEL");
    return prices_cost(prices, task_model(t), &u) + prices_upper_bound(prices, answering, QUESTION, ANSWER);
}

void heard_book(struct task *t, const struct heard *h, const char *event, struct usage_event *ret) {
    struct usage u = {.audio_ms = h->ms, .input_tokens = h->input_tokens, .audio_tokens = h->audio_tokens, .output_tokens = h->output_tokens};
    *ret = (struct usage_event){
        .event = event, .job = t->held.job, .chat = fields_str(t->job, "chat"), .user = fields_str(t->job, "user"), .at = clock_wall_ms(),
        .paid = "transcription", .model = h->model, .response = h->nonce, .status = "completed", .input_tokens = h->input_tokens,
        .output_tokens = h->output_tokens, .audio_ms = h->ms, .cost_nusd = prices_cost(price_file_now(t->media->prices), h->model, &u),
        .price_version = arena_str(t->mem, prices_version(price_file_now(t->media->prices), h->model)), .estimated = h->estimated,
    };
}

static void book_waste(struct task *t, const struct heard *h) {
    struct usage_event e;
    heard_book(t, h, arena_printf(t->mem, "%s:%s:wasted:%s", t->held.job, t->call, h->nonce), &e);
    ask_book(t, &e);
    metric_add(&wasted_total, 1);
}

/* Ours lost: it was paid for all the same. */
void heard_waste(struct task *t) {
    struct heard h;
    if (!heard_read(t, t->made, &h))
        return;
    book_waste(t, &h);
    note(t, LOG_WARN, "another transcription of this file was first");
}

/* It was heard, and what came of it is no text. */
void heard_oddly(struct task *t, const struct http_result *r) {
    CLEANUP(json_done) cJSON *body = r->body.data ? json_parse(r->body.data, r->body.len) : NULL;
    struct heard h = {.text = "", .model = task_model(t), .nonce = nonce(t), .ms = hear_likely_ms(t), .estimated = true};
    read_usage(json_get_obj(body, "usage"), &h);
    book_waste(t, &h);
}

/* ── the paid call ─────────────────────────────────────────────────────────────────────────────────────────── */

enum step_end step_hear(struct steps *s) {
    struct task *t = task_of(s);
    struct media *m = t->media;
    enum step_end end = task_interrupted(t);     /* the last moment before money is spent */
    if (end != STEP_NEXT)
        return end;
    multipart_done(&t->body);
    multipart_init(&t->body);
    multipart_field(&t->body, "model", task_model(t));
    multipart_field(&t->body, "response_format", "json");
    multipart_file(&t->body, "file", arena_printf(t->mem, "speech.%s", t->what.ext), t->what.mime, t->spool.fd, t->spool.len);
    const char *headers[] = {m->authorization, t->body.type, "Accept: application/json", NULL};
    struct http_request r = {
        .method = "POST", .url = arena_printf(t->mem, "%s/audio/transcriptions", m->openai_url), .headers = headers, .body_read = ask_read_body,
        .body_len = multipart_length(&t->body), .max_body = ANSWER_MAX, .idle_ms = m->idle_ms, .on_done = ask_answered, .bulk = true,
    };
    metric_add(&requests_total, 1);
    note(t, LOG_DEBUG, "hear: try %" PRId64 " of %" PRId64, t->try, m->tries_max);
    task_say(t, DOING_TRANSCRIBING);
    ask_call(t, &r);
    return STEP_WAIT;
}

enum step_end step_judge_hear(struct steps *s) {
    return ask_judge(task_of(s));
}
