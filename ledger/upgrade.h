/* An older file of the ledger is led to the tables of today, by the scripts of ledger/migrations (its README.md says how to add one).
 *
 * First the file is copied beside itself as <path>.before-<n>, n being the version that it is led to. Then all scripts run in
 * the same transaction that the copy was made under: a crash leaves the old version or the new one. Nobody else can write in between.
 * There is no way back but that copy. */
#ifndef LEDGER_UPGRADE_H
#define LEDGER_UPGRADE_H
#include "ledger/database.h"

extern const char *const upgrade_steps[];       /* [0] leads version 1 to 2, …; ends with NULL */

int64_t upgrade_newest(const char *const *steps);               /* the version that the last of them leads to */
/* Is it a file of ours, and of no newer version than we know (-EPROTO)? Looks only. */
int upgrade_judge(sqlite3 *db, const char *const *steps, int64_t *ret_version, char problem[DATABASE_PROBLEM]);
/* Lead `db`, which is the file at `path`, to the newest version; one that is there already is left alone. A newer one: -EPROTO.
 * 0, or a negative errno and a line in problem: then nothing has changed. */
int upgrade_run(sqlite3 *db, const char *path, const char *const *steps, char problem[DATABASE_PROBLEM]);

#endif
