#include "sim/openai.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/calls.h"
#include "sim/faults.h"
#include "sim/files.h"
#include "sim/stream.h"
#include "sim/text.h"

#define INVALID "invalid_request_error"

struct openai *openai_new(void) {
    static const char *const models[][2] = {
        { "gpt-6-astra", NULL }, { "gpt-6.1-sol", NULL }, { "gpt-6.1-terra", NULL }, { "gpt-6-sol", NULL }, { "gpt-6-luna", NULL },
        { "gpt-5.6-terra", NULL }, { "gpt-5", "2026-12-11" }, { "gpt-4o", "2027-01-14" }, { "gpt-4o-mini", "2027-01-14" },
        { "gpt-transcribe", NULL }, { "whisper-1", "2027-02-26" }, { "gpt-image-2.6-sunburst", NULL }, { "gpt-image-2.6-flare", NULL },
        { "gpt-image-2", NULL }, { "gpt-image-1-mini", "2026-12-01" },
    };
    struct openai *o = xalloc(sizeof *o);
    o->ring = xalloc(RESPONSES_MAX * sizeof *o->ring);
    o->first = o->next = 1;
    o->plan.deltas = 8;
    o->resume_max_ms = 300000;
    o->cache_min = 1024;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        o->models[o->models_len++] = (struct model){ xdup(models[i][0]), xdup(models[i][1]) };
    return o;
}

static void forget_models(struct openai *o) {
    while (o->models_len) {
        free(o->models[--o->models_len].id);
        free(o->models[o->models_len].shutdown);
    }
}

void openai_free(struct openai *o) {
    size_t at = 0;
    void *v;
    if (!o)
        return;
    for (int64_t n = o->first; n < o->next; n++) {
        stream_forget(o->ring[n % RESPONSES_MAX]);
        response_free(o->ring[n % RESPONSES_MAX]);
    }
    while (map_next(&o->billed_by_model, &at, &v))
        free(v);
    map_done(&o->billed_by_model);
    map_done(&o->by_id);
    oa_stores_done(o);
    forget_models(o);
    free(o->ring);
    free(o);
}

struct response *openai_response(const struct openai *o, const char *id) {
    return map_get(&o->by_id, id);
}

struct response *openai_response_at(const struct openai *o, int64_t n) {
    return n >= o->first && n < o->next ? o->ring[n % RESPONSES_MAX] : NULL;
}

/* ---- settings ---- */

static const char *set_models(struct openai *o, const cJSON *list) {
    const cJSON *m;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > MODELS_MAX)
        return "models: an array of names or objects";
    cJSON_ArrayForEach(m, list)
        if (!cJSON_IsString(m) && !json_str(m, "id"))
            return "models: an array of names or objects";
    forget_models(o);
    cJSON_ArrayForEach(m, list) {
        struct model *to = &o->models[o->models_len++];
        to->id = xdup(cJSON_IsString(m) ? m->valuestring : json_str(m, "id"));
        to->shutdown = xdup(json_str(m, "shutdown_date"));
    }
    return NULL;
}

const char *openai_set(struct openai *o, const cJSON *settings) {
    const cJSON *v, *models = cJSON_GetObjectItemCaseSensitive(settings, "models");
    struct plan plan = o->plan;
    if (!answer_set_plan(settings, &plan))
        return "a setting is out of range";
    if (models) {
        const char *error = set_models(o, models);
        if (error)
            return error;
    }
    o->plan = plan;
    (void)json_i64(settings, "resume_max_ms", &o->resume_max_ms);      /* absent: as before */
    (void)json_i64(settings, "cache_min", &o->cache_min);
    if ((v = cJSON_GetObjectItemCaseSensitive(settings, "strict_models")))
        o->strict_models = cJSON_IsTrue(v);
    if ((v = cJSON_GetObjectItemCaseSensitive(settings, "obfuscation")))
        o->obfuscation = cJSON_IsTrue(v);
    return NULL;
}

void openai_settings_to_json(const struct openai *o, struct buf *b) {
    buf_str(b, "{");
    answer_plan_to_json(&o->plan, b);
    buf_fmt(b, "\"resume_max_ms\":%lld,\"cache_min\":%lld,\"strict_models\":%s,\"obfuscation\":%s,\"models\":[", (long long)o->resume_max_ms,
            (long long)o->cache_min, o->strict_models ? "true" : "false", o->obfuscation ? "true" : "false");
    for (int i = 0; i < o->models_len; i++) {
        buf_str(b, i ? "," : "");
        buf_json_str(b, o->models[i].id);
    }
    buf_str(b, "]}");
}

/* ---- answers ---- */

enum { HEADERS_ROOM = 400 };

static void headers_of(struct sim *sim, char room[HEADERS_ROOM]) {
    snprintf(room, HEADERS_ROOM, "x-request-id: req_%08llx%06lld\r\nopenai-processing-ms: 3\r\nopenai-version: 2020-10-01\r\n"
             "x-ratelimit-limit-requests: 5000\r\nx-ratelimit-remaining-requests: 4999\r\nx-ratelimit-reset-requests: 12ms\r\n"
             "x-ratelimit-limit-tokens: 2000000\r\nx-ratelimit-remaining-tokens: 1999000\r\nx-ratelimit-reset-tokens: 6m0s\r\n",
             (unsigned long long)(sim->boot & 0xffffffff), (long long)++sim->openai->requests);
}

void openai_answer(struct sim *sim, struct exch *x, int status, struct buf *b) {
    char headers[HEADERS_ROOM];
    headers_of(sim, headers);
    answer_json(x, status, headers, b);
}

void openai_begin_stream(struct sim *sim, struct exch *x) {
    char headers[HEADERS_ROOM + 32];
    headers_of(sim, headers);
    memcpy(headers + strlen(headers), "Cache-Control: no-cache\r\n", sizeof "Cache-Control: no-cache\r\n");
    exch_begin(x, 200, "text/event-stream; charset=utf-8", headers);
}

static void log_call(struct oa_call *c, int status, const char *error) {
    const struct http *h = c->x->http;
    if (c->body) {
        calls_add(c->sim, "openai", c->name, 0, status, error, c->x->fault_id, h->body.p, h->body.n);
    } else {
        struct buf b = {0};
        buf_str(&b, "{\"path\":");
        buf_json_str(&b, h->path);
        buf_str(&b, ",\"query\":");
        buf_json_str(&b, h->query);
        if (h->body.n)
            buf_fmt(&b, ",\"bytes\":%zu", h->body.n);
        buf_str(&b, "}");
        calls_add(c->sim, "openai", c->name, 0, status, error, c->x->fault_id, b.p, b.n);
        buf_done(&b);
    }
}

void oa_result(struct oa_call *c, struct buf *b) {
    log_call(c, 200, NULL);
    openai_answer(c->sim, c->x, 200, b);
}

void oa_refuse(struct oa_call *c, int status, const char *message, const char *type, const char *param, const char *code) {
    struct buf b = {0};
    log_call(c, status, message);
    buf_str(&b, "{\"error\":{\"message\":");
    buf_json_str(&b, message);
    buf_str(&b, ",\"type\":");
    buf_json_str(&b, type);
    buf_str(&b, ",\"param\":");
    buf_json_str(&b, param);
    buf_str(&b, ",\"code\":");
    buf_json_str(&b, code);
    buf_str(&b, "}}");
    openai_answer(c->sim, c->x, status, &b);
}

static bool is_past(const char *date) {
    time_t now = (time_t)(sim_now_ms() / 1000);
    struct tm tm;
    char today[16];
    gmtime_r(&now, &tm);
    strftime(today, sizeof today, "%Y-%m-%d", &tm);
    return date && strcmp(date, today) <= 0;
}

bool oa_model_is_there(struct oa_call *c, const char *model) {
    static const char *const dead[] = { "dall-e-2", "dall-e-3", "gpt-image-1", NULL };
    const struct openai *o = c->sim->openai;
    bool known = false, gone = false;
    char text[300];
    for (int i = 0; i < o->models_len; i++)
        if (!strcmp(o->models[i].id, model)) {
            known = true;
            gone = is_past(o->models[i].shutdown);
        }
    for (int i = 0; dead[i]; i++)
        gone = gone || (!known && !strcmp(dead[i], model));
    if (!gone && (known || !o->strict_models))
        return true;
    snprintf(text, sizeof text, "The model `%.200s` does not exist or you do not have access to it.", model);
    oa_refuse(c, 404, text, INVALID, "model", "model_not_found");
    return false;
}

static void refuse_response(struct oa_call *c) {
    char text[200];
    snprintf(text, sizeof text, "Response with id '%.100s' not found.", c->id);
    oa_refuse(c, 404, text, INVALID, NULL, NULL);
}

/* ---- POST /v1/responses ---- */

struct question {
    struct buf text;            /* of the last user item: its last text part */
    size_t bytes;               /* of everything in the input, for the tokens */
    int images, files;
    const char *missing_file;
};

static void read_part(struct sim *sim, const cJSON *part, struct question *q, bool last_user) {
    const char *type = json_str(part, "type"), *text = json_str(part, "text"), *file = json_str(part, "file_id");
    if (!type)
        return;
    if (text) {
        q->bytes += strlen(text);
        if (last_user && !strcmp(type, "input_text")) {
            q->text.n = 0;
            buf_str(&q->text, text);
        }
    }
    if (!strcmp(type, "input_image")) {
        q->images += last_user;
        q->bytes += 4 * 85;     /* a small picture's tokens */
    } else if (!strcmp(type, "input_file")) {
        q->files += last_user;
        q->bytes += 4 * 250;
    }
    if (file && !files_find(sim->files, file))
        q->missing_file = file;
}

static void read_input(struct sim *sim, const cJSON *input, struct question *q) {
    const cJSON *item, *part, *last = NULL;
    buf_str(&q->text, "");
    if (cJSON_IsString(input)) {
        buf_str(&q->text, input->valuestring);
        q->bytes = q->text.n;
        return;
    }
    cJSON_ArrayForEach(item, input) {
        const char *role = json_str(item, "role");
        if (role && !strcmp(role, "user"))
            last = item;
    }
    cJSON_ArrayForEach(item, input) {
        const cJSON *content = cJSON_GetObjectItemCaseSensitive(item, "content");
        const char *output = json_str(item, "output");
        if (cJSON_IsString(content)) {
            q->bytes += strlen(content->valuestring);
            if (item == last)
                buf_str(&q->text, content->valuestring);
        }
        if (cJSON_IsArray(content))
            cJSON_ArrayForEach(part, content)
                read_part(sim, part, q, item == last);
        q->bytes += output ? strlen(output) : 0;
    }
}

/* An echoed member: as it was given, or its default. */
static void echo(struct buf *b, const cJSON *body, const char *name, const char *otherwise) {
    cJSON *v = cJSON_GetObjectItemCaseSensitive(body, name);
    buf_fmt(b, ",\"%s\":", name);
    if (v && !cJSON_IsNull(v)) {
        char *text = cJSON_PrintUnformatted(v);
        buf_str(b, text);
        free(text);
    } else {
        buf_str(b, otherwise);
    }
}

static char *echo_all(const cJSON *body) {
    static const char *const members[][2] = {
        { "instructions", "null" }, { "max_output_tokens", "null" }, { "max_tool_calls", "null" }, { "model", "null" }, { "parallel_tool_calls", "true" },
        { "previous_response_id", "null" }, { "prompt_cache_key", "null" }, { "reasoning", "{\"effort\":\"low\",\"summary\":null}" }, { "safety_identifier", "null" },
        { "service_tier", "\"default\"" }, { "store", "true" }, { "temperature", "1.0" }, { "text", "{\"format\":{\"type\":\"text\"},\"verbosity\":\"medium\"}" },
        { "tool_choice", "\"auto\"" }, { "tools", "[]" }, { "top_logprobs", "0" }, { "top_p", "1.0" }, { "truncation", "\"disabled\"" }, { "metadata", "{}" },
    };
    struct buf b = {0};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        echo(&b, body, members[i][0], members[i][1]);
    return buf_take(&b);
}

static char *items_of(const cJSON *input, const struct response *r) {
    struct buf b = {0};
    const cJSON *item;
    int n = 0;
    buf_str(&b, "[");
    if (cJSON_IsString(input)) {
        buf_str(&b, "{\"id\":\"msg_in_0_");
        buf_str(&b, r->id + 5);
        buf_str(&b, "\",\"type\":\"message\",\"status\":\"completed\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":");
        buf_json_str(&b, input->valuestring);
        buf_str(&b, "}]}");
    }
    cJSON_ArrayForEach(item, input) {           /* of a string: nothing */
        cJSON *copy = cJSON_Duplicate(item, true), *content = cJSON_GetObjectItemCaseSensitive(copy, "content");
        char id[80], *text;
        snprintf(id, sizeof id, "msg_in_%d_%s", n, r->id + 5);
        cJSON_DeleteItemFromObjectCaseSensitive(copy, "id");
        cJSON_AddStringToObject(copy, "id", id);
        if (!json_str(copy, "type"))
            cJSON_AddStringToObject(copy, "type", "message");
        if (!json_str(copy, "status"))
            cJSON_AddStringToObject(copy, "status", "completed");
        if (cJSON_IsString(content)) {
            cJSON *parts = cJSON_CreateArray(), *part = cJSON_CreateObject();
            cJSON_AddStringToObject(part, "type", "input_text");
            cJSON_AddStringToObject(part, "text", content->valuestring);
            cJSON_AddItemToArray(parts, part);
            cJSON_ReplaceItemInObjectCaseSensitive(copy, "content", parts);
        }
        text = cJSON_PrintUnformatted(copy);
        buf_str(&b, n++ ? "," : "");
        buf_str(&b, text);
        free(text);
        cJSON_Delete(copy);
    }
    buf_str(&b, "]");
    return buf_take(&b);
}

static void make_room(struct openai *o) {
    struct response *old;
    if (o->next - o->first < RESPONSES_MAX)
        return;
    old = o->ring[o->first++ % RESPONSES_MAX];
    if (!response_is_over(old))
        o->open--;
    map_del(&o->by_id, old->id);
    stream_forget(old);
    response_free(old);
}

static void count_tokens(struct response *r, const cJSON *body, const struct response *previous, const struct question *q) {
    const struct openai *o = r->sim->openai;
    const char *instructions = json_str(body, "instructions");
    const cJSON *m, *management = cJSON_GetObjectItemCaseSensitive(body, "context_management");
    int64_t threshold;
    r->own_input = answer_tokens(q->bytes);
    r->context = previous ? previous->context + previous->own_input + answer_tokens(response_text_made(previous)) : 0;
    r->usage.input = answer_tokens(instructions ? strlen(instructions) : 0) + r->context + r->own_input + 3;
    if (previous && previous->usage.input >= o->cache_min)
        r->usage.cached = previous->usage.input / 128 * 128;
    if (r->usage.cached > r->usage.input)
        r->usage.cached = r->usage.input / 128 * 128;
    if (r->usage.input >= o->cache_min)
        r->usage.cache_write = r->usage.input / 128 * 128 - r->usage.cached;
    cJSON_ArrayForEach(m, management)
        if (json_i64(m, "compact_threshold", &threshold) && r->usage.input > threshold && threshold > 0) {
            r->compaction = xdup("");
            r->context = threshold / 10;        /* what the next turn finds instead of the history */
        }
}

/* The text cut to what max_output_tokens leaves after the reasoning. */
static void limit_text(struct response *r, const cJSON *body) {
    int64_t max, left;
    if (!json_i64(body, "max_output_tokens", &max) || max <= 0)
        return;
    left = max - r->plan.reasoning;
    if (answer_tokens(strlen(r->text)) <= left || r->plan.end != END_COMPLETED || r->plan.refuse)
        return;
    r->plan.end = END_MAX_TOKENS;
    if (left <= 0) {
        r->plan.reasoning = max;                /* all of it went into thinking: no text at all */
        r->plan.empty = true;
        return;
    }
    tools_forget_notes(r);
    r->text[text_floor(r->text, strlen(r->text), (size_t)left * 4)] = 0;
}

static struct response *find_previous(struct oa_call *c, const char *id) {
    struct response *r = openai_response(c->sim->openai, id);
    char text[200];
    if (r && !r->deleted && !r->dropped && r->store)
        return r;
    snprintf(text, sizeof text, "Previous response with id '%.100s' not found.", id);
    oa_refuse(c, 400, text, INVALID, "previous_response_id", "previous_response_not_found");
    return NULL;
}

static bool check_metadata(struct oa_call *c) {
    const cJSON *m, *metadata = cJSON_GetObjectItemCaseSensitive(c->body, "metadata");
    if (!metadata || cJSON_IsNull(metadata))
        return true;
    if (cJSON_IsObject(metadata) && cJSON_GetArraySize(metadata) <= 16) {
        bool good = true;
        cJSON_ArrayForEach(m, metadata)
            good = good && cJSON_IsString(m) && strlen(m->string) <= 64 && text_chars(m->valuestring, strlen(m->valuestring)) <= 512;
        if (good)
            return true;
    }
    oa_refuse(c, 400, "Invalid 'metadata': expected an object with at most 16 pairs of strings.", INVALID, "metadata", "invalid_type");
    return false;
}

static void create_response(struct oa_call *c) {
    struct openai *o = c->sim->openai;
    const char *model = json_str(c->body, "model"), *previous_id = json_str(c->body, "previous_response_id"), *safety = json_str(c->body, "safety_identifier");
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(c->body, "input"), *v;
    struct response *r, *previous = NULL;
    struct question q = {0};
    char *say, *clean, text[200];
    size_t cut;
    if (!model || !*model) {
        oa_refuse(c, 400, "Missing required parameter: 'model'.", INVALID, "model", "missing_required_parameter");
        return;
    }
    if (!cJSON_IsString(input) && !(cJSON_IsArray(input) && cJSON_GetArraySize(input))) {
        if (input)
            oa_refuse(c, 400, "Invalid type for 'input': expected a string or a non-empty array of items.", INVALID, "input", "invalid_type");
        else
            oa_refuse(c, 400, "Missing required parameter: 'input'.", INVALID, "input", "missing_required_parameter");
        return;
    }
    if (!text_is_utf8(c->x->http->body.p, c->x->http->body.n)) {
        oa_refuse(c, 400, "We could not parse the JSON body of your request: it is not valid UTF-8.", INVALID, NULL, NULL);
        return;
    }
    if (safety && strlen(safety) > 128) {
        oa_refuse(c, 400, "Invalid 'safety_identifier': string too long.", INVALID, "safety_identifier", "string_above_max_length");
        return;
    }
    if (!oa_model_is_there(c, model) || !check_metadata(c) || (previous_id && !(previous = find_previous(c, previous_id))))
        return;
    read_input(c->sim, input, &q);
    if (q.missing_file) {
        snprintf(text, sizeof text, "No file found with id '%.100s'.", q.missing_file);
        oa_refuse(c, 400, text, INVALID, "input", NULL);
        buf_done(&q.text);
        return;
    }
    make_room(o);
    r = xalloc(sizeof *r);
    r->sim = c->sim;
    r->n = o->next++;
    o->ring[r->n % RESPONSES_MAX] = r;
    snprintf(r->id, sizeof r->id, "resp_%016llx%016llx%016llx", (unsigned long long)c->sim->boot, (unsigned long long)(c->sim->boot * 0x9e3779b97f4a7c15u),
             (unsigned long long)r->n);
    map_put(&o->by_id, r->id, r);
    r->created_ms = sim_now_ms();
    r->model = xdup(model);
    r->previous = xdup(previous_id);
    r->safety = xdup(safety);
    r->unfinished_previous = previous && !response_is_over(previous);
    r->background = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(c->body, "background"));
    r->stream = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(c->body, "stream"));
    r->store = !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(c->body, "store"));
    v = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(c->body, "stream_options"), "include_obfuscation");
    r->obfuscation = o->obfuscation && !cJSON_IsFalse(v);
    r->status = r->background ? R_QUEUED : R_IN_PROGRESS;
    v = cJSON_GetObjectItemCaseSensitive(c->body, "metadata");
    r->metadata = v ? cJSON_PrintUnformatted(v) : xdup("{}");
    r->echo = echo_all(c->body);
    r->items = items_of(input, r);
    r->plan = o->plan;
    clean = answer_read_directives(q.text.p, &r->plan, &say);
    tools_allow(&r->plan, c->body);
    r->text = answer_text(clean, say, &r->plan, q.images, q.files);
    tools_cite(r);
    r->question = text_clean(clean, &cut);
    r->asked = buf_take(&q.text);
    free(clean);
    free(say);
    count_tokens(r, c->body, previous, &q);
    limit_text(r, c->body);
    response_lay_out(r);
    o->open++;
    sim_count(c->sim, "openai.responses.created", 1);
    log_call(c, 200, NULL);

    if (r->stream) {
        stream_read(r, c->x, -1, false);
        stream_start(r);
    } else if (r->background) {
        struct buf b = {0};
        response_to_json(r, R_QUEUED, &b);
        openai_answer(c->sim, c->x, 200, &b);
        stream_start(r);
    } else {
        stream_read(r, c->x, -1, true);
        stream_start(r);
    }
}

static void add_usage(struct billed *b, const struct usage *u) {
    b->responses++;
    b->usage.input += u->input;
    b->usage.cached += u->cached;
    b->usage.cache_write += u->cache_write;
    b->usage.output += u->output;
    b->usage.reasoning += u->reasoning;
    b->usage.web_search += u->web_search;
    b->usage.file_search += u->file_search;
    b->usage.containers += u->containers;
}

void openai_settled(struct response *r) {
    struct openai *o = r->sim->openai;
    char name[64];
    o->open--;
    snprintf(name, sizeof name, "openai.responses.%s", r->dropped ? "dropped" : response_status_name(r->status));
    sim_count(r->sim, name, 1);
    if (r->billed) {
        struct billed *by = map_get(&o->billed_by_model, r->model);
        if (!by) {
            by = xalloc(sizeof *by);
            map_put(&o->billed_by_model, r->model, by);
        }
        add_usage(by, &r->usage);
        add_usage(&o->billed, &r->usage);
    }
}

/* ---- the other calls on responses ---- */

/* The response of the path, if it can be found from outside; otherwise refuses. */
static struct response *known(struct oa_call *c) {
    struct response *r = openai_response(c->sim->openai, c->id);
    bool kept = r && !r->deleted && !r->dropped && (r->store || r->background) && (r->background || response_is_over(r));
    if (kept)
        return r;
    refuse_response(c);
    return NULL;
}

static void get_response(struct oa_call *c) {
    struct response *r = known(c);
    const struct openai *o = c->sim->openai;
    char stream[8];
    int64_t after = -1;
    struct buf b = {0};
    if (!r)
        return;
    query_get(c->x->http->query, "stream", stream, sizeof stream);
    if (strcmp(stream, "true")) {
        r->reads++;
        response_to_json(r, r->status, &b);
        oa_result(c, &b);
        return;
    }
    if (!r->background || !r->stream) {
        refuse_response(c);
        return;
    }
    if (sim_now_ms() - r->created_ms >= o->resume_max_ms) {
        oa_refuse(c, 400, "This response can no longer be streamed because it is more than 5 minutes old.", INVALID, NULL, NULL);
        return;
    }
    r->reads++;
    (void)query_i64(c->x->http->query, "starting_after", &after);      /* absent: from the beginning */
    log_call(c, 200, NULL);
    stream_read(r, c->x, after < -1 ? -1 : after, false);
}

static void cancel_response(struct oa_call *c) {
    struct response *r = known(c);
    struct buf b = {0};
    if (!r)
        return;
    if (!r->background) {
        oa_refuse(c, 400, "Cannot cancel a synchronous response.", INVALID, NULL, NULL);
        return;
    }
    stream_cancel(r);
    response_to_json(r, r->status, &b);
    oa_result(c, &b);
}

static void delete_response(struct oa_call *c) {
    struct response *r = known(c);
    struct buf b = {0};
    if (!r)
        return;
    stream_cancel(r);
    r->deleted = true;
    buf_fmt(&b, "{\"id\":\"%s\",\"object\":\"response\",\"deleted\":true}", r->id);
    oa_result(c, &b);
}

static void list_input_items(struct oa_call *c) {
    struct response *r = known(c);
    struct buf b = {0};
    cJSON *items;
    const char *first, *last;
    if (!r)
        return;
    items = json_read(r->items, strlen(r->items));
    first = json_str(cJSON_GetArrayItem(items, 0), "id");
    last = json_str(cJSON_GetArrayItem(items, cJSON_GetArraySize(items) - 1), "id");
    buf_str(&b, "{\"object\":\"list\",\"data\":");
    buf_str(&b, r->items);
    buf_str(&b, ",\"first_id\":");
    buf_json_str(&b, first);
    buf_str(&b, ",\"last_id\":");
    buf_json_str(&b, last);
    buf_str(&b, ",\"has_more\":false}");
    cJSON_Delete(items);
    oa_result(c, &b);
}

static void model_to_json(const struct model *m, struct buf *b) {
    buf_str(b, "{\"id\":");
    buf_json_str(b, m->id);
    buf_str(b, ",\"object\":\"model\",\"created\":1795000000,\"owned_by\":\"system\",\"shutdown_date\":");
    buf_json_str(b, m->shutdown);
    buf_str(b, "}");
}

static void list_models(struct oa_call *c) {
    const struct openai *o = c->sim->openai;
    struct buf b = {0};
    buf_str(&b, "{\"object\":\"list\",\"data\":[");
    for (int i = 0; i < o->models_len; i++) {
        buf_str(&b, i ? "," : "");
        model_to_json(&o->models[i], &b);
    }
    buf_str(&b, "]}");
    oa_result(c, &b);
}

static void get_model(struct oa_call *c) {
    const struct openai *o = c->sim->openai;
    char text[200];
    for (int i = 0; i < o->models_len; i++)
        if (!strcmp(o->models[i].id, c->id)) {
            struct buf b = {0};
            model_to_json(&o->models[i], &b);
            oa_result(c, &b);
            return;
        }
    snprintf(text, sizeof text, "The model '%.100s' does not exist", c->id);
    oa_refuse(c, 404, text, INVALID, "model", "model_not_found");
}

/* ---- routes ---- */

static const struct route {
    const char *verb, *pattern;     /* {id} is one part of the path; two at most */
    void (*run)(struct oa_call *c);
    bool json;                      /* the body must be a JSON object */
} routes[] = {
    { "POST",   "/v1/responses",                    create_response,    true },
    { "GET",    "/v1/responses/{id}",               get_response,       false },
    { "POST",   "/v1/responses/{id}/cancel",        cancel_response,    false },
    { "DELETE", "/v1/responses/{id}",               delete_response,    false },
    { "GET",    "/v1/responses/{id}/input_items",   list_input_items,   false },
    { "GET",    "/v1/models",                       list_models,        false },
    { "GET",    "/v1/models/{id}",                  get_model,          false },
    { "POST",   "/v1/audio/transcriptions",         oa_transcribe,      false },
    { "POST",   "/v1/images/generations",           oa_draw,            true },
    { "POST",   "/v1/images/edits",                 oa_redraw,          false },
    { "POST",   "/v1/files",                        oa_file_add,        false },
    { "GET",    "/v1/files",                        oa_file_list,       false },
    { "GET",    "/v1/files/{id}",                   oa_file_get,        false },
    { "GET",    "/v1/files/{id}/content",           oa_file_content,    false },
    { "DELETE", "/v1/files/{id}",                   oa_file_delete,     false },
    { "POST",   "/v1/vector_stores",                oa_store_add,       true },
    { "GET",    "/v1/vector_stores/{id}",           oa_store_get,       false },
    { "DELETE", "/v1/vector_stores/{id}",           oa_store_delete,    false },
    { "POST",   "/v1/vector_stores/{id}/files",     oa_store_file_add,  true },
    { "GET",    "/v1/vector_stores/{id}/files",     oa_store_file_list, false },
    { "GET",    "/v1/vector_stores/{id}/files/{id}", oa_store_file_get, false },
    { "DELETE", "/v1/vector_stores/{id}/files/{id}", oa_store_file_delete, false },
    { "POST",   "/v1/containers",                   oa_container_add,   true },
    { "POST",   "/v1/containers/{id}/files",        oa_container_file_add, false },
    { "GET",    "/v1/containers/{id}/files/{id}/content", oa_container_file_content, false },
};

static bool route_fits(const char *pattern, const char *path, char ids[2][128]) {
    int n = 0;
    while (*pattern) {
        if (*pattern == '{') {
            size_t len = strcspn(path, "/");
            if (!len)
                return false;
            snprintf(ids[n++], sizeof ids[0], "%.*s", (int)len, path);
            path += len;
            pattern += strlen("{id}");
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return !*path;
}

static bool key_is_good(struct oa_call *c) {
    const char *auth = http_header(c->x->http, "Authorization");
    const struct sim *sim = c->sim;
    struct buf text = {0};
    if (auth && !strncmp(auth, "Bearer ", 7) && auth[7] && (!*sim->openai_key || !strcmp(auth + 7, sim->openai_key)))
        return true;
    if (auth && !strncmp(auth, "Bearer ", 7) && auth[7])
        buf_fmt(&text, "Incorrect API key provided: %.3s***%s. You can find your API key at https://platform.openai.com/account/api-keys.", auth + 7,
                strlen(auth) > 15 ? auth + strlen(auth) - 4 : "");
    else
        buf_str(&text, "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).");
    oa_refuse(c, 401, text.p, INVALID, NULL, auth ? "invalid_api_key" : NULL);
    buf_done(&text);
    return false;
}

void openai_on_request(struct sim *sim, struct exch *x) {
    const struct http *h = x->http;
    const struct route *route = NULL;
    struct oa_call c = { .sim = sim, .x = x, .name = "unknown" };
    struct fault_call call = { .method = h->method, .path = h->path };
    struct question q = {0};
    const struct response *r;
    char ids[2][128] = {0}, name[128];
    for (size_t i = 0; i < sizeof routes / sizeof *routes && !route; i++)
        if (!strcmp(routes[i].verb, h->method) && route_fits(routes[i].pattern, h->path, ids))
            route = &routes[i];
    if (!key_is_good(&c))
        return;
    if (!route) {
        snprintf(name, sizeof name, "Invalid URL (%.10s %.80s)", h->method, h->path);
        oa_refuse(&c, 404, name, INVALID, NULL, NULL);
        return;
    }
    snprintf(name, sizeof name, "%s %s", route->verb, route->pattern);
    c.name = name;
    c.id = *ids[0] ? ids[0] : NULL;
    c.second = *ids[1] ? ids[1] : NULL;
    if (route->json) {
        c.body = json_read(h->body.p ? h->body.p : "", h->body.n);
        read_input(sim, cJSON_GetObjectItemCaseSensitive(c.body, "input"), &q);
        if (json_str(c.body, "prompt"))
            buf_str(&q.text, json_str(c.body, "prompt"));
        call.text = q.text.p;
        call.stream = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(c.body, "stream"));
    } else if (c.id && (r = openai_response(sim->openai, c.id))) {
        call.text = r->asked;
        call.stream = strstr(h->query, "stream=true") != NULL;
    }
    if (!faults_hit(sim, x, &call)) {
        if (route->json && !cJSON_IsObject(c.body))
            oa_refuse(&c, 400, "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. "
                               "The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)", INVALID, NULL, NULL);
        else
            route->run(&c);
    }
    buf_done(&q.text);
    cJSON_Delete(c.body);
}
