/* buf: bytes that grow, and JSON written straight into them.
 * The simulator writes every event and every answer this way: a cJSON tree per SSE event would be most of its time.
 * Text is escaped in one place (buf_json); nothing else here knows JSON. Running out of memory aborts. */
#ifndef SIM_BUF_H
#define SIM_BUF_H
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *p;        /* NUL-terminated whenever anything was added */
    size_t n, cap;
};

void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_i64(struct buf *b, int64_t v);
void buf_fmt(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A quoted JSON string. Bytes that are not UTF-8 become U+FFFD. */
void buf_json(struct buf *b, const char *s, size_t n);
void buf_json_str(struct buf *b, const char *s);    /* NULL becomes null */
void buf_drop(struct buf *b, size_t n);             /* forget the first n bytes */
void buf_done(struct buf *b);
char *buf_take(struct buf *b);                      /* the text, now the caller's; never NULL */

void *xalloc(size_t n);                             /* zeroed */
char *xdup(const char *s);                          /* NULL stays NULL */
char *xndup(const char *s, size_t n);
#endif
