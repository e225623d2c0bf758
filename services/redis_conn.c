#include "services/redis_conn.h"
#include <errno.h>
#include <hiredis/async.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "services/alloc.h"
#include "services/clock.h"
#include "services/log.h"
#include "services/metrics.h"
#include "services/redis_replies.h"
#include "services/redis_tls.h"
#include "services/redis_uv.h"

const struct redis_tuning redis_usual = {
    .connect_ms = 5000, .silence_ms = 5000, .ping_ms = 2000, .tick_ms = 250, .rest_min_ms = 50, .rest_max_ms = 2000,
    .block_ms = 2000, .most_bytes = 8 << 20, .most_commands = 10000,
};

enum { ADDRESSES = 8, MINUTE = 60 * SECOND, COMPLAINTS = 4, COMPLAINT = 300, PLACE = 120 };

static struct metric reconnects = {"redis_reconnects_total", "connections to Redis that broke", NULL, METRIC_COUNTER};

struct lookup {                             /* outlives its connection: a look-up on the thread pool cannot always be cancelled */
    uv_getaddrinfo_t request;
    struct conn *conn;                      /* NULL: nobody waits for it */
};

struct conn {
    struct conn_options o;
    enum { RESTING, CONNECTING, LOGGING_IN, OPEN, CLOSING } state;
    uv_timer_t timer;                       /* the rest, the deadline or the watchdog, as state says */
    redisAsyncContext *ac;
    struct lookup *lookup;
    char addresses[ADDRESSES][64];
    int addresses_count, address_next;
    int login_left;                         /* answers of the login still to come */
    unsigned expected;                      /* answers that are due */
    int64_t sent_ms;                        /* when something became due, nothing having been due before */
    int64_t heard_ms, opened_ms, tick_ms;
    int rest_ms;                            /* upper end of the next rest */
    size_t half_read;                       /* bytes of an answer that is coming */
    int64_t ping_ms, proved_ms;             /* when the PING that is under way was sent, the last answered one */
    struct complaint { char text[COMPLAINT]; int64_t at_ms; } said[COMPLAINTS];     /* the last ones: each is made once a minute */
    unsigned said_next, seed;
};

static char login_tag, ping_tag;

static void set_state(struct conn *c, int state, int wait_ms, int repeat_ms);
static void attempt(struct conn *c);

/* ---- ends ---- */

static void complain(struct conn *c, const char *why) {
    int64_t now = clock_mono_ms();
    for (int i = 0; i < COMPLAINTS; i++)
        if (c->said[i].at_ms && now - c->said[i].at_ms < MINUTE && strcmp(c->said[i].text, why) == 0)
            return;
    struct complaint *new = &c->said[c->said_next++ % COMPLAINTS];
    snprintf(new->text, sizeof new->text, "%s", why);
    new->at_ms = now;
    if (c->o.loud)
        log_warn(NULL, "redis: %s: %s; trying again", c->o.role, why);
    else
        log_debug(NULL, "redis: %s: %s; trying again", c->o.role, why);
}

/* Let go of the context. hiredis may still call its callbacks, now or behind the callback that we are in: they find no owner. */
static void drop_context(struct conn *c) {
    redisAsyncContext *ac = c->ac;
    c->ac = NULL;
    if (ac) {
        ac->data = NULL;
        redisAsyncFree(ac);
    }
}

static void drop_lookup(struct conn *c) {
    if (!c->lookup)
        return;
    c->lookup->conn = NULL;
    uv_cancel((uv_req_t *)&c->lookup->request); /* fails when it runs already: then it ends by itself and finds nobody */
    c->lookup = NULL;
}

/* This connection or attempt is over. The next address at once when there is one; else a rest. */
static void fail(struct conn *c, const char *why) {
    bool was_open = c->state == OPEN;
    if (c->state == CLOSING)
        return;
    drop_lookup(c);
    drop_context(c);
    if (was_open) {
        metric_add(&reconnects, 1);
        if (clock_mono_ms() - c->opened_ms >= c->o.tuning->rest_max_ms) /* it was a good one: do not make its end worse */
            c->rest_ms = c->o.tuning->rest_min_ms;
        c->address_next = c->addresses_count; /* look the name up again */
    }
    complain(c, why);
    int wait = 0;
    if (c->address_next >= c->addresses_count) {
        int least = c->o.tuning->rest_min_ms;
        c->rest_ms = c->rest_ms * 2 > c->o.tuning->rest_max_ms ? c->o.tuning->rest_max_ms : c->rest_ms * 2;
        wait = least + rand_r(&c->seed) % (c->rest_ms - least + 1); /* jitter: all workers lost it at the same moment */
    }
    set_state(c, RESTING, wait, 0);
    if (was_open)
        c->o.on_lost(c->o.owner);
}

void conn_break(struct conn *c, const char *why) {
    char copy[COMPLAINT];                /* it may be in the reply that goes with the context */
    snprintf(copy, sizeof copy, "%s", why);
    fail(c, copy);
}

/* ---- answers ---- */

static bool is_message(const redisReply *reply) {
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 && reply->element[0]->type == REDIS_REPLY_STRING &&
           strcmp(reply->element[0]->str, "message") == 0;
}

static void on_login(struct conn *c, const redisReply *reply) {
    bool refused = reply->type == REDIS_REPLY_ERROR;
    if (refused && c->login_left == 1) /* SETNAME: a name is a courtesy to people, who may have forbidden it */
        refused = strncmp(reply->str, "NOPERM", 6) != 0 && strncmp(reply->str, "ERR unknown", 11) != 0;
    if (refused) {
        char why[COMPLAINT];
        snprintf(why, sizeof why, "cannot log in: %.120s", reply->str);
        fail(c, why);
        return;
    }
    if (--c->login_left > 0)
        return;
    c->opened_ms = clock_mono_ms();
    set_state(c, OPEN, c->o.tuning->tick_ms, c->o.tuning->tick_ms);
    c->o.on_open(c->o.owner);
}

static void on_any_reply(redisAsyncContext *ac, void *data, void *tag) {
    struct conn *c = ac->data;
    const redisReply *reply = data;
    if (!c || !reply) /* dying: see on_disconnected */
        return;
    c->heard_ms = clock_mono_ms();
    if (!c->o.subscribes || !is_message(reply)) {
        if (c->expected)
            c->expected--;
        c->sent_ms = c->heard_ms;
    }
    if (tag == &login_tag)
        on_login(c, reply);
    else if (tag == &ping_tag)
        c->proved_ms = c->ping_ms;
    else
        c->o.on_reply(reply, tag, c->o.owner);
}

bool conn_send(struct conn *c, int count, const char **words, const size_t *lens, void *tag) {
    if (!c->ac)
        return false;
    /* hiredis reads REDIS_ERR as: dying. Its callbacks tell us so in a moment. */
    if (redisAsyncCommandArgv(c->ac, on_any_reply, tag, count, words, lens) != REDIS_OK)
        return false;
    if (c->expected++ == 0)
        c->sent_ms = clock_mono_ms();
    return true;
}

bool conn_say(struct conn *c, void *tag, int count, ...) {
    const char *words[16];
    size_t lens[16];
    va_list list;
    if (count > 16)
        abort(); /* nobody says that much: a mistake in the caller */
    va_start(list, count);
    for (int i = 0; i < count; i++) {
        words[i] = va_arg(list, const char *);
        lens[i] = strlen(words[i]);
    }
    va_end(list);
    return conn_send(c, count, words, lens, tag);
}

/* ---- the watchdog ---- */

static void ping(struct conn *c, int64_t now) {
    c->ping_ms = now;
    conn_say(c, &ping_tag, 1, "PING");
}

static void watch(struct conn *c) {
    int64_t now = clock_mono_ms(), slept = now - c->tick_ms;
    c->tick_ms = now;
    if (slept > c->o.tuning->tick_ms + c->o.tuning->silence_ms / 2)
        c->sent_ms = now; /* we were the ones who were frozen: what has come meanwhile is still to be read */
    if (c->ac && c->ac->c.reader->len > c->half_read)
        c->sent_ms = now; /* a large answer on a slow line is no silence */
    c->half_read = c->ac ? c->ac->c.reader->len : 0;
    if (c->expected && now - c->sent_ms >= c->o.tuning->silence_ms) {
        fail(c, "silent for too long");
        return;
    }
    if (!c->expected && now - c->heard_ms >= c->o.tuning->ping_ms) {
        if (c->o.on_idle)
            c->o.on_idle(c->o.owner);
        else
            ping(c, now);
    }
}

/* ---- connecting ---- */

static void log_in(struct conn *c) {
    const struct redis_address *a = c->o.address;
    char db[16];
    c->state = LOGGING_IN; /* the same deadline goes on */
    c->login_left = 1 + (a->password ? 1 : 0) + (a->db ? 1 : 0);
    if (a->password && a->user)
        conn_say(c, &login_tag, 3, "AUTH", a->user, a->password);
    else if (a->password)
        conn_say(c, &login_tag, 2, "AUTH", a->password);
    snprintf(db, sizeof db, "%d", a->db);
    if (a->db)
        conn_say(c, &login_tag, 2, "SELECT", db);
    conn_say(c, &login_tag, 3, "CLIENT", "SETNAME", c->o.name);
}

static const char *place_of(const struct conn *c, char out[PLACE]) {
    if (c->o.address->path)
        snprintf(out, PLACE, "%s", c->o.address->path);
    else
        snprintf(out, PLACE, "%.60s:%d", c->o.address->host, c->o.address->port);
    return out;
}

static const char *reason_of(const struct conn *c, const redisAsyncContext *ac) {
    const char *tls = c->o.address->tls ? redis_tls_why() : NULL;
    if (tls)
        return tls;
    return ac->c.errstr[0] ? ac->c.errstr : "no reason given"; /* the plain context's: in 0.14 ac->err is set too late */
}

static void on_connected(const redisAsyncContext *ac, int status) {
    struct conn *c = ac->data;
    if (!c)
        return;
    if (status == REDIS_OK) {
        log_in(c);
        return;
    }
    char why[COMPLAINT], place[PLACE];
    snprintf(why, sizeof why, "cannot connect to %s: %s", place_of(c, place), reason_of(c, ac));
    c->ac = NULL; /* hiredis frees it itself, and calls nobody any more */
    ((redisAsyncContext *)(uintptr_t)ac)->data = NULL;
    fail(c, why);
}

static void on_disconnected(const redisAsyncContext *ac, int status) {
    struct conn *c = ac->data;
    if (!c) /* our own doing */
        return;
    char why[COMPLAINT];
    snprintf(why, sizeof why, "connection lost: %s", reason_of(c, ac));
    c->ac = NULL;
    fail(c, why);
}

static void set_socket_options(const redisAsyncContext *ac) {
    int yes = 1, idle = 15, again = 5, times = 3;
    int fd = (int)ac->c.fd;
    /* None of these is vital, and the watchdog notices what they would. Without NODELAY a second small command waits for the
     * answer to the first. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &again, sizeof again);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
}

/* Give a fresh context to the loop. */
static void adopt(struct conn *c, redisAsyncContext *ac) {
    char why[COMPLAINT] = "", place[PLACE];
    int bad = 0;
    if (!ac)
        snprintf(why, sizeof why, "out of memory");
    else if (ac->err)
        snprintf(why, sizeof why, "cannot connect to %s: %s", place_of(c, place), reason_of(c, ac));
    else if ((bad = redis_uv_attach(ac, c->o.loop)) < 0)
        snprintf(why, sizeof why, "cannot watch the socket: %s", uv_strerror(bad));
    else if (c->o.address->tls && !redis_tls_begin(ac, c->o.address->host))
        snprintf(why, sizeof why, "no TLS: %s", reason_of(c, ac));
    if (why[0]) {
        if (ac) {
            ac->data = NULL;
            redisAsyncFree(ac);
        }
        fail(c, why);
        return;
    }
    if (!c->o.address->path)
        set_socket_options(ac);
    ac->data = c;
    ac->c.reader->fn = &redis_replies;
    c->ac = ac;
    redisAsyncSetDisconnectCallback(ac, on_disconnected);
    redisAsyncSetConnectCallback(ac, on_connected);
}

static void connect_next(struct conn *c) {
    adopt(c, redisAsyncConnect(c->addresses[c->address_next++], c->o.address->port));
}

static void keep_address(struct conn *c, const char *address) {
    if (c->addresses_count < ADDRESSES)
        snprintf(c->addresses[c->addresses_count++], sizeof c->addresses[0], "%s", address);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
    struct lookup *l = request->data;
    struct conn *c = l->conn;
    free(l);
    if (c) {
        c->lookup = NULL;
        for (const struct addrinfo *i = list; i && !status; i = i->ai_next) {
            char text[64];
            if (getnameinfo(i->ai_addr, i->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
                keep_address(c, text);
        }
        if (c->addresses_count)
            connect_next(c);
        else {
            char why[COMPLAINT];
            snprintf(why, sizeof why, "cannot resolve %.90s: %s", c->o.address->host, status ? uv_strerror(status) : "no address");
            fail(c, why);
        }
    }
    uv_freeaddrinfo(list);
}

static void resolve(struct conn *c) {
    const char *host = c->o.address->host;
    unsigned char binary[sizeof(struct in6_addr)];
    c->addresses_count = c->address_next = 0;
    if (c->o.tuning->resolve)
        host = c->o.tuning->resolve(host);
    if (uv_inet_pton(AF_INET, host, binary) == 0 || uv_inet_pton(AF_INET6, host, binary) == 0) {
        keep_address(c, host);
        connect_next(c);
        return;
    }
    struct lookup *l = alloc_zero(sizeof *l);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    l->request.data = l;
    l->conn = c;
    c->lookup = l;
    int bad = uv_getaddrinfo(c->o.loop, &l->request, on_resolved, host, NULL, &hints);
    if (bad) {
        c->lookup = NULL;
        free(l);
        fail(c, uv_strerror(bad));
    }
}

static void attempt(struct conn *c) {
    set_state(c, CONNECTING, c->o.tuning->connect_ms, 0);
    c->expected = 0;
    c->half_read = 0;
    c->heard_ms = 0;
    if (c->o.address->path)
        adopt(c, redisAsyncConnectUnix(c->o.address->path));
    else if (c->address_next < c->addresses_count)
        connect_next(c);
    else
        resolve(c);
}

/* ---- the one timer ---- */

static void on_timer(uv_timer_t *timer) {
    struct conn *c = timer->data;
    switch (c->state) {
    case RESTING:
        attempt(c);
        break;
    case CONNECTING:
        fail(c, c->lookup ? "the name is not resolved in time" : "no connection in time");
        break;
    case LOGGING_IN:
        fail(c, "connected, but nobody answers");
        break;
    case OPEN:
        watch(c);
        break;
    case CLOSING:
        break;
    }
}

static void set_state(struct conn *c, int state, int wait_ms, int repeat_ms) {
    c->state = state;
    c->tick_ms = clock_mono_ms();
    uv_timer_start(&c->timer, on_timer, (uint64_t)wait_ms, (uint64_t)repeat_ms);
}

struct conn *conn_new(const struct conn_options *options) {
    struct conn *c = alloc_zero(sizeof *c);
    c->o = *options;
    c->rest_ms = c->o.tuning->rest_min_ms;
    metric_add(&reconnects, 0); /* a zero is worth seeing */
    c->seed = (unsigned)(uv_hrtime() ^ (uintptr_t)c);
    uv_timer_init(c->o.loop, &c->timer);
    c->timer.data = c;
    set_state(c, RESTING, 0, 0);
    return c;
}

static void on_closed(uv_handle_t *timer) {
    free(timer->data);
}

void conn_free(struct conn *c) {
    if (!c)
        return;
    c->state = CLOSING;
    drop_lookup(c);
    drop_context(c);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

bool conn_is_open(const struct conn *c) {
    return c && c->state == OPEN && c->ac;
}

int64_t conn_proved_ms(const struct conn *c) {
    return c->proved_ms;
}
