/* The client against servers that misbehave: they live on the same loop, on loopback, and act as the path asked for says. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include "services/alloc.h"
#include "services/clock.h"
#include "services/http.h"
#include "tests/unit/unit.h"

#define TOKEN "123456:SECRET-token"

/* ---- the server ---- */

enum talk { TALK_HTTP, TALK_SOCKS_HELLO, TALK_SOCKS_CONNECT };

struct server {
    uv_tcp_t listener;
    int port, connections, requests, open, closed;
    bool socks, reset_on_accept;
    size_t swallowed;
    unsigned sum;        /* of their values */
    char first_line[300], last_body[64];
    TAILQ_HEAD(, peer) peers;
};

struct peer {
    uv_tcp_t tcp;
    TAILQ_ENTRY(peer) link;
    struct server *server;
    enum talk talk;
    struct buf in;
    int requests;        /* on this connection */
    size_t wanted;       /* bytes of the request that is coming; 0: not known yet */
    size_t to_swallow;   /* bytes of its body that are counted and forgotten */
};

static uv_loop_t loop;
static struct server server;
static struct http *client;

static void on_peer_closed(uv_handle_t *h) {
    struct peer *p = h->data;
    p->server->open--;
    p->server->closed++;
    TAILQ_REMOVE(&p->server->peers, p, link);
    buf_done(&p->in);
    free(p);
}

static void close_peer(struct peer *p) {
    if (!uv_is_closing((uv_handle_t *)&p->tcp))
        uv_close((uv_handle_t *)&p->tcp, on_peer_closed);
}

static void reset_peer(struct peer *p) {
    if (!uv_is_closing((uv_handle_t *)&p->tcp))
        uv_tcp_close_reset(&p->tcp, on_peer_closed);
}

static void on_written(uv_write_t *w, int status) {
    free(w->data);
    free(w);
}

static void say_bytes(struct peer *p, const char *data, size_t len) {
    uv_write_t *w = alloc_zero(sizeof *w);
    w->data = alloc_copy(data, len);
    uv_buf_t b = uv_buf_init(w->data, (unsigned)len);
    uv_write(w, (uv_stream_t *)&p->tcp, &b, 1, on_written);
}

static void say(struct peer *p, const char *text) {
    say_bytes(p, text, strlen(text));
}

static void say_much(struct peer *p, size_t len) {
    char *much = alloc_zero(len + 1);
    memset(much, 'x', len);
    say_bytes(p, much, len);
    free(much);
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Request-Id: req_1\r\n"
#define OK_HELLO OK_HEAD "Content-Length: 5\r\n\r\nhello"
#define CHUNKED_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

static bool asks(const char *head, const char *what) {
    return strstr(head, what) != NULL;
}

/* A whole request has come. */
static void answer(struct peer *p, const char *head) {
    if (asks(head, "/hello"))
        say(p, OK_HELLO);
    else if (asks(head, "CONNECT "))
        say(p, asks(head, "refused.test") ? "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n" : "HTTP/1.1 200 Connected\r\n\r\nnot TLS at all, not at all");
    else if (asks(head, "/silent"))
        return;
    else if (asks(head, "/reset-before"))
        reset_peer(p);
    else if (asks(head, "/reset-behind"))
        say(p, OK_HEAD "Content-Length: 60000\r\n\r\n"), say_much(p, 60000), reset_peer(p);
    else if (asks(head, "/fin-before"))
        close_peer(p);
    else if (asks(head, "/fin-mid-body"))
        say(p, OK_HEAD "Content-Length: 50\r\n\r\nonly this"), close_peer(p);
    else if (asks(head, "/fin-mid-chunk"))
        say(p, CHUNKED_HEAD "5\r\nhello\r\n9\r\nhal"), close_peer(p);
    else if (asks(head, "/stall-mid-body"))
        say(p, OK_HEAD "Content-Length: 50\r\n\r\nonly this");
    else if (asks(head, "/no-length"))
        say(p, OK_HEAD "Connection: close\r\n\r\nuntil the end"), close_peer(p);
    else if (asks(head, "/chunks"))
        say(p, CHUNKED_HEAD "5\r\nhello\r\n"), say(p, "6\r\n world\r\n0\r\n\r\n");
    else if (asks(head, "/stream"))
        say(p, CHUNKED_HEAD "5\r\nhello\r\n");
    else if (asks(head, "/much"))
        say(p, OK_HEAD "Content-Length: 100000\r\n\r\n"), say_much(p, 100000);
    else if (asks(head, "/dies-on-reuse"))
        p->requests == 1 ? say(p, OK_HELLO) : reset_peer(p);
    else if (asks(head, "/ends-on-reuse"))
        p->requests == 1 ? say(p, OK_HELLO) : close_peer(p);
    else if (asks(head, "/error-429"))
        say(p, "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nretry-after-ms: 120.5\r\nx-should-retry: true\r\nContent-Length: 4\r\n\r\nwait");
    else if (asks(head, "/error-seconds"))
        say(p, "HTTP/1.1 503 No\r\nretry-after:  3 \r\nX-Should-Retry: false\r\nContent-Length: 0\r\n\r\n");
    else if (asks(head, "/error-date"))
        say(p, "HTTP/1.1 503 No\r\nRetry-After: Tue, 18 Nov 2026 11:07:30 GMT\r\nContent-Length: 0\r\n\r\n");
    else if (asks(head, "/error-past"))
        say(p, "HTTP/1.1 503 No\r\nRetry-After: Tue, 18 Nov 2025 11:07:30 GMT\r\nContent-Length: 0\r\n\r\n");
    else if (asks(head, "/error-nonsense"))
        say(p, "HTTP/1.1 503 No\r\nRetry-After: soon\r\nretry-after-ms: -5\r\nContent-Length: 0\r\n\r\n");
    else if (asks(head, "/error-huge"))
        say(p, "HTTP/1.1 503 No\r\nRetry-After: 99999999999999999999999999\r\nContent-Length: 0\r\n\r\n");
    else if (asks(head, "/range"))
        say(p, "HTTP/1.1 206 Part\r\nContent-Range: bytes 7-11/12\r\nContent-Length: 5\r\n\r\nhello");
    else if (asks(head, "/odd-range"))
        say(p, "HTTP/1.1 206 Part\r\nContent-Range: bytes */12\r\nContent-Length: 5x\r\nConnection: close\r\n\r\nhello"), close_peer(p);
    else if (asks(head, "/interim"))
        say(p, "HTTP/1.1 103 Early\r\nX-Request-Id: early\r\nRetry-After: 9\r\n\r\nHTTP/1.1 204 Nothing\r\n\r\n");
    else if (asks(head, "/not-http"))
        say(p, "220 mail ready\r\n"), close_peer(p);
    else if (asks(head, "/endless-headers")) {
        say(p, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 40; i++)
            say(p, "X-A: "), say_much(p, 10000), say(p, "\r\n");
    } else
        say(p, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
}

static void keep_front(char *to, size_t size, const char *from, size_t len) {
    size_t n = len < size ? len : size - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

static void swallow(struct peer *p, const char *data, size_t len) {
    struct server *v = p->server;
    for (size_t i = 0; i < len; i++)
        v->sum += (unsigned char)data[i];
    v->swallowed += len;
    p->to_swallow -= len;
    if (p->to_swallow == 0)
        say(p, OK_HELLO);
}

/* A large body begins: what of it is there already. */
static bool begins_large(struct peer *p) {
    char *end = p->in.data ? strstr(p->in.data, "\r\n\r\n") : NULL;
    if (!end || !asks(p->in.data, "/large"))
        return false;
    if (asks(p->in.data, "/large-refused")) {
        say(p, "HTTP/1.1 413 Too much\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!");
        uv_read_stop((uv_stream_t *)&p->tcp);
        return true;
    }
    if (asks(p->in.data, "/large-cut")) {
        reset_peer(p);
        return true;
    }
    size_t head_len = (size_t)(end - p->in.data) + 4;
    p->to_swallow = strtoul(strcasestr(p->in.data, "\r\nContent-Length:") + 17, NULL, 10);
    buf_drop(&p->in, head_len);
    swallow(p, p->in.data, p->in.len);
    buf_clear(&p->in);
    return true;
}

/* Take whole requests off p->in. */
static void read_requests(struct peer *p) {
    char *end;
    if (begins_large(p))
        return;
    while (p->in.data && p->in.len >= p->wanted && (end = strstr(p->in.data, "\r\n\r\n"))) {
        size_t head_len = (size_t)(end - p->in.data) + 4;
        const char *length = strcasestr(p->in.data, "\r\nContent-Length:");
        size_t body_len = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
        p->wanted = head_len + body_len;
        if (p->in.len < p->wanted)
            return;
        p->wanted = 0;
        p->server->requests++;
        p->requests++;
        keep_front(p->server->last_body, sizeof p->server->last_body, p->in.data + head_len, body_len);
        char *head = alloc_copy(p->in.data, head_len);
        keep_front(p->server->first_line, sizeof p->server->first_line, head, strcspn(head, "\r"));
        buf_drop(&p->in, head_len + body_len);
        answer(p, head);
        free(head);
    }
}

static void on_peer_bytes(uv_stream_t *s, ssize_t n, const uv_buf_t *b) {
    struct peer *p = s->data;
    if (n < 0) {
        free(b->base);
        close_peer(p);
        return;
    }
    if (p->to_swallow) {
        swallow(p, b->base, (size_t)n);
        free(b->base);
        return;
    }
    assert_true(buf_add(&p->in, b->base, (size_t)n));
    free(b->base);
    if (p->talk == TALK_SOCKS_HELLO && p->in.len >= 2 && p->in.len >= 2 + (size_t)(unsigned char)p->in.data[1]) {
        buf_clear(&p->in);
        say_bytes(p, "\x05\x00", 2);
        p->talk = TALK_SOCKS_CONNECT;
    } else if (p->talk == TALK_SOCKS_CONNECT && p->in.len >= 10) {
        buf_clear(&p->in);
        say_bytes(p, "\x05\x00\x00\x01\0\0\0\0\0\0", 10);
        p->talk = TALK_HTTP;
    } else if (p->talk == TALK_HTTP) {
        read_requests(p);
    }
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *b) {
    *b = uv_buf_init(alloc_zero(4096), 4096);
}

static void on_accept(uv_stream_t *listener, int status) {
    struct server *v = listener->data;
    struct peer *p = alloc_zero(sizeof *p);
    v->connections++;
    v->open++;
    TAILQ_INSERT_TAIL(&v->peers, p, link);
    p->server = v;
    p->talk = v->socks ? TALK_SOCKS_HELLO : TALK_HTTP;
    buf_init(&p->in, 1 << 26);
    uv_tcp_init(listener->loop, &p->tcp);
    p->tcp.data = p;
    uv_accept(listener, (uv_stream_t *)&p->tcp);
    if (v->reset_on_accept)
        reset_peer(p);
    else
        uv_read_start((uv_stream_t *)&p->tcp, on_alloc, on_peer_bytes);
}

static void server_open(struct server *v) {
    struct sockaddr_storage at;
    int at_len = sizeof at;
    memset(v, 0, sizeof *v);
    TAILQ_INIT(&v->peers);
    uv_ip4_addr("127.0.0.1", 0, (struct sockaddr_in *)&at);
    uv_tcp_init(&loop, &v->listener);
    v->listener.data = v;
    uv_tcp_bind(&v->listener, (struct sockaddr *)&at, 0);
    assert_int_equal(uv_listen((uv_stream_t *)&v->listener, 4096, on_accept), 0);
    uv_tcp_getsockname(&v->listener, (struct sockaddr *)&at, &at_len);
    v->port = ntohs(((struct sockaddr_in *)&at)->sin_port);
}

static void stop_listening(struct server *v) {
    if (!uv_is_closing((uv_handle_t *)&v->listener))
        uv_close((uv_handle_t *)&v->listener, NULL);
}

static void server_close(struct server *v) {
    struct peer *p;
    stop_listening(v);
    TAILQ_FOREACH(p, &v->peers, link)
        close_peer(p);
}

/* ---- one call and its outcome ---- */

struct outcome {
    int done;
    struct http_result r;
    char *body;
    char streamed[64];
    int streamed_len;
    struct http_call *cancel_on_bytes, *cancel_on_done;
};

static void on_done(struct http_result *r, void *owner) {
    struct outcome *o = owner;
    assert_int_equal(o->done, 0);
    assert_null(strstr(r->reason, "SECRET"));
    assert_null(strstr(r->reason, "127.0.0.1"));
    assert_int_equal(r->fate == HTTP_ANSWERED, r->reason[0] == '\0');
    o->done = 1;
    o->body = buf_take(&r->body);
    o->r = *r;
    if (o->cancel_on_done)
        http_cancel(o->cancel_on_done);
}

static void on_bytes(const char *data, size_t len, void *owner) {
    struct outcome *o = owner;
    assert_int_equal(o->done, 0);
    assert_true((size_t)o->streamed_len + len < sizeof o->streamed);
    memcpy(o->streamed + o->streamed_len, data, len);
    o->streamed_len += (int)len;
    if (o->cancel_on_bytes)
        http_cancel(o->cancel_on_bytes);
    o->cancel_on_bytes = NULL;
}

static const char *url_of(const char *path) {
    static char url[200];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/bot" TOKEN "%s", server.port, path);
    return url;
}

static struct http_request get(const char *path, struct outcome *o) {
    memset(o, 0, sizeof *o);
    return (struct http_request){ .method = "GET", .url = url_of(path), .max_body = 1 << 20, .on_done = on_done, .owner = o };
}

static struct http_request post(const char *path, struct outcome *o) {
    static const char *const headers[] = { "Content-Type: application/json", NULL };
    struct http_request q = get(path, o);
    q.method = "POST";
    q.headers = headers;
    q.body = "{\"a\":1}";
    q.body_len = 7;
    return q;
}

/* UV_RUN_ONCE may sleep although what was waited for came in the same turn's timers: the tick ends such a sleep. */
static uv_timer_t tick;

static void on_tick(uv_timer_t *t) {}

static void run_until(const int *count, int at_least) {
    uint64_t give_up_at = uv_hrtime() + 20000000000u;
    uv_timer_start(&tick, on_tick, 1, 5);
    while (*count < at_least) {
        uv_run(&loop, UV_RUN_ONCE);
        if (uv_hrtime() > give_up_at)
            fail_msg("nothing came within 20 s");
    }
    uv_timer_stop(&tick);
}

static void wait_for(const int *done) {
    run_until(done, 1);
}

static void call(struct http_request q) {
    struct outcome *o = q.owner;
    http_start(client, &q);
    assert_int_equal(o->done, 0); /* never inside http_start */
    wait_for(&o->done);
    free(o->body);
    o->body = NULL;
}

static void call_get(const char *path, struct outcome *o) {
    call(get(path, o));
}

static void call_post(const char *path, struct outcome *o) {
    call(post(path, o));
}

static void open_client(const struct http_options *options) {
    http_free(client);
    client = http_new(&loop, options);
}

static int set_up(void **state) {
    uv_loop_init(&loop);
    uv_timer_init(&loop, &tick);
    server_open(&server);
    client = http_new(&loop, &(struct http_options){ .user_agent = "test" });
    return 0;
}

static int tear_down(void **state) {
    http_free(client);
    client = NULL;
    server_close(&server);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(server.open, 0);
    return uv_loop_close(&loop);
}

/* ---- answered ---- */

static void an_answer_comes_whole(void **state) {
    struct outcome o;
    struct http_request q = post("/hello", &o);
    http_start(client, &q);
    wait_for(&o.done);
    assert_int_equal(o.r.fate, HTTP_ANSWERED);
    assert_int_equal(o.r.status, 200);
    assert_string_equal(o.body, "hello");
    assert_string_equal(o.r.content_type, "text/plain");
    assert_string_equal(o.r.request_id, "req_1");
    assert_int_equal(o.r.retry_after_ms, -1);
    assert_int_equal(o.r.should_retry, -1);
    assert_int_equal(o.r.sent_bytes, 7);
    assert_int_equal(o.r.received_bytes, 5);
    assert_string_equal(server.last_body, "{\"a\":1}");
    free(o.body);
}

static void a_body_can_be_handed_over(void **state) {
    struct outcome o;
    struct http_request q = post("/hello", &o);
    q.body = strdup("{\"b\":2}");
    q.body_free = free;
    call(q);
    assert_int_equal(o.r.status, 200);
    assert_string_equal(server.last_body, "{\"b\":2}");
    char *large = alloc_zero(3000001); /* more than one read, more than a socket takes at once */
    memset(large, 'y', 3000000);
    q = post("/hello", &o);
    q.body = large;
    q.body_len = 3000000;
    q.body_free = free;
    call(q);
    assert_int_equal(o.r.sent_bytes, 3000000);
}

/* ---- bodies that are not in memory ---- */

enum { LARGE = 20 * 1024 * 1024 };

struct large {
    struct outcome o;            /* first: its address is the call's owner */
    size_t given, there_are;     /* bytes of the body */
    size_t ahead_most;           /* how far the client was ahead of the server */
    unsigned sum;
};

static size_t more_of_it(char *to, size_t room, void *owner) {
    struct large *l = owner;
    size_t n = l->there_are - l->given < room ? l->there_are - l->given : room;
    for (size_t i = 0; i < n; i++) {
        to[i] = (char)('a' + ((l->given + i) * 31 >> 3) % 26);
        l->sum += (unsigned char)to[i];
    }
    l->given += n;
    if (l->given - server.swallowed > l->ahead_most)
        l->ahead_most = l->given - server.swallowed;
    return n;
}

static struct http_request large_post(const char *path, struct large *l) {
    memset(l, 0, sizeof *l);
    struct http_request q = post(path, &l->o);
    q.body = NULL;
    q.body_read = more_of_it;
    q.body_len = l->there_are = LARGE;
    q.bulk = true;
    return q;
}

static void a_large_body_goes_out_as_it_is_read(void **state) {
    struct large l;
    call(large_post("/large", &l));
    assert_int_equal(l.o.r.fate, HTTP_ANSWERED);
    assert_int_equal(l.o.r.status, 200);
    assert_int_equal(l.o.r.sent_bytes, LARGE);
    assert_int_equal(server.swallowed, LARGE);
    assert_int_equal(server.sum, l.sum);
    assert_true(l.ahead_most < LARGE / 2); /* what lies between are the sockets' buffers */
}

static void a_small_body_can_be_read_too(void **state) {
    struct large l;
    struct http_request q = large_post("/hello", &l);
    q.body_len = l.there_are = 20;
    call(q);
    assert_int_equal(l.o.r.status, 200);
    assert_int_equal(l.given, 20);
    assert_int_equal(strlen(server.last_body), 20);
}

static void a_body_that_ends_early_was_not_sent(void **state) {
    struct large l;
    struct http_request q = large_post("/large", &l);
    l.there_are = LARGE / 2;
    call(q);
    assert_int_equal(l.o.r.fate, HTTP_NOT_SENT);
    assert_string_equal(l.o.r.reason, "there was no more of the body to send");
}

static void a_large_body_that_is_cut_off_leaves_it_unknown(void **state) {
    struct large l;
    call(large_post("/large-cut", &l));
    assert_int_equal(l.o.r.fate, HTTP_UNKNOWN);
    assert_int_equal(server.connections, 1); /* it was not begun again */
    assert_true(l.given < LARGE);
}

static void an_early_refusal_ends_a_large_body(void **state) {
    struct large l;
    call(large_post("/large-refused", &l));
    assert_int_equal(l.o.r.fate, HTTP_ANSWERED);
    assert_int_equal(l.o.r.status, 413);
    assert_int_equal(l.o.r.received_bytes, 3);
    assert_true(l.given < LARGE);
}

static void a_part_says_where_it_begins(void **state) {
    struct outcome o;
    call_get("/range", &o);
    assert_int_equal(o.r.range_from, 7);
    assert_int_equal(o.r.content_length, 5);
    call_get("/odd-range", &o);
    assert_int_equal(o.r.range_from, -1);
    call_get("/hello", &o);
    assert_int_equal(o.r.range_from, -1);
    assert_int_equal(o.r.content_length, 5);
}

static void methods_are_what_was_asked(void **state) {
    struct outcome o;
    struct http_request q = get("/hello", &o);
    q.method = "DELETE";
    call(q);
    assert_memory_equal(server.first_line, "DELETE /", 8);
    q = get("/hello", &o);
    q.method = "POST";
    call(q);
    assert_memory_equal(server.first_line, "POST /", 6);
    call_get("/hello", &o);
    assert_memory_equal(server.first_line, "GET /", 5);
    assert_int_equal(server.connections, 1);
}

static void an_answer_without_length_ends_with_the_connection(void **state) {
    struct outcome o;
    call_get("/no-length", &o);
    assert_int_equal(o.r.fate, HTTP_ANSWERED);
    assert_int_equal(o.r.received_bytes, 13);
}

static void a_stream_comes_in_pieces(void **state) {
    struct outcome o;
    struct http_request q = post("/chunks", &o);
    q.on_bytes = on_bytes;
    call(q);
    assert_int_equal(o.r.fate, HTTP_ANSWERED);
    assert_string_equal(o.streamed, "hello world");
    assert_int_equal(o.r.received_bytes, 11);
    assert_string_equal(o.r.content_type, "text/event-stream");
}

static void an_error_body_is_collected_even_for_a_stream(void **state) {
    struct outcome o;
    struct http_request q = post("/error-429", &o);
    q.on_bytes = on_bytes;
    http_start(client, &q);
    wait_for(&o.done);
    assert_int_equal(o.r.status, 429);
    assert_string_equal(o.body, "wait");
    assert_int_equal(o.streamed_len, 0);
    free(o.body);
}

static void waiting_times_are_understood(void **state) {
    struct outcome o;
    call_get("/error-429", &o);
    assert_int_equal(o.r.retry_after_ms, 120);
    assert_int_equal(o.r.should_retry, 1);
    call_get("/error-seconds", &o);
    assert_int_equal(o.r.retry_after_ms, 3000);
    assert_int_equal(o.r.should_retry, 0);
    clock_set(1795000000123, 0); /* 18 Nov 2026, 11:06:40.123 */
    call_get("/error-date", &o);
    assert_int_equal(o.r.retry_after_ms, 49877);
    call_get("/error-past", &o);
    assert_int_equal(o.r.retry_after_ms, 0);
    clock_unset();
    call_get("/error-nonsense", &o);
    assert_int_equal(o.r.retry_after_ms, -1);
    call_get("/error-huge", &o);
    assert_int_equal(o.r.retry_after_ms, 30LL * 24 * 3600 * 1000);
}

static void an_interim_answer_is_forgotten(void **state) {
    struct outcome o;
    call_get("/interim", &o);
    assert_int_equal(o.r.status, 204);
    assert_string_equal(o.r.request_id, "");
    assert_int_equal(o.r.retry_after_ms, -1);
}

static void a_body_past_its_maximum_is_cut(void **state) {
    struct outcome o;
    struct http_request q = get("/much", &o);
    q.max_body = 1000;
    http_start(client, &q);
    wait_for(&o.done);
    assert_int_equal(o.r.fate, HTTP_ANSWERED);
    assert_true(o.r.too_large);
    assert_int_equal(strlen(o.body), 1000);
    free(o.body);
    q = get("/much", &o);
    q.max_body = 100000;
    call(q);
    assert_false(o.r.too_large);
}

static void an_answer_before_a_reset_is_not_lost(void **state) {
    struct outcome o;
    call_post("/reset-behind", &o);
    assert_int_equal(o.r.fate, HTTP_ANSWERED);
    assert_int_equal(o.r.received_bytes, 60000);
}

/* ---- not sent ---- */

static void expect_not_sent(struct http_request q) {
    struct outcome *o = q.owner;
    call(q);
    assert_int_equal(o->r.fate, HTTP_NOT_SENT);
    assert_int_equal(o->r.status, 0);
}

static void a_refused_connect_was_not_sent(void **state) {
    struct outcome o;
    stop_listening(&server);
    uv_run(&loop, UV_RUN_NOWAIT);
    expect_not_sent(post("/hello", &o));
    assert_string_equal(o.r.reason, "could not connect: Connection refused");
}

static void nonsense_was_not_sent_and_its_url_not_told(void **state) {
    struct outcome o;
    static const char *const urls[] = { "nonsense://" TOKEN, "http://[" TOKEN, "", "http:///" TOKEN, "ftp://127.0.0.1/" TOKEN,
                                        "http://127.0.0.1:99999/" TOKEN };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct http_request q = post("/", &o);
        q.url = urls[i];
        expect_not_sent(q);
    }
}

static void a_proxy_that_refuses_was_not_sent(void **state) {
    struct outcome o;
    char proxy[100];
    snprintf(proxy, sizeof proxy, "http://user:SECRET@127.0.0.1:%d", server.port);
    open_client(&(struct http_options){ .proxy = proxy });
    struct http_request q = post("/", &o);
    q.url = "https://refused.test/" TOKEN;
    expect_not_sent(q);
    assert_memory_equal(server.first_line, "CONNECT refused.test:443", 24);
    q.url = "https://speaks-no-tls.test/" TOKEN;
    memset(&o, 0, sizeof o);
    expect_not_sent(q);
    open_client(&(struct http_options){ .proxy = "socks5h://user:SECRET@127.0.0.1:1" });
    expect_not_sent(post("/hello", &o));
}

static void no_tls_was_not_sent(void **state) {
    struct outcome o;
    char url[100];
    struct http_request q = post("/", &o);
    snprintf(url, sizeof url, "https://127.0.0.1:%d/" TOKEN, server.port);
    q.url = url;
    q.connect_ms = 100; /* our server waits for a request, the client for a handshake */
    expect_not_sent(q);
    assert_false(o.r.stalled);
    q = post("/", &o);
    q.url = url;
    q.deadline_ms = 50;
    expect_not_sent(q);
    assert_true(o.r.stalled);
}

/* ---- unknown ---- */

static void expect_unknown(struct http_request q, int status) {
    struct outcome *o = q.owner;
    call(q);
    assert_int_equal(o->r.fate, HTTP_UNKNOWN);
    assert_int_equal(o->r.status, status);
}

static void a_reset_before_the_answer_leaves_it_unknown(void **state) {
    struct outcome o;
    expect_unknown(post("/reset-before", &o), 0);
    expect_unknown(post("/fin-before", &o), 0);
    assert_int_equal(server.requests, 2);
    expect_unknown(post("/not-http", &o), 0);
    expect_unknown(post("/endless-headers", &o), 200);
}

static void an_end_in_the_middle_leaves_it_unknown(void **state) {
    struct outcome o;
    expect_unknown(post("/fin-mid-body", &o), 200);
    struct http_request q = post("/fin-mid-chunk", &o);
    q.on_bytes = on_bytes;
    expect_unknown(q, 200);
    assert_string_equal(o.streamed, "hellohal");
    assert_false(o.r.stalled);
}

static void silence_ends_by_its_limit(void **state) {
    struct outcome o;
    static const char *const paths[] = { "/silent", "/stall-mid-body", "/stream" };
    for (int i = 0; i < 6; i++) {
        struct http_request q = post(paths[i / 2], &o);
        q.on_bytes = on_bytes;
        *(i % 2 ? &q.idle_ms : &q.deadline_ms) = 40;
        expect_unknown(q, i / 2 ? 200 : 0);
        assert_true(o.r.stalled);
        assert_string_equal(o.r.reason, i % 2 ? "silent for 40 ms" : "not done within 40 ms");
    }
}

static void each_silence_has_its_own_limit(void **state) {
    struct outcome slow, fast;
    struct http_request q = post("/silent", &slow);
    q.idle_ms = 10000;
    struct http_call *c = http_start(client, &q);
    q = post("/silent", &fast);
    q.idle_ms = 40;
    expect_unknown(q, 0);
    assert_int_equal(slow.done, 0);
    http_cancel(c);
}

static void of_two_silent_calls_the_first_may_cancel_the_second(void **state) {
    struct outcome first, second;
    struct http_request q = post("/silent", &first);
    q.idle_ms = 40;
    http_start(client, &q);
    q = post("/silent", &second);
    q.idle_ms = 40;
    first.cancel_on_done = http_start(client, &q);
    wait_for(&first.done);
    for (int i = 0; i < 5; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(second.done, 0);
    assert_int_equal(http_in_flight(client), 0);
    free(first.body);
}

static void a_reused_connection_that_dies_is_not_sent_twice(void **state) {
    static const char *const paths[] = { "/dies-on-reuse", "/ends-on-reuse" };
    for (int i = 0; i < 2; i++) {
        struct outcome o;
        int before = server.requests;
        call_post(paths[i], &o);
        assert_int_equal(o.r.status, 200);
        expect_unknown(post(paths[i], &o), 0);
        assert_string_equal(o.r.reason, "the connection broke before an answer came");
        assert_int_equal(server.requests - before, 2);
    }
}

static void nor_is_a_request_without_a_body(void **state) {
    struct outcome o;
    struct http_request q = get("/ends-on-reuse", &o);
    q.method = "DELETE";
    call(q);
    q = get("/ends-on-reuse", &o);
    q.method = "DELETE";
    expect_unknown(q, 0);
    assert_int_equal(server.requests, 2);
}

static void a_get_may_be_repeated(void **state) {
    struct outcome o;
    call_get("/ends-on-reuse", &o);
    call_get("/ends-on-reuse", &o);
    assert_int_equal(o.r.fate, HTTP_ANSWERED);
    assert_int_equal(server.requests, 3);
}

static void a_reset_on_accept_is_reported(void **state) {
    struct outcome o;
    server.reset_on_accept = true;
    call_post("/hello", &o);
    assert_true(o.r.fate == HTTP_UNKNOWN || o.r.fate == HTTP_NOT_SENT);
}

/* ---- cancel and free ---- */

static void expect_quiet(struct outcome *o) {
    for (int i = 0; i < 5; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(o->done, 0);
    assert_int_equal(http_in_flight(client), 0);
}

static void a_cancelled_call_says_nothing_more(void **state) {
    struct outcome o;
    http_cancel(NULL);
    struct http_request q = post("/silent", &o);
    http_cancel(http_start(client, &q)); /* before anything happened */
    expect_quiet(&o);
    struct http_call *c = http_start(client, &q);
    assert_int_equal(http_in_flight(client), 1);
    run_until(&server.connections, 1); /* connected, perhaps not asked */
    http_cancel(c);
    expect_quiet(&o);
    c = http_start(client, &q);
    run_until(&server.requests, 1); /* asked */
    http_cancel(c);
    expect_quiet(&o);
    q.body = strdup("x");
    q.body_len = 1;
    q.body_free = free;
    http_cancel(http_start(client, &q)); /* the body is ours no more */
}

static void a_call_can_be_cancelled_from_its_own_bytes(void **state) {
    struct outcome o;
    struct http_request q = post("/stream", &o);
    q.on_bytes = on_bytes;
    o.cancel_on_bytes = http_start(client, &q);
    run_until(&o.streamed_len, 1);
    expect_quiet(&o);
    run_until(&server.closed, 1); /* the connection is closed, not kept */
}

static void a_call_can_cancel_another(void **state) {
    struct outcome first, second, third;
    struct http_request q = post("/silent", &second);
    struct http_call *victim = http_start(client, &q);
    q = post("/chunks", &first);
    q.on_bytes = on_bytes;
    http_start(client, &q);
    first.cancel_on_bytes = victim;
    wait_for(&first.done);
    expect_quiet(&second);
    q = post("/silent", &second);
    victim = http_start(client, &q);
    q = post("/hello", &third);
    http_start(client, &q);
    third.cancel_on_done = victim;
    wait_for(&third.done);
    expect_quiet(&second);
    free(first.body);
    free(third.body);
}

static void waiting_calls_can_be_cancelled(void **state) {
    struct outcome o[3];
    struct http_call *c[3];
    open_client(&(struct http_options){ .max_connections = 1 });
    for (int i = 0; i < 3; i++) {
        struct http_request q = post(i ? "/hello" : "/silent", &o[i]);
        c[i] = http_start(client, &q);
    }
    assert_int_equal(http_in_flight(client), 3);
    http_cancel(c[1]);
    run_until(&server.requests, 1);
    assert_int_equal(o[2].done, 0);
    http_cancel(c[0]); /* which lets the third begin */
    wait_for(&o[2].done);
    assert_int_equal(o[2].r.status, 200);
    assert_int_equal(server.requests, 2);
    free(o[2].body);
}

static void a_waiting_calls_deadline_runs_from_its_start(void **state) {
    struct outcome first, second;
    open_client(&(struct http_options){ .max_connections = 1 });
    struct http_request q = post("/silent", &first);
    q.deadline_ms = 120;
    http_start(client, &q);
    q = post("/hello", &second);
    q.deadline_ms = 60;
    http_start(client, &q);
    wait_for(&second.done);
    assert_int_equal(second.r.fate, HTTP_ANSWERED);
    free(first.body);
    free(second.body);
}

static void on_done_again(struct http_result *r, void *owner) {
    struct outcome *o = owner;
    on_done(r, owner);
    free(o->body);
    struct http_request q = post("/hello", o); /* forgets the first outcome */
    http_start(client, &q);
}

static void free_ends_what_is_under_way(void **state) {
    struct outcome sent, waiting, again;
    open_client(&(struct http_options){ .max_connections = 2 });
    struct http_request q = post("/silent", &sent);
    http_start(client, &q);
    q = post("/silent", &again);
    q.on_done = on_done_again; /* a new call from the very end: ends too, a turn later */
    http_start(client, &q);
    q = post("/hello", &waiting);
    http_start(client, &q);
    run_until(&server.requests, 2);
    http_free(client);
    client = NULL; /* not before: the ends of its calls may still start others */
    assert_int_equal(sent.r.fate, HTTP_UNKNOWN);
    assert_int_equal(waiting.r.fate, HTTP_NOT_SENT);
    assert_int_equal(again.done, 0);
    wait_for(&again.done);
    assert_int_equal(again.r.fate, HTTP_NOT_SENT);
    free(sent.body);
    free(waiting.body);
    free(again.body);
}

/* ---- a resolver that hangs ---- */

static sem_t resolver_may_go;
static atomic_int resolving, resolved;

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (node && !strcmp(node, "slow.test")) {
        resolving++;
        sem_wait(&resolver_may_go);
        resolved++;
        return EAI_NONAME;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(node, service, hints, ret);
}

static void a_cancel_does_not_wait_for_the_resolver(void **state) {
    struct outcome o;
    struct http_request q = post("/", &o);
    q.url = "http://slow.test/" TOKEN;
    sem_init(&resolver_may_go, 0, 0);
    struct http_call *c = http_start(client, &q);
    while (!resolving)
        uv_run(&loop, UV_RUN_NOWAIT);
    http_cancel(c); /* would stand still here for ever */
    expect_quiet(&o);
    q.connect_ms = 50;
    expect_not_sent(q);
    sem_post(&resolver_may_go);
    sem_post(&resolver_may_go);
    while (resolved < 2)
        uv_run(&loop, UV_RUN_NOWAIT);
}

/* ---- proxies ---- */

static void a_plain_proxy_gets_the_whole_url(void **state) {
    struct outcome o;
    char proxy[100];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", server.port);
    setenv("no_proxy", "*", 1);
    open_client(&(struct http_options){ .proxy = proxy });
    struct http_request q = post("/", &o);
    q.url = "http://somewhere.test/hello";
    call(q);
    unsetenv("no_proxy");
    assert_int_equal(o.r.status, 200);
    assert_string_equal(server.first_line, "POST http://somewhere.test/hello HTTP/1.1");
}

static void a_socks_proxy_carries_the_call(void **state) {
    struct outcome o;
    char proxy[100];
    server.socks = true;
    snprintf(proxy, sizeof proxy, "socks5h://127.0.0.1:%d", server.port);
    open_client(&(struct http_options){ .proxy = proxy });
    struct http_request q = post("/", &o);
    q.url = "http://somewhere.test/hello";
    call(q);
    assert_int_equal(o.r.status, 200);
    assert_string_equal(server.first_line, "POST /hello HTTP/1.1");
}

static void the_environments_proxy_is_ignored(void **state) {
    struct outcome o;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    call_get("/hello", &o);
    unsetenv("http_proxy");
    assert_int_equal(o.r.status, 200);
}

/* ---- many ---- */

static void thousand_calls_at_once(int max_connections) {
    enum { CALLS = 1000 };
    static struct outcome o[CALLS];
    open_client(&(struct http_options){ .max_connections = max_connections });
    for (int i = 0; i < CALLS; i++) {
        struct http_request q = post(i % 2 ? "/hello" : "/chunks", &o[i]);
        q.on_bytes = i % 2 ? NULL : on_bytes;
        q.idle_ms = 15000;
        http_start(client, &q);
    }
    for (int i = 0; i < CALLS; i++) {
        wait_for(&o[i].done);
        assert_int_equal(o[i].r.fate, HTTP_ANSWERED);
        assert_int_equal(o[i].r.received_bytes, i % 2 ? 5 : 11);
        free(o[i].body);
    }
    assert_int_equal(server.requests, CALLS);
    if (max_connections)
        assert_true(server.connections <= max_connections);
}

static void a_thousand_calls_share_fifty_connections(void **state) {
    thousand_calls_at_once(50);
}

static void a_thousand_calls_have_a_thousand_connections(void **state) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 2500)
        skip();
    thousand_calls_at_once(0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(an_answer_comes_whole),
        TEST(a_body_can_be_handed_over),
        TEST(a_large_body_goes_out_as_it_is_read),
        TEST(a_small_body_can_be_read_too),
        TEST(a_body_that_ends_early_was_not_sent),
        TEST(a_large_body_that_is_cut_off_leaves_it_unknown),
        TEST(an_early_refusal_ends_a_large_body),
        TEST(a_part_says_where_it_begins),
        TEST(methods_are_what_was_asked),
        TEST(an_answer_without_length_ends_with_the_connection),
        TEST(a_stream_comes_in_pieces),
        TEST(an_error_body_is_collected_even_for_a_stream),
        TEST(waiting_times_are_understood),
        TEST(an_interim_answer_is_forgotten),
        TEST(a_body_past_its_maximum_is_cut),
        TEST(an_answer_before_a_reset_is_not_lost),
        TEST(a_refused_connect_was_not_sent),
        TEST(nonsense_was_not_sent_and_its_url_not_told),
        TEST(a_proxy_that_refuses_was_not_sent),
        TEST(no_tls_was_not_sent),
        TEST(a_reset_before_the_answer_leaves_it_unknown),
        TEST(an_end_in_the_middle_leaves_it_unknown),
        TEST(silence_ends_by_its_limit),
        TEST(each_silence_has_its_own_limit),
        TEST(of_two_silent_calls_the_first_may_cancel_the_second),
        TEST(a_reused_connection_that_dies_is_not_sent_twice),
        TEST(nor_is_a_request_without_a_body),
        TEST(a_get_may_be_repeated),
        TEST(a_reset_on_accept_is_reported),
        TEST(a_cancelled_call_says_nothing_more),
        TEST(a_call_can_be_cancelled_from_its_own_bytes),
        TEST(a_call_can_cancel_another),
        TEST(waiting_calls_can_be_cancelled),
        TEST(a_waiting_calls_deadline_runs_from_its_start),
        TEST(free_ends_what_is_under_way),
        TEST(a_cancel_does_not_wait_for_the_resolver),
        TEST(a_plain_proxy_gets_the_whole_url),
        TEST(a_socks_proxy_carries_the_call),
        TEST(the_environments_proxy_is_ignored),
        TEST(a_thousand_calls_share_fifty_connections),
        TEST(a_thousand_calls_have_a_thousand_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
