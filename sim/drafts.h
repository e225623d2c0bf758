/* drafts: what sendMessageDraft shows in a private chat until a message of the bot's comes, or for half a minute. */
#ifndef SIM_DRAFTS_H
#define SIM_DRAFTS_H
#include <cjson/cJSON.h>

#include "sim/telegram.h"

void drafts_send(struct tg_call *t);                    /* the method */
void drafts_drop(struct chat *c);                       /* a message has come, or the chat goes */
void drafts_to_json(const struct chat *c, struct buf *b);      /* null: none stands there */
void drafts_post_stop(struct sim *sim, struct exch *x, const cJSON *o);        /* POST /control/stop_draft */
#endif
