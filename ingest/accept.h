/* An update becomes a job: one script, whose answer is the moment from which the update may be confirmed to Telegram.
 * Whoever brings updates (poll.c, later a webhook) comes through here. */
#ifndef INGEST_ACCEPT_H
#define INGEST_ACCEPT_H
#include "ingest/route.h"
#include "services/redis.h"

/* accepted: it is in Redis, was there before, or needs nothing; confirm it. False: Redis refused it, the log says why. */
typedef void accept_done_fn(bool accepted, void *owner);

struct accept;
/* Everything is copied. done is called once, in a later turn of the loop, as soon as Redis has answered. NULL when the update needs
 * no job: then done is not called. */
struct accept *accept_update(struct redis *r, const struct update *u, accept_done_fn *done, void *owner);
void accept_forget(struct accept *a);        /* the owner goes away; the job may still come to be. NULL is fine; not after done */

/* An update that nothing could be done with goes to `dead`, so that it is not lost without a word. */
void accept_bury(struct redis *r, const char *prefix, int64_t update, const char *reason);
void accept_list_metrics(void);              /* so that zeros are seen */

#endif
