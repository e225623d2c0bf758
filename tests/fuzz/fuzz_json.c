/* What is read can be written, and what was written can be read; asking for anything of any type is safe. */
#include <string.h>
#include "proto/json.h"
#include "tests/fuzz/fuzz.h"

static void ask(const cJSON *o) {
    static const char *const names[] = { "a", "id", "text", "" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int64_t n = 0;
        bool yes;
        const char *s = json_get_str(o, names[i]);
        CHECK(!s || strlen(s) < SIZE_MAX);
        if (json_get_i64(o, names[i], &n))
            CHECK(n >= -9007199254740991 && n <= 9007199254740991);
        (void)json_get_bool(o, names[i], &yes); /* only that it may be asked */
        const cJSON *item;
        cJSON_ArrayForEach(item, json_get_arr(o, names[i]))
            CHECK(item);
        CHECK(json_get_obj(o, names[i]) == NULL || !s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    CLEANUP(json_done) cJSON *o = json_parse((const char *)data, len);
    ask(o);
    if (!o)
        return 0;
    CLEANUP(text_done) char *text = json_take_text(o);
    CHECK(text);
    CLEANUP(json_done) cJSON *again = json_parse(text, strlen(text));
    CHECK(again);
    CLEANUP(text_done) char *text_again = json_take_text(again);
    CHECK(text_again && !strcmp(text, text_again));
    return 0;
}
