/* Whatever is noted beside an answer, and wherever it is said to belong: its text stays whole, and what is made of it is valid text. */
#include <stdlib.h>
#include <string.h>
#include "llm/cite.h"
#include "llm/marks.h"
#include "proto/cleanup.h"
#include "proto/json.h"
#include "services/utf8.h"
#include "tests/fuzz/fuzz.h"

static bool is_within(const char *text, const char *out) {
    for (; *text && *out; out++)
        text += *text == *out;
    return !*text;
}

/* Nothing in it that could be taken for a link or a mark: then nothing of it may be missing. */
static bool is_plain(const char *text) {
    return !strpbrk(text, "([") && !strstr(text, "\xEE\x88\x80") && !strstr(text, "\xE3\x80\x90");
}

static void check_pieces(const char *text, size_t step) {
    struct buf whole, pieces;
    buf_init(&whole, SIZE_MAX / 2);
    buf_init(&pieces, SIZE_MAX / 2);
    struct marks m = {0};
    size_t len = strlen(text);
    CHECK(marks_feed(&m, text, len, &whole) && marks_end(&m, &whole));
    for (size_t at = 0, to; at < len; at = to) {
        to = at + step < len ? at + step : len;
        while (to < len && ((unsigned char)text[to] & 0xC0) == 0x80)
            to++;
        CHECK(marks_feed(&m, text + at, to - at, &pieces));
    }
    CHECK(marks_end(&m, &pieces));
    CHECK(whole.len == pieces.len && !strcmp(buf_cstr(&whole), buf_cstr(&pieces)));
    CHECK(utf8_valid(buf_cstr(&whole), whole.len) && whole.len <= len);
    buf_done(&whole);
    buf_done(&pieces);
}

static void check_list(const struct cites *c) {
    CLEANUP(text_done) char *list = cites_list(c);
    CHECK(utf8_valid(list, strlen(list)));
    int lines = 0;
    for (const char *s = list; *s; s++)
        lines += *s == '\n';
    CHECK(lines == c->count && c->count <= SOURCES_MOST && c->made_count <= MADE_MOST);
    for (int i = 0; i < c->made_count; i++)
        CHECK(!strpbrk(c->made[i].container, " \n/") && !strpbrk(c->made[i].file, " \n/") && !strpbrk(c->made[i].name, "\n/") && *c->made[i].name);
}

/* The first byte: how long the pieces are. Then the text up to a NUL, then the annotations as JSON. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len < 2)
        return 0;
    CLEANUP(text_done) char *all = calloc(1, len + 1);
    memcpy(all, data + 1, len - 1);
    size_t text_len = strlen(all), rest = text_len + 1 < len - 1 ? len - 2 - text_len : 0, clean_len;
    CLEANUP(text_done) char *text = utf8_clean(all, text_len, NULL);
    CLEANUP(text_done) char *notes = utf8_clean(rest ? all + text_len + 1 : "", rest, &clean_len);
    CLEANUP(json_done) cJSON *annotations = json_parse(notes, clean_len);
    struct cites cites = {0};
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    for (int i = 0; i < 2; i++)
        cites_add_part(&cites, text, annotations, &out);
    CHECK(utf8_valid(buf_cstr(&out), out.len));
    CHECK(!is_plain(text) || is_within(text, buf_cstr(&out)));
    check_list(&cites);
    check_pieces(text, 1 + data[0] % 16);
    cites_done(&cites);
    buf_done(&out);
    return 0;
}
