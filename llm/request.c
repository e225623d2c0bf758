#include "llm/request.h"
#include "proto/json.h"
#include "services/utf8.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void request_user_hash(const char *secret, const char *user, char ret_hex[static 65]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)user, strlen(user), digest, &len))
        abort();
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < 32; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[64] = '\0';
}

static const struct { const char *name; unsigned bit; } optional[] = {
    {"metadata", WITHOUT_METADATA},
    {"safety_identifier", WITHOUT_SAFETY_IDENTIFIER},
    {"stream_options", WITHOUT_STREAM_OPTIONS},
    {"context_management", WITHOUT_COMPACTION},
    {"background", WITHOUT_BACKGROUND},
    {"max_output_tokens", WITHOUT_MAX_OUTPUT},
    {"max_tool_calls", WITHOUT_TOOL_LIMIT},
    {"tools", WITHOUT_TOOLS},
};

unsigned request_optional(const char *parameter) {
    for (size_t i = 0; parameter && i < sizeof optional / sizeof *optional; i++) {
        size_t len = strlen(optional[i].name);
        if (!strncmp(parameter, optional[i].name, len) && (!parameter[len] || strchr(".[", parameter[len])))
            return optional[i].bit;
    }
    return 0;
}

int64_t request_tokens_most(const struct request *r) {
    size_t bytes = strlen(r->instructions) / 2 + strlen(r->context) + strlen(r->question);       /* the owner's words are made to be read */
    int64_t tokens = 0;
    for (int i = 0; i < r->turns_count; i++)
        bytes += strlen(r->turns[i].question) + strlen(r->turns[i].answer);
    for (int i = 0; i < r->inputs_count; i++)
        tokens += r->inputs[i].tokens;
    return (int64_t)bytes + tokens;
}

static cJSON *add_item(cJSON *input, const char *role) {
    cJSON *item = cJSON_CreateObject();
    json_put_str(item, "role", role);
    cJSON_AddItemToArray(input, item);
    return cJSON_AddArrayToObject(item, "content");
}

static void add_part(cJSON *content, const char *type, const char *text) {
    cJSON *part = cJSON_CreateObject();
    json_put_str(part, "type", type);
    json_put_str(part, "text", text);
    cJSON_AddItemToArray(content, part);
}

static void add_file(cJSON *content, const struct input *input) {
    cJSON *part = cJSON_CreateObject();
    json_put_str(part, "type", input->image ? "input_image" : "input_file");
    json_put_str(part, "file_id", input->file);
    if (input->image)
        json_put_str(part, "detail", "auto");
    cJSON_AddItemToArray(content, part);
}

static void put_input(cJSON *body, const struct request *r) {
    cJSON *input = cJSON_AddArrayToObject(body, "input");
    for (int i = 0; i < r->turns_count; i++) {
        add_part(add_item(input, "user"), "input_text", r->turns[i].question);
        if (*r->turns[i].answer)
            add_part(add_item(input, "assistant"), "output_text", r->turns[i].answer);
    }
    cJSON *last = add_item(input, "user");
    if (*r->context)
        add_part(last, "input_text", r->context);
    for (int i = 0; i < r->inputs_count; i++)
        add_file(last, &r->inputs[i]);
    add_part(last, "input_text", r->question);         /* a part of its own: as it was written */
}

static void put_compaction(cJSON *body, int64_t threshold) {
    cJSON *list = cJSON_AddArrayToObject(body, "context_management"), *item = cJSON_CreateObject();
    json_put_str(item, "type", "compaction");
    json_put_i64(item, "compact_threshold", threshold);
    cJSON_AddItemToArray(list, item);
}

char *request_body(const struct request *r) {
    CLEANUP(json_done) cJSON *body = cJSON_CreateObject();
    json_put_str(body, "model", r->model);
    json_put_str(body, "instructions", r->instructions);
    put_input(body, r);
    json_put_bool(body, "stream", true);
    json_put_bool(body, "store", true);            /* explicit: a background response is deleted after minutes without it */
    if (*r->previous)
        json_put_str(body, "previous_response_id", r->previous);
    if (r->background && !(r->without & WITHOUT_BACKGROUND))
        json_put_bool(body, "background", true);
    if (r->max_output_tokens > 0 && !(r->without & WITHOUT_MAX_OUTPUT))
        json_put_i64(body, "max_output_tokens", r->max_output_tokens);
    if (r->compact_threshold > 0 && !(r->without & WITHOUT_COMPACTION))
        put_compaction(body, r->compact_threshold);
    struct tools tools = r->tools;
    if (r->without & WITHOUT_TOOL_LIMIT)
        tools.calls_most = 0;
    if (!(r->without & WITHOUT_TOOLS))
        tools_put(body, &tools);
    if (!(r->without & WITHOUT_STREAM_OPTIONS))
        json_put_bool(cJSON_AddObjectToObject(body, "stream_options"), "include_obfuscation", false);
    if (!(r->without & WITHOUT_METADATA)) {
        cJSON *metadata = cJSON_AddObjectToObject(body, "metadata");
        json_put_str(metadata, "job", r->job);
        json_put_str(metadata, "call", r->call);
    }
    if (!(r->without & WITHOUT_SAFETY_IDENTIFIER)) {
        char hash[65];
        request_user_hash(r->secret, r->user, hash);
        json_put_str(body, "safety_identifier", hash);
    }
    char *text = json_take_text(body);
    if (!text)
        abort();
    return text;
}
