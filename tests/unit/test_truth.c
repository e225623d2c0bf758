/* The ledger against a simple model of the truth: whatever happens in whatever order, each call is booked once, at the price that was
 * in force when it was booked, and the sums are the model's. And: killed before each of its statements, it loses and doubles nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ledger/backup.h"
#include "ledger/spending.h"
#include "ledger/store.h"
#include "proto/money.h"
#include "services/clock.h"

enum { CALLS = 400, USERS = 6, PRICES = 3, LISTS = 40 };
#define HOUR_MS INT64_C(3600000)
#define BEGIN_MS INT64_C(1790000000000)

struct call { bool booked; int user; int64_t tokens, cost, at; };

struct world {
    char folder[64], path[96], copy[96];
    struct prices *prices[PRICES];
    int in_force;
    struct store *store;
    struct call calls[CALLS];
    int64_t user_ids[USERS];            /* below 0 once forgotten */
    bool copied;
    struct call copied_calls[CALLS];
    int64_t copied_ids[USERS];
    unsigned dice;
};

static int roll(struct world *w, int sides) {
    w->dice = w->dice * 1103515245u + 12345u;
    return (int)(w->dice >> 16 & 0x7fff) % sides;
}

static int set_up(void **state) {
    struct world *w = calloc(1, sizeof *w);
    char problem[PRICES_PROBLEM], text[200];
    strcpy(w->folder, "/tmp/gpttg-truth-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->path, sizeof w->path, "%s/gpttg.db", w->folder);
    snprintf(w->copy, sizeof w->copy, "%s/copy.db", w->folder);
    static const char *const outputs[PRICES] = { "1", "0", "2000" };       /* one of them is free */
    for (int i = 0; i < PRICES; i++) {
        snprintf(text, sizeof text, "{\"models\":{\"m\":{\"input\":\"0\",\"output\":\"%s\"}}}", outputs[i]);
        assert_int_equal(prices_load(text, strlen(text), NULL, &w->prices[i], problem), 0);
    }
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    char command[96];
    store_close(w->store);
    for (int i = 0; i < PRICES; i++)
        prices_free(w->prices[i]);
    snprintf(command, sizeof command, "rm -rf %s", w->folder);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

static void open_store(struct world *w) {
    char problem[STORE_PROBLEM] = "";
    if (store_open(w->path, &w->store, problem))
        fail_msg("%s", problem);
}

static void close_store(struct world *w) {
    store_close(w->store);
    w->store = NULL;
}

/* ---- events ---- */

struct written {
    char id[24], user[24], at[24], tokens[24];
    struct field list[7];
    struct fields fields;
};

static const struct fields *write_call(struct written *e, int n, int64_t user, int64_t at, int64_t tokens) {
    snprintf(e->id, sizeof e->id, "%d-1:chat", n);
    snprintf(e->user, sizeof e->user, "%" PRId64, user);
    snprintf(e->at, sizeof e->at, "%" PRId64, at);
    snprintf(e->tokens, sizeof e->tokens, "%" PRId64, tokens);
    const struct field list[7] = {
        { "kind", "usage", 5 }, { "event", e->id, strlen(e->id) }, { "user", e->user, strlen(e->user) }, { "at", e->at, strlen(e->at) },
        { "paid", "chat", 4 }, { "model", "m", 1 }, { "output_tokens", e->tokens, strlen(e->tokens) },
    };
    memcpy(e->list, list, sizeof list);
    e->fields = (struct fields){ 7, e->list };
    return &e->fields;
}

/* ---- what may happen ---- */

static void a_batch_comes(struct world *w) {
    static struct written events[20];
    const struct fields *batch[20];
    int which[20], n = 1 + roll(w, 20);
    struct store_outcome o[20];
    char problem[STORE_PROBLEM] = "";
    for (int i = 0; i < n; i++) {
        which[i] = roll(w, CALLS);
        struct call *c = &w->calls[which[i]];
        if (!c->at) {
            c->user = roll(w, USERS);
            c->at = BEGIN_MS + roll(w, 2000) * HOUR_MS;
            c->tokens = roll(w, 1000);
        }
        batch[i] = write_call(&events[i], which[i], w->user_ids[c->user], c->at, c->tokens);
    }
    if (store_batch(w->store, w->prices[w->in_force], batch, (size_t)n, o, problem))
        fail_msg("%s", problem);
    for (int i = 0; i < n; i++) {
        struct call *c = &w->calls[which[i]];
        assert_int_equal(o[i].fate, c->booked ? STORE_REPEATED : STORE_NEW);
        if (!c->booked)
            c->cost = c->tokens * (w->in_force == 0 ? 1000 : w->in_force == 1 ? 0 : 2000000);
        c->booked = true;
    }
}

static void somebody_is_forgotten(struct world *w) {
    int user = roll(w, USERS);
    int64_t as = 0;
    char problem[STORE_PROBLEM] = "";
    if (w->user_ids[user] < 0)
        return;
    if (store_forget(w->store, w->user_ids[user], &as, problem))
        fail_msg("%s", problem);
    for (int i = 0; i < USERS; i++)
        assert_true(!as || w->user_ids[i] != as);
    if (as)
        w->user_ids[user] = as;
}

/* What the model has of it comes along; who has been forgotten since is known again. */
static void it_is_copied_or_put_back(struct world *w) {
    char problem[DATABASE_PROBLEM] = "", aside[160];
    if (!w->copied) {
        if (backup_make(w->path, w->copy, problem))
            fail_msg("%s", problem);
        memcpy(w->copied_calls, w->calls, sizeof w->calls);
        memcpy(w->copied_ids, w->user_ids, sizeof w->user_ids);
        w->copied = true;
        return;
    }
    close_store(w);
    if (backup_restore(w->path, w->copy, aside, sizeof aside, problem))
        fail_msg("%s", problem);
    unlink(aside);
    unlink(w->copy);
    memcpy(w->calls, w->copied_calls, sizeof w->calls);
    memcpy(w->user_ids, w->copied_ids, sizeof w->user_ids);
    w->copied = false;
    open_store(w);
}

static void a_batch_is_cut_short(struct world *w) {
    close_store(w);                     /* the child must not share our handle */
    pid_t child = fork();
    if (!child) {
        sqlite3 *db;
        if (sqlite3_open(w->path, &db) || sqlite3_exec(db, "BEGIN IMMEDIATE; INSERT INTO events VALUES ('cut', 1, '{}');", NULL, NULL, NULL))
            _exit(1);
        (void)raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    open_store(w);
}

static void time_goes_on_or_back(struct world *w) {
    clock_set(BEGIN_MS + (roll(w, 4000) - 1000) * HOUR_MS, clock_mono_ms() + 1);
}

/* ---- is it true? ---- */

static void compare(struct world *w) {
    int64_t from = BEGIN_MS + roll(w, 1000) * HOUR_MS, to = from + roll(w, 1000) * HOUR_MS, all = 0, got;
    for (int user = 0; user < USERS; user++) {
        int64_t sum = 0;
        for (int i = 0; i < CALLS; i++)
            if (w->calls[i].booked && w->calls[i].user == user && w->calls[i].at >= from && w->calls[i].at < to)
                sum += w->calls[i].cost;
        assert_int_equal(store_user_spent(w->store, w->user_ids[user], from, to, &got), 0);
        assert_int_equal(got, sum);
        all += sum;
    }
    assert_int_equal(store_all_spent(w->store, from, to, &got), 0);
    assert_int_equal(got, all);
}

static void nothing_changes_the_sums_but_calls(void **state) {
    struct world *w = *state;
    char problem[STORE_PROBLEM];
    open_store(w);
    for (int seed = 1; seed <= 6; seed++) {
        w->dice = (unsigned)seed;
        for (int i = 0; i < USERS; i++)
            if (w->user_ids[i] >= 0)
                w->user_ids[i] = 7001 + i;
        for (int step = 0; step < 150; step++) {
            int64_t gone;
            bool over;
            switch (roll(w, 12)) {
            case 0: w->in_force = roll(w, PRICES); break;
            case 1: close_store(w); open_store(w); break;
            case 2: if (!roll(w, 8)) somebody_is_forgotten(w); break;
            case 3: if (!roll(w, 4)) it_is_copied_or_put_back(w); break;
            case 4: assert_int_equal(store_purge(w->store, BEGIN_MS + roll(w, 4000) * HOUR_MS, &gone, &over, problem), 0); break;
            case 5: if (!roll(w, 4)) a_batch_is_cut_short(w); break;
            case 6: time_goes_on_or_back(w); break;
            case 7: compare(w); break;
            default: a_batch_comes(w);
            }
        }
        compare(w);
        assert_int_equal(store_check(w->store, problem), 0);
    }
    clock_unset();
}

/* ---- killed before the n-th statement ---- */

static int statements_left;

static int on_statement(unsigned what, void *context, void *statement, void *text) {
    if (!--statements_left)
        (void)raise(SIGKILL);
    return 0;
}

/* SQLite calls it for each connection that is opened. */
static int watch(sqlite3 *db, char **problem, const void *api) {
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, on_statement, NULL);
}

static int three_calls(struct world *w, char problem[STORE_PROBLEM]) {
    static struct written events[3];
    const struct fields *batch[3];
    struct store_outcome o[3];
    for (int i = 0; i < 3; i++)
        batch[i] = write_call(&events[i], i, 7001, BEGIN_MS, 1);
    return store_batch(w->store, w->prices[0], batch, 3, o, problem);
}

/* A life with everything in it, from a file that is not there yet. */
static void live(struct world *w) {
    char problem[STORE_PROBLEM];
    int64_t as, gone;
    bool over;
    if (store_open(w->path, &w->store, problem) || three_calls(w, problem) || store_forget(w->store, 7002, &as, problem) ||
        store_purge(w->store, INT64_MAX, &gone, &over, problem) || backup_make(w->path, w->copy, problem))
        _exit(1);
    store_close(w->store);
    _exit(0);
}

static void a_kill_before_any_statement_neither_loses_nor_doubles(void **state) {
    struct world *w = *state;
    int ended = -1;
    for (int n = 1; ended; n++) {
        assert_true(n < 400);
        pid_t child = fork();
        if (!child) {
            statements_left = n;
            sqlite3_auto_extension((void (*)(void))watch);
            live(w);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
        ended = WIFSIGNALED(status);
        char problem[STORE_PROBLEM] = "";
        int64_t sum;
        open_store(w);
        if (store_check(w->store, problem) || three_calls(w, problem))         /* what was not acknowledged comes again */
            fail_msg("killed before statement %d: %s", n, problem);
        assert_int_equal(store_user_spent(w->store, 7001, 0, INT64_MAX, &sum), 0);
        assert_int_equal(sum, 3000);
        close_store(w);
        unlink(w->copy);                        /* there only when it is whole; a piece of one does not hold up the next */
        if (n % 3 == 0) {
            unlink(w->path);                    /* and now and then from the very beginning */
        }
    }
}

/* ---- days and months ---- */

static int64_t booked_in(struct spending *s, const char *period) {
    for (size_t i = 0; i < s->count; i++)
        if (!strcmp(s->list[i].period, period))
            return s->list[i].nusd;
    return 0;
}

/* Calls a millisecond before and after midnight, by the clock of a zone; `now` is a moment of the later day. */
static void expect_border(struct world *w, const char *zone, int64_t midnight, const char *before, const char *after, const char *month_before,
                          const char *month_after) {
    static struct written events[2];
    const struct fields *batch[2] = { write_call(&events[0], 0, 7001, midnight - 1, 1), write_call(&events[1], 1, 7001, midnight, 10) };
    struct store_outcome o[2];
    char problem[STORE_PROBLEM] = "", period[64];
    struct spending s;
    setenv("TZ", zone, 1);
    tzset();
    unlink(w->path);
    open_store(w);
    assert_int_equal(store_batch(w->store, w->prices[0], batch, 2, o, problem), 0);
    assert_int_equal(spending_read(w->store, midnight + HOUR_MS, &s), 0);
    snprintf(period, sizeof period, "%s:7001", before);
    assert_int_equal(booked_in(&s, period), 1000);
    snprintf(period, sizeof period, "%s:7001", after);
    assert_int_equal(booked_in(&s, period), 10000);
    snprintf(period, sizeof period, "%s:all", month_before);
    assert_int_equal(booked_in(&s, period), strcmp(month_before, month_after) ? 1000 : 11000);
    snprintf(period, sizeof period, "%s:all", month_after);
    assert_int_equal(booked_in(&s, period), strcmp(month_before, month_after) ? 10000 : 11000);
    spending_done(&s);
    close_store(w);
}

static void a_millisecond_decides_whose_day_and_month_it_is(void **state) {
    struct world *w = *state;
    expect_border(w, "Europe/Moscow", 1798750800000, "2026-12-31", "2027-01-01", "2026-12", "2027-01");
    expect_border(w, "UTC", 1798761600000, "2026-12-31", "2027-01-01", "2026-12", "2027-01");
    expect_border(w, "Europe/Berlin", 1774738800000, "2026-03-28", "2026-03-29", "2026-03", "2026-03");   /* 29 Mar has 23 hours */
    expect_border(w, "America/New_York", 1793505600000, "2026-10-31", "2026-11-01", "2026-10", "2026-11");                      /* 1 Nov has 25 */
    expect_border(w, "Asia/Kathmandu", 1798740900000, "2026-12-31", "2027-01-01", "2026-12", "2027-01");                        /* UTC+5:45 */
}

static void names_that_are_sql_are_only_names(void **state) {
    struct world *w = *state;
    static const char evil[] = "m'); DROP TABLE usage; --\"`%_\\";
    struct field list[] = { { "kind", "usage", 5 }, { "event", "x';--:chat", 10 }, { "model", evil, sizeof evil - 1 }, { "paid", evil, sizeof evil - 1 },
                            { "cost_nusd", "7", 1 }, { "user", "7001", 4 }, { evil, evil, sizeof evil - 1 } };
    struct fields fields = { sizeof list / sizeof *list, list };
    const struct fields *event = &fields;
    struct store_outcome o;
    char problem[STORE_PROBLEM] = "";
    int64_t sum, as;
    open_store(w);
    assert_int_equal(store_batch(w->store, w->prices[0], &event, 1, &o, problem), 0);
    assert_int_equal(o.fate, STORE_NEW);
    assert_int_equal(store_forget(w->store, 7001, &as, problem), 0);
    assert_int_equal(store_user_spent(w->store, as, 0, INT64_MAX, &sum), 0);
    assert_int_equal(sum, 7);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(w->path, &db), 0);
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT model, kind FROM usage", -1, &st, NULL), 0);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), evil);
    assert_string_equal((const char *)sqlite3_column_text(st, 1), evil);
    sqlite3_finalize(st);
    sqlite3_close(db);
}

static void amounts_around_what_a_double_can_hold_are_exact(void **state) {
    struct world *w = *state;
    static const int64_t costs[] = { INT64_C(8999999999999999), INT64_C(9000000000000000) };       /* 2^53 is 9007199254740992 */
    char problem[STORE_PROBLEM] = "", id[24], cost[24];
    open_store(w);
    for (int i = 0; i < 2; i++) {
        struct field list[] = { { "kind", "usage", 5 }, { "event", id, 0 }, { "cost_nusd", cost, 0 }, { "user", "1", 1 }, { "at", "5", 1 }, { "paid", "chat", 4 } };
        struct fields fields = { 6, list };
        const struct fields *event = &fields;
        struct store_outcome o;
        int64_t sum;
        list[1].value_len = (size_t)snprintf(id, sizeof id, "%d:chat", i);
        list[2].value_len = (size_t)snprintf(cost, sizeof cost, "%" PRId64, costs[i]);
        assert_int_equal(store_batch(w->store, w->prices[0], &event, 1, &o, problem), 0);
        assert_string_equal(o.why, "");
        assert_int_equal(o.cost_nusd, costs[i]);
        assert_int_equal(store_user_spent(w->store, 1, 0, 10, &sum), 0);
        assert_int_equal(sum, i ? MONEY_MAX_NUSD : costs[0]);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nothing_changes_the_sums_but_calls),
        TEST(a_kill_before_any_statement_neither_loses_nor_doubles),
        TEST(a_millisecond_decides_whose_day_and_month_it_is),
        TEST(names_that_are_sql_are_only_names),
        TEST(amounts_around_what_a_double_can_hold_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
