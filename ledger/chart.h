/* One picture for a phone: what was spent on each of the last days, stacked by kind. It knows nothing of users or databases. */
#ifndef LEDGER_CHART_H
#define LEDGER_CHART_H
#include <stdint.h>
#include "services/spool.h"

enum { CHART_DAYS = 30, CHART_KINDS = 4 };

struct chart {
    const char *title, *empty;                     /* empty: what stands there when nothing was spent */
    const char *kinds[CHART_KINDS];                /* what they are called; a kind of which there is nothing is left out */
    int64_t nusd[CHART_DAYS][CHART_KINDS];         /* the last day is today; below 0 counts as 0 */
    char days[CHART_DAYS][8];                      /* "28.11" */
};

/* As a PNG at the end of `out`. 0 or a negative errno. */
int chart_draw(const struct chart *c, struct spool *out);

/* When nothing will be drawn any more: the fonts go. */
void chart_done(void);

#endif
