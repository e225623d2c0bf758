/* Whatever it is, what is said of it makes sense, and nothing is read that is not there. The first byte chooses a name. */
#include <string.h>
#include "media/sniff.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static const char *const names[] = {NULL, "", "a.pdf", "table.csv", "main.c", ".", "a.b.docx", "no extension"};
    if (len < 1)
        return 0;
    char *copy = malloc(len - 1 ? len - 1 : 1);      /* its own, so that a byte too many is seen */
    if (!copy)
        return 0;
    memcpy(copy, data + 1, len - 1);
    struct source s = {.size = (int64_t)len - 1, .fd = -1, .data = copy};
    struct sniffed r = sniff(&s, names[data[0] % 8]);
    CHECK(r.ext && r.mime && r.duration_ms >= 0);
    CHECK(r.is != CONTENT_DOCUMENT || (r.opening && *r.ext));
    CHECK((r.is != CONTENT_SOUND && r.is != CONTENT_IMAGE) || *r.ext);
    CHECK((r.is == CONTENT_EMPTY) == (s.size < 3));
    free(copy);
    return 0;
}
