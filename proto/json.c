#include "proto/json.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The value of four hexadecimal digits, or -1. */
static int hex4(const char *digits) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = digits[i];
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0)
            return -1;
        value = value * 16 + d;
    }
    return value;
}

/* The code unit of an escape like \u00e4 at text, or -1 when there is none. */
static int escape_at(const char *text, const char *end) {
    return end - text >= 6 && text[0] == '\\' && text[1] == 'u' ? hex4(text + 2) : -1;
}

/* Every escape that cJSON cannot take becomes \ufffd, which has the same length. Returns NULL when there was none, as nearly
 * always; else a copy, for the caller to free. */
static char *mended(const char *text, size_t len) {
    char *copy = NULL;
    const char *at = text, *end = text + len;
    while ((at = memchr(at, '\\', (size_t)(end - at)))) {
        int unit = escape_at(at, end);
        if (unit < 0) {
            at += end - at >= 2 ? 2 : 1;
            continue;
        }
        bool high = unit >= 0xD800 && unit <= 0xDBFF, low = unit >= 0xDC00 && unit <= 0xDFFF;
        int after = high ? escape_at(at + 6, end) : -1;
        if (after >= 0xDC00 && after <= 0xDFFF) {
            at += 12;
            continue;
        }
        if (high || low || unit == 0) {
            if (!copy) {
                copy = malloc(len);
                if (!copy)
                    abort();
                memcpy(copy, text, len);
            }
            memcpy(copy + (at - text) + 2, "fffd", 4);
        }
        at += 6;
    }
    return copy;
}

cJSON *json_parse(const char *text, size_t len) {
    if (!text || !len)
        return NULL;
    CLEANUP(text_done) char *copy = mended(text, len);
    const char *whole = copy ? copy : text, *end = NULL;
    cJSON *o = cJSON_ParseWithLengthOpts(whole, len, &end, 0);
    if (!o)
        return NULL;
    for (; end < whole + len; end++) {
        if (!memchr(" \t\r\n", *end, 4)) {
            cJSON_Delete(o);
            return NULL;
        }
    }
    return o;
}

void json_done(cJSON **o) {
    cJSON_Delete(*o);
}

bool json_get_i64(const cJSON *o, const char *name, int64_t *ret_value) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);
    const double exact = 9007199254740991.0; /* 2^53 - 1: one more, and its neighbour reads the same */
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= -exact && item->valuedouble <= exact))
        return false;
    int64_t value = (int64_t)item->valuedouble;
    if ((double)value != item->valuedouble)
        return false;
    *ret_value = value;
    return true;
}

bool json_get_bool(const cJSON *o, const char *name, bool *ret_value) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);
    if (!cJSON_IsBool(item))
        return false;
    *ret_value = cJSON_IsTrue(item);
    return true;
}

const char *json_get_str(const cJSON *o, const char *name) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
}

const cJSON *json_get_obj(const cJSON *o, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);
    return cJSON_IsObject(item) ? item : NULL;
}

const cJSON *json_get_arr(const cJSON *o, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);
    return cJSON_IsArray(item) ? item : NULL;
}

bool json_put_i64(cJSON *o, const char *name, int64_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, value);
    return cJSON_AddRawToObject(o, name, digits) != NULL; /* raw: as a number, 10^15 would print as 1e+15 */
}

bool json_put_str(cJSON *o, const char *name, const char *value) {
    return value && cJSON_AddStringToObject(o, name, value) != NULL;
}

bool json_put_bool(cJSON *o, const char *name, bool value) {
    return cJSON_AddBoolToObject(o, name, value) != NULL;
}

char *json_take_text(const cJSON *o) {
    return cJSON_PrintUnformatted(o);
}
