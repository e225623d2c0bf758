#include <stdlib.h>
#include <string.h>
#include "media/words.h"
#include "services/utf8.h"
#include "tests/unit/unit.h"

static const char *name(const char *claimed) {
    static char out[NAME_MAX_BYTES];
    words_file_name(claimed, "file", "", "pdf", out);
    assert_true(utf8_valid(out, strlen(out)));
    return out;
}

static void names_are_clean(void **state) {
    assert_string_equal(name("report.pdf"), "report.pdf");
    assert_string_equal(name("report.docx"), "report.pdf");
    assert_string_equal(name("Отчёт за май.pdf"), "Отчёт за май.pdf");
    assert_string_equal(name("../../etc/passwd"), "passwd.pdf");
    assert_string_equal(name("C:\\temp\\a.b.txt"), "a.b.pdf");
    assert_string_equal(name("a\"b\r\nc\x01.pdf"), "abc.pdf");
    assert_string_equal(name("..."), "file.pdf");
    assert_string_equal(name(".hidden"), "hidden.pdf");
    assert_string_equal(name(""), "file.pdf");
    assert_string_equal(name(NULL), "file.pdf");
    assert_string_equal(name("\xff\xfe"), "\xEF\xBF\xBD\xEF\xBF\xBD.pdf");
}

static void long_names_are_cut_between_characters(void **state) {
    char longer[1000] = "";
    for (int i = 0; i < 200; i++)
        strcat(longer, "ы");
    assert_true(strlen(name(longer)) <= 104);
    char out[NAME_MAX_BYTES], tag[12];
    words_tag("824-1764000000000", 3, tag);
    words_file_name(longer, "file", tag, "docx", out);
    assert_true(utf8_valid(out, strlen(out)));
    assert_string_equal(out + strlen(out) - 16, strcat(strcat((char[40]){"-"}, tag), ".docx"));
}

static void tags_differ(void **state) {
    char a[12], b[12], again[12];
    words_tag("1-1764000000000", 0, a);
    words_tag("1-1764000000000", 1, b);
    assert_string_not_equal(a, b);
    words_tag("1-1764000000001", 0, b);
    assert_string_not_equal(a, b);
    words_tag("1-1764000000000", 0, again);
    assert_string_equal(a, again);
    assert_int_equal(strlen(a), 10);
}

static struct buf out;

static const char *heard(enum texts_lang lang, const char *text) {
    buf_done(&out);
    buf_init(&out, 100000);
    words_heard(lang, text, &out);
    return buf_cstr(&out);
}

static void a_short_transcript_is_one_line(void **state) {
    assert_string_equal(heard(TEXTS_RU, "Какая погода?"), "Вы сказали: «Какая погода?»\n\n");
    assert_string_equal(heard(TEXTS_EN, "one\ntwo"), "You said: «one two»\n\n");
    assert_string_equal(heard(TEXTS_EN, "2*3_4"), "You said: «2\\*3\\_4»\n\n");
}

static void a_long_transcript_is_a_quote(void **state) {
    char text[2000] = "";
    for (int i = 0; i < 120; i++)
        strcat(text, i == 60 ? "\n\nnext " : "word ");
    const char *quote = heard(TEXTS_EN, text);
    assert_memory_equal(quote, "> You said: «word ", 19);
    assert_non_null(strstr(quote, "word  next "));
    assert_string_equal(quote + strlen(quote) - 5, " »\n\n");
    buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_clean),
        cmocka_unit_test(long_names_are_cut_between_characters),
        cmocka_unit_test(tags_differ),
        cmocka_unit_test(a_short_transcript_is_one_line),
        cmocka_unit_test(a_long_transcript_is_a_quote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
