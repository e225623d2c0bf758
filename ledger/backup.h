/* gpttg-ledger --backup FILE and --restore FILE: a copy of the ledger while it works, and the way back. */
#ifndef LEDGER_BACKUP_H
#define LEDGER_BACKUP_H
#include <stddef.h>
#include "ledger/database.h"

/* Copy the ledger at `path`, which may be in use, to `to`, which must not be there yet: one file, verified, on the disk.
 * 0, or a negative errno and a line in problem. */
int backup_make(const char *path, const char *to, char problem[DATABASE_PROBLEM]);

#define BACKUP_ASIDE 40                         /* room beside the path for ".aside-2026-11-28-164500" */
/* Put a copy of `from`, verified first, in the place of the ledger at `path`. Refused (-EBUSY) while somebody has that open.
 * What was there is kept as <path>.aside-<UTC time>, whose name is put into aside ("" where there was nothing).
 * A crash leaves the old file or the new one. 0, or a negative errno and a line in problem. */
int backup_restore(const char *path, const char *from, char *aside, size_t aside_size, char problem[DATABASE_PROBLEM]);

/* The flags themselves: DB_PATH out of the settings, one line on stdout or stderr, an exit code. */
int backup_flag(const char *file);
int backup_restore_flag(const char *file);

#endif
