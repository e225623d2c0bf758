/* Any bytes as an answer of the Bot API: judged without harm, and never as a message without an id. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "outbound/telegram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int statuses[] = {200, 400, 401, 403, 404, 409, 413, 429, 500, 502, 204, 302, 0, -1, 420};
    if (size < 2)
        return 0;
    enum telegram_method method = data[0] % TELEGRAM_METHODS;
    struct http_result r = {.fate = HTTP_ANSWERED, .status = statuses[data[1] % (sizeof statuses / sizeof *statuses)],
                            .retry_after_ms = data[1] & 0x80 ? INT64_MAX : -1, .too_large = data[0] & 0x80};
    buf_init(&r.body, TELEGRAM_MAX_ANSWER);
    (void)buf_add(&r.body, data + 2, size - 2);
    struct telegram_verdict v = telegram_judge(method, &r);
    if (telegram_sends(method) && (v.what == TELEGRAM_OK) != (v.message_id > 0))
        abort();
    if (v.wait_ms < 0 || v.wait_ms > 8LL * 24 * 3600 * 1000 || memchr(v.why, 0, sizeof v.why) == NULL)
        abort();
    if (v.what == TELEGRAM_OK && v.why[0])
        abort();
    if (v.what != TELEGRAM_PAUSE && v.wait_ms)
        abort();
    buf_done(&r.body);
    return 0;
}
