/* Whatever a server gives as its list of models and its spans of time, what is kept of it is bounded, and words without blanks. */
#include <stdlib.h>
#include <string.h>
#include "llm/catalog.h"
#include "services/openai.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    struct args args = {0};
    int count = catalog_read((const char *)data, len, &args);
    CHECK(count >= 0 && count <= CATALOG_MOST && args.count == (count ? 1 + 2 * count : 0));
    for (int i = 1; i < args.count; i += 2) {
        size_t name_len;
        const char *name = args_at(&args, i, &name_len);
        CHECK(name_len && name_len <= 200 && strlen(name) == name_len && !strpbrk(name, " \r\n\t"));
    }
    args_done(&args);
    char span[64];
    size_t most = len < sizeof span - 1 ? len : sizeof span - 1;
    memcpy(span, data, most);
    span[most] = 0;
    CHECK(openai_span_ms(span) >= -1);
    return 0;
}
