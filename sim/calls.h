/* calls: the log of executed calls, newest last, in a ring bounded by number and by bytes. Order numbers never repeat. */
#ifndef SIM_CALLS_H
#define SIM_CALLS_H
#include <stdint.h>

#include "sim/sim.h"

enum { CALLS_MAX = 400000, CALL_PARAMS_MAX = 64 * 1024 };
#define CALLS_BYTES_MAX ((size_t)512 * 1024 * 1024)

struct call {
    int64_t seq, at_ms, chat, fault;
    int status;
    const char *side;       /* a constant */
    char *method, *error, *params;      /* params: JSON text, or NULL */
    size_t bytes;
};

struct calls *calls_new(void);
void calls_free(struct calls *c);
/* Everything is copied. `params` longer than its bound is kept as {"truncated":"…"},
 * one that is no JSON as {"broken":"…"}. */
void calls_add(struct sim *sim, const char *side, const char *method, int64_t chat, int status, const char *error, int64_t fault,
               const char *params, size_t params_len);
int64_t calls_last(const struct calls *c);
int64_t calls_dropped(const struct calls *c);
const struct call *calls_at(const struct calls *c, int64_t seq);    /* NULL: gone, or not yet there */
#endif
