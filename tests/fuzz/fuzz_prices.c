/* Any bytes as a prices file: loaded or refused in one line, and whatever was loaded answers within its bounds. */
#include <string.h>
#include "proto/money.h"
#include "proto/prices.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    struct prices *p = NULL;
    char problem[PRICES_PROBLEM] = "";
    if (prices_load((const char *)data, len, NULL, &p, problem)) {
        CHECK(problem[0] && !strchr(problem, '\n') && !p);
        return 0;
    }
    static const char *const models[] = { "m", "m-2026-01-02", "gpt-6.1-terra", "" };
    for (int i = 0; i < 4; i++) {
        struct usage u = { INT64_MAX, (int64_t)len, 3, INT64_MAX / 2, -1, INT64_MIN, 5, { { "web_search", INT64_MAX } } };
        int64_t cost = prices_cost(p, models[i], &u);
        CHECK(cost >= 0 && cost <= MONEY_MAX_NUSD);
        int64_t left = 123456789, n = prices_output_paid_for(p, models[i], 1000, left);
        CHECK(n >= 0);
        CHECK(n == 0 || n == INT64_MAX || prices_upper_bound(p, models[i], 1000, n) <= left);
        const char *shutdown = prices_shutdown(p, models[i]);
        CHECK(!shutdown || strlen(shutdown) == 10);
        (void)prices_able(p, models[i], "text");
    }
    prices_free(p);
    return 0;
}
