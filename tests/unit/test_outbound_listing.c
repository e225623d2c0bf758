#include <stdlib.h>
#include <string.h>
#include "outbound/listing.h"
#include "services/clock.h"
#include "services/utf8.h"
#include "tests/unit/unit.h"

enum { NOW_S = 1795000000 };

static int at_a_moment(void **state) {
    clock_set((int64_t)NOW_S * SECOND, 0);
    return 0;
}

static int any_time(void **state) {
    clock_unset();
    return 0;
}

/* What is said of one file. */
static const char *said(const char *item, enum texts_lang lang) {
    static char text[2000];
    struct field field = {.name = "item:0", .value = item, .value_len = strlen(item)};
    struct fields job = {.count = 1, .list = &field};
    struct buf out;
    buf_init(&out, sizeof text);
    free(listing_add(&job, lang, &out));
    strcpy(text, buf_cstr(&out));
    buf_done(&out);
    return text;
}

static void a_file_has_a_name_a_size_and_an_age(void **state) {
    assert_string_equal(said("0a1b2c 1794999940000 999 Отчёт за год.pdf", TEXTS_RU), "\n1. Отчёт за год.pdf, 1 КБ, 1 мин. назад");
    assert_string_equal(said("0a1b2c 1794999999000 2449999 a", TEXTS_RU), "\n1. a, 2,4 МБ, только что");
    assert_string_equal(said("0a1b2c 1794992800000 2450000 a", TEXTS_EN), "\n1. a, 2.5 MB, 2 h ago");
    assert_string_equal(said("0a1b2c 1794000000000 999999 a", TEXTS_EN), "\n1. a, 1000 kB, 11 d ago");
    assert_string_equal(said("0a1b2c 1999000000000 1 a", TEXTS_EN), "\n1. a, 1 kB, just now"); /* clocks differ */
}

static void what_makes_no_sense_is_not_listed(void **state) {
    assert_string_equal(said("", TEXTS_EN), "");
    assert_string_equal(said("zz 1 2 name", TEXTS_EN), "");
    assert_string_equal(said("0a1b2c 1 name", TEXTS_EN), "");
}

static void twenty_long_names_fit_into_a_message(void **state) {
    struct field list[LISTING_MOST + 5];
    char names[LISTING_MOST + 5][16], item[700] = "0123456789ab 1794000000000 999999999 ";
    for (size_t at = strlen(item); at < 600; at += 4)
        strcpy(item + at, "👋");
    for (int i = 0; i < LISTING_MOST + 5; i++) {
        snprintf(names[i], sizeof names[i], "item:%d", i);
        list[i] = (struct field){.name = names[i], .value = item, .value_len = strlen(item)};
    }
    struct fields job = {.count = LISTING_MOST + 5, .list = list};
    struct buf out;
    buf_init(&out, 16384);
    char *tags = listing_add(&job, TEXTS_RU, &out);
    assert_in_range(utf8_units(out.data, out.len), 1000, 3700);
    assert_true(utf8_valid(out.data, out.len));
    assert_int_equal(strlen(tags), LISTING_MOST * 13 - 1);
    free(tags);
    buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_has_a_name_a_size_and_an_age),
        cmocka_unit_test(what_makes_no_sense_is_not_listed),
        cmocka_unit_test(twenty_long_names_fit_into_a_message),
    };
    return cmocka_run_group_tests(tests, at_a_moment, any_time);
}
