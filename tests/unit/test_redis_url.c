#include <errno.h>
#include <string.h>
#include "services/redis.h"
#include "tests/unit/unit.h"

static const char *or_none(const char *s) {
    return s ? s : "(none)";
}

static void good_ones_are_read(void **state) {
    static const struct { const char *url, *host; int port; const char *path, *user, *password; int db; } rows[] = {
        {"redis://127.0.0.1:6379/0", "127.0.0.1", 6379, NULL, NULL, NULL, 0},
        {"redis://redis", "redis", 6379, NULL, NULL, NULL, 0},
        {"redis://redis/", "redis", 6379, NULL, NULL, NULL, 0},
        {"redis://redis/15", "redis", 6379, NULL, NULL, NULL, 15},
        {"redis://:secret@redis:7000/3", "redis", 7000, NULL, NULL, "secret", 3},
        {"redis://gpttg:secret@redis", "redis", 6379, NULL, "gpttg", "secret", 0},
        {"redis://gp%3Attg:s%40%2F%25@redis", "redis", 6379, NULL, "gp:ttg", "s@/%", 0},
        {"redis://u:p@ss@redis", "redis", 6379, NULL, "u", "p@ss", 0},
        {"redis://[::1]:6380/1", "::1", 6380, NULL, NULL, NULL, 1},
        {"redis://[fe80::1]", "fe80::1", 6379, NULL, NULL, NULL, 0},
        {"redis://u:@h", "h", 6379, NULL, "u", "", 0},
        {"unix:///run/redis.sock", NULL, 0, "/run/redis.sock", NULL, NULL, 0},
        {"unix:///run/redis.sock?db=2", NULL, 0, "/run/redis.sock", NULL, NULL, 2},
        {"unix://u:p@/run/redis.sock", NULL, 0, "/run/redis.sock", "u", "p", 0},
        {"unix:///run/a%20b", NULL, 0, "/run/a b", NULL, NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redis_address a = {0};
        print_message("%s\n", rows[i].url);
        assert_int_equal(redis_url_parse(rows[i].url, &a), 0);
        assert_string_equal(or_none(a.host), or_none(rows[i].host));
        assert_string_equal(or_none(a.path), or_none(rows[i].path));
        assert_string_equal(or_none(a.user), or_none(rows[i].user));
        assert_string_equal(or_none(a.password), or_none(rows[i].password));
        assert_int_equal(a.db, rows[i].db);
        assert_int_equal(a.host ? a.port : 0, rows[i].port);
        assert_false(a.tls);
        redis_address_done(&a);
    }
}

static void bad_ones_are_refused(void **state) {
    static const char *const rows[] = {
        "", "redis", "redis:", "redis://", "redis:///0", "http://h", "redis://h:", "redis://h:0", "redis://h:65536", "redis://h:x",
        "redis://h:6379x", "redis://h/x", "redis://h/-1", "redis://h/1/2", "redis://h/99999999999999999999", "redis://h?db=1",
        "redis://h#1", "redis://word@h", "redis://a:%zz@h", "redis://a:%0@h", "redis://a:%00@h", "redis://a b", "redis://[::1",
        "redis://[::1]x", "redis://[]", "unix://", "unix://run/x", "unix:///", "unix:///x?db=", "unix:///x?db=a", "unix:///x?foo=1",
        "unix:///x#y", "unix://u@/x",
        "unix:///0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redis_address a = {0};
        print_message("%s\n", rows[i]);
        assert_int_equal(redis_url_parse(rows[i], &a), -EINVAL);
        assert_null(a.host);
    }
}

static void tls_is_there_or_said_not_to_be(void **state) {
    struct redis_address a = {0};
    int result = redis_url_parse("rediss://h:6380/0", &a);
    if (result == 0) {
        assert_true(a.tls);
        redis_address_done(&a);
    } else {
        assert_int_equal(result, -ENOTSUP);
    }
    assert_int_equal(redis_url_parse("rediss://", &a), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_are_read),
        cmocka_unit_test(bad_ones_are_refused),
        cmocka_unit_test(tls_is_there_or_said_not_to_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
