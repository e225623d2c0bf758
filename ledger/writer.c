#include "ledger/writer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledger/desk.h"
#include "ledger/farewell.h"
#include "ledger/figures.h"
#include "ledger/item.h"
#include "ledger/spending.h"
#include "ledger/spread.h"
#include "ledger/store.h"
#include "ledger/unpriced.h"
#include "proto/keys.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/metrics.h"
#include "services/price_file.h"

enum {
    BATCH = 500,
    IN_HAND = 3 * BATCH,                        /* one batch being settled, one being stored, one gathering */
    COUNTERS_MS = 5 * SECOND,                   /* between two looks at the spend counters */
    COUNTERS_SOON_MS = 200,
    PURGE_MS = 500,                             /* between two pieces of old raw events … */
    PURGE_REST_MS = 6 * 3600 * SECOND,          /* … and when all of them have been looked at */
    GATHER_MS = 50,                             /* between the beginnings of two batches: each costs the disk the same */
    AGAIN_MS = SECOND, AGAIN_MOST_MS = 10 * SECOND,
    BUSY_MS = 100, BUSY_MOST = 5,               /* each try has waited a second itself */
    LAST_READ_MS = 20,
    CHUNK = 500                                 /* counters per script */
};

/* A stored batch on its way out: it lives until Redis has answered. */
struct settled {
    struct writer *writer;
    struct redis_call *call;
    struct settled *next;
    unsigned count;
    struct item *items[];
};

struct writer {
    struct svc *svc;
    struct store *store;
    struct price_file *prices;
    struct farewell *farewell;
    struct unpriced *unpriced;
    struct spread *spread;
    struct lease *lease;
    struct desk *desk;
    struct steps steps;
    uv_work_t work;
    struct store *checking;                     /* what the thread looks over: may be interrupted */
    bool ours, checked, draining, over, lease_left;
    bool working;                               /* the thread has the store, and what stands below for it */

    struct item *first, **last;                 /* waiting */
    unsigned waiting;
    struct item *batch[BATCH];                  /* being stored */
    unsigned batch_count;
    struct settled *settled;                    /* stored, and Redis has not said yet that they are gone */
    unsigned settling;                          /* how many those are */

    /* What the thread is given and gives back. */
    const struct fields *events[BATCH];
    struct store_outcome outcomes[BATCH];
    int result;
    char problem[STORE_PROBLEM];
    bool reopen;

    bool gathering;                             /* waits for something to do: may be woken */
    bool resting;                               /* waits for the next batch's time: what comes meanwhile is read at once then */
    int64_t stuck_since;                        /* monotonic; 0: all is well */
    int64_t batch_began;
    int again_ms, busy;                         /* busy: tries of this batch that found somebody else writing */

    int64_t counters_due;                       /* monotonic */
    char answer[16];                            /* of the script `rebuild` */
    bool counters_refused;                      /* said so in the log */
    struct spending spending;
    size_t rebuilt;

    int64_t purge_due;                          /* monotonic; 0 with RETENTION_DAYS empty */
    int64_t purged;                             /* raw events, in this round */
    bool purge_over;
    int64_t spending_at;                        /* wall */
};

static struct metric failures = { .name = "ledger_store_failures_total", .help = "Batches that could not be stored and were tried again.", .type = METRIC_COUNTER };
static struct metric rebuilds = { .name = "ledger_rebuilds_total", .help = "Times the spend counters were made again from the database.", .type = METRIC_COUNTER };
static struct metric active = { .name = "ledger_active", .help = "1: this one writes, 0: it stands by.", .type = METRIC_GAUGE };
static struct metric *const metrics[] = { &failures, &rebuilds, &active, NULL };

static enum step_end gather(struct steps *s);
static enum step_end check(struct steps *s);
static enum step_end judge_check(struct steps *s);
static enum step_end store(struct steps *s);
static enum step_end judge_store(struct steps *s);
static enum step_end settle(struct steps *s);
static enum step_end ask_counters(struct steps *s);
static enum step_end hear_counters(struct steps *s);
static enum step_end rebuild(struct steps *s);
static enum step_end rebuilt(struct steps *s);
static enum step_end purge(struct steps *s);
static enum step_end judge_purge(struct steps *s);
static enum step_end give_up(struct steps *s);

/* The life of the writer. It goes round from `gather`: once by way of `check`, of `store` while there are events, else of
 * `ask_counters`. */
static const struct step writer_row[] = {
    { "gather",        gather },                /* WAIT: the lease, events, or the counters' turn */
    { "check",         check },                 /* WAIT: the file is looked over, on a thread */
    { "judge_check",   judge_check },
    { "store",         store },                 /* WAIT: one transaction, on a thread */
    { "judge_store",   judge_store },           /* stored, or the same batch again later */
    { "settle",        settle },                /* one script; meanwhile the next batch is stored */
    { "ask_counters",  ask_counters },          /* WAIT: are they there? */
    { "hear_counters", hear_counters },         /* WAIT: sums, on a thread */
    { "rebuild",       rebuild },               /* WAIT: one script for each 500 */
    { "rebuilt",       rebuilt },
    { "purge",         purge },                 /* WAIT: old raw events go, on a thread */
    { "judge_purge",   judge_purge },
    { "give_up",       give_up },
    { 0 },
};

static struct writer *writer_of(struct steps *s) {
    return (struct writer *)((char *)s - offsetof(struct writer, steps));
}

/* ---- events in hand ---- */

static struct item *take_first(struct writer *w) {
    struct item *item = w->first;
    w->first = item->next;
    if (!w->first)
        w->last = &w->first;
    w->waiting--;
    return item;
}

/* Something may be to do. Only a writer that waits for just that is woken: other waits are for one certain answer. */
static void poke(struct writer *w) {
    if (!w->gathering)
        return;
    w->gathering = false;
    steps_wake(&w->steps);
}

unsigned writer_room(const struct writer *w) {
    unsigned in_hand = w->waiting + w->batch_count + w->settling + desk_waiting(w->desk);
    return w->ours && w->checked && !w->stuck_since && !w->draining && !w->resting && in_hand < IN_HAND ? IN_HAND - in_hand : 0;
}

void writer_take(struct writer *w, const struct entry *e) {
    if (w->over)
        return;                                 /* out of the last read: it stays pending for the next ledger */
    struct item *item = item_new(e);
    struct entry named = *e;                    /* a raw entry may lack anything */
    named.job = e->job ? e->job : "";
    if (!w->draining)
        queue_hold(w->svc->queue, &item->held, &named);
    *w->last = item;
    w->last = &item->next;
    w->waiting++;
    poke(w);                                    /* the row goes on in the loop's next turn: with all that came in this one */
}

/* ---- the steps ---- */

static void after_work(uv_work_t *work, int status) {
    struct writer *w = work->data;
    w->working = false;
    w->checking = NULL;
    steps_wake(&w->steps);
}

static enum step_end on_thread(struct writer *w, void (*what)(uv_work_t *work)) {
    int r = uv_queue_work(w->svc->loop, &w->work, what, after_work);
    assert(r == 0);                             /* it only fails without a function to run */
    (void)r;
    w->working = true;
    return STEP_WAIT;
}

static enum step_end gather(struct steps *s) {
    struct writer *w = writer_of(s);
    w->gathering = w->resting = false;
    int64_t rest_ms = w->batch_began + GATHER_MS - clock_mono_ms();
    if (w->waiting && (w->draining || w->waiting >= BATCH || rest_ms <= 0))
        return steps_goto(s, "store");
    if (w->waiting) {
        w->resting = true;
        return steps_sleep(s, "gather", rest_ms);
    }
    if (w->draining)
        return w->settling || queue_in_hand(w->svc->queue) ? steps_sleep(s, "gather", LAST_READ_MS) : STEP_END;
    if (w->ours && !w->checked)
        return steps_goto(s, "check");
    int64_t wait_ms = w->counters_due - clock_mono_ms();
    if (w->ours && wait_ms <= 0 && redis_is_up(w->svc->redis))
        return steps_goto(s, "ask_counters");
    if (w->ours && w->purge_due && w->purge_due <= clock_mono_ms())
        return steps_goto(s, "purge");
    int64_t purge_ms = w->purge_due - clock_mono_ms();
    if (w->purge_due && purge_ms < wait_ms)
        wait_ms = purge_ms;
    w->gathering = true;
    return steps_sleep(s, "gather", wait_ms > 0 && w->ours ? wait_ms : COUNTERS_MS);
}

/* Once for each time that it stops working. */
static void say_stuck(struct writer *w, const char *what) {
    log_error(NULL, "%s: %s; the events wait in Redis, tried again until it works", what, w->problem);
    svc_alert(w->svc, "disk", w->problem);
    w->stuck_since = clock_mono_ms();
}

static void check_on_thread(uv_work_t *work) {
    struct writer *w = work->data;
    w->result = w->store ? 0 : store_open(setting_text("DB_PATH"), &w->store, w->problem);
    if (!w->result)
        w->result = store_check(w->store, w->problem);
}

static enum step_end check(struct steps *s) {
    struct writer *w = writer_of(s);
    w->checking = w->store;
    return on_thread(w, check_on_thread);
}

static enum step_end judge_check(struct steps *s) {
    struct writer *w = writer_of(s);
    if (w->draining)
        return STEP_END;
    if (w->result) {
        if (!w->stuck_since)
            say_stuck(w, "DB_PATH cannot be used");
        return steps_sleep(s, "check", w->result == -EBADMSG ? 60 * SECOND : AGAIN_MOST_MS / 2);
    }
    if (w->stuck_since)
        log_info(NULL, "the database can be used again");
    w->stuck_since = 0;
    w->checked = true;
    queue_room(w->svc->queue);
    return steps_goto(s, "gather");
}

static void store_on_thread(uv_work_t *work) {
    struct writer *w = work->data;
    w->result = 0;
    if (w->reopen || !w->store) {               /* the file may have been replaced, its disk mounted anew */
        store_close(w->store);
        w->store = NULL;
        w->result = store_open(setting_text("DB_PATH"), &w->store, w->problem);
    }
    if (!w->result)
        w->result = store_batch(w->store, price_file_now(w->prices), w->events, w->batch_count, w->outcomes, w->problem);
}

static enum step_end store(struct steps *s) {
    struct writer *w = writer_of(s);
    while (w->batch_count < BATCH && w->first) {
        static const struct fields nothing;
        struct item *item = take_first(w);
        w->events[w->batch_count] = item->fields ? item->fields : &nothing;
        w->batch[w->batch_count++] = item;
    }
    w->batch_began = clock_mono_ms();
    queue_room(w->svc->queue);                  /* it may have rested */
    return on_thread(w, store_on_thread);
}

/* When the oldest call of the batch was made; 0: none says so. */
static int64_t oldest_of(const struct writer *w) {
    int64_t oldest = 0;
    for (unsigned i = 0; i < w->batch_count; i++)
        if (w->outcomes[i].at && (!oldest || w->outcomes[i].at < oldest))
            oldest = w->outcomes[i].at;
    return oldest;
}

static enum step_end judge_store(struct steps *s) {
    struct writer *w = writer_of(s);
    w->reopen = w->result && w->result != -ENOSPC && w->result != -EBUSY;
    if (!w->result) {
        figures_batch(w->batch_count, clock_mono_ms() - w->batch_began, oldest_of(w));
        if (w->stuck_since)
            log_info(NULL, "storing again after %lld s", (long long)(clock_mono_ms() - w->stuck_since) / SECOND);
        w->stuck_since = 0;
        w->busy = 0;
        return STEP_NEXT;
    }
    metric_add(&failures, 1);
    if (w->draining)
        return steps_goto(s, "give_up");
    if (w->result == -EBUSY && w->busy++ < BUSY_MOST)       /* a backup, a curious person: no reason to be alarmed yet */
        return steps_sleep(s, "store", BUSY_MS);
    if (!w->stuck_since) {
        say_stuck(w, "cannot store");
        w->again_ms = AGAIN_MS;
    } else if (w->again_ms < AGAIN_MOST_MS) {
        w->again_ms *= 2;
    }
    return steps_sleep(s, "store", w->again_ms);
}

static void settled_free(struct settled *done) {
    struct settled **at = &done->writer->settled;
    while (*at != done)
        at = &(*at)->next;
    *at = done->next;
    for (unsigned i = 0; i < done->count; i++)
        item_free(done->items[i]);
    done->writer->settling -= done->count;
    free(done);
}

static void on_settled(const redisReply *reply, void *owner) {
    struct settled *done = owner;
    struct writer *w = done->writer;
    if (reply->type == REDIS_REPLY_ERROR)       /* they stay pending, are read again some time, and found stored */
        log_error(NULL, "cannot settle %u events: %.200s", done->count, reply->str);
    settled_free(done);
    if (!w->draining)
        queue_room(w->svc->queue);
}

static void bury(struct writer *w, const struct item *item, const char *why) {
    struct entry e = { .id = item->id, .fields = item->fields, .conv = "" };
    e.kind = fields_str(item->fields, "kind");
    e.job = fields_str(item->fields, "job");
    e.chat = fields_str(item->fields, "chat");
    e.user = fields_str(item->fields, "user");
    queue_bury(w->svc->queue, &e, why);
}

static void report(struct writer *w, const struct item *item, const struct store_outcome *o) {
    figures_event(item->fields, o);
    if (o->fate == STORE_NEW && o->unpriced)
        unpriced_saw(w->unpriced, fields_str(item->fields, "model"));
    if (o->fate != STORE_NEW || !o->why[0])
        return;
    struct log_subject about = { fields_str(item->fields, "job"), fields_str(item->fields, "chat") };
    log_warn(&about, "a paid call was booked with unclear fields: %s", o->why);
}

/* Acknowledged only now that it is on disk: a crash before this line repeats the batch, which changes nothing. */
static enum step_end settle(struct steps *s) {
    struct writer *w = writer_of(s);
    struct settled *done = alloc_zero(sizeof *done + w->batch_count * sizeof *done->items);
    struct args args = { 0 };
    done->writer = w;
    done->next = w->settled;
    w->settled = done;
    for (unsigned i = 0; i < w->batch_count; i++) {
        struct item *item = w->batch[i];
        if (w->outcomes[i].fate == STORE_UNUSABLE) {
            figures_event(item->fields, &w->outcomes[i]);
            bury(w, item, item->fields ? w->outcomes[i].why : "its fields cannot be read");
            item_free(item);
            continue;
        }
        if (w->outcomes[i].fate == STORE_ASKED) {
            desk_take(w->desk, item);
            continue;
        }
        report(w, item, &w->outcomes[i]);
        args_str(&args, item->id);
        done->items[done->count++] = item;
    }
    w->batch_count = 0;
    w->settling += done->count;
    if (done->count)
        done->call = redis_script(w->svc->redis, SCRIPT_SETTLED, &args, on_settled, done);
    else
        settled_free(done);
    if (!w->draining)
        queue_room(w->svc->queue);              /* after what was buried */
    return steps_goto(s, "gather");
}

static void on_rebuild(const redisReply *reply, void *owner) {
    struct writer *w = owner;
    snprintf(w->answer, sizeof w->answer, "%s", reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS ? reply->str : "error");
    if (reply->type == REDIS_REPLY_ERROR && !w->counters_refused)
        log_error(NULL, "cannot rebuild the spend counters, tried again until it works: %.200s", reply->str);
    w->counters_refused = reply->type == REDIS_REPLY_ERROR;
    steps_wake(&w->steps);
}

/* Number `from` to `to` of the counters and, behind them, of what is set. */
static enum step_end ask_rebuild(struct writer *w, const char *which, size_t from, size_t to) {
    struct args args = { 0 };
    size_t sums = w->spending.count;
    args_str(&args, which);
    args_int(&args, from < sums ? (int64_t)((to < sums ? to : sums) - from) : 0);
    for (size_t i = from; i < to && i < sums; i++) {
        args_str(&args, w->spending.list[i].period);
        args_int(&args, w->spending.list[i].nusd);
        args_int(&args, w->spending.list[i].keep_s);
    }
    size_t kept = from > sums ? from - sums : 0;
    kept_args(&args, w->spending.kept + kept, to > sums ? to - sums - kept : 0);
    redis_script(w->svc->redis, SCRIPT_REBUILD, &args, on_rebuild, w);
    return STEP_WAIT;
}

static enum step_end ask_counters(struct steps *s) {
    figures_ask(writer_of(s)->svc);
    return ask_rebuild(writer_of(s), "more", 0, 0);
}

static void read_on_thread(uv_work_t *work) {
    struct writer *w = work->data;
    w->result = spending_read(w->store, w->spending_at, &w->spending);
}

static enum step_end next_look(struct steps *s, int64_t ms) {
    struct writer *w = writer_of(s);
    spending_done(&w->spending);
    w->counters_due = clock_mono_ms() + ms;
    return steps_goto(s, "gather");
}

/* No batch can come between these sums and the scripts that use them: they are steps of the same row. */
static enum step_end hear_counters(struct steps *s) {
    struct writer *w = writer_of(s);
    if (w->draining || !w->store || strcmp(w->answer, "ok"))
        return next_look(s, strcmp(w->answer, "again") ? COUNTERS_MS : COUNTERS_SOON_MS);
    w->spending_at = clock_wall_ms();
    w->rebuilt = 0;
    return on_thread(w, read_on_thread);
}

static enum step_end rebuild(struct steps *s) {
    struct writer *w = writer_of(s);
    if (w->result) {
        log_error(NULL, "cannot read the sums for the spend counters: %s", strerror(-w->result));
        return next_look(s, COUNTERS_MS);
    }
    size_t from = w->rebuilt, all = w->spending.count + w->spending.kept_count;
    w->rebuilt = all - from < CHUNK ? all : from + CHUNK;
    return ask_rebuild(w, w->rebuilt == all ? "last" : "more", from, w->rebuilt);
}

static enum step_end rebuilt(struct steps *s) {
    struct writer *w = writer_of(s);
    if (strcmp(w->answer, "ok"))                /* events have come meanwhile: store them, then from the beginning */
        return next_look(s, strcmp(w->answer, "again") ? COUNTERS_MS : COUNTERS_SOON_MS);
    if (w->rebuilt < w->spending.count + w->spending.kept_count)
        return steps_goto(s, "rebuild");
    log_info(NULL, "spend counters made from the database: %zu; and what is set: %zu", w->spending.count, w->spending.kept_count);
    metric_add(&rebuilds, 1);
    return next_look(s, COUNTERS_MS);
}

static void purge_on_thread(uv_work_t *work) {
    struct writer *w = work->data;
    int64_t gone = 0, before_ms = clock_wall_ms() - setting_number("RETENTION_DAYS") * 86400 * SECOND;
    w->result = w->store ? store_purge(w->store, before_ms, &gone, &w->purge_over, w->problem) : -EBUSY;
    w->purged += w->result ? 0 : gone;
}

static enum step_end purge(struct steps *s) {
    return on_thread(writer_of(s), purge_on_thread);
}

static enum step_end judge_purge(struct steps *s) {
    struct writer *w = writer_of(s);
    if (w->result && w->result != -EBUSY)
        log_warn(NULL, "old raw events cannot be deleted: %s", w->problem);
    bool rest = w->result || w->purge_over;
    if (rest && w->purged)
        log_info(NULL, "raw events deleted that were older than RETENTION_DAYS: %lld", (long long)w->purged);
    w->purged = rest ? 0 : w->purged;
    w->purge_due = clock_mono_ms() + (rest ? PURGE_REST_MS : PURGE_MS);
    return steps_goto(s, "gather");
}

/* Told to end while the disk does not take them: they are pending in Redis, and the next ledger has them. */
static enum step_end give_up(struct steps *s) {
    struct writer *w = writer_of(s);
    if (w->batch_count + w->waiting)
        log_warn(NULL, "%u events could not be stored: they wait in Redis", w->batch_count + w->waiting);
    return STEP_END;
}

/* ---- beginning and end ---- */

static void on_lease_left(void *owner) {
    ((struct writer *)owner)->lease_left = true;
}

static void on_end(struct steps *s) {
    struct writer *w = writer_of(s);
    w->over = true;
    lease_leave(w->lease, on_lease_left, w);
}

static void on_lease(bool ours, void *owner) {
    struct writer *w = owner;
    w->ours = ours;
    w->counters_due = 0;
    metric_set(&active, ours);
    spread_lead(w->spread, ours);
    queue_room(w->svc->queue);
    poke(w);
}

static bool thread_has_prices(void *owner) {
    return ((struct writer *)owner)->working;
}

static bool open_files(struct writer *w) {
    w->prices = price_file_open(w->svc, thread_has_prices, w);
    if (!w->prices)
        return false;
    int r = store_open(setting_text("DB_PATH"), &w->store, w->problem);
    bool disk = r == -ENOSPC || (r && store_disk_is_read_only(setting_text("DB_PATH")));
    if (disk)                                   /* no mistake in the settings: there may be room again */
        say_stuck(w, "cannot begin");
    else if (r == -EBUSY)                       /* the other one of two that start together is making it */
        log_info(NULL, "%s: opened again when it is our turn", w->problem);
    else if (r)
        log_error(NULL, "%s", w->problem);
    return !r || disk || r == -EBUSY;
}

struct writer *writer_new(struct svc *s) {
    struct writer *w = alloc_zero(sizeof *w);
    w->svc = s;
    w->last = &w->first;
    w->work.data = w;
    if (!open_files(w)) {
        price_file_close(w->prices);
        free(w);
        return NULL;
    }
    clock_zone(setting_text("TZ_NAME"));
    w->purge_due = setting_is_set("RETENTION_DAYS") ? clock_mono_ms() : 0;
    metrics_list(metrics);
    figures_list();
    w->desk = desk_new(s, w->prices);
    w->unpriced = unpriced_new(s);
    w->farewell = farewell_new(s, w->prices);
    w->spread = spread_new(s);
    w->lease = lease_new(s->redis, s->loop, "ledger", s->worker, s->takeover_ms, on_lease, w);
    steps_start(&w->steps, s->runner, writer_row, on_end);
    return w;
}

void writer_free(struct writer *w) {
    for (unsigned i = 0; i < w->batch_count; i++)
        item_free(w->batch[i]);
    while (w->first)
        item_free(take_first(w));
    while (w->settled) {                        /* Redis was away at the end: they are taken over, and found stored */
        redis_forget(w->settled->call);
        settled_free(w->settled);
    }
    lease_free(w->lease);
    desk_free(w->desk);
    spending_done(&w->spending);
    farewell_free(w->farewell);
    spread_free(w->spread);
    unpriced_free(w->unpriced);
    store_close(w->store);
    price_file_close(w->prices);
    free(w);
}

void writer_on_redis(struct writer *w, bool up) {
    desk_on_redis(w->desk);
    if (!up)
        return;
    w->counters_due = 0;                        /* it may have come back empty */
    poke(w);
}

void writer_drain(struct writer *w) {
    w->draining = true;
    /* Ledger entries are never handed back: they are settled, or stay pending. */
    for (unsigned i = 0; i < w->batch_count; i++)
        queue_drop(&w->batch[i]->held);
    for (struct item *item = w->first; item; item = item->next)
        queue_drop(&item->held);
    desk_drain(w->desk);
    spread_drain(w->spread);
    if (w->checking)
        store_interrupt(w->checking);           /* it takes long; a batch is waited for */
    else if (w->stuck_since && !w->working)
        steps_divert(&w->steps, "give_up");
    else
        poke(w);
}

bool writer_is_over(const struct writer *w) {
    return w->over && desk_is_over(w->desk) && spread_is_over(w->spread) && (!redis_is_up(w->svc->redis) || (w->lease_left && !w->settling));
}

bool writer_is_healthy(const struct writer *w) {
    return !w->stuck_since;
}
