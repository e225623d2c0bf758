/* HTML's character references, as Markdown has them too: &amp; is &, &#8364; is €. */
#ifndef OUTBOUND_REFERENCES_H
#define OUTBOUND_REFERENCES_H
#include <stddef.h>

enum { REFERENCE_BYTES = 8 };

/* The text of the reference s, which begins with & and ends with ;. NULL: not one of those that are in use, to be shown as it is.
 * What no message can show (control characters, our own signs) is U+FFFD or nothing. *number is room for one character. */
const char *reference_text(const char *s, size_t len, char *number);

#endif
