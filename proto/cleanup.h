/* Locals that clean up after themselves: CLEANUP(json_done) cJSON *o = …; runs json_done(&o) when the block is left.
 * A hand-over is visible in one word: `return steal(text);` empties the variable, so nothing is left to clean. */
#ifndef PROTO_CLEANUP_H
#define PROTO_CLEANUP_H
#include <stdlib.h>

#define CLEANUP(done) __attribute__((cleanup(done)))

static inline void text_done(char **text) {
    free(*text);
}

static inline char *steal(char **text) {
    char *kept = *text;
    *text = NULL;
    return kept;
}

#endif
