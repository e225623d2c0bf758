#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "llm/sse.h"
#include "tests/unit/unit.h"

/* What came, written down as name|data; and ! for an event that was too large. */
static char seen[4096];

static void on_event(const char *name, const char *data, size_t len, void *owner) {
    size_t at = strlen(seen);
    if (!data) {
        snprintf(seen + at, sizeof seen - at, "%s|!;", name);
        return;
    }
    assert_int_equal(strlen(data), len);
    snprintf(seen + at, sizeof seen - at, "%s|%s;", name, data);
}

/* Whole, byte by byte, and cut in two at every place: always the same. */
static void expect(const char *stream, size_t max, const char *want) {
    size_t len = strlen(stream);
    for (size_t cut = 0; cut <= len + 1; cut++) {
        struct sse s;
        seen[0] = '\0';
        sse_init(&s, max, on_event, NULL);
        if (cut <= len) {
            sse_push(&s, stream, cut);
            sse_push(&s, stream + cut, len - cut);
        } else {
            for (size_t i = 0; i < len; i++)
                sse_push(&s, stream + i, 1);
        }
        sse_done(&s);
        assert_string_equal(seen, want);
    }
}

static void events_come_whole_wherever_they_are_cut(void **state) {
    expect("event: a\ndata: {\"x\":1}\n\ndata: 2\n\n", 100, "a|{\"x\":1};|2;");
    expect("data:no space\n\ndata:  two\n\n", 100, "|no space;| two;");
    expect("data: ü😀\n\n", 100, "|ü😀;");
}

static void lines_end_in_three_ways(void **state) {
    expect("data: 1\r\rdata: 2\n\ndata: 3\r\n\r\ndata: 4\r\n\ndata: 5\n\r\n", 100, "|1;|2;|3;|4;|5;");
}

static void data_lines_are_joined(void **state) {
    expect("data: a\ndata:\ndata: b\n\n", 100, "|a\n\nb;");
    expect("data\n\n", 100, "|;");
    expect("data: a\nevent: late\ndata: b\n\n", 100, "late|a\nb;");
}

static void comments_and_unknown_fields_are_skipped(void **state) {
    expect(": hello\n:\nid: 7\nretry: 10\nnonsense\ndatax: no\nDATA: no\ndata: yes\n\n:\n\n", 100, "|yes;");
}

static void a_name_without_data_is_no_event(void **state) {
    expect("event: a\n\ndata: 1\n\n\n\nevent: b\nevent: c\ndata: 2\n\n", 100, "|1;c|2;");
}

static void a_byte_order_mark_is_skipped_once(void **state) {
    expect("\xEF\xBB\xBF" "data: 1\n\n", 100, "|1;");
    expect("\xEF\xBB\xBF\n" "data: 1\n\n", 100, "|1;");
    expect("data: 1\n\n\xEF\xBB\xBF" "data: 2\n\n", 100, "|1;");
}

static void done_ends_the_stream(void **state) {
    expect("data: 1\n\ndata: [DONE]\n\ndata: 2\n\n", 100, "|1;");
    expect("data: [DONE] \n\n", 100, "|[DONE] ;");
}

static void an_event_past_its_maximum_is_skipped_and_told_once(void **state) {
    expect("event: a\ndata: 1234567890\n\ndata: 2\n\n", 5, "a|!;|2;");
    expect("data: 123\ndata: 456\ndata: 789\n\ndata: 2\n\n", 5, "|!;|2;");
    expect("data: 12345\n\n", 5, "|12345;");
    expect(": a very long comment costs nothing\ndata: 2\n\n", 5, "|2;");
    expect("event: " "0123456789012345678901234567890123456789012345678901234567890123456789" "\ndata: 1\n\n", 100,
           "012345678901234567890123456789012345678901234567890123456789012|1;");
}

static void a_line_without_end_stays_bounded(void **state) {
    struct sse s;
    char piece[1000];
    memset(piece, 'x', sizeof piece);
    seen[0] = '\0';
    sse_init(&s, 10000, on_event, NULL);
    sse_push(&s, "data: ", 6);
    for (int i = 0; i < 1000; i++)
        sse_push(&s, piece, sizeof piece);
    assert_true(s.data.cap <= 10000);
    assert_string_equal(seen, "|!;");
    sse_done(&s);
}

static void little_memory_is_kept_between_events(void **state) {
    struct sse s;
    char *large = malloc(100001);
    memset(large, 'x', 100000);
    large[100000] = '\0';
    seen[0] = '\0';
    sse_init(&s, 1000000, on_event, NULL);
    sse_push(&s, "data: ", 6);
    sse_push(&s, large, 100000);
    sse_push(&s, "\n\n", 2);
    assert_true(s.data.cap <= 4096);
    seen[0] = '\0';
    sse_push(&s, "data: 1\n\n", 9);
    assert_string_equal(seen, "|1;");
    sse_done(&s);
    free(large);
}

static void expect_at_end(const char *stream, const char *want) {
    struct sse s;
    seen[0] = '\0';
    sse_init(&s, 100, on_event, NULL);
    sse_push(&s, stream, strlen(stream));
    sse_end(&s);
    sse_end(&s);
    sse_done(&s);
    assert_string_equal(seen, want);
}

static void the_end_hands_out_what_there_is(void **state) {
    expect_at_end("data: 1\n\n", "|1;");
    expect_at_end("data: 1\n", "|1;");
    expect_at_end("data: 1", "|1;");
    expect_at_end("event: a\ndata", "a|;");
    expect_at_end("event: a", "");
    expect_at_end("data: [DONE]", "");
    expect_at_end("", "");
}

static void a_zeroed_parser_can_be_freed(void **state) {
    struct sse s = { 0 };
    sse_done(&s);
    sse_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_whole_wherever_they_are_cut),
        cmocka_unit_test(lines_end_in_three_ways),
        cmocka_unit_test(data_lines_are_joined),
        cmocka_unit_test(comments_and_unknown_fields_are_skipped),
        cmocka_unit_test(a_name_without_data_is_no_event),
        cmocka_unit_test(a_byte_order_mark_is_skipped_once),
        cmocka_unit_test(done_ends_the_stream),
        cmocka_unit_test(an_event_past_its_maximum_is_skipped_and_told_once),
        cmocka_unit_test(a_line_without_end_stays_bounded),
        cmocka_unit_test(little_memory_is_kept_between_events),
        cmocka_unit_test(the_end_hands_out_what_there_is),
        cmocka_unit_test(a_zeroed_parser_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
