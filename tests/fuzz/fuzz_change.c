/* What an administrator sets, with whatever words: a change that is taken is stored and read back as it was said; a name in a table
 * for a spreadsheet is one cell and no formula. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "ledger/change.h"
#include "ledger/export.h"
#include "ledger/store.h"
#include "services/alloc.h"
#include "tests/fuzz/fuzz.h"

extern const char schema_sql[];

static sqlite3 *database(void) {
    static sqlite3 *db;
    if (!db)
        CHECK(!sqlite3_open(":memory:", &db) && !sqlite3_exec(db, schema_sql, NULL, NULL, NULL));
    return db;
}

static void set(const char *text, size_t len) {
    struct field list[] = { { "job", "1-1", 3 }, { "user", "1", 1 }, { "set:0", text, len } };
    struct fields f = { 3, list };
    struct change c;
    struct kept kept[CHANGES_MOST];
    if (change_read(&f, &c))
        return;
    sqlite3 *db = database();
    CHECK(!sqlite3_exec(db, "DELETE FROM changes", NULL, NULL, NULL) && !change_store(db, &c, &f, 1) && !change_look(db, &c, kept));
    bool is_money = strstr(kept[0].field, "budget_nusd") && strcmp(kept[0].hash, "settings");      /* 007 comes back as 7 */
    CHECK(is_money || !strcmp(kept[0].value, c.list[0].value));
    change_done(kept, 1);
}

static void cell(const char *text) {
    struct buf line;
    buf_init(&line, 2 * strlen(text) + 8);
    CHECK(export_cell(&line, text) && line.data[0] == '"' && line.data[line.len - 2] == '"' && !strchr("=+-@\t\r\n|", line.data[1]));
    size_t quotes = 0;
    for (size_t i = 1; i < line.len - 2; i++)
        quotes += line.data[i] == '"';
    CHECK(quotes % 2 == 0);
    buf_done(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = alloc_copy(data, size);
    set(text, size);
    cell(text);
    free(text);
    return 0;
}
