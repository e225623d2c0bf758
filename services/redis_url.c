#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "proto/cleanup.h"
#include "services/alloc.h"
#include "services/redis.h"

/* Undo %XX in text[0..len). NULL: a broken escape, or a NUL in disguise. The caller frees. */
static char *unescape(const char *text, size_t len) {
    char *out = alloc_copy(text, len), *end = out;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            *end++ = text[i];
            continue;
        }
        if (i + 2 >= len || !isxdigit((unsigned char)text[i + 1]) || !isxdigit((unsigned char)text[i + 2]))
            return free(out), NULL;
        char hex[3] = {text[i + 1], text[i + 2], '\0'};
        char byte = (char)strtol(hex, NULL, 16);
        if (!byte)
            return free(out), NULL;
        *end++ = byte;
        i += 2;
    }
    *end = '\0';
    return out;
}

/* A whole number of [least, most], all of text[0..len). */
static bool read_number(const char *text, size_t len, int least, int most, int *ret_n) {
    int n = 0;
    if (len == 0 || len > 9)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        n = n * 10 + (text[i] - '0');
    }
    if (n < least || n > most)
        return false;
    *ret_n = n;
    return true;
}

static bool take_login(struct redis_address *a, const char *text, size_t len) {
    const char *colon = memchr(text, ':', len);
    if (!colon) /* redis://user@host has nothing to log in with; redis-cli takes such a word for the password, others do not */
        return false;
    if (colon > text && !(a->user = unescape(text, (size_t)(colon - text))))
        return false;
    return (a->password = unescape(colon + 1, (size_t)(text + len - colon - 1))) != NULL;
}

static bool take_host(struct redis_address *a, const char *text, size_t len) {
    const char *port = NULL;
    size_t host_len = len;
    if (len && text[0] == '[') { /* [::1]:6379 */
        const char *end = memchr(text, ']', len);
        if (!end || (end + 1 < text + len && end[1] != ':'))
            return false;
        if (end + 1 < text + len)
            port = end + 2;
        text++;
        host_len = (size_t)(end - text);
        len -= 1;
    } else {
        const char *colon = memchr(text, ':', len);
        if (colon) {
            port = colon + 1;
            host_len = (size_t)(colon - text);
        }
    }
    if (host_len == 0 || host_len > 253)
        return false;
    for (size_t i = 0; i < host_len; i++)
        if ((unsigned char)text[i] <= ' ' || strchr("/?#@[]%\\", text[i]) || text[i] == 0x7f)
            return false;
    a->host = alloc_copy(text, host_len);
    a->port = 6379;
    return !port || read_number(port, (size_t)(text + len - port), 1, 65535, &a->port);
}

static bool parse_tcp(struct redis_address *a, const char *rest) {
    size_t len = strcspn(rest, "/?#");
    const char *at = memrchr(rest, '@', len), *tail = rest + len;
    if (at && !take_login(a, rest, (size_t)(at - rest)))
        return false;
    const char *host = at ? at + 1 : rest;
    if (!take_host(a, host, (size_t)(tail - host)))
        return false;
    if (*tail == '/')
        tail++;
    return !*tail || read_number(tail, strlen(tail), 0, 1 << 20, &a->db);
}

/* unix:///path?db=N, unix://user:pass@/path */
static bool parse_unix(struct redis_address *a, const char *rest) {
    size_t len = strcspn(rest, "?#");
    const char *slash = memchr(rest, '/', len), *tail = rest + len;
    if (!slash)
        return false;
    if (slash > rest && (slash[-1] != '@' || !take_login(a, rest, (size_t)(slash - 1 - rest))))
        return false;
    if (!(a->path = unescape(slash, (size_t)(tail - slash))) || !a->path[1] || strlen(a->path) > 107)   /* sun_path */
        return false;
    if (!*tail)
        return true;
    return strncmp(tail, "?db=", 4) == 0 && read_number(tail + 4, strlen(tail + 4), 0, 1 << 20, &a->db);
}

int redis_url_parse(const char *url, struct redis_address *ret_address) {
    CLEANUP(redis_address_done) struct redis_address a = {0};
    bool good;
    if (strncmp(url, "redis://", 8) == 0)
        good = parse_tcp(&a, url + 8);
    else if (strncmp(url, "rediss://", 9) == 0) {
        a.tls = true;
        good = parse_tcp(&a, url + 9);
    } else if (strncmp(url, "unix://", 7) == 0)
        good = parse_unix(&a, url + 7);
    else
        good = false;
    if (!good)
        return -EINVAL;
#ifndef HAVE_REDIS_TLS
    if (a.tls)
        return -ENOTSUP;
#endif
    *ret_address = a;
    memset(&a, 0, sizeof a);
    return 0;
}

void redis_address_done(struct redis_address *a) {
    free(a->host);
    free(a->path);
    free(a->user);
    free(a->password);
    memset(a, 0, sizeof *a);
}
