/* Long polling: one of the two sources of updates. What it brings goes through accept.h; webhook.h is the other one. */
#ifndef INGEST_POLL_H
#define INGEST_POLL_H
#include "ingest/bot_api.h"
#include "services/svc.h"

struct poll;
struct poll *poll_new(struct svc *s);
/* Begin, when it is ours to poll; stop, when it is not any more. Both as often as one likes. What was brought and not yet
 * confirmed comes again, to whoever polls next, and is known by its id then. */
void poll_start(struct poll *p);
void poll_stop(struct poll *p);
bool poll_is_over(const struct poll *p);     /* nothing of it is under way any more */
bool poll_is_healthy(const struct poll *p);  /* Telegram answers, or we do not poll */
void poll_free(struct poll *p);              /* when it is over; NULL is fine */

#endif
