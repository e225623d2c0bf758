#include "outbound/tables.h"
#include <stdint.h>
#include <stdlib.h>
#include <unictype.h>
#include <unigbrk.h>
#include <unistr.h>
#include <uniwidth.h>
#include "services/alloc.h"
#include "services/buf.h"

/* ---- width ---- */

static size_t width_of_ascii(const char *s, size_t len, bool *ret_only_ascii) {
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] >= 0x80)
            return *ret_only_ascii = false, 0;
    return *ret_only_ascii = true, len;
}

/* One cluster as the reader sees it. What is shown as a picture is two wide, however many code points it is made of. */
static size_t width_of_cluster(const uint8_t *s, size_t len) {
    size_t width = 0;
    bool picture = false;
    int letters = 0;             /* of a flag: two make one */
    for (size_t at = 0; at < len;) {
        ucs4_t c;
        at += (size_t)u8_mbtouc(&c, s + at, len - at);
        int w = uc_width(c, "UTF-8");
        if (w > (int)width)
            width = (size_t)w;
        letters += c >= 0x1F1E6 && c <= 0x1F1FF;
        picture = picture || c == 0xFE0F || uc_is_property(c, UC_PROPERTY_EMOJI_PRESENTATION);
    }
    return picture || letters == 2 ? 2 : width;
}

size_t display_width(const char *s, size_t len) {
    bool only_ascii;
    size_t width = width_of_ascii(s, len, &only_ascii);
    if (only_ascii)
        return width;
    char *starts = alloc_zero(len); /* u8_grapheme_next() does not know of ZWJ; this does */
    u8_grapheme_breaks((const uint8_t *)s, len, starts);
    for (size_t at = 0, next; at < len; at = next) {
        for (next = at + 1; next < len && !starts[next];)
            next++;
        width += width_of_cluster((const uint8_t *)s + at, next - at);
    }
    free(starts);
    return width;
}

/* ---- drawing ---- */

static bool add_many(struct buf *out, const char *s, size_t times) {
    bool fits = true;
    while (times-- && fits)
        fits = buf_add_str(out, s);
    return fits;
}

static bool add_cell(struct buf *out, const struct table_cell *cell, size_t cell_width, size_t width, enum table_align align, bool last) {
    size_t room = width - cell_width, left = align == TABLE_RIGHT ? room : align == TABLE_CENTER ? room / 2 : 0;
    return add_many(out, " ", left) && buf_add(out, cell->text, cell->len) && (last || add_many(out, " ", room - left));
}

static bool add_rule(struct buf *out, const size_t *widths, size_t columns) {
    bool fits = buf_add_str(out, "\n");
    for (size_t c = 0; c < columns && fits; c++)
        fits = (c == 0 || buf_add_str(out, "-+-")) && add_many(out, "-", widths[c]);
    return fits;
}

static void drop_blanks_at_end(struct buf *out, size_t from) {
    while (out->len > from && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
}

static bool add_rows(const struct table *t, const size_t *cell_widths, const size_t *widths, struct buf *out) {
    bool fits = true;
    for (size_t r = 0; r < t->rows && fits; r++) {
        size_t line = out->len;
        if (r)
            fits = buf_add_str(out, "\n");
        for (size_t c = 0; c < t->columns && fits; c++) {
            size_t i = r * t->columns + c;
            fits = (c == 0 || buf_add_str(out, " | ")) &&
                   add_cell(out, &t->cells[i], cell_widths[i], widths[c], t->aligns[c], c + 1 == t->columns);
        }
        drop_blanks_at_end(out, line);
        if (r == 0 && fits)
            fits = add_rule(out, widths, t->columns);
    }
    return fits;
}

bool table_draw(const struct table *t, size_t max_width, struct buf *out) {
    if (!t->columns || t->columns > max_width)
        return false;
    size_t *widths = alloc_zero(t->columns * sizeof *widths);
    size_t *cell_widths = alloc_zero(t->rows * t->columns * sizeof *cell_widths + 1);
    size_t total = 3 * (t->columns - 1), from = out->len;
    bool fits = true;
    for (size_t c = 0; c < t->columns && fits; c++) {
        for (size_t r = 0; r < t->rows && fits; r++) {
            const struct table_cell *cell = &t->cells[r * t->columns + c];
            size_t width = display_width(cell->text, cell->len);
            cell_widths[r * t->columns + c] = width;
            if (width > widths[c])
                widths[c] = width;
            fits = total + widths[c] <= max_width;
        }
        total += widths[c];
    }
    fits = fits && add_rows(t, cell_widths, widths, out);
    if (!fits && out->data) {
        out->len = from;
        out->data[from] = '\0';
    }
    free(widths);
    free(cell_widths);
    return fits;
}
