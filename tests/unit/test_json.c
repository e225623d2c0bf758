#include <string.h>
#include "proto/json.h"
#include "tests/unit/unit.h"

static cJSON *parse(const char *text) {
    return json_parse(text, strlen(text));
}

static void only_one_whole_text_is_read(void **state) {
    static const char *const good[] = { "{}", " {\"a\":1} \r\n\t", "[]", "1", "\"x\"", "null" };
    static const char *const bad[] = { "", " ", "{", "{}x", "{} {}", "{\"a\":}", "nul", "{}\x01", "[1,]", "\"" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CLEANUP(json_done) cJSON *o = parse(good[i]);
        assert_non_null(o);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(parse(bad[i]));
    assert_null(json_parse(NULL, 0));
    assert_null(json_parse("{}", 1));
}

static void a_text_need_not_end_with_nul(void **state) {
    CLEANUP(json_done) cJSON *o = json_parse("{\"a\":12}garbage", 8);
    int64_t a;
    assert_true(json_get_i64(o, "a", &a));
    assert_int_equal(a, 12);
}

static void integers_are_exact_or_refused(void **state) {
    CLEANUP(json_done) cJSON *o = parse("{\"id\":4503599627370495,\"low\":-9007199254740991,\"big\":9007199254740993,\"half\":1.5,"
                                        "\"text\":\"7\",\"huge\":1e300,\"inf\":1e999,\"zero\":0,\"neg\":-1001234567890}");
    int64_t value = 99;
    assert_true(json_get_i64(o, "id", &value));
    assert_int_equal(value, 4503599627370495);
    assert_true(json_get_i64(o, "low", &value));
    assert_int_equal(value, -9007199254740991);
    assert_true(json_get_i64(o, "neg", &value));
    assert_int_equal(value, -1001234567890);
    assert_true(json_get_i64(o, "zero", &value));
    value = 99;
    static const char *const refused[] = { "big", "half", "text", "huge", "inf", "missing" };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_false(json_get_i64(o, refused[i], &value));
    assert_int_equal(value, 99);
}

static void what_has_another_type_is_not_there(void **state) {
    CLEANUP(json_done) cJSON *o = parse("{\"s\":\"x\",\"n\":null,\"o\":{\"a\":[1]},\"b\":true}");
    bool b = false;
    int64_t i;
    assert_string_equal(json_get_str(o, "s"), "x");
    assert_null(json_get_str(o, "n"));
    assert_null(json_get_str(o, "S"));
    assert_null(json_get_obj(o, "s"));
    assert_null(json_get_arr(o, "o"));
    assert_non_null(json_get_arr(json_get_obj(o, "o"), "a"));
    assert_true(json_get_bool(o, "b", &b) && b);
    assert_false(json_get_bool(o, "s", &b));
    assert_null(json_get_str(NULL, "s"));
    assert_null(json_get_obj(json_get_arr(json_get_obj(o, "o"), "a"), "x"));
    assert_false(json_get_i64(NULL, "s", &i));
}

static void a_nul_or_half_a_pair_becomes_the_replacement_character(void **state) {
    static const struct { const char *text, *want; } cases[] = {
        { "[\"a\\u0000b\"]", "a\uFFFDb" },
        { "[\"a\\ud83db\"]", "a\uFFFDb" },
        { "[\"a\\ude00b\"]", "a\uFFFDb" },
        { "[\"\\ud83d\"]", "\uFFFD" },
        { "[\"\\uD83D\\uDE00\"]", "\U0001F600" },
        { "[\"\\ud83d\\ud83d\\ude00\"]", "\uFFFD\U0001F600" },
        { "[\"\\\\ud83d\"]", "\\ud83d" },
        { "[\"\\\\\\u0000\"]", "\\\uFFFD" },
        { "[\"\\n\\u00e4\"]", "\nä" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEANUP(json_done) cJSON *o = parse(cases[i].text);
        assert_non_null(o);
        assert_string_equal(cJSON_GetStringValue(cJSON_GetArrayItem(o, 0)), cases[i].want);
    }
    assert_null(parse("[\"\\u12\"]"));
    assert_null(parse("[\"\\ud83d\\u\"]"));
    assert_null(parse("[\"\\"));
}

static void ids_are_written_as_integers(void **state) {
    CLEANUP(json_done) cJSON *o = cJSON_CreateObject();
    assert_true(json_put_i64(o, "chat_id", -1000000000000000));
    assert_true(json_put_i64(o, "max", INT64_MAX));
    assert_true(json_put_str(o, "text", "a\"b\n"));
    assert_true(json_put_bool(o, "yes", true));
    assert_false(json_put_str(o, "none", NULL));
    assert_false(json_put_i64(NULL, "x", 1));
    CLEANUP(text_done) char *text = json_take_text(o);
    assert_string_equal(text, "{\"chat_id\":-1000000000000000,\"max\":9223372036854775807,\"text\":\"a\\\"b\\n\",\"yes\":true}");
}

static void deep_nesting_is_refused_not_followed(void **state) {
    static char deep[200000];
    memset(deep, '[', sizeof deep);
    assert_null(json_parse(deep, sizeof deep));
}

static void a_stolen_text_is_not_cleaned(void **state) {
    CLEANUP(text_done) char *text = strdup("x");
    char *kept = steal(&text);
    assert_null(text);
    assert_string_equal(kept, "x");
    free(kept);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_one_whole_text_is_read),
        cmocka_unit_test(a_text_need_not_end_with_nul),
        cmocka_unit_test(integers_are_exact_or_refused),
        cmocka_unit_test(what_has_another_type_is_not_there),
        cmocka_unit_test(a_nul_or_half_a_pair_becomes_the_replacement_character),
        cmocka_unit_test(ids_are_written_as_integers),
        cmocka_unit_test(deep_nesting_is_refused_not_followed),
        cmocka_unit_test(a_stolen_text_is_not_cleaned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
