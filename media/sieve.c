#include "media/sieve.h"
#include <string.h>

static const char wanted[] = "b64_json";

void sieve_init(struct sieve *s, size_t rest_max, sieve_out_fn *out, void *owner) {
    memset(s, 0, sizeof *s);
    s->out = out;
    s->owner = owner;
    buf_init(&s->rest, rest_max);
}

void sieve_done(struct sieve *s) {
    buf_done(&s->rest);
}

static int value_of(char c) {
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+' || c == '-' ? 62
           : c == '/' || c == '_' ? 63
                                  : -1;
}

static bool flush(struct sieve *s) {
    size_t len = s->used;
    s->used = 0;
    s->bytes += (int64_t)len;
    return !len || s->out(s->room, len, s->owner);
}

static bool decode(struct sieve *s, char c) {
    if (c == '=') {
        s->padded = true;
        return true;
    }
    if (c == '\n' || c == '\r' || c == ' ')
        return true;
    int value = value_of(c);
    if (value < 0 || s->padded)
        return false;
    s->bits = s->bits << 6 | (unsigned)value;
    s->bit_count += 6;
    if (s->bit_count < 8)
        return true;
    s->bit_count -= 8;
    s->room[s->used++] = (char)(s->bits >> s->bit_count & 0xFF);
    return s->used < sizeof s->room || flush(s);
}

/* One character of the picture's string, whose escapes are undone. */
static bool take_picture(struct sieve *s, char c) {
    if (s->hex_left) {
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        s->code = s->code << 4 | (unsigned)digit;
        return digit >= 0 && (--s->hex_left || (s->code < 0x80 && decode(s, (char)s->code)));
    }
    if (s->escaped) {
        s->escaped = false;
        s->hex_left = c == 'u' ? 4 : 0;
        s->code = 0;
        return c == 'u' || c == 'n' || c == 'r' || (c == '/' && decode(s, c));
    }
    if (c == '\\')
        return s->escaped = true;
    if (c != '"')
        return decode(s, c);
    s->state = SIEVE_DONE;               /* a second picture, if there is one, goes into the rest, and is too long for that */
    return flush(s) && buf_add(&s->rest, "\"", 1);
}

static bool take_plain(struct sieve *s, char c) {
    if (c == '"') {
        s->state = s->named ? SIEVE_PICTURE : SIEVE_STRING;
        s->named = false;
        s->name_len = 0;
    } else if (c == ':') {
        s->named = s->name_len == (int)sizeof wanted - 1 && !memcmp(s->name, wanted, sizeof wanted - 1);
        s->name_len = 0;
    } else if (!strchr(" \t\r\n", c)) {
        s->named = false;
        s->name_len = 0;
    }
    return buf_add(&s->rest, &c, 1);
}

static bool take_string(struct sieve *s, char c) {
    if (s->escaped)
        s->escaped = false;
    else if (c == '\\')
        s->escaped = true;
    else if (c == '"')
        s->state = SIEVE_PLAIN;
    if (s->state == SIEVE_STRING && s->name_len < (int)sizeof s->name)
        s->name[s->name_len++] = c;
    return buf_add(&s->rest, &c, 1);
}

bool sieve_add(struct sieve *s, const char *data, size_t len) {
    for (size_t i = 0; i < len && s->state != SIEVE_BROKEN; i++) {
        if (s->state == SIEVE_DONE) {
            if (!buf_add(&s->rest, data + i, len - i))
                s->state = SIEVE_BROKEN;
            break;
        }
        bool ok = s->state == SIEVE_PICTURE ? take_picture(s, data[i]) : s->state == SIEVE_STRING ? take_string(s, data[i]) : take_plain(s, data[i]);
        if (!ok)
            s->state = SIEVE_BROKEN;
    }
    return s->state != SIEVE_BROKEN;
}

bool sieve_is_whole(const struct sieve *s) {
    return s->state == SIEVE_DONE && s->bytes > 0;
}
