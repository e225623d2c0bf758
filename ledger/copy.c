#include "ledger/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/alloc.h"

char *copy_part_name(const char *to) {
    size_t size = strlen(to) + sizeof ".part";
    char *name = alloc_zero(size);
    snprintf(name, size, "%s.part", to);
    return name;
}

static int sync_path(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fsync(fd) ? -errno : 0;
    (void)close(fd);                            /* nothing was written through it */
    return r;
}

int copy_sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = !slash ? alloc_copy(".", 1) : alloc_copy(path, slash == path ? 1 : (size_t)(slash - path));
    int r = sync_path(folder, O_RDONLY | O_DIRECTORY);
    free(folder);
    return r;
}

/* In one step: a copy in several begins anew whenever somebody writes in between, and a reader holds up nobody in WAL mode. */
static int fill(sqlite3 *from, sqlite3 *to, char problem[DATABASE_PROBLEM]) {
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    if (!b)
        return database_blame(to, problem);
    (void)sqlite3_backup_step(b, -1);           /* what went wrong is told again by the next line */
    int code = sqlite3_backup_finish(b);
    if (code == SQLITE_OK)
        return 0;
    int r = database_blame(to, problem);
    return r == -EIO ? database_error(code) : r;
}

/* A copy of a file in WAL mode is in WAL mode: out of it, so that it is one file, fit for a medium that cannot be written. */
static int finish(sqlite3 *db, char problem[DATABASE_PROBLEM]) {
    if (sqlite3_exec(db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL))
        return database_blame(db, problem);
    return database_verify(db, problem);
}

/* Whose it is, and who may read it: as of the file that it is to replace; else its maker's alone. */
static int take_after(const char *part, const char *to) {
    struct stat old;
    if (stat(to, &old))
        return chmod(part, 0600) ? -errno : 0;
    struct stat ours;
    bool same = !stat(part, &ours) && ours.st_uid == old.st_uid && ours.st_gid == old.st_gid;
    if (!same && chown(part, old.st_uid, old.st_gid))
        return -errno;
    return chmod(part, old.st_mode & 0777) ? -errno : 0;
}

int copy_to_part(sqlite3 *from, const char *to, char problem[DATABASE_PROBLEM]) {
    char *part = copy_part_name(to);
    sqlite3 *db = NULL;
    (void)unlink(part);
    int r = sqlite3_open_v2(part, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL)
        ? database_blame(db, problem) : fill(from, db, problem);
    if (!r)
        r = finish(db, problem);
    sqlite3_close(db);
    if (!r && (r = take_after(part, to)))
        database_say(problem, "%.200s: %s", part, strerror(-r));
    else if (!r && (r = sync_path(part, O_RDONLY)))
        database_say(problem, "%.200s: %s", part, strerror(-r));
    if (r)
        (void)unlink(part);
    free(part);
    return r;
}

/* RENAME_NOREPLACE is not known to every file system; there a look must do. */
static int give_name(const char *part, const char *to, bool replace) {
    if (replace)
        return rename(part, to) ? -errno : 0;
    if (!renameat2(AT_FDCWD, part, AT_FDCWD, to, RENAME_NOREPLACE))
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    return !access(to, F_OK) ? -EEXIST : rename(part, to) ? -errno : 0;
}

int copy_database(sqlite3 *from, const char *to, bool replace, char problem[DATABASE_PROBLEM]) {
    if (!replace && !access(to, F_OK)) {
        database_say(problem, "%.250s is there already, and is not written over", to);
        return -EEXIST;
    }
    int r = copy_to_part(from, to, problem);
    if (r)
        return r;
    char *part = copy_part_name(to);
    r = give_name(part, to, replace);
    if (!r)
        r = copy_sync_folder(to);
    else
        (void)unlink(part);
    if (r)
        database_say(problem, "%.250s: %s", to, strerror(-r));
    free(part);
    return r;
}
