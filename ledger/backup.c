#include "ledger/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "ledger/copy.h"
#include "ledger/upgrade.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/settings.h"

/* A file that is there and is a ledger's, of a version that we know; NULL and a line in problem. */
static sqlite3 *open_ours(const char *path, int flags, int *ret_error, char problem[DATABASE_PROBLEM]) {
    sqlite3 *db = NULL;
    int64_t version;
    char inner[DATABASE_PROBLEM] = "";
    int r = access(path, R_OK) ? -errno : 0;
    if (r)
        snprintf(inner, sizeof inner, "%s", strerror(-r));
    else if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL))
        r = database_blame(db, inner);
    if (!r) {
        sqlite3_busy_timeout(db, DATABASE_BUSY_MS);
        r = upgrade_judge(db, upgrade_steps, &version, inner);
    }
    if (!r)
        return db;
    database_say(problem, "%.120s: %.250s", path, inner);
    sqlite3_close(db);
    *ret_error = r;
    return NULL;
}

int backup_make(const char *path, const char *to, char problem[DATABASE_PROBLEM]) {
    int r = 0;
    sqlite3 *db = open_ours(path, SQLITE_OPEN_READWRITE, &r, problem);
    if (!db)
        return r;
    r = copy_database(db, to, false, problem);
    sqlite3_close(db);
    return r;
}

/* ---- the way back ---- */

/* Whoever has a database in WAL mode open holds SQLite's shared lock on it, also when it is damaged: 510 bytes behind 2^30 + 2. */
static int judge_unused(const char *path, char problem[DATABASE_PROBLEM]) {
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (1 << 30) + 2, .l_len = 510 };
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    int r = fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) ? -errno : lock.l_type == F_UNLCK ? 0 : -EBUSY;
    if (fd >= 0)
        (void)close(fd);                        /* nothing was written through it */
    if (r == -EBUSY)
        database_say(problem, "%.200s is in use: stop what uses it first (./gpttg up, the container ledger)", path);
    else if (r)
        database_say(problem, "%.200s: %s", path, strerror(-r));
    return r;
}

/* What stands in the WAL alone comes into the file, and the WAL goes. A damaged file may refuse: then both are kept as they are. */
static void settle_wal(const char *path) {
    sqlite3 *db = NULL;
    if (!sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL))
        (void)sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    sqlite3_close(db);
}

/* A second name for the file, or where there are none a new one. */
static int keep_as(const char *path, const char *aside) {
    if (!link(path, aside))
        return 0;
    if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK)
        return -errno;
    return rename(path, aside) ? -errno : 0;
}

static char *beside(const char *path, const char *tail) {
    size_t size = strlen(path) + strlen(tail) + 1;
    char *name = alloc_zero(size);
    snprintf(name, size, "%s%s", path, tail);
    return name;
}

/* The WAL must be gone before another file has the name: SQLite would take it for that one's. */
static int set_aside(const char *path, const char *aside) {
    char *wal = beside(path, "-wal"), *wal_aside = beside(aside, "-wal"), *shm = beside(path, "-shm");
    int r = keep_as(path, aside);
    if (!r && !access(wal, F_OK))
        r = rename(wal, wal_aside) ? -errno : 0;
    if (!r && unlink(shm) && errno != ENOENT)
        r = -errno;
    free(shm);
    free(wal_aside);
    free(wal);
    return r;
}

static void name_aside(const char *path, char *aside, size_t size) {
    char when[24];
    struct tm t;
    time_t now = (time_t)(clock_wall_ms() / SECOND);
    (void)gmtime_r(&now, &t);                   /* cannot fail for a clock of this century */
    (void)strftime(when, sizeof when, "%Y-%m-%d-%H%M%S", &t);
    snprintf(aside, size, "%s.aside-%s", path, when);
}

/* The copy is there under its first name. Looked at once more: verifying it may have taken minutes. */
static int put_in_place(const char *path, const char *part, char *aside, size_t aside_size, char problem[DATABASE_PROBLEM]) {
    int r = judge_unused(path, problem);
    if (r)
        return r;
    aside[0] = 0;
    if (!access(path, F_OK)) {
        name_aside(path, aside, aside_size);
        settle_wal(path);
        r = set_aside(path, aside);
    }
    if (!r && rename(part, path))
        r = -errno;
    if (!r)
        r = copy_sync_folder(path);
    if (r)
        database_say(problem, "cannot be put into the place of %.200s: %s", path, strerror(-r));
    return r;
}

static int restore(const char *path, const char *from, char *aside, size_t aside_size, char problem[DATABASE_PROBLEM]) {
    int r = judge_unused(path, problem);
    if (r)
        return r;
    sqlite3 *db = open_ours(from, SQLITE_OPEN_READONLY, &r, problem);
    if (!db)
        return r;
    r = copy_to_part(db, path, problem);
    sqlite3_close(db);
    if (r)
        return r;
    char *part = copy_part_name(path);
    r = put_in_place(path, part, aside, aside_size, problem);
    if (r)
        (void)unlink(part);
    free(part);
    return r;
}

/* Where a link leads, so that the file is replaced and the link stays. */
int backup_restore(const char *path, const char *from, char *aside, size_t aside_size, char problem[DATABASE_PROBLEM]) {
    char *file = realpath(path, NULL);
    int r = restore(file ? file : path, from, aside, aside_size, problem);
    free(file);
    return r;
}

/* ---- the flags ---- */

static int exit_code_of(int error) {
    return error == -EEXIST ? EX_CANTCREAT : error == -EBUSY ? EX_TEMPFAIL : error == -ENOENT ? EX_NOINPUT
         : error == -EBADMSG || error == -EPROTO ? EX_DATAERR : EX_IOERR;
}

static int tell(int error, const char *problem) {
    (void)fprintf(stderr, "gpttg-ledger: %s\n", problem);      /* nobody can be told that stderr is gone */
    return exit_code_of(error);
}

int backup_flag(const char *file) {
    char problem[DATABASE_PROBLEM] = "";
    int r = backup_make(setting_text("DB_PATH"), file, problem);
    if (r)
        return tell(r, problem);
    return printf("%s: a verified copy of %s\n", file, setting_text("DB_PATH")) < 0 || fflush(stdout) ? EX_IOERR : 0;
}

int backup_restore_flag(const char *file) {
    const char *path = setting_text("DB_PATH");
    char problem[DATABASE_PROBLEM] = "";
    size_t size = PATH_MAX + BACKUP_ASIDE;      /* it may be a link to somewhere */
    char *aside = alloc_zero(size);
    int r = backup_restore(path, file, aside, size, problem);
    int code = r ? tell(r, problem)
             : printf("%s: as %s has it%s%s\n", path, file, aside[0] ? "; what was there is kept: " : "", aside) < 0 || fflush(stdout) ? EX_IOERR : 0;
    free(aside);
    return code;
}
