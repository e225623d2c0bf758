#include <stdlib.h>
#include <string.h>
#include "outbound/entities.h"
#include "outbound/parts.h"
#include "proto/cleanup.h"
#include "services/buf.h"
#include "services/utf8.h"
#include "tests/unit/unit.h"

static void render(struct parts *p, const char *raw) {
    parts_render(p, raw, strlen(raw), false, "");
}

static void assert_sound(const struct parts *p) {
    for (size_t i = 0; i < p->count; i++) {
        const struct part *part = &p->list[i];
        assert_int_equal(part->len, strlen(part->text));
        assert_int_equal(part->units, utf8_units(part->text, part->len));
        assert_true(part->units <= MESSAGE_MAX_UNITS && part->count <= MESSAGE_MAX_ENTITIES);
        assert_null(entities_fault(part->entities, part->count, part->text, part->len));
    }
}

static void markdown_is_shown_and_what_has_no_ink_is_nothing(void **state) {
    CLEANUP(parts_done) struct parts p = {0};
    render(&p, " \n**Hello**, world ");
    assert_int_equal(p.count, 1);
    assert_string_equal(p.list[0].text, "Hello, world");
    assert_int_equal(p.list[0].count, 1);
    assert_int_equal(p.list[0].entities[0].type, ENTITY_BOLD);
    render(&p, " \n\xE2\x80\x8B");
    assert_int_equal(p.count, 0);
    render(&p, "");
    assert_int_equal(p.count, 0);
}

static void half_a_character_at_the_end_waits_for_the_rest(void **state) {
    CLEANUP(parts_done) struct parts p = {0};
    parts_render(&p, "a\xF0\x9F\x98", 4, true, "");
    assert_string_equal(p.list[0].text, "a");
}

static void a_line_above_moves_what_is_bold_and_is_no_markdown(void **state) {
    CLEANUP(parts_done) struct parts p = {0};
    parts_render(&p, "**Hello**", 9, false, "🙂 *Late*");
    assert_string_equal(p.list[0].text, "🙂 *Late*\n\nHello");
    assert_int_equal(p.list[0].count, 1);
    assert_int_equal(p.list[0].entities[0].offset, 11);
    assert_int_equal(p.list[0].entities[0].length, 5);
    assert_sound(&p);
}

static void a_line_below_is_no_markdown(void **state) {
    CLEANUP(parts_done) struct parts p = {0};
    render(&p, "**Hello**");
    parts_add_line(&p, "a_b_c *x*\x01", 10);
    assert_int_equal(p.count, 1);
    assert_string_equal(p.list[0].text, "Hello\n\na_b_c *x*");
    assert_int_equal(p.list[0].count, 1);
    assert_sound(&p);
}

/* `a` units of answer, a line of ten. */
static size_t parts_of(size_t a) {
    CLEANUP(parts_done) struct parts p = {0};
    CLEANUP(text_done) char *text = malloc(a + 1);
    memset(text, 'x', a);
    text[a] = 0;
    render(&p, text);
    parts_add_line(&p, "0123456789", 10);
    assert_sound(&p);
    assert_true(utf8_units(p.list[p.count - 1].text, p.list[p.count - 1].len) <= MESSAGE_MAX_UNITS);
    return p.count;
}

static void a_line_that_does_not_fit_below_is_a_message_of_its_own(void **state) {
    assert_int_equal(parts_of(4096 - 12), 1);
    assert_int_equal(parts_of(4096 - 11), 2);
    assert_int_equal(parts_of(4096), 2);
}

static void a_line_alone_may_fill_several_messages(void **state) {
    CLEANUP(parts_done) struct parts p = {0};
    CLEANUP(buf_done) struct buf line;
    buf_init(&line, 20000);
    for (int i = 0; i < 1000; i++)
        (void)buf_add_str(&line, "name_of_it\n");
    render(&p, "");
    parts_add_line(&p, buf_cstr(&line), line.len);
    assert_true(p.count >= 3);
    assert_sound(&p);
}

static void what_is_kept_is_marked_below(void **state) {
    CLEANUP(parts_done) struct parts p = {0};
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 40000);
    for (int i = 0; i < 3000; i++)
        (void)buf_add_str(&text, "**word** ");
    render(&p, buf_cstr(&text));
    size_t all = p.count;
    assert_true(all > 5);
    parts_keep(&p, 2);
    parts_add_line(&p, "Stopped.", 8);
    assert_int_equal(p.count, 2);
    assert_non_null(strstr(p.list[1].text, "\n\nStopped."));
    parts_keep(&p, 9);
    assert_int_equal(p.count, 2);
    parts_keep(&p, 0);
    parts_add_line(&p, "Stopped.", 8);
    assert_int_equal(p.count, 1);
    assert_string_equal(p.list[0].text, "Stopped.");
    assert_sound(&p);
}

static void the_mark_of_a_growing_text_is_not_bold(void **state) {
    CLEANUP(parts_done) struct parts p = {0};
    parts_render(&p, "so **bold", 9, true, "");
    parts_add_mark(&p, " …");
    assert_string_equal(p.list[0].text, "so bold …");
    assert_int_equal(p.list[0].entities[0].offset + p.list[0].entities[0].length, 7);
    assert_sound(&p);
}

/* However the text comes, a part that is not the last one stays as it was: it was shown, and is not edited again. */
static void full_parts_of_a_growing_text_do_not_change(void **state) {
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 100000);
    for (int i = 0; i < 1600; i++) {
        (void)buf_add_str(&text, i % 7 == 3 ? "**bold** " : i % 11 == 5 ? "`code` " : i % 50 == 49 ? "end.\n\n" : "слово ");
        if (i % 400 == 200)
            (void)buf_add_str(&text, "\n\n```c\nint x;\n```\n\n");
    }
    CLEANUP(parts_done) struct parts whole = {0};
    parts_render(&whole, text.data, text.len, false, "");
    assert_true(whole.count > 2);
    for (size_t cut = 1; cut < text.len; cut += 41) {
        CLEANUP(parts_done) struct parts p = {0};
        parts_render(&p, text.data, cut, true, "");
        for (size_t i = 0; i + 1 < p.count; i++)
            assert_int_equal(p.list[i].hash, whole.list[i].hash);
    }
}

static void what_looks_different_is_known_by_its_hash(void **state) {
    CLEANUP(parts_done) struct parts a = {0}, b = {0};
    render(&a, "one **two**");
    render(&b, "one *two*");
    assert_string_equal(a.list[0].text, b.list[0].text);
    assert_int_not_equal(a.list[0].hash, b.list[0].hash);
    assert_int_not_equal(a.list[0].hash, part_plain("one two").hash);
    render(&a, "[x](https://a.org)");
    render(&b, "[x](https://b.org)");
    assert_int_not_equal(a.list[0].hash, b.list[0].hash);
    render(&b, "[x](https://a.org)");
    assert_int_equal(a.list[0].hash, b.list[0].hash);
    render(&a, "plain");
    assert_int_equal(a.list[0].hash, part_plain("plain").hash);
}

static void a_part_without_ink_is_no_part(void **state) {
    assert_true(parts_blank(" \n\xE2\x80\x8B\xE2\xA0\x80\xEF\xBB\xBF", 11));
    assert_true(parts_blank("", 0));
    assert_false(parts_blank("\xE2\x80\x8B.", 4));
    assert_false(parts_blank("🙂", 4));
}

static bool is_link(const char *raw) {
    CLEANUP(parts_done) struct parts p = {0};
    render(&p, raw);
    return part_is_link(&p.list[0]);
}

static void one_link_and_nothing_else_is_known(void **state) {
    assert_true(is_link("https://example.org/a_b?c=(d)"));
    assert_true(is_link("[a page](https://example.org)"));
    assert_false(is_link("[a page](https://example.org)."));
    assert_false(is_link("**a page**"));
    assert_false(is_link("https://example.org https://example.com"));
    assert_false(is_link("`https://example.org`"));
}

static void a_file_is_the_last_part_with_its_caption(void **state) {
    CLEANUP(parts_done) struct parts p = {0};
    render(&p, "**Hello**");
    parts_add_file(&p, "All of it");
    assert_int_equal(p.count, 2);
    assert_true(p.list[1].is_file && !p.list[0].is_file);
    assert_string_equal(p.list[1].text, "All of it");
    assert_sound(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markdown_is_shown_and_what_has_no_ink_is_nothing),
        cmocka_unit_test(half_a_character_at_the_end_waits_for_the_rest),
        cmocka_unit_test(a_line_above_moves_what_is_bold_and_is_no_markdown),
        cmocka_unit_test(a_line_below_is_no_markdown),
        cmocka_unit_test(a_line_that_does_not_fit_below_is_a_message_of_its_own),
        cmocka_unit_test(a_line_alone_may_fill_several_messages),
        cmocka_unit_test(what_is_kept_is_marked_below),
        cmocka_unit_test(the_mark_of_a_growing_text_is_not_bold),
        cmocka_unit_test(full_parts_of_a_growing_text_do_not_change),
        cmocka_unit_test(what_looks_different_is_known_by_its_hash),
        cmocka_unit_test(a_part_without_ink_is_no_part),
        cmocka_unit_test(one_link_and_nothing_else_is_known),
        cmocka_unit_test(a_file_is_the_last_part_with_its_caption),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
