#include "sim/text.h"

#include <stdint.h>
#include <string.h>


bool text_is_utf8(const char *text, size_t n) {
    const unsigned char *s = (const unsigned char *)text;
    size_t i = 0;
    while (i < n) {
        unsigned char c = s[i];
        size_t more = c < 0x80 ? 0 : c >= 0xc2 && c <= 0xdf ? 1 : (c & 0xf0) == 0xe0 ? 2 : c >= 0xf0 && c <= 0xf4 ? 3 : 9;
        if (more == 9 || more >= n - i + (more == 0))
            return false;
        for (size_t k = 1; k <= more; k++)
            if ((s[i + k] & 0xc0) != 0x80)
                return false;
        if ((c == 0xe0 && s[i + 1] < 0xa0) || (c == 0xed && s[i + 1] > 0x9f) || (c == 0xf0 && s[i + 1] < 0x90) || (c == 0xf4 && s[i + 1] > 0x8f))
            return false;
        i += more + 1;
    }
    return true;
}

size_t text_utf16(const char *s, size_t n) {
    size_t units = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        units += ((c & 0xc0) != 0x80) + (c >= 0xf0);
    }
    return units;
}

size_t text_chars(const char *s, size_t n) {
    size_t chars = 0;
    for (size_t i = 0; i < n; i++)
        chars += ((unsigned char)s[i] & 0xc0) != 0x80;
    return chars;
}

size_t text_floor(const char *s, size_t n, size_t at) {
    if (at >= n)
        return n;
    while (at && ((unsigned char)s[at] & 0xc0) == 0x80)
        at--;
    return at;
}

size_t text_prefix(const char *s, size_t n, size_t chars) {
    size_t i = 0;
    while (i < n) {
        if (((unsigned char)s[i] & 0xc0) != 0x80 && chars-- == 0)
            break;
        i++;
    }
    return i;
}

static bool is_space(unsigned char c) {
    return c == ' ' || c == '\n' || c == '\t';
}

char *text_clean(const char *s, size_t *ret_cut) {
    size_t n = strlen(s), kept = 0, begin = 0, control = 0;
    char *out = xalloc(n + 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '\r' || (c < 32 && c != '\n' && c != '\t')) {
            control += kept == 0;
            continue;
        }
        out[kept++] = (char)c;
    }
    while (begin < kept && is_space((unsigned char)out[begin]))
        begin++;
    while (kept > begin && is_space((unsigned char)out[kept - 1]))
        kept--;
    memmove(out, out + begin, kept - begin);
    out[kept - begin] = 0;
    *ret_cut = begin + control;
    return out;
}

static bool is_name(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Letters of other alphabets belong to words as well; what begins with 0xe2 or more is a sign or a picture. */
static bool is_word(unsigned char c) {
    return is_name(c) || (c >= 0x80 && c < 0xe2);
}

static size_t name_length(const char *s) {
    size_t n = 0;
    while (is_name((unsigned char)s[n]))
        n++;
    return n;
}

/* How many bytes from s on are a mention or a command; 0: neither. `before`: first byte of the character in front. */
static size_t entity_at(const char *s, unsigned char before) {
    size_t n = name_length(s + 1), bot = 0;
    if ((*s != '@' && *s != '/') || is_word(before) || before == '/' || before == '<' || before == '>')
        return 0;
    if (*s == '/' && s[1 + n] == '@')
        bot = name_length(s + n + 2);
    if (n < (*s == '@' ? 3 : 1) || n > (*s == '@' ? 32 : 64) || (bot && bot < 3))
        return 0;
    n += 1 + (bot ? bot + 1 : 0);
    return is_word((unsigned char)s[n]) || (*s == '/' && s[n] == '/') ? 0 : n;
}

void text_entities(const char *s, struct buf *b) {
    unsigned char before = ' ';
    bool first = true;
    for (size_t i = 0, n; s[i]; i += n) {
        n = entity_at(s + i, before);
        if (n) {
            buf_fmt(b, "%s{\"offset\":%zu,\"length\":%zu,\"type\":\"%s\"}", first ? "[" : ",", text_utf16(s, i), n, s[i] == '@' ? "mention" : "bot_command");
            first = false;
        }
        n = n ? n : 1;
        if (((unsigned char)s[i + n - 1] & 0xc0) != 0x80)
            before = (unsigned char)s[i + n - 1];
    }
    if (!first)
        buf_str(b, "]");
}
