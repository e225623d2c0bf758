#include "services/clock.h"
#include "tests/unit/unit.h"
#include <time.h>

static void the_clock_stands_still_where_it_was_set(void **state) {
    clock_set(1795000000123, 42);
    assert_int_equal(clock_wall_ms(), 1795000000123);
    assert_int_equal(clock_mono_ms(), 42);
    assert_int_equal(clock_wall_ms(), 1795000000123);
    clock_unset();
}

static void the_machines_clock_moves_on(void **state) {
    clock_unset();
    int64_t then = clock_mono_ms();
    assert_true(clock_mono_ms() >= then);
    assert_true(clock_wall_ms() > 1700000000000);
}

static void expect_local(const char *zone, int64_t seconds, const char *text) {
    struct tm t;
    char got[64];
    clock_zone(zone);
    assert_true(clock_local(seconds, &t));
    strftime(got, sizeof got, "%Y-%m-%d %H:%M %A", &t);
    assert_string_equal(got, text);
}

static void local_time_is_that_of_the_zone(void **state) {
    struct tm t;
    expect_local("Europe/Moscow", 1795403100, "2026-11-23 06:05 Monday");
    expect_local("America/Los_Angeles", 1795403100, "2026-11-22 19:05 Sunday");
    expect_local("Europe/Berlin", 1792888200, "2026-10-25 02:30 Sunday");          /* summer time, the first half past two */
    expect_local("Europe/Berlin", 1792888200 + 3600, "2026-10-25 02:30 Sunday");
    expect_local("UTC", 0, "1970-01-01 00:00 Thursday");
    assert_false(clock_local(-1, &t));
    assert_false(clock_local(INT64_MAX, &t));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_stands_still_where_it_was_set),
        cmocka_unit_test(the_machines_clock_moves_on),
        cmocka_unit_test(local_time_is_that_of_the_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
