/* Amounts: read exactly, refused when they cannot be, printed as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "proto/money.h"

static void expect_nusd(const char *text, int64_t expected) {
    int64_t nusd = -1;
    if (money_parse(text, &nusd) || nusd != expected)
        fail_msg("\"%s\" was read as %lld", text, (long long)nusd);
}

static void expect_refused(int (*parse)(const char *, int, int64_t *), const char *text, int decimals, int why) {
    int64_t scaled = 77;
    int r = parse(text, decimals, &scaled);
    if (r != why || scaled != 77)
        fail_msg("\"%s\": %d instead of %d, result %lld", text ? text : "NULL", r, why, (long long)scaled);
}

static void decimals_are_read_exactly(void **state) {
    expect_nusd("0.002", 2000000);
    expect_nusd("5", 5 * NUSD_PER_USD);
    expect_nusd(".5", NUSD_PER_USD / 2);
    expect_nusd("0", 0);
    expect_nusd("0.000000001", 1);
    expect_nusd("0.1000000000000000000000000000000", 100000000);
    expect_nusd("00012.30", 12300000000);
    expect_nusd("9000000", MONEY_MAX_NUSD);
    expect_nusd("0.3", 300000000);                       /* 0.1 + 0.2 in doubles is not */
}

static void what_is_no_plain_decimal_is_refused(void **state) {
    static const char *const junk[] = { "", " ", "-1", "-0", "+1", "1e-3", "1E3", "abc", "1,5", "1.", ".", "1.2.3", " 1", "1 ",
                                        "0x10", "$5", "1_000", "nan", "inf", "٣", NULL };
    for (int i = 0; junk[i]; i++)
        expect_refused(money_parse_scaled, junk[i], 9, -EINVAL);
    expect_refused(money_parse_scaled, NULL, 9, -EINVAL);
}

static void what_does_not_fit_is_refused_not_rounded(void **state) {
    expect_refused(money_parse_scaled, "0.0000000001", 9, -ERANGE);
    expect_refused(money_parse_scaled, "1.23", 1, -ERANGE);
    expect_refused(money_parse_scaled, "9223372036.854775808", 9, -ERANGE);
    expect_refused(money_parse_scaled, "99999999999999999999999999999999999999999999999999999", 0, -ERANGE);
    int64_t v = 0;
    assert_int_equal(money_parse_scaled("9223372036.854775807", 9, &v), 0);
    assert_true(v == INT64_MAX);
    int64_t nusd = 5;
    assert_int_equal(money_parse("9000000.000000001", &nusd), -ERANGE);
    assert_int_equal(nusd, 5);
}

static void numbers_of_programs_may_have_exponents(void **state) {
    int64_t v = 0;
    assert_int_equal(money_parse_number("1e-05", 9, &v), 0);
    assert_int_equal(v, 10000);
    assert_int_equal(money_parse_number("2.5E+1", 9, &v), 0);
    assert_int_equal(v, 25000000000);
    assert_int_equal(money_parse_number("0e99999999999", 9, &v), 0);
    assert_int_equal(v, 0);
    assert_int_equal(money_parse_number("12", 0, &v), 0);
    assert_int_equal(v, 12);
    expect_refused(money_parse_number, "1e", 9, -EINVAL);
    expect_refused(money_parse_number, "1e+", 9, -EINVAL);
    expect_refused(money_parse_number, "e5", 9, -EINVAL);
    expect_refused(money_parse_number, "1e5x", 9, -EINVAL);
    expect_refused(money_parse_number, "1e-10", 9, -ERANGE);
    expect_refused(money_parse_number, "1e99999999999999999999", 9, -ERANGE);
    expect_refused(money_parse_number, "1e-99999999999999999999", 9, -ERANGE);
}

static void expect_printed(int64_t nusd, const char *expected) {
    char text[MONEY_TEXT];
    assert_string_equal(money_print(text, nusd), expected);
}

static void amounts_are_printed_without_idle_zeros(void **state) {
    expect_printed(0, "0");
    expect_printed(1, "0.000000001");
    expect_printed(2000000, "0.002");
    expect_printed(100 * NUSD_PER_USD, "100");
    expect_printed(-500000000, "-0.5");
    expect_printed(INT64_MAX, "9223372036.854775807");
    expect_printed(INT64_MIN, "-9223372036.854775808");
}

static void expect_rounded(int64_t nusd, int decimals, const char *expected) {
    char text[MONEY_TEXT];
    assert_string_equal(money_print_rounded(text, nusd, decimals), expected);
}

static void rounding_is_half_up(void **state) {
    expect_rounded(5000000, 2, "0.01");
    expect_rounded(4999999, 2, "0.00");
    expect_rounded(999999999, 2, "1.00");
    expect_rounded(1234567890, 4, "1.2346");
    expect_rounded(500000000, 0, "1");
    expect_rounded(1, 9, "0.000000001");
    expect_rounded(-5000000, 2, "-0.01");
    expect_rounded(-1, 2, "0.00");
    expect_rounded(INT64_MIN, 0, "-9223372037");
}

static void what_was_printed_reads_back(void **state) {
    uint64_t seed = 1;
    for (int i = 0; i < 100000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        int64_t nusd = (int64_t)((seed >> 11) % (uint64_t)MONEY_MAX_NUSD) >> (seed % 40), back = -1;
        char text[MONEY_TEXT];
        assert_int_equal(money_parse(money_print(text, nusd), &back), 0);
        assert_true(back == nusd);
    }
}

static void small_sums_keep_the_places_that_show_them(void **state) {
    static const struct { int64_t nusd; const char *text; } cases[] = {
        { 0, "$0.00" }, { 12340000000, "$12.34" }, { 1005000000, "$1.01" }, { 999950000, "$1.0000" }, { 1200000, "$0.0012" }, { 80000, "$0.000080" },
        { 1, "$0.000000" }, { -1500000000, "-$1.50" }, { MONEY_MAX_NUSD, "$9000000" },
    };
    char out[MONEY_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(money_print_usd(out, cases[i].nusd), cases[i].text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_are_read_exactly),
        cmocka_unit_test(what_is_no_plain_decimal_is_refused),
        cmocka_unit_test(what_does_not_fit_is_refused_not_rounded),
        cmocka_unit_test(numbers_of_programs_may_have_exponents),
        cmocka_unit_test(amounts_are_printed_without_idle_zeros),
        cmocka_unit_test(rounding_is_half_up),
        cmocka_unit_test(what_was_printed_reads_back),
        cmocka_unit_test(small_sums_keep_the_places_that_show_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
