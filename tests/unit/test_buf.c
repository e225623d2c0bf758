#include <stdlib.h>
#include <string.h>
#include "services/buf.h"
#include "tests/unit/unit.h"

static void a_zeroed_buffer_is_empty_and_takes_nothing(void **state) {
    struct buf b = { 0 };
    assert_string_equal(buf_cstr(&b), "");
    assert_false(buf_add(&b, "a", 1));
    assert_true(buf_add(&b, NULL, 0));
    buf_clear(&b);
    buf_drop(&b, 3);
    buf_done(&b);
    buf_done(&b);
}

static void it_grows_to_its_maximum_and_no_further(void **state) {
    struct buf b;
    buf_init(&b, 1000);
    for (int i = 0; i < 1000; i++)
        assert_true(buf_add(&b, "x", 1));
    assert_false(buf_add(&b, "x", 1));
    assert_false(buf_printf(&b, "%d", 7));
    assert_int_equal(b.len, 1000);
    assert_int_equal(b.data[1000], '\0');
    assert_int_equal(b.data[999], 'x');
    buf_done(&b);
}

static void what_does_not_fit_leaves_it_as_it_was(void **state) {
    struct buf b;
    buf_init(&b, 5);
    assert_true(buf_add_str(&b, "abc"));
    assert_false(buf_add_str(&b, "def"));
    assert_false(buf_add(&b, "x", SIZE_MAX));
    assert_true(buf_printf(&b, "%s", "de"));
    assert_string_equal(buf_cstr(&b), "abcde");
    buf_done(&b);
}

static void the_front_can_be_dropped(void **state) {
    struct buf b;
    buf_init(&b, 100);
    buf_add_str(&b, "hello world");
    buf_drop(&b, 6);
    assert_string_equal(buf_cstr(&b), "world");
    buf_drop(&b, 600);
    assert_string_equal(buf_cstr(&b), "");
    assert_int_equal(b.len, 0);
    buf_done(&b);
}

static void taking_hands_over_and_leaves_it_usable(void **state) {
    struct buf b;
    buf_init(&b, 100);
    char *nothing = buf_take(&b);
    assert_string_equal(nothing, "");
    free(nothing);
    buf_add_str(&b, "one");
    char *one = buf_take(&b);
    assert_string_equal(one, "one");
    free(one);
    assert_true(buf_add_str(&b, "two"));
    assert_string_equal(buf_cstr(&b), "two");
    buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zeroed_buffer_is_empty_and_takes_nothing),
        cmocka_unit_test(it_grows_to_its_maximum_and_no_further),
        cmocka_unit_test(what_does_not_fit_leaves_it_as_it_was),
        cmocka_unit_test(the_front_can_be_dropped),
        cmocka_unit_test(taking_hands_over_and_leaves_it_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
