/* A picture on its way from OpenAI to Redis; inside media only.
 *
 *   the answer ─▶ sieve ─▶ a spool on the disk ─▶ blob:<id> in Redis, piece by piece, while it still comes in
 *
 * So a picture costs media a few hundred kilobytes, however large it is; and when its last byte is here nearly all of it is safe. */
#ifndef MEDIA_DRAW_H
#define MEDIA_DRAW_H
#include "media/sieve.h"
#include "media/task.h"

/* What was drawn, and what it cost: kept in the job as JSON from the moment it is there. */
struct drawn {
    const char *blob, *type, *model, *nonce;
    const char *result;                  /* that JSON */
    int64_t bytes, input_tokens, cached_tokens, image_tokens, output_tokens;
    bool estimated;                      /* the server did not say */
};

struct drawing {
    const char *prompt, *size;
    bool bare;                           /* without what other servers do not know */
    struct sieve sieve;
    struct spool spool;
    const char *id, *nonce;              /* of the blob under way */
    int64_t stored;                      /* bytes of it that are in Redis */
    struct redis_call *piece;            /* the next ones, on their way there */
    size_t piece_len;
    bool over, disk_full, no_room;       /* too large; no room on the disk, in Redis */
    bool whole;                          /* the answer has ended well, with a picture in it */
    bool useless;                        /* … or without one: it is paid for all the same */
    struct drawn now, drawn;             /* the one under way; the one that counts (blob NULL: none) */
};

/* store.c */
void store_begin(struct task *t);                        /* of one request: nothing has come yet */
void store_bytes(const char *data, size_t len, void *task);      /* for on_bytes */
/* The next piece into Redis, if none is under way; after the last one of a whole picture draw_stored() is called. */
void store_go_on(struct task *t);
void store_stop(struct task *t);                         /* forget what is under way; what is in Redis is taken out */
void store_drop(struct task *t, const char *blob, int64_t bytes);

/* draw.c */
void draw_stored(struct task *t);                        /* a whole picture is in Redis */
void draw_broke_off(struct task *t);                     /* what comes is of no use */

#endif
