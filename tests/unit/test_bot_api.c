#include <stdio.h>
#include <string.h>
#include "ingest/bot_api.h"
#include "tests/unit/unit.h"

static struct bot_answer answer(enum http_fate fate, int status, const char *body) {
    struct http_result r = { .fate = fate, .status = status, .retry_after_ms = -1 };
    snprintf(r.reason, sizeof r.reason, "%s", fate == HTTP_ANSWERED ? "" : "connection refused");
    buf_init(&r.body, 1 << 20);
    buf_add_str(&r.body, body);
    struct bot_answer a;
    bot_api_read(&r, &a);
    buf_done(&r.body);
    return a;
}

static void each_answer_has_one_meaning(void **state) {
    static const struct { int status; const char *body; enum bot_word word; int64_t wait_ms; } cases[] = {
        { 200, "{\"ok\":true,\"result\":[]}", BOT_OK, 0 },
        { 200, " {\"result\":true,\"ok\":true}\n", BOT_OK, 0 },
        { 200, "{\"ok\":true}", BOT_NONSENSE, 0 },
        { 200, "{\"ok\":\"true\",\"result\":[]}", BOT_NONSENSE, 0 },
        { 200, "{\"ok\":true,\"result\":[", BOT_NONSENSE, 0 },
        { 200, "<html>", BOT_NONSENSE, 0 },
        { 200, "", BOT_NONSENSE, 0 },
        { 200, "null", BOT_NONSENSE, 0 },
        { 401, "{\"ok\":false,\"error_code\":401,\"description\":\"Unauthorized\"}", BOT_TOKEN, 0 },
        { 404, "{\"ok\":false,\"error_code\":404,\"description\":\"Not Found\"}", BOT_TOKEN, 0 },
        { 409, "{\"ok\":false,\"error_code\":409,\"description\":\"Conflict: terminated by other getUpdates request\"}", BOT_CONFLICT, 0 },
        { 409, "{\"ok\":false,\"error_code\":409,\"description\":\"Conflict: terminated by setWebhook request\"}", BOT_CONFLICT, 0 },
        { 409, "{\"ok\":false,\"error_code\":409,\"description\":\"Conflict: can't use getUpdates method while webhook is active; use deleteWebhook\"}", BOT_WEBHOOK, 0 },
        { 429, "{\"ok\":false,\"error_code\":429,\"parameters\":{\"retry_after\":7}}", BOT_WAIT, 7000 },
        { 429, "{\"ok\":false,\"error_code\":429,\"parameters\":{\"retry_after\":-7}}", BOT_WAIT, 0 },
        { 429, "{\"ok\":false,\"error_code\":429,\"parameters\":{\"retry_after\":1e15}}", BOT_WAIT, 0 },
        { 429, "{\"ok\":false,\"error_code\":429,\"parameters\":{\"retry_after\":\"soon\"}}", BOT_WAIT, 0 },
        { 429, "slow down", BOT_WAIT, 0 },
        { 400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: chat not found\"}", BOT_REFUSED, 0 },
        { 403, "{\"ok\":false,\"error_code\":403,\"description\":\"Forbidden: bot was blocked by the user\"}", BOT_REFUSED, 0 },
        { 413, "<html>", BOT_FAILED, 0 },
        { 500, "{\"ok\":false}", BOT_FAILED, 0 },
        { 502, "<html>bad gateway</html>", BOT_FAILED, 0 },
        { 409, "<html>", BOT_CONFLICT, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bot_answer a = answer(HTTP_ANSWERED, cases[i].status, cases[i].body);
        if (a.word != cases[i].word || a.wait_ms != cases[i].wait_ms)
            fail_msg("%d %s: word %d, wait %lld", cases[i].status, cases[i].body, (int)a.word, (long long)a.wait_ms);
        assert_int_equal(a.word == BOT_OK, a.result != NULL);
        assert_int_equal(a.word == BOT_OK, !*a.why);
        assert_int_equal(a.word == BOT_NONSENSE, a.body != NULL);
        bot_answer_done(&a);
        bot_answer_done(&a); /* twice is fine */
    }
}

static void what_was_lost_on_the_way_failed(void **state) {
    struct bot_answer a = answer(HTTP_UNKNOWN, 200, "{\"ok\":true,\"result\":[]}"); /* the body may not be whole */
    assert_int_equal(a.word, BOT_FAILED);
    assert_string_equal(a.why, "connection refused");
    bot_answer_done(&a);
    a = answer(HTTP_NOT_SENT, 0, "");
    assert_int_equal(a.word, BOT_FAILED);
    bot_answer_done(&a);
}

static void the_beginning_of_what_is_too_large_is_kept(void **state) {
    struct http_result r = { .fate = HTTP_ANSWERED, .status = 200, .too_large = true, .retry_after_ms = -1 };
    buf_init(&r.body, 100);
    buf_add_str(&r.body, "{\"ok\":true,\"result\":[{\"update_id\":5,");
    struct bot_answer a;
    bot_api_read(&r, &a);
    assert_int_equal(a.word, BOT_TOO_LARGE);
    assert_string_equal(a.body, "{\"ok\":true,\"result\":[{\"update_id\":5,");
    assert_int_equal(a.body_len, strlen(a.body));
    bot_answer_done(&a);
    buf_done(&r.body);
}

static void waiting_grows_but_not_for_ever(void **state) {
    for (int failures = 0; failures < 200; failures++) {
        int64_t ms = bot_api_backoff_ms(failures);
        assert_in_range(ms, 250, 30000);
        if (failures > 7)
            assert_in_range(ms, 15000, 30000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_has_one_meaning),
        cmocka_unit_test(what_was_lost_on_the_way_failed),
        cmocka_unit_test(the_beginning_of_what_is_too_large_is_kept),
        cmocka_unit_test(waiting_grows_but_not_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
