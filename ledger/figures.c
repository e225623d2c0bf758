#include "ledger/figures.h"

#include <stdlib.h>
#include <string.h>

#include "services/clock.h"
#include "services/metrics.h"
#include "services/periods.h"

#define FATE "Events taken out of the stream."
#define SPENT "Nano-dollars booked since the process began."
#define CALLS "Paid calls booked since the process began."

/* The last of each row is for kinds that are not among the others; their names come from outside. */
enum { KINDS = 4 };
static const char *const kinds[KINDS] = { "chat", "transcription", "image", NULL };
static struct metric spent[KINDS] = {
    { .name = "ledger_spent_nusd_total", .help = SPENT, .label = "kind=\"chat\"" }, { .name = "ledger_spent_nusd_total", .help = SPENT, .label = "kind=\"transcription\"" },
    { .name = "ledger_spent_nusd_total", .help = SPENT, .label = "kind=\"image\"" }, { .name = "ledger_spent_nusd_total", .help = SPENT, .label = "kind=\"other\"" },
};
static struct metric calls[KINDS] = {
    { .name = "ledger_calls_total", .help = CALLS, .label = "kind=\"chat\"" }, { .name = "ledger_calls_total", .help = CALLS, .label = "kind=\"transcription\"" },
    { .name = "ledger_calls_total", .help = CALLS, .label = "kind=\"image\"" }, { .name = "ledger_calls_total", .help = CALLS, .label = "kind=\"other\"" },
};
static struct metric events_new = { .name = "ledger_events_total", .help = FATE, .label = "fate=\"new\"" },
    events_repeated = { .name = "ledger_events_total", .help = FATE, .label = "fate=\"repeated\"" },
    events_unusable = { .name = "ledger_events_total", .help = FATE, .label = "fate=\"unusable\"" },
    unclear = { .name = "ledger_unclear_total", .help = "Events stored with fields that made no sense." },
    unpriced = { .name = "ledger_unpriced_total", .help = "Paid calls billed without an entry in the prices file." },
    corrections = { .name = "ledger_corrections_total", .help = "Rows that correct others." },
    batches = { .name = "ledger_batches_total", .help = "Transactions that stored events." },
    size = { .name = "ledger_batch_events", .help = "Events in the last batch.", .type = METRIC_GAUGE },
    lag = { .name = "ledger_lag_seconds", .help = "From the oldest call of the last batch to its COMMIT.", .type = METRIC_GAUGE },
    month_spent = { .name = "ledger_month_spent_nusd", .help = "What everybody spent this month, in nano-dollars.", .type = METRIC_GAUGE },
    month_held = { .name = "ledger_month_held_nusd", .help = "What is held this month for calls that are not over, in nano-dollars.", .type = METRIC_GAUGE };
static struct histogram batch_time = { .name = "ledger_batch_seconds", .help = "From the first statement of a batch to its COMMIT." };

void figures_list(void) {
    for (int i = 0; i < KINDS; i++)
        metrics_list((struct metric *const[]){ &spent[i], &calls[i], NULL });
    metrics_list((struct metric *const[]){ &events_new, &events_repeated, &events_unusable, &unclear, &unpriced, &corrections, &batches, &size, &lag,
                                           &month_spent, &month_held, NULL });
}

static int index_of(const char *kind) {
    int i = 0;
    while (kinds[i] && strcmp(kinds[i], kind))
        i++;
    return i;
}

void figures_event(const struct fields *event, const struct store_outcome *o) {
    metric_add(o->fate == STORE_NEW ? &events_new : o->fate == STORE_REPEATED ? &events_repeated : &events_unusable, 1);
    if (o->fate != STORE_NEW)
        return;
    const char *kind = fields_str(event, "paid");
    metric_add(&unclear, o->why[0] ? 1 : 0);
    metric_add(&unpriced, o->unpriced ? 1 : 0);
    if (!strcmp(kind, "correction")) {
        metric_add(&corrections, 1);
        return;                                 /* it may be below 0, and a counter never goes down */
    }
    metric_add(&calls[index_of(kind)], 1);
    metric_add(&spent[index_of(kind)], (double)o->cost_nusd);
}

void figures_batch(unsigned events, int64_t took_ms, int64_t oldest_at_ms) {
    int64_t behind_ms = oldest_at_ms ? clock_wall_ms() - oldest_at_ms : 0;
    metric_add(&batches, 1);
    metric_set(&size, events);
    metric_set(&lag, behind_ms > 0 ? (double)behind_ms / SECOND : 0);      /* another machine's clock may be ahead of ours */
    histogram_add(&batch_time, took_ms);
}

static void on_month(const redisReply *reply, void *owner) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
        return;
    metric_set(&month_spent, reply->element[0]->type == REDIS_REPLY_STRING ? atof(reply->element[0]->str) : 0);
    metric_set(&month_held, reply->element[1]->type == REDIS_REPLY_STRING ? atof(reply->element[1]->str) : 0);
}

void figures_ask(struct svc *s) {
    struct period periods[PERIODS];
    struct args args = { 0 };
    char key[200];
    static const struct fields nobody;
    budget_periods(clock_wall_ms(), &nobody, periods);
    snprintf(key, sizeof key, "%sspend:%s", s->prefix, periods[BUDGET_ALL].name);
    args_str(&args, "HMGET");
    args_str(&args, key);
    args_str(&args, "spent");
    args_str(&args, "held");
    redis_command(s->redis, &args, on_month, NULL);
}
