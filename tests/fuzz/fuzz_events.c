/* Whatever JSON comes, every string is there and valid, every number in its bounds. */
#include <string.h>
#include "llm/events.h"
#include "services/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *s) {
    CHECK(s && utf8_valid(s, strlen(s)));
}

static void check_tokens(int64_t n) {
    CHECK(n >= 0 && n <= 1000000000);
}

static void check_id(const char *id) {
    check_text(id);
    CHECK(strlen(id) <= 256 && !strpbrk(id, "/?#%. \r\n"));
}

static void check_response(const struct response *r) {
    const char *const texts[] = { r->status, r->model, r->incomplete_reason, r->error_code, r->error_message, r->text, r->commentary,
                                  r->refusal };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_text(texts[i]);
    check_id(r->id);
    CHECK(strlen(r->text) == r->text_len);
    check_tokens(r->input_tokens);
    check_tokens(r->cached_tokens);
    check_tokens(r->cache_write_tokens);
    check_tokens(r->output_tokens);
    check_tokens(r->reasoning_tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    struct event e;
    struct response r;
    if (event_read((const char *)data, len, &e) == 0) {
        check_text(e.text);
        check_text(e.tool);
        check_text(e.code);
        check_text(e.message);
        check_id(e.response_id);
        CHECK(strlen(e.text) == e.text_len);
        CHECK((e.response != NULL) == (e.kind == EVENT_END));
        if (e.response) {
            check_response(e.response);
            CHECK(response_is_over(e.response));
        }
        event_done(&e);
    }
    if (response_parse((const char *)data, len, &r) == 0) {
        check_response(&r);
        response_done(&r);
    }
    return 0;
}
