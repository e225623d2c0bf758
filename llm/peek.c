#include "llm/peek.h"
#include <string.h>
#include "proto/json.h"
#include "services/utf8.h"

static const char *skip_space(const char *at, const char *end) {
    while (at < end && memchr(" \t\r\n", *at, 4))
        at++;
    return at;
}

/* Behind the string that begins at `at`, or NULL. */
static const char *skip_string(const char *at, const char *end) {
    for (at++; at < end; at++) {
        if (*at == '\\')
            at++;
        else if (*at == '"')
            return at + 1;
    }
    return NULL;
}

/* Behind the value that begins at `at`, or NULL. */
static const char *skip_value(const char *at, const char *end) {
    int depth = 0;
    while (at < end) {
        const char *from = at;
        if (*at == '"') {
            at = skip_string(at, end);
            if (!at)
                return NULL;
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
        } else if (*at == '}' || *at == ']') {
            if (!depth--)
                return NULL;
            at++;
        } else if (depth) {
            at++;
        } else {
            while (at < end && !memchr(",}] \t\r\n", *at, 7))
                at++;
            return at > from ? at : NULL;
        }
        if (!depth)
            return at;
    }
    return NULL;
}

static void keep(struct peek name, const char *const *names, int count, struct peek *values, struct peek value) {
    for (int i = 0; i < count; i++)
        if (!values[i].at && peek_is(name, names[i]))
            values[i] = value;
}

bool peek_members(struct peek text, const char *const *names, int count, struct peek *ret_values) {
    for (int i = 0; i < count; i++)
        ret_values[i] = (struct peek){ 0 };
    if (!text.at || !text.len)
        return false;
    const char *end = text.at + text.len, *at = skip_space(text.at, end);
    if (at == end || *at != '{')
        return false;
    at = skip_space(at + 1, end);
    bool empty = at < end && *at == '}';
    while (!empty) {
        if (at == end || *at != '"')
            return false;
        struct peek name = { at, 0 };
        at = skip_string(at, end);
        if (!at)
            return false;
        name.len = (size_t)(at - name.at);
        if (memchr(name.at, '\\', name.len))
            return false;
        at = skip_space(at, end);
        if (at == end || *at != ':')
            return false;
        struct peek value = { skip_space(at + 1, end), 0 };
        at = skip_value(value.at, end);
        if (!at)
            return false;
        value.len = (size_t)(at - value.at);
        keep(name, names, count, ret_values, value);
        at = skip_space(at, end);
        if (at == end || (*at != ',' && *at != '}'))
            return false;
        if (*at == '}')
            break;
        at = skip_space(at + 1, end);
    }
    return skip_space(at + 1, end) == end;
}

bool peek_is(struct peek value, const char *string) {
    size_t len = strlen(string);
    return value.at && value.len == len + 2 && value.at[0] == '"' && !memcmp(value.at + 1, string, len) && value.at[len + 1] == '"';
}

bool peek_i64(struct peek value, int64_t *ret_value) {
    int64_t n = 0;
    if (!value.at || !value.len || value.len > 15)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return false;
        n = n * 10 + (value.at[i] - '0');
    }
    *ret_value = n;
    return true;
}

bool peek_is_null(struct peek value) {
    return !value.at || (value.len == 4 && !memcmp(value.at, "null", 4));
}

cJSON *peek_string(struct peek value) {
    if (!value.at || !value.len || *value.at != '"' || !utf8_valid(value.at, value.len))
        return NULL;
    return json_parse(value.at, value.len);
}
