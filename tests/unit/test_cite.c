/* Sources of an answer: numbers in the text, a list under it, and nothing lost whatever the notes say. */
#include "llm/cite.h"
#include "llm/marks.h"
#include "proto/cleanup.h"
#include "proto/json.h"
#include "services/utf8.h"
#include "unit.h"
#include <stdio.h>
#include <string.h>

#define A "https://a.example/x"
#define B "https://b.example/y?z=1"

static struct cites cites;
static char shown[4000], listed[4000];

static void cite(const char *text, const char *notes) {
    cites_done(&cites);
    CLEANUP(json_done) cJSON *list = json_parse(notes, strlen(notes));
    assert_non_null(list);
    struct buf out;
    buf_init(&out, sizeof shown - 1);
    cites_add_part(&cites, text, list, &out);
    (void)snprintf(shown, sizeof shown, "%s", buf_cstr(&out));
    buf_done(&out);
    CLEANUP(text_done) char *lines = cites_list(&cites);
    (void)snprintf(listed, sizeof listed, "%s", lines);
}

static const char *note(const char *url, const char *title, int start, int end) {
    static char notes[4][600];
    static int n;
    char *to = notes[n++ % 4];
    (void)snprintf(to, sizeof notes[0], "{\"type\":\"url_citation\",\"url\":\"%s\",\"title\":\"%s\",\"start_index\":%d,\"end_index\":%d}", url, title, start, end);
    return to;
}

static void cite_one(const char *text, const char *one) {
    char notes[700];
    (void)snprintf(notes, sizeof notes, "[%s]", one);
    cite(text, notes);
}

static void cite_two(const char *text, const char *one, const char *other) {
    char notes[1300];
    (void)snprintf(notes, sizeof notes, "[%s,%s]", one, other);
    cite(text, notes);
}

static void a_link_becomes_a_number_and_a_line(void **state) {
    (void)state;
    cite_one("New. ([a.example](" A "?utm_source=openai)) More.", note(A "?utm_source=openai", "The page", 5, 56));
    assert_string_equal(shown, "New. [[1](" A ")] More.");
    assert_string_equal(listed, "1. [The page](" A ")\n");
}

static void characters_are_counted_not_bytes(void **state) {
    (void)state;
    cite_one("Да 😀 ([a](" A "))", note(A, "T", 5, 31));
    assert_string_equal(shown, "Да 😀 [[1](" A ")]");
    cite_one("Да 😀 ([a](" A "))", note(A, "T", 6, 32));       /* a server that counts UTF-16 units */
    assert_string_equal(shown, "Да 😀 [[1](" A ")]");
}

static void one_page_is_one_source(void **state) {
    (void)state;
    const char *text = "([a](" A ")) and ([a](" A "))";
    cite_two(text, note(A, "T", 0, 26), note(A, "T", 31, 57));
    assert_string_equal(shown, "[[1](" A ")] and [[1](" A ")]");
    assert_string_equal(listed, "1. [T](" A ")\n");
}

static void two_sources_of_one_place_stand_side_by_side(void **state) {
    (void)state;
    cite_two("It is so. Yes", note(A, "T", 0, 8), note(B, "U", 0, 8));
    assert_string_equal(shown, "It is so [[1](" A ")][[2](" B ")]. Yes");
    assert_string_equal(listed, "1. [T](" A ")\n2. [U](" B ")\n");
}

static void a_mark_becomes_its_number(void **state) {
    (void)state;
    cite_one("Yes.\uE200cite\uE202turn0search0\uE201 No.", note(A, "T", 4, 23));
    assert_string_equal(shown, "Yes.[[1](" A ")] No.");
    cite("Yes.\uE200cite\uE202turn0search0\uE201 No【4:0†source】.", "[]");
    assert_string_equal(shown, "Yes. No.");
}

static void a_wrong_place_only_costs_the_number(void **state) {
    (void)state;
    static const int places[][2] = {{-1, 4}, {4, 2}, {3, 3}, {0, 1000}, {0, 2}, {2000000000, 2000000001}, {0, 5}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        cite_one("Hello world", note(A, "T", places[i][0], places[i][1]));
        assert_string_equal(shown, i < 6 ? "Hello world" : "Hello [[1](" A ")] world");
        assert_string_equal(listed, "1. [T](" A ")\n");
    }
    cite("Hello", "[{\"type\":\"url_citation\",\"url\":\"" A "\"},{\"type\":\"url_citation\",\"url\":7},{},null,3]");
    assert_string_equal(shown, "Hello");
    assert_string_equal(listed, "1. [a.example](" A ")\n");
}

static void nothing_is_put_into_code_or_into_an_address(void **state) {
    (void)state;
    cite_one("`a b` c", note(A, "T", 0, 2));
    assert_string_equal(shown, "`a b` c");
    cite_one("see [x](http://h/a. b) c", note(A, "T", 0, 18));
    assert_string_equal(shown, "see [x](http://h/a. b) c");
}

static void a_link_to_elsewhere_is_left_alone(void **state) {
    (void)state;
    cite_one("([b](" B "))", note(A, "T", 0, 30));
    assert_non_null(strstr(shown, "([b](" B "))"));
}

static void places_that_overlap_lose_no_text(void **state) {
    (void)state;
    cite_two("([a](" A ")) end", note(A, "T", 0, 26), note(B, "U", 0, 30));
    assert_string_equal(shown, "[[1](" A ")] end [[2](" B ")]");
    assert_string_equal(listed, "1. [T](" A ")\n2. [U](" B ")\n");
}

static void titles_and_addresses_break_nothing(void **state) {
    (void)state;
    cite_one("x", note("https://h/a b(c)<d>", "[a](b) *c* _d_ \\n $e$ & <i>", 0, 1));
    assert_string_equal(listed, "1. [(a)(b) \\*c\\* \\_d\\_   ＄e＄ &amp; ‹i›](https://h/a%20b%28c%29%3Cd%3E)\n");
    cite_one("x", note("javascript:alert(1)", "T", 0, 1));
    assert_string_equal(listed, "");
    assert_string_equal(shown, "x");
}

static void there_are_ten_at_most(void **state) {
    (void)state;
    char notes[4000] = "[";
    for (int i = 0; i < 15; i++)
        (void)sprintf(notes + strlen(notes), "%s{\"type\":\"url_citation\",\"url\":\"https://h/%d\",\"title\":\"T\"}", i ? "," : "", i);
    strcat(notes, "]");
    cite("x", notes);
    assert_int_equal(cites.count, SOURCES_MOST);
}

static void files_are_listed_by_their_names(void **state) {
    (void)state;
    cite("In it.【1†book.pdf】", "[{\"type\":\"file_citation\",\"file_id\":\"file-1\",\"filename\":\"my_book.pdf\",\"index\":6},"
                              "{\"type\":\"file_citation\",\"file_id\":\"file-1\",\"filename\":\"my_book.pdf\",\"index\":6},{\"type\":\"file_citation\"}]");
    assert_string_equal(shown, "In it.");
    assert_string_equal(listed, "1. my\\_book.pdf\n");
}

static void what_code_has_made_is_kept_by_its_ids(void **state) {
    (void)state;
    cite("Done", "[{\"type\":\"container_file_citation\",\"container_id\":\"cntr_1\",\"file_id\":\"cfile_1\",\"filename\":\"/mnt/data/a b.png\"},"
                 "{\"type\":\"container_file_citation\",\"container_id\":\"cntr_1\",\"file_id\":\"cfile_1\",\"filename\":\"again.png\"},"
                 "{\"type\":\"container_file_citation\",\"container_id\":\"cntr_1\",\"file_id\":\"../x\",\"filename\":\"no.png\"},"
                 "{\"type\":\"container_file_citation\",\"container_id\":\"cntr_1\",\"file_id\":\"cfile_2\",\"filename\":\"..\\n/\"}]");
    assert_int_equal(cites.made_count, 2);
    assert_string_equal(cites.made[0].name, "a b.png");
    assert_string_equal(cites.made[1].name, "file");
    assert_string_equal(listed, "");
}

static void marks_are_taken_out_of_a_text_in_pieces(void **state) {
    (void)state;
    static const char text[] = "One.\uE200cite\uE202turn0\uE201 Two【4:0†a】【b】 \uE200open\n3";
    for (size_t step = 1; step < sizeof text; step++) {
        struct buf out;
        struct marks m = {0};
        buf_init(&out, 1000);
        for (size_t at = 0, to; at < sizeof text - 1; at = to) {
            to = at + step < sizeof text - 1 ? at + step : sizeof text - 1;
            while (((unsigned char)text[to] & 0xC0) == 0x80)
                to++;
            assert_true(marks_feed(&m, text + at, to - at, &out));
        }
        assert_true(marks_end(&m, &out));
        assert_string_equal(buf_cstr(&out), "One. Two【b】 open\n3");
        buf_done(&out);
    }
}

static int leave(void **state) {
    (void)state;
    cites_done(&cites);
    return 0;
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_becomes_a_number_and_a_line),
        cmocka_unit_test(characters_are_counted_not_bytes),
        cmocka_unit_test(one_page_is_one_source),
        cmocka_unit_test(two_sources_of_one_place_stand_side_by_side),
        cmocka_unit_test(a_mark_becomes_its_number),
        cmocka_unit_test(a_wrong_place_only_costs_the_number),
        cmocka_unit_test(nothing_is_put_into_code_or_into_an_address),
        cmocka_unit_test(a_link_to_elsewhere_is_left_alone),
        cmocka_unit_test(places_that_overlap_lose_no_text),
        cmocka_unit_test(titles_and_addresses_break_nothing),
        cmocka_unit_test(there_are_ten_at_most),
        cmocka_unit_test(files_are_listed_by_their_names),
        cmocka_unit_test(what_code_has_made_is_kept_by_its_ids),
        cmocka_unit_test(marks_are_taken_out_of_a_text_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, leave);
}
