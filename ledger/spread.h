/* Sends what was decided to go to everybody (script broadcast): looks twice a second, and gives the next ones theirs (script spread). All
 * of its state stands in Redis, so it goes on wherever a ledger runs; two of them at once get in nobody's way. */
#ifndef LEDGER_SPREAD_H
#define LEDGER_SPREAD_H
#include "services/svc.h"

struct spread;
struct spread *spread_new(struct svc *s);
void spread_drain(struct spread *s);                /* begin to leave; then wait for spread_is_over() */
void spread_on_redis(struct spread *s);             /* Redis has come or gone */
bool spread_is_over(const struct spread *s);
void spread_free(struct spread *s);

#endif
