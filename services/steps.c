/*   steps_start ──▶ ready ──▶ running ──▶ over (on_end)
 *                     ▲          │
 *          wake, timer│          │STEP_WAIT, steps_sleep
 *                     └─ waiting ◀┘
 *
 * Ready rows hang in one list, run once a turn by an idle handle that is active only while the list holds something. What
 * becomes ready meanwhile runs in the next turn, so no row can keep the loop from its sockets. */
#include "services/steps.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"

struct steps_runner {
    uv_idle_t idle;
    struct steps *first, **last;
    unsigned running;
};

void (*steps_hook)(const char *name);

static void run_row(struct steps *s);

static void on_turn(uv_idle_t *idle) {
    struct steps_runner *r = idle->data;
    struct steps *batch = r->first;
    r->first = NULL;
    r->last = &r->first;
    for (struct steps *s = batch, *after; s; s = after) {
        after = s->ready_next; /* s may be freed by its on_end; what follows it is ready, and ready rows do not end */
        s->ready = false;
        run_row(s);
    }
    if (!r->first)
        uv_idle_stop(&r->idle);
}

struct steps_runner *steps_runner_new(uv_loop_t *loop) {
    struct steps_runner *r = alloc_zero(sizeof *r);
    uv_idle_init(loop, &r->idle);
    r->idle.data = r;
    r->last = &r->first;
    return r;
}

static void on_runner_closed(uv_handle_t *idle) {
    free(idle->data);
}

void steps_runner_free(struct steps_runner *r) {
    if (!r)
        return;
    assert(r->running == 0); /* a row that is left would be woken into freed memory */
    uv_close((uv_handle_t *)&r->idle, on_runner_closed);
}

unsigned steps_running(const struct steps_runner *r) {
    return r->running;
}

static void make_ready(struct steps *s) {
    if (s->timer)
        uv_timer_stop(s->timer);
    if (s->ready)
        return;
    struct steps_runner *r = s->runner;
    s->ready = true;
    s->ready_next = NULL;
    *r->last = s;
    r->last = &s->ready_next;
    uv_idle_start(&r->idle, on_turn);
}

static void on_timer_closed(uv_handle_t *timer) {
    free(timer);
}

static void end_row(struct steps *s) {
    assert(!s->ready); /* a step said steps_goto() and then STEP_END */
    if (s->timer)
        uv_close((uv_handle_t *)s->timer, on_timer_closed);
    s->timer = NULL;
    s->over = true;
    s->runner->running--;
    s->on_end(s);
}

static void run_row(struct steps *s) {
    enum step_end end = STEP_NEXT;
    while (end == STEP_NEXT) {
        const struct step *step = &s->row[s->next];
        if (!step->name) {
            end_row(s);
            return;
        }
        s->next++;
        s->now = step->name;
        s->running = true;
        if (steps_hook)
            steps_hook(step->name);
        end = step->run(s);
        s->running = false;
        if (end == STEP_END) {
            end_row(s);
            return;
        }
        if (s->diverted) {
            s->diverted = false;
            make_ready(s);
            return;
        }
        if (end == STEP_WAIT && s->woken) {
            s->woken = false;
            end = STEP_NEXT;
        }
    }
    if (end == STEP_GOTO && s->woken && !s->ready) { /* woken between steps_sleep() and the end of its step */
        s->woken = false;
        make_ready(s);
    }
}

static int index_of(const struct steps *s, const char *name) {
    int i = 0;
    while (s->row[i].name && strcmp(s->row[i].name, name))
        i++;
    assert(s->row[i].name); /* a typing mistake, found by the first test that comes here */
    return i;
}

void steps_start(struct steps *s, struct steps_runner *r, const struct step *row, void (*on_end)(struct steps *s)) {
    *s = (struct steps){ .runner = r, .row = row, .on_end = on_end, .now = row[0].name };
    r->running++;
    make_ready(s);
}

void steps_wake(struct steps *s) {
    if (s->over)
        return;
    if (s->running || s->ready)
        s->woken = true;
    else
        make_ready(s);
}

enum step_end steps_goto(struct steps *s, const char *name) {
    s->next = index_of(s, name);
    make_ready(s);
    return STEP_GOTO;
}

static void on_timer(uv_timer_t *timer) {
    make_ready(timer->data);
}

enum step_end steps_sleep(struct steps *s, const char *name, int64_t ms) {
    if (name)
        s->next = index_of(s, name);
    if (!s->timer) {
        s->timer = alloc_zero(sizeof *s->timer);
        uv_timer_init(s->runner->idle.loop, s->timer);
        s->timer->data = s;
    }
    s->woken = false;
    uv_timer_start(s->timer, on_timer, ms > 0 ? (uint64_t)ms : 0, 0);
    return STEP_GOTO;
}

void steps_divert(struct steps *s, const char *name) {
    if (s->over)
        return;
    s->next = index_of(s, name);
    s->woken = false;
    if (s->running)
        s->diverted = true;
    else
        make_ready(s);
}
