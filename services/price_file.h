/* The prices in force: PRICES_FILE, looked at again while the service works.
 *
 * Every five seconds, and at once on SIGHUP, it is seen whether another file stands there (its time, size or inode). A good one is
 * in force from then on; a broken or missing one is refused in one line (and the administrators are told), and the old prices
 * stay in force until it is mended. Calls are billed by the prices in force when they are booked.
 *
 * So what a struct prices says lives only until the loop's next turn: copy what is to be kept. */
#ifndef SERVICES_PRICE_FILE_H
#define SERVICES_PRICE_FILE_H
#include "proto/prices.h"
#include "services/svc.h"

struct price_file;

/* NULL after an error line. busy: while it answers true nothing is exchanged (a thread reads the prices); may be NULL. */
struct price_file *price_file_open(struct svc *s, bool (*busy)(void *owner), void *owner);
void price_file_close(struct price_file *f);         /* NULL is fine */
const struct prices *price_file_now(const struct price_file *f);

#endif
