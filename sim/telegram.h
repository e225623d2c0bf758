/* telegram: the Bot API. One row per method in telegram.c; each either answers with a result or refuses with the real text.
 * telegram_media.c has the methods that carry files, telegram_commands.c the menus, telegram_webhook.c what setWebhook does,
 * members.c who is in a chat. */
#ifndef SIM_TELEGRAM_H
#define SIM_TELEGRAM_H
#include "sim/chats.h"
#include "sim/params.h"

struct file;

struct tg_call {
    struct sim *sim;
    struct exch *x;
    struct bot *bot;
    struct params p;
    const char *method;         /* canonical spelling */
    int64_t chat_id;            /* 0: none */
    bool counted_only;          /* not in the log: getUpdates */
};

void telegram_on_request(struct sim *sim, struct exch *x);     /* path begins with /bot */

/* For the methods: each answers the exchange and logs the call. A result is JSON; the buffer is freed. */
void tg_result(struct tg_call *t, struct buf *result);
void tg_answer(struct tg_call *t, struct buf *whole);   /* with "ok", as it is */
void tg_true(struct tg_call *t);
void tg_refuse(struct tg_call *t, int status, const char *description);
void tg_refuse_for(struct tg_call *t, int64_t seconds);   /* 429 */
/* The chat that chat_id names, if it may be written to; otherwise refuses and returns NULL. `sending`: also flood limits. */
struct chat *tg_chat(struct tg_call *t, bool sending);
/* Text and entities of an argument as they are stored; false: refused. Both results are the caller's; entities may be NULL. */
bool tg_text(struct tg_call *t, const char *name, const char *entities_name, size_t max_units, bool may_be_empty, char **ret_text, char **ret_entities);
/* What every send* has beside its content, put on a new message; NULL: refused. */
struct message *tg_send(struct tg_call *t, struct chat *c, const char *text, char *entities);

/* What a user sends: a file as he would name it, and its members in a message. NULL: no such kind. */
bool media_is(const char *kind);                          /* a kind of message that has a file */
struct file *media_file(struct sim *sim, const char *kind, const char *name, const char *ctype, size_t bytes);
const char *media_to_json(struct sim *sim, const char *kind, const struct file *f, struct buf *b);

void tg_send_media(struct tg_call *t);
void tg_get_file(struct tg_call *t);
void tg_set_my_commands(struct tg_call *t);
void tg_get_my_commands(struct tg_call *t);
void tg_delete_my_commands(struct tg_call *t);
void tg_get_chat_member(struct tg_call *t);
void tg_get_chat_administrators(struct tg_call *t);
void tg_get_chat_member_count(struct tg_call *t);
void tg_set_webhook(struct tg_call *t);
void tg_delete_webhook(struct tg_call *t);
void tg_get_webhook_info(struct tg_call *t);
void telegram_redeliver(struct sim *sim, struct exch *x, const cJSON *o);      /* POST /control/redeliver */
void telegram_commands_view(struct sim *sim, struct exch *x);  /* GET /control/commands */
void telegram_download(struct sim *sim, struct exch *x);       /* /file/bot<token>/<path> */
#endif
