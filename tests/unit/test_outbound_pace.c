#include <stdlib.h>
#include <string.h>
#include "outbound/pace.h"
#include "services/clock.h"
#include "tests/unit/unit.h"

static uv_loop_t loop;
static struct pace_turn turns[8];
static char order[16];

static void on_turn(struct pace_turn *t) {
    char name[2] = {(char)('a' + (t - turns)), 0};
    strcat(order, name);
}

static struct pace *pace_of(int64_t all, int64_t chat) {
    uv_loop_init(&loop);
    memset(turns, 0, sizeof turns);
    for (int i = 0; i < 8; i++)
        turns[i].on_turn = on_turn;
    order[0] = 0;
    return pace_new(&loop, all, chat, 1500);
}

static void done(struct pace *p) {
    pace_free(p);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void a_second_worth_passes_at_once_and_the_rest_in_its_order(void **state) {
    clock_set(0, 1000);
    struct pace *p = pace_of(2, 1);
    assert_true(pace_enter(p, &turns[0], false, false));
    assert_true(pace_enter(p, &turns[1], false, false));
    assert_true(pace_enter(p, &turns[7], false, false));          /* half as many again: the script may send some of them away */
    assert_false(pace_is_crowded(p));
    for (int i = 2; i < 5; i++)
        assert_false(pace_enter(p, &turns[i], false, false));
    assert_true(pace_is_crowded(p));
    assert_false(pace_enter(p, &turns[5], true, false));          /* a final answer */
    assert_false(pace_enter(p, &turns[6], false, true));          /* had been let through before */
    pace_leave(p, &turns[3]);
    clock_unset();
    while (pace_is_crowded(p))
        uv_run(&loop, UV_RUN_ONCE);
    assert_string_equal(order, "fgce");
    done(p);
}

static void without_a_rate_nobody_waits(void **state) {
    struct pace *p = pace_of(0, 0);
    assert_true(pace_is_off(p));
    for (int i = 0; i < 8; i++)
        assert_true(pace_enter(p, &turns[i], false, false));
    done(p);
}

static void typing_is_the_first_to_be_left_out(void **state) {
    clock_set(0, 1000);
    struct pace *p = pace_of(2, 1);
    assert_true(pace_may_type(p));
    assert_true(pace_may_type(p));
    assert_false(pace_may_type(p));
    clock_set(0, 1500);
    assert_true(pace_may_type(p));
    clock_unset();
    done(p);
}

static void expect_args(struct pace *p, int64_t chat, bool skippable, const char *expected) {
    struct args a = {0};
    char all[200] = "";
    pace_args(p, &a, chat, skippable);
    for (int i = 0; i < a.count; i++) {
        size_t len;
        strcat(strcat(all, args_at(&a, i, &len)), " ");
    }
    assert_string_equal(all, expected);
    args_done(&a);
}

static void the_script_is_asked_with_what_a_chat_may_have(void **state) {
    struct pace *p = pace_of(30, 1);
    expect_args(p, 5, false, "5 30 5 1 3 send ");
    expect_args(p, -5, true, "-5 30 5 0.28 3 try ");
    done(p);
    p = pace_of(30, 0);
    expect_args(p, -5, false, "-5 30 5 0 3 send ");
    done(p);
    p = pace_of(2, 1);
    expect_args(p, 5, false, "5 2 1 1 3 send ");
    done(p);
}

static void groups_are_edited_three_times_as_rarely(void **state) {
    struct pace *p = pace_of(30, 1);
    assert_int_equal(pace_edit_gap_ms(p, 5), 1500);
    assert_int_equal(pace_edit_gap_ms(p, -5), 4500);
    done(p);
}

static void three_chats_refused_at_once_silence_the_bot(void **state) {
    clock_set(0, 10000);
    struct pace *p = pace_of(2, 1);
    assert_int_equal(pace_refused(p, 1, 30000), 0);
    assert_int_equal(pace_refused(p, 1, 30000), 0);               /* again the same */
    assert_int_equal(pace_refused(p, 2, 20000), 0);
    assert_true(pace_may_type(p));
    assert_int_equal(pace_refused(p, 3, 25000), 20000);
    assert_false(pace_may_type(p));
    clock_set(0, 30001);
    assert_true(pace_may_type(p));
    clock_unset();
    done(p);
}

static void chats_refused_now_and_then_are_their_own_matter(void **state) {
    clock_set(0, 10000);
    struct pace *p = pace_of(2, 1);
    assert_int_equal(pace_refused(p, 1, 30000), 0);
    assert_int_equal(pace_refused(p, 2, 30000), 0);
    pace_taken(p);                                                /* others are heard */
    assert_int_equal(pace_refused(p, 3, 30000), 0);
    clock_set(0, 11900);
    assert_int_equal(pace_refused(p, 4, 30000), 0);
    clock_set(0, 12100);
    assert_int_equal(pace_refused(p, 5, 30000), 0);               /* the third one was more than two seconds ago */
    assert_int_equal(pace_refused(p, 6, 30000), 30000);
    clock_unset();
    done(p);
}

static void without_a_rate_the_script_is_asked_only_while_a_pause_lasts(void **state) {
    clock_set(0, 10000);
    struct pace *p = pace_of(0, 0);
    assert_true(pace_is_off(p));
    (void)pace_refused(p, 1, 3000);
    assert_false(pace_is_off(p));
    clock_set(0, 13000);
    assert_true(pace_is_off(p));
    clock_unset();
    done(p);
}

static void back_off_doubles_up_to_a_minute(void **state) {
    for (int i = 0; i < 50; i++) {
        int64_t first = pace_backoff_ms(1, 0), fourth = pace_backoff_ms(4, 0), many = pace_backoff_ms(100, 0);
        assert_in_range(first, 375, 500);
        assert_in_range(fourth, 3000, 4000);
        assert_in_range(many, 45000, 60000);
        assert_in_range(pace_backoff_ms(1, 20000), 7500, 10000);  /* nobody else had better luck for a while */
        assert_in_range(pace_backoff_ms(1, 7200000), 45000, 60000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_worth_passes_at_once_and_the_rest_in_its_order),
        cmocka_unit_test(without_a_rate_nobody_waits),
        cmocka_unit_test(typing_is_the_first_to_be_left_out),
        cmocka_unit_test(the_script_is_asked_with_what_a_chat_may_have),
        cmocka_unit_test(groups_are_edited_three_times_as_rarely),
        cmocka_unit_test(three_chats_refused_at_once_silence_the_bot),
        cmocka_unit_test(chats_refused_now_and_then_are_their_own_matter),
        cmocka_unit_test(without_a_rate_the_script_is_asked_only_while_a_pause_lasts),
        cmocka_unit_test(back_off_doubles_up_to_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
