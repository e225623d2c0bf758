#include "ingest/bot_api.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "services/alloc.h"
#include "services/clock.h"
#include "services/settings.h"

/* Telegram cuts an answer at about 4 MB. */
enum { ANSWER_MAX_BYTES = 16 << 20, CALL_MAX_MS = 120 * SECOND, BACKOFF_LEAST_MS = 500, BACKOFF_MOST_MS = 30 * SECOND };

struct bot_api {
    struct http *http;
    char *base;                  /* https://…/bot<token>/: never in a log line */
};

void bot_answer_done(struct bot_answer *a) {
    cJSON_Delete(a->json);
    free(a->body);
    *a = (struct bot_answer){ 0 };
}

struct bot_api *bot_api_new(uv_loop_t *loop) {
    struct bot_api *a = alloc_zero(sizeof *a);
    const struct http_options options = {
        .proxy = setting_text("TELEGRAM_PROXY"), .user_agent = "gpttg/" GPTTG_VERSION,
    };
    a->http = http_new(loop, &options);
    if (asprintf(&a->base, "%s/bot%s/", setting_text("TELEGRAM_API_URL"), setting_text("BOT_TOKEN")) < 0)
        abort();
    return a;
}

void bot_api_free(struct bot_api *a) {
    if (!a)
        return;
    http_free(a->http);
    free(a->base);
    free(a);
}

struct http_call *bot_api_call(struct bot_api *a, const char *method, cJSON *params, int silence_ms, http_done_fn *done, void *owner) {
    static const char *const headers[] = { "Content-Type: application/json", NULL };
    CLEANUP(json_done) cJSON *o = params;
    CLEANUP(text_done) char *url = NULL;
    char *body = json_take_text(o);
    if (!body || asprintf(&url, "%s%s", a->base, method) < 0)
        abort();
    const struct http_request request = {
        .method = "POST", .url = url, .headers = headers, .body = body, .body_len = strlen(body), .body_free = free,
        .max_body = ANSWER_MAX_BYTES, .deadline_ms = CALL_MAX_MS, .idle_ms = silence_ms, .on_done = done, .owner = owner,
    };
    return http_start(a->http, &request);
}

int64_t bot_api_backoff_ms(int failures) {
    int64_t most = BACKOFF_LEAST_MS;
    for (int i = 1; i < failures && most < BACKOFF_MOST_MS; i++)
        most *= 2;
    unsigned random = 0;
    (void)getrandom(&random, sizeof random, GRND_NONBLOCK); /* no randomness is no reason not to wait */
    most = most < BACKOFF_MOST_MS ? most : BACKOFF_MOST_MS;
    return most / 2 + (int64_t)(random % (unsigned)(most / 2 + 1));
}

static enum bot_word judge_refusal(int code, const char *description) {
    if (code == 401 || code == 404)
        return BOT_TOKEN; /* 404: it has not even the form of one */
    if (code == 409)
        return strstr(description, "webhook is active") ? BOT_WEBHOOK : BOT_CONFLICT;
    if (code == 400 || code == 403)
        return BOT_REFUSED;
    return code == 429 ? BOT_WAIT : BOT_FAILED;
}

/* What a body that is the Bot API's JSON says. False: it is none. */
static bool read_json(const struct http_result *r, struct bot_answer *a) {
    bool ok;
    a->json = json_parse(buf_cstr(&r->body), r->body.len);
    if (!json_get_bool(a->json, "ok", &ok))
        return false;
    if (ok) {
        a->result = cJSON_GetObjectItemCaseSensitive(a->json, "result");
        a->word = BOT_OK;
        return a->result != NULL;
    }
    int64_t code = r->status, wait_s;
    (void)json_get_i64(a->json, "error_code", &code); /* else the status, which is the same */
    const char *description = json_get_str(a->json, "description");
    a->word = judge_refusal((int)code, description ? description : "");
    if (json_get_i64(json_get_obj(a->json, "parameters"), "retry_after", &wait_s) && wait_s > 0 && wait_s < 7 * 86400)
        a->wait_ms = wait_s * SECOND;
    snprintf(a->why, sizeof a->why, "%d: %.150s", (int)code, description ? description : "no reason given");
    return true;
}

void bot_api_read(struct http_result *r, struct bot_answer *ret_answer) {
    struct bot_answer a = { .word = BOT_FAILED, .wait_ms = r->retry_after_ms > 0 ? r->retry_after_ms : 0, .stalled = r->stalled };
    if (r->fate != HTTP_ANSWERED) {
        snprintf(a.why, sizeof a.why, "%s", r->reason);
    } else if (r->too_large) {
        a.word = BOT_TOO_LARGE;
        snprintf(a.why, sizeof a.why, "an answer of more than %d MB", ANSWER_MAX_BYTES >> 20);
    } else if (!read_json(r, &a)) {
        a.word = r->status == 200 ? BOT_NONSENSE : judge_refusal(r->status, "");
        snprintf(a.why, sizeof a.why, "%d, and not the Bot API's JSON", r->status);
    }
    if (a.word == BOT_TOO_LARGE || a.word == BOT_NONSENSE) {
        a.body_len = r->body.len;
        a.body = buf_take(&r->body);
    }
    *ret_answer = a;
}
