/* Text as Telegram will count it: what it would take out or turn into something else on its way is not in it. */
#ifndef OUTBOUND_CLEAN_H
#define OUTBOUND_CLEAN_H
#include <stdbool.h>
#include <stddef.h>

/* Valid UTF-8 with \n for line breaks; no control characters but tabs, no noncharacters U+FDD0…U+FDEF (prepare.h has them for itself),
 * nothing that Telegram removes (U+2028…U+202E, three marks). Half a character at the end is left out. The caller frees. */
char *clean_text(const char *raw, size_t len, size_t *ret_len);
/* Do these three bytes make one of U+FDD0 … U+FDEF? */
bool is_noncharacter(const char *s);

#endif
