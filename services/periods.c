#include "services/periods.h"
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "services/clock.h"
#include "services/settings.h"

static void period(struct period *p, const struct fields *job, const char *limit, const char *setting, int keep_s) {
    const char *set = fields_get(job, limit);
    p->keep_s = keep_s;
    if (!set) {
        p->limited = setting_nusd(setting, &p->limit_nusd);
    } else {
        p->limited = strcmp(set, "none") != 0;
        p->limit_nusd = fields_int_or(job, limit, 0);
    }
}

void budget_periods(int64_t wall_ms, const struct fields *job, struct period periods[static PERIODS]) {
    const char *user = fields_str(job, "user");
    struct tm day = {0};
    (void)clock_local(wall_ms / SECOND, &day);  /* cannot fail for a clock of this century */
    char month_name[16], day_name[16];
    (void)strftime(month_name, sizeof month_name, "%Y-%m", &day);
    (void)strftime(day_name, sizeof day_name, "%Y-%m-%d", &day);
    (void)snprintf(periods[BUDGET_DAY].name, sizeof periods->name, "%s:%.32s", day_name, user);
    (void)snprintf(periods[BUDGET_MONTH].name, sizeof periods->name, "%s:%.32s", month_name, user);
    (void)snprintf(periods[BUDGET_ALL].name, sizeof periods->name, "%s:all", month_name);
    period(&periods[BUDGET_DAY], job, "limit:day", "USER_DAILY_BUDGET_USD", 3 * 86400);
    period(&periods[BUDGET_MONTH], job, "limit:month", "USER_MONTHLY_BUDGET_USD", 70 * 86400);
    period(&periods[BUDGET_ALL], job, "limit:all", "GLOBAL_MONTHLY_BUDGET_USD", 70 * 86400);
}
