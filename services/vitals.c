#include "services/vitals.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/keys.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/log.h"
#include "services/metrics.h"
#include "services/svc.h"

enum { ASK_EVERY_MS = 10 * SECOND, SLOW_TURN_MS = 50 };

struct vitals {
    struct svc *s;
    const char *stream;
    int64_t born_ms;
    uv_prepare_t turn;
    uv_timer_t ask;
    uint64_t turn_ns, idle_ns;       /* when the last turn began, and how long the loop had slept by then */
    int handles;
};

static struct metric
    version     = { "build_info", "The version, as a label.", "version=\"" GPTTG_VERSION "\"", METRIC_GAUGE, 1 },
    uptime      = { "uptime_seconds", "Since the process began.", NULL, METRIC_GAUGE },
    memory      = { "memory_bytes", "Resident memory of the process.", NULL, METRIC_GAUGE },
    lines_debug = { "log_lines_total", "Lines written to the log.", "level=\"debug\"", METRIC_COUNTER },
    lines_info  = { "log_lines_total", "Lines written to the log.", "level=\"info\"", METRIC_COUNTER },
    lines_warn  = { "log_lines_total", "Lines written to the log.", "level=\"warn\"", METRIC_COUNTER },
    lines_error = { "log_lines_total", "Lines written to the log.", "level=\"error\"", METRIC_COUNTER },
    slow_turns  = { "loop_slow_total", "Turns of the loop that worked longer than 50 ms.", NULL, METRIC_COUNTER },
    worked      = { "loop_busy_seconds_total", "Time the loop worked, as opposed to waiting.", NULL, METRIC_COUNTER },
    longest     = { "loop_longest_seconds", "The longest turn of the loop in the last ten seconds.", NULL, METRIC_GAUGE },
    in_hand     = { "in_hand", "Entries this worker holds.", NULL, METRIC_GAUGE },
    rows        = { "rows", "Step rows under way.", NULL, METRIC_GAUGE },
    redis_up    = { "redis_up", "1 while Redis is connected.", NULL, METRIC_GAUGE },
    redis_age   = { "redis_age_seconds", "Since the last answer of Redis.", NULL, METRIC_GAUGE },
    redis_wait  = { "redis_outstanding", "Commands without an answer yet.", NULL, METRIC_GAUGE },
    draining    = { "draining", "1 while the service is told to end.", NULL, METRIC_GAUGE },
    waiting     = { "stream_waiting", "Entries of the service's stream that nobody has taken yet.", NULL, METRIC_GAUGE },
    pending     = { "stream_pending", "Entries of the service's stream in somebody's hand.", NULL, METRIC_GAUGE },
    dead        = { "dead_entries", "Jobs given up, in the dead-letter stream.", NULL, METRIC_GAUGE },
    later       = { "later_jobs", "Jobs that wait for their time.", NULL, METRIC_GAUGE },
    busy        = { "busy_conversations", "Conversations with a job in hand.", NULL, METRIC_GAUGE },
    busy_oldest = { "busy_oldest_seconds", "Since the last step of the conversation that stood still longest.", NULL, METRIC_GAUGE },
    anomalies   = { "script_anomalies", "Acknowledgements of scripts that found nothing pending.", NULL, METRIC_GAUGE },
    repairs     = { "script_audit_repairs", "Entries that the auditor emitted again: must be 0.", NULL, METRIC_GAUGE };

static struct metric *const of_every_service[] = {
    &version, &uptime, &memory, &lines_debug, &lines_info, &lines_warn, &lines_error, &slow_turns, &worked, &longest,
    &in_hand, &rows, &redis_up, &redis_age, &redis_wait, &draining, NULL
};
static struct metric *const of_a_stream[] = { &waiting, &pending, NULL };
static struct metric *const of_all_of_it[] = { &dead, &later, &busy, &busy_oldest, &anomalies, &repairs, NULL };

/* Once per turn, right before the loop goes to sleep. */
static void on_turn(uv_prepare_t *prepare) {
    struct vitals *v = prepare->data;
    uint64_t now_ns = uv_hrtime(), idle_ns = uv_metrics_idle_time(v->s->loop);
    if (v->turn_ns) {
        double span_s = (double)(now_ns - v->turn_ns - (idle_ns - v->idle_ns)) / 1e9;
        worked.value += span_s;
        if (span_s > longest.value)
            longest.value = span_s;
        if (span_s * SECOND > SLOW_TURN_MS) {
            slow_turns.value++;
            log_debug(NULL, "a turn of the loop took %.0f ms", span_s * SECOND);
        }
    }
    v->turn_ns = now_ns;
    v->idle_ns = idle_ns;
}

static double resident_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0;
    if (file) {
        if (fscanf(file, "%*s %ld", &pages) != 1)
            pages = 0;
        (void)fclose(file); /* it was only read */
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

void vitals_refresh(void *owner) {
    struct vitals *v = owner;
    uptime.value = (double)(clock_mono_ms() - v->born_ms) / SECOND;
    memory.value = resident_bytes();
    lines_debug.value = (double)log_count(LOG_DEBUG);
    lines_info.value = (double)log_count(LOG_INFO);
    lines_warn.value = (double)log_count(LOG_WARN);
    lines_error.value = (double)log_count(LOG_ERROR);
    in_hand.value = v->s->queue ? queue_in_hand(v->s->queue) : 0;
    rows.value = steps_running(v->s->runner);
    redis_up.value = redis_is_up(v->s->redis);
    redis_age.value = (double)redis_age_ms(v->s->redis) / SECOND;
    redis_wait.value = redis_outstanding(v->s->redis);
    draining.value = v->s->draining;
}

/* ---- what only Redis knows ---- */

static void on_number(const redisReply *reply, void *metric) {
    if (reply->type == REDIS_REPLY_INTEGER)
        ((struct metric *)metric)->value = (double)reply->integer;
}

static void on_text_number(const redisReply *reply, void *metric) {
    if (reply->type == REDIS_REPLY_STRING)
        ((struct metric *)metric)->value = atof(reply->str);
}

/* XPENDING's summary begins with how many are pending. An error: the group is not there yet, so nothing is in a hand. */
static void on_pending(const redisReply *reply, void *owner) {
    bool known = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 && reply->element[0]->type == REDIS_REPLY_INTEGER;
    pending.value = known ? (double)reply->element[0]->integer : 0;
}

static void on_length(const redisReply *reply, void *owner) {
    if (reply->type == REDIS_REPLY_INTEGER)
        waiting.value = (double)reply->integer > pending.value ? (double)reply->integer - pending.value : 0;
}

static void on_oldest(const redisReply *reply, void *owner) {
    bool any = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[1]->type == REDIS_REPLY_STRING;
    double age_s = any ? ((double)clock_wall_ms() - atof(reply->element[1]->str)) / SECOND : 0;
    busy_oldest.value = age_s > 0 ? age_s : 0; /* Redis's clock may be ahead of ours */
}

/* COMMAND <prefix><key> [further words, NULL at the end] */
static void ask(struct vitals *v, redis_done_fn *done, void *owner, const char *command, const char *key, const char *const *more) {
    struct args args = { 0 };
    char name[300];
    snprintf(name, sizeof name, "%s%s", v->s->prefix, key);
    args_str(&args, command);
    args_str(&args, name);
    for (; more && *more; more++)
        args_str(&args, *more);
    redis_command(v->s->redis, &args, done, owner);
}

static void on_ask(uv_timer_t *timer) {
    struct vitals *v = timer->data;
    if (!redis_is_up(v->s->redis) || redis_outstanding(v->s->redis) > 10000)
        return; /* the figures are not worth standing in a long row */
    if (v->stream) {
        ask(v, on_pending, NULL, "XPENDING", v->stream, (const char *const[]){ v->stream, NULL });
        ask(v, on_length, NULL, "XLEN", v->stream, NULL);
    } else {
        ask(v, on_number, &dead, "XLEN", STREAM_DEAD, NULL);
        ask(v, on_number, &later, "ZCARD", "later", NULL);
        ask(v, on_number, &busy, "ZCARD", "busy", NULL);
        ask(v, on_oldest, NULL, "ZRANGE", "busy", (const char *const[]){ "0", "0", "WITHSCORES", NULL });
        ask(v, on_text_number, &anomalies, "HGET", "counters", (const char *const[]){ "anomaly", NULL });
        ask(v, on_text_number, &repairs, "HGET", "counters", (const char *const[]){ "audit_repairs", NULL });
    }
    longest.value = 0;
}

/* ---- */

struct vitals *vitals_new(struct svc *s, const char *stream) {
    struct vitals *v = alloc_zero(sizeof *v);
    v->s = s;
    v->stream = stream;
    v->born_ms = clock_mono_ms();
    uv_prepare_init(s->loop, &v->turn);
    uv_timer_init(s->loop, &v->ask);
    v->turn.data = v->ask.data = v;
    v->handles = 2;
    uv_prepare_start(&v->turn, on_turn);
    uv_unref((uv_handle_t *)&v->turn); /* a look at the loop is no reason to keep it running */
    uv_unref((uv_handle_t *)&v->ask);
    metrics_list(of_every_service);
    metrics_list(stream ? of_a_stream : of_all_of_it);
    return v;
}

void vitals_ask(struct vitals *v) {
    uv_timer_start(&v->ask, on_ask, SECOND, ASK_EVERY_MS);
}

static void on_closed(uv_handle_t *handle) {
    struct vitals *v = handle->data;
    if (--v->handles == 0)
        free(v);
}

void vitals_free(struct vitals *v) {
    if (!v)
        return;
    uv_close((uv_handle_t *)&v->turn, on_closed);
    uv_close((uv_handle_t *)&v->ask, on_closed);
}
