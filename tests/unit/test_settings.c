#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "proto/cleanup.h"
#include "services/settings.h"
#include "tests/unit/unit.h"

/* What the three required ones may be. */
static const char token[] = "123456:AAE-x_y1234567890abcdefghijklmnopqr", key[] = "sk-proj-secret0123456789";

static void clear_environment(void) {
    for (const struct setting *s = settings_table; s->name; s++)
        unsetenv(s->name);
    setenv("BOT_TOKEN", token, 1);
    setenv("OPENAI_API_KEY", key, 1);
    setenv("ADMIN_ID", "5012345678", 1);
}

/* What is said of these settings; "" when they are good. The caller frees. */
static char *said(enum service_bit service) {
    char *text = NULL;
    size_t len = 0;
    FILE *err = open_memstream(&text, &len);
    int code = settings_read(service, err);
    fclose(err);
    assert_int_equal(code, *text ? EX_CONFIG : 0);
    if (*text) {
        assert_ptr_equal(strchr(text, '\n'), text + len - 1); /* exactly one line */
        assert_true(len > 40);
    }
    return text;
}

static int start_clean(void **state) {
    clear_environment();
    if (chdir("/"))         /* no prices.json there */
        return -1;
    return 0;
}

static void the_defaults_are_good_for_every_service(void **state) {
    for (int bit = FOR_INGEST; bit <= FOR_OUTBOUND; bit *= 2) {
        CLEANUP(text_done) char *line = said((enum service_bit)bit);
        assert_string_equal(line, "");
    }
}

static void bad_values_are_refused_in_one_line(void **state) {
    static const struct { enum service_bit service; const char *name, *value, *line; } bad[] = {
        { FOR_LLM, "OPENAI_MAX_RETRIES", "-1", "gpttg-llm: OPENAI_MAX_RETRIES is \"-1\": expected a whole number from 0 to 100\n" },
        { FOR_LLM, "OPENAI_MAX_RETRIES", "101", NULL },
        { FOR_LLM, "OPENAI_MAX_RETRIES", "1.5", NULL },
        { FOR_LLM, "OPENAI_MAX_RETRIES", " 4", NULL },
        { FOR_LLM, "OPENAI_MAX_RETRIES", "+4", NULL },
        { FOR_LLM, "OPENAI_MAX_RETRIES", "0x4", NULL },
        { FOR_LLM, "OPENAI_MAX_RETRIES", "99999999999999999999999", NULL },
        { FOR_LLM, "LLM_CONCURRENCY", "0", NULL },
        { FOR_LLM, "MAX_ATTEMPTS", "0", NULL },
        { FOR_LLM, "OPENAI_TIMEOUT_SECONDS", "0", NULL },
        { FOR_LLM, "TAKEOVER_MS", "-5", NULL },
        { FOR_INGEST, "LANE_MAX", "0", NULL },
        { FOR_INGEST, "MAX_FILE_MB", "0", NULL },
        { FOR_OUTBOUND, "TELEGRAM_RATE_CHAT", "-1", NULL },
        { FOR_OUTBOUND, "STREAM_EDIT_MS", "soon", NULL },
        { FOR_OUTBOUND, "STREAM_TRANSPORT", "sms", NULL },
        { FOR_OUTBOUND, "MAX_ANSWER_PARTS", "0", NULL },
        { FOR_LEDGER, "USER_DAILY_BUDGET_USD", "-1", NULL },
        { FOR_LEDGER, "USER_DAILY_BUDGET_USD", "1,5", NULL },
        { FOR_LEDGER, "USER_DAILY_BUDGET_USD", "1e3", NULL },
        { FOR_LEDGER, "USER_MONTHLY_BUDGET_USD", "0.0000000001", NULL },
        { FOR_LEDGER, "GLOBAL_MONTHLY_BUDGET_USD", "10000000", NULL },
        { FOR_LEDGER, "OPENAI_PRICE_PER_1K_TOKENS", "cheap", NULL },
        { FOR_LEDGER, "WHISPER_PRICE", "-0.006", NULL },
        { FOR_LEDGER, "DALLE_PRICE", "0.04 USD", NULL },
        { FOR_LEDGER, "TZ_NAME", "Europe/Nowhere", "gpttg-ledger: TZ_NAME is \"Europe/Nowhere\": expected a time zone of the package tzdata, such as Europe/Moscow\n" },
        { FOR_LEDGER, "TZ_NAME", "../../../etc/passwd", NULL },
        { FOR_LEDGER, "TZ_NAME", "/etc/localtime", NULL },
        { FOR_LEDGER, "TZ_NAME", "Europe", NULL },
        { FOR_LEDGER, "TZ_NAME", "tzdata.zi", NULL },
        { FOR_LEDGER, "DB_PATH", "data/", NULL },
        { FOR_LEDGER, "DB_PATH", "da\nta", NULL },
        { FOR_LEDGER, "PRICES_FILE", "/nowhere/prices.json", NULL },
        { FOR_LEDGER, "PRICES_FILE", "/dev/null", NULL },
        { FOR_LEDGER, "PRICES_FILE", "/", NULL },
        { FOR_INGEST, "BOT_TOKEN", "", "gpttg-ingest: BOT_TOKEN is missing: expected a bot token as @BotFather gives it, digits:letters\n" },
        { FOR_INGEST, "BOT_TOKEN", "hello", "gpttg-ingest: BOT_TOKEN is malformed: expected a bot token as @BotFather gives it, digits:letters\n" },
        { FOR_INGEST, "BOT_TOKEN", "123:", NULL },
        { FOR_INGEST, "BOT_TOKEN", ":abc", NULL },
        { FOR_INGEST, "BOT_TOKEN", "123:ab/../c", NULL },
        { FOR_INGEST, "BOT_TOKEN", "123:ab\n", NULL },
        { FOR_LLM, "OPENAI_API_KEY", "", NULL },
        { FOR_LLM, "OPENAI_API_KEY", "sk two words", NULL },
        { FOR_LLM, "OPENAI_API_KEY", "sk-\r\nX-Evil: 1", NULL },
        { FOR_INGEST, "ADMIN_ID", "", "gpttg-ingest: ADMIN_ID is missing: expected Telegram user ids, separated by commas\n" },
        { FOR_INGEST, "ADMIN_ID", "*", NULL },
        { FOR_INGEST, "ADMIN_ID", "me", NULL },
        { FOR_INGEST, "ADMIN_ID", "1,", NULL },
        { FOR_INGEST, "ADMIN_ID", "1,,2", NULL },
        { FOR_INGEST, "ADMIN_ID", "1 2", NULL },
        { FOR_INGEST, "ADMIN_ID", "-100", NULL },
        { FOR_INGEST, "ADMIN_ID", "0", NULL },
        { FOR_INGEST, "ADMIN_ID", "99999999999999999", NULL },
        { FOR_INGEST, "ALLOWED_USER_IDS", "all", "gpttg-ingest: ALLOWED_USER_IDS is \"all\": expected * or Telegram user ids, separated by commas\n" },
        { FOR_INGEST, "ALLOWED_USER_IDS", "*,1", NULL },
        { FOR_INGEST, "ALLOWED_CHAT_IDS", "5", "gpttg-ingest: ALLOWED_CHAT_IDS is \"5\": expected * or Telegram group ids, separated by commas\n" },
        { FOR_INGEST, "ALLOWED_CHAT_IDS", "-", NULL },
        { FOR_INGEST, "ALLOWED_CHAT_IDS", "--5", NULL },
        { FOR_INGEST, "ALLOWED_CHAT_IDS", "-1,", NULL },
        { FOR_INGEST, "ALLOWED_CHAT_IDS", "-99999999999999999", NULL },
        { FOR_INGEST, "UI_LANG", "de", "gpttg-ingest: UI_LANG is \"de\": expected one of ru, en, auto\n" },
        { FOR_INGEST, "UI_LANG", "r", NULL },
        { FOR_INGEST, "UI_LANG", "ru en", NULL },
        { FOR_INGEST, "LOG_LEVEL", "INFO", NULL },
        { FOR_INGEST, "LOG_FORMAT", "xml", NULL },
        { FOR_LLM, "OPENAI_BACKGROUND", "yes", NULL },
        { FOR_LLM, "OPENAI_BASE_URL", "api.openai.com/v1", NULL },
        { FOR_LLM, "OPENAI_BASE_URL", "ftp://api.openai.com/v1", NULL },
        { FOR_LLM, "OPENAI_BASE_URL", "https://", NULL },
        { FOR_LLM, "OPENAI_BASE_URL", "https:///v1", NULL },
        { FOR_LLM, "OPENAI_BASE_URL", "https://host:port/v1", NULL },
        { FOR_LLM, "OPENAI_BASE_URL", "https://host:99999/v1", NULL },
        { FOR_LLM, "OPENAI_BASE_URL", "https://host:0/v1", NULL },
        { FOR_LLM, "OPENAI_PROXY", "socks5://host:0", NULL },
        { FOR_LLM, "OPENAI_BASE_URL", "https://host/v1?key=1", NULL },
        { FOR_LLM, "OPENAI_BASE_URL", "https://ho st/v1", NULL },
        { FOR_INGEST, "TELEGRAM_API_URL", "telegram", NULL },
        { FOR_INGEST, "TELEGRAM_PROXY", "proxy:1080", NULL },
        { FOR_INGEST, "TELEGRAM_PROXY", "socks4://proxy:1080", NULL },
        { FOR_LLM, "OPENAI_PROXY", "socks5://", NULL },
        { FOR_INGEST, "WEBHOOK_URL", "bot.example.org", NULL },
        { FOR_INGEST, "WEBHOOK_LISTEN", "8080", NULL },
        { FOR_INGEST, "WEBHOOK_SECRET", "two words", NULL },
        { FOR_INGEST, "METRICS_LISTEN", "127.0.0.1", NULL },
        { FOR_INGEST, "METRICS_LISTEN", ":9100", NULL },
        { FOR_INGEST, "METRICS_LISTEN", "localhost:http", NULL },
        { FOR_INGEST, "METRICS_LISTEN", "127.0.0.1:65536", NULL },
        { FOR_INGEST, "METRICS_LISTEN", "[::1:9100", NULL },
        { FOR_INGEST, "METRICS_LISTEN", "[]:9100", NULL },
        { FOR_INGEST, "METRICS_LISTEN", "::1:9100", NULL },
        { FOR_INGEST, "REDIS_URL", "127.0.0.1:6379", NULL },
        { FOR_INGEST, "REDIS_URL", "http://127.0.0.1:6379", NULL },
        { FOR_INGEST, "REDIS_URL", "redis://host:notaport/0", NULL },
        { FOR_INGEST, "KEY_PREFIX", "my bot:", NULL },
        { FOR_INGEST, "KEY_PREFIX", "бот:", NULL },
        { FOR_LLM, "OPENAI_MODEL", "gpt 6", NULL },
        { FOR_INGEST, "USER_MODELS", "gpt 6", "gpttg-ingest: USER_MODELS is \"gpt 6\": expected all, or up to 50 names of models, separated by commas\n" },
        { FOR_LEDGER, "USER_MODELS", "gpt-6,", NULL },
        { FOR_LEDGER, "USER_MODELS", ",gpt-6", NULL },
        { FOR_LEDGER, "USER_MODELS", "gpt-5,,gpt-6", NULL },
        { FOR_LEDGER, "USER_MODELS", " ", NULL },
        { FOR_LEDGER, "USER_MODELS", ",", NULL },
        { FOR_LEDGER, "USER_MODELS", "all,gpt-6", NULL },
        { FOR_LEDGER, "USER_MODELS", "default", NULL },
        { FOR_LEDGER, "USER_MODELS", "модель", NULL },
        { FOR_LEDGER, "USER_MODELS", "gpt-6\ngpt-5", NULL },
        { FOR_LEDGER, "USER_MODELS", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51", NULL },
        { FOR_LLM, "SYSTEM_PROMPT", "\xff\xfe", "gpttg-llm: SYSTEM_PROMPT is malformed: expected text in UTF-8\n" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        clear_environment();
        setenv(bad[i].name, bad[i].value, 1);
        CLEANUP(text_done) char *line = said(bad[i].service);
        if (!*line)
            fail_msg("%s=%s was taken", bad[i].name, bad[i].value);
        if (bad[i].line)
            assert_string_equal(line, bad[i].line);
        assert_non_null(strstr(line, bad[i].name));
        assert_non_null(strstr(line, "expected "));
    }
}

static void good_values_are_taken(void **state) {
    static const struct { enum service_bit service; const char *name, *value; } good[] = {
        { FOR_LLM, "OPENAI_MAX_RETRIES", "0" },
        { FOR_LLM, "OPENAI_MAX_OUTPUT_TOKENS", "4096" },
        { FOR_LLM, "COMPACT_THRESHOLD_TOKENS", "0" },
        { FOR_LLM, "SYSTEM_PROMPT", "Первая строка\nвторая\t\"x\" @y" },
        { FOR_LLM, "OPENAI_BASE_URL", "http://127.0.0.1:8080/v1/" },
        { FOR_LLM, "OPENAI_BASE_URL", "http://[::1]:8080/v1" },
        { FOR_LLM, "OPENAI_PROXY", "socks5h://user:pa%40ss@proxy:1080" },
        { FOR_LLM, "OPENAI_PRICE_PER_1K_TOKENS", "0.0000000001" },
        { FOR_LLM, "USER_DAILY_BUDGET_USD", "0" },
        { FOR_LLM, "USER_DAILY_BUDGET_USD", "0.000000001" },
        { FOR_LLM, "TZ_NAME", "America/Argentina/Buenos_Aires" },
        { FOR_LLM, "TZ_NAME", "Etc/GMT+3" },
        { FOR_LLM, "TZ_NAME", "UTC" },
        { FOR_INGEST, "BOT_TOKEN", "1:demo" },
        { FOR_INGEST, "ADMIN_ID", "1, 2 ,3" },
        { FOR_INGEST, "ALLOWED_USER_IDS", "7" },
        { FOR_INGEST, "ALLOWED_CHAT_IDS", "-1002233445566, -5" },
        { FOR_INGEST, "USER_MODELS", " all " },
        { FOR_LEDGER, "USER_MODELS", "gpt-6" },
        { FOR_LEDGER, "USER_MODELS", "gpt-6-luna, org/llama:7b , allam,gpt-6-luna" },
        { FOR_LLM, "USER_MODELS", "junk, of another service," },
        { FOR_INGEST, "TELEGRAM_RATE_CHAT", "junk of another service" },
        { FOR_INGEST, "METRICS_LISTEN", "[::1]:9100" },
        { FOR_INGEST, "METRICS_LISTEN", "localhost:0" },
        { FOR_INGEST, "REDIS_URL", "unix:///tmp/redis.sock?db=3" },
        { FOR_INGEST, "REDIS_URL", "redis://user:pa%40ss@redis:6379/1" },
        { FOR_INGEST, "KEY_PREFIX", "{gpttg}:" },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        clear_environment();
        setenv(good[i].name, good[i].value, 1);
        CLEANUP(text_done) char *line = said(good[i].service);
        assert_string_equal(line, "");
    }
}

static void a_service_needs_only_its_own(void **state) {
    unsetenv("BOT_TOKEN");
    unsetenv("ADMIN_ID");
    CLEANUP(text_done) char *llm = said(FOR_LLM);
    assert_string_equal(llm, "");
    unsetenv("OPENAI_API_KEY");
    CLEANUP(text_done) char *ledger = said(FOR_LEDGER);
    assert_string_equal(ledger, "");
    CLEANUP(text_done) char *media = said(FOR_MEDIA);
    assert_non_null(strstr(media, "BOT_TOKEN is missing"));
}

static void a_secret_is_never_repeated(void **state) {
    static const struct { enum service_bit service; const char *name, *value; } secrets[] = {
        { FOR_INGEST, "BOT_TOKEN", "hunter2hunter2" },
        { FOR_LLM, "OPENAI_API_KEY", "hunter2 hunter2" },
        { FOR_INGEST, "WEBHOOK_SECRET", "hunter2!" },
        { FOR_INGEST, "REDIS_URL", "redis://u:hunter2@host:x/0" },
        { FOR_LLM, "OPENAI_PROXY", "socks9://u:hunter2@host:1" },
        { FOR_LLM, "OPENAI_BASE_URL", "https://u:hunter2@host/?" },
    };
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        clear_environment();
        setenv(secrets[i].name, secrets[i].value, 1);
        CLEANUP(text_done) char *line = said(secrets[i].service);
        assert_non_null(strstr(line, secrets[i].name));
        assert_null(strstr(line, "hunter2"));
    }
}

static void a_long_or_many_lined_value_stays_one_line(void **state) {
    char value[5000];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    value[3] = '\n';
    setenv("TZ_NAME", value, 1);
    CLEANUP(text_done) char *line = said(FOR_LLM);
    assert_non_null(strstr(line, "TZ_NAME is \"xxx.xxx"));
    assert_true(strlen(line) < 300);
}

static void empty_is_unset(void **state) {
    setenv("OPENAI_MAX_RETRIES", "", 1);
    setenv("PRICES_FILE", "", 1);
    setenv("USER_DAILY_BUDGET_USD", "", 1);
    CLEANUP(text_done) char *line = said(FOR_LLM);
    assert_string_equal(line, "");
    int64_t nusd = 7;
    assert_int_equal(setting_number("OPENAI_MAX_RETRIES"), 4);
    assert_false(setting_is_set("PRICES_FILE")); /* no such file here, and nobody asked for it */
    assert_false(setting_nusd("USER_DAILY_BUDGET_USD", &nusd));
    assert_int_equal(nusd, 7);
    assert_int_equal(setting_number("OPENAI_MAX_OUTPUT_TOKENS"), 0);
}

static void values_can_be_asked_for(void **state) {
    setenv("ADMIN_ID", "5012345678, 7", 1);
    setenv("ALLOWED_USER_IDS", "42", 1);
    setenv("TELEGRAM_API_URL", "http://127.0.0.1:8081/", 1);
    CLEANUP(text_done) char *line = said(FOR_INGEST);
    assert_string_equal(line, "");
    const int64_t *ids;
    assert_int_equal(setting_ids("ADMIN_ID", &ids), 2);
    assert_int_equal(ids[0], INT64_C(5012345678));
    assert_int_equal(ids[1], 7);
    assert_true(setting_has_id("ADMIN_ID", 7));
    assert_false(setting_has_id("ADMIN_ID", 42));
    assert_true(setting_has_id("ALLOWED_USER_IDS", 42));
    assert_false(setting_has_id("ALLOWED_USER_IDS", 43));
    assert_string_equal(setting_text("TELEGRAM_API_URL"), "http://127.0.0.1:8081"); /* a path is appended to it */
    assert_string_equal(setting_text("BOT_TOKEN"), token);

    setenv("ALLOWED_CHAT_IDS", "-1002233445566,-5", 1);
    setenv("ALLOWED_USER_IDS", "*", 1);
    CLEANUP(text_done) char *again = said(FOR_INGEST);
    assert_string_equal(again, "");
    assert_true(setting_has_id("ALLOWED_USER_IDS", 43));
    assert_int_equal(setting_ids("ALLOWED_USER_IDS", &ids), 0);
    assert_true(setting_has_id("ALLOWED_CHAT_IDS", INT64_C(-1002233445566)));
    assert_true(setting_has_id("ALLOWED_CHAT_IDS", -5));
    assert_false(setting_has_id("ALLOWED_CHAT_IDS", 5));

    setenv("USER_MODELS", " gpt-6-luna ,  gpt-6 ", 1);
    setenv("GLOBAL_MONTHLY_BUDGET_USD", "12.5", 1);
    CLEANUP(text_done) char *ledger = said(FOR_LEDGER);
    assert_string_equal(ledger, "");
    int64_t nusd;
    assert_true(setting_nusd("GLOBAL_MONTHLY_BUDGET_USD", &nusd));
    assert_int_equal(nusd, INT64_C(12500000000));
    assert_string_equal(setting_text("USER_MODELS"), "gpt-6-luna,gpt-6"); /* as a script is told it */
    assert_true(setting_has_model("USER_MODELS", "gpt-6") && setting_has_model("USER_MODELS", "gpt-6-luna"));
    assert_false(setting_has_model("USER_MODELS", "gpt") || setting_has_model("USER_MODELS", "luna") || setting_has_model("USER_MODELS", ""));
    assert_false(setting_has_model("USER_MODELS", "gpt-6-luna,gpt-6"));

    setenv("USER_MODELS", "all", 1);
    CLEANUP(text_done) char *all = said(FOR_LEDGER);
    assert_string_equal(all, "");
    assert_true(setting_has_model("USER_MODELS", "gpt-7"));
    unsetenv("USER_MODELS");
    CLEANUP(text_done) char *none = said(FOR_LEDGER);
    assert_string_equal(none, "");
    assert_false(setting_has_model("USER_MODELS", "gpt-7"));
}

static void help_names_each_setting_of_the_service_and_no_other(void **state) {
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    settings_help(FOR_INGEST, "gpttg-ingest", out);
    fclose(out);
    for (const struct setting *s = settings_table; s->name; s++) {
        char line[100];
        snprintf(line, sizeof line, "\n  %s ", s->name);
        if (s->used_by & FOR_INGEST)
            assert_non_null(strstr(text, line));
        else
            assert_null(strstr(text, line));
        assert_int_equal(s->needed_by & ~s->used_by, 0);
        assert_int_equal(s->meaning[strlen(s->meaning) - 1], '.');
        assert_null(strchr(s->meaning, '\n'));
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_defaults_are_good_for_every_service, start_clean),
        cmocka_unit_test_setup(bad_values_are_refused_in_one_line, start_clean),
        cmocka_unit_test_setup(good_values_are_taken, start_clean),
        cmocka_unit_test_setup(a_service_needs_only_its_own, start_clean),
        cmocka_unit_test_setup(a_secret_is_never_repeated, start_clean),
        cmocka_unit_test_setup(a_long_or_many_lined_value_stays_one_line, start_clean),
        cmocka_unit_test_setup(empty_is_unset, start_clean),
        cmocka_unit_test_setup(values_can_be_asked_for, start_clean),
        cmocka_unit_test_setup(help_names_each_setting_of_the_service_and_no_other, start_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
