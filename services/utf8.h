/* Text as Telegram counts it (UTF-16 units) over text as we hold it (UTF-8 bytes). The one place that knows both. */
#ifndef SERVICES_UTF8_H
#define SERVICES_UTF8_H
#include <stdbool.h>
#include <stddef.h>

bool utf8_valid(const char *s, size_t len);                       /* no overlong forms, surrogates, nothing past U+10FFFF */
/* Copy s with every invalid sequence as U+FFFD and every NUL dropped. Caller frees. *ret_len may be NULL. */
char *utf8_clean(const char *s, size_t len, size_t *ret_len);
size_t utf8_units(const char *s, size_t len);                     /* UTF-16 units of valid UTF-8 */
/* Where the longest front of s of at most max_units units ends, between code points, in bytes: what an offset of Telegram's means. */
size_t utf8_front(const char *s, size_t len, size_t max_units);
/* Where s may be cut so that the front has at most max_units units and no grapheme cluster is cut
 * (a single cluster larger than max_units is cut between code points: something has to give). In bytes, > 0 if len > 0. */
size_t utf8_fit(const char *s, size_t len, size_t max_units);
/* The longest front of s of at most max_bytes bytes that ends between code points. */
size_t utf8_cut_bytes(const char *s, size_t len, size_t max_bytes);
/* How many of the last bytes are the beginning of a character that is not whole yet (0 to 3). */
size_t utf8_tail(const char *s, size_t len);
/* Does a sentence end just before `at`? Closing quotes and brackets may follow its stop. */
bool utf8_sentence_ends(const char *s, size_t at);

#endif
