/* Audio and files, in the service's forms. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/files.h"
#include "sim/openai.h"

#define INVALID "invalid_request_error"
#define AUDIO_MAX ((size_t)25 * 1024 * 1024)

static bool has_extension(const char *name, const char *const *list) {
    const char *dot = strrchr(name, '.');
    for (; dot && *list; list++)
        if (!strcasecmp(dot + 1, *list))
            return true;
    return false;
}

bool oa_hidden(const char *data, size_t len, const char *open, struct buf *ret) {
    const char *from = memmem(data, len, open, strlen(open));
    const char *to = from ? memmem(from, len - (size_t)(from - data), "]]", 2) : NULL;
    if (!to)
        return false;
    from += strlen(open);
    buf_add(ret, from, (size_t)(to - from));
    return true;
}

/* 2 kB are a second, or [[seconds=N]]. What is said: [[say=…]] in the file; or, in its name, say-… with _ for spaces; silence: nothing. */
void oa_transcribe(struct oa_call *c) {
    static const char *const known[] = { "flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm", NULL };
    struct params p;
    struct buf b = {0}, text = {0};
    const struct param_file *f;
    const char *model, *format, *say;
    int64_t seconds;
    if (!params_read(&p, c->x->http)) {
        oa_refuse(c, 400, "Could not parse multipart form", INVALID, NULL, NULL);
        params_done(&p);
        return;
    }
    f = param_file(&p, "file");
    model = param_str(&p, "model");
    format = param_str(&p, "response_format");
    if (!f || !model) {
        oa_refuse(c, 400, f ? "you must provide a model parameter" : "Missing required parameter: 'file'.", INVALID, f ? "model" : "file", NULL);
    } else if (f->len > AUDIO_MAX) {
        oa_refuse(c, 413, "Maximum content size limit (26214400) exceeded.", INVALID, NULL, NULL);
    } else if (!has_extension(f->name, known)) {
        oa_refuse(c, 400, "Unsupported file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'mpga', 'oga', 'ogg', 'wav', 'webm']", INVALID, "file",
                  "unsupported_value");
    } else if (oa_model_is_there(c, model)) {
        struct buf told = {0};
        seconds = oa_hidden(f->data, f->len, "[[seconds=", &told) ? atoll(told.p) : (int64_t)(f->len + 1999) / 2000;
        buf_done(&told);
        say = strstr(f->name, "say-");
        if (oa_hidden(f->data, f->len, "[[say=", &text))
            ;
        else if (say)
            for (say += 4; *say && *say != '.'; say++)
                buf_add(&text, *say == '_' ? " " : say, 1);
        else if (!strstr(f->name, "silence"))
            buf_fmt(&text, "Words of %s, %zu bytes", f->name, f->len);
        c->sim->openai->transcriptions++;
        c->sim->openai->seconds += seconds;
        if (format && !strcmp(format, "text")) {
            buf_str(&text, "\n");
            sim_count(c->sim, "openai.POST /v1/audio/transcriptions", 1);
            exch_answer(c->x, 200, "text/plain; charset=utf-8", NULL, text.p, text.n);
        } else {
            buf_str(&b, "{\"text\":");
            buf_json(&b, text.p ? text.p : "", text.n);
            if (strncmp(model, "gpt-4o", 6))
                buf_fmt(&b, ",\"usage\":{\"type\":\"duration\",\"seconds\":%lld}}", (long long)seconds);
            else
                buf_fmt(&b, ",\"usage\":{\"type\":\"tokens\",\"total_tokens\":%lld,\"input_tokens\":%lld,\"input_token_details\":{\"text_tokens\":0,"
                            "\"audio_tokens\":%lld},\"output_tokens\":%lld}}", (long long)(seconds * 10 + answer_tokens(text.n)), (long long)seconds * 10,
                        (long long)seconds * 10, (long long)answer_tokens(text.n));
            oa_result(c, &b);
        }
        buf_done(&text);
    }
    params_done(&p);
}

static void file_to_json(const struct file *f, struct buf *b) {
    buf_str(b, "{\"id\":");
    buf_json_str(b, f->id);
    buf_fmt(b, ",\"object\":\"file\",\"bytes\":%zu,\"created_at\":%lld,\"expires_at\":", f->len, (long long)f->created_s);
    if (f->expires_s)
        buf_i64(b, f->expires_s);
    else
        buf_str(b, "null");
    buf_str(b, ",\"filename\":");
    buf_json_str(b, f->name);
    buf_str(b, ",\"purpose\":");
    buf_json_str(b, f->purpose);
    buf_str(b, ",\"status\":\"processed\",\"status_details\":null}");
}

void oa_file_add(struct oa_call *c) {
    struct params p;
    const struct param_file *up;
    const char *purpose;
    struct buf b = {0};
    int64_t seconds = 0;
    if (!params_read(&p, c->x->http)) {
        oa_refuse(c, 400, "Could not parse multipart form", INVALID, NULL, NULL);
        params_done(&p);
        return;
    }
    up = param_file(&p, "file");
    purpose = param_str(&p, "purpose");
    if (!up || !purpose) {
        oa_refuse(c, 400, up ? "'purpose' is a required property" : "'file' is a required property", INVALID, NULL, NULL);
    } else {
        struct file *f = files_add(c->sim, "file-", up->name, up->ctype, up->data, up->len);
        f->purpose = xdup(purpose);
        if (param_i64(&p, "expires_after[seconds]", &seconds))
            f->expires_s = f->created_s + seconds;
        file_to_json(f, &b);
        oa_result(c, &b);
    }
    params_done(&p);
}

static struct file *known_file(struct oa_call *c) {
    struct file *f = files_find(c->sim->files, c->id);
    char text[200];
    if (f && f->purpose)
        return f;
    snprintf(text, sizeof text, "No such File object: %.100s", c->id);
    oa_refuse(c, 404, text, INVALID, "id", NULL);
    return NULL;
}

void oa_file_get(struct oa_call *c) {
    struct file *f = known_file(c);
    struct buf b = {0};
    if (!f)
        return;
    file_to_json(f, &b);
    oa_result(c, &b);
}

void oa_file_content(struct oa_call *c) {
    struct file *f = known_file(c);
    if (!f)
        return;
    sim_count(c->sim, "openai.GET /v1/files/{id}/content", 1);
    exch_answer(c->x, 200, f->ctype, NULL, f->data ? f->data : "", f->data ? f->len : 0);
}

void oa_file_list(struct oa_call *c) {
    const struct files *all = c->sim->files;
    struct buf b = {0};
    int64_t n = 0, limit = 10000;
    char purpose[64], order[16], after[100];
    const char *query = c->x->http->query;
    query_get(query, "purpose", purpose, sizeof purpose);
    query_get(query, "order", order, sizeof order);
    query_get(query, "after", after, sizeof after);
    if (query_i64(query, "limit", &limit) && (limit < 1 || limit > 10000)) {
        oa_refuse(c, 400, "Invalid 'limit': integer out of range.", INVALID, "limit", "integer_out_of_range");
        return;
    }
    int64_t step = strcmp(order, "asc") ? -1 : 1, i = step < 0 ? files_last(all) : 1;
    struct file *last = *after ? files_find(all, after) : NULL;
    bool more = false;
    buf_str(&b, "{\"object\":\"list\",\"data\":[");
    for (i = last ? last->n + step : i; i > 0 && i <= files_last(all); i += step) {
        struct file *f = files_at(all, i);
        if (!f && step < 0)
            break;
        if (!f || !f->purpose || !files_find(all, f->id) || (*purpose && strcmp(purpose, f->purpose)))
            continue;
        if (n == limit) {
            more = true;
            break;
        }
        buf_str(&b, n++ ? "," : "");
        file_to_json(f, &b);
    }
    buf_fmt(&b, "],\"has_more\":%s}", more ? "true" : "false");
    oa_result(c, &b);
}

void oa_file_delete(struct oa_call *c) {
    struct file *f = known_file(c);
    struct buf b = {0};
    if (!f)
        return;
    f->deleted = 1;
    buf_fmt(&b, "{\"id\":\"%s\",\"object\":\"file\",\"deleted\":true}", f->id);
    oa_result(c, &b);
}
