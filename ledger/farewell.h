/* Warns the administrators that a model in use is going to be shut down: 30, 7 and 1 days before, and when it is; each once, remembered in
 * Redis (`shutdown:<model>:<days>`). When, says OpenAI's list, else the prices file. */
#ifndef LEDGER_FAREWELL_H
#define LEDGER_FAREWELL_H
#include "services/price_file.h"
#include "services/svc.h"

struct farewell;
struct farewell *farewell_new(struct svc *s, const struct price_file *prices);
void farewell_free(struct farewell *f);              /* NULL is fine. Call it while Redis and the prices are still there */

/* Which warning is due so many days before: 30, 7, 1, or 0 when the day has come; -1: none. */
int farewell_stage(int64_t days);

#endif
