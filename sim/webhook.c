#include "sim/webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/calls.h"
#include "sim/params.h"
#include "sim/poster.h"
#include "sim/updates.h"

enum { CONNECTIONS_MAX = 100, RETRY_AFTER_MAX_S = 3600 };

struct queue {
    struct webhook *hook;
    struct queue *next;         /* in the list of ready ones */
    char key[64];
    struct update *first, *last;
    uv_timer_t *timer;          /* while it waits after a failure */
    int64_t wait_ms;            /* of the failure before; 0: none */
    int tries;                  /* of its first update */
};

struct slot {
    struct webhook *hook;
    struct poster *poster;
    struct queue *queue;        /* whose first update is on its way; NULL: idle */
    uint64_t since_ms;
};

struct webhook {
    struct bot *bot;
    char *url, *secret, *host, *path;
    int port, max_connections;
    struct map queues;          /* key → struct queue * */
    struct queue *ready, **ready_end;
    struct slot slots[CONNECTIONS_MAX];
    char error[128];
    int64_t error_at_ms;
};

static void run(struct webhook *w);

static void on_timer_closed(uv_handle_t *h) {
    free(h);
}

static void stop_timer(struct queue *q) {
    if (q->timer)
        uv_close((uv_handle_t *)q->timer, on_timer_closed);
    q->timer = NULL;
}

static void make_ready(struct queue *q) {
    q->next = NULL;
    *q->hook->ready_end = q;
    q->hook->ready_end = &q->next;
}

/* ---- which queue ---- */

static int64_t id_in(const cJSON *o, const char *name) {
    int64_t id = 0;
    (void)json_i64(cJSON_GetObjectItemCaseSensitive(o, name), "id", &id);      /* absent: 0 */
    return id;
}

static void find_key(struct update *u, char *room, size_t cap) {
    static const char *const written[] = { "message", "edited_message", "channel_post", "edited_channel_post", "business_message", "edited_business_message" };
    cJSON *o = json_read(u->json, u->len), *i;
    const char *kind = "";
    int64_t user = 0;
    bool is_written = false;
    cJSON_ArrayForEach(i, o)
        if (strcmp(i->string, "update_id") && cJSON_IsObject(i)) {
            kind = i->string;
            u->chat = id_in(i, "chat");
            if (!u->chat)
                u->chat = id_in(cJSON_GetObjectItemCaseSensitive(i, "message"), "chat");
            user = id_in(i, "from");
        }
    for (size_t k = 0; k < sizeof written / sizeof *written; k++)
        is_written = is_written || !strcmp(written[k], kind);
    if (is_written)
        snprintf(room, cap, "%lld", (long long)u->chat);
    else
        snprintf(room, cap, "%.30s:%lld", kind, (long long)(user ? user : u->chat));
    cJSON_Delete(o);
}

void webhook_add(struct webhook *w, struct update *u) {
    char key[64];
    struct queue *q;
    u->next = NULL;
    find_key(u, key, sizeof key);
    q = map_get(&w->queues, key);
    if (q) {
        q->last = q->last->next = u;
        return;
    }
    q = xalloc(sizeof *q);
    q->hook = w;
    q->first = q->last = u;
    snprintf(q->key, sizeof q->key, "%s", key);
    map_put(&w->queues, key, q);
    make_ready(q);
    run(w);
}

/* ---- on its way ---- */

static void on_waited(uv_timer_t *t) {
    struct queue *q = t->data;
    stop_timer(q);
    make_ready(q);
    run(q->hook);
}

static void wait_and_repeat(struct queue *q, int64_t retry_after_s) {
    const struct telegram *t = q->hook->bot->sim->telegram;
    int64_t ms;
    q->wait_ms = q->wait_ms ? q->wait_ms * 2 : t->webhook_first_ms;
    if (q->wait_ms > t->webhook_cap_ms)
        q->wait_ms = t->webhook_cap_ms;
    ms = retry_after_s < 0 ? q->wait_ms : (retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S) * 1000;
    q->timer = xalloc(sizeof *q->timer);
    uv_timer_init(q->hook->bot->sim->loop, q->timer);
    q->timer->data = q;
    uv_timer_start(q->timer, on_waited, (uint64_t)ms, 0);
}

static void note(struct webhook *w, const struct queue *q, const struct post_result *r, uint64_t ms) {
    struct sim *sim = w->bot->sim;
    struct buf b = {0};
    bool good = r->status >= 200 && r->status < 300;
    buf_fmt(&b, "{\"update_id\":%lld,\"try\":%d,\"ms\":%lld}", (long long)q->first->id, q->tries, (long long)ms);
    calls_add(sim, "webhook", "POST", q->first->chat, r->status, good ? NULL : w->error, 0, b.p, b.n);
    buf_done(&b);
    sim_count(sim, good ? "webhook.delivered" : "webhook.failed", 1);
}

static void on_done(void *ctx, struct poster *p, const struct post_result *r) {
    struct slot *s = ctx;
    struct webhook *w = s->hook;
    struct queue *q = s->queue;
    struct telegram *t = w->bot->sim->telegram;
    struct post_result seen = *r;
    struct update *u = q->first;
    s->queue = NULL;
    q->tries++;
    if (seen.status >= 200 && seen.status < 300 && t->webhook_lose > 0) {
        t->webhook_lose--;
        seen = (struct post_result){ .error = "Connection closed", .retry_after_s = -1 };
    }
    if (seen.status < 200 || seen.status >= 300) {
        if (seen.status)
            snprintf(w->error, sizeof w->error, "Wrong response from the webhook: %d %s", seen.status, http_reason(seen.status));
        else
            snprintf(w->error, sizeof w->error, "%s", seen.error);
        w->error_at_ms = sim_now_ms();
        note(w, q, &seen, uv_now(w->bot->sim->loop) - s->since_ms);
        wait_and_repeat(q, seen.retry_after_s);
    } else {
        note(w, q, &seen, uv_now(w->bot->sim->loop) - s->since_ms);
        q->wait_ms = q->tries = 0;
        q->first = u->next;
        updates_delivered(w->bot, u);
        if (q->first) {
            make_ready(q);
        } else {
            map_del(&w->queues, q->key);
            free(q);
        }
    }
    run(w);
}

static void post(struct slot *s, struct queue *q) {
    struct webhook *w = s->hook;
    struct buf b = {0};
    s->queue = q;
    s->since_ms = uv_now(w->bot->sim->loop);
    if (!s->poster)
        s->poster = poster_new(w->bot->sim->loop, w->host, w->port, on_done, s);
    buf_fmt(&b, "POST %s HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: keep-alive\r\n", w->path, w->host, w->port, q->first->len);
    if (*w->secret)
        buf_fmt(&b, "X-Telegram-Bot-Api-Secret-Token: %s\r\n", w->secret);
    buf_str(&b, "\r\n");
    buf_add(&b, q->first->json, q->first->len);
    sim_count(w->bot->sim, "webhook.tries", 1);
    poster_send(s->poster, b.p, b.n, w->bot->sim->telegram->webhook_timeout_ms);
    buf_done(&b);
}

static void run(struct webhook *w) {
    for (int i = 0; i < w->max_connections && w->ready && w->host; i++) {
        struct queue *q = w->ready;
        if (w->slots[i].queue)
            continue;
        w->ready = q->next;
        if (!w->ready)
            w->ready_end = &w->ready;
        post(&w->slots[i], q);
    }
}

/* ---- life ---- */

/* http://host[:port][/path]; anything else is nowhere to go to. */
static void split_url(struct webhook *w) {
    const char *s = w->url + 7, *end, *colon;
    if (strncmp(w->url, "http://", 7))
        return;
    end = s + strcspn(s, "/?");
    if (*s == '[') {
        const char *close = memchr(s, ']', (size_t)(end - s));
        if (!close)
            return;
        w->host = xndup(s + 1, (size_t)(close - s) - 1);
        colon = close[1] == ':' ? close + 1 : NULL;
    } else {
        colon = memchr(s, ':', (size_t)(end - s));
        w->host = xndup(s, (size_t)((colon ? colon : end) - s));
    }
    w->port = colon ? atoi(colon + 1) : 80;
    w->path = xdup(*end == '/' ? end : "/");
}

struct webhook *webhook_new(struct bot *bot, const struct webhook_to *to) {
    struct webhook *w = xalloc(sizeof *w);
    w->bot = bot;
    w->url = xdup(to->url);
    w->secret = xdup(to->secret);
    w->max_connections = to->max_connections;
    w->ready_end = &w->ready;
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        w->slots[i].hook = w;
    split_url(w);
    for (size_t i = bot->updates_begin; i < bot->updates_len; i++)
        webhook_add(w, bot->updates[i]);
    return w;
}

void webhook_free(struct webhook *w) {
    size_t at = 0;
    void *v;
    if (!w)
        return;
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        poster_close(w->slots[i].poster);
    while (map_next(&w->queues, &at, &v)) {
        stop_timer(v);
        free(v);
    }
    map_done(&w->queues);
    free(w->url);
    free(w->secret);
    free(w->host);
    free(w->path);
    free(w);
}

bool webhook_is(const struct webhook *w, const struct webhook_to *to) {
    return w && !strcmp(w->url, to->url) && !strcmp(w->secret, to->secret) && w->max_connections == to->max_connections;
}

const char *webhook_url(const struct webhook *w) {
    return w->url;
}

void webhook_info(const struct webhook *w, struct buf *b) {
    buf_fmt(b, ",\"max_connections\":%d,\"ip_address\":\"127.0.0.1\"", w->max_connections);
    if (!w->error_at_ms)
        return;
    buf_fmt(b, ",\"last_error_date\":%lld,\"last_error_message\":", (long long)(w->error_at_ms / 1000));
    buf_json_str(b, w->error);
}
