/* people: what users do in Telegram. Each deed changes a chat and becomes an update.
 *
 *     people.c    they write, edit, send pictures and albums, forward, reply
 *     members.c   chats are made, left, joined, blocked, moved
 *     presses.c   they press buttons; and what the bot answered to that */
#ifndef SIM_PEOPLE_H
#define SIM_PEOPLE_H
#include <cjson/cJSON.h>

#include "sim/chats.h"

/* One message as an update: `o` as POST /control/message takes it, `text` may differ. NULL, or what is wrong with it. */
const char *people_say(struct bot *bot, const cJSON *o, const char *text, int64_t *ret_update, int64_t *ret_message);

void people_post_message(struct sim *sim, struct exch *x, const cJSON *o);
void people_post_messages(struct sim *sim, struct exch *x, const cJSON *o);
void people_post_edit(struct sim *sim, struct exch *x, const cJSON *o);

void members_post_chat(struct sim *sim, struct exch *x, const cJSON *o);
void members_post_member(struct sim *sim, struct exch *x, const cJSON *o);
void members_post_block(struct sim *sim, struct exch *x, const cJSON *o);
void members_post_migrate(struct sim *sim, struct exch *x, const cJSON *o);

struct press {
    int64_t n, chat, message_id, user, at_ms, answered_ms;  /* answered_ms 0: not yet */
    char *id, *data, *text, *url;   /* text, url: of the answer */
    bool alert;
    int refused;                    /* answers that came when there was nothing more to answer */
};

/* A callback query that the bot may answer. data may be NULL. */
struct press *presses_add(struct sim *sim, const char *id, int64_t chat, int64_t message_id, int64_t user, const char *data);
/* The query, if it may be answered now; NULL: unknown, too old, or answered. */
struct press *presses_open(struct sim *sim, const char *id);
void presses_free(struct telegram *t);
void presses_post_callback(struct sim *sim, struct exch *x, const cJSON *o);
void presses_post_press(struct sim *sim, struct exch *x, const cJSON *o);
void presses_view(struct sim *sim, struct exch *x);

/* The message as an update of that kind (of a channel's when it stands in one). Returns its id. */
int64_t people_push(struct message *m, const char *kind);
/* A user as JSON, `o` names him (user, name, last_name, username, language, is_bot). */
void people_user_to_json(struct buf *b, const struct chat *c, const cJSON *o);
int64_t people_user_of(const struct chat *c, const cJSON *o);
#endif
