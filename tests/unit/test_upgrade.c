/* A ledger's file from the past: led to the tables of today, with all that is in it, or left as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger/store.h"
#include "ledger/upgrade.h"
#include "services/buf.h"

struct place { char folder[64], path[96], copy[160]; };

static int set_up(void **state) {
    struct place *p = calloc(1, sizeof *p);
    strcpy(p->folder, "/tmp/gpttg-upgrade-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->path, sizeof p->path, "%s/gpttg.db", p->folder);
    *state = p;
    return 0;
}

static int tear_down(void **state) {
    struct place *p = *state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", p->folder);
    assert_int_equal(system(command), 0);
    free(p);
    return 0;
}

static sqlite3 *open_db(const char *path) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), SQLITE_OK);
    return db;
}

static void run(const char *path, const char *sql) {
    sqlite3 *db = open_db(path);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL))
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* A file as the first version of the ledger left it, with a paid call in it. */
static void make_version_1(struct place *p) {
    static char sql[16384];
    FILE *f = fopen(TABLES_1, "r");
    assert_non_null(f);
    sql[fread(sql, 1, sizeof sql - 1, f)] = 0;
    fclose(f);
    run(p->path, "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL");
    run(p->path, sql);
    run(p->path, "INSERT INTO events VALUES ('7-1:chat', 5, '{\"kind\":\"usage\"}');"
                 "INSERT INTO usage (event_id, at, user_id, chat_id, kind, model, cost_nusd) VALUES ('7-1:chat', 1790000000000, 7, 7, 'chat', 'm', 12345)");
}

static int64_t ask(const char *path, const char *sql) {
    sqlite3 *db = open_db(path);
    int64_t n = database_ask(db, sql);
    sqlite3_close(db);
    return n;
}

/* Without comments, and with one space wherever there is any: what ALTER TABLE writes is laid out in its own way. */
static void add_plain(struct buf *out, const char *sql) {
    char last = ' ';
    for (const char *s = sql; *s; s++) {
        if (s[0] == '-' && s[1] == '-') {
            s += strcspn(s, "\n");
            if (!*s)
                break;
        }
        char c = isspace((unsigned char)*s) ? ' ' : *s;
        if (c == ' ' && (last == ' ' || last == '('))
            continue;
        if (strchr("(),", c) && last == ' ' && out->len)
            out->len--;
        assert_true(buf_add(out, &c, 1));
        last = c;
    }
}

/* Everything that sqlite_master says, in one text for the caller to free. */
static char *tables_of(const char *path) {
    struct buf out;
    buf_init(&out, 1 << 20);
    sqlite3 *db = open_db(path);
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT type || ' ' || name || ' ' || tbl_name || ': ' || ifnull(sql, '') FROM sqlite_master ORDER BY type, name", -1, &st, NULL), 0);
    while (sqlite3_step(st) == SQLITE_ROW) {
        add_plain(&out, (const char *)sqlite3_column_text(st, 0));
        assert_true(buf_add(&out, "\n", 1));
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    assert_true(buf_add(&out, "", 1));
    char *text = strdup(out.data);
    buf_done(&out);
    return text;
}

static int lead(struct place *p, const char *const *steps, char problem[DATABASE_PROBLEM]) {
    sqlite3 *db = open_db(p->path);
    int r = upgrade_run(db, p->path, steps, problem);
    sqlite3_close(db);
    return r;
}

static const char *const made_up[] = {
    "CREATE TABLE people (user_id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL) STRICT; INSERT INTO people SELECT DISTINCT user_id, '' FROM usage",
    "ALTER TABLE people ADD COLUMN born INTEGER NOT NULL DEFAULT 0; UPDATE people SET name = 'somebody'",
    NULL
};

/* ---- tests ---- */

static void a_file_of_version_1_gets_the_tables_of_a_new_one(void **state) {
    struct place *p = *state;
    char fresh[96], problem[STORE_PROBLEM] = "";
    struct store *s = NULL;
    make_version_1(p);
    if (store_open(p->path, &s, problem))
        fail_msg("%s", problem);
    assert_int_equal(store_check(s, problem), 0);
    store_close(s);
    snprintf(fresh, sizeof fresh, "%s/new.db", p->folder);
    assert_int_equal(store_open(fresh, &s, problem), 0);
    store_close(s);
    char *led = tables_of(p->path), *made = tables_of(fresh);
    assert_string_equal(led, made);
    free(led);
    free(made);
    assert_int_equal(ask(p->path, "PRAGMA user_version"), ask(fresh, "PRAGMA user_version"));
    assert_int_equal(ask(fresh, "PRAGMA user_version"), upgrade_newest(upgrade_steps));
    assert_int_equal(ask(p->path, "SELECT cost_nusd FROM usage"), 12345);
}

static void an_upgrade_keeps_what_was_there_and_a_copy_of_it(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "";
    make_version_1(p);
    if (lead(p, made_up, problem))
        fail_msg("%s", problem);
    assert_int_equal(ask(p->path, "PRAGMA user_version"), 3);
    assert_int_equal(ask(p->path, "SELECT cost_nusd + born FROM usage JOIN people USING (user_id) WHERE name = 'somebody'"), 12345);

    snprintf(p->copy, sizeof p->copy, "%s.before-3", p->path);
    assert_int_equal(ask(p->copy, "PRAGMA user_version"), 1);
    assert_int_equal(ask(p->copy, "SELECT cost_nusd FROM usage"), 12345);
    assert_int_equal(ask(p->copy, "SELECT count(*) FROM sqlite_master WHERE name = 'people'"), 0);

    assert_int_equal(unlink(p->copy), 0);
    assert_int_equal(lead(p, made_up, problem), 0);     /* nothing to do: no copy either */
    assert_int_equal(access(p->copy, F_OK), -1);
}

static void an_upgrade_that_fails_changes_nothing(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "";
    const char *const wrong[] = { made_up[0], "ALTER TABLE nobody ADD COLUMN x", NULL };
    make_version_1(p);
    char *before = tables_of(p->path);
    assert_int_equal(lead(p, wrong, problem), -EIO);
    assert_non_null(strstr(problem, "cannot be led to version 3: no such table: nobody"));
    char *after = tables_of(p->path);
    assert_string_equal(after, before);
    free(before);
    free(after);
    assert_int_equal(ask(p->path, "PRAGMA user_version"), 1);
    assert_int_equal(lead(p, made_up, problem), 0);     /* and the right one can still come */
}

static void without_a_copy_there_is_no_upgrade(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "";
    make_version_1(p);
    snprintf(p->copy, sizeof p->copy, "%s.before-3.part", p->path);
    assert_int_equal(mkdir(p->copy, 0755), 0);          /* a folder in the copy's place */
    assert_int_not_equal(lead(p, made_up, problem), 0);
    assert_non_null(strstr(problem, "cannot be copied before its tables are changed"));
    assert_int_equal(ask(p->path, "PRAGMA user_version"), 1);
}

static void a_file_from_the_future_is_refused(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "";
    make_version_1(p);
    run(p->path, "PRAGMA user_version = 4");
    assert_int_equal(lead(p, made_up, problem), -EPROTO);
    assert_non_null(strstr(problem, "newer gpttg-ledger (version 4 of the tables, we know 3)"));
    assert_int_equal(ask(p->path, "PRAGMA user_version"), 4);
}

static void of_two_ledgers_one_upgrades_and_both_go_on(void **state) {
    struct place *p = *state;
    make_version_1(p);
    pid_t children[4];
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        if (!children[i]) {
            char problem[DATABASE_PROBLEM] = "";
            sqlite3 *db = open_db(p->path);
            sqlite3_busy_timeout(db, 20000);
            int r = upgrade_run(db, p->path, made_up, problem);
            sqlite3_close(db);
            _exit(r ? 1 : 0);
        }
    }
    for (int i = 0; i < 4; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(ask(p->path, "PRAGMA user_version"), 3);
    assert_int_equal(ask(p->path, "SELECT count(*) FROM people"), 1);
}

/* The child is killed by a function that the upgrade itself calls: in the middle of the second script. */
static void die(sqlite3_context *c, int n, sqlite3_value **v) {
    (void)raise(SIGKILL);
}

static void a_kill_in_the_middle_leaves_the_old_version(void **state) {
    struct place *p = *state;
    char problem[DATABASE_PROBLEM] = "";
    const char *const deadly[] = { made_up[0], "ALTER TABLE people ADD COLUMN born INTEGER; UPDATE people SET born = die()", NULL };
    make_version_1(p);
    pid_t child = fork();
    if (!child) {
        sqlite3 *db = open_db(p->path);
        sqlite3_create_function(db, "die", 0, SQLITE_UTF8, NULL, die, NULL, NULL);
        upgrade_run(db, p->path, deadly, problem);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(ask(p->path, "PRAGMA user_version"), 1);
    assert_int_equal(ask(p->path, "SELECT count(*) FROM sqlite_master WHERE name = 'people'"), 0);
    assert_int_equal(lead(p, made_up, problem), 0);
    assert_int_equal(ask(p->path, "SELECT count(*) FROM people"), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_file_of_version_1_gets_the_tables_of_a_new_one),
        TEST(an_upgrade_keeps_what_was_there_and_a_copy_of_it),
        TEST(an_upgrade_that_fails_changes_nothing),
        TEST(without_a_copy_there_is_no_upgrade),
        TEST(a_file_from_the_future_is_refused),
        TEST(of_two_ledgers_one_upgrades_and_both_go_on),
        TEST(a_kill_in_the_middle_leaves_the_old_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
