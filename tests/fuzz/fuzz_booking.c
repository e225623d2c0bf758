/* Any fields as a ledger event: never refused for what they hold, never out of the bounds of its row, always JSON.
 * Input: names and values, each ended by '\n'; '\r' stands for a NUL inside a value. */
#include <cjson/cJSON.h>
#include <string.h>
#include "ledger/event.h"
#include "proto/money.h"
#include "services/utf8.h"
#include "tests/fuzz/fuzz.h"

enum { PAIRS = 128 };

static void check_text(struct event_text t) {
    CHECK(t.data && t.len <= 500 && !memchr(t.data, 0, t.len) && utf8_valid(t.data, t.len));
}

static void check_event(const struct event *e) {
    CHECK(e->id.len > 0);
    check_text(e->id), check_text(e->kind), check_text(e->model), check_text(e->tools), check_text(e->price_version);
    check_text(e->status), check_text(e->response), check_text(e->job), check_text(e->call);
    bool correction = e->kind.len == 10 && !memcmp(e->kind.data, "correction", 10);
    CHECK(e->cost_nusd <= MONEY_MAX_NUSD && e->cost_nusd >= (correction ? -MONEY_MAX_NUSD : 0));
    CHECK(e->at > 0 && e->used.input_tokens >= 0 && e->used.cached_tokens >= 0 && e->used.cache_write_tokens >= 0);
    CHECK(e->used.output_tokens >= 0 && e->used.reasoning_tokens >= 0 && e->used.audio_ms >= 0 && e->used.images >= 0);
    CHECK(strlen(e->unclear) < sizeof e->unclear);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    struct field list[PAIRS];
    struct fields fields = { 0, list };
    char *text = malloc(len + 2), *ends[2 * PAIRS], *from = text;
    size_t pieces = 0;
    memcpy(text, data, len);
    text[len] = '\n';
    text[len + 1] = 0;
    for (size_t i = 0; i <= len && pieces < 2 * PAIRS; i++) {
        if (text[i] == '\r')
            text[i] = 0;
        if (text[i] == '\n') {
            text[i] = 0;
            ends[pieces++] = text + i;
        }
    }
    for (size_t i = 0; i + 1 < pieces; i += 2) {
        const char *value = ends[i] + 1;
        list[fields.count++] = (struct field){ from, value, (size_t)(ends[i + 1] - value) };
        from = ends[i + 1] + 1;
    }

    static struct prices *prices;
    char problem[PRICES_PROBLEM];
    if (!prices)
        CHECK(prices_load(NULL, 0, NULL, &prices, problem) == 0);
    struct event e;
    const char *why = event_read(&fields, prices, 1, &e);
    if (!why)
        check_event(&e);
    struct buf json;
    buf_init(&json, EVENT_JSON_MAX);
    event_to_json(&fields, &json);
    cJSON *parsed = cJSON_ParseWithLength(json.data, json.len);
    CHECK(parsed && cJSON_IsObject(parsed) && utf8_valid(json.data, json.len));
    cJSON_Delete(parsed);
    buf_done(&json);
    free(text);
    return 0;
}
