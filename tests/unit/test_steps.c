#include <stdlib.h>
#include <string.h>
#include "services/steps.h"
#include "tests/unit/unit.h"

/* A job that writes down which of its steps ran. */
struct walker {
    struct steps steps;
    char seen[64];
    int rounds;
};

static uv_loop_t loop;
static struct steps_runner *runner;
static int ended;
static char last_seen[64];

static struct walker *note(struct steps *s, const char *what) {
    struct walker *w = (struct walker *)s;
    strcat(w->seen, what);
    return w;
}

static enum step_end one(struct steps *s) {
    note(s, "1");
    return STEP_NEXT;
}

static enum step_end hold(struct steps *s) {
    note(s, "w");
    return STEP_WAIT;
}

static enum step_end two(struct steps *s) {
    note(s, "2");
    return STEP_NEXT;
}

static enum step_end stop(struct steps *s) {
    note(s, "s");
    return STEP_END;
}

static enum step_end wake_self_and_hold(struct steps *s) {
    note(s, "W");
    steps_wake(s);
    return STEP_WAIT;
}

static enum step_end thrice(struct steps *s) {
    struct walker *w = note(s, "t");
    return ++w->rounds < 3 ? steps_goto(s, "thrice") : STEP_NEXT;
}

static enum step_end nap(struct steps *s) {
    note(s, "n");
    return steps_sleep(s, "two", 1);
}

static enum step_end long_sleep(struct steps *s) {
    note(s, "l");
    return steps_sleep(s, NULL, 1000000);
}

static enum step_end divert_self(struct steps *s) {
    note(s, "d");
    steps_divert(s, "two");
    return STEP_WAIT;
}

static void on_end(struct steps *s) {
    ended++;
    strcpy(last_seen, ((struct walker *)s)->seen);
    free(s);
}

static int set_up(void **state) {
    uv_loop_init(&loop);
    runner = steps_runner_new(&loop);
    ended = 0;
    return 0;
}

static int tear_down(void **state) {
    assert_int_equal(steps_running(runner), 0);
    steps_runner_free(runner);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static struct walker *begin(const struct step *row) {
    struct walker *w = calloc(1, sizeof *w);
    steps_start(&w->steps, runner, row, on_end);
    return w;
}

static void a_row_runs_top_to_bottom_and_not_inside_start(void **state) {
    static const struct step row[] = { { "one", one }, { "two", two }, { 0 } };
    struct walker *w = begin(row);
    assert_string_equal(w->seen, "");
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(ended, 1);
    assert_string_equal(last_seen, "12");
}

static void a_waiting_row_does_not_run_inside_its_waker(void **state) {
    static const struct step row[] = { { "one", one }, { "hold", hold }, { "two", two }, { 0 } };
    struct walker *w = begin(row);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(w->seen, "1w");
    assert_string_equal(w->steps.now, "hold");
    steps_wake(&w->steps);
    assert_string_equal(w->seen, "1w");
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(last_seen, "1w2");
}

static void a_wake_that_comes_too_early_is_remembered(void **state) {
    static const struct step row[] = { { "wake", wake_self_and_hold }, { "two", two }, { 0 } };
    begin(row);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(last_seen, "W2");
    static const struct step late[] = { { "hold", hold }, { "two", two }, { 0 } };
    struct walker *w = begin(late);
    steps_wake(&w->steps); /* ready, but has not run yet */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(last_seen, "w2");
    assert_int_equal(ended, 2);
}

static void two_wakes_serve_two_waits(void **state) {
    static const struct step row[] = { { "hold", hold }, { "hold2", hold }, { "two", two }, { 0 } };
    struct walker *w = begin(row);
    uv_run(&loop, UV_RUN_DEFAULT);
    steps_wake(&w->steps);
    steps_wake(&w->steps);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(last_seen, "ww2");
}

static void a_jump_lets_the_loop_turn(void **state) {
    static const struct step row[] = { { "thrice", thrice }, { "two", two }, { 0 } };
    struct walker *w = begin(row);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_string_equal(w->seen, "t");
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_string_equal(w->seen, "tt");
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(last_seen, "ttt2");
}

static void a_sleep_ends_by_itself(void **state) {
    static const struct step row[] = { { "nap", nap }, { "one", one }, { "two", two }, { 0 } };
    begin(row);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(last_seen, "n2");
}

static void a_wake_ends_a_sleep(void **state) {
    static const struct step row[] = { { "long", long_sleep }, { "two", two }, { 0 } };
    struct walker *w = begin(row);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_string_equal(w->seen, "l");
    steps_wake(&w->steps);
    uv_run(&loop, UV_RUN_DEFAULT); /* would last 1000 s if the timer still ran */
    assert_string_equal(last_seen, "l2");
}

static void a_stale_wake_does_not_shorten_a_sleep(void **state) {
    static const struct step row[] = { { "long", long_sleep }, { "two", two }, { 0 } };
    struct walker *w = begin(row);
    steps_wake(&w->steps); /* before the sleep began */
    for (int i = 0; i < 5; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_string_equal(w->seen, "l");
    steps_wake(&w->steps);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(last_seen, "l2");
}

static void a_waiting_row_can_be_diverted(void **state) {
    static const struct step row[] = { { "hold", hold }, { "one", one }, { "stop", stop }, { "two", two }, { 0 } };
    struct walker *w = begin(row);
    uv_run(&loop, UV_RUN_DEFAULT);
    steps_divert(&w->steps, "stop");
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(last_seen, "ws");
    static const struct step sleepy[] = { { "long", long_sleep }, { "one", one }, { "stop", stop }, { 0 } };
    w = begin(sleepy);
    uv_run(&loop, UV_RUN_NOWAIT);
    steps_divert(&w->steps, "stop");
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(last_seen, "ls");
}

static void a_ready_row_can_be_diverted_and_forgets_its_wake(void **state) {
    static const struct step row[] = { { "hold", hold }, { "one", one }, { "clean", hold }, { "two", two }, { 0 } };
    struct walker *w = begin(row);
    uv_run(&loop, UV_RUN_DEFAULT);
    steps_wake(&w->steps);
    steps_wake(&w->steps);
    steps_divert(&w->steps, "clean");
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(w->seen, "ww");
    steps_wake(&w->steps);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(last_seen, "ww2");
}

static void a_row_can_divert_itself(void **state) {
    static const struct step row[] = { { "divert", divert_self }, { "one", one }, { "two", two }, { 0 } };
    begin(row);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(last_seen, "d2");
}

static void ten_thousand_rows_run_side_by_side(void **state) {
    static const struct step row[] = { { "one", one }, { "hold", hold }, { "two", two }, { 0 } };
    enum { ROWS = 10000 };
    static struct walker *all[ROWS];
    for (int i = 0; i < ROWS; i++)
        all[i] = begin(row);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(steps_running(runner), ROWS);
    for (int i = 0; i < ROWS; i++)
        steps_wake(&all[i]->steps);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(ended, ROWS);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_row_runs_top_to_bottom_and_not_inside_start),
        TEST(a_waiting_row_does_not_run_inside_its_waker),
        TEST(a_wake_that_comes_too_early_is_remembered),
        TEST(two_wakes_serve_two_waits),
        TEST(a_jump_lets_the_loop_turn),
        TEST(a_sleep_ends_by_itself),
        TEST(a_wake_ends_a_sleep),
        TEST(a_stale_wake_does_not_shorten_a_sleep),
        TEST(a_waiting_row_can_be_diverted),
        TEST(a_ready_row_can_be_diverted_and_forgets_its_wake),
        TEST(a_row_can_divert_itself),
        TEST(ten_thousand_rows_run_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
