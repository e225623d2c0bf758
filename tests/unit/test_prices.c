/* Prices: the shipped file, other people's files, and what calls cost by them, to the nano-dollar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/money.h"
#include "proto/prices.h"

static struct prices *load(const char *text) {
    struct prices *p = NULL;
    char problem[PRICES_PROBLEM] = "";
    if (prices_load(text, text ? strlen(text) : 0, NULL, &p, problem))
        fail_msg("refused: %s", problem);
    return p;
}

#define COST(p, model, ...) prices_cost((p), (model), &(struct usage){ __VA_ARGS__ })

static const char one_of_each[] =
    "{\"models\": {"
    "  \"chatty\": {\"input\": \"2.50\", \"cached_input\": 0.25, \"cache_write\": \"3.125\", \"output\": 10,"
    "              \"tiers\": [{\"over\": 1000, \"input\": 5, \"output\": 15}],"
    "              \"tools\": {\"web_search\": \"0.01\"}, \"shutdown\": \"2027-01-14\", \"abilities\": [\"text\", \"vision\"]},"
    "  \"plain\":  {\"input\": \"0.1\", \"output\": \"0.4\"},"
    "  \"plain-2026-01-02\": {\"input\": \"7\", \"output\": \"7\"},"
    "  \"hears\":  {\"per_minute\": \"0.0045\"},"
    "  \"paints\": {\"per_image\": \"0.04\"},"
    "  \"sees\": {\"input\": \"5\", \"image_input\": \"8\", \"output\": \"30\"},"
    "  \"free\":   {\"input\": 0, \"output\": 0},"
    "  \"silent\": {\"shutdown\": null}"
    "}}";

static void each_kind_of_token_has_its_price(void **state) {
    struct prices *p = load(one_of_each);
    /* 700 · 2.5 + 200 · 0.25 + 100 · 3.125 + 50 · 10 dollars per million, in nano-dollars */
    assert_int_equal(COST(p, "chatty", .input_tokens = 1000, .cached_tokens = 200, .cache_write_tokens = 100, .output_tokens = 50,
                          .reasoning_tokens = 40),
                     700 * 2500 + 200 * 250 + 100 * 3125 + 50 * 10000);
    assert_int_equal(COST(p, "plain", .input_tokens = 10, .cached_tokens = 4, .cache_write_tokens = 3, .output_tokens = 1), 1000 + 400);
    assert_int_equal(COST(p, "free", .input_tokens = 1000000, .output_tokens = 5), 0);
    prices_free(p);
}

static void a_long_input_costs_more_from_its_first_token(void **state) {
    struct prices *p = load(one_of_each);
    assert_int_equal(COST(p, "chatty", .input_tokens = 1000, .output_tokens = 1), 1000 * 2500 + 10000);
    assert_int_equal(COST(p, "chatty", .input_tokens = 1001, .output_tokens = 1), 1001 * 5000 + 15000);
    assert_int_equal(COST(p, "chatty", .input_tokens = 1001, .cached_tokens = 1001), 1001 * 5000);   /* no cached price in the tier */
    prices_free(p);
}

static void a_snapshot_uses_its_family_unless_it_has_its_own_entry(void **state) {
    struct prices *p = load(one_of_each);
    assert_true(prices_known(p, "chatty-2026-08-06"));
    assert_int_equal(COST(p, "chatty-2026-08-06", .output_tokens = 1), 10000);
    assert_int_equal(COST(p, "plain-2026-01-02", .output_tokens = 1), 7000);
    assert_string_equal(prices_shutdown(p, "chatty-2026-08-06"), "2027-01-14");
    assert_true(prices_able(p, "chatty-2026-08-06", "vision"));
    assert_false(prices_able(p, "chatty", "audio"));
    assert_null(prices_shutdown(p, "plain"));
    static const char *const strangers[] = { "chatt", "chattyy", "chatty-", "chatty-2026", "chatty-2026-13-01", "chatty-2026-08-6",
                                             "chatty-2026-08-06-x", "Chatty", "-2026-08-06", "2026-08-06", "", NULL };
    for (int i = 0; strangers[i]; i++)
        assert_false(prices_known(p, strangers[i]));
    assert_false(prices_known(p, NULL));
    prices_free(p);
}

static void the_three_variables_bill_what_the_file_does_not_know(void **state) {
    struct prices *p = load(one_of_each);
    /* 0.002 USD per thousand tokens is 2000 nano-dollars each, cached or not */
    assert_int_equal(COST(p, "stranger", .input_tokens = 10, .cached_tokens = 5, .cache_write_tokens = 2, .output_tokens = 3), 13 * 2000);
    assert_int_equal(COST(p, "stranger", .audio_ms = 7000), 700000);                      /* 0.006 · 7/60 */
    assert_int_equal(COST(p, "stranger", .audio_ms = 7000, .input_tokens = 70, .output_tokens = 22), 700000);
    assert_int_equal(COST(p, "stranger", .images = 2, .input_tokens = 12, .output_tokens = 1056), 2 * 40000000);
    assert_int_equal(COST(p, NULL, .input_tokens = 1), 2000);
    assert_int_equal(COST(p, "silent", .input_tokens = 1), 2000);                         /* an entry without prices */
    assert_int_equal(COST(p, "hears", .input_tokens = 1), 2000);
    assert_string_equal(prices_version(p, "stranger"), "fallback");
    assert_string_equal(prices_version(p, "silent"), "fallback");
    assert_int_equal(strlen(prices_version(p, "plain")), 12);
    assert_int_equal(strlen(prices_version(p, "hears")), 12);
    prices_free(p);

    char problem[PRICES_PROBLEM];
    struct price_texts own = { "0.0000000001", "1", "0.5" };
    assert_int_equal(prices_load(NULL, 0, &own, &p, problem), 0);
    assert_int_equal(COST(p, "x", .input_tokens = 10000), 1);                             /* 10^-13 USD each: exact, not 0 */
    assert_int_equal(COST(p, "x", .audio_ms = 1), 16667);                                 /* 10^9 / 60000 = 16666.67 */
    assert_int_equal(COST(p, "x", .images = 1), 500000000);
    assert_string_equal(prices_version(p, "x"), "fallback");
    prices_free(p);
}

static void audio_and_pictures_are_billed_by_tokens_only_where_these_have_a_price(void **state) {
    struct prices *p = load(one_of_each);
    assert_int_equal(COST(p, "hears", .audio_ms = 60000), 4500000);
    assert_int_equal(COST(p, "hears", .audio_ms = 1500, .input_tokens = 70, .output_tokens = 22), 112500);
    assert_int_equal(COST(p, "paints", .images = 3, .output_tokens = 1056), 3 * 40000000);
    assert_int_equal(COST(p, "plain", .images = 1, .input_tokens = 10), 1000);
    assert_int_equal(COST(p, "sees", .input_tokens = 1100, .image_tokens = 1000, .output_tokens = 10), 100 * 5000 + 1000 * 8000 + 10 * 30000);
    assert_int_equal(COST(p, "sees", .input_tokens = 100, .image_tokens = 1000), 100 * 8000);     /* cut to what went in */
    assert_int_equal(COST(p, "plain", .images = 1), 40000000);                            /* no usage came: DALLE_PRICE */
    prices_free(p);
}

static void pictures_are_billed_by_quality_and_size_where_the_file_says_so(void **state) {
    struct prices *p = load("{\"models\": {\"m\": {\"per_image\": {\"low\": \"0.01\", \"high\": {\"1024x1024\": \"0.13\", \"1024x1536\": \"0.2\"}}},"
                            " \"hears\": {\"input\": \"1\", \"audio_input\": \"6\", \"output\": \"2\"}}}");
    assert_int_equal(COST(p, "m", .images = 2, .image_quality = "low", .image_size = "9x9"), 2 * 10000000);
    assert_int_equal(COST(p, "m", .images = 1, .image_quality = "high", .image_size = "1024x1024"), 130000000);
    assert_int_equal(COST(p, "m", .images = 1, .image_quality = "high", .image_size = "9x9"), 200000000);     /* the dearest of that quality */
    assert_int_equal(COST(p, "m", .images = 1, .image_quality = "max", .image_size = "1024x1024"), 200000000);
    assert_int_equal(COST(p, "m", .images = 1), 200000000);
    assert_int_equal(COST(p, "hears", .input_tokens = 100, .audio_tokens = 90, .output_tokens = 1), 10 * 1000 + 90 * 6000 + 2000);
    assert_int_equal(COST(p, "hears", .input_tokens = 50, .audio_tokens = 90), 50 * 6000);                    /* cut to what went in */
    prices_free(p);
}

static void tools_are_billed_by_the_call(void **state) {
    struct prices *p = load(one_of_each);
    assert_int_equal(COST(p, "chatty", .output_tokens = 1, .tools = { { "web_search", 3 }, { "unheard_of", 9 } }), 10000 + 3 * 10000000);
    assert_int_equal(prices_tool_fee(p, "chatty", "web_search"), 10000000);
    assert_int_equal(prices_tool_fee(p, "plain", "web_search"), 0);
    prices_free(p);
}

static void a_call_is_rounded_half_up_once(void **state) {
    struct prices *p = load("{\"models\":{\"m\":{\"input\":\"0.0005\",\"cached_input\":\"0.0001\",\"output\":\"0.0004\"}}}");
    assert_int_equal(COST(p, "m", .input_tokens = 1), 1);                                 /* 0.5 */
    assert_int_equal(COST(p, "m", .output_tokens = 1), 0);                                /* 0.4 */
    assert_int_equal(COST(p, "m", .input_tokens = 2, .cached_tokens = 1, .output_tokens = 1), 1);     /* 0.5 + 0.1 + 0.4 */
    assert_int_equal(COST(p, "m", .input_tokens = 3), 2);                                 /* 1.5 */
    prices_free(p);
}

static void nonsense_from_the_provider_is_clamped(void **state) {
    struct prices *p = load(one_of_each);
    assert_int_equal(COST(p, "chatty", .input_tokens = -5, .cached_tokens = -7, .output_tokens = -1), 0);
    assert_int_equal(COST(p, "chatty", .input_tokens = 10, .cached_tokens = 99), 10 * 250);
    assert_int_equal(COST(p, "chatty", .input_tokens = 10, .cached_tokens = 8, .cache_write_tokens = 99), 8 * 250 + 2 * 3125);
    assert_int_equal(COST(p, "chatty", .input_tokens = INT64_MIN, .output_tokens = INT64_MIN), 0);
    assert_true(COST(p, "chatty", .input_tokens = INT64_MAX, .output_tokens = INT64_MAX) == MONEY_MAX_NUSD);
    assert_true(COST(p, "paints", .images = INT64_MAX) == 4000000 * NUSD_PER_USD);        /* saturated: 10^8 pictures */
    assert_true(COST(p, "hears", .audio_ms = INT64_MAX) == INT64_C(75000) * NUSD_PER_USD);
    prices_free(p);
    p = load("{\"models\":{\"m\":{\"input\":9000000,\"output\":\"9000000\",\"per_image\":9000000,\"tools\":{\"t\":9000000}}}}");
    assert_true(COST(p, "m", .input_tokens = INT64_MAX, .output_tokens = INT64_MAX, .tools = { { "t", INT64_MAX } }) == MONEY_MAX_NUSD);
    assert_true(COST(p, "m", .images = INT64_MAX) == MONEY_MAX_NUSD);
    assert_int_equal(COST(p, "m", .input_tokens = 1), 9 * NUSD_PER_USD);
    prices_free(p);
}

static uint64_t rnd(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* Against sums in whole pico-dollars per million tokens, done the long way. */
static void random_calls_cost_what_the_long_way_says(void **state) {
    uint64_t seed = 7;
    for (int round = 0; round < 200; round++) {
        int64_t price[4];
        char text[256], dollars[4][32];
        for (int i = 0; i < 4; i++) {
            price[i] = (int64_t)(rnd(&seed) % 50000000);                                  /* millionths of a dollar */
            snprintf(dollars[i], sizeof dollars[i], "%lld.%06lld", (long long)price[i] / 1000000, (long long)price[i] % 1000000);
        }
        bool quoted = rnd(&seed) & 1;
        snprintf(text, sizeof text,
                 quoted ? "{\"models\":{\"m\":{\"input\":\"%s\",\"cached_input\":\"%s\",\"cache_write\":\"%s\",\"output\":\"%s\"}}}"
                        : "{\"models\":{\"m\":{\"input\":%s,\"cached_input\":%s,\"cache_write\":%s,\"output\":%s}}}",
                 dollars[0], dollars[1], dollars[2], dollars[3]);
        struct prices *p = load(text);
        for (int i = 0; i < 200; i++) {
            int64_t input = (int64_t)(rnd(&seed) % 100000), cached = (int64_t)(rnd(&seed) % (uint64_t)(input + 1));
            int64_t written = (int64_t)(rnd(&seed) % (uint64_t)(input - cached + 1)), output = (int64_t)(rnd(&seed) % 10000);
            int64_t thousandths = (input - cached - written) * price[0] + cached * price[1] + written * price[2] + output * price[3];
            int64_t expected = thousandths / 1000 + (thousandths % 1000 >= 500);          /* 10^-12 USD each */
            int64_t cost = COST(p, "m", .input_tokens = input, .cached_tokens = cached, .cache_write_tokens = written, .output_tokens = output);
            assert_int_equal(cost, expected);
            assert_true(cost <= prices_upper_bound(p, "m", input, output));
        }
        prices_free(p);
    }
}

static void what_the_rest_pays_for_is_the_most_it_pays_for(void **state) {
    struct prices *p = load(one_of_each);
    static const char *const models[] = { "chatty", "plain", "stranger", "hears", "plain-2026-01-02" };
    uint64_t seed = 3;
    for (int i = 0; i < 20000; i++) {
        const char *model = models[rnd(&seed) % 5];
        int64_t input = (int64_t)(rnd(&seed) % 3000), left = (int64_t)(rnd(&seed) % 40000000);
        int64_t n = prices_output_paid_for(p, model, input, left);
        if (n > 0 || prices_upper_bound(p, model, input, 0) <= left)
            assert_true(prices_upper_bound(p, model, input, n) <= left);
        assert_true(prices_upper_bound(p, model, input, n + 1) > left);
        int64_t shorter = input ? (int64_t)(rnd(&seed) % (uint64_t)input) : 0;
        assert_true(COST(p, model, .input_tokens = shorter, .cache_write_tokens = shorter / 2, .output_tokens = n) <=
                    prices_upper_bound(p, model, input, n));
    }
    assert_int_equal(prices_output_paid_for(p, "chatty", 100, 0), 0);
    assert_int_equal(prices_output_paid_for(p, "chatty", 100, -5), 0);
    assert_int_equal(prices_output_paid_for(p, "chatty", 0, 10000), 1);
    assert_true(prices_output_paid_for(p, "free", 100, 0) == INT64_MAX);
    assert_int_equal(prices_upper_bound(p, "free", 100, 100), 0);
    prices_free(p);
}

static void expect_problem(const char *text, const char *expected) {
    struct prices *p = NULL;
    char problem[PRICES_PROBLEM] = "";
    assert_int_equal(prices_load(text, strlen(text), NULL, &p, problem), -EINVAL);
    assert_null(p);
    if (!strstr(problem, expected) || strchr(problem, '\n'))
        fail_msg("for %s\n  expected …%s…\n  got      %s", text, expected, problem);
}

static void a_broken_file_is_refused_with_its_place(void **state) {
    expect_problem("", "line 1, column 1: expected JSON");
    expect_problem("{\"models\": {\n  \"m\": {\"input\": 1,}}}", "line 2, column");
    expect_problem("{\"models\": {}} x", "line 1, column 16: expected JSON");
    expect_problem("[]", "the file: expected an object with \"models\"");
    expect_problem("{}", "the file: expected \"models\"");
    expect_problem("{\"models\": []}", "models: expected an object of models");
    expect_problem("{\"models\": {\"m\": 5}}", "models.m: expected an object of prices");
    expect_problem("{\"models\": {\"m\": {\"input\": \"-1\", \"output\": 1}}}", "models.m.input: expected USD per million tokens as a decimal such as \"0.25\", got -1");
    expect_problem("{\"models\": {\"m\": {\"input\": -1, \"output\": 1}}}", "models.m.input: expected USD per million tokens");
    expect_problem("{\"models\": {\"m\": {\"input\": \"1e-3\", \"output\": 1}}}", "got 1e-3");
    expect_problem("{\"models\": {\"m\": {\"input\": null, \"output\": 1}}}", "got null");
    expect_problem("{\"models\": {\"m\": {\"input\": {}, \"output\": 1}}}", "got {...}");
    expect_problem("{\"models\": {\"m\": {\"input\": \"0.0000000000001\", \"output\": 1}}}", "at most 12 decimals");
    expect_problem("{\"models\": {\"m\": {\"input\": 9000001, \"output\": 1}}}", "at most 9000000");
    expect_problem("{\"models\": {\"m\": {\"input\": \"a\\nb\\u0007\", \"output\": 1}}}", "got a?b?");
    expect_problem("{\"models\": {\"m\": {\"per_image\": true}}}", "models.m.per_image: expected USD per image");
    expect_problem("{\"models\": {\"m\": {\"per_image\": {\"low\": {\"1x1\": \"dear\"}}}}}", "models.m.per_image.low.1x1: expected USD per image");
    expect_problem("{\"models\": {\"m\": {\"per_image\": {}}}}", "models.m.per_image: expected USD per image, or an object");
    expect_problem("{\"models\": {\"m\": {\"per_image\": {\"low\": 1, \"low\": 2}}}}", "models.m.per_image.low: given twice");
    expect_problem("{\"models\": {\"m\": {\"per_image\": 1, \"per_image\": {\"low\": 2}}}}", "models.m.per_image: given twice");
    expect_problem("{\"models\": {\"m\": {\"per_minute\": \"1\", \"per_minute\": \"2\"}}}", "models.m.per_minute: given twice");
    expect_problem("{\"models\": {\"m\": {}, \"m\": {}}}", "models.m: given twice");
    expect_problem("{\"models\": {}, \"models\": {}}", "models: given twice");
    expect_problem("{\"models\": {\"\": {}}}", "expected a model's name");
    expect_problem("{\"models\": {\"m\": {\"tools\": [\"web_search\"]}}}", "models.m.tools: expected an object of USD per call");
    expect_problem("{\"models\": {\"m\": {\"tools\": {\"web_search\": \"x\"}}}}", "models.m.tools.web_search: expected USD per call");
    expect_problem("{\"models\": {\"m\": {\"shutdown\": \"soon\"}}}", "models.m.shutdown: expected a date");
    expect_problem("{\"models\": {\"m\": {\"shutdown\": 20270114}}}", "models.m.shutdown: expected a date");
    expect_problem("{\"models\": {\"m\": {\"abilities\": \"text\"}}}", "models.m.abilities: expected a list of words");
    expect_problem("{\"models\": {\"m\": {\"abilities\": [5]}}}", "models.m.abilities: expected a list of words");
    expect_problem("{\"models\": {\"m\": {\"tiers\": [{\"input\": 1}]}}}", "models.m.tiers.0: expected \"over\"");
    expect_problem("{\"models\": {\"m\": {\"tiers\": [{\"over\": 5}, {\"over\": 5}]}}}", "models.m.tiers.1: expected tiers in the order");
    expect_problem("{\"models\": {\"m\": {\"tiers\": [{\"over\": \"-5\"}]}}}", "models.m.tiers.0.over: expected a number of input tokens");
}

static void the_variables_are_checked_too(void **state) {
    struct prices *p = NULL;
    char problem[PRICES_PROBLEM];
    assert_int_equal(prices_load(NULL, 0, &(struct price_texts){ .per_1k_tokens = "cheap" }, &p, problem), -EINVAL);
    assert_string_equal(problem, "OPENAI_PRICE_PER_1K_TOKENS: expected USD as a decimal such as 0.002, got \"cheap\"");
    assert_int_equal(prices_load(NULL, 0, &(struct price_texts){ .whisper_per_minute = "-1" }, &p, problem), -EINVAL);
    assert_non_null(strstr(problem, "WHISPER_PRICE: expected USD"));
    assert_int_equal(prices_load(NULL, 0, &(struct price_texts){ .dalle_per_image = "" }, &p, problem), -EINVAL);
    assert_non_null(strstr(problem, "DALLE_PRICE: expected USD"));
}

static void a_typing_error_is_remarked_and_costs_the_fallback(void **state) {
    struct prices *p = load("{\"models\":{\"m\":{\"input\":\"1\",\"ouput\":\"9\"}}}");
    assert_string_equal(prices_remark(p), "models.m.ouput: not a name we know, passed over");
    assert_int_equal(COST(p, "m", .input_tokens = 1, .output_tokens = 1), 1000 + 2000);
    prices_free(p);
    p = load(one_of_each);
    assert_null(prices_remark(p));
    prices_free(p);
}

static void numbers_are_kept_as_written(void **state) {
    struct prices *p = load("{\"models\":{\"m\":{\"input\":0.123456789012,\"output\":1e-05,\"per_minute\":1.1}}}");
    assert_true(COST(p, "m", .input_tokens = 1000000000000) == 123456789012000);
    assert_int_equal(COST(p, "m", .output_tokens = 100000), 1000);
    prices_free(p);
    p = load("\xEF\xBB\xBF{\"models\":{\"say \\\"7\\\" \\\\\":{\"input\":7,\"output\":7}}}\r\n\t ");
    assert_true(prices_known(p, "say \"7\" \\"));
    prices_free(p);
}

static void the_version_follows_the_bytes(void **state) {
    struct prices *a = load("{\"models\":{\"m\":{\"input\":1}}}"), *b = load("{\"models\":{\"m\":{\"input\":2}}}"), *c = load("{\"models\":{\"m\":{\"input\":1}}}");
    assert_string_not_equal(prices_version(a, "m"), prices_version(b, "m"));
    assert_string_equal(prices_version(a, "m"), prices_version(c, "m"));
    prices_free(a);
    prices_free(b);
    prices_free(c);
}

static void files_are_read_or_refused_in_one_line(void **state) {
    struct prices *p = NULL;
    char problem[PRICES_PROBLEM], path[] = "/tmp/gpttg-prices-XXXXXX";
    assert_int_equal(prices_load_file("/nonexistent/prices.json", NULL, &p, problem), -ENOENT);
    assert_non_null(strstr(problem, "/nonexistent/prices.json: expected a readable prices file"));
    assert_int_equal(prices_load_file("/tmp", NULL, &p, problem), -EISDIR);
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "{\"models\":7}", 12), 12);
    assert_int_equal(prices_load_file(path, NULL, &p, problem), -EINVAL);
    assert_non_null(strstr(problem, ": models: expected an object"));
    assert_int_equal(ftruncate(fd, 5 << 20), 0);
    assert_int_equal(prices_load_file(path, NULL, &p, problem), -EINVAL);
    assert_non_null(strstr(problem, "at most"));
    close(fd);
    unlink(path);
}

static void the_file_we_ship_is_right(void **state) {
    struct prices *p = NULL;
    char problem[PRICES_PROBLEM] = "";
    if (prices_load_file(PRICES_JSON, NULL, &p, problem))
        fail_msg("%s", problem);
    assert_null(prices_remark(p));
    assert_int_equal(COST(p, "gpt-6.1-terra", .input_tokens = 1000, .cached_tokens = 400, .output_tokens = 100), 600 * 1000 + 400 * 50 + 100 * 5000);
    assert_int_equal(COST(p, "gpt-6.1-terra-2026-10-26", .input_tokens = 272001, .output_tokens = 1), 272001 * 2000 + 7500);
    assert_int_equal(COST(p, "gpt-6-luna", .input_tokens = 7, .cached_tokens = 6), 100 + 6 * 10);
    assert_int_equal(COST(p, "gpt-4o-mini-2024-07-18", .input_tokens = 2, .cached_tokens = 1), 150 + 75);
    assert_int_equal(COST(p, "gpt-transcribe", .audio_ms = 60000), 4500000);
    assert_int_equal(COST(p, "whisper-1", .audio_ms = 7000), 700000);
    assert_int_equal(COST(p, "gpt-image-2.6-flare", .images = 1, .input_tokens = 12, .output_tokens = 1056), 12 * 5000 + 1056 * 30000);
    assert_string_equal(prices_shutdown(p, "gpt-4o"), "2027-01-14");
    assert_true(prices_able(p, "gpt-6.1-terra", "vision"));
    assert_false(prices_known(p, "dall-e-3"));
    prices_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_token_has_its_price),
        cmocka_unit_test(a_long_input_costs_more_from_its_first_token),
        cmocka_unit_test(a_snapshot_uses_its_family_unless_it_has_its_own_entry),
        cmocka_unit_test(the_three_variables_bill_what_the_file_does_not_know),
        cmocka_unit_test(audio_and_pictures_are_billed_by_tokens_only_where_these_have_a_price),
        cmocka_unit_test(pictures_are_billed_by_quality_and_size_where_the_file_says_so),
        cmocka_unit_test(tools_are_billed_by_the_call),
        cmocka_unit_test(a_call_is_rounded_half_up_once),
        cmocka_unit_test(nonsense_from_the_provider_is_clamped),
        cmocka_unit_test(random_calls_cost_what_the_long_way_says),
        cmocka_unit_test(what_the_rest_pays_for_is_the_most_it_pays_for),
        cmocka_unit_test(a_broken_file_is_refused_with_its_place),
        cmocka_unit_test(the_variables_are_checked_too),
        cmocka_unit_test(a_typing_error_is_remarked_and_costs_the_fallback),
        cmocka_unit_test(numbers_are_kept_as_written),
        cmocka_unit_test(the_version_follows_the_bytes),
        cmocka_unit_test(files_are_read_or_refused_in_one_line),
        cmocka_unit_test(the_file_we_ship_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
