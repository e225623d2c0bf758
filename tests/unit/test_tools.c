/* What calls of tools are counted as, and how they go into the bill. */
#include "llm/events.h"
#include "unit.h"
#include <stdio.h>
#include <string.h>

static struct tool_calls count(const char *output) {
    CLEANUP(json_done) cJSON *list = json_parse(output, strlen(output));
    struct tool_calls c;
    tools_count(list, &c);
    return c;
}

static void searches_that_were_made_are_counted(void **state) {
    (void)state;
    struct tool_calls c = count(
        "[{\"type\":\"web_search_call\",\"status\":\"completed\",\"action\":{\"type\":\"search\"}},"
        "{\"type\":\"web_search_call\",\"status\":\"completed\",\"action\":{\"type\":\"open_page\"}},"
        "{\"type\":\"web_search_call\",\"status\":\"completed\",\"action\":{\"type\":\"find_in_page\"}},"
        "{\"type\":\"web_search_call\",\"status\":\"failed\",\"action\":{\"type\":\"search\"}},"
        "{\"type\":\"web_search_call\",\"status\":\"in_progress\"},"
        "{\"type\":\"web_search_call\",\"status\":\"completed\"},{\"type\":\"web_search_call\"},"
        "{\"type\":\"file_search_call\",\"status\":\"completed\"},{\"type\":\"file_search_call\",\"status\":\"incomplete\"}]");
    assert_int_equal(c.web_search, 3);
    assert_int_equal(c.file_search, 1);
    assert_int_equal(c.code_interpreter, 0);
}

static void a_container_is_paid_for_once(void **state) {
    (void)state;
    struct tool_calls c = count(
        "[{\"type\":\"code_interpreter_call\",\"status\":\"completed\",\"container_id\":\"cntr_1\"},"
        "{\"type\":\"code_interpreter_call\",\"status\":\"in_progress\",\"container_id\":\"cntr_2\"},"
        "{\"type\":\"code_interpreter_call\",\"status\":\"completed\",\"container_id\":\"cntr_1\"}]");
    assert_int_equal(c.code_interpreter, 2);
    assert_int_equal(count("[{\"type\":\"code_interpreter_call\"},{\"type\":\"code_interpreter_call\"}]").code_interpreter, 1);
}

static void what_makes_no_sense_counts_as_nothing(void **state) {
    (void)state;
    static const char *const odd[] = {"[]", "{}", "null", "7", "[null,7,\"web_search_call\",{}]", "[{\"type\":7}]"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct tool_calls c = count(odd[i]);
        assert_true(!c.web_search && !c.file_search && !c.code_interpreter);
    }
    struct tool_calls c;
    tools_count(NULL, &c);
    assert_int_equal(c.web_search, 0);
    c = count("[{\"type\":\"web_search_call\",\"status\":7,\"action\":[]}]");
    assert_int_equal(c.web_search, 1);
}

static void they_go_into_the_bill(void **state) {
    (void)state;
    struct usage u = {0};
    char text[TOOLS_TEXT];
    tools_used(&(struct tool_calls){0}, &u, text);
    assert_string_equal(text, "");
    assert_null(u.tools[0].name);
    tools_used(&(struct tool_calls){.web_search = 2, .code_interpreter = 1}, &u, text);
    assert_string_equal(text, "web_search=2,code_interpreter=1");
    assert_string_equal(u.tools[1].name, "code_interpreter");
    assert_int_equal(u.tools[0].calls, 2);
    tools_used(&(struct tool_calls){INT64_MAX, INT64_MAX, INT64_MAX}, &u, text);
    assert_true(strlen(text) < TOOLS_TEXT - 1);
}

static void the_end_of_a_tool_is_told_from_its_beginning(void **state) {
    (void)state;
    static const struct { const char *type; bool done; } cases[] = {
        {"response.web_search_call.in_progress", false}, {"response.web_search_call.searching", false},
        {"response.web_search_call.completed", true}, {"response.code_interpreter_call.interpreting", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char data[120];
        int len = snprintf(data, sizeof data, "{\"type\":\"%s\",\"output_index\":1}", cases[i].type);
        struct event e;
        assert_int_equal(event_read(data, (size_t)len, &e), 0);
        assert_int_equal(e.kind, EVENT_TOOL);
        assert_int_equal(e.tool_done, cases[i].done);
        event_done(&e);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_that_were_made_are_counted),
        cmocka_unit_test(a_container_is_paid_for_once),
        cmocka_unit_test(what_makes_no_sense_counts_as_nothing),
        cmocka_unit_test(they_go_into_the_bill),
        cmocka_unit_test(the_end_of_a_tool_is_told_from_its_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
