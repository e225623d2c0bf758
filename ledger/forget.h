/* What leaves the ledger: who somebody was, and raw events that are old. Sums stay as they are, whatever happens here.
 * schema.sql says which fields are personal. Each function is one transaction; SQLite codes. */
#ifndef LEDGER_FORGET_H
#define LEDGER_FORGET_H
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* Every row of this user (> 0) is from now on one of *ret_as, a number below 0 that nobody had before and that cannot be led back
 * to him; 0: he has no rows. What personal fields held is overwritten in the file. */
int forget_user(sqlite3 *db, int64_t user, int64_t *ret_as);

/* Raw events that were stored before `before_ms` and have their row in usage, a piece of the table at a time. */
struct forget_walk {
    char at[512];               /* the last id that was looked at; "" at first, and again when the end was reached */
    int64_t gone;               /* in this piece */
};
int forget_old(sqlite3 *db, int64_t before_ms, struct forget_walk *walk);

#endif
