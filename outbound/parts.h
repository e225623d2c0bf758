/* From the answer's raw text to the messages that show it.
 *
 *   text:<job> ──markdown──▶ text and entities ──split──▶ parts ◀── our own lines, which are no Markdown
 *
 * A growing text may be rendered again and again: every part but the last stays as it is, but for what Markdown itself takes
 * back (markdown.h). */
#ifndef OUTBOUND_PARTS_H
#define OUTBOUND_PARTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "outbound/markdown.h"
#include "outbound/split.h"

struct part {                            /* one message; borrowed from the parts */
    const char *text;
    size_t len, units;
    const struct entity *entities;
    size_t count;
    uint64_t hash;                       /* to know it again without keeping it; never 0 */
    bool is_file;                        /* the text is its caption */
};

struct parts {                           /* zeroed: none */
    struct part *list;
    size_t count, room;
    struct rendered whole;               /* private from here */
    struct pieces pieces;
    struct arena *mem;
};

/* Makes *p anew, of whatever bytes; 0 parts when there is nothing to see. `front`: a line of ours above it, or "". */
void parts_render(struct parts *p, const char *raw, size_t len, bool growing, const char *front);
void parts_keep(struct parts *p, size_t count);                          /* no more than the first ones */
void parts_add_line(struct parts *p, const char *line, size_t len);      /* below the last one if it fits there, else behind it */
void parts_add_mark(struct parts *p, const char *mark);                  /* right behind the last one's text, if it fits */
void parts_add_file(struct parts *p, const char *caption);               /* behind the last one; the caption is copied */
void parts_done(struct parts *p);

struct part part_plain(const char *text);                                /* borrows it */
/* Is it one link and nothing else? */
bool part_is_link(const struct part *part);
/* Would Telegram find nothing in it to show? It trims more than white space. */
bool parts_blank(const char *s, size_t len);

#endif
