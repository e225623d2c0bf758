/* Marks of sources that the model leaves in its text, and that nobody is to see: U+E200 … U+E201 with words of its own between them,
 * and 【4:0†source】. Text comes in pieces, each valid UTF-8; what may become a mark is held back until it is one, or is none. */
#ifndef LLM_MARKS_H
#define LLM_MARKS_H
#include <stdbool.h>
#include <stddef.h>
#include "services/buf.h"

enum { MARK_MOST = 160 };                /* bytes; what is longer is text */

struct marks {                           /* zeroed: between marks */
    char held[MARK_MOST];
    size_t len;
};
/* Appends to `out` what is text. False: it did not fit. */
bool marks_feed(struct marks *m, const char *text, size_t len, struct buf *out);
/* Nothing more comes: what was held back is text. */
bool marks_end(struct marks *m, struct buf *out);
/* Is all of this one mark? */
bool marks_is(const char *text, size_t len);

#endif
