#include "proto/money.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define EXPONENT_MAX 10000            /* past it every number but 0 is out of range anyway */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* What a number looks like before anything is computed: where its digits stand and what the last of them is worth. */
struct shape {
    const char *digits;
    size_t len;                       /* of the digits, a point among them included */
    int64_t first_power;              /* the first digit counts 10^first_power */
};

static int read_shape(const char *text, bool exponent_allowed, struct shape *ret) {
    const char *s = text;
    size_t whole = 0, fraction = 0;
    while (is_digit(*s))
        s++, whole++;
    if (*s == '.') {
        s++;
        while (is_digit(*s))
            s++, fraction++;
        if (!fraction)
            return -EINVAL;
    }
    if (!whole && !fraction)
        return -EINVAL;
    const char *end = s;
    int64_t exponent = 0;
    if (exponent_allowed && (*s == 'e' || *s == 'E')) {
        s++;
        bool negative = *s == '-';
        if (*s == '-' || *s == '+')
            s++;
        if (!is_digit(*s))
            return -EINVAL;
        for (; is_digit(*s); s++)
            if (exponent < EXPONENT_MAX)
                exponent = exponent * 10 + (*s - '0');
        if (negative)
            exponent = -exponent;
    }
    if (*s)
        return -EINVAL;
    *ret = (struct shape){ text, (size_t)(end - text), exponent + (int64_t)whole - 1 };
    return 0;
}

static int parse(const char *text, int decimals, bool exponent_allowed, int64_t *ret) {
    assert(decimals >= 0 && decimals <= 18);
    struct shape shape;
    int r = text ? read_shape(text, exponent_allowed, &shape) : -EINVAL;
    if (r < 0)
        return r;

    int64_t power = shape.first_power + decimals, value = 0;
    for (size_t i = 0; i < shape.len; i++) {
        if (shape.digits[i] == '.')
            continue;
        int digit = shape.digits[i] - '0';
        if (power < 0 && digit)
            return -ERANGE;
        if (power >= 0 && (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value)))
            return -ERANGE;
        power--;
    }
    for (; power >= 0 && value; power--)          /* 1e6: the zeros that nobody wrote */
        if (__builtin_mul_overflow(value, 10, &value))
            return -ERANGE;
    *ret = value;
    return 0;
}

int money_parse_scaled(const char *text, int decimals, int64_t *ret_scaled) {
    return parse(text, decimals, false, ret_scaled);
}

int money_parse_number(const char *text, int decimals, int64_t *ret_scaled) {
    return parse(text, decimals, true, ret_scaled);
}

int money_parse(const char *usd, int64_t *ret_nusd) {
    int64_t nusd;
    int r = parse(usd, 9, false, &nusd);
    if (r < 0)
        return r;
    if (nusd > MONEY_MAX_NUSD)
        return -ERANGE;
    *ret_nusd = nusd;
    return 0;
}

/* Negating as unsigned is defined for INT64_MIN too. */
static uint64_t size_of(int64_t nusd) {
    return nusd < 0 ? 0 - (uint64_t)nusd : (uint64_t)nusd;
}

char *money_print(char out[MONEY_TEXT], int64_t nusd) {
    money_print_rounded(out, nusd, 9);
    char *end = out + strlen(out);
    while (end[-1] == '0')
        *--end = 0;
    if (end[-1] == '.')
        end[-1] = 0;
    return out;
}

char *money_print_rounded(char out[MONEY_TEXT], int64_t nusd, int decimals) {
    assert(decimals >= 0 && decimals <= 9);
    uint64_t unit = 1;
    for (int i = decimals; i < 9; i++)
        unit *= 10;
    uint64_t rounded = (size_of(nusd) + unit / 2) / unit;          /* cannot overflow: 2^63 + 5·10^8 */
    uint64_t per_dollar = (uint64_t)NUSD_PER_USD / unit;
    const char *sign = nusd < 0 && rounded ? "-" : "";
    if (decimals)
        snprintf(out, MONEY_TEXT, "%s%" PRIu64 ".%0*" PRIu64, sign, rounded / per_dollar, decimals, rounded % per_dollar);
    else
        snprintf(out, MONEY_TEXT, "%s%" PRIu64, sign, rounded);
    return out;
}

char *money_print_usd(char out[MONEY_TEXT], int64_t nusd) {
    int64_t size = nusd < 0 ? -nusd : nusd;
    int places = size >= 100000 * NUSD_PER_USD ? 0 : !size || size >= NUSD_PER_USD ? 2 : size >= NUSD_PER_USD / 1000 ? 4 : 6;
    char plain[MONEY_TEXT];
    money_print_rounded(plain, size, places);
    snprintf(out, MONEY_TEXT, "%s$%.40s", nusd < 0 ? "-" : "", plain);
    return out;
}
