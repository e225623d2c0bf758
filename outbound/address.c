#include "outbound/address.h"
#include <string.h>
#include <strings.h>

static bool has_scheme(const char *s, size_t len, const char *scheme, size_t *ret_len) {
    *ret_len = strlen(scheme);
    return len > *ret_len && !strncasecmp(s, scheme, *ret_len);
}

static bool is_host_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* tg://name?…: a name of letters, digits, - and _ */
static bool is_app_address(const char *s, size_t len) {
    size_t n = 0;
    while (n < len && is_host_char(s[n]))
        n++;
    return n > 0 && (n == len || s[n] == '?' || s[n] == '/' || s[n] == '#');
}

static bool is_web_address(const char *s, size_t len) {
    size_t host = 0;
    while (host < len && !strchr("/?#", s[host]))
        host++;
    const char *at = memrchr(s, '@', host);
    size_t from = at ? (size_t)(at - s) + 1 : 0;
    if (from < host && s[from] == '[')
        return memchr(s + from, ']', host - from) != NULL;
    const char *colon = memchr(s + from, ':', host - from);
    size_t end = colon ? (size_t)(colon - s) : host;
    for (size_t i = end + 1; i < host; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    for (size_t i = from; i < end; i++)
        if (!is_host_char(s[i]) && s[i] != '.' && s[i] != '%' && (unsigned char)s[i] < 0x80)
            return false;
    const char *dot = end > from ? memchr(s + from, '.', end - from) : NULL;
    return dot && dot > s + from && end > from && s[end - 1] != '.' && host - end <= 6;
}

bool address_is_usable(const char *s, size_t len) {
    size_t n;
    if (!len || len > ADDRESS_MAX_BYTES)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] <= ' ' || s[i] == 0x7F)
            return false;
    if (has_scheme(s, len, "http://", &n) || has_scheme(s, len, "https://", &n))
        return is_web_address(s + n, len - n);
    if (has_scheme(s, len, "tg://", &n) || has_scheme(s, len, "ton://", &n))
        return is_app_address(s + n, len - n);
    return false;
}

size_t address_lacks_slash(const char *s, size_t len) {
    size_t n;
    if (!has_scheme(s, len, "http://", &n) && !has_scheme(s, len, "https://", &n))
        return len + 1;
    while (n < len && !strchr("/?#", s[n]))
        n++;
    return n < len && s[n] == '/' ? len + 1 : n;
}
