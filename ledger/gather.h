/* What one user, or everybody, has spent: today, in seven days, this month, ever, and on each day of the picture. One look at the
 * sums for all of it. Days and months are those of TZ_NAME, which the process has told tzset() of. */
#ifndef LEDGER_GATHER_H
#define LEDGER_GATHER_H
#include "ledger/chart.h"
#include "ledger/sums.h"

enum { PARTS_MOST = 24, WEEK_DAYS = 7 };

struct part { char name[64]; int64_t calls, nusd; };
struct tally {
    int64_t calls, nusd;
    struct part kinds[PARTS_MOST], models[PARTS_MOST];       /* the dearest first; of more names "…" stands for all others */
    int kinds_count, models_count;
};

struct gathered {
    int64_t today_ms, week_ms, month_ms, tomorrow_ms;        /* when they begin */
    struct tally today, week, month, ever;
    int64_t begins_ms[CHART_DAYS], days[CHART_DAYS][CHART_KINDS];
};
/* The kinds of the picture; the last one stands for all others. */
extern const char *const gathered_kinds[CHART_KINDS];

/* 0, or a negative errno and a line in problem. */
int gather(struct sums *s, int64_t user, int64_t now_ms, struct gathered *ret, char problem[STORE_PROBLEM]);

#endif
