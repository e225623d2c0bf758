#include <stdlib.h>
#include "ingest/webhook.h"
#include "tests/unit/unit.h"

static int with(const char *token, const char *own) {
    for (const struct setting *s = settings_table; s->name; s++)
        unsetenv(s->name);
    setenv("BOT_TOKEN", token, 1);
    setenv("ADMIN_ID", "1", 1);
    setenv("WEBHOOK_SECRET", own, 1);
    return settings_read(FOR_INGEST, stderr);
}

static void a_secret_is_made_of_the_token(void **state) {
    char secret[WEBHOOK_SECRET_SIZE], other[WEBHOOK_SECRET_SIZE];
    assert_int_equal(with("99:demo", ""), 0);
    webhook_secret(secret);
    /* printf 'gpttg webhook secret' | openssl dgst -sha256 -hmac 99:demo */
    assert_string_equal(secret, "ee792cbeebda9522e3933a597ae368ed6d66e2db7546536b016021d97a5bc0a1");
    assert_int_equal(with("99:demP", ""), 0);
    webhook_secret(other);
    assert_string_not_equal(secret, other);
}

static void the_operators_own_secret_goes_first(void **state) {
    char secret[WEBHOOK_SECRET_SIZE], longest[WEBHOOK_SECRET_SIZE] = "";
    assert_int_equal(with("99:demo", "My_own-one"), 0);
    webhook_secret(secret);
    assert_string_equal(secret, "My_own-one");
    for (int i = 0; i < WEBHOOK_SECRET_SIZE - 1; i++)
        longest[i] = 'x';
    assert_int_equal(with("99:demo", longest), 0);
    webhook_secret(secret);
    assert_string_equal(secret, longest);
}

static void the_path_of_a_url(void **state) {
    assert_string_equal(webhook_path("https://bot.example.org/hook"), "/hook");
    assert_string_equal(webhook_path("https://bot.example.org:8443/a/b%20c"), "/a/b%20c");
    assert_string_equal(webhook_path("https://bot.example.org"), "/");
    assert_string_equal(webhook_path("http://[::1]:80/x"), "/x");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_made_of_the_token),
        cmocka_unit_test(the_operators_own_secret_goes_first),
        cmocka_unit_test(the_path_of_a_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
