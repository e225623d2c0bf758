#include "sim/server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_ROOM = 256 * 1024, PENDING_MAX = 1024 * 1024 };

struct conn {
    uv_tcp_t tcp;
    uv_timer_t timer;           /* of a fault: delay, stall, pieces, the moment before a reset */
    struct http http;
    struct exch x;              /* the exchange in hand, when busy */
    struct buf out;             /* framed, not yet given to the socket */
    struct buf held;            /* behind a stall, or waiting to go in pieces */
    struct buf pending;         /* bytes that came behind the request in hand */
    struct conn *next, *prev;
    int handles;                /* not yet closed */
    bool busy, dying, chunked, ended, stalled, dispatching;
    enum { ON_TIMER_NOTHING, ON_TIMER_AGAIN, ON_TIMER_RELEASE, ON_TIMER_PIECE, ON_TIMER_RESET, ON_TIMER_FIN } on_timer;
    int64_t body_bytes, body_events;
};

struct server {
    uv_loop_t *loop;
    uv_tcp_t tcp;
    int port;
    server_on_request *on_request;
    void *ctx;
    struct conn *conns;
    int64_t conns_len;
    bool closing;
    char room[READ_ROOM];       /* libuv reads into it and hands it over before the next read: one is enough */
};

struct write_req {
    uv_write_t req;
    char *p;
};

const char *http_reason(int status) {
    switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Payload Too Large";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default:  return "Status";
    }
}

void tap_done(struct tap *t) {
    free(t->ctype);
    free(t->headers);
    free(t->body);
    *t = (struct tap){0};
}

static struct conn *conn_of(const struct exch *x) {
    return (struct conn *)((char *)(uintptr_t)x - offsetof(struct conn, x));
}

bool exch_is_dead(const struct exch *x) {
    return conn_of(x)->dying;
}

/* ---- the end of a connection ---- */

static void on_handle_closed(uv_handle_t *h) {
    struct conn *c = h->data;
    struct server *s = c->x.server;
    if (--c->handles)
        return;
    if (c->busy && c->x.on_gone)
        c->x.on_gone(&c->x);
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    s->conns_len--;
    tap_done(&c->x.tap);
    http_done(&c->http);
    buf_done(&c->out);
    buf_done(&c->held);
    buf_done(&c->pending);
    free(c);
}

static void conn_close(struct conn *c, bool reset) {
    c->dying = true;
    if (!uv_is_closing((uv_handle_t *)&c->timer))
        uv_close((uv_handle_t *)&c->timer, on_handle_closed);
    if (uv_is_closing((uv_handle_t *)&c->tcp))
        return;
    if (!reset || uv_tcp_close_reset(&c->tcp, on_handle_closed) < 0)    /* refused while a shutdown is under way */
        uv_close((uv_handle_t *)&c->tcp, on_handle_closed);
}

static void on_shutdown(uv_shutdown_t *req, int status) {
    struct conn *c = req->data;
    free(req);
    conn_close(c, false);
}

/* FIN behind everything that was written. */
static void conn_finish(struct conn *c) {
    uv_shutdown_t *req;
    if (c->dying)
        return;
    c->dying = true;
    uv_read_stop((uv_stream_t *)&c->tcp);
    req = xalloc(sizeof *req);
    req->data = c;
    if (uv_shutdown(req, (uv_stream_t *)&c->tcp, on_shutdown) < 0) {
        free(req);
        conn_close(c, false);
    }
}

/* ---- writing ---- */

static void on_written(uv_write_t *req, int status) {
    struct write_req *w = (struct write_req *)req;
    struct conn *c = req->data;
    free(w->p);
    free(w);
    if (status < 0 && !c->dying)
        conn_close(c, false);
}

static void socket_write(struct conn *c, const char *p, size_t n) {
    uv_stream_t *stream = (uv_stream_t *)&c->tcp;
    struct write_req *w;
    uv_buf_t b;
    if (c->dying || !n)
        return;
    if (!stream->write_queue_size) {
        b = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
        int done = uv_try_write(stream, &b, 1);
        if (done < 0 && done != UV_EAGAIN) {
            conn_close(c, false);
            return;
        }
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
        if (!n)
            return;
    }
    w = xalloc(sizeof *w);
    w->p = xndup(p, n);
    w->req.data = c;
    b = uv_buf_init(w->p, (unsigned)n);
    if (uv_write(&w->req, stream, &b, 1, on_written) < 0) {
        free(w->p);
        free(w);
        conn_close(c, false);
    }
}

static void on_timer(uv_timer_t *t);

static void timer_start(struct conn *c, int what, int64_t ms) {
    if (c->dying)
        return;
    c->on_timer = (unsigned)what;
    uv_timer_start(&c->timer, on_timer, (uint64_t)(ms > 0 ? ms : 1), 0);
}

static void exch_finished(struct conn *c);

/* Everything leaves through here, so a stall or a dribble holds back heads and bodies alike. */
static void conn_flush(struct conn *c) {
    struct tap *t = &c->x.tap;
    if (!c->out.n)
        return;
    if (c->stalled) {
        buf_add(&c->held, c->out.p, c->out.n);
    } else if (t->kind == TAP_DRIBBLE && t->ms > 0) {
        bool idle = !c->held.n;
        buf_add(&c->held, c->out.p, c->out.n);
        if (idle)
            timer_start(c, ON_TIMER_PIECE, 1);
    } else if (t->kind == TAP_DRIBBLE) {
        for (size_t i = 0; i < c->out.n; i += t->piece)
            socket_write(c, c->out.p + i, c->out.n - i < t->piece ? c->out.n - i : t->piece);
    } else {
        socket_write(c, c->out.p, c->out.n);
    }
    c->out.n = 0;
    if (c->out.cap > 64 * 1024)
        buf_done(&c->out);
}

static void frame(struct conn *c, const char *p, size_t n) {
    if (!n)
        return;
    if (c->chunked)
        buf_fmt(&c->out, "%zx\r\n", n);
    buf_add(&c->out, p, n);
    if (c->chunked)
        buf_add(&c->out, "\r\n", 2);
}

static const char broken_event[] = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"brok\n\n";

/* The tap's moment has come, behind what was framed so far. False: nothing more shall be written. */
static bool tap_fires(struct conn *c) {
    struct tap *t = &c->x.tap;
    enum tap_kind kind = t->kind;
    t->kind = TAP_NONE;
    switch (kind) {
    case TAP_RESET:
        conn_flush(c);
        c->stalled = true;                      /* the peer shall see what was written before */
        timer_start(c, ON_TIMER_RESET, 5);
        return false;
    case TAP_FIN:
        conn_flush(c);
        conn_finish(c);
        return false;
    case TAP_CUT:
        if (c->chunked)
            buf_str(&c->out, "0\r\n\r\n");
        conn_flush(c);
        conn_finish(c);
        return false;
    case TAP_STALL:
        conn_flush(c);
        c->stalled = true;
        if (t->ms >= 0)
            timer_start(c, ON_TIMER_RELEASE, t->ms);
        return true;
    case TAP_MALFORMED:
        if (t->body)
            frame(c, t->body, t->body_len);
        else
            frame(c, broken_event, sizeof broken_event - 1);
        return true;
    default:
        assert(!"a tap without a place");
        return true;
    }
}

static bool tap_has_place(const struct tap *t) {
    return t->kind >= TAP_RESET && t->kind <= TAP_MALFORMED;
}

static void body(struct conn *c, const char *p, size_t n) {
    struct tap *t = &c->x.tap;
    if (tap_has_place(t)) {
        int64_t before = t->after_bytes >= 0 ? t->after_bytes - c->body_bytes : 0;
        bool now = t->after_bytes >= 0 ? before <= (int64_t)n : t->after_events < 0 || c->body_events >= t->after_events;
        if (now) {
            frame(c, p, (size_t)before);
            c->body_bytes += before;
            if (!tap_fires(c))
                return;
            p += before;
            n -= (size_t)before;
        }
    }
    frame(c, p, n);
    c->body_bytes += (int64_t)n;
    c->body_events++;
}

static void head(struct conn *c, int status, const char *ctype, const char *headers, int64_t length) {
    buf_fmt(&c->out, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
    if (ctype) {
        buf_str(&c->out, "Content-Type: ");
        buf_str(&c->out, ctype);
        buf_str(&c->out, "\r\n");
    }
    c->chunked = length < 0 && !c->http.http_1_0;
    if (length >= 0)
        buf_fmt(&c->out, "Content-Length: %lld\r\n", (long long)length);
    else if (c->chunked)
        buf_str(&c->out, "Transfer-Encoding: chunked\r\n");
    else
        c->http.keep_alive = false;
    if (!c->http.keep_alive)
        buf_str(&c->out, "Connection: close\r\n");
    else if (c->http.http_1_0)
        buf_str(&c->out, "Connection: keep-alive\r\n");
    if (headers)
        buf_str(&c->out, headers);
    buf_str(&c->out, "\r\n");
}

/* Taps that swallow the answer. True: they did. */
static bool tap_swallows(struct conn *c) {
    struct tap t = c->x.tap;
    if (t.kind != TAP_LOST && t.kind != TAP_STATUS && t.kind != TAP_HANG)
        return false;
    c->x.tap = (struct tap){0};
    if (t.kind == TAP_LOST) {
        exch_kill(&c->x, true);
    } else if (t.kind == TAP_HANG) {
        exch_hang(&c->x, t.ms);
    } else {
        c->http.keep_alive = false;     /* whoever goes on writing meets a connection that ends */
        head(c, t.status, t.ctype, t.headers, (int64_t)t.body_len);
        frame(c, t.body, t.body_len);
        conn_flush(c);
        conn_finish(c);
    }
    tap_done(&t);
    return true;
}

void exch_answer(struct exch *x, int status, const char *ctype, const char *headers, const char *p, size_t n) {
    struct conn *c = conn_of(x);
    struct tap *t = &x->tap;
    x->on_gone = NULL;
    if (c->dying || c->ended || tap_swallows(c))
        return;
    if (t->kind == TAP_CUT || (t->kind == TAP_MALFORMED && t->body)) {      /* the length has to fit what will be sent */
        size_t keep = t->after_bytes < 0 ? 0 : (size_t)t->after_bytes < n ? (size_t)t->after_bytes : n;
        struct buf b = {0};
        buf_add(&b, p, keep);
        if (t->kind == TAP_MALFORMED)
            buf_add(&b, t->body, t->body_len);
        t->kind = TAP_NONE;
        head(c, status, ctype, headers, (int64_t)b.n);
        body(c, b.p, b.n);
        buf_done(&b);
    } else {
        if (t->kind == TAP_MALFORMED)
            t->kind = TAP_NONE;
        head(c, status, ctype, headers, (int64_t)n);
        body(c, p, n);
    }
    c->ended = true;
    conn_flush(c);
    exch_finished(c);
}

void exch_begin(struct exch *x, int status, const char *ctype, const char *headers) {
    struct conn *c = conn_of(x);
    if (c->dying || tap_swallows(c))
        return;
    head(c, status, ctype, headers, -1);
}

void exch_event(struct exch *x, const char *p, size_t n) {
    struct conn *c = conn_of(x);
    if (!c->dying && !c->ended && n)
        body(c, p, n);
}

void exch_flush(struct exch *x) {
    struct conn *c = conn_of(x);
    if (!c->dying)
        conn_flush(c);
}

void exch_end(struct exch *x) {
    struct conn *c = conn_of(x);
    x->on_gone = NULL;
    if (c->dying || c->ended)
        return;
    if (c->chunked)
        buf_str(&c->out, "0\r\n\r\n");
    c->ended = true;
    conn_flush(c);
    exch_finished(c);
}

void exch_kill(struct exch *x, bool reset) {
    struct conn *c = conn_of(x);
    if (c->dying)
        return;
    if (reset)
        conn_close(c, true);
    else
        conn_finish(c);
}

void exch_hang(struct exch *x, int64_t ms) {
    struct conn *c = conn_of(x);
    c->stalled = true;
    if (ms >= 0)
        timer_start(c, ON_TIMER_FIN, ms);
}

void exch_delay(struct exch *x, int64_t ms) {
    timer_start(conn_of(x), ON_TIMER_AGAIN, ms);
}

/* ---- reading ---- */

static void conn_feed(struct conn *c, const char *p, size_t n);

static void dispatch(struct conn *c) {
    struct server *s = c->x.server;
    c->busy = true;
    c->dispatching = true;
    s->on_request(s->ctx, &c->x);
    c->dispatching = false;
}

static void exch_reset_state(struct conn *c) {
    struct server *s = c->x.server;
    tap_done(&c->x.tap);
    c->x = (struct exch){ .http = &c->http, .server = s };
    c->busy = c->ended = c->chunked = c->stalled = false;
    c->body_bytes = c->body_events = 0;
}

/* The whole answer was written, or is held back by a tap. */
static void exch_finished(struct conn *c) {
    if (c->dying || !c->ended || c->held.n || c->stalled)
        return;
    if (!c->http.keep_alive) {
        conn_finish(c);
        return;
    }
    exch_reset_state(c);
    http_again(&c->http);
    if (c->dispatching || !c->pending.n)
        return;                                 /* conn_feed goes on with what is left */
    struct buf pending = c->pending;
    c->pending = (struct buf){0};
    conn_feed(c, pending.p, pending.n);
    buf_done(&pending);
}

static void on_timer(uv_timer_t *t) {
    struct conn *c = t->data;
    switch (c->on_timer) {
    case ON_TIMER_NOTHING:
        break;
    case ON_TIMER_AGAIN:
        c->x.again = true;
        dispatch(c);
        if (!c->busy && c->pending.n)
            conn_feed(c, NULL, 0);
        break;
    case ON_TIMER_RELEASE:
        c->stalled = false;
        socket_write(c, c->held.p, c->held.n);
        c->held.n = 0;
        if (c->ended)
            exch_finished(c);
        break;
    case ON_TIMER_PIECE: {
        size_t n = c->held.n < c->x.tap.piece ? c->held.n : c->x.tap.piece;
        socket_write(c, c->held.p, n);
        buf_drop(&c->held, n);
        if (c->held.n)
            timer_start(c, ON_TIMER_PIECE, c->x.tap.ms);
        else if (c->ended)
            exch_finished(c);
        break;
    }
    case ON_TIMER_RESET:
        conn_close(c, true);
        break;
    case ON_TIMER_FIN:
        conn_finish(c);
        break;
    }
}

static void answer_bad(struct conn *c) {
    char text[64];
    int n = snprintf(text, sizeof text, "%s\n", http_reason(c->http.bad_status));
    c->busy = true;
    exch_answer(&c->x, c->http.bad_status, "text/plain", NULL, text, (size_t)n);
}

static void conn_feed(struct conn *c, const char *p, size_t n) {
    if (c->pending.n && !c->busy) {             /* what came earlier goes first */
        struct buf all = c->pending;
        c->pending = (struct buf){0};
        buf_add(&all, p, n);
        conn_feed(c, all.p, all.n);
        buf_done(&all);
        return;
    }
    while (n && !c->dying && !c->busy) {
        size_t taken = http_feed(&c->http, p, n);
        p += taken;
        n -= taken;
        if (c->http.state == HTTP_BAD)
            answer_bad(c);
        else if (c->http.state == HTTP_DONE)
            dispatch(c);
        else if (c->http.expects_continue && c->http.state != HTTP_HEAD) {
            c->http.expects_continue = false;
            socket_write(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        }
    }
    if (n && !c->dying) {
        buf_add(&c->pending, p, n);
        if (c->pending.n > PENDING_MAX)
            conn_close(c, false);
    }
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b) {
    struct conn *c = h->data;
    *b = uv_buf_init(c->x.server->room, READ_ROOM);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b) {
    struct conn *c = stream->data;
    if (n < 0)
        conn_close(c, false);
    else if (n > 0 && !c->dying)
        conn_feed(c, b->base, (size_t)n);
}

static void on_connection(uv_stream_t *listener, int status) {
    struct server *s = listener->data;
    struct conn *c;
    if (status < 0)
        return;
    c = xalloc(sizeof *c);
    uv_tcp_init(s->loop, &c->tcp);
    uv_timer_init(s->loop, &c->timer);
    c->tcp.data = c->timer.data = c;
    c->handles = 2;
    c->x = (struct exch){ .http = &c->http, .server = s };
    c->next = s->conns;
    if (s->conns)
        s->conns->prev = c;
    s->conns = c;
    s->conns_len++;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) < 0) {
        conn_close(c, false);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0)
        conn_close(c, false);
}

/* ---- the server ---- */

int server_open(uv_loop_t *loop, const char *listen, server_on_request *on_request, void *ctx, struct server **ret_server) {
    const char *colon = strrchr(listen, ':');
    struct sockaddr_storage addr;
    int len = sizeof addr, r;
    char host[64], *end;
    long port;
    struct server *s;
    if (!colon || colon == listen || (size_t)(colon - listen) >= sizeof host || colon[1] < '0' || colon[1] > '9')
        return UV_EINVAL;
    port = strtol(colon + 1, &end, 10);
    if (*end || port > 65535)
        return UV_EINVAL;
    snprintf(host, sizeof host, "%.*s", (int)(colon - listen), listen);
    if (uv_ip4_addr(strcmp(host, "localhost") ? host : "127.0.0.1", (int)port, (struct sockaddr_in *)&addr) < 0)
        return UV_EINVAL;
    s = xalloc(sizeof *s);
    s->loop = loop;
    s->on_request = on_request;
    s->ctx = ctx;
    uv_tcp_init(loop, &s->tcp);
    s->tcp.data = s;
    r = uv_tcp_bind(&s->tcp, (struct sockaddr *)&addr, 0);
    if (!r)
        r = uv_listen((uv_stream_t *)&s->tcp, 4096, on_connection);
    if (!r)
        r = uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&addr, &len);
    if (r < 0) {
        uv_close((uv_handle_t *)&s->tcp, NULL);
        uv_run(loop, UV_RUN_DEFAULT);           /* the handle lives in s: let it close first */
        free(s);
        return r;
    }
    s->port = ntohs(((struct sockaddr_in *)&addr)->sin_port);
    *ret_server = s;
    return 0;
}

int server_port(const struct server *s) {
    return s->port;
}

int64_t server_connections(const struct server *s) {
    return s->conns_len;
}

void server_close(struct server *s) {
    if (s->closing)
        return;
    s->closing = true;
    uv_close((uv_handle_t *)&s->tcp, NULL);
    for (struct conn *c = s->conns; c; c = c->next)
        conn_close(c, false);
}

void server_free(struct server *s) {
    if (!s)
        return;
    assert(!s->conns);                          /* the loop has ended, so every handle was closed */
    free(s);
}
