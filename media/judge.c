#include "media/judge.h"
#include "proto/json.h"
#include "services/clock.h"
#include "services/openai.h"
#include <string.h>

enum { TELEGRAM_MB = 20, OPENAI_MB = 25 };       /* their own limits, where they do not say them: downloads, sound */

static struct verdict again(int64_t wait_ms, const char *why) {
    return (struct verdict){.what = VERDICT_AGAIN, .wait_ms = wait_ms, .why = why};
}

static struct verdict refuse(const char *line, const char *alert, const char *why) {
    return (struct verdict){.what = VERDICT_REFUSE, .line = line, .alert = alert, .why = why};
}

static struct verdict too_big(int64_t limit_mb, const char *why) {
    struct verdict v = refuse("file_too_big", NULL, why);
    v.limit_mb = limit_mb;
    return v;
}

static struct verdict not_answered(const struct http_result *r, bool counts) {
    struct verdict v = again(0, r->fate == HTTP_NOT_SENT ? "the server cannot be reached" : r->stalled ? "it fell silent" : "the connection was lost");
    v.unsent = r->fate == HTTP_NOT_SENT;
    v.counts = counts;
    return v;
}

static struct verdict asked_to_wait(int64_t wait_ms) {
    struct verdict v = again(wait_ms, "asked to come back later");
    v.asked_to_wait = wait_ms > 0;
    return v;
}

static cJSON *body_of(const struct http_result *r) {
    return r->body.data ? json_parse(r->body.data, r->body.len) : NULL;
}

/* ── Telegram ──────────────────────────────────────────────────────────────────────────────────────────────── */

static struct verdict judge_telegram(const struct http_result *r, const cJSON *body) {
    int64_t seconds = 0;
    if (r->status == 429) {
        (void)json_get_i64(json_get_obj(body, "parameters"), "retry_after", &seconds);      /* absent: what the header says */
        return asked_to_wait(seconds > 0 ? seconds * SECOND : r->retry_after_ms > 0 ? r->retry_after_ms : SECOND);
    }
    if (r->status >= 500)
        return again(r->retry_after_ms > 0 ? r->retry_after_ms : 0, "Telegram's server failed");
    return refuse("file_gone", NULL, "Telegram does not hand over the file");
}

struct verdict judge_get_file(const struct http_result *r) {
    if (r->fate != HTTP_ANSWERED)
        return not_answered(r, false);
    if (r->status == 200)
        return (struct verdict){.what = VERDICT_OK};
    CLEANUP(json_done) cJSON *body = body_of(r);
    const char *description = json_get_str(body, "description");
    if (r->status == 400 && description && strcasestr(description, "too big"))
        return too_big(TELEGRAM_MB, "Telegram says that it is too big");
    if (r->status == 400 && description && strcasestr(description, "temporarily unavailable"))
        return (struct verdict){.what = VERDICT_GONE, .why = "the file is not available now"};
    if (r->status == 401 || (r->status == 404 && !strcmp(description ? description : "", "Not Found")))
        return refuse("failed", "telegram_token", "Telegram refuses the token");
    return judge_telegram(r, body);
}

struct verdict judge_download(const struct http_result *r) {
    if (r->fate != HTTP_ANSWERED)
        return not_answered(r, false);
    if (r->status == 200 || r->status == 206)
        return (struct verdict){.what = VERDICT_OK};
    if (r->status == 404 || r->status == 410 || r->status == 416)
        return (struct verdict){.what = VERDICT_GONE, .why = "the link has expired"};
    CLEANUP(json_done) cJSON *body = body_of(r);
    return judge_telegram(r, body);
}

/* ── OpenAI ────────────────────────────────────────────────────────────────────────────────────────────────── */

static struct verdict judge_bad_file(int status, const char *message) {
    if (status == 413)
        return too_big(OPENAI_MB, "OpenAI says that it is too large");
    bool by_type = status == 415 || (message && (strcasestr(message, "unsupported file") || strcasestr(message, "file format") || strcasestr(message, "extension")));
    return refuse(by_type ? "file_type" : "file_broken", NULL, "OpenAI does not take the file");
}

struct verdict judge_openai(const struct http_result *r, const char *no_model) {
    if (r->fate != HTTP_ANSWERED)
        return not_answered(r, true);
    if (r->status == 200)
        return (struct verdict){.what = VERDICT_OK};
    CLEANUP(json_done) cJSON *body = body_of(r);
    const cJSON *error = json_get_obj(body, "error");
    const char *code = json_get_str(error, "code"), *type = json_get_str(error, "type"), *parameter = json_get_str(error, "param");
    if (openai_is_quota(code) || (r->status == 429 && openai_is_quota(type)))
        return refuse("quota", "quota", "the account's quota is used up");
    if (r->status == 401 || r->status == 403)
        return refuse("key", "key", "the API key was refused");
    bool passes = r->status == 408 || r->status == 409 || r->status == 429 || r->status >= 500;
    if (passes && r->should_retry == 0)
        return refuse("failed", NULL, "it said not to ask again");
    if (passes || r->should_retry == 1) {
        struct verdict v = again(r->retry_after_ms > 0 ? r->retry_after_ms : 0, r->status == 429 ? "asked to come back later" : "OpenAI's server failed");
        v.counts = r->status >= 500;
        return v;
    }
    if (no_model && (r->status == 404 || (parameter && !strcmp(parameter, "model"))))
        return refuse("rejected", no_model, "the model is not there");
    if (r->status == 404)
        return refuse("rejected", NULL, "this server has no such thing");
    return judge_bad_file(r->status, json_get_str(error, "message"));
}

static bool is_among(const char *word, const char *const *list) {
    for (; word && *list; list++)
        if (!strcmp(word, *list))
            return true;
    return false;
}

struct verdict judge_drawing(const struct http_result *r, bool edit) {
    static const char *const unsafe[] = {"moderation_blocked", "content_policy_violation", "image_content_policy_violation", "misalignment_policy_violation",
                                         "bio_policy", "safety_violation", NULL};
    static const char *const spare[] = {"output_format", "quality", "size", NULL};
    struct verdict v = judge_openai(r, "model_image");
    if (v.what != VERDICT_REFUSE || r->status != 400)
        return v;
    CLEANUP(json_done) cJSON *body = body_of(r);
    const cJSON *error = json_get_obj(body, "error");
    const char *message = json_get_str(error, "message");
    bool refused = is_among(json_get_str(error, "code"), unsafe) || (message && strcasestr(message, "safety system"));
    if (refused)
        return refuse("image_refused", NULL, "the safety system refused it");
    if (!edit && !v.alert)
        v.line = "rejected";
    v.may_be_bare = is_among(json_get_str(error, "param"), spare);
    return v;
}
