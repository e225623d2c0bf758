/* A growing byte buffer that is born with its maximum: reaching it is an ordinary outcome, not a crash.
 * What is in it is always followed by a NUL that `len` does not count. A zeroed struct is an empty buffer of maximum 0. */
#ifndef SERVICES_BUF_H
#define SERVICES_BUF_H
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;                  /* NULL while nothing was added */
    size_t len, cap, max;
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);                                  /* frees; a zeroed struct is fine */
bool buf_add(struct buf *b, const void *data, size_t len);     /* false: would pass max; nothing was added */
bool buf_add_str(struct buf *b, const char *s);
bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_drop(struct buf *b, size_t len);                      /* the first len bytes */
void buf_clear(struct buf *b);                                 /* keeps the memory */
char *buf_take(struct buf *b);                                 /* the bytes, now the caller's to free(); b is empty. Never NULL */
const char *buf_cstr(const struct buf *b);                     /* "" when empty */

#endif
