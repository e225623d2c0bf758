/* Simple LaTeX as readable Unicode: \frac{a}{b} is a/b, x^2 is x², \alpha \le \sqrt{x} is α ≤ √x. */
#ifndef OUTBOUND_LATEX_H
#define OUTBOUND_LATEX_H
#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Add the formula to *out. False: it holds something that has no readable form in a line of text (matrices, unknown commands);
 * *out is as it was then, and the source is what to show. `open`: it is still being written, its last command may be half of one. */
bool latex_to_text(const char *formula, size_t len, bool open, struct buf *out);

#endif
