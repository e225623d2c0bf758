/* The menus of commands at Telegram: for everybody, for groups and for each administrator, in each language, made from commands.h.
 * Only what differs from what stands there is sent: the hash `menus` knows. It all happens beside the updates, never before them. */
#ifndef INGEST_MENUS_H
#define INGEST_MENUS_H
#include "services/svc.h"

struct menus;
struct menus *menus_new(struct svc *s);
void menus_start(struct menus *m);           /* where the lease is ours; both as often as one likes */
void menus_stop(struct menus *m);
bool menus_is_over(const struct menus *m);   /* nothing of it is under way */
void menus_free(struct menus *m);            /* when it is over; NULL is fine */

/* For tests: the i-th call of setMyCommands that the settings ask for, as field of `menus` (borrowed) and body; NULL: there are no more. */
const char *menus_at(const struct menus *m, size_t i, const char **ret_body);

#endif
