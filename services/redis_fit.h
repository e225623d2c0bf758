/* Is this server fit to hold our queue? (protocol.md, rule 16; the tests feed it INFO texts.) */
#ifndef SERVICES_REDIS_FIT_H
#define SERVICES_REDIS_FIT_H
#include <stdbool.h>

struct redis_fit {
    bool loading;               /* ask again soon */
    char unfit[160];            /* "" or why we refuse to work with it */
    const char *warnings[4];    /* NULL-terminated: what works, but loses more than it must */
};

/* `info`: the text of INFO, or NULL when we may not ask; `fsync`: CONFIG GET appendfsync, or NULL likewise. */
struct redis_fit redis_judge(const char *info, const char *fsync);

#endif
