/* What stands in a job's hash when it is new (proto/README.md, "A job's fields"). */
#ifndef INGEST_FIELDS_H
#define INGEST_FIELDS_H
#include "ingest/route.h"
#include "proto/args.h"

/* The parts of an album follow each other without a word about how many there are. */
enum { FIELDS_ALBUM_MS = 1500 };
/* A text of at least LONG units may have been cut by the app, which does so at FULL, or before at a line's end; what follows within
 * OPEN_MS is its next part. */
enum { FIELDS_LONG_UNITS = 4000, FIELDS_FULL_UNITS = 4096, FIELDS_OPEN_MS = 1500 };

int fields_open_ms(const struct update *u, const struct route *r);   /* how long a further part may follow; 0: it is whole */
/* Whose further parts may follow, as script accept wants it: by whom a long text is, which album it is; "": it joins nothing. */
void fields_gather(const struct update *u, const struct route *r, char *ret_gather, size_t size);
/* Append the count of pairs, and the pairs. */
void fields_add(struct args *args, const struct update *u, const struct route *r, int64_t now_ms);

#endif
