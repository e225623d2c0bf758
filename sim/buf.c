#include "sim/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *xalloc(size_t n) {
    void *p = calloc(1, n ? n : 1);
    if (!p)
        abort();
    return p;
}

char *xndup(const char *s, size_t n) {
    char *p = xalloc(n + 1);
    if (n)
        memcpy(p, s, n);
    return p;
}

char *xdup(const char *s) {
    return s ? xndup(s, strlen(s)) : NULL;
}

static void buf_room(struct buf *b, size_t more) {
    size_t cap = b->cap ? b->cap : 256;
    char *p;
    if (b->n + more + 1 <= b->cap)
        return;
    while (cap < b->n + more + 1)
        cap *= 2;
    p = realloc(b->p, cap);
    if (!p)
        abort();
    b->p = p;
    b->cap = cap;
}

void buf_add(struct buf *b, const void *p, size_t n) {
    buf_room(b, n);
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = 0;
}

void buf_str(struct buf *b, const char *s) {
    buf_add(b, s, strlen(s));
}

void buf_i64(struct buf *b, int64_t v) {
    char digits[24], *at = digits + sizeof digits;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        *--at = (char)('0' + u % 10);
    } while (u /= 10);
    if (v < 0)
        *--at = '-';
    buf_add(b, at, (size_t)(digits + sizeof digits - at));
}

void buf_fmt(struct buf *b, const char *fmt, ...) {
    va_list ap;
    int n;
    buf_room(b, 256);
    va_start(ap, fmt);
    n = vsnprintf(b->p + b->n, b->cap - b->n, fmt, ap);
    va_end(ap);
    if (n < 0)
        abort();
    if ((size_t)n >= b->cap - b->n) {
        buf_room(b, (size_t)n);
        va_start(ap, fmt);
        (void)vsnprintf(b->p + b->n, b->cap - b->n, fmt, ap);  /* cannot be short: room was made */
        va_end(ap);
    }
    b->n += (size_t)n;
}

/* Length of the well-formed UTF-8 sequence at s, or 0. */
static size_t sequence(const unsigned char *s, size_t n) {
    unsigned char c = s[0];
    if (c < 0x80)
        return 1;
    if (c >= 0xc2 && c <= 0xdf)
        return n > 1 && (s[1] & 0xc0) == 0x80 ? 2 : 0;
    if (c >= 0xe0 && c <= 0xef) {
        if (n < 3 || (s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
            return 0;
        return (c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) ? 0 : 3;
    }
    if (c >= 0xf0 && c <= 0xf4) {
        if (n < 4 || (s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
            return 0;
        return (c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f) ? 0 : 4;
    }
    return 0;
}

void buf_json(struct buf *b, const char *text, size_t n) {
    const unsigned char *s = (const unsigned char *)text;
    size_t i = 0, clean = 0;
    buf_room(b, n + 2);
    buf_add(b, "\"", 1);
    while (i < n) {
        unsigned char c = s[i];
        size_t len;
        if (c >= 0x20 && c != '"' && c != '\\' && c < 0x80) {
            i++;
            continue;
        }
        len = c >= 0x80 ? sequence(s + i, n - i) : 0;
        if (len) {
            i += len;
            continue;
        }
        buf_add(b, s + clean, i - clean);
        switch (c) {
        case '"':  buf_add(b, "\\\"", 2); break;
        case '\\': buf_add(b, "\\\\", 2); break;
        case '\n': buf_add(b, "\\n", 2); break;
        case '\r': buf_add(b, "\\r", 2); break;
        case '\t': buf_add(b, "\\t", 2); break;
        default:
            if (c < 0x20)
                buf_fmt(b, "\\u%04x", c);
            else
                buf_str(b, "\\ufffd");
        }
        clean = ++i;
    }
    buf_add(b, s + clean, n - clean);
    buf_add(b, "\"", 1);
}

void buf_json_str(struct buf *b, const char *s) {
    if (s)
        buf_json(b, s, strlen(s));
    else
        buf_str(b, "null");
}

void buf_drop(struct buf *b, size_t n) {
    if (!n)
        return;
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
    b->p[b->n] = 0;
}

void buf_done(struct buf *b) {
    free(b->p);
    *b = (struct buf){0};
}

char *buf_take(struct buf *b) {
    char *p = b->p ? b->p : xalloc(1);
    *b = (struct buf){0};
    return p;
}
