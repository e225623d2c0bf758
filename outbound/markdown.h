/* What a model writes (Markdown) to what Telegram shows: plain text and the entities over it.
 *
 *   raw ──prepare──▶ ──md4c──▶ callbacks ──▶ text in bytes ──tidy──▶ text and entities in UTF-16 units ──▶ split.h
 *
 * Never parse_mode: whatever the model writes, there is nothing for Telegram to refuse. docs/formatting.md shows what becomes of
 * what; its pairs are the cases of tests/golden.
 *
 * The text keeps the source's lines and the blank lines between its blocks (several become one): so what stands above does
 * not move when more is written below. What may still change above the last line of a growing text, because Markdown says so:
 * a paragraph that becomes a heading by the line under it, a table's columns and whether it is shown as one, emphasis and
 * brackets that never close, a link whose address is defined further down, quotes and formulas until they end. */
#ifndef OUTBOUND_MARKDOWN_H
#define OUTBOUND_MARKDOWN_H
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct entity;

enum { TABLE_WIDTH = 36 };       /* columns of a monospaced block that a phone held upright shows without breaking its lines */

struct markdown_options {
    bool growing;                /* the text is still being written: what is open at its end is shown as if it were closed */
    size_t table_width;          /* a wider table is shown as a list of records; 0: TABLE_WIDTH */
};

struct rendered {
    char *text;                  /* valid UTF-8 without white space at its ends; NUL-terminated */
    size_t len, units;           /* in bytes; in UTF-16 units */
    struct entity *entities;     /* tidy (entities.h), in units */
    struct entity *places;       /* the same, in bytes: for the splitter */
    size_t count;
    bool growing;
    bool plain;                  /* it was out of all proportion, and is shown as it was written */
    struct arena *mem;           /* holds what the entities point to */
};

/* Never fails, whatever the bytes; rendered_done(). In time and memory linear in len.
 * A NULL for options means a whole text and the usual width. */
void markdown_render(const char *raw, size_t len, const struct markdown_options *options, struct rendered *ret);
void rendered_done(struct rendered *r);

#endif
