/* One update of Telegram, as far as we have use for it. It comes from a stranger: any field may be missing, null, of another type,
 * of any length, or not UTF-8. What makes no sense is simply not there; only an update without an id is no update. */
#ifndef INGEST_UPDATE_H
#define INGEST_UPDATE_H
#include <stdbool.h>
#include <stdint.h>
#include "ingest/attachment.h"
#include "proto/json.h"
#include "services/arena.h"

enum {                                       /* bytes */
    UPDATE_TEXT_MAX = 256 * 1024,            /* Telegram's own limit for a text is 4096 units */
    UPDATE_CONTEXT_MAX = 4000,               /* of the message that is answered, and of a quote */
    UPDATE_NAME_MAX = 128,
    UPDATE_ID_MAX = 64                       /* what Telegram gives as text: of a press, of an album; and a job's name */
};

/* All strings are valid UTF-8, and "" where there is nothing. */
struct update {
    int64_t id;
    const char *kind;            /* "message", "callback_query", …; "unknown" */
    const char *content;         /* of a message: "text", "photo", …, "moving_sticker", "other"; of a press: "stop", "retry", "drop", "size", "grant", "model" …, "other";
                                  * of my_chat_member what we are now: "kicked", "member", …; else "" */
    int64_t chat, user;          /* 0: not known */
    int64_t topic;               /* 0: none */
    int64_t message, asked;      /* its number in the chat; when it was sent or edited, s since 1970 */
    const char *chat_type;       /* "private", "group", "supergroup", "channel"; "" */
    const char *text;            /* or caption; at most UPDATE_TEXT_MAX bytes */
    const char *said;            /* the same without a mention of us in front */
    const char *name;            /* the sender's first name, cut */
    const char *language;        /* the sender's language_code */
    bool from_bot;
    bool as_chat;                /* said in the name of a chat (an anonymous administrator, a channel): user is its id, name its title */
    bool automatic;              /* a channel's post that Telegram has put into the channel's group */
    bool secret;                 /* only we can see it: an answer that others see would give it away */
    bool mentions_us;
    bool replies_to_us;
    const char *reply, *reply_name;  /* text of the message that it answers, and its author */
    int64_t replied_user;        /* who wrote it first, where it was forwarded and that is not hidden; else 0 */
    const char *quote;           /* the piece of it that was marked */
    const char *forward;         /* whose words they are when they were forwarded; "?" where that is hidden */
    struct attachment file;      /* what it brings */
    struct attachment answered;  /* what the message has that it answers */
    const char *album;           /* whose parts come as updates of their own */
    const char *callback, *target;   /* id of a press; the job that the button belongs to ("<update>-" of a draft's), or the file */
    const char *words;           /* that an administrator's button has behind what it does: "image gpt-image-9" */
    const char *choice;          /* that the button has: a picture's size as "1024x1024", a role, or dollars */
    int64_t moved_from, moved_to;    /* a group's number, before and after it became a supergroup */
};

/* The names that kind and content (of a message) can have, each NULL-terminated. */
extern const char *const update_kinds[], *const update_contents[];

/* Everything of *ret_update is copied into mem or constant. 0, or -EINVAL: it has no usable update_id. */
int update_read(struct arena *mem, const cJSON *json, struct update *ret_update);
/* The update_id in a text that cannot be parsed as a whole (too long, or broken). False: none is seen in its first kilobyte. */
bool update_id_in(const char *text, size_t len, int64_t *ret_id);

#endif
