/* A month of paid calls as a table (CSV) for a spreadsheet. Memory does not grow with it. */
#ifndef LEDGER_EXPORT_H
#define LEDGER_EXPORT_H
#include "ledger/sums.h"
#include "services/buf.h"
#include "services/spool.h"

#define EXPORT_BYTES_MOST ((int64_t)45 * 1000 * 1000)        /* Telegram takes 50 MB of a bot */

/* All calls in [from_ms, to_ms) at the end of `out`, with a line of names above them. *ret_rows: how many; *ret_cut: there were more
 * than EXPORT_BYTES_MOST has room for. 0, or a negative errno and a line in problem. */
int export_month(struct sums *s, int64_t from_ms, int64_t to_ms, struct spool *out, int64_t *ret_rows, bool *ret_cut, char problem[STORE_PROBLEM]);

/* One cell of text, quoted, and harmless: a spreadsheet would take one that begins with = + - @ for a formula. False: no room. */
bool export_cell(struct buf *line, const char *text);

#endif
