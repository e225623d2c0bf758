/* Sends what was decided to go to everybody (script broadcast): looks twice a second, and gives the next ones theirs (script spread). All
 * of its state stands in Redis, so the next ledger goes on where this one dies. */
#ifndef LEDGER_SPREAD_H
#define LEDGER_SPREAD_H
#include "services/svc.h"

struct spread;
struct spread *spread_new(struct svc *s);
void spread_drain(struct spread *s);                /* begin to leave; then wait for spread_is_over() */
void spread_lead(struct spread *s, bool ours);      /* only the ledger that writes knows everybody */
bool spread_is_over(const struct spread *s);
void spread_free(struct spread *s);

#endif
