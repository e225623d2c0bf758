/*   http_start ──▶ waiting ──▶ active ──▶ on_done, freed          (finish)
 *                     │          │
 *          http_cancel└──────────┴──▶ freed; by way of `doomed` when libcurl is inside one of its callbacks
 *
 * Was it sent? libcurl asks on_connected before a request goes out, and on_body_wanted for a long body. Before the first there was
 * no request; before the second no server had enough of one to execute. From then on nobody knows, unless a status comes. A short
 * body goes out with the headers, in one piece: a second one costs as much again, here and at the other end.
 * A connection that was used before and dies now makes libcurl begin again by itself: on_connected and on_rewind refuse that
 * where it could mean a second execution. */
#include "services/http.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include "proto/cleanup.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/curl_uv.h"

enum {
    CONNECT_MS = 5 * SECOND,
    IDLE_CONNECTIONS = 1024,             /* kept for reuse at most */
    IDLE_CONNECTION_S = 60,              /* older ones are not trusted */
    STREAM_BUFFER = 4 * 1024,            /* libcurl's receive buffer of a stream: ten thousand of them are 40 MB */
    BULK_BUFFER = 128 * 1024,            /* both ways, where megabytes pass */
    UPLOAD_BUFFER = 16 * 1024,           /* the least libcurl takes; its default is 64 kB */
    SHORT_BODY = 32 * 1024,              /* up to there it goes out together with the headers; libcurl's bound is 64 kB for both */
    SPARE_HANDLES = 16,
    HEADERS_MAX = 256 * 1024,
    RETRY_AFTER_MAX_S = 30 * 24 * 3600
};

TAILQ_HEAD(call_list, http_call);
enum traffic { PLAIN, STREAM, BULK };    /* their buffers differ */

struct http {
    struct curl_uv *curl;
    uv_timer_t silence;                  /* rings when some call may have been silent for too long */
    uv_idle_t late;                      /* ends, one turn later, what was started while closing */
    int open_handles;
    uint64_t silence_at;                 /* when that is; 0: not set */
    struct call_list waiting, active, doomed;
    unsigned active_count, waiting_count;
    bool closing;
    unsigned round;                      /* of give_up_waiting() */
    unsigned max_connections;
    char *proxy, *user_agent;
    struct spares {                      /* handles that are set up, but for what differs from call to call */
        CURL *list[SPARE_HANDLES];
        int count;
    } spares[3];                         /* by enum traffic */
};

struct http_call {
    struct http *http;
    struct call_list *in;                /* the list it is in */
    TAILQ_ENTRY(http_call) link;
    CURL *easy;
    struct curl_slist *headers;
    const char *body;                    /* NULL once all of it was taken */
    void (*body_free)(void *body);
    http_read_fn *body_read;             /* or NULL: it is in `body` */
    size_t body_len, body_at, max_body, header_bytes;
    int connect_ms, deadline_ms, idle_ms;
    uint64_t heard_at;                   /* loop time of the last byte in either direction */
    unsigned round;                      /* of its start */
    enum traffic traffic;
    bool is_get, short_body, connected, body_wanted, body_short, cancelled, done, headers_too_long, retry_after_in_ms;
    http_bytes_fn *on_bytes;
    http_done_fn *on_done;
    void *owner;
    struct http_result result;
    char error[CURL_ERROR_SIZE];
};

/* ---- what the answer says ---- */

static void copy_printable(char *to, size_t size, const char *from, size_t len) {
    size_t n = 0;
    for (; n < len && n + 1 < size; n++)
        to[n] = from[n] >= 0x20 && from[n] < 0x7F ? from[n] : '.';
    to[n] = '\0';
}

/* The value of header `name` in this line, if it is that header; its length without the white space around it. */
static const char *value_of(const char *line, size_t len, const char *name, size_t *ret_len) {
    size_t n = strlen(name);
    if (len <= n || line[n] != ':' || strncasecmp(line, name, n))
        return NULL;
    const char *from = line + n + 1, *to = line + len;
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && memchr(" \t\r\n", to[-1], 4))
        to--;
    *ret_len = (size_t)(to - from);
    return from;
}

/* Seconds, or milliseconds, as a decimal; or a date. -1: none of these. */
static int64_t span_ms(const char *value, size_t len, int unit_ms) {
    char text[64], *end;
    if (len == 0 || len >= sizeof text)
        return -1;
    copy_printable(text, sizeof text, value, len);
    double ms = -1;
    if (strspn(text, "0123456789.") == len) {
        ms = strtod(text, &end) * unit_ms;
        if (*end)
            return -1;
    } else if (unit_ms == SECOND) {
        time_t at = curl_getdate(text, NULL);
        if (at == -1)
            return -1;
        ms = (double)at * SECOND - (double)clock_wall_ms();
        if (ms < 0)
            ms = 0;
    }
    if (ms < 0)
        return -1;
    return ms > (double)RETRY_AFTER_MAX_S * SECOND ? (int64_t)RETRY_AFTER_MAX_S * SECOND : (int64_t)ms;
}

/* -1: it is none. */
static int64_t whole_number(const char *value, size_t len) {
    int64_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9' || i == 18)
            return -1;
        n = n * 10 + (value[i] - '0');
    }
    return len ? n : -1;
}

/* x-ratelimit-limit-requests: 5000 and its like. */
static bool read_limit(struct http_limit *l, const char *line, size_t len, const char *what) {
    char limit[40], left[40], reset[40];
    size_t value_len;
    const char *value;
    snprintf(limit, sizeof limit, "x-ratelimit-limit-%s", what);
    snprintf(left, sizeof left, "x-ratelimit-remaining-%s", what);
    snprintf(reset, sizeof reset, "x-ratelimit-reset-%s", what);
    if ((value = value_of(line, len, limit, &value_len)))
        l->limit = whole_number(value, value_len) > 0 ? whole_number(value, value_len) : 0;
    else if ((value = value_of(line, len, left, &value_len)))
        l->left = whole_number(value, value_len) > 0 ? whole_number(value, value_len) : 0;
    else if ((value = value_of(line, len, reset, &value_len)))
        copy_printable(l->reset, sizeof l->reset, value, value_len);
    return value;
}

static void read_header(struct http_call *c, const char *line, size_t len) {
    struct http_result *r = &c->result;
    const char *value;
    size_t value_len;
    if ((value = value_of(line, len, "content-type", &value_len))) {
        copy_printable(r->content_type, sizeof r->content_type, value, value_len);
    } else if ((value = value_of(line, len, "content-length", &value_len))) {
        r->content_length = whole_number(value, value_len);
    } else if ((value = value_of(line, len, "content-range", &value_len)) && value_len > 6 && !strncasecmp(value, "bytes ", 6)) {
        r->range_from = whole_number(value + 6, strcspn(value + 6, "-"));
    } else if ((value = value_of(line, len, "x-request-id", &value_len))) {
        copy_printable(r->request_id, sizeof r->request_id, value, value_len);
    } else if (read_limit(&r->requests, line, len, "requests") || read_limit(&r->tokens, line, len, "tokens")) {
        return;
    } else if ((value = value_of(line, len, "x-should-retry", &value_len))) {
        r->should_retry = value_len == 4 && !strncasecmp(value, "true", 4)    ? 1
                          : value_len == 5 && !strncasecmp(value, "false", 5) ? 0
                                                                              : -1;
    } else if ((value = value_of(line, len, "retry-after-ms", &value_len))) {
        int64_t ms = span_ms(value, value_len, 1);
        if (ms >= 0) {
            r->retry_after_ms = ms;
            c->retry_after_in_ms = true; /* the finer of the two counts, whichever comes first */
        }
    } else if ((value = value_of(line, len, "retry-after", &value_len)) && !c->retry_after_in_ms) {
        r->retry_after_ms = span_ms(value, value_len, SECOND);
    }
}

/* A new head begins: what an interim answer (100, 103) said is forgotten. */
static void read_status(struct http_call *c, const char *line, size_t len) {
    char text[32];
    int status = 0;
    copy_printable(text, sizeof text, line, len);
    if (sscanf(text, "HTTP/%*s %d", &status) != 1 || status < 200)
        status = 0;
    struct http_result *r = &c->result;
    r->status = status;
    r->retry_after_ms = r->should_retry = -1;
    r->content_length = r->range_from = -1;
    r->request_id[0] = r->content_type[0] = '\0';
    r->requests = r->tokens = (struct http_limit){0};
    c->retry_after_in_ms = false;
}

/* ---- libcurl's callbacks: they write down, and decide nothing ---- */

static void heard(struct http_call *c) {
    c->heard_at = uv_now(c->http->silence.loop);
}

static void expect_silence(struct http *h, uint64_t at);

static int on_connected(void *owner, char *peer, char *local, int peer_port, int local_port) {
    struct http_call *c = owner;
    if (c->cancelled || (c->connected && (c->body_wanted || !(c->is_get || c->body_len))))
        return CURL_PREREQFUNC_ABORT; /* the second time: it may have been executed by the first */
    c->connected = true;
    c->body_wanted |= c->short_body;     /* it goes out in one piece */
    heard(c);
    if (c->idle_ms)
        expect_silence(c->http, c->heard_at + (uint64_t)c->idle_ms);
    return CURL_PREREQFUNC_OK;
}

static void body_done(struct http_call *c) {
    if (c->body && c->body_free)
        c->body_free((void *)c->body);
    c->body = NULL;
}

static size_t on_body_wanted(char *to, size_t size, size_t count, void *owner) {
    struct http_call *c = owner;
    if (c->cancelled)
        return CURL_READFUNC_ABORT;
    c->body_wanted = true;
    heard(c);
    size_t n = c->body_len - c->body_at, room = size * count;
    if (n > room)
        n = room;
    if (n && c->body_read)
        n = c->body_read(to, n, c->owner);
    else if (n)
        memcpy(to, c->body + c->body_at, n);
    c->body_at += n;
    if (n == 0 && c->body_at < c->body_len) {
        c->body_short = true;
        return CURL_READFUNC_ABORT;
    }
    if (c->body_at == c->body_len)
        body_done(c); /* never read again, see on_rewind; a stream may go on for minutes */
    return n;
}

static int on_rewind(void *owner, curl_off_t offset, int origin) {
    return CURL_SEEKFUNC_FAIL;
}

static size_t on_header(char *line, size_t size, size_t count, void *owner) {
    struct http_call *c = owner;
    size_t len = size * count;
    if (c->cancelled)
        return 0;
    heard(c);
    c->header_bytes += len;
    if (c->header_bytes > HEADERS_MAX) {
        c->headers_too_long = true;
        return 0;
    }
    if (len > 5 && !memcmp(line, "HTTP/", 5))
        read_status(c, line, len);
    else
        read_header(c, line, len);
    return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *owner) {
    struct http_call *c = owner;
    size_t len = size * count;
    if (c->cancelled)
        return CURL_WRITEFUNC_ERROR;
    heard(c);
    c->result.received_bytes += (int64_t)len;
    if (c->on_bytes && c->result.status / 100 == 2) {
        c->on_bytes(data, len, c->owner);
        return c->cancelled ? CURL_WRITEFUNC_ERROR : len;
    }
    struct buf *b = &c->result.body;
    if (!buf_add(b, data, len)) {
        buf_add(b, data, b->max - b->len);
        c->result.too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return len;
}

/* ---- the life of a call ---- */

static void move(struct http_call *c, struct call_list *to) {
    if (c->in)
        TAILQ_REMOVE(c->in, c, link);
    c->in = to;
    if (to)
        TAILQ_INSERT_TAIL(to, c, link);
}

/* For the next call, when this one came to its end: what was given up may still be resolving its name. */
static void keep_handle(struct http_call *c) {
    struct spares *s = &c->http->spares[c->traffic];
    if (c->http->closing || c->cancelled || c->result.fate != HTTP_ANSWERED || s->count == SPARE_HANDLES) {
        curl_easy_cleanup(c->easy);
        return;
    }
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, NULL);
    s->list[s->count++] = c->easy;
}

/* Out of libcurl, and out of the lists. */
static void let_go(struct http_call *c) {
    struct http *h = c->http;
    if (c->in == &h->waiting) {
        h->waiting_count--;
    } else {
        h->active_count--;
        curl_uv_remove(h->curl, c->easy);
    }
    move(c, NULL);
    keep_handle(c);
    curl_slist_free_all(c->headers);
    body_done(c);
}

static void call_free(struct http_call *c) {
    buf_done(&c->result.body);
    free(c);
}

static void begin_waiting(struct http *h) {
    while (!h->closing && !TAILQ_EMPTY(&h->waiting) && (!h->max_connections || h->active_count < h->max_connections)) {
        struct http_call *c = TAILQ_FIRST(&h->waiting);
        move(c, &h->active);
        h->waiting_count--;
        h->active_count++;
        curl_uv_add(h->curl, c->easy);
    }
}

/* One phrase for the log. libcurl's own text only where it knows more and cannot hold a URL. */
static void explain(struct http_call *c, CURLcode code) {
    struct http_result *r = &c->result;
    long os_error = 0;
    curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &os_error);
    if (c->body_short)
        snprintf(r->reason, sizeof r->reason, "there was no more of the body to send");
    else if (c->headers_too_long)
        snprintf(r->reason, sizeof r->reason, "the headers of the answer have no end");
    else if (code == CURLE_OPERATION_TIMEDOUT && !r->stalled)
        snprintf(r->reason, sizeof r->reason, "no connection within %d ms", c->connect_ms);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        snprintf(r->reason, sizeof r->reason, "not done within %d ms", c->deadline_ms);
    else if (code == CURLE_COULDNT_CONNECT && os_error)
        snprintf(r->reason, sizeof r->reason, "could not connect: %s", strerror((int)os_error));
    else if (code == CURLE_SEND_FAIL_REWIND || (code == CURLE_ABORTED_BY_CALLBACK && c->connected))
        snprintf(r->reason, sizeof r->reason, "the connection broke before an answer came");
    else if ((code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION) && c->error[0])
        copy_printable(r->reason, sizeof r->reason, c->error, strlen(c->error));
    else
        copy_printable(r->reason, sizeof r->reason, curl_easy_strerror(code), strlen(curl_easy_strerror(code)));
}

static void judge(struct http_call *c, CURLcode code) {
    struct http_result *r = &c->result;
    curl_off_t sent = 0, lasted_us = 0;
    curl_easy_getinfo(c->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    curl_easy_getinfo(c->easy, CURLINFO_TOTAL_TIME_T, &lasted_us);
    r->sent_bytes = sent;
    bool may_be_executed = c->connected && (c->body_wanted || !c->body_len) && !c->body_short;
    r->fate = code == CURLE_OK || r->too_large ? HTTP_ANSWERED : may_be_executed ? HTTP_UNKNOWN : HTTP_NOT_SENT;
    if (code == CURLE_OPERATION_TIMEDOUT) /* of the whole, unless only connecting can have taken so long */
        r->stalled = c->connected || (c->deadline_ms && lasted_us / 1000 >= c->deadline_ms);
    if (r->fate != HTTP_ANSWERED)
        explain(c, code);
}

/* The end of a call whose result is known. Never inside libcurl. */
static void finish(struct http_call *c) {
    struct http *h = c->http;
    let_go(c);
    c->done = true;
    c->on_done(&c->result, c->owner);
    call_free(c);
    begin_waiting(h);
}

static void on_transfer_done(CURL *easy, CURLcode code, void *owner) {
    struct http_call *c = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&c);
    if (c->cancelled)
        return; /* in `doomed` */
    judge(c, code);
    finish(c);
}

static void on_curl_left(void *owner) {
    struct http *h = owner;
    for (struct http_call *c; (c = TAILQ_FIRST(&h->doomed));) {
        let_go(c);
        call_free(c);
    }
    begin_waiting(h);
}

void http_cancel(struct http_call *c) {
    if (!c || c->done || c->cancelled)
        return;
    struct http *h = c->http;
    c->cancelled = true;
    if (c->in != &h->waiting && curl_uv_inside(h->curl)) {
        move(c, &h->doomed);
        return;
    }
    let_go(c);
    call_free(c);
    if (!curl_uv_inside(h->curl))
        begin_waiting(h);
}

/* ---- silence ---- */

static void on_silence(uv_timer_t *timer) {
    struct http *h = timer->data;
    struct call_list silent = TAILQ_HEAD_INITIALIZER(silent);
    uint64_t now = uv_now(timer->loop), next = 0;
    h->silence_at = 0;
    for (struct http_call *c = TAILQ_FIRST(&h->active), *after; c; c = after) {
        after = TAILQ_NEXT(c, link);
        if (!c->idle_ms || !c->connected)
            continue;
        uint64_t at = c->heard_at + (uint64_t)c->idle_ms;
        if (at <= now)
            move(c, &silent);
        else if (!next || at < next)
            next = at;
    }
    if (next)
        expect_silence(h, next);
    for (struct http_call *c; (c = TAILQ_FIRST(&silent));) { /* one at a time: an on_done may cancel others */
        c->result.stalled = true;
        judge(c, CURLE_OPERATION_TIMEDOUT);
        snprintf(c->result.reason, sizeof c->result.reason, "silent for %d ms", c->idle_ms);
        finish(c);
    }
}

/* Look at all calls at that time. Bytes that come meanwhile move no timer, which is what makes ten thousand streams cheap;
 * and calls that fall silent together are found in one walk. */
static void expect_silence(struct http *h, uint64_t at) {
    enum { AT_MOST_EVERY_MS = 20 };
    uint64_t now = uv_now(h->silence.loop);
    if (h->silence_at && h->silence_at <= at)
        return;
    h->silence_at = at;
    uv_timer_start(&h->silence, on_silence, at > now + AT_MOST_EVERY_MS ? at - now : AT_MOST_EVERY_MS, 0);
}

/* ---- starting ---- */

static bool has_header(const struct http_request *q, const char *name) {
    size_t ignored;
    for (const char *const *line = q->headers; line && *line; line++)
        if (value_of(*line, strlen(*line), name, &ignored))
            return true;
    return false;
}

static void add_header(struct http_call *c, const char *line) {
    struct curl_slist *longer = curl_slist_append(c->headers, line);
    if (!longer)
        abort();
    c->headers = longer;
}

static void set_headers(struct http_call *c, const struct http_request *q) {
    add_header(c, "Expect:"); /* no waiting for 100 Continue */
    if (!has_header(q, "content-type"))
        add_header(c, "Content-Type:"); /* none rather than libcurl's guess */
    for (const char *const *line = q->headers; line && *line; line++)
        add_header(c, *line);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
}

static void set_method(struct http_call *c, const struct http_request *q) {
    bool is_post = !c->is_get && (c->body_len || !strcmp(q->method, "POST"));
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->short_body ? c->body : NULL); /* NULL: on_body_wanted */
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(is_post ? (int64_t)c->body_len : -1));
    curl_easy_setopt(c->easy, is_post ? CURLOPT_POST : CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, c->is_get || !strcmp(q->method, "POST") ? NULL : q->method);
}

/* What is the same for all calls of this kind. */
static CURL *new_handle(const struct http *h, enum traffic traffic) {
    CURL *e = curl_easy_init();
    if (!e)
        abort();
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1); /* one stream, one connection */
    curl_easy_setopt(e, CURLOPT_USERAGENT, h->user_agent);
    curl_easy_setopt(e, CURLOPT_PROXY, h->proxy); /* "" is none; NULL would be the environment's */
    curl_easy_setopt(e, CURLOPT_NOPROXY, "");
    curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* or ending a call that still resolves waits for the resolver */
    curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 30L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, 10L);
    curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, (long)IDLE_CONNECTION_S);
    curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, (long)(traffic == BULK ? BULK_BUFFER : UPLOAD_BUFFER));
    if (traffic != PLAIN)
        curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)(traffic == BULK ? BULK_BUFFER : STREAM_BUFFER));
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(e, CURLOPT_READFUNCTION, on_body_wanted);
    curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_rewind);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    return e;
}

/* Everything that differs from call to call: the handle may have served another one. */
static void set_up(struct http_call *c, const struct http_request *q) {
    struct spares *s = &c->http->spares[c->traffic];
    CURL *e = c->easy = s->count ? s->list[--s->count] : new_handle(c->http, c->traffic);
    curl_easy_setopt(e, CURLOPT_PRIVATE, c);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(e, CURLOPT_URL, q->url);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_ms);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)c->deadline_ms);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, c);
    curl_easy_setopt(e, CURLOPT_READDATA, c);
    curl_easy_setopt(e, CURLOPT_SEEKDATA, c);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
    set_method(c, q);
    set_headers(c, q);
}

static void on_late(uv_idle_t *idle);

struct http_call *http_start(struct http *h, const struct http_request *q) {
    struct http_call *c = alloc_zero(sizeof *c);
    assert(q->method && q->url && q->on_done);
    c->http = h;
    c->round = h->round;
    c->is_get = !strcmp(q->method, "GET");
    c->body_len = q->body || q->body_read ? q->body_len : 0;
    c->body_read = q->body_read;
    c->body_free = q->body_free ? q->body_free : free;
    c->body = q->body && !q->body_free ? alloc_copy(q->body, q->body_len) : q->body;
    c->max_body = q->max_body;
    c->connect_ms = q->connect_ms ? q->connect_ms : CONNECT_MS;
    c->deadline_ms = q->deadline_ms;
    c->idle_ms = q->idle_ms;
    c->on_bytes = q->on_bytes;
    c->traffic = q->bulk ? BULK : q->on_bytes ? STREAM : PLAIN;
    c->on_done = q->on_done;
    c->owner = q->owner;
    c->result.retry_after_ms = c->result.should_retry = -1;
    c->result.content_length = c->result.range_from = -1;
    buf_init(&c->result.body, q->max_body);
    c->short_body = c->body && c->body_len && c->body_len <= SHORT_BODY;
    set_up(c, q);
    move(c, &h->waiting);
    h->waiting_count++;
    if (h->closing)
        uv_idle_start(&h->late, on_late);
    else if (!curl_uv_inside(h->curl))
        begin_waiting(h);
    return c;
}

const struct http_result *http_so_far(const struct http_call *c) {
    return &c->result;
}

unsigned http_in_flight(const struct http *h) {
    return h->waiting_count + h->active_count;
}

struct http *http_new(uv_loop_t *loop, const struct http_options *options) {
    struct http *h = alloc_zero(sizeof *h);
    const char *proxy = options->proxy ? options->proxy : "", *agent = options->user_agent ? options->user_agent : "";
    h->proxy = alloc_copy(proxy, strlen(proxy));
    h->user_agent = alloc_copy(agent, strlen(agent));
    h->max_connections = options->max_connections > 0 ? (unsigned)options->max_connections : 0;
    h->curl = curl_uv_new(loop, IDLE_CONNECTIONS,
                          &(struct curl_uv_events){ .on_done = on_transfer_done, .on_left = on_curl_left, .owner = h });
    TAILQ_INIT(&h->waiting);
    TAILQ_INIT(&h->active);
    TAILQ_INIT(&h->doomed);
    uv_timer_init(loop, &h->silence);
    uv_idle_init(loop, &h->late);
    h->silence.data = h->late.data = h;
    h->open_handles = 2;
    return h;
}

static void on_handle_closed(uv_handle_t *handle) {
    struct http *h = handle->data;
    if (--h->open_handles)
        return;
    free(h->proxy);
    free(h->user_agent);
    free(h);
}

static void give_up(struct http_call *c) {
    judge(c, CURLE_ABORTED_BY_CALLBACK);
    snprintf(c->result.reason, sizeof c->result.reason, "given up: the service stops");
    finish(c);
}

/* End the calls that wait, but not those which are started meanwhile: they stand behind, with a later round. */
static void give_up_waiting(struct http *h) {
    unsigned round = h->round++;
    for (struct http_call *c; (c = TAILQ_FIRST(&h->waiting)) && c->round <= round;)
        give_up(c);
}

static void close_when_empty(struct http *h) {
    if (!TAILQ_EMPTY(&h->waiting))
        return; /* on_late comes back */
    for (int i = 0; i < 3; i++)
        while (h->spares[i].count)
            curl_easy_cleanup(h->spares[i].list[--h->spares[i].count]);
    curl_uv_free(h->curl);
    uv_close((uv_handle_t *)&h->silence, on_handle_closed);
    uv_close((uv_handle_t *)&h->late, on_handle_closed);
}

static void on_late(uv_idle_t *idle) {
    struct http *h = idle->data;
    give_up_waiting(h);
    close_when_empty(h);
}

void http_free(struct http *h) {
    if (!h)
        return;
    assert(!h->closing && !curl_uv_inside(h->curl));
    h->closing = true;
    give_up_waiting(h);
    while (!TAILQ_EMPTY(&h->active))
        give_up(TAILQ_FIRST(&h->active));
    close_when_empty(h);
}
