#include "ledger/database.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define APPLICATION_ID 1196446791               /* as in schema.sql */

void database_say(char problem[DATABASE_PROBLEM], const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(problem, DATABASE_PROBLEM, format, args);
    va_end(args);
}

int database_error(int code) {
    switch (code & 0xff) {
    case SQLITE_FULL:      return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:    return -EBUSY;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:      return -EROFS;
    case SQLITE_CANTOPEN:  return -ENOENT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:    return -EBADMSG;
    case SQLITE_INTERRUPT: return -EINTR;
    case SQLITE_NOMEM:     return -ENOMEM;
    default:               return -EIO;
    }
}

int database_blame(sqlite3 *db, char problem[DATABASE_PROBLEM]) {
    int code = sqlite3_extended_errcode(db), system = sqlite3_system_errno(db);
    bool told = system && (code & 0xff) != SQLITE_FULL && (code & 0xff) != SQLITE_BUSY;
    database_say(problem, "%.250s%s%.100s%s", sqlite3_errmsg(db), told ? " (" : "", told ? strerror(system) : "", told ? ")" : "");
    return told && system == ENOSPC ? -ENOSPC : database_error(code);   /* no room for the index of the WAL is an "I/O error" */
}

int64_t database_ask(sqlite3 *db, const char *sql) {
    sqlite3_stmt *st = NULL;
    int64_t n = -1;
    if (!sqlite3_prepare_v2(db, sql, -1, &st, NULL) && sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

int database_version(sqlite3 *db, int64_t *ret_version, char problem[DATABASE_PROBLEM]) {
    int64_t id = database_ask(db, "PRAGMA application_id"), version = database_ask(db, "PRAGMA user_version");
    if (id != APPLICATION_ID || version < 1) {
        database_say(problem, "expected a database made by gpttg-ledger, found another one");
        return -EBADMSG;
    }
    *ret_version = version;
    return 0;
}

int database_verify(sqlite3 *db, char problem[DATABASE_PROBLEM]) {
    sqlite3_stmt *st = NULL;
    int r = 0;
    if (sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &st, NULL) || sqlite3_step(st) != SQLITE_ROW) {
        r = database_blame(db, problem);
    } else if (strcmp((const char *)sqlite3_column_text(st, 0), "ok")) {
        database_say(problem, "the database is damaged: %.300s", (const char *)sqlite3_column_text(st, 0));
        r = -EBADMSG;
    }
    sqlite3_finalize(st);
    return r;
}
