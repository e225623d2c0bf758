/* Every refusal, failure and silence of Telegram and OpenAI becomes the decision that is meant. */
#include <stdlib.h>
#include <string.h>
#include "media/judge.h"
#include "services/alloc.h"
#include "tests/unit/unit.h"

static struct http_result answer(int status, const char *body) {
    struct http_result r = {.fate = HTTP_ANSWERED, .status = status, .retry_after_ms = -1, .should_retry = -1};
    buf_init(&r.body, 4096);
    assert_true(buf_add_str(&r.body, body));
    return r;
}

typedef struct verdict judge_fn(const struct http_result *r);

static struct verdict openai(const struct http_result *r) {
    return judge_openai(r, "model_audio");
}

static struct verdict judged(judge_fn *judge, int status, const char *body) {
    struct http_result r = answer(status, body);
    struct verdict v = judge(&r);
    buf_done(&r.body);
    assert_true(v.what == VERDICT_OK || v.why);
    assert_true(v.what != VERDICT_REFUSE || v.line);
    return v;
}

static void expect_line(judge_fn *judge, int status, const char *body, const char *line, const char *alert) {
    struct verdict v = judged(judge, status, body);
    assert_int_equal(v.what, VERDICT_REFUSE);
    assert_string_equal(v.line, line);
    if (alert)
        assert_string_equal(v.alert, alert);
    else
        assert_null(v.alert);
}

#define ERROR(text) "{\"ok\":false,\"error_code\":400,\"description\":\"" text "\"}"

static void telegram(void **state) {
    assert_int_equal(judged(judge_get_file, 200, "{}").what, VERDICT_OK);
    assert_int_equal(judged(judge_download, 206, "").what, VERDICT_OK);
    expect_line(judge_get_file, 400, ERROR("Bad Request: file is too big"), "file_too_big", NULL);
    expect_line(judge_get_file, 401, ERROR("Unauthorized"), "failed", "telegram_token");
    expect_line(judge_get_file, 400, ERROR("Bad Request: invalid file_id"), "file_gone", NULL);
    assert_int_equal(judged(judge_get_file, 400, ERROR("Bad Request: wrong file_id or the file is temporarily unavailable")).what, VERDICT_GONE);
    assert_int_equal(judged(judge_download, 404, "not json").what, VERDICT_GONE);
    assert_int_equal(judged(judge_download, 416, "").what, VERDICT_GONE);
    struct verdict v = judged(judge_download, 429, "{\"ok\":false,\"parameters\":{\"retry_after\":7}}");
    assert_int_equal(v.what, VERDICT_AGAIN);
    assert_int_equal(v.wait_ms, 7000);
    assert_true(v.asked_to_wait && !v.counts);
    v = judged(judge_get_file, 502, "<html>");
    assert_int_equal(v.what, VERDICT_AGAIN);
    assert_false(v.asked_to_wait);
}

static void openai_refuses(void **state) {
    assert_int_equal(judged(openai, 200, "{}").what, VERDICT_OK);
    expect_line(openai, 401, "{}", "key", "key");
    expect_line(openai, 429, "{\"error\":{\"code\":\"insufficient_quota\"}}", "quota", "quota");
    expect_line(openai, 413, "nothing", "file_too_big", NULL);
    expect_line(openai, 400, "{\"error\":{\"message\":\"Unsupported file format\"}}", "file_type", NULL);
    expect_line(openai, 400, "{\"error\":{\"message\":\"Audio file might be corrupted\"}}", "file_broken", NULL);
    expect_line(openai, 404, "{\"error\":{\"code\":\"model_not_found\"}}", "rejected", "model_audio");
    expect_line(openai, 400, "{\"error\":{\"param\":\"model\"}}", "rejected", "model_audio");
}

static void openai_may_be_asked_again(void **state) {
    struct verdict v = judged(openai, 500, "");
    assert_int_equal(v.what, VERDICT_AGAIN);
    assert_true(v.counts);
    v = judged(openai, 429, "{\"error\":{\"code\":\"rate_limit_exceeded\"}}");
    assert_int_equal(v.what, VERDICT_AGAIN);
    assert_false(v.counts);
    struct http_result r = answer(503, "");
    r.retry_after_ms = 4000;
    assert_int_equal(openai(&r).wait_ms, 4000);
    r.should_retry = 0;
    assert_int_equal(openai(&r).what, VERDICT_REFUSE);
    buf_done(&r.body);
}

static struct verdict drawing(const struct http_result *r) {
    return judge_drawing(r, false);
}

static struct verdict edit(const struct http_result *r) {
    return judge_drawing(r, true);
}

static void a_picture_is_refused_for_what_it_is(void **state) {
    expect_line(drawing, 400, "{\"error\":{\"message\":\"Your request was rejected by the safety system.\",\"code\":\"moderation_blocked\"}}", "image_refused", NULL);
    expect_line(drawing, 400, "{\"error\":{\"message\":\"No.\",\"code\":\"content_policy_violation\"}}", "image_refused", NULL);
    expect_line(edit, 400, "{\"error\":{\"message\":\"Rejected by the safety system.\",\"code\":null}}", "image_refused", NULL);
    expect_line(drawing, 400, "{\"error\":{\"message\":\"Odd\"}}", "rejected", NULL);
    expect_line(edit, 400, "{\"error\":{\"message\":\"Invalid image file\"}}", "file_broken", NULL);
    expect_line(drawing, 404, "{\"error\":{\"message\":\"The model does not exist\",\"code\":\"model_not_found\"}}", "rejected", "model_image");
    expect_line(drawing, 429, "{\"error\":{\"code\":\"insufficient_quota\"}}", "quota", "quota");
    expect_line(drawing, 401, "{\"error\":{\"code\":\"invalid_api_key\"}}", "key", "key");
    assert_int_equal(judged(drawing, 429, "{}").what, VERDICT_AGAIN);
    assert_int_equal(judged(drawing, 503, "").what, VERDICT_AGAIN);
    assert_true(judged(drawing, 400, "{\"error\":{\"message\":\"Unknown parameter\",\"param\":\"output_format\"}}").may_be_bare);
    assert_false(judged(drawing, 400, "{\"error\":{\"message\":\"Too long\",\"param\":\"prompt\"}}").may_be_bare);
}

static void what_was_not_answered_is_asked_again(void **state) {
    struct http_result r = {.fate = HTTP_NOT_SENT, .retry_after_ms = -1, .should_retry = -1};
    assert_true(openai(&r).unsent && judge_download(&r).unsent);
    r.fate = HTTP_UNKNOWN;
    assert_int_equal(openai(&r).what, VERDICT_AGAIN);
    assert_false(openai(&r).unsent);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(telegram),
        cmocka_unit_test(openai_refuses),
        cmocka_unit_test(openai_may_be_asked_again),
        cmocka_unit_test(a_picture_is_refused_for_what_it_is),
        cmocka_unit_test(what_was_not_answered_is_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
