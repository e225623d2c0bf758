/* Vector stores and containers: files that the model searches, and files that it makes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/files.h"
#include "sim/openai.h"

#define INVALID "invalid_request_error"
#define UNREADABLE "[[unreadable]]"

enum { STORES_MAX = 20000, STORE_FILES_MAX = 10000, PAGE_MAX = 100, DAY_S = 86400 };

struct kept {
    struct kept *next;          /* the one that came before it */
    char *id;
    int64_t created_s, ready_ms;
    size_t bytes;
    bool unreadable;
};

struct store {
    char id[64], *name;
    int64_t created_s, active_s, days;  /* days: 0 without an end */
    struct kept *newest;
    int files;
};

static void kept_free(struct kept *k) {
    free(k->id);
    free(k);
}

static void store_free(struct store *s) {
    while (s->newest) {
        struct kept *k = s->newest;
        s->newest = k->next;
        kept_free(k);
    }
    free(s->name);
    free(s);
}

void oa_stores_done(struct openai *o) {
    size_t at = 0;
    void *v;
    while (map_next(&o->stores, &at, &v))
        store_free(v);
    map_done(&o->stores);
    at = 0;
    while (map_next(&o->containers, &at, &v))
        free(v);
    map_done(&o->containers);
}

static void new_id(struct oa_call *c, const char *prefix, char id[64]) {
    snprintf(id, 64, "%s%08llx%06lld", prefix, (unsigned long long)(c->sim->boot & 0xffffffff), (long long)++c->sim->openai->stores_made);
}

static void refuse_unknown(struct oa_call *c, const char *what, const char *id) {
    char text[200];
    snprintf(text, sizeof text, "%s with id '%.100s' not found.", what, id);
    oa_refuse(c, 404, text, INVALID, NULL, NULL);
}

/* ---- vector stores ---- */

static const char *status_of(const struct kept *k) {
    return k->ready_ms > sim_now_ms() ? "in_progress" : k->unreadable ? "failed" : "completed";
}

static void store_to_json(const struct store *s, struct buf *b) {
    int64_t bytes = 0, reading = 0, failed = 0, now = sim_now_ms() / 1000, ends = s->active_s + s->days * DAY_S;
    for (const struct kept *k = s->newest; k; k = k->next) {
        const char *status = status_of(k);
        reading += *status == 'i';
        failed += *status == 'f';
        bytes += *status == 'c' ? (int64_t)k->bytes : 0;
    }
    buf_fmt(b, "{\"id\":\"%s\",\"object\":\"vector_store\",\"created_at\":%lld,\"last_active_at\":%lld,\"name\":", s->id, (long long)s->created_s,
            (long long)s->active_s);
    buf_json_str(b, s->name);
    buf_fmt(b, ",\"usage_bytes\":%lld,\"file_counts\":{\"in_progress\":%lld,\"completed\":%lld,\"failed\":%lld,\"cancelled\":0,\"total\":%d},\"status\":\"%s\"",
            (long long)bytes, (long long)reading, (long long)(s->files - reading - failed), (long long)failed, s->files,
            s->days && ends <= now ? "expired" : reading ? "in_progress" : "completed");
    if (s->days)
        buf_fmt(b, ",\"expires_after\":{\"anchor\":\"last_active_at\",\"days\":%lld},\"expires_at\":%lld", (long long)s->days, (long long)ends);
    else
        buf_str(b, ",\"expires_after\":null,\"expires_at\":null");
    buf_str(b, ",\"metadata\":{}}");
}

static void kept_to_json(const struct store *s, const struct kept *k, struct buf *b) {
    const char *status = status_of(k);
    buf_str(b, "{\"id\":");
    buf_json_str(b, k->id);
    buf_fmt(b, ",\"object\":\"vector_store.file\",\"usage_bytes\":%zu,\"created_at\":%lld,\"vector_store_id\":\"%s\",\"status\":\"%s\",\"last_error\":%s}",
            *status == 'c' ? k->bytes : 0, (long long)k->created_s, s->id, status,
            *status == 'f' ? "{\"code\":\"invalid_file\",\"message\":\"The file could not be parsed because it is not valid.\"}" : "null");
}

static void drop_kept(struct store *s, struct kept **at) {
    struct kept *k = *at;
    *at = k->next;
    s->files--;
    kept_free(k);
}

/* Whoever deletes a file deletes it from every store. */
static struct store *known_store(struct oa_call *c) {
    struct store *s = map_get(&c->sim->openai->stores, c->id);
    if (!s) {
        refuse_unknown(c, "Vector store", c->id);
        return NULL;
    }
    for (struct kept **at = &s->newest; *at;)
        if (files_find(c->sim->files, (*at)->id))
            at = &(*at)->next;
        else
            drop_kept(s, at);
    return s;
}

static struct kept **place_of(struct store *s, const char *id) {
    struct kept **at = &s->newest;
    while (*at && strcmp((*at)->id, id))
        at = &(*at)->next;
    return at;
}

static struct kept **known_kept(struct oa_call *c, struct store *s) {
    struct kept **at = place_of(s, c->second);
    char text[300];
    if (*at)
        return at;
    snprintf(text, sizeof text, "No file found with id '%.100s' in vector store '%s'.", c->second, s->id);
    oa_refuse(c, 404, text, INVALID, NULL, NULL);
    return NULL;
}

void oa_store_add(struct oa_call *c) {
    struct openai *o = c->sim->openai;
    const cJSON *expires = cJSON_GetObjectItemCaseSensitive(c->body, "expires_after");
    const char *anchor = json_str(expires, "anchor");
    struct buf b = {0};
    struct store *s;
    int64_t days = 0;
    if (cJSON_IsObject(expires) && (!anchor || strcmp(anchor, "last_active_at") || !json_i64(expires, "days", &days) || days < 1 || days > 365)) {
        oa_refuse(c, 400, "Invalid 'expires_after': expected the anchor 'last_active_at' and days from 1 to 365.", INVALID, "expires_after", "invalid_value");
        return;
    }
    if (o->stores.used >= STORES_MAX) {
        oa_refuse(c, 400, "Too many vector stores.", INVALID, NULL, NULL);
        return;
    }
    s = xalloc(sizeof *s);
    new_id(c, "vs_", s->id);
    s->name = xdup(json_str(c->body, "name"));
    s->days = days;
    s->created_s = s->active_s = sim_now_ms() / 1000;
    map_put(&o->stores, s->id, s);
    store_to_json(s, &b);
    oa_result(c, &b);
}

void oa_store_get(struct oa_call *c) {
    const struct store *s = known_store(c);
    struct buf b = {0};
    if (!s)
        return;
    store_to_json(s, &b);
    oa_result(c, &b);
}

void oa_store_delete(struct oa_call *c) {
    struct store *s = known_store(c);
    struct buf b = {0};
    if (!s)
        return;
    map_del(&c->sim->openai->stores, s->id);
    buf_fmt(&b, "{\"id\":\"%s\",\"object\":\"vector_store.deleted\",\"deleted\":true}", s->id);
    store_free(s);
    oa_result(c, &b);
}

static struct kept *keep(struct store *s, const struct file *f) {
    struct kept *k = xalloc(sizeof *k);
    struct buf ms = {0};
    k->id = xdup(f->id);
    k->bytes = f->len;
    k->created_s = s->active_s = sim_now_ms() / 1000;
    k->unreadable = f->data && memmem(f->data, f->len, UNREADABLE, strlen(UNREADABLE));
    k->ready_ms = sim_now_ms() + (f->data && oa_hidden(f->data, f->len, "[[reading=", &ms) ? atoll(ms.p) : 1);
    k->next = s->newest;
    s->newest = k;
    s->files++;
    buf_done(&ms);
    return k;
}

/* A file that is there already stays as it is. */
void oa_store_file_add(struct oa_call *c) {
    struct store *s = known_store(c);
    const char *id = json_str(c->body, "file_id");
    const struct file *f = id ? files_find(c->sim->files, id) : NULL;
    const struct kept *k;
    struct buf b = {0};
    if (!s)
        return;
    if (!id) {
        oa_refuse(c, 400, "Missing required parameter: 'file_id'.", INVALID, "file_id", "missing_required_parameter");
    } else if (!f || !f->purpose) {
        refuse_unknown(c, "File", id);
    } else if (!(k = *place_of(s, id)) && s->files >= STORE_FILES_MAX) {
        oa_refuse(c, 400, "The vector store holds as many files as it may.", INVALID, NULL, NULL);
    } else {
        kept_to_json(s, k ? k : keep(s, f), &b);
        oa_result(c, &b);
    }
}

void oa_store_file_get(struct oa_call *c) {
    struct store *s = known_store(c);
    struct kept **at = s ? known_kept(c, s) : NULL;
    struct buf b = {0};
    if (!at)
        return;
    kept_to_json(s, *at, &b);
    oa_result(c, &b);
}

/* Newest first, as the service does unless it is told otherwise. */
void oa_store_file_list(struct oa_call *c) {
    struct store *s = known_store(c);
    const struct kept *k;
    struct buf b = {0};
    int64_t n = 0, limit = 20;
    char after[100];
    if (!s)
        return;
    if (query_i64(c->x->http->query, "limit", &limit) && (limit < 1 || limit > PAGE_MAX)) {
        oa_refuse(c, 400, "Invalid 'limit': integer out of range.", INVALID, "limit", "integer_out_of_range");
        return;
    }
    query_get(c->x->http->query, "after", after, sizeof after);
    k = *after ? *place_of(s, after) : NULL;
    k = k ? k->next : *after ? NULL : s->newest;
    buf_str(&b, "{\"object\":\"list\",\"data\":[");
    for (; k && n < limit; k = k->next) {
        buf_str(&b, n++ ? "," : "");
        kept_to_json(s, k, &b);
    }
    buf_fmt(&b, "],\"has_more\":%s}", k ? "true" : "false");
    oa_result(c, &b);
}

/* The file itself stays. */
void oa_store_file_delete(struct oa_call *c) {
    struct store *s = known_store(c);
    struct kept **at = s ? known_kept(c, s) : NULL;
    struct buf b = {0};
    if (!at)
        return;
    buf_fmt(&b, "{\"id\":\"%s\",\"object\":\"vector_store.file.deleted\",\"deleted\":true}", (*at)->id);
    drop_kept(s, at);
    oa_result(c, &b);
}

/* ---- containers ---- */

void oa_container_add(struct oa_call *c) {
    struct openai *o = c->sim->openai;
    struct buf b = {0};
    char id[64];
    if (!json_str(c->body, "name")) {
        oa_refuse(c, 400, "Missing required parameter: 'name'.", INVALID, "name", "missing_required_parameter");
        return;
    }
    if (o->containers.used >= STORES_MAX) {
        oa_refuse(c, 400, "Too many containers.", INVALID, NULL, NULL);
        return;
    }
    new_id(c, "cntr_", id);
    map_put(&o->containers, id, xdup(id));
    buf_fmt(&b, "{\"id\":\"%s\",\"object\":\"container\",\"created_at\":%lld,\"status\":\"running\",\"expires_after\":{\"anchor\":\"last_active_at\",\"minutes\":20},"
                "\"name\":", id, (long long)(sim_now_ms() / 1000));
    buf_json_str(&b, json_str(c->body, "name"));
    buf_str(&b, "}");
    oa_result(c, &b);
}

void oa_container_file_add(struct oa_call *c) {
    struct params p;
    struct buf b = {0};
    const struct param_file *up = params_read(&p, c->x->http) ? param_file(&p, "file") : NULL;
    if (!map_get(&c->sim->openai->containers, c->id)) {
        refuse_unknown(c, "Container", c->id);
    } else if (!up) {
        oa_refuse(c, 400, "'file' is a required property", INVALID, NULL, NULL);
    } else {
        struct file *f = files_add(c->sim, "cfile_", up->name, up->ctype, up->data, up->len);
        f->container = xdup(c->id);
        buf_fmt(&b, "{\"id\":\"%s\",\"object\":\"container.file\",\"created_at\":%lld,\"bytes\":%zu,\"container_id\":\"%s\",\"source\":\"user\",\"path\":", f->id,
                (long long)f->created_s, f->len, c->id);
        buf_str(&b, "\"/mnt/data/");
        for (const char *s = f->name; *s; s++)
            buf_add(&b, *s == '"' || *s == '\\' || (unsigned char)*s < ' ' ? "_" : s, 1);
        buf_str(&b, "\"}");
        oa_result(c, &b);
    }
    params_done(&p);
}

void oa_container_file_content(struct oa_call *c) {
    const struct file *f = files_find(c->sim->files, c->second);
    if (!f || !f->container || strcmp(f->container, c->id)) {
        refuse_unknown(c, "Container file", c->second);
        return;
    }
    sim_count(c->sim, "openai.GET /v1/containers/{id}/files/{id}/content", 1);
    exch_answer(c->x, 200, f->ctype, NULL, f->data ? f->data : "", f->data ? f->len : 0);
}
