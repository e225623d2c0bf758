#include "services/queue.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"
#include "services/clock.h"
#include "services/hash.h"
#include "services/log.h"
#include "services/queue_private.h"
#include "services/redis_private.h"

enum { LEAVE_MS = 2 * SECOND, BURY_FIELDS = 32, BURY_BYTES = 500, PENDINGS = 500, OWN_IDLE_MS = 5 * SECOND };

static struct metric recovered = {"queue_recovered_total", "own pending entries that were lost on their way to us", NULL, METRIC_COUNTER};
static struct metric buried = {"queue_buried_total", "entries that made no sense and went to the dead stream", NULL, METRIC_COUNTER};
static struct metric released = {"queue_released_total", "entries handed back", NULL, METRIC_COUNTER};
static struct metric in_hand = {"queue_in_hand", "entries in hand", NULL, METRIC_GAUGE};

struct question {
    struct question *next, *prev;
    struct queue *q;
    struct redis_call *call;
    answer_fn *on_answer;
    void *data;
};

/* ---- asking ---- */

static void question_free(struct question *it) {
    *(it->prev ? &it->prev->next : &it->q->questions) = it->next;
    if (it->next)
        it->next->prev = it->prev;
    free(it->data);
    free(it);
}

static void on_answer(const redisReply *reply, void *owner) {
    struct question *it = owner;
    answer_fn *then = it->on_answer;
    it->call = NULL;
    it->on_answer = NULL;
    if (then)
        then(it->q, reply, it->data);
    question_free(it);
}

void queue_ask(struct queue *q, int script, struct args *args, answer_fn *then, void *data) {
    struct question *it = alloc_zero(sizeof *it);
    it->q = q;
    it->on_answer = then;
    it->data = data;
    it->next = q->questions;
    if (it->next)
        it->next->prev = it;
    q->questions = it;
    it->call = script < 0 ? redis_command(q->redis, args, on_answer, it)
                          : redis_script(q->redis, (enum script)script, args, on_answer, it);
}

void queue_begin_args(struct queue *q, struct args *args, const char *first) {
    args_init(args);
    args_str(args, first);
    args_str(args, q->key);
}

int64_t reply_int(const redisReply *reply) {
    if (reply->type == REDIS_REPLY_INTEGER)
        return reply->integer;
    return reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;
}

/* ---- in hand ---- */

static unsigned bucket_of(const char *name, unsigned count) {
    return hash_text(name) & (count - 1);
}

static void put_in_buckets(struct queue *q, struct held *h) {
    struct held **entry = &q->buckets[bucket_of(h->entry, q->buckets_count)], **job = &q->job_buckets[bucket_of(h->job, q->buckets_count)];
    h->chain = *entry;
    h->job_chain = *job;
    *entry = *job = h;
}

static void grow_buckets(struct queue *q) {
    free(q->buckets);
    free(q->job_buckets);
    q->buckets_count = q->buckets_count ? q->buckets_count * 2 : 64;
    q->buckets = alloc_zero(q->buckets_count * sizeof *q->buckets);
    q->job_buckets = alloc_zero(q->buckets_count * sizeof *q->job_buckets);
    for (struct held *h = q->held; h; h = h->next)
        put_in_buckets(q, h);
}

struct held *queue_find(const struct queue *q, const char *entry) {
    struct held *h = q->buckets_count ? q->buckets[bucket_of(entry, q->buckets_count)] : NULL;
    while (h && strcmp(h->entry, entry) != 0)
        h = h->chain;
    return h;
}

struct held *queue_job(const struct queue *q, const char *job) {
    return q->buckets_count ? q->job_buckets[bucket_of(job, q->buckets_count)] : NULL;
}

void queue_hold(struct queue *q, struct held *h, const struct entry *e) {
    assert(!h->in); /* it is in hand already */
    if (q->held_count >= q->buckets_count)
        grow_buckets(q);
    h->queue = alloc_copy(q->stream, strlen(q->stream));
    h->entry = alloc_copy(e->id, strlen(e->id));
    h->job = alloc_copy(e->job, strlen(e->job));
    h->in = q;
    h->look_now = h->going = h->lost = false;
    h->prev = NULL;
    h->next = q->held;
    if (h->next)
        h->next->prev = h;
    q->held = h;
    put_in_buckets(q, h);
    metric_set(&in_hand, ++q->held_count);
}

void queue_drop(struct held *h) {
    struct queue *q = h->in;
    if (!q)
        return;
    struct held **at = &q->buckets[bucket_of(h->entry, q->buckets_count)];
    while (*at != h)
        at = &(*at)->chain;
    *at = h->chain;
    for (at = &q->job_buckets[bucket_of(h->job, q->buckets_count)]; *at != h; at = &(*at)->job_chain)
        ;
    *at = h->job_chain;
    *(h->prev ? &h->prev->next : &q->held) = h->next;
    if (h->next)
        h->next->prev = h->prev;
    free(h->queue);
    free(h->entry);
    free(h->job);
    h->queue = h->entry = h->job = NULL;
    h->in = NULL;
    h->next = h->prev = h->chain = h->job_chain = NULL;
    metric_set(&in_hand, --q->held_count);
    if ((q->o.alone && q->over) || q->leaving)
        queue_in(q, T_SOON, 0);
}

unsigned queue_in_hand(const struct queue *q) {
    return q->held_count + (q->stopped && q->reader && reader_busy(q->reader) ? 1 : 0);
}

unsigned queue_free_slots(const struct queue *q) {
    unsigned slots = q->stopped || q->closing ? 0 : q->o.slots(q->o.owner);
    return slots > q->backlog_count ? slots - q->backlog_count : 0;
}

/* ---- arriving ---- */

void arrived_free(struct arrived *a) {
    queue_drop(&a->held);
    free(a->id);
    free(a->fields);
    free(a);
}

static bool kind_is_known(const struct queue *q, const char *kind) {
    for (const char *const *k = q->o.kinds; k && *k; k++)
        if (strcmp(*k, kind) == 0)
            return true;
    return !q->o.kinds;
}

static void give(struct queue *q, struct arrived *a) {
    queue_drop(&a->held); /* the service holds it from here on, with a held of its own */
    q->o.on_entry(&a->entry, a->takeovers, q->o.owner);
    arrived_free(a);
}

/* Of batches nothing is kept waiting: a read that was under way when its room went away (another one has the lease now) may still
 * bring some, and nobody takes those from a worker who lives. */
static bool has_room(struct queue *q) {
    return q->o.alone || (liveness_heard(q) && (q->o.batches || q->o.slots(q->o.owner) > 0));
}

void queue_hand_out(struct queue *q) {
    if (q->handing) /* on_entry may find that there is room */
        return;
    q->handing = true;
    while (q->backlog && !q->closing && !q->stopped && has_room(q)) {
        struct arrived *a = q->backlog;
        q->backlog = a->next;
        q->backlog_count--;
        if (!q->backlog)
            q->backlog_last = &q->backlog;
        give(q, a);
    }
    q->handing = false;
}

/* We were silent for so long that others may have claimed what waits here. Forget it: what is still pending on us is claimed
 * again, and only that. */
void queue_doubt(struct queue *q) {
    if (q->o.alone || q->stopped)
        return;
    while (q->backlog) {
        struct arrived *a = q->backlog;
        q->backlog = a->next;
        arrived_free(a);
    }
    q->backlog_last = &q->backlog;
    q->backlog_count = 0;
    alone_doubt(q);
    queue_recover(q, 0);
}

static void release_arrived(struct queue *q, struct arrived *a) {
    if (q->o.batches) /* it has no token that could be moved: it stays pending, and is taken over */
        arrived_free(a);
    else
        queue_release(&a->held, NULL, NULL);
}

void queue_arrive(struct queue *q, const redisReply *reply, int64_t takeovers) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 || reply->element[0]->type != REDIS_REPLY_STRING)
        return;
    if (q->closing || queue_find(q, reply->element[0]->str))
        return;
    struct arrived *a = alloc_zero(sizeof *a);
    a->fields = fields_copy(reply->element[1]);
    a->id = alloc_copy(reply->element[0]->str, reply->element[0]->len);
    a->takeovers = takeovers;
    const char *why = entry_read(reply, a->fields, &a->entry);
    a->entry.id = a->id;
    if (!why && !q->o.batches && !kind_is_known(q, a->entry.kind))
        why = "nobody here knows its kind";
    if (why && !q->o.batches) {
        queue_bury(q, &a->entry, why);
        arrived_free(a);
        return;
    }
    const char **words[] = {&a->entry.kind, &a->entry.job, &a->entry.chat, &a->entry.user};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!*words[i])
            *words[i] = "";
    a->held.ours = true;
    queue_hold(q, &a->held, &a->entry);
    if (q->stopped) {
        release_arrived(q, a);
    } else if (takeovers >= 2 && !q->o.batches && !q->o.alone) {
        alone_begin(q, a);
    } else {
        *q->backlog_last = a;
        q->backlog_last = &a->next;
        q->backlog_count++;
    }
}

static void on_entries(const redisReply *entries, void *owner) {
    struct queue *q = owner;
    if (entries->type != REDIS_REPLY_ARRAY)
        return;
    if (!liveness_heard(q) && !q->stopped) { /* we slept over this answer: claim what of it is still ours */
        queue_recover(q, 0);
        return;
    }
    for (size_t i = 0; i < entries->elements; i++)
        queue_arrive(q, entries->element[i], 0);
    queue_hand_out(q);
}

int64_t queue_arrive_all(struct queue *q, const redisReply *claimed) {
    int64_t count = 0;
    if (claimed->type == REDIS_REPLY_ERROR)
        log_warn(NULL, "claim: %.200s", claimed->str);
    for (size_t i = 0; claimed->type == REDIS_REPLY_ARRAY && i < claimed->elements; i++, count++) {
        const redisReply *one = claimed->element[i];
        if (one->type == REDIS_REPLY_ARRAY && one->elements == 3)
            queue_arrive(q, one, reply_int(one->element[2]));
    }
    queue_hand_out(q);
    return count;
}

static size_t bury_len(size_t len) {
    return len < BURY_BYTES ? len : BURY_BYTES;
}

/* What the entry held, as the list of names and values that bury wants. */
static void bury_fields(struct args *args, const struct fields *fields) {
    int count = fields->count < BURY_FIELDS ? fields->count : BURY_FIELDS;
    args_int(args, count);
    for (int i = 0; i < count; i++) {
        const struct field *f = &fields->list[i];
        args_add(args, f->name, bury_len(strlen(f->name)));
        args_add(args, f->value, bury_len(f->value_len));
    }
}

/* The same where the fields are gone: what the service has kept of them. An entry's id begins with its time. */
static void bury_words(struct args *args, const struct entry *e) {
    const struct { const char *name, *value; } words[] = {
        {"kind", e->kind}, {"job", e->job}, {"chat", e->chat}, {"user", e->user}, {"conv", e->conv},
    };
    int hole = args_hole(args), count = 1;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!words[i].value || !*words[i].value)
            continue; /* the script puts in what every row has */
        args_str(args, words[i].name);
        args_add(args, words[i].value, bury_len(strlen(words[i].value)));
        count++;
    }
    args_pair_int(args, "at", e->at ? e->at : strtoll(e->id, NULL, 10));
    args_set_int(args, hole, count);
}

void queue_bury(struct queue *q, const struct entry *e, const char *reason) {
    struct args args;
    args_init(&args);
    args_str(&args, q->stream);
    args_str(&args, e->id);
    args_str(&args, reason);
    if (e->fields)
        bury_fields(&args, e->fields);
    else
        bury_words(&args, e);
    metric_add(&buried, 1);
    struct log_subject subject = {.job = e->job, .chat = e->chat};
    log_warn(&subject, "entry %s of %s is buried: %s", e->id, q->stream, reason);
    queue_ask(q, SCRIPT_BURY, &args, NULL, NULL);
}

/* ---- our own pending entries: sent to us, never received ---- */

static void ask_pendings(struct queue *q, const char *from);

static void recovery_over(struct queue *q) {
    q->recovering = false;
    if (q->recover_again) {
        q->recover_again = false;
        queue_recover(q, 0);
        return;
    }
    if (q->ready_waits && q->reader) {
        q->ready_waits = false;
        reader_go(q->reader);
    }
    if (q->leaving)
        queue_in(q, T_SOON, 0);
}

static void on_recovered(struct queue *q, const redisReply *reply, void *data) {
    const char *last = data;
    int64_t count = queue_arrive_all(q, reply);
    if (count) {
        metric_add(&recovered, (double)count);
        log_info(NULL, "%lld entries of %s were pending on us and not in hand", (long long)count, q->stream);
    }
    if (q->closing)
        return;
    if (*last)
        ask_pendings(q, last);
    else
        recovery_over(q);
}

static void on_pendings(struct queue *q, const redisReply *reply, void *data) {
    struct args args;
    char *last = alloc_zero(64); /* where to go on; "" when this was all */
    int missing = 0;
    char from[80];
    snprintf(from, sizeof from, "own:%s", q->worker);
    args_init(&args);
    args_str(&args, q->stream);
    args_str(&args, q->worker);
    args_str(&args, from);
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const redisReply *one = reply->element[i];
        if (one->type != REDIS_REPLY_ARRAY || one->elements < 1 || one->element[0]->type != REDIS_REPLY_STRING)
            continue;
        if (i + 1 == PENDINGS)
            snprintf(last, 64, "(%.60s", one->element[0]->str);
        if (!queue_find(q, one->element[0]->str)) {
            args_str(&args, one->element[0]->str);
            missing++;
        }
    }
    if (missing) {
        queue_ask(q, SCRIPT_CLAIM, &args, on_recovered, last);
        return;
    }
    args_done(&args);
    if (*last)
        ask_pendings(q, last);
    else
        recovery_over(q);
    free(last);
}

static void ask_pendings(struct queue *q, const char *from) {
    struct args args;
    queue_begin_args(q, &args, "XPENDING");
    args_str(&args, q->stream);
    if (q->recover_idle_ms) {
        args_str(&args, "IDLE");
        args_int(&args, q->recover_idle_ms);
    }
    args_str(&args, from);
    args_str(&args, "+");
    args_int(&args, PENDINGS);
    args_str(&args, q->worker);
    queue_ask(q, -1, &args, on_pendings, NULL);
}

void queue_recover(struct queue *q, int idle_ms) {
    if (q->recovering) {
        q->recover_again = q->recover_again || idle_ms == 0;
        return;
    }
    q->recovering = true;
    q->recover_idle_ms = idle_ms;
    ask_pendings(q, "-");
}

static void on_ready(void *owner) {
    struct queue *q = owner;
    q->ready_waits = true;
    liveness_beat(q);
    queue_recover(q, 0);
}

/* A connection that we gave up may have been given an entry after we had looked: so look again from time to time. What
 * is on its way to us by a read is younger than this. */
static void look_after_own(struct queue *q) {
    int idle = q->o.takeover_ms / 3 < OWN_IDLE_MS ? q->o.takeover_ms / 3 : OWN_IDLE_MS;
    if (redis_is_up(q->redis) && !q->leaving)
        queue_recover(q, idle);
    queue_in(q, T_OWN, idle);
}

/* ---- handing back ---- */

struct release {
    char entry[48];
    void (*done)(void *owner);
    void *owner;
};

static void on_released(struct queue *q, const redisReply *reply, void *data) {
    const struct release *r = data;
    struct held *h = queue_find(q, r->entry);
    if (reply->type == REDIS_REPLY_ERROR)
        log_warn(NULL, "release: %.200s", reply->str);
    metric_add(&released, 1);
    if (!h) /* dropped meanwhile: whoever did that has no use for an answer */
        return;
    if (h->ours)
        arrived_free((struct arrived *)h);
    else
        queue_drop(h);
    if (r->done)
        r->done(r->owner);
}

void queue_release(struct held *h, void (*done)(void *owner), void *owner) {
    struct queue *q = h->in;
    if (!q || q->o.batches) {
        queue_drop(h);
        if (done)
            done(owner);
        return;
    }
    h->going = true;
    struct release *r = alloc_zero(sizeof *r);
    struct args args;
    snprintf(r->entry, sizeof r->entry, "%s", h->entry);
    r->done = done;
    r->owner = owner;
    args_init(&args);
    args_str(&args, h->queue);
    args_str(&args, h->entry);
    args_str(&args, h->job);
    queue_ask(q, SCRIPT_RELEASE, &args, on_released, r);
}

void queue_release_all(struct queue *q) {
    for (struct held *h = q->held, *next; h; h = next) {
        next = h->next;
        if (h->ours || h->going)
            continue;
        if (h->lost) /* it is not ours to hand back: whoever holds it works on it */
            queue_drop(h);
        else
            queue_release(h, NULL, NULL);
    }
}

/* ---- room, stop, leave ---- */

void queue_room(struct queue *q) {
    if (q->closing || q->stopped)
        return;
    queue_hand_out(q);
    if (q->reader)
        reader_poke(q->reader);
    liveness_take(q);
}

void queue_stop_reading(struct queue *q) {
    if (q->stopped)
        return;
    q->stopped = true;
    if (q->reader)
        reader_stop(q->reader);
    while (q->backlog) {
        struct arrived *a = q->backlog;
        q->backlog = a->next;
        a->next = NULL;
        release_arrived(q, a);
    }
    q->backlog_last = &q->backlog;
    q->backlog_count = 0;
    alone_stop(q);
}

static void left(struct queue *q) {
    void (*done)(void *owner) = q->on_left;
    q->on_left = NULL;
    uv_timer_stop(&q->timers[T_LEAVE]);
    if (done)
        done(q->left_owner);
}

static void on_reaped(struct queue *q, const redisReply *reply, void *data) {
    left(q);
}

/* Once nothing is in hand and nothing is pending on us, we leave the books. */
static void leave_if_done(struct queue *q) {
    if (!q->leaving || q->reaping || q->recovering || q->held_count)
        return;
    struct args args;
    q->reaping = true;
    args_init(&args);
    args_str(&args, q->stream);
    args_str(&args, q->worker);
    queue_ask(q, SCRIPT_REAP, &args, on_reaped, NULL);
}

void queue_leave(struct queue *q, void (*done)(void *owner), void *owner) {
    q->leaving = true;
    q->on_left = done;
    q->left_owner = owner;
    queue_stop_reading(q);
    reader_free(q->reader);
    q->reader = NULL;
    for (int i = 0; i < TIMERS; i++)
        if (i != T_SOON && i != T_LEAVE)
            uv_timer_stop(&q->timers[i]);
    queue_in(q, T_LEAVE, LEAVE_MS);
    if (!q->o.batches)
        queue_recover(q, 0);
    leave_if_done(q);
}

/* ---- alone: this process lives for one entry ---- */

static void on_my_entry(struct queue *q, const redisReply *reply, void *data) {
    queue_arrive_all(q, reply);
    if (q->closing)
        return;
    q->over = true; /* as soon as nothing is in hand */
    queue_in(q, T_SOON, 0);
}

static void ask_for_my_entry(struct queue *q) {
    struct args args;
    if (q->alone_asked)
        return;
    q->alone_asked = true;
    args_init(&args);
    args_str(&args, q->stream);
    args_str(&args, q->worker);
    args_str(&args, "own");
    args_str(&args, q->alone.entry);
    queue_ask(q, SCRIPT_CLAIM, &args, on_my_entry, NULL);
}

/* ---- life ---- */

static void soon(struct queue *q) {
    look_now(q);
    leave_if_done(q);
    if (q->over && q->held_count == 0 && q->o.on_over) {
        q->over = false;
        q->o.on_over(q->o.owner);
    }
}

static void on_timer(uv_timer_t *timer) {
    struct queue *q = timer->data;
    switch ((enum queue_timer)(timer - q->timers)) {
    case T_BEAT:
        queue_in(q, T_BEAT, q->o.takeover_ms / 3);
        liveness_beat(q);
        break;
    case T_OBSERVE:
        queue_in(q, T_OBSERVE, q->o.takeover_ms / 6);
        liveness_observe(q);
        break;
    case T_LOOK:
        queue_in(q, T_LOOK, q->o.look_ms);
        look_all(q);
        break;
    case T_SOON:
        soon(q);
        break;
    case T_UNPARK:
        chores_unpark(q);
        break;
    case T_AUDIT:
        queue_in(q, T_AUDIT, q->o.audit_ms);
        chores_audit(q);
        break;
    case T_OWN:
        look_after_own(q);
        break;
    case T_ALONE:
        alone_tick(q);
        break;
    case T_LEAVE:
        left(q);
        break;
    case TIMERS:
        break;
    }
}

void queue_in(struct queue *q, enum queue_timer timer, int64_t ms) {
    if (!q->closing)
        uv_timer_start(&q->timers[timer], on_timer, ms > 0 ? (uint64_t)ms : 0, 0);
}

static void on_change(bool up, void *owner) {
    struct queue *q = owner;
    if (up)
        liveness_reconnected(q);
}

static void on_wake(const char *text, void *owner) {
    look_on_wake(owner, text);
}

static unsigned reader_slots(void *owner) {
    return queue_free_slots(owner);
}

struct queue *queue_new(const struct queue_options *options) {
    struct queue *q = alloc_zero(sizeof *q);
    char channel[96];
    q->o = *options;
    if (!q->o.look_ms)
        q->o.look_ms = SECOND;
    if (!q->o.unpark_ms)
        q->o.unpark_ms = SECOND;
    if (!q->o.audit_ms)
        q->o.audit_ms = 30 * SECOND;
    q->redis = options->redis;
    q->o.stream = q->stream = alloc_copy(options->stream, strlen(options->stream));
    q->o.worker = q->worker = alloc_copy(options->worker, strlen(options->worker));
    q->key = redis_key(q->redis, q->stream);
    q->workers_key = redis_key(q->redis, "workers");
    snprintf(channel, sizeof channel, "wake:%s", q->worker);
    q->channel = alloc_copy(channel, strlen(channel));
    q->backlog_last = &q->backlog;
    for (int i = 0; i < TIMERS; i++) {
        uv_timer_init(options->loop, &q->timers[i]);
        q->timers[i].data = q;
    }
    q->open_handles = TIMERS;
    metrics_list((struct metric *const[]){&recovered, &buried, &released, &in_hand, NULL});
    look_metrics();
    liveness_metrics();
    chores_metrics();
    alone_metrics();
    redis_watch(q->redis, on_change, q);
    queue_in(q, T_BEAT, 0);
    if (!q->o.batches) {
        redis_listen(q->redis, q->channel, on_wake, q);
        queue_in(q, T_LOOK, q->o.look_ms);
    }
    if (options->alone) {
        q->alone = *options->alone;
        q->o.alone = &q->alone;
        ask_for_my_entry(q);
        return q;
    }
    q->reader = reader_new(q->redis, &(struct reader_options){
        .stream = q->stream, .consumer = q->worker, .slots = reader_slots, .on_entries = on_entries, .on_ready = on_ready, .owner = q,
    });
    queue_in(q, T_OBSERVE, q->o.takeover_ms / 6);
    queue_in(q, T_OWN, q->o.takeover_ms / 3);
    queue_in(q, T_UNPARK, q->o.unpark_ms);
    queue_in(q, T_AUDIT, q->o.audit_ms);
    return q;
}

static void on_closed(uv_handle_t *timer) {
    struct queue *q = timer->data;
    if (--q->open_handles)
        return;
    free(q->stream);
    free(q->worker);
    free(q->channel);
    free(q->key);
    free(q->workers_key);
    free(q->buckets);
    free(q->job_buckets);
    free(q);
}

void queue_free(struct queue *q) {
    if (!q)
        return;
    q->closing = true;
    redis_unwatch(q->redis, on_change, q);
    redis_unlisten(q->redis, q->channel, q);
    reader_free(q->reader);
    q->reader = NULL;
    for (struct question *it = q->questions, *next; it; it = next) {
        next = it->next;
        if (it->call) { /* else we are inside its answer, which frees it */
            redis_forget(it->call);
            question_free(it);
        }
    }
    alone_done(q);
    liveness_done(q);
    q->backlog = NULL;
    for (struct held *h; (h = q->held);) {
        if (h->ours)
            arrived_free((struct arrived *)h);
        else
            queue_drop(h);
    }
    for (int i = 0; i < TIMERS; i++)
        uv_close((uv_handle_t *)&q->timers[i], on_closed);
}
