#include "outbound/clean.h"
#include <stdlib.h>
#include <string.h>
#include "services/buf.h"
#include "services/utf8.h"

bool is_noncharacter(const char *s) {
    return (unsigned char)s[0] == 0xEF && (unsigned char)s[1] == 0xB7 && (unsigned char)s[2] >= 0x90 && (unsigned char)s[2] <= 0xAF;
}

/* U+2028 … U+202E: line separators and embeddings, which Telegram takes out: the message would be shorter than we count. */
static bool is_taken_out(const char *s) {
    return (unsigned char)s[0] == 0xE2 && (unsigned char)s[1] == 0x80 && (unsigned char)s[2] >= 0xA8 && (unsigned char)s[2] <= 0xAE;
}

/* Marks over and under a letter that Telegram takes out too. One of them, a ring, makes another letter of its letter. */
static size_t skip_mark(const char *s, size_t left, struct buf *out) {
    if (left < 2 || (unsigned char)s[0] != 0xCC)
        return 0;
    unsigned char second = (unsigned char)s[1];
    if (second == 0x8A && out->len && (out->data[out->len - 1] == 'a' || out->data[out->len - 1] == 'A')) {
        bool small = out->data[--out->len] == 'a';
        (void)buf_add_str(out, small ? "å" : "Å");
        return 2;
    }
    return second == 0xB3 || second == 0xBF || second == 0x8A ? 2 : 0;
}

char *clean_text(const char *raw, size_t len, size_t *ret_len) {
    len -= utf8_tail(raw, len);
    char *valid = NULL;
    if (!utf8_valid(raw, len))
        raw = valid = utf8_clean(raw, len, &len);
    struct buf out;
    buf_init(&out, len * 3 + 8);
    size_t at = len >= 3 && !memcmp(raw, "\xEF\xBB\xBF", 3) ? 3 : 0;
    for (size_t from = at; at <= len; from = at) {
        while (at < len && (unsigned char)raw[at] < 0xCC && ((unsigned char)raw[at] >= 0x20 || raw[at] == '\n' || raw[at] == '\t') && raw[at] != 0x7F)
            at++;
        (void)buf_add(&out, raw + from, at - from);
        if (at == len)
            break;
        size_t left = len - at, n;
        unsigned char c = (unsigned char)raw[at];
        if (c == '\r') {
            (void)buf_add_str(&out, left > 1 && raw[at + 1] == '\n' ? "" : "\n");
            at++;
        } else if (c < 0x20 || c == 0x7F) {
            at++;
        } else if ((n = skip_mark(raw + at, left, &out))) {
            at += n;
        } else if (left >= 3 && is_noncharacter(raw + at)) {
            (void)buf_add_str(&out, "\xEF\xBF\xBD");
            at += 3;
        } else if (left >= 3 && is_taken_out(raw + at)) {
            (void)buf_add_str(&out, (unsigned char)raw[at + 2] <= 0xA9 ? "\n" : "");
            at += 3;
        } else {
            (void)buf_add(&out, raw + at, 1); /* a lead byte; the rest of its character follows */
            at++;
        }
    }
    free(valid);
    *ret_len = out.len;
    return buf_take(&out);
}
