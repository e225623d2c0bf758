/* Arguments lie behind one another in one block, each with a NUL behind it; the list keeps places, so the block may move. */
#include "proto/args.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOLE = 20 };                     /* digits of the longest int64, sign included */

void args_init(struct args *a) {
    *a = (struct args){0};
}

void args_done(struct args *a) {
    free(a->list);
    free(a->data);
    args_init(a);
}

static void *grow(void *block, size_t size) {
    void *more = realloc(block, size);
    if (!more)
        abort();                        /* small allocations abort: the stream redelivers */
    return more;
}

static char *reserve(struct args *a, size_t len) {
    if (a->count == a->list_size) {
        a->list_size = a->list_size ? 2 * a->list_size : 32;
        a->list = grow(a->list, (size_t)a->list_size * sizeof *a->list);
    }
    if (a->used + len + 1 > a->size) {
        a->size = 2 * (a->used + len + 1) + 256;
        a->data = grow(a->data, a->size);
    }
    a->list[a->count++] = (struct arg){.at = a->used, .len = len};
    char *place = a->data + a->used;
    a->used += len + 1;
    place[len] = 0;
    return place;
}

void args_add(struct args *a, const char *data, size_t len) {
    char *place = reserve(a, len);
    if (len)
        memcpy(place, data, len);
}

void args_str(struct args *a, const char *s) {
    args_add(a, s ? s : "", s ? strlen(s) : 0);
}

void args_int(struct args *a, int64_t n) {
    char digits[HOLE + 1];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n);
    args_add(a, digits, (size_t)len);
}

void args_pair(struct args *a, const char *name, const char *value) {
    args_str(a, name);
    args_str(a, value);
}

void args_pair_int(struct args *a, const char *name, int64_t value) {
    args_str(a, name);
    args_int(a, value);
}

const char *args_at(const struct args *a, int i, size_t *ret_len) {
    assert(i >= 0 && i < a->count);
    if (ret_len)
        *ret_len = a->list[i].len;
    return a->data + a->list[i].at;
}

int args_hole(struct args *a) {
    memset(reserve(a, HOLE), '0', HOLE);
    return a->count - 1;
}

void args_set_int(struct args *a, int i, int64_t n) {
    assert(i >= 0 && i < a->count);
    char digits[HOLE + 1];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n);
    memcpy(a->data + a->list[i].at, digits, (size_t)len + 1);
    a->list[i].len = (size_t)len;
}
