/* The file that a message brings: what it takes to fetch it, and what its sender's app says about it, which is to be believed of none. */
#ifndef INGEST_ATTACHMENT_H
#define INGEST_ATTACHMENT_H
#include <stdbool.h>
#include <stdint.h>
#include "proto/json.h"
#include "services/arena.h"

struct attachment {
    const char *id;              /* Telegram's file_id; NULL: there is none */
    const char *kind;            /* "voice", "audio", "video_note", "video", "photo", "document", "sticker", "animation" */
    const char *name, *type;     /* "" where there is none */
    int64_t bytes, seconds;      /* 0: not said */
};

/* `content` is what the message consists of, as in update_contents. Of a picture's sizes the largest that MAX_FILE_MB allows. Strings
 * are copied into mem. False: nothing that can be fetched and looked at; *ret is zeroed then. */
bool attachment_read(struct arena *mem, const cJSON *message, const char *content, struct attachment *ret);
bool attachment_moves(const cJSON *message);             /* a sticker that does: nobody can look at it */
const char *attachment_job(const struct attachment *a);  /* the kind of job that is made of it */

#endif
