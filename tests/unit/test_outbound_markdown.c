#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "outbound/address.h"
#include "outbound/entities.h"
#include "outbound/latex.h"
#include "outbound/markdown.h"
#include "outbound/tables.h"
#include "proto/cleanup.h"
#include "proto/json.h"
#include "services/buf.h"
#include "services/utf8.h"
#include "tests/unit/golden.h"
#include "tests/unit/unit.h"

static void render(const char *raw, size_t len, bool growing, struct rendered *r) {
    struct markdown_options options = {.growing = growing};
    markdown_render(raw, len, &options, r);
}

/* What holds for any text. */
static void check(const struct rendered *r, const char *source, size_t len) {
    const char *fault = entities_fault(r->entities, r->count, r->text, r->len);
    if (fault)
        fail_msg("%s, in what became of:\n%.*s\n", fault, (int)len, source);
    assert_true(utf8_valid(r->text, r->len));
    assert_int_equal(strlen(r->text), r->len);
    assert_int_equal(utf8_units(r->text, r->len), r->units);
    assert_null(strstr(r->text, "\xEF\xB7\x90"));
    assert_null(strstr(r->text, "\xEF\xB7\x92"));
    assert_false(r->plain);
    if (!r->len)
        return;
    assert_null(strchr(" \n", r->text[r->len - 1]));
    if (!r->count || r->entities[0].offset > 0)
        assert_null(strchr(" \n", r->text[0]));
}

static void every_beginning_of_every_case_renders(void **state) {
    struct goldens g;
    goldens_read(&g, GOLDEN);
    for (size_t i = 0; i < g.count; i++) {
        const char *source = g.list[i].source;
        size_t len = strlen(source);
        for (size_t n = 0; n <= len; n++) {
            for (int growing = 0; growing < 2; growing++) {
                CLEANUP(rendered_done) struct rendered r;
                render(source, n, growing, &r);
                check(&r, source, n);
            }
        }
    }
    goldens_done(&g);
}

/* What a reader would see of Markdown itself, were it not rendered. */
static bool shows_marks(const struct rendered *r) {
    return strstr(r->text, "**") || strstr(r->text, "](") || strstr(r->text, "```") || strstr(r->text, "|--");
}

static void a_growing_answer_never_shows_its_marks(void **state) {
    static const char answer[] = "# A title\n\nSome **bold** and ***both*** text, see [the docs](https://example.org/a_(b)) now.\n\n"
                                 "- **one**: `code`\n- two\n  - **three *and* four**\n\n```c\nint x;\n```\n\n| **A** | B |\n|:--|--:|\n| 1 | **2** |\n\n> **quote** `x`\n";
    for (size_t n = 0; n < sizeof answer; n++) {
        CLEANUP(rendered_done) struct rendered r;
        render(answer, n, true, &r);
        if (shows_marks(&r))
            fail_msg("of:\n%.*s\nis shown:\n%s\n", (int)n, answer, r.text);
    }
}

static void broken_bytes_survive(void **state) {
    static const char raw[] = "**a\xFF\xC0** `\xE2\x82` \xF0\x9F\x98 [x\xED\xA0\x80](https://a.example/\xFE)\x01\x02\x7F end\xF0\x9F";
    CLEANUP(rendered_done) struct rendered r;
    render(raw, sizeof raw - 1, false, &r);
    check(&r, raw, sizeof raw - 1);
    assert_non_null(strstr(r.text, "end"));
    assert_null(strchr(r.text, 0x7F));
}

static void a_zero_byte_is_left_out(void **state) {
    CLEANUP(rendered_done) struct rendered r;
    render("a\0**b**", 7, false, &r);
    assert_string_equal(r.text, "ab");
    assert_int_equal(r.count, 1);
}

static void our_own_signs_cannot_be_forged(void **state) {
    static const char raw[] = "\xEF\xB7\x90" "0\xEF\xB7\x91 $x^2$ \xEF\xB7\x92 \xEF\xB7\x93 &#xFDD0;0&#xFDD1;";
    CLEANUP(rendered_done) struct rendered r;
    render(raw, sizeof raw - 1, false, &r);
    check(&r, raw, sizeof raw - 1);
    assert_string_equal(r.text, "\uFFFD" "0\uFFFD x² \uFFFD \uFFFD \uFFFD" "0\uFFFD");
}

static void nothing_is_nothing(void **state) {
    static const char *const empty[] = { "", " \n\t\n", "```\n```", "[](https://a.example)", "\xEF\xBB\xBF", "<!-- -->\0" };
    for (size_t i = 0; i < 5; i++) {
        CLEANUP(rendered_done) struct rendered r;
        render(empty[i], strlen(empty[i]), false, &r);
        assert_true(r.len == 0 || i == 3); /* a link without a text shows where it leads */
        assert_int_equal(r.count, 0);
    }
}

/* ---- out of all proportion ---- */

static char *repeat(const char *front, const char *piece, size_t times, const char *back, size_t *ret_len) {
    struct buf b;
    buf_init(&b, 1 << 24);
    (void)buf_add_str(&b, front);
    for (size_t i = 0; i < times; i++)
        (void)buf_add_str(&b, piece);
    (void)buf_add_str(&b, back);
    *ret_len = b.len;
    return buf_take(&b);
}

static void a_table_that_explodes_is_shown_as_it_is(void **state) {
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 3000; i++)
        (void)buf_add_str(&b, "a|");
    (void)buf_add_str(&b, "a\n");
    for (int i = 0; i < 3000; i++)
        (void)buf_add_str(&b, "---|");
    (void)buf_add_str(&b, "---\n");
    for (int i = 0; i < 3000; i++)
        (void)buf_add_str(&b, "x\n");
    CLEANUP(rendered_done) struct rendered r;
    render(b.data, b.len, false, &r);
    assert_true(utf8_valid(r.text, r.len));
    assert_true(r.len < b.len * 4);
    buf_done(&b);
}

/* Each would take minutes, were anything about it quadratic. The suite's time limit is the judge. */
static void hostile_texts_take_their_time_and_no_more(void **state) {
    static const char *const pieces[][3] = {
        {"", "[", ""}, {"", "[a](", ""}, {"", "[a](<b", ""}, {"", "![", ""}, {"", "**a ", ""}, {"", "a**", ""}, {"", "*_", ""}, {"", "~~a ", ""},
        {"", "`a``b```c````d", ""}, {"", "$x ", ""}, {"", "\\(", ""}, {"", "\\( \\[ $$", ""}, {"", "$$ ", ""}, {"", "\\(\\", "\\)"}, {"", "- ", "a\n"}, {"", "> ", "a\n"}, {"", "1. ", "x\n\n"}, {"", "- a\n", ""}, {"x\n", "\n", "x"},
        {"", "http://a.b((", ""}, {"", "www.a.b(", ""}, {"", "<a ", ""}, {"", "<!--", ""}, {"", "&#x1", ""}, {"", "|", ""}, {"|a|\n", "|", ""}, {"|a|\n|-|\n", "||", ""}, {"", "[a]: b\n", ""},
        {"", "](", ""}, {"[", "](](", ")"}, {"$", "{", "$"}, {"$", "\\frac{", "$"}, {"$", "^{", "$"}, {"", "*a**b", ""}, {"", "\\", ""}, {"", "_", ""}, {"", "**（", ""}, {"", "**。a", ""},
        {"", "    - a\n", ""}, {"", "```\n", ""}, {"", "~~~\n> ", ""}, {"", "\t", "x"}, {"", "<br>", ""}, {"", "![](", ""}, {"", "[![a](b)", ""}, {"", "- [ ] ", ""}, {"", "a\\\n", ""}, {"", "\xCC\x81", ""}, {"", "\xF0\x9F\x98\x80\xE2\x80\x8D", ""},
    };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        for (int growing = 0; growing < 2; growing++) {
            size_t len, times = 60000 / strlen(pieces[i][1]);
            CLEANUP(text_done) char *text = repeat(pieces[i][0], pieces[i][1], times, pieces[i][2], &len);
            CLEANUP(rendered_done) struct rendered r;
            render(text, len, growing, &r);
            assert_null(entities_fault(r.entities, r.count < 50 ? r.count : 50, r.text, r.len));
            assert_true(r.len <= 16 * len + 65536);
        }
    }
}

static void deep_lists_are_not_indented_without_end(void **state) {
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int depth = 0; depth < 400; depth++) {
        for (int i = 0; i < depth; i++)
            (void)buf_add_str(&b, "  ");
        (void)buf_add_str(&b, "- x\n");
    }
    CLEANUP(rendered_done) struct rendered r;
    render(b.data, b.len, false, &r);
    check(&r, b.data, b.len);
    assert_true(r.len < 400 * 80);
    buf_done(&b);
}

/* ---- the pieces it is made of ---- */

static void widths_are_what_a_reader_sees(void **state) {
    static const struct { const char *text; size_t width; } known[] = {
        {"", 0}, {"abc", 3}, {"日本", 4}, {"é", 1}, {"e\u0301", 1}, {"👨‍👩‍👧‍👦", 2}, {"🇩🇪", 2}, {"✔️", 2}, {"👍🏽", 2}, {"слово", 5}, {"नि", 1}, {"ｗ", 2}, {"½", 1}, {"🏳️‍🌈", 2}, {"한글", 4},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (display_width(known[i].text, strlen(known[i].text)) != known[i].width)
            fail_msg("%s is %zu wide", known[i].text, display_width(known[i].text, strlen(known[i].text)));
}

static void only_what_telegram_takes_is_a_link(void **state) {
    static const char *const good[] = {
        "http://a.example", "HTTPS://A.example/x?y#z", "https://user:pw@a.example:8080/", "https://[::1]/x", "tg://resolve?domain=x", "https://пример.рф/путь", "ton://transfer/x",
    };
    static const char *const bad[] = {
        "", "x", "/x", "#x", "http://", "http://localhost/", "https://.com", "https://a.example.", "javascript:alert(1)", "data:text/html,x", "ftp://a.example", "https://a b.example/",
        "https://a.example/a b", "mailto:a@b.example", "tg://", "tg:// x", "https://a.example:x/", "file:///etc/passwd", "https://a\"b.example/",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(address_is_usable(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(address_is_usable(bad[i], strlen(bad[i])));
}

static void a_formula_that_is_too_deep_is_code(void **state) {
    struct buf b, out;
    buf_init(&b, 4096);
    buf_init(&out, 4096);
    for (int i = 0; i < 100; i++)
        (void)buf_add_str(&b, "\\frac{");
    assert_false(latex_to_text(b.data, b.len, false, &out));
    assert_int_equal(out.len, 0);
    assert_true(latex_to_text("\\frac{1}{2}", 11, false, &out));
    assert_string_equal(buf_cstr(&out), "1/2");
    buf_done(&b);
    buf_done(&out);
}

static void entities_go_to_telegram_as_it_wants_them(void **state) {
    static const char raw[] = "😀 **b** [l](https://a.example/)\n\n```c\nx\n```\n> q";
    CLEANUP(rendered_done) struct rendered r;
    render(raw, sizeof raw - 1, false, &r);
    CLEANUP(json_done) cJSON *json = entities_json(r.entities, r.count);
    CLEANUP(text_done) char *text = cJSON_PrintUnformatted(json);
    assert_string_equal(text, "[{\"type\":\"bold\",\"offset\":3,\"length\":1},{\"type\":\"text_link\",\"offset\":5,\"length\":1,\"url\":\"https://a.example/\"},"
                              "{\"type\":\"pre\",\"offset\":8,\"length\":1,\"language\":\"c\"},{\"type\":\"blockquote\",\"offset\":10,\"length\":1}]");
}

static void a_link_whose_address_is_not_there_yet_is_not_sent(void **state) {
    CLEANUP(rendered_done) struct rendered r;
    render("see [the docs](https://exa", 26, true, &r);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.entities[0].type, ENTITY_LINK_TO_COME);
    CLEANUP(json_done) cJSON *json = entities_json(r.entities, r.count);
    assert_int_equal(cJSON_GetArraySize(json), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_beginning_of_every_case_renders),
        cmocka_unit_test(a_growing_answer_never_shows_its_marks),
        cmocka_unit_test(broken_bytes_survive),
        cmocka_unit_test(a_zero_byte_is_left_out),
        cmocka_unit_test(our_own_signs_cannot_be_forged),
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(a_table_that_explodes_is_shown_as_it_is),
        cmocka_unit_test(hostile_texts_take_their_time_and_no_more),
        cmocka_unit_test(deep_lists_are_not_indented_without_end),
        cmocka_unit_test(widths_are_what_a_reader_sees),
        cmocka_unit_test(only_what_telegram_takes_is_a_link),
        cmocka_unit_test(a_formula_that_is_too_deep_is_code),
        cmocka_unit_test(entities_go_to_telegram_as_it_wants_them),
        cmocka_unit_test(a_link_whose_address_is_not_there_yet_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
