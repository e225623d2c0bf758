#include "ledger/upgrade.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/copy.h"
#include "services/alloc.h"
#include "services/log.h"

int64_t upgrade_newest(const char *const *steps) {
    int64_t version = 1;
    while (*steps++)
        version++;
    return version;
}

int upgrade_judge(sqlite3 *db, const char *const *steps, int64_t *ret_version, char problem[DATABASE_PROBLEM]) {
    int64_t newest = upgrade_newest(steps);
    int r = database_version(db, ret_version, problem);
    if (r || *ret_version <= newest)
        return r;
    database_say(problem, "made by a newer gpttg-ledger (version %" PRId64 " of the tables, we know %" PRId64 ")", *ret_version, newest);
    return -EPROTO;
}

/* Through a connection of its own: ours is in a transaction. It sees what was committed last, and that cannot change now. */
static int keep_copy(const char *path, int64_t newest, char problem[DATABASE_PROBLEM]) {
    sqlite3 *db = NULL;
    size_t size = strlen(path) + 40;
    char *copy = alloc_zero(size), inner[DATABASE_PROBLEM] = "";
    snprintf(copy, size, "%s.before-%" PRId64, path, newest);
    int r = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ? database_blame(db, inner)
                                                                                          : copy_database(db, copy, true, inner);
    sqlite3_close(db);
    if (r)
        database_say(problem, "cannot be copied before its tables are changed: %.250s", inner);
    free(copy);
    return r;
}

static int lead(sqlite3 *db, const char *const *steps, int64_t from, int64_t newest, char problem[DATABASE_PROBLEM]) {
    for (int64_t version = from + 1; version <= newest; version++) {
        char count[64], inner[DATABASE_PROBLEM];
        snprintf(count, sizeof count, "PRAGMA user_version = %" PRId64, version);
        if (sqlite3_exec(db, steps[version - 2], NULL, NULL, NULL) || sqlite3_exec(db, count, NULL, NULL, NULL)) {
            int r = database_blame(db, inner);
            database_say(problem, "its tables cannot be led to version %" PRId64 ": %.250s", version, inner);
            return r;
        }
    }
    return 0;
}

/* Of two that come at once the second finds it done. */
static int upgrade_locked(sqlite3 *db, const char *path, const char *const *steps, char problem[DATABASE_PROBLEM]) {
    int64_t newest = upgrade_newest(steps), version;
    int r = upgrade_judge(db, steps, &version, problem);
    if (r || version == newest)
        return r;
    r = keep_copy(path, newest, problem);
    if (!r)
        r = lead(db, steps, version, newest, problem);
    if (!r && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL))
        r = database_blame(db, problem);
    if (!r)
        log_info(NULL, "%s: tables led from version %" PRId64 " to %" PRId64 "; as it was: %s.before-%" PRId64, path, version, newest, path, newest);
    return r;
}

int upgrade_run(sqlite3 *db, const char *path, const char *const *steps, char problem[DATABASE_PROBLEM]) {
    int64_t newest = upgrade_newest(steps), version;
    int r = upgrade_judge(db, steps, &version, problem);
    if (r || version == newest)
        return r;
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL))
        return database_blame(db, problem);
    r = upgrade_locked(db, path, steps, problem);
    if (!sqlite3_get_autocommit(db))
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);     /* the first error is the one to tell */
    return r;
}
