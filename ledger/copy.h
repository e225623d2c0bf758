/* A copy of a database that may be written to meanwhile, by SQLite's backup API: the state of one moment, in one file.
 *
 * It is written under a name of its own beside its place, looked over and brought to the disk, and only then gets its name:
 * whatever bears the name is whole. What is left of a copy that was interrupted (TO.part) is written over by the next one. */
#ifndef LEDGER_COPY_H
#define LEDGER_COPY_H
#include <stdbool.h>
#include "ledger/database.h"

/* What `from` has committed. replace: a file of that name may be there and makes way; else -EEXIST.
 * 0, or a negative errno and a line in problem. */
int copy_database(sqlite3 *from, const char *to, bool replace, char problem[DATABASE_PROBLEM]);
/* The first half of it: everything but the name. The copy is then at TO.part (copy_part_name()). */
int copy_to_part(sqlite3 *from, const char *to, char problem[DATABASE_PROBLEM]);
char *copy_part_name(const char *to);           /* for the caller to free */
/* A renaming or a new name in the folder of that path is on the disk once this returns 0. */
int copy_sync_folder(const char *path);

#endif
