/* Cleaned text is valid; a cut stream loses no character. */
#include <string.h>
#include "services/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_cuts(const char *text, size_t len, size_t max) {
    size_t cut = utf8_cut_bytes(text, len, max);
    CHECK(cut <= max && utf8_valid(text, cut));
    CHECK(len <= max ? cut == len : max - cut < 4);
    for (size_t n = 0; n <= len && n < 32; n++) /* valid up to its tail, wherever it is cut */
        CHECK(utf8_valid(text, n - utf8_tail(text, n)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len < 2)
        return 0;
    const char *raw = (const char *)data + 1;
    size_t max = data[0], clean_len;
    char *clean = utf8_clean(raw, len - 1, &clean_len);
    CHECK(strlen(clean) == clean_len && utf8_valid(clean, clean_len));
    CHECK(!utf8_valid(raw, len - 1) || memchr(raw, 0, len - 1) || (clean_len == len - 1 && !memcmp(raw, clean, clean_len)));
    (void)utf8_tail(raw, len - 1); /* of anything: only that it ends */
    check_cuts(clean, clean_len, max);
    free(clean);
    return 0;
}
