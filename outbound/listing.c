#include "outbound/listing.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/clock.h"
#include "services/utf8.h"

enum { NAME_MOST_UNITS = 80, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, A_DAY = 24 * HOUR };

static void add_size(int64_t bytes, enum texts_lang lang, struct buf *out) {
    char size[40];
    int64_t tenths = (bytes * 10 + 500000) / 1000000;
    if (bytes < 1000000)
        snprintf(size, sizeof size, "%" PRId64, (bytes + 999) / 1000);
    else
        snprintf(size, sizeof size, "%" PRId64 "%c%" PRId64, tenths / 10, lang == TEXTS_RU ? ',' : '.', tenths % 10);
    (void)texts_line(lang, bytes < 1000000 ? "file_line_kb" : "file_line_mb", size, out);
}

static void add_age(int64_t ms, enum texts_lang lang, struct buf *out) {
    int64_t unit = ms < HOUR ? MINUTE : ms < 2 * A_DAY ? HOUR : A_DAY;
    char count[24];
    snprintf(count, sizeof count, "%" PRId64, ms > 0 ? ms / unit : 0);
    (void)texts_line(lang, unit == MINUTE ? "ago_minutes" : unit == HOUR ? "ago_hours" : "ago_days", count, out);
}

/* `item:<n>` = `<tag> <ms> <bytes> <name>` */
static bool add_file(int n, const char *item, enum texts_lang lang, struct buf *out, struct buf *tags) {
    char tag[33], number[16];
    int64_t ms, bytes;
    int name = 0;
    if (sscanf(item, "%32[0-9a-f] %" SCNd64 " %" SCNd64 " %n", tag, &ms, &bytes, &name) < 3 || !name)
        return false;
    snprintf(number, sizeof number, "\n%d. ", n + 1);
    (void)buf_add_str(out, number);      /* there is room for all of them */
    (void)buf_add(out, item + name, utf8_fit(item + name, strlen(item + name), NAME_MOST_UNITS));
    (void)buf_add_str(out, ", ");
    add_size(bytes, lang, out);
    (void)buf_add_str(out, ", ");
    add_age(clock_wall_ms() - ms, lang, out);
    (void)buf_add_str(tags, n ? " " : "");
    (void)buf_add_str(tags, tag);
    return true;
}

char *listing_add(const struct fields *job, enum texts_lang lang, struct buf *out) {
    struct buf tags;
    buf_init(&tags, 40 * LISTING_MOST);
    for (int n = 0; n < LISTING_MOST; n++) {
        char field[16];
        snprintf(field, sizeof field, "item:%d", n);
        const char *item = fields_get(job, field);
        if (!item || !add_file(n, item, lang, out, &tags))
            break;
    }
    if (tags.len)
        return buf_take(&tags);
    buf_done(&tags);
    return NULL;
}
