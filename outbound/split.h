/* A rendered answer as messages: pieces of at most so many units and entities, each with its own text and its own entities.
 *
 * Cut behind a paragraph, else a line, else (only in code) a blank line and then a line, else a sentence, a word, a grapheme; a cut leaves
 * a piece at least half full. Never inside a pair of units or a grapheme (unless that alone is larger than a piece), never
 * inside a link (the same). A block of code that is cut is two blocks of the same language. What is left out between
 * two pieces is white space. Where a piece ends depends only on what begins before the next piece's first word: a text that
 * grows keeps every piece but the last, byte for byte. */
#ifndef OUTBOUND_SPLIT_H
#define OUTBOUND_SPLIT_H
#include <stddef.h>

struct arena;
struct entity;
struct rendered;

enum { MESSAGE_MAX_UNITS = 4096, CAPTION_MAX_UNITS = 1024, MESSAGE_MAX_ENTITIES = 100 };

struct piece {
    const char *text;            /* NUL-terminated */
    size_t len, units;
    const struct entity *entities;           /* tidy; in units of this piece */
    size_t count;
};

struct pieces {
    struct piece *list;
    size_t count, room;
    struct arena *mem;           /* holds texts and entities; their details are the rendered text's */
};

/* pieces_done() before rendered_done(). No pieces when there is nothing to see. In time linear in the text's length. */
void split_rendered(const struct rendered *whole, size_t max_units, size_t max_entities, struct pieces *ret);
void pieces_done(struct pieces *p);

#endif
