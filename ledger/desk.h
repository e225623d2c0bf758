/* The ledger's desk: answers what the ledger is asked, one after the other, when what came before it is stored.
 *
 *   writer, its batch on disk ──▶ waiting ──▶ read (a thread, with a connection of its own) ──▶ blob, piece by piece ──▶ told (one script)
 *
 * The answer to a change is what the database holds of it by then, so whatever is repeated says and writes the same. An entry
 * leaves the stream with its answer; what is in hand when we leave stays pending and is answered by the next ledger. */
#ifndef LEDGER_DESK_H
#define LEDGER_DESK_H
#include <stdbool.h>
#include "ledger/item.h"
#include "services/price_file.h"
#include "services/svc.h"

struct desk;

struct desk *desk_new(struct svc *s, const struct price_file *prices);
void desk_free(struct desk *d);                      /* only when desk_is_over() */

void desk_take(struct desk *d, struct item *item);   /* of kind `ask` or `set`, stored; it is the desk's now */
unsigned desk_waiting(const struct desk *d);
void desk_on_redis(struct desk *d);                  /* it has come or gone */
void desk_drain(struct desk *d);
bool desk_is_over(const struct desk *d);

#endif
