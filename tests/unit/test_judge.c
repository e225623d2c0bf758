/* What is done about what OpenAI says. */
#include "llm/judge.h"
#include "services/openai.h"
#include "llm/request.h"
#include "unit.h"
#include <string.h>

static struct http_result answered(int status, const char *body) {
    struct http_result r = {.fate = HTTP_ANSWERED, .status = status, .retry_after_ms = -1, .should_retry = -1};
    buf_init(&r.body, 4096);
    assert_true(buf_add_str(&r.body, body));
    return r;
}

static struct verdict judged(int status, const char *body) {
    struct http_result r = answered(status, body);
    struct verdict v = judge_http(&r);
    buf_done(&r.body);
    return v;
}

static void what_passes_is_asked_again(void **state) {
    (void)state;
    static const struct { int status; const char *body; bool counts; } cases[] = {
        {500, "", true}, {502, "<html>Bad gateway</html>", true}, {503, "{\"error\":null}", true}, {408, "{}", false}, {409, "[]", false},
        {429, "{\"error\":{\"code\":\"rate_limit_exceeded\",\"type\":\"requests\"}}", false}, {429, "not JSON", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct verdict v = judged(cases[i].status, cases[i].body);
        assert_int_equal(v.what, VERDICT_AGAIN);
        assert_int_equal(v.counts, cases[i].counts);
        assert_non_null(v.why);
    }
}

static void what_waiting_does_not_mend_is_given_up(void **state) {
    (void)state;
    static const struct { int status; const char *body, *line, *alert; } cases[] = {
        {429, "{\"error\":{\"code\":\"insufficient_quota\"}}", "quota", "quota"},
        {429, "{\"error\":{\"type\":\"insufficient_quota\",\"code\":null}}", "quota", "quota"},
        {401, "", "key", "key"}, {403, "{}", "key", "key"}, {404, "{\"error\":{\"code\":\"model_not_found\"}}", "rejected", "model"},
        {400, "{\"error\":{\"code\":\"model_not_found\",\"param\":\"model\"}}", "rejected", "model"}, {403, "{\"error\":{\"code\":\"model_not_found\"}}", "rejected", "model"},
        {400, "{\"error\":{\"code\":\"invalid_prompt\"}}", "rejected", NULL}, {413, "", "too_long", NULL}, {400, "", "rejected", NULL},
        {418, "", "rejected", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct verdict v = judged(cases[i].status, cases[i].body);
        assert_int_equal(v.what, VERDICT_GIVE_UP);
        assert_string_equal(v.line, cases[i].line);
        if (cases[i].alert)
            assert_string_equal(v.alert, cases[i].alert);
        else
            assert_null(v.alert);
    }
}

static void a_chain_that_is_lost_or_too_long_begins_anew(void **state) {
    (void)state;
    assert_int_equal(judged(400, "{\"error\":{\"code\":\"previous_response_not_found\"}}").what, VERDICT_NEW_CHAIN);
    assert_int_equal(judged(400, "{\"error\":{\"param\":\"previous_response_id\",\"code\":null}}").what, VERDICT_NEW_CHAIN);
    assert_int_equal(judged(400, "{\"error\":{\"code\":\"context_length_exceeded\"}}").what, VERDICT_NEW_CHAIN);
    assert_int_equal(judged(404, "{\"error\":{\"code\":\"previous_response_not_found\"}}").what, VERDICT_NEW_CHAIN);
    assert_int_equal(judged(400, "{\"error\":{\"code\":null,\"param\":null,\"message\":\"Previous response with id 'resp_1' not found.\"}}").what,
                     VERDICT_NEW_CHAIN);
    assert_int_equal(judge_error("context_length_exceeded", NULL).what, VERDICT_NEW_CHAIN);
}

static void a_file_that_is_gone_ends_the_chain_and_is_said(void **state) {
    (void)state;
    static const struct { int status; const char *body; } cases[] = {
        {400, "{\"error\":{\"message\":\"No file found with id 'file-abc'.\",\"param\":\"input\",\"code\":null}}"},
        {404, "{\"error\":{\"message\":\"No such File object: file-abc\",\"type\":\"invalid_request_error\"}}"},
        {400, "{\"error\":{\"message\":\"Files [file-abc] were not found.\"}}"}, {400, "{\"error\":{\"code\":\"file_not_found\"}}"},
        {400, "{\"error\":{\"message\":\"File file-abc has expired\"}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct verdict v = judged(cases[i].status, cases[i].body);
        assert_int_equal(v.what, VERDICT_NEW_CHAIN);
        assert_string_equal(v.line, "file_expired");
    }
    assert_string_equal(judge_error("image_file_not_found", "").line, "file_expired");
    assert_null(judged(400, "{\"error\":{\"code\":\"previous_response_not_found\"}}").line);
    assert_string_equal(judged(404, "{\"error\":{\"message\":\"The model `x` does not exist\"}}").line, "rejected");
    assert_string_equal(judge_error("invalid_image_format", "").line, "file_broken");
    assert_string_equal(judge_error("image_parse_error", NULL).line, "file_broken");
}

static void a_parameter_that_is_not_known_is_left_out(void **state) {
    (void)state;
    struct verdict v = judged(400, "{\"error\":{\"param\":\"context_management\",\"code\":\"unknown_parameter\"}}");
    assert_int_equal(v.what, VERDICT_LEAVE_OUT);
    assert_int_equal(v.without, WITHOUT_COMPACTION);
    assert_int_equal(request_optional("metadata.job"), WITHOUT_METADATA);
    assert_int_equal(request_optional("metadatax"), 0);
    assert_int_equal(request_optional("model"), 0);
    assert_int_equal(request_optional(NULL), 0);
}

static void a_library_that_is_gone_is_told_from_a_file(void **state) {
    (void)state;
    static const char body[] = "{\"error\":{\"message\":\"Vector store with id 'vs_1' not found.\",\"type\":\"invalid_request_error\",\"param\":\"tools\"}}";
    assert_int_equal(judged(400, body).what, VERDICT_NO_LIBRARY);
    assert_int_equal(judged(404, body).what, VERDICT_NO_LIBRARY);
    assert_int_equal(judge_error("invalid_request_error", "Vector store vs_1 has expired.").what, VERDICT_NO_LIBRARY);
    assert_int_equal(judge_error("vector_store_timeout", NULL).what == VERDICT_NO_LIBRARY, 0);
    assert_int_equal(judged(400, "{\"error\":{\"param\":\"tools[1].vector_store_ids[0]\",\"message\":\"Invalid value.\"}}").what, VERDICT_NO_LIBRARY);
    struct verdict v = judged(400, "{\"error\":{\"param\":\"tools[0].type\",\"message\":\"Invalid value: 'web_search'.\"}}");
    assert_int_equal(v.what, VERDICT_LEAVE_OUT);
    assert_int_equal(v.without, WITHOUT_TOOLS);
    assert_int_equal(judged(400, "{\"error\":{\"param\":\"max_tool_calls\"}}").without, WITHOUT_TOOL_LIMIT);
}

static void headers_have_the_last_word(void **state) {
    (void)state;
    struct http_result r = answered(429, "{}");
    r.retry_after_ms = 7000;
    assert_int_equal(judge_http(&r).wait_ms, 7000);
    r.should_retry = 0;
    assert_int_equal(judge_http(&r).what, VERDICT_GIVE_UP);
    r.status = 400;
    r.should_retry = 1;
    assert_int_equal(judge_http(&r).what, VERDICT_AGAIN);
    buf_done(&r.body);
}

static void what_may_have_been_executed_is_looked_up(void **state) {
    (void)state;
    struct http_result lost = {.fate = HTTP_UNKNOWN}, cut = {.fate = HTTP_ANSWERED, .status = 200}, refused = {.fate = HTTP_NOT_SENT};
    assert_int_equal(judge_http(&lost).what, VERDICT_LOOK_UP);
    assert_int_equal(judge_http(&cut).what, VERDICT_LOOK_UP);
    assert_int_equal(judge_http(&refused).what, VERDICT_AGAIN);
}

static void the_back_off_grows_and_ends_at_a_minute(void **state) {
    (void)state;
    static const int64_t most[] = {0, 500, 500, 2000, 8000, 32000, 60000, 60000};
    for (int64_t next = 1; next < 8; next++)
        for (int i = 0; i < 200; i++) {
            int64_t ms = openai_backoff(next);
            assert_true(ms > 0 && ms <= most[next]);
        }
    assert_true(openai_backoff(1000000) <= 60000);
}

static void a_span_is_read_however_it_is_written(void **state) {
    static const struct { const char *text; int64_t ms; } cases[] = {
        {"6m0s", 360000}, {"1.5s", 1500}, {"120ms", 120}, {"1h2m3s", 3723000}, {"0s", 0}, {"1.001ms", 2}, {"1d", 86400000}, {"2.123456789s", 2124},
        {"", -1}, {"s", -1}, {"6", -1}, {"6x", -1}, {"-1s", -1}, {"1e9s", -1}, {"999999999h", -1}, {"1234567890s", -1}, {"1.s", -1}, {"6m 0s", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(openai_span_ms(cases[i].text), cases[i].ms);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_is_read_however_it_is_written),
        cmocka_unit_test(what_passes_is_asked_again),
        cmocka_unit_test(what_waiting_does_not_mend_is_given_up),
        cmocka_unit_test(a_chain_that_is_lost_or_too_long_begins_anew),
        cmocka_unit_test(a_file_that_is_gone_ends_the_chain_and_is_said),
        cmocka_unit_test(a_parameter_that_is_not_known_is_left_out),
        cmocka_unit_test(a_library_that_is_gone_is_told_from_a_file),
        cmocka_unit_test(headers_have_the_last_word),
        cmocka_unit_test(what_may_have_been_executed_is_looked_up),
        cmocka_unit_test(the_back_off_grows_and_ends_at_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
