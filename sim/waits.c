#include "sim/waits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/chats.h"
#include "sim/control.h"
#include "sim/faults.h"
#include "sim/openai.h"
#include "sim/params.h"
#include "sim/updates.h"

enum { TIMEOUT_MAX_MS = 600000 };

struct wait {
    struct waits *all;
    struct wait *next;
    struct exch *x;
    uv_timer_t timer;
    char name[160], contains[1024], equals[1024], bot[128];
    int64_t chat, min, max;
    bool has_min, has_max, done;
};

struct waits {
    struct sim *sim;
    struct wait *first;
    uv_prepare_t *prepare;
};

static bool begins(const char *s, const char *with, const char **ret_rest) {
    size_t n = strlen(with);
    *ret_rest = s + n;
    return !strncmp(s, with, n);
}

/* The message that a wait for text wants: its id, or 0. */
static int64_t find_text(const struct wait *w, struct chat *c) {
    for (size_t i = c ? c->len : 0; c && i > c->begin; i--) {
        const struct message *m = c->messages[i - 1];
        if (m->from_bot && !m->deleted && m->text && (*w->equals ? !strcmp(m->text, w->equals) : strstr(m->text, w->contains) != NULL))
            return m->id;
    }
    return 0;
}

static int64_t value_of(const struct wait *w) {
    struct sim *sim = w->all->sim;
    const char *rest;
    struct bot *bot = *w->bot ? bot_find(sim, w->bot, false) : bot_default(sim);
    struct chat *c;
    int64_t sum = 0;
    if (!bot)
        return 0;
    if (!strcmp(w->name, "text"))
        return find_text(w, chat_find(bot, w->chat));
    if (begins(w->name, "chat:", &rest)) {
        c = chat_find(bot, strtoll(rest, NULL, 10));
        return c ? c->version : 0;
    }
    if (begins(w->name, "bot_messages:", &rest)) {
        c = chat_find(bot, strtoll(rest, NULL, 10));
        return c ? c->bot_messages : 0;
    }
    if (begins(w->name, "actions:", &rest)) {
        c = chat_find(bot, strtoll(rest, NULL, 10));
        return c ? c->actions : 0;
    }
    if (begins(w->name, "fired:", &rest))
        return faults_fired(sim->faults, strtoll(rest, NULL, 10));
    if (!strcmp(w->name, "pending")) {
        for (bot = sim->telegram->bots; bot; bot = bot->next)
            sum += updates_pending(bot);
        return sum;
    }
    if (!strcmp(w->name, "responses"))
        return sim->openai->next - 1;
    if (!strcmp(w->name, "responses.open"))
        return sim->openai->open;
    return sim_counter(sim, w->name);
}

static bool holds(const struct wait *w, int64_t v) {
    if (!strcmp(w->name, "text"))
        return v > 0;
    return (!w->has_min || v >= w->min) && (!w->has_max || v <= w->max);
}

static void on_timer_closed(uv_handle_t *h) {
    free(h->data);
}

static void wait_end(struct wait *w) {
    struct wait **p = &w->all->first;
    while (*p != w)
        p = &(*p)->next;
    *p = w->next;
    uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}

static void wait_answer(struct wait *w, bool ok, int64_t v) {
    struct buf b = {0};
    struct exch *x = w->x;
    x->on_gone = NULL;
    if (!strcmp(w->name, "text"))
        buf_fmt(&b, "{\"ok\":%s,\"message_id\":%lld}", ok ? "true" : "false", (long long)v);
    else
        buf_fmt(&b, "{\"ok\":%s,\"value\":%lld}", ok ? "true" : "false", (long long)v);
    wait_end(w);
    answer_json(x, 200, NULL, &b);
}

static void on_timeout(uv_timer_t *t) {
    struct wait *w = t->data;
    wait_answer(w, false, value_of(w));
}

static void on_gone(struct exch *x) {
    wait_end(x->owner);
}

static void on_prepare(uv_prepare_t *p) {
    struct waits *all = p->data;
    struct wait *next;
    if (!all->sim->changed)
        return;
    all->sim->changed = false;
    for (struct wait *w = all->first; w; w = next) {
        int64_t v = value_of(w);
        next = w->next;
        if (holds(w, v))
            wait_answer(w, true, v);
    }
}

struct waits *waits_new(struct sim *sim) {
    struct waits *all = xalloc(sizeof *all);
    all->sim = sim;
    all->prepare = xalloc(sizeof *all->prepare);
    uv_prepare_init(sim->loop, all->prepare);
    all->prepare->data = all;
    uv_prepare_start(all->prepare, on_prepare);
    return all;
}

void waits_stop(struct waits *all) {
    while (all->first)
        wait_answer(all->first, false, value_of(all->first));
}

static void on_prepare_closed(uv_handle_t *h) {
    free(h);
}

void waits_free(struct waits *all) {
    if (!all)
        return;
    uv_close((uv_handle_t *)all->prepare, on_prepare_closed);
    free(all);
}

void waits_on_request(struct sim *sim, struct exch *x) {
    struct wait *w = xalloc(sizeof *w);
    const char *q = x->http->query;
    int64_t timeout = 5000, v;
    w->all = sim->waits;
    w->x = x;
    query_get(q, "for", w->name, sizeof w->name);
    query_get(q, "contains", w->contains, sizeof w->contains);
    query_get(q, "equals", w->equals, sizeof w->equals);
    query_get(q, "bot", w->bot, sizeof w->bot);
    (void)query_i64(q, "chat", &w->chat);       /* absent: 0; only text needs it */
    (void)query_i64(q, "timeout_ms", &timeout);
    w->has_min = query_i64(q, "min", &w->min);
    w->has_max = query_i64(q, "max", &w->max);
    if (query_i64(q, "after", &w->min)) {
        w->has_min = true;
        w->min++;
    }
    if (!strcmp(w->name, "text") ? !w->chat || (!*w->contains && !*w->equals) : !*w->name || (!w->has_min && !w->has_max)) {
        free(w);
        control_refuse(x, "wait: for=NAME and min=, after= or max=; or for=text with chat= and contains= or equals=");
        return;
    }
    uv_timer_init(sim->loop, &w->timer);
    w->timer.data = w;
    w->next = sim->waits->first;
    sim->waits->first = w;
    x->owner = w;
    x->on_gone = on_gone;
    v = value_of(w);
    if (holds(w, v) || timeout <= 0)
        wait_answer(w, holds(w, v), v);
    else
        uv_timer_start(&w->timer, on_timeout, (uint64_t)(timeout < TIMEOUT_MAX_MS ? timeout : TIMEOUT_MAX_MS), 0);
}
