/*   head ──▶ path, method, secret, length ──▶ body ──▶ an update? ──▶ accept ──▶ 200
 *                  404 405 401 413                        400          │
 *                                                                      ├─ Redis is away, or silent for long, or too many wait: 429
 *                                                                      └─ Redis refused it: 429, and at last `dead` and 200
 *
 * 200 is what confirms, so it is said only when Redis has the update. 429 with Retry-After is how Telegram is asked to keep it;
 * nothing is kept here but what stands in an open connection, and those are counted. Telegram repeats whatever was not answered
 * with 2xx; accept knows the ids of what it has.
 *
 * While Redis thinks, the connection is suspended; libmicrohttpd watches no clock for those, and none over a whole request, so
 * there is one here: each connection has a moment at which it is cut, and each delivery one at which it is put off. */
#include "ingest/webhook.h"
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include "ingest/accept.h"
#include "ingest/identity.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/metrics.h"
#include "services/server.h"

enum {
    CONNECTIONS_MOST = 512, UNDER_WAY_MOST = 256, OUTSTANDING_MOST = 2000, BODY_MOST = 1 << 20,
    HEAD_MS = 10 * SECOND, BODY_MS = 10 * SECOND, ANSWER_MS = 5 * SECOND, WRITE_MS = 10 * SECOND, DRAIN_MS = 2 * SECOND,
    IDLE_MS = 60 * SECOND,       /* a proxy keeps its connections for the next call */
    SWEEP_MS = 250, LISTEN_AGAIN_MS = 5 * SECOND,
    SOON_S = 1, AWAY_S = 3       /* Retry-After: of what passes by itself; while Redis is not there */
};

struct peer {                    /* an open connection */
    LIST_ENTRY(peer) link;
    int fd;
    bool asks;                   /* something of a request is under way on it */
    int64_t cut_ms;              /* when it is cut; 0: not while its delivery waits */
};

struct delivery {                /* one call of the webhook, from its head to the end of its answer */
    LIST_ENTRY(delivery) link;   /* in waiting, while it is suspended */
    struct webhook *hook;
    struct peer *peer;
    struct MHD_Connection *connection;
    struct buf body;
    struct accept *accept;
    struct redis_call *call;
    int64_t update, due_ms;      /* when it is put off */
    unsigned status, retry_s;    /* 0: not decided; Retry-After, 0: none */
    bool suspended;
};

struct webhook {
    struct svc *svc;
    struct server *server;       /* NULL: the address is not free yet */
    char *path;
    char secret[WEBHOOK_SECRET_SIZE];
    uv_timer_t sweep;
    LIST_HEAD(, peer) peers;
    LIST_HEAD(, delivery) waiting;
    unsigned under_way;
    int64_t listen_again_ms;
    bool up, draining, stranger_seen;
};

#define STATUS(code) { "webhook_calls_total", "Calls of the webhook, by how they were answered.", "status=\"" code "\"", METRIC_COUNTER }
static struct metric answered_200 = STATUS("200"), answered_400 = STATUS("400"), answered_401 = STATUS("401"),
    answered_413 = STATUS("413"), answered_429 = STATUS("429"), answered_other = STATUS("other");
static struct metric cut = { "webhook_cut_total", "Connections that were too slow and were cut.", NULL, METRIC_COUNTER };
static struct metric under_way = { "webhook_under_way", "Calls of the webhook that have no answer yet.", NULL, METRIC_GAUGE };

/* ---- what it is known by ---- */

void webhook_secret(char ret_secret[WEBHOOK_SECRET_SIZE]) {
    static const char purpose[] = "gpttg webhook secret";
    if (setting_is_set("WEBHOOK_SECRET")) {
        snprintf(ret_secret, WEBHOOK_SECRET_SIZE, "%s", setting_text("WEBHOOK_SECRET"));
        return;
    }
    const char *token = setting_text("BOT_TOKEN");
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!HMAC(EVP_sha256(), token, (int)strlen(token), (const unsigned char *)purpose, sizeof purpose - 1, mac, &len))
        abort(); /* no memory */
    for (unsigned i = 0; i < len; i++)
        snprintf(ret_secret + 2 * i, 3, "%02x", mac[i]);
    log_secret(ret_secret);
}

const char *webhook_path(const char *url) {
    const char *at = strstr(url, "://");
    at = strchr(at ? at + 3 : url, '/');
    return at ? at : "/";
}

/* In a time that says nothing about where the two differ. (Of which length ours is is no secret.) */
static bool is_secret(const struct webhook *w, const char *given) {
    size_t len = strlen(w->secret);
    return given && strlen(given) == len && !CRYPTO_memcmp(given, w->secret, len);
}

/* There is no row here, but tests kill us at these places too. */
static void place(const char *name) {
    if (steps_hook)
        steps_hook(name);
}

/* ---- the answer ---- */

static void count(unsigned status) {
    metric_add(status == 200 ? &answered_200 : status == 400 ? &answered_400 : status == 401 ? &answered_401 :
               status == 413 ? &answered_413 : status == 429 ? &answered_429 : &answered_other, 1);
}

static enum MHD_Result say(struct delivery *d, unsigned status) {
    const char *extra[7] = { NULL };
    char seconds[12];
    int n = 0;
    if (d->retry_s) {
        snprintf(seconds, sizeof seconds, "%u", d->retry_s);
        extra[n++] = MHD_HTTP_HEADER_RETRY_AFTER;
        extra[n++] = seconds;
    }
    if (status == 405) {
        extra[n++] = MHD_HTTP_HEADER_ALLOW;
        extra[n++] = MHD_HTTP_METHOD_POST;
    }
    if (d->hook->draining) {
        extra[n++] = MHD_HTTP_HEADER_CONNECTION;
        extra[n++] = "close";
    }
    count(status);
    d->peer->cut_ms = clock_mono_ms() + WRITE_MS;
    return server_answer(d->connection, status, "text/plain", "", 0, extra);
}

/* It was decided outside of libmicrohttpd: wake the connection, which asks for the answer in its next turn. */
static void settle(struct delivery *d, unsigned status, unsigned retry_s) {
    accept_forget(d->accept);
    redis_forget(d->call);
    d->accept = NULL;
    d->call = NULL;
    d->status = status;
    d->retry_s = retry_s;
    d->suspended = false;
    LIST_REMOVE(d, link);
    MHD_resume_connection(d->connection);
}

static void settle_now(struct delivery *d, unsigned status, unsigned retry_s) {
    struct webhook *w = d->hook;
    settle(d, status, retry_s);
    server_turn(w->server);
}

static void put_all_off(struct webhook *w, unsigned retry_s) {
    if (LIST_EMPTY(&w->waiting))
        return;
    while (!LIST_EMPTY(&w->waiting))
        settle(LIST_FIRST(&w->waiting), 429, retry_s);
    server_turn(w->server);
}

/* ---- Redis has answered ---- */

static void on_buried(const redisReply *reply, void *owner) {
    struct delivery *d = owner;
    d->call = NULL;
    settle_now(d, 200, 0);
}

static void args_refused_key(struct args *args, const struct delivery *d) {
    char key[300];
    snprintf(key, sizeof key, "%srefused:%" PRId64, d->hook->svc->prefix, d->update);
    args_str(args, key);
}

/* Commands are answered in their order: when the counter is gone, the update is in `dead`. */
static void bury(struct delivery *d) {
    struct svc *s = d->hook->svc;
    place("bury");
    log_error(NULL, "update %" PRId64 " is given up: Redis refuses it again and again", d->update);
    accept_bury(s->redis, s->prefix, d->update, "Redis refused it: see ingest's log");
    struct args args = { 0 };
    args_str(&args, "DEL");
    args_refused_key(&args, d);
    d->call = redis_command(s->redis, &args, on_buried, d);
}

static void on_counted(const redisReply *reply, void *owner) {
    struct delivery *d = owner;
    d->call = NULL;
    int64_t times = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 1;
    if (times >= setting_number("MAX_ATTEMPTS"))
        bury(d);
    else
        settle_now(d, 429, 1U << (times < 6 ? times - 1 : 5));
}

/* How often an update was refused is counted in Redis, because it may come to another of us the next time. */
static void count_refusal(struct delivery *d) {
    static const char script[] = "local n = redis.call('INCR', KEYS[1]) redis.call('EXPIRE', KEYS[1], 172800) return n";
    struct args args = { 0 };
    args_str(&args, "EVAL");
    args_str(&args, script);
    args_int(&args, 1);
    args_refused_key(&args, d);
    d->call = redis_command(d->hook->svc->redis, &args, on_counted, d);
}

static void on_accepted(bool accepted, void *owner) {
    struct delivery *d = owner;
    d->accept = NULL;
    place("confirm");
    if (accepted)
        settle_now(d, 200, 0);
    else
        count_refusal(d);
}

/* ---- a call ---- */

/* What can be said without the body: a status, or 0. */
static unsigned judge_head(struct delivery *d, const char *url, const char *method) {
    struct webhook *w = d->hook;
    if (strcmp(url, w->path))
        return 404;
    if (strcmp(method, MHD_HTTP_METHOD_POST))
        return 405;
    if (!is_secret(w, MHD_lookup_connection_value(d->connection, MHD_HEADER_KIND, "X-Telegram-Bot-Api-Secret-Token"))) {
        if (!w->stranger_seen)
            log_warn(NULL, "webhook: a call without the right secret was refused; further ones are only counted");
        w->stranger_seen = true;
        return 401;
    }
    const char *length = MHD_lookup_connection_value(d->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return length && strtoull(length, NULL, 10) > BODY_MOST ? 413 : 0;
}

static void put_off(struct delivery *d, unsigned retry_s) {
    d->status = 429;
    d->retry_s = retry_s;
}

static void suspend(struct delivery *d) {
    struct webhook *w = d->hook;
    d->suspended = true;
    d->due_ms = clock_mono_ms() + ANSWER_MS;
    d->peer->cut_ms = 0;
    LIST_INSERT_HEAD(&w->waiting, d, link);
    MHD_suspend_connection(d->connection);
}

static bool is_group(const struct update *u) {
    return !strcmp(u->chat_type, "group") || !strcmp(u->chat_type, "supergroup");
}

/* The body is whole: what becomes of it? Afterwards there is a status, or it waits for Redis. */
static void deliver(struct delivery *d) {
    struct webhook *w = d->hook;
    struct update u;
    cJSON *json = json_parse(buf_cstr(&d->body), d->body.len);
    struct arena *mem = arena_new();
    if (!cJSON_IsObject(json) || update_read(mem, json, &u)) {
        log_warn(NULL, "webhook: a call that is no update was refused");
        d->status = 400;
    } else if (is_group(&u) && !identity_was_asked()) {
        put_off(d, SOON_S); /* was it meant for us? Nobody has told us our name yet */
    } else {
        place("accept");
        d->update = u.id;
        d->accept = accept_update(w->svc->redis, &u, on_accepted, d);
        if (d->accept)
            suspend(d);
        else
            d->status = 200;
    }
    arena_free(mem);
    cJSON_Delete(json);
    buf_done(&d->body);
}

static struct delivery *begin(struct webhook *w, struct MHD_Connection *c) {
    struct delivery *d = alloc_zero(sizeof *d);
    d->hook = w;
    d->connection = c;
    d->peer = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    d->peer->asks = true;
    d->peer->cut_ms = clock_mono_ms() + (w->draining ? DRAIN_MS : BODY_MS);
    buf_init(&d->body, BODY_MOST);
    metric_set(&under_way, ++w->under_way);
    return d;
}

static enum MHD_Result on_request(void *owner, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *body, size_t *body_len, void **state) {
    struct webhook *w = owner;
    struct delivery *d = *state;
    if (!d) {
        *state = d = begin(w, c);
        unsigned status = judge_head(d, url, method);
        if (!status && w->under_way > UNDER_WAY_MOST)
            put_off(d, SOON_S); /* said when the body has gone by: who is cut off while he speaks does not hear it */
        return status ? say(d, status) : MHD_YES;
    }
    if (*body_len) {
        if (!d->status && !buf_add(&d->body, body, *body_len)) {
            d->status = 413;
            buf_done(&d->body);
        }
        *body_len = 0;
        return MHD_YES;
    }
    if (!d->status && (!w->up || !redis_is_up(w->svc->redis)))
        put_off(d, AWAY_S);
    else if (!d->status && redis_outstanding(w->svc->redis) > OUTSTANDING_MOST)
        put_off(d, SOON_S); /* it is there, but slower than we ask */
    if (!d->status)
        deliver(d);
    return d->status ? say(d, d->status) : MHD_YES;
}

/* Called for each request that had a head, whichever way it ended. */
static void on_completed(void *owner, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode how) {
    struct webhook *w = owner;
    struct delivery *d = *state;
    if (!d)
        return;
    *state = NULL;
    accept_forget(d->accept);
    redis_forget(d->call);
    if (d->suspended)
        LIST_REMOVE(d, link);
    d->peer->asks = false;
    d->peer->cut_ms = clock_mono_ms() + IDLE_MS;
    buf_done(&d->body);
    free(d);
    metric_set(&under_way, --w->under_way);
}

static void on_connection(void *owner, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode what) {
    struct webhook *w = owner;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        struct peer *p = alloc_zero(sizeof *p);
        p->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        p->cut_ms = clock_mono_ms() + HEAD_MS;
        LIST_INSERT_HEAD(&w->peers, p, link);
        *context = p;
    } else if (*context) {
        struct peer *p = *context;
        LIST_REMOVE(p, link);
        free(p);
        *context = NULL;
    }
}

/* ---- the clock ---- */

static void listen_now(struct webhook *w) {
    w->listen_again_ms = clock_mono_ms() + LISTEN_AGAIN_MS;
    w->server = server_new(w->svc->loop, &(struct server_options){
        .listen = setting_text("WEBHOOK_LISTEN"), .setting = "WEBHOOK_LISTEN", .connections_most = CONNECTIONS_MOST,
        .idle_s = 2 * IDLE_MS / SECOND, .suspends = true, .shared = true,
        .on_request = on_request, .on_completed = on_completed, .on_connection = on_connection, .owner = w,
    });
    if (w->server)
        log_info(NULL, "webhook: served on port %u", server_port(w->server)); /* its path may be a secret */
}

static void on_sweep(uv_timer_t *timer) {
    struct webhook *w = timer->data;
    int64_t now = clock_mono_ms();
    if (!w->server) {
        if (now >= w->listen_again_ms && !w->draining)
            listen_now(w);
        return;
    }
    for (struct delivery *d = LIST_FIRST(&w->waiting), *next; d; d = next) {
        next = LIST_NEXT(d, link);
        if (now >= d->due_ms)
            settle(d, 429, AWAY_S);
    }
    struct peer *p;
    LIST_FOREACH(p, &w->peers, link) {
        if (!p->cut_ms || now < p->cut_ms)
            continue;
        (void)shutdown(p->fd, SHUT_RDWR); /* libmicrohttpd sees the end of it, and closes; gone already is fine */
        p->cut_ms = now + IDLE_MS;
        metric_add(&cut, p->asks);
    }
    server_turn(w->server); /* always: when it is full it stops listening, and looks for room only when it is called */
}

/* ---- life ---- */

struct webhook *webhook_new(struct svc *s) {
    struct webhook *w = alloc_zero(sizeof *w);
    const char *path = webhook_path(setting_text("WEBHOOK_URL"));
    w->svc = s;
    w->path = alloc_copy(path, strlen(path));
    MHD_http_unescape(w->path); /* as it does with what is asked for */
    webhook_secret(w->secret);
    LIST_INIT(&w->peers);
    LIST_INIT(&w->waiting);
    metrics_list((struct metric *const[]){ &answered_200, &answered_400, &answered_401, &answered_413, &answered_429, &answered_other,
                                           &cut, &under_way, NULL });
    uv_timer_init(s->loop, &w->sweep);
    w->sweep.data = w;
    uv_timer_start(&w->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    listen_now(w);
    return w;
}

void webhook_on_redis(struct webhook *w, bool up) {
    w->up = up;
    if (!up)
        put_all_off(w, AWAY_S);
}

void webhook_drain(struct webhook *w) {
    int64_t soon = clock_mono_ms() + DRAIN_MS;
    w->draining = true;
    if (!w->server)
        return;
    server_close_door(w->server);
    struct peer *p;
    LIST_FOREACH(p, &w->peers, link)
        if (p->cut_ms > soon)
            p->cut_ms = soon;
}

bool webhook_is_idle(const struct webhook *w) {
    return w->under_way == 0;
}

bool webhook_is_healthy(const struct webhook *w) {
    return w->server != NULL;
}

static void on_closed(uv_handle_t *timer) {
    struct webhook *w = timer->data;
    free(w->path);
    free(w);
}

void webhook_free(struct webhook *w) {
    if (!w)
        return;
    put_all_off(w, SOON_S); /* nothing suspended may be left */
    server_free(w->server);
    w->server = NULL;
    uv_close((uv_handle_t *)&w->sweep, on_closed);
}
