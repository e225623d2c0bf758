#include <stdlib.h>
#include <string.h>
#include "services/utf8.h"
#include "tests/unit/unit.h"

#define FAMILY "👨‍👩‍👧‍👦" /* one grapheme, 11 units, 25 bytes */
#define FLAG "🇩🇪"       /* one grapheme, 4 units */

static void valid_means_valid(void **state) {
    static const char *const bad[] = { "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "a\x80", "\xf0\x9f\x98" };
    assert_true(utf8_valid("", 0));
    assert_true(utf8_valid("héllo 😀", strlen("héllo 😀")));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(utf8_valid(bad[i], strlen(bad[i])));
}

static void cleaned_text_is_valid_and_otherwise_the_same(void **state) {
    static const struct { const char *in; size_t len; const char *want; } cases[] = {
        { "", 0, "" }, { "ok 😀", 7, "ok 😀" }, { "a\0b", 3, "ab" }, { "\xff", 1, "\uFFFD" }, { "x\xe2\x82", 3, "x\uFFFD" },
        { "\xc3\xa4\x80z", 4, "ä\uFFFDz" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len;
        char *clean = utf8_clean(cases[i].in, cases[i].len, &len);
        assert_string_equal(clean, cases[i].want);
        assert_int_equal(len, strlen(cases[i].want));
        free(clean);
    }
    char *clean = utf8_clean("\xed\xa0\x80", 3, NULL);
    assert_true(utf8_valid(clean, strlen(clean)));
    free(clean);
}

static void units_are_utf16(void **state) {
    assert_int_equal(utf8_units("", 0), 0);
    assert_int_equal(utf8_units("aä€", 6), 3);
    assert_int_equal(utf8_units("😀", 4), 2);
    assert_int_equal(utf8_units(FAMILY, strlen(FAMILY)), 11);
}

static void a_front_never_ends_inside_a_grapheme(void **state) {
    const char *text = "ab" FAMILY "c";
    size_t len = strlen(text);
    for (size_t max = 2; max < 13; max++)
        assert_int_equal(utf8_fit(text, len, max), 2);
    assert_int_equal(utf8_fit(text, len, 13), len - 1);
    assert_int_equal(utf8_fit(text, len, 14), len);
    assert_int_equal(utf8_fit(text, len, SIZE_MAX), len);
    assert_int_equal(utf8_fit(FLAG FLAG FLAG, 24, 7), 8);
    assert_int_equal(utf8_fit(FLAG FLAG FLAG, 24, 8), 16);
    assert_int_equal(utf8_fit("e\u0301e\u0301", 6, 3), 3);
    assert_int_equal(utf8_fit("\r\nx", 3, 1), 1);
    assert_int_equal(utf8_fit("", 0, 5), 0);
}

static void an_offset_of_telegrams_is_a_place_in_bytes(void **state) {
    static const char text[] = "\U0001F44B я x"; /* 2 units, blank, 1 unit, blank, 1 unit */
    static const size_t places[] = { 0, 0, 4, 5, 7, 8, 9, 9 };
    for (size_t units = 0; units < sizeof places / sizeof *places; units++)
        assert_int_equal(utf8_front(text, sizeof text - 1, units), places[units]);
    assert_int_equal(utf8_front(text, sizeof text - 1, SIZE_MAX), sizeof text - 1);
}

static void a_grapheme_larger_than_the_front_is_cut_between_code_points(void **state) {
    size_t cut = utf8_fit(FAMILY, strlen(FAMILY), 4);
    assert_true(cut > 0 && utf8_valid(FAMILY, cut) && utf8_units(FAMILY, cut) <= 4);
    assert_int_equal(utf8_fit("😀😀", 8, 1), 4);
    assert_int_equal(utf8_fit("ab", 2, 0), 1);
}

static void bytes_are_cut_between_code_points(void **state) {
    assert_int_equal(utf8_cut_bytes("a😀", 5, 5), 5);
    assert_int_equal(utf8_cut_bytes("a😀", 5, 4), 1);
    assert_int_equal(utf8_cut_bytes("a😀", 5, 2), 1);
    assert_int_equal(utf8_cut_bytes("a😀", 5, 0), 0);
    assert_int_equal(utf8_cut_bytes("äb", 3, 1), 0);
}

static void the_tail_is_what_may_still_become_a_character(void **state) {
    assert_int_equal(utf8_tail("a😀", 5), 0);
    assert_int_equal(utf8_tail("a😀", 4), 3);
    assert_int_equal(utf8_tail("a😀", 3), 2);
    assert_int_equal(utf8_tail("a😀", 2), 1);
    assert_int_equal(utf8_tail("a😀", 1), 0);
    assert_int_equal(utf8_tail("", 0), 0);
    assert_int_equal(utf8_tail("\xff", 1), 0);
    assert_int_equal(utf8_tail("\x80\x80", 2), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offset_of_telegrams_is_a_place_in_bytes),
        cmocka_unit_test(valid_means_valid),
        cmocka_unit_test(cleaned_text_is_valid_and_otherwise_the_same),
        cmocka_unit_test(units_are_utf16),
        cmocka_unit_test(a_front_never_ends_inside_a_grapheme),
        cmocka_unit_test(a_grapheme_larger_than_the_front_is_cut_between_code_points),
        cmocka_unit_test(bytes_are_cut_between_code_points),
        cmocka_unit_test(the_tail_is_what_may_still_become_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
