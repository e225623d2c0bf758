/* The list of a conversation's files: a line each, and a button each that deletes it. */
#ifndef OUTBOUND_LISTING_H
#define OUTBOUND_LISTING_H
#include "proto/fields.h"
#include "services/buf.h"
#include "services/texts.h"

enum { LISTING_MOST = 20 };

/* Append the files that the job lists (script files), if it does. Returns what their buttons call them, with blanks between; the
 * caller frees. NULL: it lists none. */
char *listing_add(const struct fields *job, enum texts_lang lang, struct buf *out);

#endif
