#include "sim/stream.h"

#include <stdlib.h>

#include "sim/openai.h"

struct reader {
    struct response *r;
    struct reader *next;
    struct exch *x;
    int64_t at;                 /* the next event it wants */
    bool json;
};

static void on_timer(uv_timer_t *t);

static void on_timer_closed(uv_handle_t *h) {
    free(h);
}

static void stop_timer(struct response *r) {
    if (r->timer)
        uv_close((uv_handle_t *)r->timer, on_timer_closed);
    r->timer = NULL;
}

static void remove_reader(struct reader *d) {
    struct reader **p = &d->r->readers;
    while (*p != d)
        p = &(*p)->next;
    *p = d->next;
    if (!d->json)
        sim_count(d->r->sim, "streams", -1);
    free(d);
}

/* The output side of the usage, and whether anybody pays: nobody does for what never began, or failed. */
static void settle(struct response *r, enum response_status status) {
    int64_t text = answer_tokens(response_text_made(r));
    r->usage.reasoning = r->made > r->progress_at && !r->plan.empty ? r->plan.reasoning : 0;
    r->usage.output = text + r->usage.reasoning;
    r->billed = status != R_FAILED && r->made > r->progress_at;
    tools_bill(r, &r->usage);
    r->status = status;
    r->finished_ms = sim_now_ms();
    openai_settled(r);
}

static void finish_reader(struct reader *d) {
    struct response *r = d->r;
    struct exch *x = d->x;
    bool json = d->json;
    struct buf b = {0};
    x->on_gone = NULL;
    remove_reader(d);
    if (!json) {
        exch_end(x);
        return;
    }
    response_to_json(r, r->status, &b);
    openai_answer(r->sim, x, 200, &b);
}

static void deliver(struct reader *d) {
    struct response *r = d->r;
    struct buf b = {0};
    if (!d->json) {
        for (; d->at < r->made; d->at++) {
            b.n = 0;
            response_event(r, d->at, &b);
            exch_event(d->x, b.p, b.n);
        }
        buf_done(&b);
        if (response_is_over(r))
            finish_reader(d);
        else
            exch_flush(d->x);
    } else if (response_is_over(r)) {
        finish_reader(d);
    }
}

static void advance(struct response *r) {
    int64_t elapsed = (int64_t)uv_now(r->sim->loop) - r->started, before = r->made;
    struct reader *next;
    while (r->made < r->total && response_due(r, r->made) <= elapsed)
        r->made++;
    if (r->made == before)
        return;
    if (r->made > r->progress_at && r->status == R_QUEUED)
        r->status = R_IN_PROGRESS;
    if (r->made == r->total) {
        static const enum response_status ends[] = { R_COMPLETED, R_INCOMPLETE, R_INCOMPLETE, R_FAILED, R_FAILED };
        stop_timer(r);
        settle(r, ends[r->plan.end]);
    }
    for (struct reader *d = r->readers; d; d = next) {
        next = d->next;
        deliver(d);
    }
}

static void arm(struct response *r) {
    int64_t wait;
    if (r->made == r->total || response_is_over(r))
        return;
    if (!r->timer) {
        r->timer = xalloc(sizeof *r->timer);
        uv_timer_init(r->sim->loop, r->timer);
        r->timer->data = r;
    }
    wait = response_due(r, r->made) - ((int64_t)uv_now(r->sim->loop) - r->started);
    uv_timer_start(r->timer, on_timer, (uint64_t)(wait > 0 ? wait : 1), 0);
}

static void on_timer(uv_timer_t *t) {
    struct response *r = t->data;
    advance(r);
    arm(r);
}

void stream_start(struct response *r) {
    r->started = (int64_t)uv_now(r->sim->loop);
    advance(r);
    arm(r);
}

static void stop(struct response *r) {
    struct reader *next;
    stop_timer(r);
    r->total = r->made;
    settle(r, R_CANCELLED);
    for (struct reader *d = r->readers; d; d = next) {
        next = d->next;
        deliver(d);
    }
}

void stream_cancel(struct response *r) {
    if (response_is_over(r))
        return;
    r->cancelled = true;
    stop(r);
}

static void on_reader_gone(struct exch *x) {
    struct reader *d = x->owner;
    struct response *r = d->r;
    remove_reader(d);
    if (r->background || response_is_over(r))
        return;
    r->dropped = true;
    stop(r);
}

void stream_read(struct response *r, struct exch *x, int64_t after, bool json) {
    struct reader *d = xalloc(sizeof *d);
    d->r = r;
    d->x = x;
    d->at = after + 1;
    d->json = json;
    d->next = r->readers;
    r->readers = d;
    x->owner = d;
    x->on_gone = on_reader_gone;
    if (!json) {
        sim_count(r->sim, "streams", 1);
        openai_begin_stream(r->sim, x);
    }
    deliver(d);
}

void stream_forget(struct response *r) {
    stop_timer(r);
    while (r->readers) {
        r->readers->x->on_gone = NULL;
        exch_kill(r->readers->x, false);
        remove_reader(r->readers);
    }
}
