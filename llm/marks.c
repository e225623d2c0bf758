#include "llm/marks.h"
#include <string.h>

static const char open_private[] = "\xEE\x88\x80", close_private[] = "\xEE\x88\x81";          /* U+E200, U+E201 */
static const char open_bracket[] = "\xE3\x80\x90", close_bracket[] = "\xE3\x80\x91", dagger[] = "\xE2\x80\xA0";     /* 【 】 † */
enum { SIGN = 3 };                       /* bytes of each of them */

static bool is_at(const char *s, size_t len, const char *sign) {
    return len >= SIGN && !memcmp(s, sign, SIGN);
}

/* 【4:0†source】: digits, perhaps a colon and more, the dagger, words. */
static bool is_bracketed(const char *s, size_t len) {
    size_t i = SIGN;
    if (len < 3 * SIGN || s[i] < '0' || s[i] > '9')
        return false;
    while (i < len && ((s[i] >= '0' && s[i] <= '9') || s[i] == ':'))
        i++;
    return is_at(s + i, len - i, dagger);
}

bool marks_is(const char *s, size_t len) {
    if (len < 2 * SIGN || memchr(s, '\n', len))
        return false;
    const char *end = s + len - SIGN;
    if (is_at(s, len, open_private))
        return is_at(end, SIGN, close_private) && memmem(s, len, close_private, SIGN) == end;
    return is_at(s, len, open_bracket) && is_at(end, SIGN, close_bracket) && memmem(s, len, close_bracket, SIGN) == end && is_bracketed(s, len);
}

/* No mark after all: its text goes out, the sign that nobody can read does not. */
static bool let_go(struct marks *m, struct buf *out) {
    size_t skip = is_at(m->held, m->len, open_private) ? SIGN : 0, len = m->len;
    m->len = 0;
    return buf_add(out, m->held + skip, len - skip);
}

static bool closes(const struct marks *m) {
    if (m->len < 2 * SIGN)
        return false;
    const char *end = m->held + m->len - SIGN;
    return is_at(end, SIGN, is_at(m->held, m->len, open_private) ? close_private : close_bracket);
}

static size_t char_len(unsigned char first) {
    return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

bool marks_feed(struct marks *m, const char *text, size_t len, struct buf *out) {
    bool fits = true;
    size_t from = 0;                     /* text that is not out yet */
    for (size_t i = 0; i < len;) {
        size_t n = char_len((unsigned char)text[i]);
        n = n < len - i ? n : len - i;
        bool opens = is_at(text + i, len - i, open_private) || is_at(text + i, len - i, open_bracket);
        if (m->len && (opens || text[i] == '\n' || m->len + n > MARK_MOST))
            fits = let_go(m, out) && fits;
        if (opens && !m->len) {
            fits = buf_add(out, text + from, i - from) && fits;
            from = i;
        }
        if (opens || m->len) {
            memcpy(m->held + m->len, text + i, n);
            m->len += n;
            from = i + n;
        }
        i += n;
        if (m->len && closes(m)) {
            if (marks_is(m->held, m->len))
                m->len = 0;
            else
                fits = let_go(m, out) && fits;
        }
    }
    return buf_add(out, text + from, len - from) && fits;
}

bool marks_end(struct marks *m, struct buf *out) {
    return let_go(m, out);
}
