/* A lease has no expiry in Redis: who wants it watches its holder's heartbeat and names the one he has seen standing still.
 * The holder lets go by his own clock, two thirds of TAKEOVER_MS after he sent the last heartbeat that was heard; the others
 * take over when they have seen it stand still for five sixths: so there are never two, and a new one is there within
 * TAKEOVER_MS of the old one's death. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"
#include "services/clock.h"
#include "services/log.h"
#include "services/metrics.h"
#include "services/queue.h"
#include "services/redis_private.h"

enum { LEAVE_MS = 2 * SECOND, STEPS = 15 /* looks per TAKEOVER_MS */ };

static struct metric taken = {"lease_taken_total", "leases that became ours", NULL, METRIC_COUNTER};
static struct metric expired = {"lease_expired_total", "leases given up because Redis was out of reach", NULL, METRIC_COUNTER};

struct lease {
    struct redis *redis;
    char *name, *worker, *channel, *workers_key;
    int takeover_ms;
    void (*on_change)(bool ours, void *owner);
    void *owner;
    uv_timer_t step, fence, last;           /* ask again; let go; leave unheard */
    unsigned open_handles;
    struct redis_call *beat, *ask, *look, *bye;
    bool ours, leaving, closing;
    int64_t beat_ms, heard_ms;              /* when the last beat was sent, and the last one that was answered */
    int64_t looked_ms;                      /* when the question under way was asked */
    char holder[64], counter[24];           /* whom we watch, and what his heart said */
    int64_t since_ms, still_ms;             /* since when; when the last question was asked that heard the same */
    void (*on_left)(void *owner);
    void *left_owner;
};

static void step(struct lease *l);

static void set_ours(struct lease *l, bool ours) {
    if (l->ours == ours)
        return;
    l->ours = ours;
    if (ours)
        metric_add(&taken, 1);
    log_info(NULL, ours ? "lease %s is ours" : "lease %s is not ours any more", l->name);
    l->on_change(ours, l->owner);
}

static void on_fence(uv_timer_t *timer) {
    struct lease *l = timer->data;
    metric_add(&expired, 1);
    set_ours(l, false);
}

/* ---- the holder's heart ---- */

static void begin_to_watch(struct lease *l, const char *holder, const char *counter) {
    if (holder != l->holder)
        snprintf(l->holder, sizeof l->holder, "%s", holder);
    snprintf(l->counter, sizeof l->counter, "%s", counter);
    l->since_ms = clock_mono_ms();
}

static void on_look(const redisReply *reply, void *owner) {
    struct lease *l = owner;
    l->look = NULL;
    const char *counter = reply->type == REDIS_REPLY_STRING ? reply->str : "";
    if (strcmp(counter, l->counter) != 0)
        begin_to_watch(l, l->holder, counter);
    else
        l->still_ms = l->looked_ms;
}

static bool holder_is_dead(const struct lease *l) {
    return l->holder[0] && l->since_ms && l->still_ms - l->since_ms >= (int64_t)l->takeover_ms * 5 / 6;
}

static void look(struct lease *l) {
    struct args args = {0};
    args_str(&args, "HGET");
    args_str(&args, l->workers_key);
    args_str(&args, l->holder);
    l->looked_ms = clock_mono_ms();
    l->look = redis_command(l->redis, &args, on_look, l);
}

/* ---- the lease ---- */

/* How long may we believe in it? False: not at all any more. */
static bool hold_on(struct lease *l) {
    int64_t left = l->heard_ms + (int64_t)l->takeover_ms * 2 / 3 - clock_mono_ms();
    if (!l->heard_ms || left <= 0)
        return false;
    uv_timer_start(&l->fence, on_fence, (uint64_t)left, 0);
    return true;
}

static void on_answer(const redisReply *reply, void *owner) {
    struct lease *l = owner;
    l->ask = NULL;
    if (reply->type != REDIS_REPLY_STRING) {
        log_warn(NULL, "lease %s: %.200s", l->name, reply->type == REDIS_REPLY_ERROR ? reply->str : "a strange answer");
        return;
    }
    if (strcmp(reply->str, l->worker) != 0) {
        uv_timer_stop(&l->fence);
        if (strcmp(reply->str, l->holder) != 0)
            begin_to_watch(l, reply->str, "");
        set_ours(l, false);
        return;
    }
    l->holder[0] = '\0';
    if (hold_on(l))
        set_ours(l, true);
}

static void ask(struct lease *l) {
    struct args args = {0};
    args_str(&args, l->name);
    args_str(&args, l->worker);
    args_str(&args, holder_is_dead(l) ? l->holder : "");
    args_str(&args, "take");
    l->ask = redis_script(l->redis, SCRIPT_LEASE, &args, on_answer, l);
}

static void on_beat(const redisReply *reply, void *owner) {
    struct lease *l = owner;
    l->beat = NULL;
    if (reply->type != REDIS_REPLY_INTEGER)
        return;
    l->heard_ms = l->beat_ms;
    if (l->ours)
        (void)hold_on(l); /* too late: then the fence is falling anyway */
}

static void beat(struct lease *l) {
    struct args args = {0};
    args_str(&args, l->worker);
    l->beat_ms = clock_mono_ms();
    l->beat = redis_script(l->redis, SCRIPT_BEAT, &args, on_beat, l);
}

/* Beat before asking: an answer in our favour then stands on a heartbeat that was heard. */
static void step(struct lease *l) {
    if (l->leaving || l->closing || !redis_is_up(l->redis))
        return;
    if (!l->beat && clock_mono_ms() - l->beat_ms >= l->takeover_ms / 3)
        beat(l);
    if (!l->look && l->holder[0])
        look(l);
    if (!l->ask)
        ask(l);
}

static void on_step(uv_timer_t *timer) {
    step(timer->data);
}

static void on_wake(const char *text, void *owner) {
    step(owner);
}

static void on_redis(bool up, void *owner) {
    struct lease *l = owner;
    if (!up)
        return;
    l->since_ms = clock_mono_ms(); /* we have not seen what happened meanwhile */
    if (!l->beat && !l->leaving)
        beat(l);
    step(l);
}

/* ---- life ---- */

struct lease *lease_new(struct redis *r, uv_loop_t *loop, const char *name, const char *worker, int takeover_ms,
                        void (*on_change)(bool ours, void *owner), void *owner) {
    struct lease *l = alloc_zero(sizeof *l);
    char channel[96];
    uv_timer_t *timers[] = {&l->step, &l->fence, &l->last};
    snprintf(channel, sizeof channel, "wake:%s", name);
    l->redis = r;
    l->name = alloc_copy(name, strlen(name));
    l->worker = alloc_copy(worker, strlen(worker));
    l->channel = alloc_copy(channel, strlen(channel));
    l->workers_key = redis_key(r, "workers");
    l->takeover_ms = takeover_ms;
    l->on_change = on_change;
    l->owner = owner;
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++, l->open_handles++) {
        uv_timer_init(loop, timers[i]);
        timers[i]->data = l;
    }
    metrics_list((struct metric *const[]){&taken, &expired, NULL});
    redis_watch(r, on_redis, l);
    redis_listen(r, l->channel, on_wake, l);
    uint64_t every = (uint64_t)(takeover_ms / STEPS > 0 ? takeover_ms / STEPS : 1);
    uv_timer_start(&l->step, on_step, 0, every);
    return l;
}

static void left(struct lease *l) {
    void (*done)(void *owner) = l->on_left;
    l->on_left = NULL;
    uv_timer_stop(&l->last);
    if (done)
        done(l->left_owner);
}

static void on_bye(const redisReply *reply, void *owner) {
    struct lease *l = owner;
    l->bye = NULL;
    left(l);
}

static void on_last(uv_timer_t *timer) {
    left(timer->data);
}

static void forget(struct redis_call **call) {
    redis_forget(*call);
    *call = NULL;
}

/* Give it back, so that nobody has to wait for us to look dead. */
void lease_leave(struct lease *l, void (*done)(void *owner), void *owner) {
    struct args args = {0};
    l->leaving = true;
    l->on_left = done;
    l->left_owner = owner;
    uv_timer_stop(&l->step);
    uv_timer_stop(&l->fence);
    forget(&l->ask);
    set_ours(l, false);
    if (l->bye)
        return;
    args_str(&args, "HDEL");
    args_str(&args, l->workers_key);
    args_str(&args, l->worker);
    redis_command(l->redis, &args, NULL, NULL); /* a queue of the same worker, if it stays on, beats again */
    args_str(&args, l->name);
    args_str(&args, l->worker);
    args_str(&args, "");
    args_str(&args, "leave");
    l->bye = redis_script(l->redis, SCRIPT_LEASE, &args, on_bye, l);
    uv_timer_start(&l->last, on_last, LEAVE_MS, 0);
}

static void on_closed(uv_handle_t *timer) {
    struct lease *l = timer->data;
    if (--l->open_handles)
        return;
    free(l->name);
    free(l->worker);
    free(l->channel);
    free(l->workers_key);
    free(l);
}

void lease_free(struct lease *l) {
    if (!l)
        return;
    l->closing = true;
    redis_unwatch(l->redis, on_redis, l);
    redis_unlisten(l->redis, l->channel, l);
    forget(&l->beat);
    forget(&l->ask);
    forget(&l->look);
    forget(&l->bye);
    uv_close((uv_handle_t *)&l->step, on_closed);
    uv_close((uv_handle_t *)&l->fence, on_closed);
    uv_close((uv_handle_t *)&l->last, on_closed);
}
