#include "services/utf8.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unigbrk.h>
#include <unistr.h>
#include "services/alloc.h"

static const uint8_t *bytes_of(const char *s) {
    return (const uint8_t *)s;
}

static bool is_inner(char c) {
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Units of the character that begins with this byte; the bytes inside a character count nothing. */
static size_t units_of(char c) {
    return is_inner(c) ? 0 : (unsigned char)c >= 0xF0 ? 2 : 1;
}

bool utf8_valid(const char *s, size_t len) {
    return u8_check(bytes_of(s), len) == NULL;
}

char *utf8_clean(const char *s, size_t len, size_t *ret_len) {
    char *clean = alloc_zero(len * 3 + 1); /* every byte may become a U+FFFD */
    size_t out = 0;
    for (size_t at = 0; at < len;) {
        ucs4_t c;
        int n = u8_mbtouc(&c, bytes_of(s) + at, len - at); /* U+FFFD for what is broken */
        if (c)
            out += (size_t)u8_uctomb((uint8_t *)clean + out, c, 4);
        at += (size_t)n;
    }
    if (ret_len)
        *ret_len = out;
    return alloc_again(clean, out + 1);
}

size_t utf8_units(const char *s, size_t len) {
    size_t units = 0;
    for (size_t i = 0; i < len; i++)
        units += units_of(s[i]);
    return units;
}

size_t utf8_front(const char *s, size_t len, size_t max_units) {
    size_t at = 0;
    for (size_t units = 0; at < len; at++) {
        units += units_of(s[at]);
        if (units > max_units)
            break;
    }
    return at;
}

static size_t next_char(const char *s, size_t len, size_t at) {
    do
        at++;
    while (at < len && is_inner(s[at]));
    return at;
}

size_t utf8_fit(const char *s, size_t len, size_t max_units) {
    size_t fit = utf8_front(s, len, max_units);
    if (fit == len)
        return len;
    if (fit == 0)
        return next_char(s, len, 0); /* a pair of units where one was allowed */
    size_t seen = next_char(s, len, fit); /* whether it may be cut at `fit` depends on nothing behind this character */
    char *starts = alloc_zero(seen);
    u8_grapheme_breaks(bytes_of(s), seen, starts);
    size_t cut = fit;
    while (cut > 0 && !starts[cut])
        cut--;
    free(starts);
    return cut ? cut : fit;
}

size_t utf8_cut_bytes(const char *s, size_t len, size_t max_bytes) {
    if (len <= max_bytes)
        return len;
    size_t at = max_bytes;
    while (at > 0 && max_bytes - at < 3 && is_inner(s[at]))
        at--;
    return at;
}

size_t utf8_tail(const char *s, size_t len) {
    for (size_t n = 1; n <= 3 && n <= len; n++) {
        if (is_inner(s[len - n]))
            continue;
        ucs4_t c;
        return u8_mbtoucr(&c, bytes_of(s) + len - n, n) == -2 ? n : 0; /* -2: right so far, but not whole */
    }
    return 0;
}

bool utf8_sentence_ends(const char *s, size_t at) {
    static const char *const closers[] = { "\"", "'", ")", "]", "*", "_", "»", "”", "’" };
    static const char *const stops[] = { ".", "!", "?", "…", "。", "！", "？" };
    bool closed = true;
    while (closed) {
        closed = false;
        for (size_t i = 0; i < sizeof closers / sizeof *closers; i++) {
            size_t n = strlen(closers[i]);
            if (at > n && !memcmp(s + at - n, closers[i], n)) {
                at -= n;
                closed = true;
            }
        }
    }
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        size_t n = strlen(stops[i]);
        if (at >= n && !memcmp(s + at - n, stops[i], n))
            return true;
    }
    return false;
}
