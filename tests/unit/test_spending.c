/* Whose day and month it is, and what was spent in them, as Redis wants to know it after it has lost everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledger/spending.h"

#define HOUR_MS INT64_C(3600000)

static void be_in(const char *zone) {
    setenv("TZ", zone, 1);
    tzset();
}

static void expect_span(const struct span *s, const char *name, int64_t from_ms, int64_t hours) {
    if (strcmp(s->name, name) || s->from_ms != from_ms || s->to_ms != from_ms + hours * HOUR_MS)
        fail_msg("%s from %" PRId64 " for %" PRId64 " h; expected %s from %" PRId64 " for %" PRId64 " h", s->name, s->from_ms,
                 (s->to_ms - s->from_ms) / HOUR_MS, name, from_ms, hours);
}

static void days_and_months_are_those_of_the_zone(void **state) {
    struct span s[SPANS];
    int months;
    be_in("Europe/Moscow");                                        /* UTC+3 */
    assert_int_equal(spans_at(1795294799999, s, &months), 3);      /* 21 Nov 2026 23:59:59.999 there */
    expect_span(&s[0], "2026-11-21", 1795208400000, 24);
    assert_int_equal(spans_at(1795294800000, s, &months), 3);      /* one millisecond later, 22 Nov */
    assert_int_equal(months, 1);
    expect_span(&s[0], "2026-11-22", 1795294800000, 24);
    expect_span(&s[1], "2026-11-21", 1795208400000, 24);
    expect_span(&s[2], "2026-11", 1793480400000, 30 * 24);
}

static void the_first_of_a_month_has_two_months(void **state) {
    struct span s[SPANS];
    int months;
    be_in("UTC");
    assert_int_equal(spans_at(1798761600000, s, &months), 4);      /* 1 Jan 2027 00:00 */
    assert_int_equal(months, 2);
    expect_span(&s[0], "2027-01-01", 1798761600000, 24);
    expect_span(&s[1], "2026-12-31", 1798761600000 - 24 * HOUR_MS, 24);
    expect_span(&s[2], "2027-01", 1798761600000, 31 * 24);
    expect_span(&s[3], "2026-12", 1798761600000 - 31 * 24 * HOUR_MS, 31 * 24);
}

static void a_day_with_a_changed_clock_has_its_own_length(void **state) {
    struct span s[SPANS];
    int months;
    be_in("Europe/Berlin");
    spans_at(1774785600000, s, &months);                           /* 29 Mar 2026 12:00 UTC: an hour is missing */
    expect_span(&s[0], "2026-03-29", 1774738800000, 23);
    expect_span(&s[1], "2026-03-28", 1774652400000, 24);
    spans_at(1792929600000, s, &months);                           /* 25 Oct 2026 12:00 UTC: one is there twice */
    expect_span(&s[0], "2026-10-25", 1792879200000, 25);
    expect_span(&s[2], "2026-10", 1790805600000, 31 * 24 + 1);
}

static void every_counter_is_found(void **state) {
    char folder[] = "/tmp/gpttg-spending-XXXXXX", path[64], command[64], problem[STORE_PROBLEM];
    struct store *store = NULL;
    struct prices *prices = NULL;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.db", folder);
    assert_int_equal(store_open(path, &store, problem), 0);
    assert_int_equal(prices_load(NULL, 0, NULL, &prices, problem), 0);
    be_in("UTC");
    static const struct { const char *id, *user, *at, *cost; } calls[] = {
        { "a:1", "7", "1798761600000", "5" },                      /* 1 Jan 2027 00:00 */
        { "a:2", "7", "1798761599999", "30" },                     /* the millisecond before */
        { "a:3", "8", "1798761700000", "100" },
        { "a:4", "8", "1796083200000", "2000" },                   /* 1 Dec 2026 */
        { "a:5", "8", "1796083199999", "9999" },                   /* November: of no interest */
        { "a:6", "9", "1798761700000", "0" },
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct field list[] = { { "kind", "usage", 5 }, { "event", calls[i].id, 3 }, { "paid", "chat", 4 }, { "user", calls[i].user, 1 },
                                { "at", calls[i].at, 13 }, { "cost_nusd", calls[i].cost, strlen(calls[i].cost) } };
        const struct fields event = { 6, list }, *events[] = { &event };
        struct store_outcome o;
        assert_int_equal(store_batch(store, prices, events, 1, &o, problem), 0);
    }
    struct spending s;
    assert_int_equal(spending_read(store, 1798800000000, &s), 0);
    static const struct { const char *period; int64_t nusd; } expected[] = {
        { "2027-01-01:7", 5 }, { "2027-01-01:8", 100 }, { "2026-12-31:7", 30 }, { "2027-01:7", 5 }, { "2027-01:8", 100 },
        { "2027-01:all", 105 }, { "2026-12:7", 30 }, { "2026-12:8", 2000 }, { "2026-12:all", 2030 },
    };
    assert_int_equal(s.count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < s.count; i++) {
        assert_string_equal(s.list[i].period, expected[i].period);
        assert_int_equal(s.list[i].nusd, expected[i].nusd);
        assert_int_equal(s.list[i].keep_s, (s.list[i].period[7] == '-' ? 3 : 70) * 86400);
    }
    spending_done(&s);
    prices_free(prices);
    store_close(store);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_and_months_are_those_of_the_zone),
        cmocka_unit_test(the_first_of_a_month_has_two_months),
        cmocka_unit_test(a_day_with_a_changed_clock_has_its_own_length),
        cmocka_unit_test(every_counter_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
