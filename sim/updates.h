/* updates: the queue of one bot, and getUpdates with the semantics of the real one.
 *
 * An update stays until a getUpdates with a higher offset confirms it; the same offset gives the same updates again. One
 * poller is parked at a time: a newer one takes its place, and the old one is told 409. A webhook
 * (webhook.h) takes what is pushed instead. */
#ifndef SIM_UPDATES_H
#define SIM_UPDATES_H
#include <stdbool.h>

#include "sim/chats.h"
#include "sim/params.h"

/* Queues {"update_id":N,<members>}; N is chosen when update_id is 0. `kind` is looked up in allowed_updates, unless
 * it is NULL. Returns the id, or 0 when the bot does not want that kind. */
int64_t updates_push(struct bot *bot, int64_t update_id, const char *kind, const char *members);
/* Answers the exchange, now or later. Returns a non-NULL description (409, 400 by *ret_status) when it refuses instead. */
const char *updates_poll(struct bot *bot, struct exch *x, struct params *p, int *ret_status);
void updates_allow(struct bot *bot, const cJSON *allowed);      /* as allowed_updates says; no array: as before */
void updates_delivered(struct bot *bot, struct update *u);      /* the webhook took it */
bool updates_again(struct bot *bot, int64_t update_id);         /* it is brought again; false: not a delivered one */
void updates_confirm_all(struct bot *bot);
int64_t updates_pending(const struct bot *bot);
void updates_stop(struct bot *bot, const char *description);    /* a parked poller gets 409 with it, or is closed when NULL */
bool updates_is_kind(const char *kind);
#endif
