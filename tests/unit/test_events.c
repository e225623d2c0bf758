#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "llm/events.h"
#include "llm/sse.h"
#include "proto/cleanup.h"
#include "services/utf8.h"
#include "tests/unit/unit.h"

static struct event read_event(const char *data) {
    struct event e;
    assert_int_equal(event_read(data, strlen(data), &e), 0);
    return e;
}

static void each_kind_is_known(void **state) {
    static const struct { const char *type; enum event_kind kind; const char *tool; } cases[] = {
        { "response.created", EVENT_CREATED, "" },
        { "response.queued", EVENT_QUEUED, "" },
        { "response.in_progress", EVENT_IN_PROGRESS, "" },
        { "response.output_text.delta", EVENT_TEXT, "" },
        { "response.refusal.delta", EVENT_REFUSAL, "" },
        { "response.output_item.added", EVENT_ITEM, "" },
        { "response.output_item.done", EVENT_ITEM, "" },
        { "response.web_search_call.searching", EVENT_TOOL, "web_search" },
        { "response.file_search_call.completed", EVENT_TOOL, "file_search" },
        { "response.code_interpreter_call.interpreting", EVENT_TOOL, "code_interpreter" },
        { "response.image_generation_call.partial_image", EVENT_TOOL, "image_generation" },
        { "response.mcp_call.in_progress", EVENT_TOOL, "mcp" },
        { "response.code_interpreter_call_code.delta", EVENT_OTHER, "" },
        { "response.completed", EVENT_END, "" },
        { "response.incomplete", EVENT_END, "" },
        { "response.failed", EVENT_END, "" },
        { "error", EVENT_ERROR, "" },
        { "keepalive", EVENT_KEEPALIVE, "" },
        { "response.output_text.done", EVENT_OTHER, "" },
        { "response.something_new", EVENT_OTHER, "" },
        { "", EVENT_OTHER, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char data[200];
        snprintf(data, sizeof data, "{\"type\":\"%s\",\"sequence_number\":%zu}", cases[i].type, i);
        struct event e = read_event(data);
        assert_int_equal(e.kind, cases[i].kind);
        assert_string_equal(e.tool, cases[i].tool);
        assert_int_equal(e.sequence, i);
        assert_int_equal(e.response != NULL, e.kind == EVENT_END);
        event_done(&e);
    }
}

static void a_delta_is_valid_text(void **state) {
    static const struct { const char *delta, *want; } cases[] = {
        { "\"Hi\"", "Hi" },
        { "\"\\ud83d\\ude00\"", "😀" },
        { "\"a\\ud83d\"", "a\uFFFD" },
        { "\"\\u0000b\"", "\uFFFDb" },
        { "\"\xff\xfe\"", "\uFFFD\uFFFD" },
        { "null", "" },
        { "7", "" },
        { "{\"text\":\"x\"}", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char data[200];
        snprintf(data, sizeof data, "{\"type\":\"response.output_text.delta\",\"output_index\":2,\"delta\":%s}", cases[i].delta);
        struct event e = read_event(data);
        assert_int_equal(e.kind, EVENT_TEXT);
        assert_string_equal(e.text, cases[i].want);
        assert_int_equal(e.text_len, strlen(cases[i].want));
        assert_int_equal(e.output_index, 2);
        assert_int_equal(e.sequence, -1);
        event_done(&e);
    }
}

static void an_error_is_understood_in_every_form(void **state) {
    static const struct { const char *data, *code, *message; } cases[] = {
        { "{\"type\":\"error\",\"code\":\"server_error\",\"message\":\"m\",\"param\":null,\"sequence_number\":3}", "server_error", "m" },
        { "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"code\":\"c\",\"message\":\"m\"}}", "c", "m" },
        { "{\"error\":{\"type\":\"insufficient_quota\",\"code\":null,\"message\":\"m\"}}", "insufficient_quota", "m" },
        { "{\"error\":\"overloaded\"}", "", "overloaded" },
        { "{\"type\":\"response.output_text.delta\",\"delta\":\"x\",\"error\":{}}", "", "" },
        { "{\"type\":\"error\",\"code\":500,\"message\":[]}", "", "" },
        { "{\"type\":\"error\"}", "", "" },
        { "{\"error\":true}", "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct event e = read_event(cases[i].data);
        assert_int_equal(e.kind, EVENT_ERROR);
        assert_string_equal(e.code, cases[i].code);
        assert_string_equal(e.message, cases[i].message);
        event_done(&e);
    }
    struct event e = read_event("{\"type\":\"response.output_text.delta\",\"delta\":\"x\",\"error\":null}");
    assert_int_equal(e.kind, EVENT_TEXT);
    event_done(&e);
}

static void what_is_no_object_is_refused(void **state) {
    static const char *const bad[] = { "", "[]", "null", "\"x\"", "{", "{\"type\":\"error\"} x", "[DONE]", "\xff" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct event e = { .sequence = 77 };
        struct response r = { 0 };
        assert_int_equal(event_read(bad[i], strlen(bad[i]), &e), -EINVAL);
        assert_int_equal(e.sequence, 77);
        assert_int_equal(response_parse(bad[i], strlen(bad[i]), &r), -EINVAL);
    }
}

#define WHOLE                                                                                                                    \
    "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"gpt\",\"error\":null,"                      \
    "\"incomplete_details\":null,\"output\":["                                                                                   \
    "{\"type\":\"compaction\",\"encrypted_content\":\"g\"},{\"type\":\"reasoning\",\"summary\":[]},"                             \
    "{\"type\":\"message\",\"phase\":\"commentary\",\"content\":[{\"type\":\"output_text\",\"text\":\"Looking.\"}]},"            \
    "{\"type\":\"web_search_call\",\"action\":{\"type\":\"search\"}},"                                                           \
    "{\"type\":\"message\",\"phase\":\"final_answer\",\"content\":[{\"type\":\"output_text\",\"text\":\"One, \"},"               \
    "{\"type\":\"output_text\",\"text\":\"two.\"},{\"type\":\"refusal\",\"refusal\":\"No three.\"}]},"                           \
    "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"More.\"}]}],"                                       \
    "\"usage\":{\"input_tokens\":36,\"input_tokens_details\":{\"cached_tokens\":3,\"cache_write_tokens\":4},"                    \
    "\"output_tokens\":87,\"output_tokens_details\":{\"reasoning_tokens\":64},\"total_tokens\":123}}"

static void a_response_is_read(void **state) {
    struct response r;
    assert_int_equal(response_parse(WHOLE, strlen(WHOLE), &r), 0);
    assert_string_equal(r.id, "resp_1");
    assert_string_equal(r.status, "completed");
    assert_true(response_is_over(&r));
    assert_string_equal(r.model, "gpt");
    assert_string_equal(r.text, "One, two.\n\nMore.");
    assert_int_equal(r.text_len, strlen(r.text));
    assert_string_equal(r.commentary, "Looking.");
    assert_string_equal(r.refusal, "No three.");
    assert_string_equal(r.error_code, "");
    assert_string_equal(r.incomplete_reason, "");
    assert_true(r.has_usage);
    assert_int_equal(r.input_tokens, 36);
    assert_int_equal(r.cached_tokens, 3);
    assert_int_equal(r.cache_write_tokens, 4);
    assert_int_equal(r.output_tokens, 87);
    assert_int_equal(r.reasoning_tokens, 64);
    assert_true(r.compacted);
    assert_false(r.calls_pending);
    response_done(&r);
    assert_null(r.text);
    response_done(&r);
}

static void the_last_event_carries_it(void **state) {
    struct event e = read_event("{\"type\":\"response.completed\",\"response\":" WHOLE ",\"sequence_number\":9}");
    assert_int_equal(e.kind, EVENT_END);
    assert_string_equal(e.response_id, "resp_1");
    struct response *taken = e.response;
    e.response = NULL;
    event_done(&e);
    assert_string_equal(taken->text, "One, two.\n\nMore.");
    response_done(taken);
    free(taken);
}

static void an_ending_without_a_status_has_one(void **state) {
    static const struct { const char *data, *status; } cases[] = {
        { "{\"type\":\"response.completed\"}", "completed" },
        { "{\"type\":\"response.failed\",\"response\":7}", "failed" },
        { "{\"type\":\"response.incomplete\",\"response\":{\"status\":\"in_progress\"}}", "incomplete" },
        { "{\"type\":\"response.completed\",\"response\":{\"status\":\"cancelled\"}}", "cancelled" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct event e = read_event(cases[i].data);
        assert_int_equal(e.kind, EVENT_END);
        assert_string_equal(e.response->status, cases[i].status);
        assert_string_equal(e.response->text, "");
        assert_false(e.response->has_usage);
        event_done(&e);
    }
}

static void a_failed_response_says_why(void **state) {
    struct response r;
    const char *text = "{\"id\":\"resp_1\",\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"slow\"}}";
    assert_int_equal(response_parse(text, strlen(text), &r), 0);
    assert_string_equal(r.error_code, "rate_limit_exceeded");
    assert_string_equal(r.error_message, "slow");
    response_done(&r);
    text = "{\"id\":\"resp_1\",\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"}}";
    assert_int_equal(response_parse(text, strlen(text), &r), 0);
    assert_string_equal(r.incomplete_reason, "content_filter");
    response_done(&r);
}

static void a_function_call_waits_for_somebody(void **state) {
    struct response r;
    const char *text = "{\"id\":\"r\",\"output\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"}]}";
    assert_int_equal(response_parse(text, strlen(text), &r), 0);
    assert_true(r.calls_pending);
    response_done(&r);
}

static void wrong_types_are_as_good_as_nothing(void **state) {
    static const char *const odd[] = {
        "{\"id\":7,\"status\":\"completed\",\"output\":{},\"usage\":[],\"error\":\"x\",\"incomplete_details\":\"y\",\"model\":null}",
        "{\"id\":\"r\",\"output\":[1,null,\"x\",[],{},{\"type\":7},{\"type\":\"message\"},{\"type\":\"message\",\"content\":\"t\"},"
        "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":5},3,null]}]}",
        "{\"id\":\"r\",\"usage\":{\"input_tokens\":\"7\",\"output_tokens\":-5,\"input_tokens_details\":9,"
        "\"output_tokens_details\":{\"reasoning_tokens\":1.5}}}",
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct response r;
        assert_int_equal(response_parse(odd[i], strlen(odd[i]), &r), 0);
        assert_string_equal(r.text, "");
        assert_int_equal(r.input_tokens + r.output_tokens + r.cached_tokens + r.reasoning_tokens, 0);
        response_done(&r);
    }
}

static void absurd_token_counts_are_bounded(void **state) {
    struct response r;
    const char *text = "{\"id\":\"r\",\"usage\":{\"input_tokens\":9007199254740991}}";
    assert_int_equal(response_parse(text, strlen(text), &r), 0);
    assert_int_equal(r.input_tokens, 1000000000);
    assert_string_equal(r.odd_usage, "input_tokens");
    response_done(&r);
}

static void usage_that_makes_no_sense_is_named(void **state) {
    struct response r;
    const char *text = "{\"id\":\"r\",\"usage\":{\"input_tokens\":-3,\"output_tokens\":\"7\",\"input_tokens_details\":{\"cached_tokens\":null},"
                       "\"output_tokens_details\":{\"reasoning_tokens\":1e18}}}";
    assert_int_equal(response_parse(text, strlen(text), &r), 0);
    assert_string_equal(r.odd_usage, "input_tokens,output_tokens,reasoning_tokens");
    assert_int_equal(r.input_tokens + r.output_tokens, 0);
    response_done(&r);
}

static void an_id_that_is_no_name_is_none(void **state) {
    static const char *const ids[] = { "../models", "a/b", "a?b", "a b", "a\\u0000b", "ü" };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char data[200];
        snprintf(data, sizeof data, "{\"type\":\"response.created\",\"response\":{\"id\":\"%s\"}}", ids[i]);
        struct event e = read_event(data);
        assert_string_equal(e.response_id, "");
        event_done(&e);
    }
}

static void commentary_is_told_by_its_item(void **state) {
    struct event e = read_event("{\"type\":\"response.output_item.added\",\"output_index\":1,"
                                "\"item\":{\"type\":\"message\",\"phase\":\"commentary\"}}");
    assert_int_equal(e.kind, EVENT_ITEM);
    assert_int_equal(e.output_index, 1);
    assert_true(e.commentary);
    event_done(&e);
    e = read_event("{\"type\":\"response.output_item.added\",\"output_index\":1,\"item\":null}");
    assert_false(e.commentary);
    event_done(&e);
}

/* ---- the transcripts that came with the API's description ---- */

struct transcript { char text[65536]; int ends, errors, events; char end_text[65536]; };

static void on_sample_event(const char *name, const char *data, size_t len, void *owner) {
    struct transcript *t = owner;
    struct event e;
    t->events++;
    if (event_read(data, len, &e) < 0)
        return;
    if (e.kind == EVENT_TEXT)
        strncat(t->text, e.text, sizeof t->text - strlen(t->text) - 1);
    t->errors += e.kind == EVENT_ERROR;
    if (e.kind == EVENT_END) {
        t->ends++;
        snprintf(t->end_text, sizeof t->end_text, "%s", e.response->text);
        assert_true(e.response->has_usage || !strcmp(e.response->status, "failed"));
    }
    event_done(&e);
}

static void the_samples_are_read_to_their_end(void **state) {
    static const struct { const char *name; int ends, errors; } samples[] = {
        { "text", 1, 0 }, { "text_crlf_done", 1, 0 }, { "background_full", 1, 0 }, { "background_part2_after_9", 1, 0 },
        { "failed", 1, 0 }, { "incomplete", 1, 0 }, { "refusal", 1, 0 }, { "web_search", 1, 0 }, { "unknown_events", 1, 0 },
        { "image_generation", 1, 0 }, { "keepalive", 1, 0 }, { "error_event", 0, 1 }, { "error_nested", 0, 1 }, { "cut_mid_event", 0, 0 },
    };
    DIR *there = opendir(SAMPLES);
    if (!there)
        skip();
    closedir(there);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char path[500], byte;
        snprintf(path, sizeof path, "%s/%s.sse", SAMPLES, samples[i].name);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        static struct transcript t;
        struct sse s;
        memset(&t, 0, sizeof t);
        sse_init(&s, 8 << 20, on_sample_event, &t);
        while (fread(&byte, 1, 1, f) == 1)
            sse_push(&s, &byte, 1);
        sse_end(&s);
        sse_done(&s);
        fclose(f);
        assert_true(t.events > 1);
        assert_int_equal(t.ends, samples[i].ends);
        assert_int_equal(t.errors, samples[i].errors);
        if (!strcmp(samples[i].name, "web_search"))        /* its link is a number by then */
            assert_non_null(strstr(t.end_text, "2026. [[1](https://core.telegram.org/bots/api-changelog)]"));
        else if (t.ends && strncmp(samples[i].name, "background_part2", 16))
            assert_string_equal(t.text, t.end_text);
    }
}

/* Most events are only peeked into (peek.h). An escaped name keeps an event from that: then it is read in full. */
static void what_is_peeked_at_reads_the_same(void **state) {
    static const char *const events[] = {
        "{\"type\":\"response.output_text.delta\",\"delta\":\"a\\n\\\"b\\u00e4\",\"sequence_number\":7,\"output_index\":2,\"logprobs\":[{\"a\":[]}]}",
        "{\"delta\":\"x\", \"type\" : \"response.refusal.delta\" , \"sequence_number\": 1.0e1 }",
        "{\"type\":\"response.output_text.delta\",\"delta\":5}",
        "{\"type\":\"response.output_text.delta\",\"delta\":\"\\ud83d\",\"delta\":\"second\"}",
        "{\"type\":\"response.output_text.delta\",\"delta\":\"\xff\",\"sequence_number\":-3}",
        "{\"type\":\"response.output_text.delta\",\"delta\":\"x\",\"error\":{\"code\":\"odd\"}}",
        "{\"type\":\"response.created\",\"response\":{\"a\":{\"id\":\"no\"},\"id\":\"resp_1\",\"error\":null},\"sequence_number\":0}",
        "{\"type\":\"response.created\",\"response\":{\"id\":\"../x\"}}",
        "{\"type\":\"response.in_progress\",\"response\":[]}",
        "{\"type\":\"response.queued\"}",
        "{\"type\":\"response.output_item.added\",\"output_index\":1,\"item\":{\"phase\":\"commentary\",\"content\":[\"}\"]}}",
        "{\"type\":\"response.output_item.done\",\"item\":{\"phase\":\"comm\\u0065ntary\"}}",
        "{\"type\":\"response.output_item.done\",\"item\":null}",
        "{\"type\":\"response.content_part.done\",\"part\":{\"text\":\"\\\\\"},\"sequence_number\":12}",
        "{\"type\":\"response.output_text.done\",\"error\":\"what\"}",
        "{\"type\":\"response.web_search_call.searching\",\"sequence_number\":3}",
        "{\"type\":\"keepalive\"}",
        "{\"type\":\"error\",\"code\":\"c\",\"message\":\"m\"}",
    };
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        char full[400];
        struct event a = read_event(events[i]), b;
        snprintf(full, sizeof full, "{\"\\u0061\":0,%s", events[i] + 1);
        b = read_event(full);
        assert_int_equal(a.kind, b.kind);
        assert_int_equal(a.sequence, b.sequence);
        assert_int_equal(a.output_index, b.output_index);
        assert_int_equal(a.commentary, b.commentary);
        assert_int_equal(a.text_len, b.text_len);
        assert_string_equal(a.text, b.text);
        assert_string_equal(a.response_id, b.response_id);
        assert_string_equal(a.code, b.code);
        event_done(&a);
        event_done(&b);
    }
}

static void what_is_cut_is_not_peeked_at(void **state) {
    static const char whole[] = "{\"type\":\"response.output_text.delta\",\"delta\":\"a\\\"b\",\"x\":[{\"y\":1}],\"z\":null}";
    struct event e;
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        CLEANUP(text_done) char *exact = malloc(len + 1);       /* so that a sanitizer sees a step too far */
        memcpy(exact, whole, len);
        assert_int_equal(event_read(exact, len, &e), -EINVAL);
    }
    static const char *const odd[] = { "{\"type\":\"response.created\",}", "{\"type\"}", "{\"type\":}", "{,}", "{\"a\":1]", "{\"a\":1}}", "{\"a\" 1}" };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_int_equal(event_read(odd[i], strlen(odd[i]), &e), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_known),
        cmocka_unit_test(a_delta_is_valid_text),
        cmocka_unit_test(an_error_is_understood_in_every_form),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(a_response_is_read),
        cmocka_unit_test(the_last_event_carries_it),
        cmocka_unit_test(an_ending_without_a_status_has_one),
        cmocka_unit_test(a_failed_response_says_why),
        cmocka_unit_test(a_function_call_waits_for_somebody),
        cmocka_unit_test(wrong_types_are_as_good_as_nothing),
        cmocka_unit_test(absurd_token_counts_are_bounded),
        cmocka_unit_test(usage_that_makes_no_sense_is_named),
        cmocka_unit_test(an_id_that_is_no_name_is_none),
        cmocka_unit_test(commentary_is_told_by_its_item),
        cmocka_unit_test(what_is_peeked_at_reads_the_same),
        cmocka_unit_test(what_is_cut_is_not_peeked_at),
        cmocka_unit_test(the_samples_are_read_to_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
