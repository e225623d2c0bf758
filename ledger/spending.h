/* The spend counters that Redis has lost, and what was set of the bot and its users, out of the database again (script `rebuild`; proto/README.md: spend:<period>).
 *
 * Periods are days and months of TZ_NAME, which the process has told tzset() of: today and yesterday (a hold from before
 * midnight is still settled there), and the months they are in. */
#ifndef LEDGER_SPENDING_H
#define LEDGER_SPENDING_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ledger/store.h"

struct span { char name[16]; int64_t from_ms, to_ms; int keep_s; };      /* "2026-11-22" or "2026-11" */
#define SPANS 4
/* *ret_months of the spans, the last ones, are months: each user's and everybody's. */
int spans_at(int64_t wall_ms, struct span spans[SPANS], int *ret_months);

/* The midnight with which the day so many days before that of wall_ms began. */
int64_t days_before_ms(int64_t wall_ms, int days);

/* The month of that name, "2026-11". False: it is none. */
bool month_named(const char *name, struct span *ret);

struct spent { char period[64]; int64_t nusd; int keep_s; };
struct spending { struct spent *list; size_t count; struct kept *kept; size_t kept_count; };
/* All counters that are not 0 and all that is set, read by `store`. 0 or a negative errno; *s is to be freed with spending_done() in both cases. */
int spending_read(struct store *store, int64_t wall_ms, struct spending *s);
void spending_done(struct spending *s);

#endif
