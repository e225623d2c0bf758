#include "outbound/pace.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include "services/alloc.h"
#include "services/clock.h"

/* Twenty a minute in a group, with a burst of three counted in; three for a chat. What the bot may burst comes on top of its rate in
 * the first second: a sixth of it is enough to be never short of a message by the width of a tick. */
#define GROUP_RATE "0.28"
enum { CHAT_BURST = 3, ALL_BURST = 6 };

enum { TYPING_MOST = 100 };              /* a second, when nothing else bounds it */

enum { FLOOD_CHATS = 3, FLOOD_WITHIN_MS = 2000 };

struct bucket { double due_ms; };        /* when it has drained, by the monotonic clock */
struct refused { int64_t chat, at_ms, wait_ms; };
struct pace_row { struct pace_turn *first, *last; };

struct pace {
    uv_timer_t timer;
    int64_t rate_all, rate_chat, edit_ms;
    struct bucket messages, typing;
    struct pace_row urgent, others;
    struct refused refused[FLOOD_CHATS]; /* the last ones, different chats; at_ms 0: none */
    int64_t paused_until_ms, silent_until_ms;        /* some chat, everybody */
};

struct pace *pace_new(uv_loop_t *loop, int64_t rate_all, int64_t rate_chat, int64_t edit_ms) {
    struct pace *p = alloc_zero(sizeof *p);
    p->rate_all = rate_all;
    p->rate_chat = rate_chat;
    p->edit_ms = edit_ms;
    uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    return p;
}

static void on_closed(uv_handle_t *timer) {
    free(timer->data);
}

void pace_free(struct pace *p) {
    if (!p)
        return;
    assert(!pace_is_crowded(p)); /* he would wait for ever */
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

/* ms until one more may pass, a second's worth at once being allowed; 0: now, and it has been counted. */
static int64_t pass(struct bucket *b, int64_t rate) {
    double at = (double)clock_mono_ms(), gap = 1000.0 / (double)rate;
    double due = b->due_ms > at ? b->due_ms : at;
    double wait = due - at - gap * (double)(rate - 1);
    if (wait > 0)
        return (int64_t)wait + 1;
    b->due_ms = due + gap;
    return 0;
}

/* Those who ask come a little faster than messages may go: an asker whom the script sends away must not cost a message. */
static int64_t askers(const struct pace *p) {
    return p->rate_all + p->rate_all / 2;
}

static void put_first(struct pace_row *r, struct pace_turn *t) {
    t->next = r->first;
    *(r->first ? &r->first->prev : &r->last) = t;
    r->first = t;
}

static void put_last(struct pace_row *r, struct pace_turn *t) {
    t->prev = r->last;
    *(r->last ? &r->last->next : &r->first) = t;
    r->last = t;
}

static void take_out(struct pace_turn *t) {
    *(t->prev ? &t->prev->next : &t->row->first) = t->next;
    *(t->next ? &t->next->prev : &t->row->last) = t->prev;
    t->next = t->prev = NULL;
    t->row = NULL;
    t->waits = false;
}

static void on_timer(uv_timer_t *timer) {
    struct pace *p = timer->data;
    while (pace_is_crowded(p)) {
        int64_t wait = pass(&p->messages, askers(p));
        if (wait) {
            uv_timer_start(&p->timer, on_timer, (uint64_t)wait, 0);
            return;
        }
        struct pace_turn *t = p->urgent.first ? p->urgent.first : p->others.first;
        take_out(t);
        t->on_turn(t);
    }
}

bool pace_enter(struct pace *p, struct pace_turn *t, bool urgent, bool again) {
    assert(!t->waits);
    if (p->rate_all <= 0)
        return true;
    int64_t wait = pace_is_crowded(p) ? 1 : pass(&p->messages, askers(p));
    if (!wait)
        return true;
    t->waits = true;
    t->row = urgent ? &p->urgent : &p->others;
    (again ? put_first : put_last)(t->row, t);
    if (!uv_is_active((uv_handle_t *)&p->timer))
        uv_timer_start(&p->timer, on_timer, (uint64_t)wait, 0);
    return false;
}

void pace_leave(struct pace *p, struct pace_turn *t) {
    if (t->waits)
        take_out(t);
    if (!pace_is_crowded(p))
        uv_timer_stop(&p->timer);
}

bool pace_is_crowded(const struct pace *p) {
    return p->urgent.first || p->others.first;
}

bool pace_may_type(struct pace *p) {
    int64_t rate = p->rate_all > 0 && p->rate_all < TYPING_MOST ? p->rate_all : TYPING_MOST;
    return !pace_is_crowded(p) && clock_mono_ms() >= p->silent_until_ms && pass(&p->typing, rate) == 0;
}

bool pace_is_off(const struct pace *p) {
    return p->rate_all <= 0 && p->rate_chat <= 0 && clock_mono_ms() >= p->paused_until_ms;
}

/* The oldest one gives way, unless this chat stands there already. */
static void note_refused(struct pace *p, int64_t chat, int64_t wait_ms, int64_t now) {
    struct refused *place = &p->refused[0];
    for (int i = 0; i < FLOOD_CHATS; i++) {
        struct refused *r = &p->refused[i];
        if (r->at_ms && r->chat == chat) {
            place = r;
            break;
        }
        if (r->at_ms < place->at_ms)
            place = r;
    }
    *place = (struct refused){chat, now, wait_ms};
}

int64_t pace_refused(struct pace *p, int64_t chat, int64_t wait_ms) {
    int64_t now = clock_mono_ms(), least = wait_ms;
    if (p->paused_until_ms < now + wait_ms)
        p->paused_until_ms = now + wait_ms;
    note_refused(p, chat, wait_ms, now);
    for (int i = 0; i < FLOOD_CHATS; i++) {
        const struct refused *r = &p->refused[i];
        if (!r->at_ms || r->at_ms + FLOOD_WITHIN_MS < now)
            return 0;
        if (r->wait_ms < least)
            least = r->wait_ms;
    }
    p->silent_until_ms = now + least;
    return least;
}

void pace_taken(struct pace *p) {
    for (int i = 0; i < FLOOD_CHATS; i++)
        p->refused[i].at_ms = 0;
}

void pace_args(const struct pace *p, struct args *a, int64_t chat, bool skippable) {
    args_int(a, chat);
    args_int(a, p->rate_all);
    args_int(a, p->rate_all > ALL_BURST ? p->rate_all / ALL_BURST : 1);
    bool group = chat < 0 && p->rate_chat > 0;
    if (group)
        args_str(a, GROUP_RATE);
    else
        args_int(a, p->rate_chat);
    args_int(a, CHAT_BURST * (group || p->rate_chat < 1 ? 1 : p->rate_chat));
    args_str(a, skippable ? "try" : "send");
}

int64_t pace_edit_gap_ms(const struct pace *p, int64_t chat) {
    return chat < 0 ? 3 * p->edit_ms : p->edit_ms;
}

int64_t pace_backoff_ms(int tries, int64_t outage_ms) {
    int64_t wait = 500;
    for (int i = 1; i < tries && wait < PACE_MOST_MS; i++)
        wait *= 2;
    if (wait < outage_ms / 2)
        wait = outage_ms / 2;
    if (wait > PACE_MOST_MS)
        wait = PACE_MOST_MS;
    return wait - wait / 4 + rand() % (wait / 4 + 1); /* three quarters of it at least: so that not all come back at once */
}
