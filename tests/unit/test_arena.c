#include <stdint.h>
#include <string.h>
#include "services/arena.h"
#include "tests/unit/unit.h"

static void memory_is_zeroed_aligned_and_its_own(void **state) {
    struct arena *a = arena_new();
    unsigned char *blocks[500];
    for (size_t i = 0; i < 500; i++) {
        blocks[i] = arena_alloc(a, i);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        for (size_t j = 0; j < i; j++)
            assert_int_equal(blocks[i][j], 0);
        memset(blocks[i], (int)(i & 0xFF), i);
    }
    for (size_t i = 0; i < 500; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_equal(blocks[i][j], i & 0xFF);
    arena_free(a);
}

static void a_large_block_leaves_the_small_chunk_in_use(void **state) {
    struct arena *a = arena_new();
    char *small = arena_str(a, "small");
    memset(arena_alloc(a, 1 << 20), 1, 1 << 20);
    char *beside = arena_str(a, "beside");
    assert_true(beside > small && beside - small < 1024);
    assert_string_equal(small, "small");
    arena_free(a);
}

static void texts_are_copied(void **state) {
    struct arena *a = arena_new();
    assert_null(arena_str(a, NULL));
    assert_string_equal(arena_str(a, ""), "");
    assert_string_equal(arena_copy(a, "abcdef", 3), "abc");
    assert_string_equal(arena_copy(a, NULL, 0), "");
    assert_string_equal(arena_printf(a, "%d-%s", 1718, "0"), "1718-0");
    arena_free(a);
    arena_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_its_own),
        cmocka_unit_test(a_large_block_leaves_the_small_chunk_in_use),
        cmocka_unit_test(texts_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
