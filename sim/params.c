#include "sim/params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

cJSON *json_read(const char *s, size_t n) {
    const char *end = NULL;
    cJSON *o = n ? cJSON_ParseWithLengthOpts(s, n, &end, 0) : NULL;
    if (!o)
        return NULL;
    for (; end < s + n; end++)
        if (*end && !strchr(" \t\r\n", *end)) {
            cJSON_Delete(o);
            return NULL;
        }
    return o;
}

bool json_number(const cJSON *v, int64_t *ret_value) {
    if (cJSON_IsNumber(v) && fabs(v->valuedouble) < 9.2e18) {
        *ret_value = (int64_t)v->valuedouble;
        return true;
    }
    if (cJSON_IsString(v)) {
        char *end;
        long long n = strtoll(v->valuestring, &end, 10);
        if (end == v->valuestring || *end)
            return false;
        *ret_value = n;
        return true;
    }
    return false;
}

bool json_i64(const cJSON *o, const char *name, int64_t *ret_value) {
    return json_number(cJSON_GetObjectItemCaseSensitive(o, name), ret_value);
}

const char *json_str(const cJSON *o, const char *name) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
}

static int hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static char *url_decode(const char *s, size_t n) {
    char *out = xalloc(n + 1), *o = out;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '+')
            *o++ = ' ';
        else if (s[i] == '%' && i + 2 < n && hex(s[i + 1]) >= 0 && hex(s[i + 2]) >= 0) {
            *o++ = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
            i += 2;
        } else
            *o++ = s[i];
    }
    *o = 0;
    return out;
}

static void read_urlencoded(cJSON *obj, const char *s, size_t n) {
    const char *end = s + n;
    while (s < end) {
        const char *amp = memchr(s, '&', (size_t)(end - s)), *eq;
        if (!amp)
            amp = end;
        eq = memchr(s, '=', (size_t)(amp - s));
        if (eq && eq > s) {
            char *name = url_decode(s, (size_t)(eq - s)), *value = url_decode(eq + 1, (size_t)(amp - eq - 1));
            cJSON_DeleteItemFromObjectCaseSensitive(obj, name);
            cJSON_AddStringToObject(obj, name, value);
            free(name);
            free(value);
        }
        s = amp + 1;
    }
}

void query_get(const char *query, const char *name, char *ret_value, size_t cap) {
    cJSON *o = cJSON_CreateObject();
    read_urlencoded(o, query, strlen(query));
    snprintf(ret_value, cap, "%s", json_str(o, name) ? json_str(o, name) : "");
    cJSON_Delete(o);
}

bool query_i64(const char *query, const char *name, int64_t *ret_value) {
    char text[32], *end;
    query_get(query, name, text, sizeof text);
    long long v = strtoll(text, &end, 10);
    if (end == text || *end)
        return false;
    *ret_value = v;
    return true;
}

/* A parameter of a Content-Disposition line, quoted or (grammY) not; \" as node writes it. */
static char *disposition(const char *line, size_t n, const char *name) {
    char key[16];
    size_t len = (size_t)snprintf(key, sizeof key, "%s=", name);
    for (size_t i = 1; i + len <= n; i++) {
        struct buf b = {0};
        bool quoted;
        if (strncasecmp(line + i, key, len) || (line[i - 1] != ' ' && line[i - 1] != ';'))
            continue;
        i += len;
        quoted = i < n && line[i] == '"';
        for (i += quoted; i < n && line[i] != (quoted ? '"' : ';'); i++) {
            if (quoted && line[i] == '\\' && i + 1 < n)
                i++;
            buf_add(&b, line + i, 1);
        }
        return buf_take(&b);
    }
    return NULL;
}

static bool read_multipart(struct params *p, const char *s, size_t n, const char *ctype) {
    const char *b = strcasestr(ctype, "boundary="), *end = s + n, *part;
    char mark[128];
    size_t len;
    if (!b)
        return false;
    b += 9;
    if (*b == '"')
        b++;
    len = strcspn(b, "\"; ");
    if (!len || len > 100)
        return false;
    len = (size_t)snprintf(mark, sizeof mark, "--%.*s", (int)len, b);
    part = memmem(s, n, mark, len);
    while (part) {
        const char *line = part + len, *next, *data = NULL;
        char *field = NULL, *name = NULL, *type = NULL;
        if (end - line >= 2 && !memcmp(line, "--", 2))
            return true;
        line = memchr(line, '\n', (size_t)(end - line));
        if (!line)
            return false;
        line++;
        next = memmem(line, (size_t)(end - line), mark, len);
        if (!next)
            return false;
        while (line < next) {
            const char *nl = memchr(line, '\n', (size_t)(next - line));
            size_t line_len;
            if (!nl)
                break;
            line_len = (size_t)(nl - line) - (nl > line && nl[-1] == '\r');
            if (!line_len) {
                data = nl + 1;
                break;
            }
            if (line_len > 20 && !strncasecmp(line, "Content-Disposition:", 20)) {
                field = disposition(line, line_len, "name");
                name = disposition(line, line_len, "filename");
            } else if (line_len > 13 && !strncasecmp(line, "Content-Type:", 13)) {
                size_t skip = 13 + strspn(line + 13, " ");
                free(type);
                type = xndup(line + skip, line_len - skip);
            }
            line = nl + 1;
        }
        if (data && field) {
            size_t size = (size_t)(next - data);
            size -= size >= 2 && data[size - 2] == '\r' ? 2 : size >= 1;
            if (name && p->files_len < PARAM_FILES_MAX) {
                p->files[p->files_len++] = (struct param_file){ field, name, type, data, size };
                field = name = type = NULL;
            } else if (!name) {
                char *value = xndup(data, size);
                size_t fl = strlen(field);
                if (fl > 2 && !strcmp(field + fl - 2, "[]")) {      /* include[]=a&include[]=b: the SDK's way of arrays */
                    cJSON *list = cJSON_GetObjectItemCaseSensitive(p->obj, field);
                    if (!list)
                        list = cJSON_AddArrayToObject(p->obj, field);
                    cJSON_AddItemToArray(list, cJSON_CreateString(value));
                } else {
                    cJSON_DeleteItemFromObjectCaseSensitive(p->obj, field);
                    cJSON_AddStringToObject(p->obj, field, value);
                }
                free(value);
            }
        }
        free(field);
        free(name);
        free(type);
        part = next;
    }
    return false;
}

bool params_read(struct params *p, const struct http *h) {
    const char *ctype = http_header(h, "Content-Type");
    memset(p, 0, offsetof(struct params, files));
    p->files_len = p->parsed_len = 0;
    p->obj = NULL;
    if (h->body.n && ctype && !strncasecmp(ctype, "application/json", 16)) {
        p->obj = json_read(h->body.p, h->body.n);
        if (!cJSON_IsObject(p->obj)) {
            cJSON_Delete(p->obj);
            p->obj = cJSON_CreateObject();
            return false;
        }
    }
    if (!p->obj)
        p->obj = cJSON_CreateObject();
    read_urlencoded(p->obj, h->query, strlen(h->query));
    if (!h->body.n || !ctype)
        return true;
    if (!strncasecmp(ctype, "application/x-www-form-urlencoded", 33))
        read_urlencoded(p->obj, h->body.p, h->body.n);
    else if (!strncasecmp(ctype, "multipart/form-data", 19))
        return read_multipart(p, h->body.p, h->body.n, ctype);
    return true;
}

void params_done(struct params *p) {
    cJSON_Delete(p->obj);
    for (int i = 0; i < p->parsed_len; i++)
        cJSON_Delete(p->parsed[i]);
    for (int i = 0; i < p->files_len; i++) {
        free(p->files[i].field);
        free(p->files[i].name);
        free(p->files[i].ctype);
    }
    p->obj = NULL;
    p->files_len = p->parsed_len = 0;
}

const char *param_str(struct params *p, const char *name) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(p->obj, name);
    int64_t n;
    if (cJSON_IsNumber(v) && json_number(v, &n)) {
        snprintf(p->scratch, sizeof p->scratch, "%lld", (long long)n);
        return p->scratch;
    }
    return cJSON_GetStringValue(v);
}

bool param_i64(struct params *p, const char *name, int64_t *ret_value) {
    return json_i64(p->obj, name, ret_value);
}

bool param_bool(struct params *p, const char *name) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(p->obj, name);
    if (cJSON_IsString(v))
        return !strcasecmp(v->valuestring, "true") || !strcasecmp(v->valuestring, "yes") || !strcmp(v->valuestring, "1");
    return cJSON_IsTrue(v) || (cJSON_IsNumber(v) && v->valuedouble != 0);
}

const cJSON *param_json(struct params *p, const char *name) {
    cJSON *v = cJSON_GetObjectItemCaseSensitive(p->obj, name);
    if (!cJSON_IsString(v))
        return v;
    if (p->parsed_len == PARAM_PARSED_MAX)
        return NULL;
    v = json_read(v->valuestring, strlen(v->valuestring));
    if (v)
        p->parsed[p->parsed_len++] = v;
    return v;
}

const struct param_file *param_file(const struct params *p, const char *field) {
    for (int i = 0; i < p->files_len; i++)
        if (!strcmp(p->files[i].field, field))
            return &p->files[i];
    return NULL;
}
