/* What becomes of a model's Markdown: the cases of tests/golden, and docs/formatting.md, which shows the same ones.
 *
 *     test_outbound_golden            compare
 *     test_outbound_golden --write    write what comes out into the cases and the document: then read the diff
 *     test_outbound_golden --json     the cases for another judge */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "outbound/entities.h"
#include "outbound/markdown.h"
#include "proto/cleanup.h"
#include "proto/json.h"
#include "services/alloc.h"
#include "services/buf.h"
#include "services/utf8.h"
#include "tests/unit/golden.h"
#include "tests/unit/unit.h"

static struct goldens goldens;

static void render(const struct golden *c, struct rendered *r) {
    struct markdown_options options = {.growing = c->growing};
    markdown_render(c->source, strlen(c->source), &options, r);
}

static char *entities_lines(const struct rendered *r) {
    struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < r->count; i++) {
        const struct entity *e = &r->entities[i];
        const char *name = entity_name(e->type);
        const char *own = e->type == ENTITY_RECORDS ? "(records)" : "(link to come)";
        (void)buf_printf(&out, "%s%s %zu %zu%s%s", i ? "\n" : "", name ? name : own, e->offset, e->length, e->detail ? " " : "",
                         e->detail ? e->detail : "");
    }
    return buf_take(&out);
}

/* ---- as HTML ---- */

static void add_escaped(struct buf *out, const char *s, size_t len) {
    for (size_t i = 0; i < len; i++) {
        const char *escape = s[i] == '&' ? "&amp;" : s[i] == '<' ? "&lt;" : s[i] == '>' ? "&gt;" : s[i] == '"' ? "&quot;" : NULL;
        (void)(escape ? buf_add_str(out, escape) : buf_add(out, s + i, 1));
    }
}

static void add_tag(struct buf *out, const struct entity *e, bool opens) {
    static const char *const tags[] = {
        [ENTITY_QUOTE] = "blockquote", [ENTITY_LONG_QUOTE] = "blockquote", [ENTITY_PRE] = "pre", [ENTITY_LINK] = "a",
        [ENTITY_BOLD] = "b", [ENTITY_ITALIC] = "i", [ENTITY_STRIKETHROUGH] = "s", [ENTITY_CODE] = "code",
    };
    if (!tags[e->type])
        return;
    if (!opens) {
        (void)buf_add_str(out, e->type == ENTITY_PRE && e->detail ? "</code></pre>" : "");
        if (e->type != ENTITY_PRE || !e->detail)
            (void)buf_printf(out, "</%s>", tags[e->type]);
        return;
    }
    (void)buf_printf(out, "<%s", tags[e->type]);
    if (e->type == ENTITY_LINK) {
        (void)buf_add_str(out, " href=\"");
        add_escaped(out, e->detail, strlen(e->detail));
        (void)buf_add_str(out, "\"");
    }
    (void)buf_add_str(out, e->type == ENTITY_LONG_QUOTE ? " expandable>" : ">");
    if (e->type == ENTITY_PRE && e->detail)
        (void)buf_printf(out, "<code class=\"language-%s\">", e->detail);
}

static char *as_html(const struct rendered *r) {
    struct buf out;
    buf_init(&out, 1 << 20);
    const struct entity *open[32];
    size_t depth = 0, next = 0, units = 0;
    for (size_t at = 0; at <= r->len; at++) {
        bool starts = at == r->len || ((unsigned char)r->text[at] & 0xC0) != 0x80;
        while (starts && depth && open[depth - 1]->offset + open[depth - 1]->length <= units)
            add_tag(&out, open[--depth], false);
        for (; starts && next < r->count && r->entities[next].offset <= units; next++) {
            add_tag(&out, &r->entities[next], true);
            open[depth++] = &r->entities[next];
        }
        if (at < r->len) {
            add_escaped(&out, r->text + at, 1);
            units += utf8_units(r->text + at, 1);
        }
    }
    return buf_take(&out);
}

/* ---- the document ---- */

static char *document(void) {
    static const char fence[] = "``````";
    struct buf out;
    buf_init(&out, 1 << 22);
    (void)buf_add_str(&out,
        "# What becomes of a model's Markdown\n\n"
        "Made from the cases in `tests/golden` by `test_outbound_golden --write`; the test compares. Each case: what the model wrote, the\n"
        "text that is sent, its entities (type, offset and length in UTF-16 units), and both as the HTML that Telegram shows. A case marked\n"
        "*growing* is the state of a text that is still being written.\n\n"
        "CommonMark with GitHub's tables, tasks and strikethrough, but for a chat and for what models write:\n\n"
        "- A line break stays a line break, a blank line a blank line (several are one); lists are as tight or loose as they were written.\n"
        "- Bare addresses are left to Telegram, which finds them itself; a link to where Telegram does not go (`./file.md`, `localhost`,\n"
        "  `javascript:`) is its text, a link for mail its text and the address in brackets. HTML is shown as text, `<br>` breaks the line.\n"
        "- `~5` means about five: only two tildes strike. Emphasis is also seen where CommonMark does not (CJK, quotes inside of the stars,\n"
        "  `**Title: **text`); names like `__init__.py` are none, nor are products like 5*3*2.\n"
        "- A table is drawn if no line of it is wider than 36 columns and it has no links or addresses; else each row is a record, titled by its first column.\n"
        "  It may stand right below other text, and what stands right below it without a bar is no row of it.\n"
        "- A formula is shown in Unicode if it can be read so, else as code. Money and shell variables are no formulas.\n"
        "- A quote of more than 6 lines or 400 units is folded. Quotes in quotes are marked with `>`.\n"
        "- Code holds no other entity and only a quote holds code, so bold ends before code and begins anew behind it.\n\n"
        "While a text grows, what is open at its end is shown as if it were closed, and signs that say nothing yet are not shown. What stands\n"
        "above its last line stays, except where Markdown itself changes its mind: a paragraph with `---` or `===` put under it becomes\n"
        "a heading; a table's columns get wider, and a table too wide becomes records; a link like `[this]` gets its address by a definition further\n"
        "down; emphasis, brackets and backticks that never close turn out to be none; a quote is folded when it ends.\n\n"
        "Messages are cut at 4096 units and 100 entities: behind a paragraph, a line, a sentence, a word, a grapheme, in this order, the last such\n"
        "place in the second half of a message; drawn tables, records and code are cut only if they fill more than half a message.\n");
    for (size_t i = 0; i < goldens.count; i++) {
        const struct golden *c = &goldens.list[i];
        if (!i || strcmp(c->file, goldens.list[i - 1].file) != 0)
            (void)buf_printf(&out, "\n## %.*s\n", (int)(strlen(c->file) - 7), c->file + 3);
        CLEANUP(rendered_done) struct rendered r;
        render(c, &r);
        CLEANUP(text_done) char *entities = entities_lines(&r);
        CLEANUP(text_done) char *html = as_html(&r);
        (void)buf_printf(&out, "\n### %s\n\n%smarkdown\n%s\n%s\n\n%stext\n%s\n%s\n\n", c->title, fence, c->source, fence, fence, r.text, fence);
        if (*entities)
            (void)buf_printf(&out, "%sentities\n%s\n%s\n\n%shtml\n%s\n%s\n", fence, entities, fence, fence, html, fence);
        else
            (void)buf_add_str(&out, "No entities.\n");
    }
    return buf_take(&out);
}

static char *read_document(void) {
    FILE *f = fopen(FORMATTING_MD, "rb");
    char *text = alloc_zero(1 << 22);
    if (f) {
        text[fread(text, 1, (1 << 22) - 1, f)] = '\0';
        fclose(f);
    }
    return text;
}

/* ---- comparing ---- */

static void every_case_comes_out_as_written_down(void **state) {
    size_t wrong = 0;
    assert_true(goldens.count >= 80);
    for (size_t i = 0; i < goldens.count; i++) {
        const struct golden *c = &goldens.list[i];
        CLEANUP(rendered_done) struct rendered r;
        render(c, &r);
        CLEANUP(text_done) char *entities = entities_lines(&r);
        const char *fault = entities_fault(r.entities, r.count, r.text, r.len);
        if (!strcmp(r.text, c->text) && !strcmp(entities, c->entities) && !fault)
            continue;
        wrong++;
        print_error("%s, %s%s%s\n-- is\n%s\n%s\n-- should be\n%s\n%s\n", c->file, c->title, fault ? ": " : "", fault ? fault : "", r.text, entities,
                    c->text, c->entities);
    }
    assert_int_equal(wrong, 0);
}

static void the_document_shows_the_same_cases(void **state) {
    CLEANUP(text_done) char *is = read_document();
    CLEANUP(text_done) char *should_be = document();
    assert_true(!strcmp(is, should_be));
}

/* ---- writing ---- */

static int write_all(void) {
    FILE *f = NULL;
    for (size_t i = 0; i < goldens.count; i++) {
        const struct golden *c = &goldens.list[i];
        if (!i || strcmp(c->file, goldens.list[i - 1].file) != 0) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", GOLDEN, c->file);
            if (f)
                fclose(f);
            if (!(f = fopen(path, "wb")))
                return 1;
        }
        CLEANUP(rendered_done) struct rendered r;
        render(c, &r);
        CLEANUP(text_done) char *entities = entities_lines(&r);
        fprintf(f, "=== %s\n%s\n--- text\n%s\n--- entities\n%s%s", c->title, c->source, r.text, entities, *entities ? "\n" : "");
    }
    if (f)
        fclose(f);
    CLEANUP(text_done) char *text = document();
    if (!(f = fopen(FORMATTING_MD, "wb")))
        return 1;
    fputs(text, f);
    return fclose(f);
}

static int write_json(void) {
    CLEANUP(json_done) struct cJSON *all = cJSON_CreateArray();
    for (size_t i = 0; i < goldens.count; i++) {
        CLEANUP(rendered_done) struct rendered r;
        render(&goldens.list[i], &r);
        CLEANUP(text_done) char *html = as_html(&r);
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "title", goldens.list[i].title);
        cJSON_AddStringToObject(one, "text", r.text);
        cJSON_AddStringToObject(one, "html", html);
        cJSON_AddItemToObject(one, "entities", entities_json(r.entities, r.count));
        cJSON_AddItemToArray(all, one);
    }
    CLEANUP(text_done) char *text = cJSON_Print(all);
    puts(text);
    return 0;
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_comes_out_as_written_down),
        cmocka_unit_test(the_document_shows_the_same_cases),
    };
    goldens_read(&goldens, GOLDEN);
    int failed = argc > 1 && !strcmp(argv[1], "--write")  ? write_all()
                 : argc > 1 && !strcmp(argv[1], "--json") ? write_json()
                                                          : cmocka_run_group_tests(tests, NULL, NULL);
    goldens_done(&goldens);
    return failed;
}
