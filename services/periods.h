/* Out of which budgets a call is paid. */
#ifndef SERVICES_PERIODS_H
#define SERVICES_PERIODS_H
#include <stdint.h>
#include "proto/commit.h"
#include "proto/fields.h"

enum { BUDGET_DAY, BUDGET_MONTH, BUDGET_ALL };          /* places in periods[PERIODS] */

/* The user's day and month and everybody's month at that moment, in the zone that clock_zone() was told of. job: as script `take`
 * gives it: whose it is, and what an administrator has set in the chat, which goes before the environment. */
void budget_periods(int64_t wall_ms, const struct fields *job, struct period periods[static PERIODS]);

#endif
