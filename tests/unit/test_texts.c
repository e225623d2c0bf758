#include <stdlib.h>
#include <string.h>
#include "services/texts.h"
#include "services/utf8.h"
#include "tests/unit/unit.h"

static struct buf out;

static const char *line(enum texts_lang lang, const char *name, const char *about, bool known) {
    buf_done(&out);
    buf_init(&out, 4096);
    assert_int_equal(texts_line(lang, name, about, &out), known);
    assert_true(utf8_valid(buf_cstr(&out), out.len));
    assert_true(out.len > 0);
    assert_true(utf8_units(buf_cstr(&out), out.len) <= (name && !strncmp(name, "help", 4) ? TEXTS_HELP_UNITS : TEXTS_MAX_UNITS));
    assert_null(strstr(buf_cstr(&out), "{}"));
    return buf_cstr(&out);
}

static void every_line_is_there_in_both_languages_and_short(void **state) {
    char about[2000];
    for (size_t i = 0; i + 1 < sizeof about; i++)
        about[i] = "длинно"[i % 12];
    about[sizeof about - 1] = 0;
    for (size_t i = 0; texts_name(i); i++)
        for (int lang = 0; lang < TEXTS_LANGS; lang++) {
            line(lang, texts_name(i), NULL, true);
            line(lang, texts_name(i), about, true);
        }
}

/* The names that ingest, llm, the scripts and alerts use. */
static void the_names_that_others_use_are_known(void **state) {
    static const char *const names[] = {
        "budget_day", "budget_month", "budget_all", "failed", "quota", "key", "refusal", "incomplete_length", "incomplete_filter",
        "empty", "too_long", "rejected", "late", "start", "help", "not_allowed", "lane_full", "nothing_to_stop", "forgotten",
        "alert_quota", "alert_key", "alert_model", "alert_dead", "alert_poll_conflict", "alert_telegram_token", "alert_unfit", "alert_disk",
        "stopped", "thinking", "downloading", "transcribing", "uploading", "drawing", "searching", "reading", "computing",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        line(TEXTS_EN, names[i], NULL, true);
}

static void an_unknown_name_still_gives_a_line(void **state) {
    char expected[400];
    strcpy(expected, line(TEXTS_EN, "unknown", NULL, true));
    assert_string_equal(line(TEXTS_EN, "no_such_line", "5", false), expected);
    assert_string_equal(line(TEXTS_EN, NULL, NULL, false), expected);
    assert_string_equal(line(TEXTS_EN, "", NULL, false), expected);
}

static void how_many_questions_were_dropped_is_said_only_when_there_were_some(void **state) {
    assert_string_equal(line(TEXTS_RU, "forgotten", "0", true), "Забыл. Начинаем с чистого листа.");
    assert_non_null(strstr(line(TEXTS_RU, "forgotten", "3", true), ": 3."));
    assert_non_null(strstr(line(TEXTS_EN, "forgotten", "3", true), ": 3."));
}

static void a_detail_cannot_break_the_line(void **state) {
    assert_string_equal(line(TEXTS_EN, "alert_dead", "a\nb\x01\xFF{", true),
                        "⚠️ A question was given up (a b \xEF\xBF\xBD{).");
}

static void languages_other_than_english_are_russian(void **state) {
    assert_int_equal(texts_lang("en"), TEXTS_EN);
    assert_int_equal(texts_lang("ru"), TEXTS_RU);
    assert_int_equal(texts_lang(""), TEXTS_RU);
    assert_int_equal(texts_lang(NULL), TEXTS_RU);
}

static int done(void **state) {
    buf_done(&out);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_there_in_both_languages_and_short),
        cmocka_unit_test(the_names_that_others_use_are_known),
        cmocka_unit_test(an_unknown_name_still_gives_a_line),
        cmocka_unit_test(how_many_questions_were_dropped_is_said_only_when_there_were_some),
        cmocka_unit_test(a_detail_cannot_break_the_line),
        cmocka_unit_test(languages_other_than_english_are_russian),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
