/* Whatever the Markdown: valid text, entities by Telegram's rules, pieces that fit and are together the whole; at every byte of
 * a text that grows. The first byte chooses: growing, how large the pieces are, how wide a table may be. */
#include <string.h>
#include "outbound/entities.h"
#include "outbound/markdown.h"
#include "outbound/parts.h"
#include "outbound/split.h"
#include "services/utf8.h"
#include "tests/fuzz/fuzz.h"

static int is_white(char c) {
    return c == ' ' || c == '\n';
}

/* Of a piece without any ink nothing is sent either. */
static void check_only_white(const char *from, const char *to) {
    CHECK(parts_blank(from, (size_t)(to - from)));
}

static void check_pieces(const struct rendered *r, size_t max_units, size_t max_entities) {
    struct pieces p;
    split_rendered(r, max_units, max_entities, &p);
    size_t at = 0;
    for (size_t i = 0; i < p.count; i++) {
        const struct piece *piece = &p.list[i];
        CHECK(!entities_fault(piece->entities, piece->count, piece->text, piece->len));
        CHECK(piece->units <= max_units || max_units < 64); /* one cluster may be longer than a small piece */
        CHECK(piece->count <= max_entities);
        CHECK(utf8_valid(piece->text, piece->len) && utf8_units(piece->text, piece->len) == piece->units);
        const char *found = piece->len <= r->len - at ? memmem(r->text + at, r->len - at, piece->text, piece->len) : NULL;
        CHECK(found);
        check_only_white(r->text + at, found);   /* nothing else is left out */
        at = (size_t)(found - r->text) + piece->len;
    }
    check_only_white(r->text + at, r->text + r->len);
    pieces_done(&p);
}

static void check_text(const char *raw, size_t len, const struct markdown_options *options, size_t max_units) {
    struct rendered r;
    markdown_render(raw, len, options, &r);
    CHECK(utf8_valid(r.text, r.len) && strlen(r.text) == r.len);
    CHECK(utf8_units(r.text, r.len) == r.units);
    CHECK(!entities_fault(r.entities, r.count, r.text, r.len));
    CHECK(r.len <= 16 * len + 65536);
    CHECK(!r.len || !is_white(r.text[r.len - 1]));
    for (size_t i = 0; i + 2 < r.len; i++)
        CHECK(memcmp(r.text + i, "\xEF\xB7\x90", 3) < 0 || memcmp(r.text + i, "\xEF\xB7\xAF", 3) > 0);
    check_pieces(&r, max_units, max_units < 64 ? 9 : 100);
    rendered_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len < 1 || len > 1 << 16)
        return 0;
    struct markdown_options options = {.growing = data[0] & 1, .table_width = data[0] & 2 ? 12 : 0};
    size_t max_units = data[0] & 4 ? 16 : data[0] & 8 ? 100 : 4096;
    check_text((const char *)data + 1, len - 1, &options, max_units);
    if (data[0] & 16 && len < 64) /* every beginning of it */
        for (size_t n = 0; n < len - 1; n++)
            check_text((const char *)data + 1, n, &options, max_units);
    return 0;
}
