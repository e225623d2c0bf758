/* Beside the webhook, what the operator would do by hand: ask Telegram who we are (every ingest needs to know), and where we hold
 * the lease tell it where to deliver, and look every few minutes whether it still does, and can. The webhook is not taken away
 * at the end: Telegram keeps what it cannot deliver until we are back. */
#ifndef INGEST_REGISTRAR_H
#define INGEST_REGISTRAR_H
#include "services/svc.h"

struct registrar;
struct registrar *registrar_new(struct svc *s);
void registrar_hold(struct registrar *r, bool ours);         /* whether the lease is ours; as often as one likes */
void registrar_stop(struct registrar *r);                    /* for good */
bool registrar_is_over(const struct registrar *r);
bool registrar_is_healthy(const struct registrar *r);
void registrar_free(struct registrar *r);                    /* when it is over; NULL is fine */

#endif
