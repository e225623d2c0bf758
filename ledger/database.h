/* What everybody who opens the ledger's file with SQLite needs: errors as errno and in words, and whether the file is ours. */
#ifndef LEDGER_DATABASE_H
#define LEDGER_DATABASE_H
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#define DATABASE_PROBLEM 400
#define DATABASE_BUSY_MS 1000                   /* whoever calls tries again anyway */

/* One line into problem. */
__attribute__((format(printf, 2, 3)))
void database_say(char problem[DATABASE_PROBLEM], const char *format, ...);
int database_error(int code);                   /* a SQLite code as a negative errno */
/* What went wrong last, in SQLite's words and the system's. */
int database_blame(sqlite3 *db, char problem[DATABASE_PROBLEM]);

int64_t database_ask(sqlite3 *db, const char *sql);              /* one number; -1 when it cannot be had */
/* Which version of the tables is it? 0, or -EBADMSG: damaged, or no file of a ledger; a line in problem. */
int database_version(sqlite3 *db, int64_t *ret_version, char problem[DATABASE_PROBLEM]);
/* The check that takes long: every page, index and constraint. 0, or a negative errno and a line in problem. */
int database_verify(sqlite3 *db, char problem[DATABASE_PROBLEM]);

#endif
