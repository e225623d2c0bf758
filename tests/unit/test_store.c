/* The ledger's file: events stored once, whatever they hold and whatever happens to us, and sums of money out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ledger/store.h"
#include "proto/money.h"
#include "services/clock.h"

/* ---- a folder of our own for each test ---- */

struct place {
    char folder[64], path[96];
    struct prices *prices;
    struct store *store;
};

static struct place *here(void **state) {
    return *state;
}

static int set_up(void **state) {
    struct place *p = calloc(1, sizeof *p);
    char problem[PRICES_PROBLEM];
    strcpy(p->folder, "/tmp/gpttg-store-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->path, sizeof p->path, "%s/gpttg.db", p->folder);
    static const char prices[] = "{\"models\":{\"m\":{\"input\":\"1\",\"cached_input\":\"0.1\",\"output\":\"5\",\"tools\":{\"web_search\":\"0.01\"}}}}";
    assert_int_equal(prices_load(prices, strlen(prices), NULL, &p->prices, problem), 0);
    *state = p;
    return 0;
}

static int tear_down(void **state) {
    struct place *p = here(state);
    char command[96];
    store_close(p->store);
    prices_free(p->prices);
    snprintf(command, sizeof command, "rm -rf %s", p->folder);
    assert_int_equal(system(command), 0);
    free(p);
    return 0;
}

static void open_store(struct place *p) {
    char problem[STORE_PROBLEM] = "";
    if (store_open(p->path, &p->store, problem))
        fail_msg("%s", problem);
}

static void reopen_store(struct place *p) {
    store_close(p->store);
    p->store = NULL;
    open_store(p);
}

/* ---- events ---- */

#define PAIRS_MAX 24
struct written {
    struct fields fields;
    struct field list[PAIRS_MAX];
};

/* "name", "value", …, NULL */
static const struct fields *write_event(struct written *w, ...) {
    va_list args;
    va_start(args, w);
    w->fields = (struct fields){ 0, w->list };
    for (const char *name; (name = va_arg(args, const char *));) {
        const char *value = va_arg(args, const char *);
        assert_true(w->fields.count < PAIRS_MAX);
        w->list[w->fields.count++] = (struct field){ name, value, strlen(value) };
    }
    va_end(args);
    return &w->fields;
}

static struct store_outcome store_one(struct place *p, const struct fields *event) {
    struct store_outcome outcome;
    char problem[STORE_PROBLEM] = "";
    if (store_batch(p->store, p->prices, &event, 1, &outcome, problem))
        fail_msg("%s", problem);
    return outcome;
}

/* ---- a second pair of eyes ---- */

static void ask(struct place *p, const char *sql, char out[400]) {
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open_v2(p->path, &db, SQLITE_OPEN_READWRITE, NULL), 0);
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL))
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    out[0] = 0;
    if (sqlite3_step(st) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            const char *text = (const char *)sqlite3_column_text(st, i);
            size_t len = strlen(out);
            snprintf(out + len, 400 - len, "%s%s", i ? "|" : "", text ? text : "NULL");
        }
    sqlite3_finalize(st);
    sqlite3_close(db);
}

static void expect(struct place *p, const char *sql, const char *expected) {
    char got[400];
    ask(p, sql, got);
    if (strcmp(got, expected))
        fail_msg("%s\n  expected %s\n  got      %s", sql, expected, got);
}

static int64_t count(struct place *p, const char *table) {
    char sql[64], got[400];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    ask(p, sql, got);
    return atoll(got);
}

/* ---- tests ---- */

static void a_first_start_makes_the_file_and_its_folder(void **state) {
    struct place *p = here(state);
    snprintf(p->path, sizeof p->path, "%s/data/gpttg.db", p->folder);
    open_store(p);
    expect(p, "PRAGMA journal_mode", "wal");
    expect(p, "PRAGMA user_version", "2");
    char problem[STORE_PROBLEM];
    assert_int_equal(store_check(p->store, problem), 0);
    reopen_store(p);
    assert_int_equal(store_check(p->store, problem), 0);
}

static void a_call_becomes_one_row(void **state) {
    struct place *p = here(state);
    open_store(p);
    struct written w;
    struct store_outcome o = store_one(p, write_event(&w, "kind", "usage", "job", "7-1700000000000", "chat", "-1001234567890", "user", "9007199254740991",
        "at", "1790000000000", "event", "7-1700000000000:chat", "paid", "chat", "model", "m", "input_tokens", "1000", "cached_tokens", "400",
        "cache_write_tokens", "0", "output_tokens", "20", "reasoning_tokens", "5", "cost_nusd", "740000", "price_version", "abc",
        "status", "completed", "response", "resp_1", NULL));
    assert_int_equal(o.fate, STORE_NEW);
    assert_string_equal(o.why, "");
    expect(p, "SELECT event_id, at, user_id, chat_id, kind, model, input_tokens, cached_tokens, cache_write_tokens, output_tokens,"
              " reasoning_tokens, seconds, images, cost_nusd, price_version, estimated, status, response_id, job, call, unclear FROM usage",
           "7-1700000000000:chat|1790000000000|9007199254740991|-1001234567890|chat|m|1000|400|0|20|5|0.0|0|740000|abc|0|completed|resp_1|"
           "7-1700000000000|chat|");
    expect(p, "SELECT fields ->> 'response', fields ->> 'cost_nusd' FROM events", "resp_1|740000");
    expect(p, "SELECT usd, at FROM spending", "0.000740000|2026-09-21 14:13:20");
}

static void a_repeat_changes_nothing(void **state) {
    struct place *p = here(state);
    open_store(p);
    struct written a, b;
    const struct fields *events[3] = {
        write_event(&a, "kind", "usage", "event", "j:1", "at", "5", "user", "1", "cost_nusd", "10", NULL),
        write_event(&b, "kind", "usage", "event", "j:1", "at", "5", "user", "1", "cost_nusd", "99", NULL),
    };
    events[2] = events[0];
    struct store_outcome o[3];
    char problem[STORE_PROBLEM];
    assert_int_equal(store_batch(p->store, p->prices, events, 3, o, problem), 0);
    assert_int_equal(o[0].fate, STORE_NEW);
    assert_int_equal(o[1].fate, STORE_REPEATED);
    assert_int_equal(o[2].fate, STORE_REPEATED);
    reopen_store(p);
    assert_int_equal(store_one(p, events[0]).fate, STORE_REPEATED);
    expect(p, "SELECT count(*), sum(cost_nusd) FROM usage", "1|10");
    assert_int_equal(count(p, "events"), 1);
}

static void what_is_no_event_is_said_and_leaves_no_row(void **state) {
    struct place *p = here(state);
    open_store(p);
    struct written w;
    static const struct { const char *pair[4], *why; } cases[] = {
        { { "event", "j:1", "a", "b" }, "no kind" },
        { { "kind", "gossip", "event", "j:1" }, "unknown kind" },
        { { "kind", "usage", "job", "j" }, "no event id" },
        { { "kind", "usage", "event", "" }, "no event id" },
        { { "kind", "usage", "event", "j\xff:1" }, "an event id that is no short text" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const *c = cases[i].pair;
        struct store_outcome o = store_one(p, write_event(&w, c[0], c[1], c[2], c[3], NULL));
        assert_int_equal(o.fate, STORE_UNUSABLE);
        assert_string_equal(o.why, cases[i].why);
    }
    assert_int_equal(count(p, "events") + count(p, "usage"), 0);
}

static void odd_values_are_booked_and_named(void **state) {
    struct place *p = here(state);
    open_store(p);
    clock_set(1790000000123, 0);
    struct written w;
    struct store_outcome o = store_one(p, write_event(&w, "kind", "usage", "event", "j:1", "job", "j", "user", "Robert'); DROP TABLE usage;--",
        "chat", "1e3", "at", "-5", "model", "m", "input_tokens", "-7", "cached_tokens", "99999999999999999999", "output_tokens", "2.0",
        "images", "0x10", "seconds", "nan", "estimated", "maybe", "status", "bad \xff byte", "cost_nusd", "12.5", NULL));
    assert_int_equal(o.fate, STORE_NEW);
    assert_string_equal(o.why, "paid,status,user,chat,at,input_tokens,cached_tokens,output_tokens,images,seconds,estimated,cost_nusd");
    expect(p, "SELECT at, user_id, chat_id, kind, input_tokens, cached_tokens, output_tokens, images, seconds, estimated, status, cost_nusd FROM usage",
           "1790000000123|0|0|other|0|0|0|0|0.0|0||0");
    expect(p, "SELECT unclear FROM usage", o.why);
    expect(p, "SELECT fields ->> 'user', fields ->> 'status' FROM events", "Robert'); DROP TABLE usage;--|bad \xEF\xBF\xBD byte");
    expect(p, "SELECT json_valid(fields) FROM events", "1");

    char absurd[32];
    snprintf(absurd, sizeof absurd, "%" PRId64, MONEY_MAX_NUSD + 1);
    o = store_one(p, write_event(&w, "kind", "usage", "event", "j:2", "paid", "chat", "model", "m", "output_tokens", "3", "cost_nusd", absurd, "at", "1", NULL));
    assert_string_equal(o.why, "cost_nusd");
    o = store_one(p, write_event(&w, "kind", "usage", "event", "j:3", "paid", "chat", "model", "m", "output_tokens", "0", "cost_nusd", "0", "at", "1",
        "unclear", "output_tokens,who_knows,output,input_tokens", NULL));       /* llm could make no sense of what was reported */
    assert_string_equal(o.why, "input_tokens,output_tokens");
    expect(p, "SELECT cost_nusd, length(price_version) FROM usage WHERE event_id = 'j:2'", "15000|12");
    clock_unset();
}

static void a_field_of_a_megabyte_is_no_obstacle(void **state) {
    struct place *p = here(state);
    open_store(p);
    char *big = malloc(1 << 20);
    memset(big, 'x', (1 << 20) - 1);
    big[(1 << 20) - 1] = 0;
    struct written w;
    struct store_outcome o = store_one(p, write_event(&w, "kind", "usage", "event", "j:1", "paid", "chat", "at", "9", "model", big, "cost_nusd", "7", big, big, NULL));
    assert_int_equal(o.fate, STORE_NEW);
    assert_string_equal(o.why, "model");
    expect(p, "SELECT cost_nusd, length(model), length(fields) < 20000, json_valid(fields) FROM usage JOIN events USING (event_id)", "7|200|1|1");
    free(big);
}

static void a_missing_cost_is_computed(void **state) {
    struct place *p = here(state);
    open_store(p);
    struct written w;
    store_one(p, write_event(&w, "kind", "usage", "event", "j:1", "at", "9", "paid", "chat", "model", "m-2026-01-02", "input_tokens", "100", "cached_tokens", "50",
        "output_tokens", "10", "tools", "web_search=2,other=1", NULL));
    expect(p, "SELECT cost_nusd, tools, length(price_version) FROM usage", "20105000|web_search=2,other=1|12");
    store_one(p, write_event(&w, "kind", "usage", "event", "j:2", "at", "9", "paid", "transcription", "model", "w", "seconds", "7.4399999999999995", NULL));
    expect(p, "SELECT cost_nusd, seconds, price_version FROM usage WHERE event_id = 'j:2'", "744000|7.44|fallback");
    store_one(p, write_event(&w, "kind", "usage", "event", "j:3", "at", "9", "paid", "image", "model", "d", "images", "2", "cost_nusd", "", NULL));
    expect(p, "SELECT cost_nusd, images, unclear FROM usage WHERE event_id = 'j:3'", "80000000|2|");
}

static void rows_are_corrected_by_rows(void **state) {
    struct place *p = here(state);
    open_store(p);
    struct written w;
    store_one(p, write_event(&w, "kind", "usage", "event", "j:1", "at", "9", "user", "4", "paid", "chat", "cost_nusd", "700", NULL));
    struct store_outcome o = store_one(p, write_event(&w, "kind", "usage", "event", "fix:1", "at", "9", "user", "4", "paid", "correction", "cost_nusd", "-200", NULL));
    assert_string_equal(o.why, "");
    int64_t spent = 0;
    assert_int_equal(store_user_spent(p->store, 4, 0, 10, &spent), 0);
    assert_int_equal(spent, 500);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(p->path, &db), 0);
    assert_int_equal(sqlite3_exec(db, "UPDATE usage SET cost_nusd = 0", NULL, NULL, NULL), SQLITE_CONSTRAINT);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM usage", NULL, NULL, NULL), SQLITE_CONSTRAINT);
    assert_int_equal(sqlite3_exec(db, "UPDATE usage SET user_id = 0, chat_id = 0 WHERE user_id = 4", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

struct tally { int64_t users, nusd; };
static void add_up(int64_t user, int64_t nusd, void *owner) {
    struct tally *t = owner;
    t->users++;
    t->nusd += nusd * (user == 2 ? 1000 : 1);
}

static void sums_are_of_a_half_open_interval(void **state) {
    struct place *p = here(state);
    open_store(p);
    struct written w;
    static const char *const rows[][3] = { { "1", "999", "1" }, { "1", "1000", "20" }, { "1", "1999", "300" }, { "1", "2000", "4000" }, { "2", "1500", "7" } };
    for (int i = 0; i < 5; i++) {
        char id[8];
        snprintf(id, sizeof id, "j:%d", i);
        store_one(p, write_event(&w, "kind", "usage", "event", id, "paid", "chat", "user", rows[i][0], "at", rows[i][1], "cost_nusd", rows[i][2], NULL));
    }
    int64_t n = -1;
    assert_int_equal(store_user_spent(p->store, 1, 1000, 2000, &n), 0);
    assert_int_equal(n, 320);
    assert_int_equal(store_user_spent(p->store, 3, 1000, 2000, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(store_all_spent(p->store, 1000, 2000, &n), 0);
    assert_int_equal(n, 327);
    struct tally t = { 0 };
    assert_int_equal(store_each_user_spent(p->store, 1000, 2000, add_up, &t), 0);
    assert_int_equal(t.users, 2);
    assert_int_equal(t.nusd, 7320);
}

static void huge_sums_saturate(void **state) {
    struct place *p = here(state);
    open_store(p);
    char id[16], cost[32];
    snprintf(cost, sizeof cost, "%" PRId64, MONEY_MAX_NUSD);
    for (int i = 0; i < 1100; i++) {                     /* together more than 64 bits hold */
        struct written w;
        snprintf(id, sizeof id, "j:%d", i);
        store_one(p, write_event(&w, "kind", "usage", "event", id, "user", "1", "at", "5", "paid", "chat", "cost_nusd", cost, NULL));
    }
    int64_t n = 0;
    assert_int_equal(store_user_spent(p->store, 1, 0, 10, &n), 0);
    assert_true(n == MONEY_MAX_NUSD);
}

/* ---- forgetting ---- */

static void who_is_forgotten_leaves_his_sums_and_no_trace(void **state) {
    struct place *p = here(state);
    open_store(p);
    struct written w;
    const char *const chats[] = { "7001", "-100500", "7001" };
    for (int i = 0; i < 3; i++) {
        char id[24];
        snprintf(id, sizeof id, "%d-1:chat", i);
        store_one(p, write_event(&w, "kind", "usage", "event", id, "job", "0-1", "chat", chats[i], "user", "7001", "at", "5", "paid", "chat", "cost_nusd", "100",
                                 "response", "resp_secret7001", "first_name", "Ada", NULL));
    }
    store_one(p, write_event(&w, "kind", "usage", "event", "8-1:chat", "chat", "7002", "user", "7002", "at", "5", "cost_nusd", "1", "response", "resp_kept", NULL));
    char problem[STORE_PROBLEM] = "";
    int64_t as = 5, sum;
    assert_int_equal(store_forget(p->store, 7001, &as, problem), 0);
    assert_int_equal(as, -1);
    expect(p, "SELECT count(*), sum(cost_nusd), min(chat_id), max(chat_id), max(response_id) FROM usage WHERE user_id = -1", "3|300|-100500|-1|");
    expect(p, "SELECT count(*) FROM events WHERE fields LIKE '%7001%' OR fields LIKE '%Ada%' OR fields LIKE '%secret%'", "0");
    expect(p, "SELECT fields ->> 'user', fields ->> 'chat', fields ->> 'cost_nusd', fields ->> 'paid' FROM events WHERE event_id = '1-1:chat'", "-1|-100500|100|chat");
    expect(p, "SELECT user_id, chat_id, response_id FROM usage WHERE event_id = '8-1:chat'", "7002|7002|resp_kept");
    assert_int_equal(store_all_spent(p->store, 0, 10, &sum), 0);
    assert_int_equal(sum, 301);

    assert_int_equal(store_forget(p->store, 7001, &as, problem), 0);       /* nothing is left to forget */
    assert_int_equal(as, 0);
    assert_int_equal(store_forget(p->store, 7002, &as, problem), 0);       /* the next one is another nobody */
    assert_int_equal(as, -2);
    assert_int_equal(store_forget(p->store, -2, &as, problem), -EINVAL);
    assert_int_equal(store_check(p->store, problem), 0);

    char command[200];                                                     /* not even in free pages, nor in the WAL */
    snprintf(command, sizeof command, "! grep -q -a -e secret7001 -e Ada %s*", p->path);
    assert_int_equal(system(command), 0);
    const struct fields *again = write_event(&w, "kind", "usage", "event", "1-1:chat", "user", "7001", "at", "5", "cost_nusd", "100", NULL);
    assert_int_equal(store_one(p, again).fate, STORE_REPEATED);            /* what comes again is still known */
}

static void old_raw_events_go_and_what_was_spent_stays(void **state) {
    struct place *p = here(state);
    open_store(p);
    static struct written w[500];
    static char ids[500][24];
    const struct fields *events[500];
    struct store_outcome o[500];
    char problem[STORE_PROBLEM] = "";
    for (int b = 0; b < 5; b++) {
        for (int i = 0; i < 500; i++) {
            snprintf(ids[i], sizeof ids[i], "%d-1:chat", b * 500 + i);
            events[i] = write_event(&w[i], "kind", "usage", "event", ids[i], "at", "5", "user", "1", "cost_nusd", "1", NULL);
        }
        assert_int_equal(store_batch(p->store, p->prices, events, 500, o, problem), 0);
    }
    char got[400];                                                         /* a few are of yesterday, and one has no row of usage */
    ask(p, "UPDATE events SET stored_at = 1000 WHERE CAST(event_id AS INTEGER) % 2", got);
    ask(p, "INSERT INTO events VALUES ('odd', 1000, '{}')", got);
    int64_t gone, all = 0;
    int pieces = 0;
    for (bool over = false; !over; pieces++) {
        assert_int_equal(store_purge(p->store, 1001, &gone, &over, problem), 0);
        all += gone;
    }
    assert_int_equal(all, 1250);
    assert_true(pieces > 2 && pieces < 6);
    assert_int_equal(count(p, "events"), 1251);
    assert_int_equal(count(p, "usage"), 2500);
    snprintf(ids[0], sizeof ids[0], "1-1:chat");                           /* one that has gone comes again: it is billed once */
    events[0] = write_event(&w[0], "kind", "usage", "event", ids[0], "at", "5", "user", "1", "cost_nusd", "1", NULL);
    assert_int_equal(store_batch(p->store, p->prices, events, 1, o, problem), 0);
    expect(p, "SELECT sum(cost_nusd) FROM usage", "2500");
}

/* ---- the outside world ---- */

static void expect_refused(const char *path, int why, const char *words) {
    struct store *s = NULL;
    char problem[STORE_PROBLEM] = "";
    int r = store_open(path, &s, problem);
    if ((why && r != why) || r >= 0 || s || strncmp(problem, "DB_PATH ", 8) || !strstr(problem, words) || strchr(problem, '\n'))
        fail_msg("%s: %d, \"%s\" (expected %s)", path, r, problem, words);
}

static void paths_that_cannot_be_are_refused_in_one_line(void **state) {
    struct place *p = here(state);
    char path[128];
    expect_refused("", -EINVAL, "expected the path of a file");
    expect_refused(":memory:", -EINVAL, "expected the path of a file");
    expect_refused("/proc/nothing/gpttg.db", 0, "cannot make its folder");
    expect_refused(p->folder, 0, "unable to open");
    snprintf(path, sizeof path, "%s/a/b/gpttg.db", p->folder);
    expect_refused(path, -ENOENT, "cannot make its folder");

    snprintf(path, sizeof path, "%s/text.db", p->folder);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is a diary\n", f);
    fclose(f);
    expect_refused(path, -EBADMSG, "not a database");

    snprintf(path, sizeof path, "%s/foreign.db", p->folder);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), 0);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE diary (day)", NULL, NULL, NULL), 0);
    sqlite3_close(db);
    expect_refused(path, -EBADMSG, "found another one");
}

static void a_newer_file_is_not_touched(void **state) {
    struct place *p = here(state);
    open_store(p);
    store_close(p->store);
    p->store = NULL;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(p->path, &db), 0);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 9", NULL, NULL, NULL), 0);
    sqlite3_close(db);
    expect_refused(p->path, -EPROTO, "newer gpttg-ledger");
    expect(p, "PRAGMA user_version", "9");
}

static void nobody_may_write_where_he_may_not(void **state) {
    struct place *p = here(state);
    open_store(p);
    store_close(p->store);
    p->store = NULL;
    pid_t child = fork();
    if (!child) {                                        /* root may everything: be somebody else */
        struct store *s = NULL;
        char problem[STORE_PROBLEM] = "";
        if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
            _exit(3);
        int r = store_open(p->path, &s, problem);
        if (s)
            store_close(s);
        _exit(r < 0 && !strncmp(problem, "DB_PATH ", 8) ? 0 : 1);
    }
    chmod(p->path, 0444);
    chmod(p->folder, 0555);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    chmod(p->folder, 0755);
    assert_int_equal(status, 0);
}

static void a_second_ledger_on_the_same_file_waits_its_turn(void **state) {
    struct place *p = here(state);
    open_store(p);
    sqlite3 *other;
    assert_int_equal(sqlite3_open(p->path, &other), 0);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), 0);
    struct written w;
    const struct fields *event = write_event(&w, "kind", "usage", "event", "j:1", "at", "5", "paid", "chat", "cost_nusd", "7", NULL);
    struct store_outcome o;
    char problem[STORE_PROBLEM] = "";
    assert_int_equal(store_batch(p->store, p->prices, &event, 1, &o, problem), -EBUSY);
    assert_string_equal(problem, "database is locked");
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), 0);
    sqlite3_close(other);
    assert_int_equal(store_one(p, event).fate, STORE_NEW);

    struct store *second = NULL;
    assert_int_equal(store_open(p->path, &second, problem), 0);
    assert_int_equal(store_batch(second, p->prices, &event, 1, &o, problem), 0);
    assert_int_equal(o.fate, STORE_REPEATED);
    store_close(second);
}

/* Batches of 100 events number `first` and on. */
static int store_many(struct place *p, int first, char problem[STORE_PROBLEM]) {
    static struct written w[100];
    static char ids[100][24];
    const struct fields *events[100];
    struct store_outcome o[100];
    for (int i = 0; i < 100; i++) {
        snprintf(ids[i], sizeof ids[i], "%d-1790000000000:chat", first + i);
        events[i] = write_event(&w[i], "kind", "usage", "event", ids[i], "at", "5", "user", "1", "paid", "chat", "cost_nusd", "1", NULL);
    }
    return store_batch(p->store, p->prices, events, 100, o, problem);
}

static void a_full_disk_loses_nothing_and_recovers(void **state) {
    struct place *p = here(state);
    char disk[80], filler[96], problem[STORE_PROBLEM] = "";
    snprintf(disk, sizeof disk, "%s/disk", p->folder);
    assert_int_equal(mkdir(disk, 0755), 0);
    if (mount("none", disk, "tmpfs", 0, "size=1m"))
        skip();
    snprintf(p->path, sizeof p->path, "%s/gpttg.db", disk);
    snprintf(filler, sizeof filler, "%s/filler", disk);
    open_store(p);
    int stored = 0, r = 0;
    while (!(r = store_many(p, stored, problem)))
        stored += 100;
    assert_int_equal(r, -ENOSPC);
    assert_string_equal(problem, "database or disk is full");
    assert_true(stored > 0);
    assert_int_equal(store_many(p, stored, problem), -ENOSPC);
    reopen_store(p);
    assert_int_equal(count(p, "usage"), stored);
    assert_int_equal(mount("none", disk, "tmpfs", MS_REMOUNT, "size=8m"), 0);
    assert_int_equal(store_many(p, stored, problem), 0);
    assert_int_equal(count(p, "usage"), stored + 100);
    assert_int_equal(store_check(p->store, problem), 0);

    store_close(p->store);
    p->store = NULL;
    int fd = open(filler, O_CREAT | O_WRONLY, 0600);      /* and a first start where nothing fits any more */
    static const char zeros[65536];
    while (write(fd, zeros, sizeof zeros) > 0)
        ;
    close(fd);
    snprintf(p->path, sizeof p->path, "%s/new.db", disk);
    expect_refused(p->path, -ENOSPC, "full");
    assert_int_equal(umount(disk), 0);
}

static void a_failing_disk_says_try_again(void **state) {
    struct place *p = here(state);
    open_store(p);
    char problem[STORE_PROBLEM] = "";
    struct rlimit was, small = { 300000, 0 };
    getrlimit(RLIMIT_FSIZE, &was);
    small.rlim_max = was.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    int stored = 0, r;
    while (!(r = store_many(p, stored, problem)))
        stored += 100;
    assert_int_equal(r, -EIO);
    setrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(store_many(p, stored, problem), 0);
    assert_int_equal(count(p, "usage"), stored + 100);
    expect(p, "PRAGMA quick_check", "ok");
}

/* What was answered with 0 is there; what was not is there whole or not at all; and again is harmless. */
static void a_kill_at_any_moment_loses_no_stored_batch(void **state) {
    struct place *p = here(state);
    open_store(p);                                        /* made in peace, then closed: the child must not share our handle */
    store_close(p->store);
    p->store = NULL;
    int done = 0;
    for (int round = 0; round < 25; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (!child) {
            char problem[STORE_PROBLEM];
            open_store(p);
            for (int first = done;; first += 100) {
                if (store_many(p, first, problem) || write(ends[1], &first, sizeof first) != sizeof first)
                    _exit(1);
            }
        }
        close(ends[1]);
        int last;
        struct timespec soon = { 0, 5000000L + (round * 7919 % 13) * 1700000L };
        assert_int_equal(read(ends[0], &last, sizeof last), sizeof last);
        nanosleep(&soon, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(ends[0], &done, sizeof done) == sizeof done)
            last = done;
        close(ends[0]);
        done = last;                                      /* that batch is sent again by the next child */
        int64_t rows = count(p, "usage");
        assert_true(rows >= last + 100);
        assert_int_equal(rows % 100, 0);
    }
    open_store(p);
    char problem[STORE_PROBLEM];
    assert_int_equal(store_check(p->store, problem), 0);
    assert_int_equal(count(p, "usage"), count(p, "events"));
    expect(p, "SELECT count(*) - 1 = max(CAST(event_id AS INTEGER)) FROM usage", "1");
}

static void it_is_fast_enough(void **state) {
    struct place *p = here(state);
    open_store(p);
    static struct written w[500];
    static char ids[500][40], users[500][16], ats[500][24];
    const struct fields *events[500];
    struct store_outcome o[500];
    char problem[STORE_PROBLEM];
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    int batches = 100;
    for (int b = 0; b < batches; b++) {
        for (int i = 0; i < 500; i++) {
            snprintf(ids[i], sizeof ids[i], "%d-%" PRId64 ":chat", 900000 + b * 500 + i, INT64_C(1790000000000) + b * 500 + i);
            snprintf(users[i], sizeof users[i], "%d", 5000000 + (b * 500 + i) * 7919 % 2000);
            snprintf(ats[i], sizeof ats[i], "%" PRId64, INT64_C(1790000000000) + b * 500 + i);
            events[i] = write_event(&w[i], "kind", "usage", "job", ids[i], "chat", users[i], "user", users[i], "at", ats[i], "event", ids[i], "paid", "chat",
                "model", "gpt-6.1-terra-2026-10-26", "input_tokens", "1520", "cached_tokens", "1024", "cache_write_tokens", "0", "output_tokens", "312",
                "reasoning_tokens", "128", "cost_nusd", "2107200", "price_version", "0123456789ab", "status", "completed", "response",
                "resp_68f0a1b2c3d4e5f6a7b8c9d0", "estimated", "0", NULL);
        }
        assert_int_equal(store_batch(p->store, p->prices, events, 500, o, problem), 0);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    double s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    print_message("    %.0f events/s in batches of 500\n", batches * 500 / s);
    assert_true(batches * 500 / s > 1000);                /* a floor that holds under sanitizers on a busy machine */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_first_start_makes_the_file_and_its_folder),
        TEST(a_call_becomes_one_row),
        TEST(a_repeat_changes_nothing),
        TEST(what_is_no_event_is_said_and_leaves_no_row),
        TEST(odd_values_are_booked_and_named),
        TEST(a_field_of_a_megabyte_is_no_obstacle),
        TEST(a_missing_cost_is_computed),
        TEST(rows_are_corrected_by_rows),
        TEST(sums_are_of_a_half_open_interval),
        TEST(huge_sums_saturate),
        TEST(who_is_forgotten_leaves_his_sums_and_no_trace),
        TEST(old_raw_events_go_and_what_was_spent_stays),
        TEST(paths_that_cannot_be_are_refused_in_one_line),
        TEST(a_newer_file_is_not_touched),
        TEST(nobody_may_write_where_he_may_not),
        TEST(a_second_ledger_on_the_same_file_waits_its_turn),
        TEST(a_full_disk_loses_nothing_and_recovers),
        TEST(a_failing_disk_says_try_again),
        TEST(a_kill_at_any_moment_loses_no_stored_batch),
        TEST(it_is_fast_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
