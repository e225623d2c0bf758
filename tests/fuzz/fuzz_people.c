/* What stands behind /user: whatever is made of it is a change that the ledger takes. */
#include <string.h>
#include "ingest/people.h"
#include "ledger/change.h"
#include "services/alloc.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    char *words = alloc_copy((const char *)data, len), set[PEOPLE_SET_MOST] = "";
    for (int64_t replied = 0; replied <= 42; replied += 42) {
        int64_t user = -1;
        enum people what = people_read(words, replied, &user, set);
        CHECK(what != PEOPLE_CARD || user > 0);
        if (what != PEOPLE_SET)
            continue;
        struct field list[] = { { "job", "1-1", 3 }, { "set:0", set, strlen(set) } };
        struct fields f = { 2, list };
        struct change c;
        CHECK(!change_read(&f, &c) && c.count == 1);
    }
    free(words);
    return 0;
}
