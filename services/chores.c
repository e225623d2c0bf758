/* What every worker does for all: put back what is due in `later`, and see that no conversation has been forgotten.
 * Done by many at once it is only done once: both are scripts. */
#include "services/clock.h"
#include "services/log.h"
#include "services/queue_private.h"

enum { UNPARK_MOST = 50, AUDIT_MOST = 100, AUDIT_LEAST_MS = 60 * SECOND };

static struct metric repairs = {"queue_audit_repairs_total", "entries that had vanished and were emitted again: must be 0", NULL, METRIC_COUNTER};
static struct metric unparked = {"queue_unparked_total", "jobs put back when they were due", NULL, METRIC_COUNTER};

void chores_metrics(void) {
    metrics_list((struct metric *const[]){&repairs, &unparked, NULL});
}

static void on_unparked(struct queue *q, const redisReply *reply, void *data) {
    int64_t wait = q->o.unpark_ms;
    if (reply->type == REDIS_REPLY_ERROR) {
        log_warn(NULL, "unpark: %.200s", reply->str);
    } else if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        int64_t done = reply_int(reply->element[0]), next = reply_int(reply->element[1]);
        metric_add(&unparked, (double)done);
        if (next >= 0 && next < wait)
            wait = next;
    }
    queue_in(q, T_UNPARK, wait);
}

void chores_unpark(struct queue *q) {
    struct args args;
    args_init(&args);
    args_int(&args, UNPARK_MOST);
    queue_ask(q, SCRIPT_UNPARK, &args, on_unparked, NULL);
}

static void on_audited(struct queue *q, const redisReply *reply, void *data) {
    if (reply->type == REDIS_REPLY_ERROR)
        log_warn(NULL, "audit: %.200s", reply->str);
    int64_t count = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
    metric_add(&repairs, (double)count);
    if (count)
        log_warn(NULL, "audit: %lld entries had vanished and were emitted again", (long long)count);
}

void chores_audit(struct queue *q) {
    struct args args;
    int64_t older = 4 * (int64_t)q->o.takeover_ms;
    if (!redis_is_up(q->redis))
        return; /* a repair must not wait in a line for its turn */
    args_init(&args);
    args_int(&args, older > AUDIT_LEAST_MS ? older : AUDIT_LEAST_MS);
    args_int(&args, AUDIT_MOST);
    queue_ask(q, SCRIPT_AUDIT, &args, on_audited, NULL);
}
