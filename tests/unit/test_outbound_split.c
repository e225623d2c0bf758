#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "outbound/entities.h"
#include "outbound/markdown.h"
#include "outbound/split.h"
#include "proto/cleanup.h"
#include "services/buf.h"
#include "services/utf8.h"
#include "tests/unit/golden.h"
#include "tests/unit/unit.h"

static void render(const char *raw, size_t len, bool growing, struct rendered *r) {
    struct markdown_options options = {.growing = growing};
    markdown_render(raw, len, &options, r);
}

static bool is_white(char c) {
    return c == ' ' || c == '\n';
}

/* The pieces joined are the whole, white space between them aside; each is a message. */
static void check_pieces(const struct rendered *r, const struct pieces *p, size_t max_units, size_t max_entities) {
    size_t at = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct piece *piece = &p->list[i];
        const char *fault = entities_fault(piece->entities, piece->count, piece->text, piece->len);
        if (fault)
            fail_msg("%s, in: %s", fault, piece->text);
        assert_true(piece->units <= max_units);
        assert_true(piece->count <= max_entities);
        assert_int_equal(piece->units, utf8_units(piece->text, piece->len));
        assert_true(utf8_valid(piece->text, piece->len));
        while (r->len - at < piece->len || memcmp(r->text + at, piece->text, piece->len) != 0) {
            assert_true(at < r->len && is_white(r->text[at]));
            at++;
        }
        at += piece->len;
    }
    for (; at < r->len; at++)
        assert_true(is_white(r->text[at]));
}

/* A long answer of the cases' whole texts, another one for each seed. */
static char *some_answer(const struct goldens *g, unsigned seed, size_t max, size_t *ret_len) {
    struct buf b;
    buf_init(&b, max + 8192);
    while (b.len < max) {
        seed = seed * 1103515245u + 12345u;
        const struct golden *c = &g->list[(seed >> 16) % g->count];
        if (c->growing || strstr(c->title, "reference") || strstr(c->title, "fence"))
            continue;
        (void)buf_add_str(&b, c->source);
        (void)buf_add_str(&b, "\n\n");
    }
    *ret_len = b.len;
    return buf_take(&b);
}

static void pieces_joined_are_the_whole(void **state) {
    static const struct { size_t units, entities; } limits[] = {{4096, 100}, {1024, 100}, {300, 20}, {100, 5}, {40, 3}, {7, 1}};
    struct goldens g;
    goldens_read(&g, GOLDEN);
    for (unsigned seed = 1; seed < 12; seed++) {
        size_t len;
        CLEANUP(text_done) char *raw = some_answer(&g, seed, 20000, &len);
        CLEANUP(rendered_done) struct rendered r;
        render(raw, len, false, &r);
        assert_null(entities_fault(r.entities, r.count, r.text, r.len));
        for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
            struct pieces p;
            split_rendered(&r, limits[i].units, limits[i].entities, &p);
            if (limits[i].units >= 40) /* an emoji family alone is longer than 7, one entity alone holds others */
                check_pieces(&r, &p, limits[i].units, limits[i].entities < 5 ? 5 : limits[i].entities);
            pieces_done(&p);
        }
    }
    goldens_done(&g);
}

/* However the answer comes, a piece that is not the last stays as it was shown. */
static void full_pieces_of_a_growing_answer_stay(void **state) {
    struct goldens g;
    goldens_read(&g, GOLDEN);
    for (unsigned seed = 20; seed < 26; seed++) {
        size_t len;
        CLEANUP(text_done) char *raw = some_answer(&g, seed, 9000, &len);
        CLEANUP(rendered_done) struct rendered whole;
        render(raw, len, false, &whole);
        struct pieces all;
        split_rendered(&whole, 1000, 100, &all);
        size_t changed = 0;
        for (size_t n = 1; n < len; n += 29) {
            CLEANUP(rendered_done) struct rendered r;
            render(raw, n, true, &r);
            struct pieces p;
            split_rendered(&r, 1000, 100, &p);
            for (size_t i = 0; i + 1 < p.count; i++) {
                bool same = i < all.count && p.list[i].len == all.list[i].len && !memcmp(p.list[i].text, all.list[i].text, p.list[i].len) &&
                            p.list[i].count == all.list[i].count;
                for (size_t e = 0; same && e < p.list[i].count; e++)
                    same = p.list[i].entities[e].type == all.list[i].entities[e].type && p.list[i].entities[e].offset == all.list[i].entities[e].offset &&
                           p.list[i].entities[e].length == all.list[i].entities[e].length;
                if (!same && !changed++)
                    fprintf(stderr, "seed %u, at %zu of %zu, piece %zu:\n%s\n---- became\n%s\n", seed, n, len, i, p.list[i].text, i < all.count ? all.list[i].text : "");
            }
            pieces_done(&p);
        }
        assert_int_equal(changed, 0);
        pieces_done(&all);
    }
    goldens_done(&g);
}

static void split(const char *raw, size_t max_units, size_t max_entities, struct rendered *r, struct pieces *p) {
    render(raw, strlen(raw), false, r);
    split_rendered(r, max_units, max_entities, p);
    check_pieces(r, p, max_units, max_entities);
}

static void a_short_answer_is_one_piece(void **state) {
    CLEANUP(rendered_done) struct rendered r;
    CLEANUP(pieces_done) struct pieces p;
    split("**hello** world", 4096, 100, &r, &p);
    assert_int_equal(p.count, 1);
    assert_string_equal(p.list[0].text, "hello world");
    assert_int_equal(p.list[0].entities[0].length, 5);
}

static void nothing_is_no_piece(void **state) {
    CLEANUP(rendered_done) struct rendered r;
    CLEANUP(pieces_done) struct pieces p;
    split(" \n ", 4096, 100, &r, &p);
    assert_int_equal(p.count, 0);
}

static void a_fence_that_is_cut_is_opened_again_with_its_language(void **state) {
    CLEANUP(rendered_done) struct rendered r;
    CLEANUP(pieces_done) struct pieces p;
    split("```python\ndef a():\n    return 1\n\ndef b():\n    return 2\n\ndef c():\n    return 3\n```", 50, 100, &r, &p);
    assert_int_equal(p.count, 2);
    assert_string_equal(p.list[0].text, "def a():\n    return 1\n\ndef b():\n    return 2");
    assert_string_equal(p.list[1].text, "def c():\n    return 3");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(p.list[i].count, 1);
        assert_int_equal(p.list[i].entities[0].type, ENTITY_PRE);
        assert_int_equal(p.list[i].entities[0].offset, 0);
        assert_int_equal(p.list[i].entities[0].length, p.list[i].units);
        assert_string_equal(p.list[i].entities[0].detail, "python");
    }
}

static void a_line_of_code_keeps_its_indentation_behind_a_cut(void **state) {
    CLEANUP(rendered_done) struct rendered r;
    CLEANUP(pieces_done) struct pieces p;
    split("```\naaaaaaaaaaaaaaaa\n    bbbbbbbbbbbbbbbb\n```", 30, 100, &r, &p);
    assert_int_equal(p.count, 2);
    assert_string_equal(p.list[1].text, "    bbbbbbbbbbbbbbbb");
    assert_int_equal(p.list[1].entities[0].length, 20);
}

static void a_block_of_code_goes_to_the_next_piece_rather_than_in_two(void **state) {
    CLEANUP(rendered_done) struct rendered r;
    CLEANUP(pieces_done) struct pieces p;
    split("some text before it all\n\n```\nline 1\n\nline 2\n```", 36, 100, &r, &p);
    assert_int_equal(p.count, 2);
    assert_string_equal(p.list[0].text, "some text before it all");
    assert_string_equal(p.list[1].text, "line 1\n\nline 2");
}

static void a_link_is_never_cut(void **state) {
    CLEANUP(rendered_done) struct rendered r;
    CLEANUP(pieces_done) struct pieces p;
    split("xxxxxxxxxxxxxxxxxxxxxxxxxxxx[a link of several words here](https://a.example/) and more", 40, 100, &r, &p);
    for (size_t i = 0, links = 0; i < p.count; i++)
        for (size_t e = 0; e < p.list[i].count; e++)
            if (p.list[i].entities[e].type == ENTITY_LINK) {
                assert_int_equal(links++, 0);
                assert_int_equal(p.list[i].entities[e].length, strlen("a link of several words here"));
            }
}

static void emphasis_that_is_cut_goes_on(void **state) {
    CLEANUP(rendered_done) struct rendered r;
    CLEANUP(pieces_done) struct pieces p;
    split("**one two three four five six seven eight**", 20, 100, &r, &p);
    assert_true(p.count >= 2);
    for (size_t i = 0; i < p.count; i++) {
        assert_int_equal(p.list[i].count, 1);
        assert_int_equal(p.list[i].entities[0].length, p.list[i].units);
    }
}

static void more_entities_than_a_message_may_have_are_two_messages(void **state) {
    struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 250; i++)
        (void)buf_add_str(&b, i % 10 ? "`a` " : "`a`\n");
    CLEANUP(rendered_done) struct rendered r;
    CLEANUP(pieces_done) struct pieces p;
    split(buf_cstr(&b), 4096, 100, &r, &p);
    size_t seen = 0;
    for (size_t i = 0; i < p.count; i++)
        seen += p.list[i].count;
    assert_int_equal(seen, 250);
    assert_true(p.count == 3 || p.count == 4);
    buf_done(&b);
}

static void an_emoji_family_stays_together(void **state) {
    CLEANUP(rendered_done) struct rendered r;
    CLEANUP(pieces_done) struct pieces p;
    split("👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 25, 100, &r, &p);
    assert_int_equal(p.count, 2);
    assert_int_equal(p.list[0].units, 22);
    assert_int_equal(p.list[1].units, 22);
}

static void a_quote_is_folded_by_what_its_message_shows_of_it(void **state) {
    struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 40; i++)
        (void)buf_add_str(&b, "> a line of some length in a quote\n");
    CLEANUP(rendered_done) struct rendered r;
    CLEANUP(pieces_done) struct pieces p;
    split(buf_cstr(&b), 1000, 100, &r, &p);
    assert_int_equal(p.list[0].entities[0].type, ENTITY_LONG_QUOTE);
    buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_joined_are_the_whole),
        cmocka_unit_test(full_pieces_of_a_growing_answer_stay),
        cmocka_unit_test(a_short_answer_is_one_piece),
        cmocka_unit_test(nothing_is_no_piece),
        cmocka_unit_test(a_fence_that_is_cut_is_opened_again_with_its_language),
        cmocka_unit_test(a_line_of_code_keeps_its_indentation_behind_a_cut),
        cmocka_unit_test(a_block_of_code_goes_to_the_next_piece_rather_than_in_two),
        cmocka_unit_test(a_link_is_never_cut),
        cmocka_unit_test(emphasis_that_is_cut_goes_on),
        cmocka_unit_test(more_entities_than_a_message_may_have_are_two_messages),
        cmocka_unit_test(an_emoji_family_stays_together),
        cmocka_unit_test(a_quote_is_folded_by_what_its_message_shows_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
