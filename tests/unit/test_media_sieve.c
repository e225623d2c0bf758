#include <string.h>
#include "media/sieve.h"
#include "tests/unit/unit.h"

static char out[64 * 1024];
static size_t out_len;

static bool take(const char *data, size_t len, void *owner) {
    memcpy(out + out_len, data, len);
    out_len += len;
    return !owner || out_len < *(size_t *)owner;
}

/* In pieces of that many bytes. */
static bool sift(struct sieve *s, const char *json, size_t piece) {
    out_len = 0;
    sieve_init(s, 1000, take, NULL);
    for (size_t at = 0, len = strlen(json); at < len; at += piece)
        if (!sieve_add(s, json + at, len - at < piece ? len - at : piece))
            return false;
    return true;
}

static void expect(const char *json, const char *bytes, const char *rest) {
    for (size_t piece = 1; piece < strlen(json) + 2; piece++) {
        struct sieve s;
        assert_true(sift(&s, json, piece));
        assert_true(sieve_is_whole(&s));
        assert_int_equal(out_len, strlen(bytes));
        assert_memory_equal(out, bytes, out_len);
        assert_int_equal(s.bytes, out_len);
        assert_string_equal(buf_cstr(&s.rest), rest);
        sieve_done(&s);
    }
}

static void a_picture_comes_out_however_it_is_cut(void **state) {
    expect("{\"created\":1,\"data\":[{\"b64_json\":\"SGVsbG8sIHdvcmxkIQ==\"}],\"usage\":{\"input_tokens\":5}}", "Hello, world!",
           "{\"created\":1,\"data\":[{\"b64_json\":\"\"}],\"usage\":{\"input_tokens\":5}}");
    expect("{ \"usage\" : {\"a\":\"\\\"b64_json\\\":\"}, \"b64_json\" \n:\t\"SGVsbG8\"}", "Hello", "{ \"usage\" : {\"a\":\"\\\"b64_json\\\":\"}, \"b64_json\" \n:\t\"\"}");
}

static void escapes_are_undone(void **state) {
    expect("{\"b64_json\":\"Pz8\\/Pj4\\u002B\"}", "\?\?\?>>>", "{\"b64_json\":\"\"}");
    expect("{\"b64_json\":\"SGVs\\r\\nbG8=\"}", "Hello", "{\"b64_json\":\"\"}");
}

static void a_value_of_that_name_is_no_picture(void **state) {
    struct sieve s;
    assert_true(sift(&s, "{\"a\":\"b64_json\",\"b\":\"SGVsbG8=\",\"b64_json\":null,\"c\":\"x\",\"b64_json_\":\"y\"}", 7));
    assert_false(sieve_is_whole(&s));
    assert_int_equal(out_len, 0);
    sieve_done(&s);
}

static void what_is_no_base64_ends_it(void **state) {
    static const char *const broken[] = {"{\"b64_json\":\"SGVs!G8=\"}", "{\"b64_json\":\"SGVsbG8=SGVs\"}", "{\"b64_json\":\"SG\\xVs\"}", "{\"b64_json\":\"\\u00e9\"}",
                                         "{\"b64_json\":\"\\u00zz\"}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct sieve s;
        assert_false(sift(&s, broken[i], 1));
        assert_false(sieve_add(&s, "x", 1));
        assert_false(sieve_is_whole(&s));
        sieve_done(&s);
    }
}

static void a_rest_without_end_ends_it(void **state) {
    struct sieve s;
    sieve_init(&s, 100, take, NULL);
    char long_one[200];
    memset(long_one, 'x', sizeof long_one);
    assert_false(sieve_add(&s, long_one, sizeof long_one));
    sieve_done(&s);
}

static void a_second_picture_is_too_much(void **state) {
    struct sieve s;
    out_len = 0;
    sieve_init(&s, 100, take, NULL);
    char second[200];
    memset(second, 'A', sizeof second);
    assert_true(sieve_add(&s, "{\"b64_json\":\"SGVsbG8=\",\"b64_json\":\"", 36));
    assert_false(sieve_add(&s, second, sizeof second));
    sieve_done(&s);
}

static void megabytes_go_out_in_pieces_until_nobody_wants_more(void **state) {
    struct sieve s;
    size_t most = 10000;
    out_len = 0;
    sieve_init(&s, 100, take, &most);
    assert_true(sieve_add(&s, "{\"b64_json\":\"", 13));
    int n = 0;
    while (sieve_add(&s, "AAAABBBBCCCCDDDD", 16))
        n++;
    assert_true(n * 12 >= (int)most && n * 12 < (int)most + 4 * 1024);
    assert_false(sieve_is_whole(&s));
    sieve_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_comes_out_however_it_is_cut), cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(a_value_of_that_name_is_no_picture), cmocka_unit_test(what_is_no_base64_ends_it),
        cmocka_unit_test(a_rest_without_end_ends_it), cmocka_unit_test(a_second_picture_is_too_much),
        cmocka_unit_test(megabytes_go_out_in_pieces_until_nobody_wants_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
