/* A stranger's words, as far as they are of use. */
#ifndef INGEST_CLEAN_H
#define INGEST_CLEAN_H
#include <stddef.h>
#include "services/arena.h"

/* The first `max` bytes as valid UTF-8; NULL counts as "". */
char *clean_text(struct arena *mem, const char *text, size_t max);
/* The same in one line, as names stand, whatever somebody has called himself. */
char *clean_line(struct arena *mem, const char *text, size_t max);

#endif
