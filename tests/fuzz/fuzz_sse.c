/* However a stream is cut, the same events come; and none is larger than allowed. */
#include <string.h>
#include "llm/sse.h"
#include "tests/fuzz/fuzz.h"

enum { EVENT_MAX_BYTES = 64 };

/* A fingerprint of all that came. */
struct sum {
    uint64_t hash;
    unsigned events;
};

static void add(struct sum *sum, const char *bytes, size_t len) {
    for (size_t i = 0; i <= len; i++)
        sum->hash = (sum->hash ^ (i < len ? (unsigned char)bytes[i] : 256)) * 0x100000001B3u;
}

static void on_event(const char *name, const char *data, size_t len, void *owner) {
    struct sum *sum = owner;
    CHECK(strlen(name) < 64);
    CHECK(len <= EVENT_MAX_BYTES);
    CHECK(!data || data[len] == '\0');
    sum->events++;
    add(sum, name, strlen(name));
    add(sum, data ? data : "too large", data ? len : 9);
}

static struct sum read_in_pieces(const char *bytes, size_t len, size_t piece) {
    struct sum sum = { 0 };
    struct sse s;
    sse_init(&s, EVENT_MAX_BYTES, on_event, &sum);
    for (size_t at = 0; at < len; at += piece)
        sse_push(&s, bytes + at, len - at < piece ? len - at : piece);
    sse_end(&s);
    sse_done(&s);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    const char *bytes = (const char *)data;
    struct sum whole = read_in_pieces(bytes, len, len ? len : 1);
    for (size_t piece = 1; piece < 8; piece++) {
        struct sum again = read_in_pieces(bytes, len, piece);
        CHECK(again.events == whole.events && again.hash == whole.hash);
    }
    return 0;
}
