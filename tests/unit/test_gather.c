/* What /stats is made of: sums that the database keeps beside the rows, whole days of any zone, and what an administrator has set. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "ledger/change.h"
#include "ledger/gather.h"
#include "tests/unit/unit.h"

#define HOUR_MS INT64_C(3600000)
#define NOON INT64_C(1795435200000)             /* 2026-11-23 12:00 UTC */

static char folder[] = "/tmp/gather-XXXXXX", path[64];
static sqlite3 *db;
static int rows;

static int begin(void **state) {
    snprintf(folder, sizeof folder, "/tmp/gather-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.db", folder);
    struct store *store;
    char problem[STORE_PROBLEM];
    assert_int_equal(store_open(path, &store, problem), 0);
    store_close(store);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    rows = 0;
    setenv("TZ", "UTC", 1);
    tzset();
    return 0;
}

static int end(void **state) {
    sqlite3_close(db);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void run(const char *sql) {
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error))
        fail_msg("%s: %s", sql, error);
}

static void paid(int64_t user, int64_t at_ms, const char *kind, const char *model, int64_t nusd) {
    char sql[800];
    snprintf(sql, sizeof sql, "INSERT INTO events VALUES ('%d', 0, '{}'); INSERT INTO usage (event_id, at, user_id, chat_id, kind, model, cost_nusd)"
             " VALUES ('%d', %" PRId64 ", %" PRId64 ", 1, '%s', '%s', %" PRId64 ")", rows, rows, at_ms, user, kind, model, nusd);
    rows++;
    run(sql);
}

static struct gathered gathered(int64_t user, int64_t now_ms) {
    struct gathered g;
    struct sums *s = NULL;
    char problem[STORE_PROBLEM] = "";
    if (sums_open(path, &s, problem) || gather(s, user, now_ms, &g, problem))
        fail_msg("%s", problem);
    sums_close(s);
    return g;
}

static void each_call_counts_where_it_belongs(void **state) {
    paid(7, NOON, "chat", "a", 5);
    paid(7, NOON - 24 * HOUR_MS, "image", "b", 70);
    paid(7, NOON - 10 * 24 * HOUR_MS, "chat", "a", 1000);
    paid(7, NOON - 29 * 24 * HOUR_MS, "transcription", "c", 20000);
    paid(7, NOON - 400 * 24 * HOUR_MS, "odd", "d", 300000);
    paid(8, NOON, "chat", "a", 9000000);
    struct gathered g = gathered(7, NOON);
    assert_int_equal(g.today.nusd, 5);
    assert_int_equal(g.week.nusd, 75);
    assert_int_equal(g.month.nusd, 1075);
    assert_int_equal(g.ever.nusd, 321075);
    assert_int_equal(g.ever.calls, 5);
    assert_string_equal(g.month.kinds[0].name, "chat");
    assert_int_equal(g.month.kinds[0].calls, 2);
    assert_string_equal(g.ever.models[0].name, "d");
    assert_int_equal(g.days[CHART_DAYS - 1][0], 5);
    assert_int_equal(g.days[CHART_DAYS - 2][1], 70);
    assert_int_equal(g.days[0][2], 20000);
    assert_int_equal(gathered(EVERYBODY, NOON).ever.nusd, 9321075);
    assert_int_equal(gathered(9, NOON).ever.calls, 0);
}

/* Kathmandu is 5:45 ahead; its midnight is no full hour of UTC. */
static void days_are_whole_in_every_zone(void **state) {
    static const char *const zones[] = { "UTC", "Europe/Moscow", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham", "Australia/Lord_Howe", "America/New_York" };
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        int64_t user = 100 + (int64_t)i;
        setenv("TZ", zones[i], 1);
        tzset();
        struct gathered days = gathered(user, NOON);
        for (int d = 0; d < CHART_DAYS; d++) {
            paid(user, days.begins_ms[d], "chat", "a", 1);
            paid(user, days.begins_ms[d] - 1, "chat", "a", 100);
        }
        struct gathered g = gathered(user, NOON);
        for (int d = 0; d < CHART_DAYS; d++)
            assert_int_equal(g.days[d][0], d == CHART_DAYS - 1 ? 1 : 101);
        assert_int_equal(g.today.nusd, 1);
    }
}

static void corrections_and_what_passes_64_bits_are_summed(void **state) {
    for (int i = 0; i < 1100; i++)
        paid(7, NOON, "chat", "a", INT64_C(9000000000000000));
    paid(7, NOON, "correction", "a", -5);
    assert_int_equal(gathered(7, NOON).ever.calls, 1101);
    paid(8, NOON, "chat", "a", 7);
    paid(8, NOON, "correction", "", -5);
    assert_int_equal(gathered(8, NOON).ever.nusd, 2);
}

static void more_names_than_are_listed_are_one(void **state) {
    for (int i = 0; i < 40; i++) {
        char model[120];
        snprintf(model, sizeof model, "a-model-with-a-name-that-is-longer-than-what-is-ever-shown-of-it-%040d", i);
        paid(7, NOON, "chat", model, 1);
        snprintf(model, sizeof model, "m%d", i);
        paid(7, NOON, "chat", model, 1);
    }
    struct gathered g = gathered(7, NOON);
    int64_t sum = 0;
    assert_int_equal(g.month.models_count, PARTS_MOST);
    for (int i = 0; i < PARTS_MOST; i++)
        sum += g.month.models[i].nusd;
    assert_int_equal(sum, 80);
    assert_int_equal(g.month.models[0].nusd, 40);
    assert_string_equal(g.month.models[1].name, "…");
}

/* ---- changes ---- */

static const char *wish(struct change *c, const char *job, const char *set) {
    static struct field list[3];
    static struct fields f;
    list[0] = (struct field){ "job", job, strlen(job) };
    list[1] = (struct field){ "user", "1", 1 };
    list[2] = (struct field){ "set:0", set, strlen(set) };
    f = (struct fields){ 3, list };
    const char *why = change_read(&f, c);
    if (!why)
        assert_int_equal(change_store(db, c, &f, NOON), SQLITE_OK);
    return why;
}

static void a_change_is_made_once_and_read_back(void **state) {
    struct change c;
    struct kept kept[CHANGES_MOST];
    assert_null(wish(&c, "1", "user:7 role admin"));
    assert_null(wish(&c, "2", "user:7 role user"));
    assert_null(wish(&c, "1", "user:7 role admin"));      /* again, after a crash */
    assert_int_equal(change_look(db, &c, kept), SQLITE_OK);
    assert_string_equal(kept[0].value, "user");
    change_done(kept, 1);
    assert_null(wish(&c, "3", "user:7 daily_budget_nusd 5"));
    assert_null(wish(&c, "4", "settings OPENAI_MODEL a b"));
    assert_null(wish(&c, "5", "settings GONE x"));
    assert_null(wish(&c, "6", "settings GONE"));
    struct kept *all;
    size_t count;
    assert_int_equal(change_all(db, &all, &count), SQLITE_OK);
    assert_int_equal(count, 3);
    assert_string_equal(all[0].field, "OPENAI_MODEL");
    assert_string_equal(all[0].value, "a b");
    assert_string_equal(all[2].hash, "user:7");
    assert_string_equal(all[2].value, "5");
    change_done(all, count);
    free(all);
}

static void a_change_without_sense_is_none(void **state) {
    static const char *const sets[] = {
        "", " ", "settings", "settings ", "settings a 1", "user:7", "user: role x", "user:07 role x", "user:7x role x", "user:99999999999999999999 role x",
        "user:7 user_id 8", "user:7 role; x", "user:7 daily_budget_nusd -1", "user:7 daily_budget_nusd 1.0", "user:7 daily_budget_nusd 9000000000000001",
        "chat:7 role x", "settings A \xff",
    };
    struct change c;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (!wish(&c, "1", sets[i]))
            fail_msg("taken: %s", sets[i]);
    assert_non_null(wish(&c, "", "user:7 role admin"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_call_counts_where_it_belongs, begin, end),
        cmocka_unit_test_setup_teardown(days_are_whole_in_every_zone, begin, end),
        cmocka_unit_test_setup_teardown(corrections_and_what_passes_64_bits_are_summed, begin, end),
        cmocka_unit_test_setup_teardown(more_names_than_are_listed_are_one, begin, end),
        cmocka_unit_test_setup_teardown(a_change_is_made_once_and_read_back, begin, end),
        cmocka_unit_test_setup_teardown(a_change_without_sense_is_none, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
