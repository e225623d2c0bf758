/* What the ledger tells Prometheus: money by kind, batches, how far behind it is, and what is held for calls that are not over.
 * The sums of money begin at 0 with the process, as counters do; those of the month are Redis's. */
#ifndef LEDGER_FIGURES_H
#define LEDGER_FIGURES_H
#include "ledger/store.h"
#include "services/svc.h"

void figures_list(void);                             /* so that zeros are seen */
void figures_event(const struct fields *event, const struct store_outcome *o);
/* A batch of so many events is on the disk: so long after its first statement, and after the oldest of its calls was made. */
void figures_batch(unsigned events, int64_t took_ms, int64_t oldest_at_ms);
void figures_ask(struct svc *s);                     /* of Redis; the answer is seen when it comes */

#endif
