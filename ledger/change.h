/* What an administrator sets: fields of `settings` and of users. An entry of kind `set` to rows of the database, and back to what
 * Redis is to hold. Functions that take a database answer a code of SQLite; they neither begin nor end a transaction. */
#ifndef LEDGER_CHANGE_H
#define LEDGER_CHANGE_H
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/commit.h"
#include "proto/fields.h"

enum { CHANGES_MOST = 16, CHANGE_VALUE_MOST = 4096 };

struct wish {
    char hash[40], field[68];           /* "settings" or "user:<id>"; a name that stands there */
    int64_t user;                       /* whose, where it is a user's */
    const char *value;                  /* borrowed from the entry; "" unsets it */
};
struct change { struct wish list[CHANGES_MOST]; int count; };

/* The wishes set:0, set:1, … of an entry. NULL, or why there is no sense in them, for the `dead` stream. */
const char *change_read(const struct fields *f, struct change *ret);
/* All that is kept of a user, as wishes without a value: to look at what of it is left. */
void change_of_user(int64_t user, struct change *ret);
/* All of them, once per job. */
int change_store(sqlite3 *db, const struct change *c, const struct fields *f, int64_t now_ms);
/* Who asks something is known by name from then on. */
int change_name(sqlite3 *db, const struct fields *f, int64_t now_ms);

/* What the database holds now of the fields that a change is about, for `told`; c->count of them. Free with change_done(). */
int change_look(sqlite3 *db, const struct change *c, struct kept ret_kept[CHANGES_MOST]);
/* All that is set, for `rebuild`. *ret_kept is to be freed with change_done() and free(). */
int change_all(sqlite3 *db, struct kept **ret_kept, size_t *ret_count);
void change_done(struct kept *kept, size_t count);

#endif
