/* A table in a monospaced block: columns as wide as what a reader sees, not as its bytes or characters are many. */
#ifndef OUTBOUND_TABLES_H
#define OUTBOUND_TABLES_H
#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Columns that a terminal, or a monospaced block in a chat, gives this text: 2 for East Asian wide characters and emoji (a
 * family joined by ZWJ or a flag is one emoji), 0 for marks that combine. */
size_t display_width(const char *s, size_t len);

enum table_align { TABLE_LEFT, TABLE_CENTER, TABLE_RIGHT };

struct table_cell {
    const char *text;            /* one line of UTF-8; borrowed */
    size_t len;
};

struct table {
    size_t columns, rows;        /* the head is row 0 */
    const struct table_cell *cells;          /* rows × columns, row by row */
    const enum table_align *aligns;          /* by column */
};

/* Draw it, unless a line would be wider than max_width (false; *out is as it was), or *out full (false). No new line at the end. */
bool table_draw(const struct table *t, size_t max_width, struct buf *out);

#endif
