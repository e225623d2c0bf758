#include <string.h>
#include <unistd.h>
#include "proto/json.h"
#include "services/clock.h"
#include "services/log.h"
#include "services/utf8.h"
#include "tests/unit/unit.h"

static char line[8192];
static int saved_stderr, pipe_ends[2];

static void listen_to_stderr(void) {
    assert_int_equal(pipe(pipe_ends), 0);
    saved_stderr = dup(2);
    dup2(pipe_ends[1], 2);
}

static const char *what_was_written(void) {
    dup2(saved_stderr, 2);
    close(saved_stderr);
    close(pipe_ends[1]);
    ssize_t n = read(pipe_ends[0], line, sizeof line - 1);
    close(pipe_ends[0]);
    line[n > 0 ? n : 0] = '\0';
    return line;
}

static void a_line_says_who_and_about_whom(void **state) {
    log_open("llm", LOG_INFO, LOG_TEXT);
    listen_to_stderr();
    log_info((&(struct log_subject){ .job = "1718-0", .chat = "5123" }), "ask_model: again in %d ms", 3000);
    assert_string_equal(what_was_written(), "I llm job=1718-0 chat=5123 ask_model: again in 3000 ms\n");
    listen_to_stderr();
    log_error(NULL, "no Redis");
    assert_string_equal(what_was_written(), "E llm no Redis\n");
}

static void what_is_below_the_level_is_not_written_nor_counted(void **state) {
    log_open("llm", LOG_WARN, LOG_TEXT);
    unsigned long infos = log_count(LOG_INFO), warns = log_count(LOG_WARN);
    listen_to_stderr();
    log_info(NULL, "no");
    log_warn(NULL, "yes");
    assert_string_equal(what_was_written(), "W llm yes\n");
    assert_int_equal(log_count(LOG_INFO), infos);
    assert_int_equal(log_count(LOG_WARN), warns + 1);
}

static void a_json_line_is_one_object(void **state) {
    log_open("llm", LOG_INFO, LOG_JSON);
    clock_set(1795000000123, 0);
    listen_to_stderr();
    log_warn((&(struct log_subject){ .job = "1-0" }), "say \"hi\"\n\xff");
    assert_string_equal(what_was_written(), "{\"at\":1795000000123,\"level\":\"warn\",\"service\":\"llm\",\"job\":\"1-0\","
                                            "\"text\":\"say \\\"hi\\\".\uFFFD\"}\n");
    clock_unset();
}

static void a_secret_is_never_readable(void **state) {
    log_open("llm", LOG_DEBUG, LOG_TEXT);
    log_secret("123456:AAEhBOweik6ad");
    log_secret("123456:AAEhBOweik6ad-and-more");
    log_secret("short");
    log_secret(NULL);
    listen_to_stderr();
    log_debug((&(struct log_subject){ .job = "123456:AAEhBOweik6ad" }), "/bot%s/x %s short", "123456:AAEhBOweik6ad",
              "123456:AAEhBOweik6ad-and-more");
    assert_string_equal(what_was_written(), "D llm job=*** /bot***/x *** short\n");
}

static void a_secret_at_the_cut_is_not_half_shown(void **state) {
    log_open("llm", LOG_INFO, LOG_TEXT);
    char long_text[2100];
    memset(long_text, 'x', sizeof long_text);
    strcpy(long_text + 1980, "123456:AAEhBOweik6ad and so on");
    listen_to_stderr();
    log_info(NULL, "%s", long_text);
    assert_null(strstr(what_was_written(), "1234"));
}

static void a_long_line_is_cut_between_characters(void **state) {
    log_open("llm", LOG_INFO, LOG_TEXT);
    char emoji[4000 + 1] = "";
    for (int i = 0; i < 1000; i++)
        memcpy(emoji + 4 * i, "😀", 5);
    for (int front = 0; front < 4; front++) {
        listen_to_stderr();
        log_info(NULL, "%.*s%s", front, "abc", emoji);
        size_t len = strlen(what_was_written());
        assert_true(len <= 2000 && len > 1990);
        assert_true(utf8_valid(line, len));
        assert_int_equal(line[len - 1], '\n');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_who_and_about_whom),
        cmocka_unit_test(what_is_below_the_level_is_not_written_nor_counted),
        cmocka_unit_test(a_json_line_is_one_object),
        cmocka_unit_test(a_secret_is_never_readable),
        cmocka_unit_test(a_secret_at_the_cut_is_not_half_shown),
        cmocka_unit_test(a_long_line_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
