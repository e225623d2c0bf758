/* A JSON answer with megabytes of base64 in it, as it comes in: the bytes go out decoded, piece by piece, and what is left is a small
 * JSON whose "b64_json" is "". Cuts may fall anywhere. Escapes are undone; white space and padding are let through. */
#ifndef MEDIA_SIEVE_H
#define MEDIA_SIEVE_H
#include <stdbool.h>
#include <stdint.h>
#include "services/buf.h"

typedef bool sieve_out_fn(const char *data, size_t len, void *owner);     /* false: no more of it */

struct sieve {
    sieve_out_fn *out;
    void *owner;
    struct buf rest;             /* the JSON without the picture */
    int64_t bytes;               /* that have gone out */
    /* inside */
    enum { SIEVE_PLAIN, SIEVE_STRING, SIEVE_PICTURE, SIEVE_DONE, SIEVE_BROKEN } state;
    char name[12];               /* of the string that was last read, as far as it matters */
    int name_len;
    bool named, escaped;         /* a name and its colon stand before; a backslash does */
    int hex_left;                /* digits of a \u that are still to come */
    unsigned code, bits;
    int bit_count;
    bool padded;
    char room[3 * 1024];
    size_t used;
};

void sieve_init(struct sieve *s, size_t rest_max, sieve_out_fn *out, void *owner);
void sieve_done(struct sieve *s);                        /* a zeroed struct is fine */
/* False: it is no such answer, or nobody wants more of it; nothing further is taken. */
bool sieve_add(struct sieve *s, const char *data, size_t len);
/* A whole picture has gone out. (Whether the rest is whole JSON its reader sees.) */
bool sieve_is_whole(const struct sieve *s);

#endif
