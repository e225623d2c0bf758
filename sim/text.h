/* text: UTF-8 as Telegram and the model see it. Lengths "utf16" count UTF-16 units, all others bytes. */
#ifndef SIM_TEXT_H
#define SIM_TEXT_H
#include <stdbool.h>
#include <stddef.h>

#include "sim/buf.h"

bool text_is_utf8(const char *s, size_t n);
size_t text_utf16(const char *s, size_t n);
size_t text_chars(const char *s, size_t n);             /* code points */
size_t text_floor(const char *s, size_t n, size_t at);  /* the last character border at or before `at` */
size_t text_prefix(const char *s, size_t n, size_t chars);  /* bytes of the first `chars` code points */
/* As Telegram stores a text: control characters removed, white space trimmed at both ends. The result is the caller's.
 * *ret_cut is how many UTF-16 units went away in front. */
char *text_clean(const char *s, size_t *ret_cut);
/* The entities that Telegram finds by itself in what people write, here @mentions and /commands: a JSON array, or nothing. */
void text_entities(const char *s, struct buf *b);
#endif
