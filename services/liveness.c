/* Who is alive. Every worker moves a counter in `workers` every third of TAKEOVER_MS; who sees one stand still for
 * TAKEOVER_MS, by his own clock, takes that worker for dead and claims his entries, as many as there are free slots, until he has
 * none; then the dead one leaves the books.
 *
 * A counter is known to have stood still from when an answer with it had come until when the next question with the same answer was
 * asked: so neither a frozen observer nor a slow Redis makes anybody look dead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"
#include "services/clock.h"
#include "services/log.h"
#include "services/queue_private.h"

enum { CLAIM_MOST = 100, FORGET_AFTER = 20 /* TAKEOVER_MS: then a stranger's counter is swept as well */ };

static struct metric takeovers = {"queue_takeovers_total", "entries taken over from dead workers", NULL, METRIC_COUNTER};
static struct metric late = {"queue_heartbeats_late_total", "heartbeats that came so late that we had to stop acting", NULL, METRIC_COUNTER};
static struct metric reaped = {"queue_workers_reaped_total", "dead workers removed from the books", NULL, METRIC_COUNTER};

void liveness_metrics(void) {
    metrics_list((struct metric *const[]){&takeovers, &late, &reaped, NULL});
}

/* ---- ours ---- */

static int64_t doubt_after(const struct queue *q) {
    return q->o.takeover_ms * 2 / 3;
}

static void on_beat(struct queue *q, const redisReply *reply, void *data) {
    int64_t now = clock_mono_ms(), before = q->beat_ms;
    q->beating = false;
    if (reply->type == REDIS_REPLY_ERROR) {
        log_warn(NULL, "heartbeat: %.200s", reply->str);
        return;
    }
    q->beat_ms = now - redis_age_ms(q->redis); /* this answer is the youngest: when its question was sent */
    if (before && q->beat_ms - before >= doubt_after(q)) {
        metric_add(&late, 1);
        q->doubt_ms = now; /* somebody may have taken us for dead: see what is still ours before acting again */
        queue_doubt(q);
        look_all(q);
    }
    queue_hand_out(q); /* which waits for our heart to be heard */
}

void liveness_beat(struct queue *q) {
    struct args args;
    if (q->beating || q->leaving)
        return;
    q->beating = true;
    args_init(&args);
    args_str(&args, q->worker);
    queue_ask(q, SCRIPT_BEAT, &args, on_beat, NULL);
}

bool liveness_heard(const struct queue *q) {
    return q->beat_ms && clock_mono_ms() - q->beat_ms < doubt_after(q);
}

bool queue_trusted(const struct queue *q) {
    return liveness_heard(q) && !q->doubt_ms;
}

/* ---- the others' ---- */

static struct peer *peer_of(struct queue *q, const char *name, int64_t now) {
    struct peer *p = q->peers;
    while (p && strcmp(p->name, name) != 0)
        p = p->next;
    if (!p) {
        p = alloc_zero(sizeof *p);
        p->name = alloc_copy(name, strlen(name));
        p->since_ms = now;
        p->next = q->peers;
        q->peers = p;
    }
    return p;
}

static void peer_remove(struct queue *q, struct peer *p) {
    struct peer **at = &q->peers;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    free(p->name);
    free(p);
}

static struct peer *peer_find(struct queue *q, const char *name) {
    for (struct peer *p = q->peers; p; p = p->next)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

void liveness_done(struct queue *q) {
    while (q->peers)
        peer_remove(q, q->peers);
}

/* After a silence of our own nobody is dead until he has been seen to stand still from now on. */
static void begin_anew(struct queue *q, int64_t now) {
    for (struct peer *p = q->peers; p; p = p->next) {
        p->since_ms = now;
        p->dead = false;
    }
}

void liveness_reconnected(struct queue *q) {
    begin_anew(q, clock_mono_ms());
    liveness_beat(q);
}

static void note_counter(struct peer *p, const char *counter, int64_t now) {
    if (strcmp(p->counter, counter) != 0) {
        snprintf(p->counter, sizeof p->counter, "%s", counter);
        p->since_ms = now;
        p->dead = p->said = false;
    }
    p->seen = true;
}

static void on_workers(struct queue *q, const redisReply *reply, void *data) {
    int64_t now = clock_mono_ms();
    q->counted = reply->type == REDIS_REPLY_ARRAY;
    if (!q->counted)
        return;
    if (q->observed_ms && now - q->observed_ms > q->o.takeover_ms / 2)
        begin_anew(q, now); /* Redis, or we, stood still ourselves */
    q->observed_ms = now;
    for (struct peer *p = q->peers; p; p = p->next)
        p->seen = false;
    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        if (reply->element[i]->type == REDIS_REPLY_STRING && reply->element[i + 1]->type == REDIS_REPLY_STRING &&
            strcmp(reply->element[i]->str, q->worker) != 0)
            note_counter(peer_of(q, reply->element[i]->str, now), reply->element[i + 1]->str, now);
    for (struct peer *p = q->peers; p; p = p->next)
        if (!p->seen) {
            note_counter(p, "", now); /* he has no counter: that stands still, too */
            p->seen = false;
        }
}

/* XINFO CONSUMERS: [name, …, pending, …] each, as names and values. */
static void note_consumer(struct queue *q, const redisReply *one, int64_t now) {
    const char *name = NULL;
    int64_t pending = 0;
    for (size_t i = 0; one->type == REDIS_REPLY_ARRAY && i + 1 < one->elements; i += 2) {
        if (one->element[i]->type != REDIS_REPLY_STRING)
            continue;
        if (strcmp(one->element[i]->str, "name") == 0 && one->element[i + 1]->type == REDIS_REPLY_STRING)
            name = one->element[i + 1]->str;
        else if (strcmp(one->element[i]->str, "pending") == 0)
            pending = reply_int(one->element[i + 1]);
    }
    if (!name || strcmp(name, q->worker) == 0)
        return;
    struct peer *p = peer_of(q, name, now);
    p->consumer = true;
    p->pending = pending;
}

static void judge(struct queue *q, int64_t asked_ms) {
    for (struct peer *p = q->peers, *next; p; p = next) {
        next = p->next;
        int64_t stood = asked_ms - p->since_ms;
        if (!p->seen && !p->consumer) {
            peer_remove(q, p);
            continue;
        }
        p->dead = p->consumer ? stood >= q->o.takeover_ms : stood >= FORGET_AFTER * (int64_t)q->o.takeover_ms;
        if (p->dead && p->pending && !p->said) {
            p->said = true;
            log_warn(NULL, "worker %s has been silent for %lld ms: taking over %lld entries of %s", p->name, (long long)stood,
                     (long long)p->pending, q->stream);
        }
    }
}

static void on_consumers(struct queue *q, const redisReply *reply, void *data) {
    int64_t now = clock_mono_ms();
    q->observing = false;
    if (reply->type != REDIS_REPLY_ARRAY || !q->counted) /* no group yet: the reader makes it */
        return;
    for (struct peer *p = q->peers; p; p = p->next) {
        p->consumer = false;
        p->pending = 0;
    }
    for (size_t i = 0; i < reply->elements; i++)
        note_consumer(q, reply->element[i], now);
    judge(q, *(const int64_t *)data);
    liveness_take(q);
}

void liveness_observe(struct queue *q) {
    struct args args;
    if (q->observing || q->leaving || !redis_is_up(q->redis))
        return;
    q->observing = true;
    int64_t *asked_ms = alloc_zero(sizeof *asked_ms);
    *asked_ms = clock_mono_ms();
    args_init(&args);
    args_str(&args, "HGETALL");
    args_str(&args, q->workers_key);
    queue_ask(q, -1, &args, on_workers, NULL);
    args_init(&args);
    args_str(&args, "XINFO");
    args_str(&args, "CONSUMERS");
    args_str(&args, q->key);
    args_str(&args, q->stream);
    queue_ask(q, -1, &args, on_consumers, asked_ms);
}

/* ---- taking over: one dead worker at a time, one batch at a time ---- */

static void on_reap(struct queue *q, const redisReply *reply, void *data) {
    struct peer *p = peer_find(q, data);
    q->taking = false;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer == 1) {
        metric_add(&reaped, 1);
        if (p)
            peer_remove(q, p);
    } else if (p) {
        p->dead = false; /* until the next observation */
    }
    liveness_take(q);
}

static void reap(struct queue *q, const char *name) {
    struct args args;
    args_init(&args);
    args_str(&args, q->stream);
    args_str(&args, name);
    queue_ask(q, SCRIPT_REAP, &args, on_reap, alloc_copy(name, strlen(name)));
}

static void on_claimed(struct queue *q, const redisReply *reply, void *data) {
    struct peer *p = peer_find(q, data);
    q->taking = false;
    if (reply->type == REDIS_REPLY_ERROR && p)
        p->dead = false; /* until the next observation */
    metric_add(&takeovers, (double)queue_arrive_all(q, reply));
    if (!q->closing)
        liveness_take(q);
}

static void on_his_pendings(struct queue *q, const redisReply *reply, void *data) {
    const char *name = data;
    struct peer *p = peer_find(q, name);
    struct args args;
    char from[160];
    if (!p || !p->dead || q->stopped) { /* he has moved meanwhile, or we are leaving */
        q->taking = false;
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY) {
        q->taking = false;
        p->dead = false;
        return;
    }
    if (reply->elements == 0) {
        reap(q, name);
        return;
    }
    snprintf(from, sizeof from, "dead:%s", name);
    args_init(&args);
    args_str(&args, q->stream);
    args_str(&args, q->worker);
    args_str(&args, from);
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->type == REDIS_REPLY_ARRAY && reply->element[i]->elements &&
            reply->element[i]->element[0]->type == REDIS_REPLY_STRING)
            args_str(&args, reply->element[i]->element[0]->str);
    queue_ask(q, SCRIPT_CLAIM, &args, on_claimed, alloc_copy(name, strlen(name)));
}

void liveness_take(struct queue *q) {
    struct args args;
    if (q->taking || q->stopped || q->closing || q->o.alone)
        return;
    unsigned room = queue_free_slots(q);
    struct peer *p = q->peers;
    while (p && !(p->dead && (room || !p->pending)))
        p = p->next;
    if (!p)
        return;
    q->taking = true;
    if (!p->pending) {
        reap(q, p->name);
        return;
    }
    queue_begin_args(q, &args, "XPENDING");
    args_str(&args, q->stream);
    args_str(&args, "-");
    args_str(&args, "+");
    args_int(&args, room < CLAIM_MOST ? room : CLAIM_MOST);
    args_str(&args, p->name);
    queue_ask(q, -1, &args, on_his_pendings, alloc_copy(p->name, strlen(p->name)));
}
