#include "proto/fields.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fields *fields_copy(const redisReply *list) {
    if (!list || list->type != REDIS_REPLY_ARRAY || list->elements % 2)
        return NULL;
    size_t bytes = 0;
    for (size_t i = 0; i < list->elements; i++) {
        if (list->element[i]->type != REDIS_REPLY_STRING)
            return NULL;
        bytes += (size_t)list->element[i]->len + 1;
    }
    size_t count = list->elements / 2;
    struct fields *f = malloc(sizeof *f + count * sizeof *f->list + bytes);
    if (!f)
        abort();
    f->count = (int)count;
    f->list = (struct field *)(f + 1);
    char *place = (char *)(f->list + count);
    for (size_t i = 0; i < list->elements; i++) {
        const redisReply *item = list->element[i];
        memcpy(place, item->str, (size_t)item->len);
        place[item->len] = 0;
        if (i % 2) {
            f->list[i / 2].value = place;
            f->list[i / 2].value_len = (size_t)item->len;
        } else {
            f->list[i / 2].name = place;
        }
        place += item->len + 1;
    }
    return f;
}

const char *fields_get(const struct fields *f, const char *name) {
    for (int i = 0; f && i < f->count; i++)
        if (!strcmp(f->list[i].name, name))
            return f->list[i].value;
    return NULL;
}

const char *fields_str(const struct fields *f, const char *name) {
    const char *value = fields_get(f, name);
    return value ? value : "";
}

bool fields_int(const struct fields *f, const char *name, int64_t *ret_n) {
    const char *value = fields_get(f, name);
    if (!value || !*value || strchr(" \t\n\r+", *value))
        return false;
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (errno || *end)
        return false;
    *ret_n = n;
    return true;
}

int64_t fields_int_or(const struct fields *f, const char *name, int64_t otherwise) {
    int64_t n = otherwise;
    (void)fields_int(f, name, &n);      /* a missing or odd one is `otherwise`: that is what the caller asked for */
    return n;
}
