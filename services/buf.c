#include "services/buf.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"

void buf_init(struct buf *b, size_t max) {
    *b = (struct buf){ .max = max };
}

void buf_done(struct buf *b) {
    free(b->data);
    *b = (struct buf){ 0 };
}

/* Room for `len` more bytes and the NUL; false: past the maximum. */
static bool make_room(struct buf *b, size_t len) {
    if (len > b->max - b->len)
        return false;
    size_t need = b->len + len;
    if (!b->data || need > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < need)
            cap = cap > b->max / 2 ? b->max : cap * 2;
        b->data = alloc_again(b->data, cap + 1);
        b->cap = cap;
    }
    return true;
}

bool buf_add(struct buf *b, const void *data, size_t len) {
    if (!make_room(b, len))
        return false;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return true;
}

bool buf_add_str(struct buf *b, const char *s) {
    return buf_add(b, s, strlen(s));
}

bool buf_printf(struct buf *b, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    bool fits = len >= 0 && make_room(b, (size_t)len);
    if (fits) {
        vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
        b->len += (size_t)len;
    }
    va_end(again);
    return fits;
}

void buf_drop(struct buf *b, size_t len) {
    if (len >= b->len) {
        buf_clear(b);
        return;
    }
    memmove(b->data, b->data + len, b->len - len + 1);
    b->len -= len;
}

void buf_clear(struct buf *b) {
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

char *buf_take(struct buf *b) {
    char *data = b->data ? b->data : alloc_copy("", 0);
    buf_init(b, b->max);
    return data;
}

const char *buf_cstr(const struct buf *b) {
    return b->data ? b->data : "";
}
