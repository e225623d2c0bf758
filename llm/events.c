#include "llm/events.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "llm/peek.h"
#include "proto/json.h"
#include "services/alloc.h"
#include "services/buf.h"
#include "services/utf8.h"

/* Cleaned once and as a whole, so that no string read from it needs another look. */
static cJSON *parse_object(const char *text, size_t len) {
    CLEANUP(text_done) char *clean = utf8_valid(text, len) ? NULL : utf8_clean(text, len, &len);
    cJSON *o = json_parse(clean ? clean : text, len);
    if (cJSON_IsObject(o))
        return o;
    cJSON_Delete(o);
    return NULL;
}

static const char *str_or_empty(const cJSON *o, const char *name) {
    const char *s = json_get_str(o, name);
    return s ? s : "";
}

static char *copy_of(const cJSON *o, const char *name) {
    const char *s = str_or_empty(o, name);
    return alloc_copy(s, strlen(s));
}

/* ---- the response ---- */

/* It will stand in the path of a URL and in Redis. */
static const char *safe_id(const char *id) {
    static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t len = strspn(id, fit);
    return id[len] == '\0' && len <= 256 ? id : "";
}

static void note_odd(struct response *r, const char *name) {
    size_t len = strlen(r->odd_usage);
    (void)snprintf(r->odd_usage + len, sizeof r->odd_usage - len, "%s%s", len ? "," : "", name); /* the five names fit */
}

/* Bounded, so that no sum of prices overflows on what a stranger says. */
static int64_t read_tokens(struct response *r, const cJSON *o, const char *name) {
    const int64_t tokens_max = 1000000000;
    int64_t n = 0;
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);
    if (!item || cJSON_IsNull(item))
        return 0;
    if (json_get_i64(o, name, &n) && n >= 0 && n <= tokens_max)
        return n;
    note_odd(r, name);
    return n < 0 ? 0 : n < tokens_max ? n : tokens_max;
}

static void read_usage(struct response *r, const cJSON *o) {
    const cJSON *usage = json_get_obj(o, "usage");
    const cJSON *in = json_get_obj(usage, "input_tokens_details"), *out = json_get_obj(usage, "output_tokens_details");
    r->has_usage = usage != NULL;
    r->odd_usage[0] = '\0';
    r->input_tokens = read_tokens(r, usage, "input_tokens");
    r->cached_tokens = read_tokens(r, in, "cached_tokens");
    r->cache_write_tokens = read_tokens(r, in, "cache_write_tokens");
    r->output_tokens = read_tokens(r, usage, "output_tokens");
    r->reasoning_tokens = read_tokens(r, out, "reasoning_tokens");
}

/* Does the model, having said this, wait for somebody on our side? */
static bool is_ours_to_answer(const char *type) {
    static const char *const types[] = { "function_call", "custom_tool_call", "mcp_approval_request", "computer_call",
                                         "local_shell_call", "shell_call", "apply_patch_call" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(type, types[i]))
            return true;
    return false;
}

static bool is_commentary(const cJSON *item) {
    return !strcmp(str_or_empty(item, "phase"), "commentary");
}

/* All parts of one type of a message, behind those of the messages before it; cites NULL: as they are. */
static void add_parts(struct buf *to, const cJSON *message, const char *type, const char *field, struct cites *cites) {
    bool first = true;
    const cJSON *part;
    cJSON_ArrayForEach(part, json_get_arr(message, "content")) {
        const char *text = json_get_str(part, field);
        if (!text || !*text || strcmp(str_or_empty(part, "type"), type))
            continue;
        if (first && to->len)
            (void)buf_add_str(to, "\n\n"); /* cannot fail, as the next: see read_output() */
        first = false;
        if (cites)
            cites_add_part(cites, text, json_get_arr(part, "annotations"), to);
        else
            (void)buf_add_str(to, text);
    }
}

static void read_output(struct response *r, const cJSON *o) {
    struct buf text, commentary, refusal;
    buf_init(&text, SIZE_MAX / 2); /* bounded by the tree that it is read from, which was bounded as bytes */
    buf_init(&commentary, SIZE_MAX / 2);
    buf_init(&refusal, SIZE_MAX / 2);
    const cJSON *item;
    cJSON_ArrayForEach(item, json_get_arr(o, "output")) {
        const char *type = str_or_empty(item, "type");
        if (!strcmp(type, "message")) {
            bool aside = is_commentary(item);
            add_parts(aside ? &commentary : &text, item, "output_text", "text", aside ? NULL : &r->cites);
            add_parts(&refusal, item, "refusal", "refusal", NULL);
        }
        r->compacted |= !strcmp(type, "compaction");
        r->calls_pending |= is_ours_to_answer(type);
    }
    tools_count(json_get_arr(o, "output"), &r->tools);
    r->text_len = text.len;
    r->text = buf_take(&text);
    r->commentary = buf_take(&commentary);
    r->refusal = buf_take(&refusal);
}

void response_read(const cJSON *o, struct response *ret_response) {
    const cJSON *error = json_get_obj(o, "error");
    const char *id = safe_id(str_or_empty(o, "id"));
    struct response r = {
        .id = alloc_copy(id, strlen(id)),
        .status = copy_of(o, "status"),
        .model = copy_of(o, "model"),
        .incomplete_reason = copy_of(json_get_obj(o, "incomplete_details"), "reason"),
        .error_code = copy_of(error, "code"),
        .error_message = copy_of(error, "message"),
    };
    read_usage(&r, o);
    read_output(&r, o);
    *ret_response = r;
}

int response_parse(const char *text, size_t len, struct response *ret_response) {
    CLEANUP(json_done) cJSON *o = parse_object(text, len);
    if (!o || (!json_get_str(o, "id") && !json_get_str(o, "status")))
        return -EINVAL;
    response_read(o, ret_response);
    return 0;
}

void response_done(struct response *r) {
    char *const strings[] = { r->id,   r->status,     r->model,  r->incomplete_reason, r->error_code, r->error_message,
                              r->text, r->commentary, r->refusal };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        free(strings[i]);
    cites_done(&r->cites);
    *r = (struct response){ 0 };
}

bool response_is_over(const struct response *r) {
    static const char *const last[] = { "completed", "incomplete", "failed", "cancelled" };
    for (size_t i = 0; r->status && i < sizeof last / sizeof *last; i++)
        if (!strcmp(r->status, last[i]))
            return true;
    return false;
}

/* ---- events ---- */

static const struct event_name {
    const char *type;
    enum event_kind kind;
    const char *status;              /* of the response, should it not say so itself */
} event_names[] = {
    { "response.output_text.delta", EVENT_TEXT },
    { "response.refusal.delta", EVENT_REFUSAL },
    { "response.output_item.added", EVENT_ITEM },
    { "response.output_item.done", EVENT_ITEM },
    { "response.created", EVENT_CREATED },
    { "response.queued", EVENT_QUEUED },
    { "response.in_progress", EVENT_IN_PROGRESS },
    { "response.completed", EVENT_END, "completed" },
    { "response.incomplete", EVENT_END, "incomplete" },
    { "response.failed", EVENT_END, "failed" },
    { "response.cancelled", EVENT_END, "cancelled" },
    { "keepalive", EVENT_KEEPALIVE },
    { "error", EVENT_ERROR },
};

static const struct event_name *name_of(const char *type) {
    static const struct event_name other = { "", EVENT_OTHER };
    for (size_t i = 0; i < sizeof event_names / sizeof *event_names; i++)
        if (!strcmp(type, event_names[i].type))
            return &event_names[i];
    return &other;
}

/* Types that every stream has and that say nothing new: the parts of an item, whose text has been heard piece by piece. */
static bool is_noise(struct peek type) {
    static const char *const types[] = { "response.content_part.added", "response.content_part.done", "response.output_text.done" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (peek_is(type, types[i]))
            return true;
    return false;
}

/* response.<tool>_call.<stage>; NULL: none of those that have something to show. */
static const char *tool_of(const char *type) {
    static const char *const tools[] = { "web_search", "file_search", "code_interpreter", "image_generation", "mcp" };
    static const char head[] = "response.", tail[] = "_call.";
    if (strncmp(type, head, sizeof head - 1))
        return NULL;
    type += sizeof head - 1;
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
        size_t len = strlen(tools[i]);
        if (!strncmp(type, tools[i], len) && !strncmp(type + len, tail, sizeof tail - 1))
            return tools[i];
    }
    return NULL;
}

static bool is_completed(const char *type) {
    const char *dot = strrchr(type, '.');
    return dot && !strcmp(dot, ".completed");
}

/* {"type":"error","code":…} or {"error":{"code":…}} or {"error":"what happened"}. Where there is no code, the type is one. */
static void read_error(struct event *e, const cJSON *o, const cJSON *error) {
    bool nested = cJSON_IsObject(error);
    const cJSON *from = nested ? error : o;
    e->kind = EVENT_ERROR;
    e->code = str_or_empty(from, "code");
    if (nested && !*e->code)
        e->code = str_or_empty(from, "type");
    e->message = cJSON_IsString(error) ? error->valuestring : str_or_empty(from, "message");
}

static void read_end(struct event *e, const cJSON *response, const char *status) {
    e->response = alloc_zero(sizeof *e->response);
    response_read(response, e->response);
    if (!response_is_over(e->response)) {
        free(e->response->status);
        e->response->status = alloc_copy(status, strlen(status));
    }
}

/* What most events are: a piece of the text, a beginning, or nothing to us. False: read it in full. */
static bool read_quickly(const char *data, size_t len, struct event *ret_event) {
    enum { TYPE, SEQUENCE, OUTPUT, DELTA, ITEM, RESPONSE, ERROR, MEMBERS };
    static const char *const names[] = { "type", "sequence_number", "output_index", "delta", "item", "response", "error" };
    static const char *const id[] = { "id" }, *const phase[] = { "phase" };
    struct peek found[MEMBERS], inner = { 0 };
    if (!peek_members((struct peek){ data, len }, names, MEMBERS, found) || !found[TYPE].at || !peek_is_null(found[ERROR]))
        return false;
    struct event e = { .kind = EVENT_OTHER, .sequence = -1, .output_index = -1 };
    e.text = e.response_id = e.tool = e.code = e.message = "";
    for (size_t i = 0; i < sizeof event_names / sizeof *event_names; i++)
        if (peek_is(found[TYPE], event_names[i].type))
            e.kind = event_names[i].kind;
    if ((found[SEQUENCE].at && !peek_i64(found[SEQUENCE], &e.sequence)) || (found[OUTPUT].at && !peek_i64(found[OUTPUT], &e.output_index)))
        return false;
    switch (e.kind) {
    case EVENT_TEXT:
    case EVENT_REFUSAL:
        e.private = peek_string(found[DELTA]);
        if (!e.private)
            return false;
        e.text = cJSON_GetStringValue(e.private);
        e.text_len = strlen(e.text);
        break;
    case EVENT_CREATED:
    case EVENT_QUEUED:
    case EVENT_IN_PROGRESS:
        if (!peek_members(found[RESPONSE], id, 1, &inner) || !(e.private = peek_string(inner)))
            return false;
        e.response_id = safe_id(cJSON_GetStringValue(e.private));
        break;
    case EVENT_ITEM:
        if (!peek_members(found[ITEM], phase, 1, &inner) || (inner.at && memchr(inner.at, '\\', inner.len)))
            return false;
        e.commentary = peek_is(inner, "commentary");
        break;
    case EVENT_OTHER:
        if (!is_noise(found[TYPE]))
            return false;
        break;
    default:
        return false;
    }
    *ret_event = e;
    return true;
}

int event_read(const char *data, size_t len, struct event *ret_event) {
    if (read_quickly(data, len, ret_event))
        return 0;
    cJSON *o = parse_object(data, len);
    if (!o)
        return -EINVAL;
    const char *type = str_or_empty(o, "type");
    const struct event_name *name = name_of(type);
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(o, "error"), *response = json_get_obj(o, "response");
    struct event e = { .kind = name->kind, .sequence = -1, .output_index = -1, .private = o };
    e.text = e.response_id = e.tool = e.code = e.message = "";
    (void)json_get_i64(o, "sequence_number", &e.sequence); /* stays -1 when it is not said */
    (void)json_get_i64(o, "output_index", &e.output_index);
    if (e.kind == EVENT_ERROR || (error && !cJSON_IsNull(error) && !response)) {
        read_error(&e, o, error);
    } else if (e.kind == EVENT_TEXT || e.kind == EVENT_REFUSAL) {
        e.text = str_or_empty(o, "delta");
        e.text_len = strlen(e.text);
    } else if (e.kind == EVENT_ITEM) {
        e.commentary = is_commentary(json_get_obj(o, "item"));
    } else if (e.kind == EVENT_END) {
        read_end(&e, response, name->status);
    } else if (e.kind == EVENT_OTHER && tool_of(type)) {
        e.kind = EVENT_TOOL;
        e.tool = tool_of(type);
        e.tool_done = is_completed(type);
    }
    if (response)
        e.response_id = safe_id(str_or_empty(response, "id"));
    *ret_event = e;
    return 0;
}

void event_done(struct event *e) {
    if (e->response)
        response_done(e->response);
    free(e->response);
    cJSON_Delete(e->private);
    *e = (struct event){ 0 };
}
