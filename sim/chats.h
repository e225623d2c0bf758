/* chats: bots, their chats, and the messages in them.
 *
 * Message ids count per bot, as private chats of a real account do. A message is kept until the bound of all messages is
 * reached; then the oldest of all goes. Every change of a chat raises its version: tests wait for that. */
#ifndef SIM_CHATS_H
#define SIM_CHATS_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "sim/sim.h"

enum { MESSAGES_MAX = 400000, THREADS_MAX = 64, SPANS_MAX = 100000, PRESSES_MAX = 20000, DELIVERED_MAX = 2000 };
#define BOT_USERNAME "helper_ai_bot"

struct message {
    int64_t id, date_ms, edit_ms, reply_to, thread;
    struct chat *chat;
    bool from_bot, deleted;
    int edits;
    const char *kind;           /* a constant: text, photo, document, … */
    char *text;                 /* or the caption */
    char *entities;             /* JSON, or NULL, as the next two */
    char *markup;               /* inline keyboard */
    char *keyboard;             /* any other reply_markup, as it was sent */
    char *first_text;           /* as sent, once it was edited */
    char *extra;                /* further JSON members: ,"photo":[…] */
    char *from;                 /* JSON of the user who wrote it; NULL: the bot */
};

struct bucket {                 /* of a flood limit */
    double tokens;
    int64_t at_ms;
};

struct draft {                  /* drafts.c */
    int64_t id, thread, until_ms;       /* id 0: none */
    char *text, *entities;
    bool can_stop;
};

struct chat {
    struct bot *bot;
    int64_t id;
    char *type, *title, *username, *language;
    int64_t threads[THREADS_MAX];
    bool closed[THREADS_MAX];   /* is that topic */
    int threads_len;
    bool blocked, kicked, left, gone;
    bool read_only;             /* the bot may not write here */
    bool bot_is_admin;
    int64_t slow_mode_s, last_send_ms;
    int64_t flood_until_ms;     /* 429 until then */
    char *keyboard;             /* the reply keyboard that stands in it, JSON or NULL */
    struct map members;         /* user id → ChatMember as JSON */
    int64_t migrate_to;
    struct message **messages;  /* by id, [begin … len) */
    size_t begin, len, cap;
    int64_t version, sends, edits, actions, drafts, bot_messages;   /* bot_messages: visible ones */
    struct draft draft;
    struct bucket rate, group_rate;
    char *question, *awaited;   /* of somebody who asks again and again (users.c) */
    int64_t questions_left;
    uint64_t asked_us;          /* 0: he waits for no answer */
};

struct update {
    int64_t id;
    int64_t chat;
    struct update *next;        /* in its webhook's queue */
    char *json;
    size_t len;
};

struct webhook;

struct bot {
    struct sim *sim;
    struct bot *next;
    int64_t id;                 /* 0: nobody has called yet */
    char *token;
    struct map chats;           /* decimal id → struct chat * */
    int64_t last_message_id;
    struct update **updates;    /* [begin … len) are unconfirmed */
    size_t updates_begin, updates_len, updates_cap;
    int64_t next_update_id, confirmed;
    char *allowed;              /* JSON array, or NULL: the default set */
    struct exch *poller;        /* the parked getUpdates */
    int64_t poll_limit;
    uv_timer_t *poll_timer;
    int64_t last_offset, last_offset_ms;
    struct webhook *webhook;    /* NULL: none */
    int64_t next_set_webhook_ms;
    struct update *delivered[DELIVERED_MAX];    /* a ring of what a webhook took, the latest */
    int64_t delivered_begin, delivered_end;
    size_t delivered_bytes;
    struct map commands;        /* scope and language → JSON array */
    struct bucket rate;
};

struct press;

struct users {
    int64_t asked, answered;
    uint64_t spans[SPANS_MAX];  /* from the question to its whole answer, microseconds; a ring */
};

struct telegram {
    struct bot *bots;
    struct message **fifo;      /* ring of MESSAGES_MAX, oldest first */
    int64_t fifo_begin, fifo_end;
    bool flood, slow_repeat;
    double chat_per_s, chat_burst, global_per_s, group_per_min;
    int64_t conflict_ms;
    int64_t webhook_timeout_ms, webhook_first_ms, webhook_cap_ms;
    int64_t webhook_lose;       /* answers of webhooks that will be taken for lost */
    int64_t flood_until_ms;     /* 429 for all chats until then */
    struct press *presses[PRESSES_MAX]; /* a ring: callback queries and what was answered (presses.c) */
    struct map presses_by_id;
    int64_t presses_begin, presses_end, callback_ms;    /* callback_ms: how long one may be answered */
    struct users users;
};

void update_free(struct update *u);
struct telegram *telegram_new(void);
void telegram_free(struct telegram *t);     /* parked exchanges were answered by updates_stop */

/* The bot of a token or of a decimal id, made when it is new and `make` says so. NULL: no such bot, or a wrong token. */
struct bot *bot_find(struct sim *sim, const char *token_or_id, bool make);
struct bot *bot_default(struct sim *sim);   /* the only or first one; made when there is none */

struct chat *chat_find(struct bot *bot, int64_t id);
struct chat *chat_make(struct bot *bot, int64_t id);
void chat_set(char **field, const char *value);     /* replaces it with a copy, unless value is NULL */
int chat_thread(const struct chat *c, int64_t thread);      /* its place, or -1 */
void chat_add_thread(struct chat *c, int64_t thread);
void chat_del_thread(struct chat *c, int64_t thread);       /* and its messages */
void chat_changed(struct chat *c);

struct message *message_find(struct chat *c, int64_t id);
/* A new message, id 0: the bot's next. Texts are copied, NULL stays NULL. */
struct message *message_add(struct chat *c, int64_t id, bool from_bot, const char *text);
void message_delete(struct message *m);

void chat_to_json(const struct chat *c, struct buf *b);
void bot_to_json(const struct bot *bot, struct buf *b);     /* as in Message.from */
void message_to_json(const struct message *m, struct buf *b, bool with_reply);
#endif
