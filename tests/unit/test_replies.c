#include <stdio.h>
#include <string.h>
#include "services/redis_replies.h"
#include "tests/unit/unit.h"

static void same(const redisReply *a, const redisReply *b) {
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->integer, b->integer);
    assert_int_equal(a->elements, b->elements);
    assert_int_equal(a->str != NULL, b->str != NULL);
    if (a->str) {
        assert_int_equal(a->len, b->len);
        assert_memory_equal(a->str, b->str, a->len + 1);
    }
    for (size_t i = 0; i < a->elements; i++)
        same(a->element[i], b->element[i]);
}

static char long_text[70000];

static const char *const samples[] = {
    "+OK\r\n", "-ERR no\r\n", ":12345678901\r\n", ":-1\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n", "$0\r\n\r\n", "$3\r\na\0b\r\n",
    "*2\r\n$1\r\na\r\n*3\r\n:1\r\n$-1\r\n*1\r\n+in\r\n", "*3\r\n*-1\r\n*0\r\n-inner\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n$4\r\ndeep\r\n", long_text,
};

static size_t bytes_of(const char *sample) {
    return !memcmp(sample, "$3\r\n", 4) ? 9 : strlen(sample);
}

static void make_long(void) {
    char *at = long_text + sprintf(long_text, "*200\r\n");
    for (int i = 0; i < 200; i++)
        at += sprintf(at, "$%d\r\n%0*d\r\n", i + 1, i + 1, i);
}

static void they_are_those_of_hiredis(void **state) {
    make_long();
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        redisReader *theirs = redisReaderCreate(), *ours = redisReaderCreate();
        void *a = NULL, *b = NULL;
        size_t len = bytes_of(samples[i]);
        ours->fn = &redis_replies;
        for (size_t at = 0; at < len; at++) {            /* byte by byte: a reply comes as it likes */
            redisReaderFeed(theirs, samples[i] + at, 1);
            redisReaderFeed(ours, samples[i] + at, 1);
            assert_int_equal(redisReaderGetReply(theirs, &a), REDIS_OK);
            assert_int_equal(redisReaderGetReply(ours, &b), REDIS_OK);
        }
        assert_non_null(a);
        assert_non_null(b);
        same(a, b);
        freeReplyObject(a);
        redis_replies.freeObject(b);
        redisReaderFree(theirs);
        redisReaderFree(ours);
    }
}

/* A connection that breaks, or a server that talks nonsense, leaves half a reply. */
static void half_a_reply_is_freed(void **state) {
    static const char *const halves[] = { "*3\r\n$1\r\na\r\n*2\r\n:1\r\n", "*2\r\n:1\r\n?nonsense\r\n", "*1\r\n" };
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        redisReader *reader = redisReaderCreate();
        void *reply = NULL;
        reader->fn = &redis_replies;
        redisReaderFeed(reader, halves[i], strlen(halves[i]));
        (void)redisReaderGetReply(reader, &reply);       /* an error or nothing yet */
        assert_null(reply);
        redisReaderFree(reader);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_those_of_hiredis),
        cmocka_unit_test(half_a_reply_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
