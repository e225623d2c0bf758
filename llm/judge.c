#include "llm/judge.h"
#include "llm/request.h"
#include "proto/json.h"
#include "services/openai.h"
#include <string.h>

static struct verdict again(int64_t wait_ms, bool counts, const char *why) {
    return (struct verdict){.what = VERDICT_AGAIN, .wait_ms = wait_ms, .counts = counts, .why = why};
}

static struct verdict give_up(const char *line, const char *alert, const char *why) {
    return (struct verdict){.what = VERDICT_GIVE_UP, .line = line, .alert = alert, .why = why};
}

static struct verdict quota(void) {
    return give_up("quota", "quota", "the account's quota is used up");
}

static struct verdict new_chain(const char *why) {
    return (struct verdict){.what = VERDICT_NEW_CHAIN, .why = why};
}

/* A file of the question, or one further back, is not at OpenAI any more: expired, or deleted. */
static bool is_lost_file(const char *code, const char *message) {
    static const char *const codes[] = {"file_not_found", "image_file_not_found", "file_expired", NULL};
    for (int i = 0; code && codes[i]; i++)
        if (!strcmp(code, codes[i]))
            return true;
    static const char *const words[] = {"not found", "no such file", "no file found", "expired", "does not exist", NULL};
    for (int i = 0; message && strcasestr(message, "file") && words[i]; i++)
        if (strcasestr(message, words[i]))
            return true;
    return false;
}

/* The vector store that file_search was to look into. */
static bool is_lost_library(const char *code, const char *message) {
    static const char *const words[] = {"not found", "expired", "does not exist", "no such", NULL};
    if (code && !strcmp(code, "vector_store_not_found"))
        return true;
    bool about = message && (strcasestr(message, "vector store") || strcasestr(message, "vector_store"));
    for (int i = 0; about && words[i]; i++)
        if (strcasestr(message, words[i]))
            return true;
    return false;
}

/* OpenAI says it with 400, 403 (the project may not have it) or 404. */
static bool is_lost_model(const char *code) {
    return code && !strcmp(code, "model_not_found");
}

static struct verdict lost_model(bool by_name) {
    struct verdict v = give_up("rejected", "model", "the model is not there");
    v.of_model = by_name;
    return v;
}

static struct verdict lost_library(void) {
    return (struct verdict){.what = VERDICT_NO_LIBRARY, .why = "the library is not there any more"};
}

static struct verdict lost_file(void) {
    return (struct verdict){.what = VERDICT_NEW_CHAIN, .line = "file_expired", .why = "a file is not there any more"};
}

struct verdict judge_error(const char *code, const char *message) {
    if (!code || !*code || openai_is_passing(code))
        return again(0, true, "the model's server failed");
    if (openai_is_quota(code))
        return quota();
    if (!strcmp(code, "previous_response_not_found"))
        return new_chain("the chain is not known any more");
    if (!strcmp(code, "context_length_exceeded"))
        return new_chain("the dialogue is too long for the model");
    if (!strcmp(code, "invalid_api_key") || !strcmp(code, "account_deactivated"))
        return give_up("key", "key", "the API key was refused");
    if (is_lost_library(code, message))
        return lost_library();
    if (is_lost_file(code, message))     /* the message is only looked at: it may quote the user's words */
        return lost_file();
    if (!strncmp(code, "invalid_image", 13) || !strncmp(code, "image_", 6) || !strcmp(code, "empty_image_file") || !strcmp(code, "unsupported_image_media_type"))
        return give_up("file_broken", NULL, "the model cannot read the picture");
    return give_up("rejected", NULL, "the question was refused");
}

/* Servers say it by code, by parameter, or only in words; with 400 or with 404. */
static bool is_lost_chain(const char *code, const char *parameter, const char *message) {
    return (code && !strcmp(code, "previous_response_not_found")) || (parameter && !strcmp(parameter, "previous_response_id")) ||
           (message && strcasestr(message, "response with id") && strcasestr(message, "not found"));
}

static struct verdict judge_bad_request(const char *code, const char *parameter, const char *message) {
    if (is_lost_chain(code, parameter, message))
        return new_chain("the chain is not known any more");
    if (code && !strcmp(code, "context_length_exceeded"))
        return judge_error(code, message);
    if (is_lost_library(code, message))
        return lost_library();
    if (is_lost_file(code, message))
        return lost_file();
    if (parameter && strstr(parameter, "vector_store_ids"))       /* the tools are well, that one is not */
        return lost_library();
    unsigned without = request_optional(parameter);
    if (without)
        return (struct verdict){.what = VERDICT_LEAVE_OUT, .without = without, .why = "a parameter is not known there"};
    if (openai_is_quota(code))
        return quota();
    return give_up("rejected", NULL, "the request was refused");
}

struct verdict judge_http(const struct http_result *r) {
    if (r->fate == HTTP_NOT_SENT)
        return again(0, true, "the model's server cannot be reached");
    if (r->fate == HTTP_UNKNOWN)
        return (struct verdict){.what = VERDICT_LOOK_UP, .counts = true, .why = r->stalled ? "it fell silent" : "the connection was lost"};
    if (r->status == 200)                /* a stream that just ends is no answer: only a terminal event is */
        return (struct verdict){.what = VERDICT_LOOK_UP, .counts = true, .why = "the stream was cut"};

    CLEANUP(json_done) cJSON *body = r->body.data ? json_parse(r->body.data, r->body.len) : NULL;
    const cJSON *error = json_get_obj(body, "error");
    const char *code = json_get_str(error, "code"), *type = json_get_str(error, "type");
    const char *parameter = json_get_str(error, "param"), *message = json_get_str(error, "message");
    int64_t wait_ms = r->retry_after_ms > 0 ? r->retry_after_ms : 0;
    if (r->status == 429) {
        if (openai_is_quota(code) || openai_is_quota(type))
            return quota();
        return r->should_retry == 0 ? give_up("failed", NULL, "it said not to ask again") : again(wait_ms, false, "asked to come back later");
    }
    if (r->status == 401)
        return give_up("key", "key", "the API key was refused");
    if ((r->status == 400 || r->status == 403) && is_lost_model(code))
        return lost_model(true);
    if (r->status == 403)
        return give_up("key", "key", "the API key may not do this");
    if (r->status == 404 && is_lost_library(code, message))
        return lost_library();
    if (r->status == 404 && !is_lost_chain(code, parameter, message))
        return is_lost_file(code, message) ? lost_file() : lost_model(is_lost_model(code) || (parameter && !strcmp(parameter, "model")));
    if (r->status == 408 || r->status == 409 || r->status >= 500)
        return r->should_retry == 0 ? give_up("failed", NULL, "it said not to ask again") : again(wait_ms, r->status >= 500, "the model's server failed");
    if (r->should_retry == 1)
        return again(wait_ms, false, "asked to try again");
    if (r->status == 413)
        return give_up("too_long", NULL, "the request is too large");
    return judge_bad_request(code, parameter, message);
}
