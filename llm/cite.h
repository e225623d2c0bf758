/* The sources of an answer: what OpenAI notes beside its text (annotations) becomes numbered links in the text and a short list.
 *
 * What they say of their place is not to be trusted: its unit is not documented, and some servers count otherwise. A place is
 * believed when there stands what belongs there: a link to that address, or a mark; or when a word ends there. All others are only listed. */
#ifndef LLM_CITE_H
#define LLM_CITE_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include "services/buf.h"

enum { SOURCES_MOST = 10, MADE_MOST = 10, NAME_MOST = 120 };

/* A file that code has made: by its ids at OpenAI. Strings are owned. */
struct made { char *container, *file, *name; };

struct cites {                           /* zeroed: none */
    struct source { char *url, *title; } sources[SOURCES_MOST];        /* url NULL: a file of a library, by its name */
    int count;
    struct made made[MADE_MOST];
    int made_count;
};
/* Append one part of a message to `out`, without marks and with its links numbered; its sources join the others. */
void cites_add_part(struct cites *c, const char *text, const cJSON *annotations, struct buf *out);
/* The list, as Markdown, a line for each. "" when there are none. Caller frees. */
char *cites_list(const struct cites *c);
void cites_done(struct cites *c);

#endif
