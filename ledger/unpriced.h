/* Models that were billed without an entry in the prices file: the administrators are told of each one once (in a month).
 *
 * Seen here, where every paid call passes, and not where it is made: so nobody is told twice, whoever made it. What could not be told
 * (no administrator yet, another one told within the hour) is tried again. Who has been told stands in Redis, as unpriced:<model>. */
#ifndef LEDGER_UNPRICED_H
#define LEDGER_UNPRICED_H
#include "services/svc.h"

struct unpriced;
struct unpriced *unpriced_new(struct svc *s);
void unpriced_free(struct unpriced *u);              /* NULL is fine */
void unpriced_saw(struct unpriced *u, const char *model);

#endif
