/* Copies of the ledger: whole or not there, and never in another file's place; and the way back from one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger/backup.h"
#include "ledger/store.h"

struct place {
    char folder[64], path[96], copy[96], aside[160];
    struct prices *prices;
};

static int set_up(void **state) {
    struct place *p = calloc(1, sizeof *p);
    char problem[PRICES_PROBLEM];
    strcpy(p->folder, "/tmp/gpttg-backup-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->path, sizeof p->path, "%s/gpttg.db", p->folder);
    snprintf(p->copy, sizeof p->copy, "%s/copy.db", p->folder);
    assert_int_equal(prices_load(NULL, 0, NULL, &p->prices, problem), 0);
    *state = p;
    return 0;
}

static int tear_down(void **state) {
    struct place *p = *state;
    char command[96];
    prices_free(p->prices);
    snprintf(command, sizeof command, "rm -rf %s", p->folder);
    assert_int_equal(system(command), 0);
    free(p);
    return 0;
}

static struct store *open_store(struct place *p) {
    char problem[STORE_PROBLEM] = "";
    struct store *s = NULL;
    if (store_open(p->path, &s, problem))
        fail_msg("%s", problem);
    return s;
}

/* `count` paid calls from number `first` on, a nano-dollar each. */
static void pay(struct place *p, struct store *s, int first, int count) {
    char id[24], problem[STORE_PROBLEM];
    struct field list[3] = { { "kind", "usage", 5 }, { "event", id, 0 }, { "cost_nusd", "1", 1 } };
    struct fields fields = { 3, list };
    const struct fields *event = &fields;
    struct store_outcome o;
    for (int i = first; i < first + count; i++) {
        list[1].value_len = (size_t)snprintf(id, sizeof id, "%d:chat", i);
        assert_int_equal(store_batch(s, p->prices, &event, 1, &o, problem), 0);
    }
}

static int64_t ask(const char *path, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    int64_t n = database_ask(db, sql);
    sqlite3_close(db);
    return n;
}

static int64_t rows(const char *path) {
    return ask(path, "SELECT count(*) FROM usage");
}

static int files(const char *pattern) {
    glob_t found;
    int n = glob(pattern, 0, NULL, &found) ? 0 : (int)found.gl_pathc;
    if (n)
        globfree(&found);
    return n;
}

static int others(struct place *p, const char *tail) {
    char pattern[128];
    snprintf(pattern, sizeof pattern, "%s/%s", p->folder, tail);
    return files(pattern);
}

static void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* ---- tests ---- */

static void a_copy_is_made_while_the_ledger_writes(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "";
    struct store *s = open_store(p);
    pay(p, s, 0, 20);
    if (backup_make(p->path, p->copy, problem))
        fail_msg("%s", problem);
    pay(p, s, 20, 5);
    assert_int_equal(rows(p->copy), 20);
    assert_int_equal(rows(p->path), 25);
    store_close(s);
    assert_int_equal(others(p, "copy.db*"), 1);         /* one file, with no WAL that belongs to it */
}

static void a_copy_never_takes_the_place_of_a_file(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "";
    store_close(open_store(p));
    write_text(p->copy, "dear diary");
    assert_int_equal(backup_make(p->path, p->copy, problem), -EEXIST);
    assert_non_null(strstr(problem, "is there already"));
    struct stat is;
    assert_int_equal(stat(p->copy, &is), 0);
    assert_int_equal(is.st_size, 10);
}

static void only_a_ledger_can_be_copied(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "";
    assert_int_equal(backup_make(p->path, p->copy, problem), -ENOENT);
    assert_int_equal(access(p->path, F_OK), -1);        /* and asking for one makes none */
    write_text(p->path, "dear diary, this is long enough to be looked at as the header of a database, is it not? Yes, it is. And so on and so on.");
    assert_int_equal(backup_make(p->path, p->copy, problem), -EBADMSG);
    assert_int_equal(others(p, "copy.db*"), 0);
}

static void a_full_disk_leaves_no_half_copy(void **state) {
    struct place *p = *state;
    char disk[80], problem[DATABASE_PROBLEM] = "";
    struct store *s = open_store(p);
    pay(p, s, 0, 20);
    snprintf(disk, sizeof disk, "%s/disk", p->folder);
    assert_int_equal(mkdir(disk, 0755), 0);
    if (mount("none", disk, "tmpfs", 0, "size=16k")) {
        store_close(s);
        skip();
    }
    snprintf(p->copy, sizeof p->copy, "%s/copy.db", disk);
    assert_int_equal(backup_make(p->path, p->copy, problem), -ENOSPC);
    assert_int_equal(others(p, "disk/*"), 0);
    assert_int_equal(umount(disk), 0);
    store_close(s);
}

static void restoring_brings_back_what_was_and_keeps_what_is(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "";
    struct store *s = open_store(p);
    pay(p, s, 0, 3);
    assert_int_equal(backup_make(p->path, p->copy, problem), 0);
    pay(p, s, 3, 4);
    store_close(s);
    if (backup_restore(p->path, p->copy, p->aside, sizeof p->aside, problem))
        fail_msg("%s", problem);
    assert_int_equal(rows(p->path), 3);
    assert_int_equal(rows(p->aside), 7);
    assert_int_equal(others(p, "*.part"), 0);
    s = open_store(p);                                  /* and it is a ledger like any other */
    pay(p, s, 3, 1);
    assert_int_equal(ask(p->path, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
    store_close(s);
    assert_int_equal(rows(p->copy), 3);
}

static void a_first_restore_needs_no_ledger(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "", moved[96];
    struct store *s = open_store(p);
    pay(p, s, 0, 3);
    store_close(s);
    snprintf(moved, sizeof moved, "%s/moved.db", p->folder);
    assert_int_equal(rename(p->path, moved), 0);
    assert_int_equal(backup_restore(p->path, moved, p->aside, sizeof p->aside, problem), 0);
    assert_string_equal(p->aside, "");
    assert_int_equal(rows(p->path), 3);
}

static void behind_a_link_the_file_is_replaced(void **state) {
    struct place *p = *state;
    char link[400], problem[DATABASE_PROBLEM] = "";
    struct stat is;
    snprintf(link, sizeof link, "%s.link", p->path);
    struct store *s = open_store(p);
    pay(p, s, 0, 3);
    assert_int_equal(symlink(p->path, link), 0);
    assert_int_equal(backup_make(p->path, p->copy, problem), 0);
    pay(p, s, 3, 4);
    store_close(s);
    assert_int_equal(backup_restore(link, p->copy, p->aside, sizeof p->aside, problem), 0);
    assert_int_equal(lstat(link, &is), 0);
    assert_true(S_ISLNK(is.st_mode));
    assert_int_equal(strncmp(p->aside, p->path, strlen(p->path)), 0);
    assert_int_equal(rows(p->path), 3);
    assert_int_equal(rows(p->aside), 7);
    unlink(link);
}

static void what_is_in_use_is_not_replaced(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "", byte;
    struct store *s = open_store(p);
    pay(p, s, 0, 3);
    assert_int_equal(backup_make(p->path, p->copy, problem), 0);
    store_close(s);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t other = fork();                               /* a ledger that has nothing to do just now */
    if (!other) {
        s = open_store(p);
        pay(p, s, 3, 1);
        _exit(write(ready[1], "!", 1) == 1 && pause() ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(backup_restore(p->path, p->copy, p->aside, sizeof p->aside, problem), -EBUSY);
    assert_non_null(strstr(problem, "is in use"));
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    close(ready[0]);
    close(ready[1]);
    assert_int_equal(rows(p->path), 4);
    assert_int_equal(backup_restore(p->path, p->copy, p->aside, sizeof p->aside, problem), 0);
    assert_int_equal(rows(p->path), 3);
    assert_int_equal(rows(p->aside), 4);                /* also what only its WAL had */
}

static void a_damaged_copy_is_refused(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "";
    struct store *s = open_store(p);
    pay(p, s, 0, 300);
    assert_int_equal(backup_make(p->path, p->copy, problem), 0);
    store_close(s);
    int fd = open(p->copy, O_WRONLY);
    char rubbish[4096];
    memset(rubbish, 0x5a, sizeof rubbish);
    for (off_t at = 16384; at < 81920; at += 8192)
        assert_int_equal(pwrite(fd, rubbish, sizeof rubbish, at), sizeof rubbish);
    close(fd);
    assert_int_equal(backup_restore(p->path, p->copy, p->aside, sizeof p->aside, problem), -EBADMSG);
    assert_int_equal(rows(p->path), 300);
    assert_int_equal(others(p, "*.part") + others(p, "*aside*"), 0);
}

static void a_damaged_ledger_can_be_replaced(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "";
    struct store *s = open_store(p);
    pay(p, s, 0, 3);
    assert_int_equal(backup_make(p->path, p->copy, problem), 0);
    store_close(s);
    write_text(p->path, "a program that thought it was its own file has written this over it");
    assert_int_equal(backup_restore(p->path, p->copy, p->aside, sizeof p->aside, problem), 0);
    assert_int_equal(rows(p->path), 3);
    struct stat is;
    assert_int_equal(stat(p->aside, &is), 0);
    assert_true(is.st_size < 100);
}

static void a_copy_from_the_future_is_refused(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "";
    store_close(open_store(p));
    assert_int_equal(backup_make(p->path, p->copy, problem), 0);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(p->copy, &db), 0);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL), 0);
    sqlite3_close(db);
    assert_int_equal(backup_restore(p->path, p->copy, p->aside, sizeof p->aside, problem), -EPROTO);
    assert_int_equal(others(p, "*aside*"), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_copy_is_made_while_the_ledger_writes),
        TEST(a_copy_never_takes_the_place_of_a_file),
        TEST(only_a_ledger_can_be_copied),
        TEST(a_full_disk_leaves_no_half_copy),
        TEST(restoring_brings_back_what_was_and_keeps_what_is),
        TEST(a_first_restore_needs_no_ledger),
        TEST(behind_a_link_the_file_is_replaced),
        TEST(what_is_in_use_is_not_replaced),
        TEST(a_damaged_copy_is_refused),
        TEST(a_damaged_ledger_can_be_replaced),
        TEST(a_copy_from_the_future_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
