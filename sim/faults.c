#include "sim/faults.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/params.h"

/* before: instead of executing. tap: execute, and spoil the answer. */
static const struct kind {
    const char *name;
    enum { DO_DELAY, DO_STATUS, DO_RESET, DO_CLOSE, DO_HANG, DO_TAP } what;
    enum tap_kind tap;
} kinds[] = {
    { "delay",           DO_DELAY,  TAP_NONE },
    { "status",          DO_STATUS, TAP_NONE },
    { "html502",         DO_STATUS, TAP_NONE },
    { "reset_before",    DO_RESET,  TAP_NONE },
    { "close_before",    DO_CLOSE,  TAP_NONE },
    { "hang",            DO_HANG,   TAP_NONE },
    { "lost_answer",     DO_TAP,    TAP_LOST },
    { "executed_status", DO_TAP,    TAP_STATUS },
    { "executed_hang",   DO_TAP,    TAP_HANG },
    { "reset_mid",       DO_TAP,    TAP_RESET },
    { "fin_mid",         DO_TAP,    TAP_FIN },
    { "cut",             DO_TAP,    TAP_CUT },
    { "stall",           DO_TAP,    TAP_STALL },
    { "malformed",       DO_TAP,    TAP_MALFORMED },
    { "dribble",         DO_TAP,    TAP_DRIBBLE },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct fault {
    struct fault *next;
    int64_t id, skip, times, seen, fired;
    bool removed;               /* only its figures are kept */
    const struct kind *kind;
    bool telegram;
    char *method, *path, *text;
    int64_t chat, bot;
    int stream;                 /* -1: either */
    struct tap tap;
    char *spec;                 /* as it was asked for */
};

struct faults {
    struct fault *first, **end;
    int64_t last_id;
    int64_t active;
};

struct faults *faults_new(void) {
    struct faults *f = xalloc(sizeof *f);
    f->end = &f->first;
    return f;
}

void faults_free(struct faults *f) {
    struct fault *next;
    if (!f)
        return;
    for (struct fault *i = f->first; i; i = next) {
        next = i->next;
        free(i->method);
        free(i->path);
        free(i->text);
        free(i->spec);
        tap_done(&i->tap);
        free(i);
    }
    free(f);
}

/* The body that the real service would send with this status. */
static char *default_body(bool telegram, int status, const cJSON *spec) {
    struct buf b = {0};
    int64_t retry_after = 0;
    const char *text = json_str(spec, "description"), *code = json_str(spec, "code"), *type = json_str(spec, "type");
    if (!json_i64(spec, "retry_after", &retry_after) && status == 429 && telegram)
        retry_after = 1;
    if (telegram) {
        buf_fmt(&b, "{\"ok\":false,\"error_code\":%d,\"description\":", status);
        if (text) {
            buf_json_str(&b, text);
        } else if (status == 429) {
            buf_fmt(&b, "\"Too Many Requests: retry after %lld\"", (long long)retry_after);
        } else if (status == 403) {
            buf_str(&b, "\"Forbidden: bot was blocked by the user\"");
        } else if (status == 500) {
            buf_str(&b, "\"Internal Server Error: restart\"");
        } else {
            buf_json_str(&b, http_reason(status));
        }
        if (retry_after)
            buf_fmt(&b, ",\"parameters\":{\"retry_after\":%lld}", (long long)retry_after);
        buf_str(&b, "}");
        return buf_take(&b);
    }
    if (!text)
        text = status == 429 && code && !strcmp(code, "insufficient_quota") ? "You exceeded your current quota, please check your plan and billing details."
             : status == 429 ? "Rate limit reached for the model in organization org-x on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms."
             : status == 503 ? "Our servers are currently overloaded. Please try again later."
             : status >= 500 ? "The server had an error while processing your request. Sorry about that!"
             : status == 401 ? "Incorrect API key provided: sk-***abcd. You can find your API key at https://platform.openai.com/account/api-keys."
             : http_reason(status);
    if (!type)
        type = code && !strcmp(code, "insufficient_quota") ? "insufficient_quota" : status == 429 ? "requests" : status >= 500 ? "server_error" : "invalid_request_error";
    if (!code)
        code = status == 429 ? "rate_limit_exceeded" : status == 503 ? "server_is_overloaded" : status == 401 ? "invalid_api_key" : NULL;
    buf_str(&b, "{\"error\":{\"message\":");
    buf_json_str(&b, text);
    buf_str(&b, ",\"type\":");
    buf_json_str(&b, type);
    buf_str(&b, ",\"param\":");
    buf_json_str(&b, json_str(spec, "param"));
    buf_str(&b, ",\"code\":");
    buf_json_str(&b, code);
    buf_str(&b, "}}");
    return buf_take(&b);
}

static void read_answer(struct fault *i, const cJSON *spec) {
    struct buf headers = {0};
    const cJSON *h, *body = cJSON_GetObjectItemCaseSensitive(spec, "body");
    int64_t v = i->kind->tap == TAP_STATUS ? 500 : 429;
    if (!strcmp(i->kind->name, "html502")) {
        i->tap.status = 502;
        i->tap.ctype = xdup("text/html");
        i->tap.body = xdup("<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
                           "<hr><center>nginx/1.18.0</center>\r\n</body>\r\n</html>\r\n");
        i->tap.body_len = strlen(i->tap.body);
        return;
    }
    (void)json_i64(spec, "status", &v);         /* the default stands */
    i->tap.status = (int)v;
    i->tap.ctype = xdup(json_str(spec, "content_type") ? json_str(spec, "content_type") : "application/json");
    i->tap.body = cJSON_IsString(body) ? xdup(body->valuestring) : body ? cJSON_PrintUnformatted(body) : default_body(i->telegram, (int)v, spec);
    i->tap.body_len = strlen(i->tap.body);
    cJSON_ArrayForEach(h, cJSON_GetObjectItemCaseSensitive(spec, "headers"))
        if (cJSON_IsString(h))
            buf_fmt(&headers, "%s: %s\r\n", h->string, h->valuestring);
    if (json_i64(spec, "retry_after", &v))
        buf_fmt(&headers, "Retry-After: %lld\r\n", (long long)v);
    else if (i->telegram && i->tap.status == 429)
        buf_str(&headers, "Retry-After: 1\r\n");
    if (json_i64(spec, "retry_after_ms", &v))
        buf_fmt(&headers, "retry-after-ms: %lld\r\n", (long long)v);
    i->tap.headers = buf_take(&headers);
}

int64_t faults_add(struct faults *f, const cJSON *spec, const char **ret_error) {
    const char *side = json_str(spec, "side"), *kind = json_str(spec, "kind");
    const cJSON *match = cJSON_GetObjectItemCaseSensitive(spec, "match"), *stream;
    const struct kind *k = NULL;
    struct fault *i;
    int64_t id = 0, piece = 3;
    for (int n = 0; kind && n < KINDS; n++)
        if (!strcmp(kinds[n].name, kind))
            k = &kinds[n];
    *ret_error = !side || (strcmp(side, "telegram") && strcmp(side, "openai")) ? "side: telegram or openai"
               : !k ? "kind: unknown" : match && !cJSON_IsObject(match) ? "match: an object" : NULL;
    if (*ret_error)
        return 0;
    if (json_i64(spec, "id", &id)) {
        if (id <= 0 || faults_fired(f, id) >= 0) {
            *ret_error = "id: taken, or not positive";
            return 0;
        }
    } else {
        id = f->last_id + 1;
    }
    if (id > f->last_id)
        f->last_id = id;
    i = xalloc(sizeof *i);
    i->id = id;
    i->kind = k;
    i->telegram = !strcmp(side, "telegram");
    i->times = 1;
    (void)json_i64(spec, "times", &i->times);   /* absent: the defaults stand; so below */
    (void)json_i64(spec, "skip", &i->skip);
    i->method = xdup(json_str(match, "method"));
    i->path = xdup(json_str(match, "path"));
    i->text = xdup(json_str(match, "text"));
    (void)json_i64(match, "chat", &i->chat);
    (void)json_i64(match, "bot", &i->bot);
    stream = cJSON_GetObjectItemCaseSensitive(match, "stream");
    i->stream = stream ? cJSON_IsTrue(stream) : -1;
    i->tap.kind = k->tap;
    i->tap.after_bytes = i->tap.after_events = i->tap.ms = -1;
    (void)json_i64(spec, "after_bytes", &i->tap.after_bytes);
    (void)json_i64(spec, "after_events", &i->tap.after_events);
    (void)json_i64(spec, "ms", &i->tap.ms);
    (void)json_i64(spec, "bytes", &piece);
    i->tap.piece = piece > 0 ? (size_t)piece : 1;
    if (k->what == DO_STATUS || k->tap == TAP_STATUS) {
        read_answer(i, spec);
    } else if (json_str(spec, "body")) {
        i->tap.body = xdup(json_str(spec, "body"));
        i->tap.body_len = strlen(i->tap.body);
    }
    i->spec = cJSON_PrintUnformatted(spec);
    *f->end = i;
    f->end = &i->next;
    f->active++;
    return id;
}

bool faults_remove(struct faults *f, int64_t id) {
    bool found = !id;
    for (struct fault *i = f->first; i; i = i->next)
        if (!i->removed && (!id || i->id == id)) {
            i->removed = found = true;
            f->active--;
        }
    return found;
}

static bool path_matches(const char *pattern, const char *path) {
    size_t n = strlen(pattern);
    if (n && pattern[n - 1] == '*')
        return !strncmp(pattern, path, n - 1);
    return !strcmp(pattern, path);
}

static bool matches(const struct fault *i, const struct fault_call *c) {
    return i->telegram == c->telegram && (!i->method || !strcasecmp(i->method, c->method)) && (!i->path || path_matches(i->path, c->path))
        && (!i->chat || i->chat == c->chat) && (!i->bot || i->bot == c->bot) && (!i->text || (c->text && strstr(c->text, i->text)))
        && (i->stream < 0 || (i->stream == 1) == c->stream);
}

bool faults_hit(struct sim *sim, struct exch *x, const struct fault_call *call) {
    struct fault *hit = NULL;
    if (!sim->faults->active || x->again)
        return false;
    for (struct fault *i = sim->faults->first; i && !hit; i = i->next) {
        if (i->removed || i->fired == i->times || !matches(i, call))
            continue;
        if (++i->seen > i->skip)
            hit = i;
    }
    if (!hit)
        return false;
    hit->fired++;
    sim->changed = true;
    x->fault_id = hit->id;
    sim_log(sim, 2, "fault %lld %s: %s %s", (long long)hit->id, hit->kind->name, call->method, call->telegram ? "" : call->path);
    switch (hit->kind->what) {
    case DO_DELAY:
        exch_delay(x, hit->tap.ms);
        return true;
    case DO_STATUS:
        exch_answer(x, hit->tap.status, hit->tap.ctype, hit->tap.headers, hit->tap.body, hit->tap.body_len);
        return true;
    case DO_RESET:
    case DO_CLOSE:
        exch_kill(x, hit->kind->what == DO_RESET);
        return true;
    case DO_HANG:
        exch_hang(x, hit->tap.ms);
        return true;
    case DO_TAP:
        x->tap = hit->tap;
        x->tap.ctype = xdup(hit->tap.ctype);
        x->tap.headers = xdup(hit->tap.headers);
        x->tap.body = hit->tap.body ? xndup(hit->tap.body, hit->tap.body_len) : NULL;
        return false;
    }
    return false;
}

int64_t faults_fired(const struct faults *f, int64_t id) {
    for (const struct fault *i = f->first; i; i = i->next)
        if (i->id == id)
            return i->fired;
    return -1;
}

void faults_to_json(const struct faults *f, struct buf *b) {
    bool first = true;
    buf_str(b, "{\"faults\":[");
    for (const struct fault *i = f->first; i; i = i->next) {
        buf_fmt(b, "%s{\"id\":%lld,\"kind\":\"%s\",\"seen\":%lld,\"fired\":%lld,\"left\":%lld,\"removed\":%s,\"spec\":", first ? "" : ",", (long long)i->id,
                i->kind->name, (long long)i->seen, (long long)i->fired, (long long)(i->times < 0 ? -1 : i->times - i->fired), i->removed ? "true" : "false");
        buf_str(b, i->spec);
        buf_str(b, "}");
        first = false;
    }
    buf_str(b, "]}");
}
