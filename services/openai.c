#include "services/openai.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static bool one_of(const char *word, const char *const *list) {
    for (; word && *list; list++)
        if (!strcmp(word, *list))
            return true;
    return false;
}

/* https://platform.openai.com/docs/guides/error-codes */
bool openai_is_quota(const char *code) {
    static const char *const codes[] = {"insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_hard_limit_reached", "billing_not_active", NULL};
    return one_of(code, codes);
}

bool openai_is_passing(const char *code) {
    static const char *const codes[] = {"server_error", "rate_limit_exceeded", "slow_down", "server_is_overloaded", "vector_store_timeout",
        "conversation_locked", "overloaded", "timeout", NULL};
    return one_of(code, codes);
}

int64_t openai_backoff(int64_t next) {
    int64_t most = 500;
    for (int64_t i = 2; i < next && most < 60000; i++)
        most *= 4;
    if (most > 60000)
        most = 60000;
    unsigned random = 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = (unsigned)rand();       /* jitter needs no secrecy */
    return 1 + (int64_t)(random % (unsigned)most);
}

/* The length of a unit in ms, and how many letters it has; 0: it is none. */
static int64_t unit_of(const char *at, size_t *ret_len) {
    static const struct { const char *name; int64_t ms; } units[] = { { "ms", 1 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "d", 86400000 } };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        *ret_len = strlen(units[i].name);
        if (!strncmp(at, units[i].name, *ret_len))
            return units[i].ms;
    }
    return 0;
}

int64_t openai_span_ms(const char *text) {
    static const int64_t most_us = 365LL * 86400000 * 1000;
    int64_t us = 0;
    const char *at = text;
    while (*at) {
        size_t digits = strspn(at, "0123456789"), unit_len, places = 0;
        int64_t number = 0, scale = 1;
        if (!digits || digits > 9)
            return -1;
        for (size_t i = 0; i < digits; i++)
            number = number * 10 + *at++ - '0';
        if (*at == '.' && (places = strspn(at + 1, "0123456789")))
            at++;
        for (size_t i = 0; i < places; i++, at++)
            if (i < 6) {
                number = number * 10 + *at - '0';
                scale *= 10;
            }
        int64_t unit_ms = unit_of(at, &unit_len);
        if (!unit_ms || number > INT64_MAX / unit_ms / 1000)
            return -1;
        us += number * unit_ms * 1000 / scale;
        if (us > most_us)
            return -1;
        at += unit_len;
    }
    return at == text ? -1 : (us + 999) / 1000;
}
