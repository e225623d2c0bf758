#include "sim/poster.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/buf.h"

enum { ANSWER_MAX = 1024 * 1024, READ_PIECE = 16 * 1024 };

struct link {                   /* one TCP connection; lives until its handle is closed */
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct poster *owner;       /* NULL: nobody cares any more */
    char room[READ_PIECE];
};

struct poster {
    uv_loop_t *loop;
    poster_done *done;
    void *ctx;
    char *host;
    int port;
    struct link *link;
    uv_timer_t *timer;
    uv_getaddrinfo_t *resolving;
    char *request;
    size_t request_len;
    struct buf in;
    bool sent;                  /* an answer is waited for */
    const char *failed;         /* found at once; told by the timer */
};

struct writing {
    uv_write_t req;
    char data[];
};

static void on_link_closed(uv_handle_t *h) {
    free(h->data);
}

static void drop_link(struct poster *p) {
    struct link *l = p->link;
    p->link = NULL;
    if (!l)
        return;
    l->owner = NULL;
    uv_close((uv_handle_t *)&l->tcp, on_link_closed);
}

static void finish(struct poster *p, const struct post_result *r) {
    p->sent = false;
    p->failed = NULL;
    p->in.n = 0;
    free(p->request);
    p->request = NULL;
    uv_timer_stop(p->timer);
    p->done(p->ctx, p, r);      /* p may be gone now */
}

static void fail(struct poster *p, const char *why) {
    drop_link(p);
    finish(p, &(struct post_result){ .error = why, .retry_after_s = -1 });
}

static void on_timeout(uv_timer_t *t) {
    struct poster *p = t->data;
    if (p->resolving) {
        uv_cancel((uv_req_t *)p->resolving);    /* if it cannot be, its end finds nobody */
        p->resolving->data = NULL;
        p->resolving = NULL;
    }
    fail(p, p->failed ? p->failed : "Read timeout expired");
}

static void fail_soon(struct poster *p, const char *why) {
    p->failed = why;
    uv_timer_start(p->timer, on_timeout, 0, 0);
}

/* ---- the answer ---- */

/* The end of the answer in p->in: 1 it is whole, 0 not yet, -1 nonsense. */
static int read_answer(struct poster *p, bool at_end, struct post_result *r, bool *ret_keep) {
    char *head_end, *line;
    long long length = -1;
    bool chunked = false, keep;
    size_t body;
    for (;;) {
        head_end = p->in.n ? strstr(p->in.p, "\r\n\r\n") : NULL;
        if (!head_end)
            return at_end ? -1 : 0;
        if (strncmp(p->in.p, "HTTP/1.", 7) || sscanf(p->in.p + 8, " %3d", &r->status) != 1)
            return -1;
        if (r->status >= 200)
            break;
        buf_drop(&p->in, (size_t)(head_end + 4 - p->in.p));     /* 100 Continue */
    }
    keep = p->in.p[7] == '1';
    r->retry_after_s = -1;
    for (line = strstr(p->in.p, "\r\n") + 2; line < head_end; line = strstr(line, "\r\n") + 2) {
        if (!strncasecmp(line, "Content-Length:", 15))
            length = strtoll(line + 15, NULL, 10);
        else if (!strncasecmp(line, "Transfer-Encoding:", 18))
            chunked = true;
        else if (!strncasecmp(line, "Retry-After:", 12))
            r->retry_after_s = strtoll(line + 12, NULL, 10);
        else if (!strncasecmp(line, "Connection:", 11))
            keep = keep && strncasecmp(line + 11 + strspn(line + 11, " "), "close", 5) != 0;
    }
    body = p->in.n - (size_t)(head_end + 4 - p->in.p);
    *ret_keep = keep && length >= 0 && body == (size_t)length;
    if (r->status == 204 || r->status == 304) {
        *ret_keep = keep && !body;
        return 1;
    }
    if (length >= 0)
        return body >= (size_t)length ? 1 : at_end ? -1 : 0;
    if (chunked)                /* not kept: where it ends exactly need not be known then */
        return body >= 5 && !memcmp(p->in.p + p->in.n - 5, "0\r\n\r\n", 5) ? 1 : at_end ? -1 : 0;
    return at_end ? 1 : 0;
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b) {
    struct link *l = h->data;
    *b = uv_buf_init(l->room, sizeof l->room);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b) {
    struct link *l = s->data;
    struct poster *p = l->owner;
    struct post_result r = { .retry_after_s = -1 };
    bool keep = false;
    int whole;
    if (!p || n == 0)
        return;
    if (!p->sent) {             /* idle: it was closed, or speaks unasked */
        drop_link(p);
        return;
    }
    if (n > 0)
        buf_add(&p->in, b->base, (size_t)n);
    whole = p->in.n > ANSWER_MAX || (p->in.n && memchr(p->in.p, 0, p->in.n)) ? -1 : read_answer(p, n < 0, &r, &keep);
    if (n < 0 && !p->in.n) {
        fail(p, n == UV_EOF ? "Connection closed" : "Connection reset by peer");
    } else if (whole < 0) {
        fail(p, n < 0 ? "Connection closed" : "Wrong response from the webhook: no HTTP");
    } else if (whole) {
        if (!keep || n < 0)
            drop_link(p);
        finish(p, &r);
    }
}

/* ---- sending ---- */

static void on_written(uv_write_t *w, int status) {
    free(w);                    /* a failure shows in the read as well */
}

static void write_request(struct poster *p) {
    struct writing *w = xalloc(sizeof *w + p->request_len);
    uv_buf_t b;
    memcpy(w->data, p->request, p->request_len);
    b = uv_buf_init(w->data, (unsigned)p->request_len);
    p->in.n = 0;
    if (uv_write(&w->req, (uv_stream_t *)&p->link->tcp, &b, 1, on_written) < 0) {
        free(w);
        drop_link(p);
        fail_soon(p, "Connection closed");
    }
}

static void on_connected(uv_connect_t *c, int status) {
    struct link *l = c->data;
    struct poster *p = l->owner;
    if (!p)
        return;
    if (status < 0) {
        fail(p, status == UV_ECONNREFUSED ? "Connection refused" : "Connection timed out");
        return;
    }
    uv_read_start((uv_stream_t *)&l->tcp, on_alloc, on_read);
    write_request(p);
}

static void connect_to(struct poster *p, const struct sockaddr *address) {
    struct link *l = xalloc(sizeof *l);
    uv_tcp_init(p->loop, &l->tcp);
    l->tcp.data = l->connect.data = l;
    l->owner = p;
    p->link = l;
    uv_tcp_nodelay(&l->tcp, 1);
    if (uv_tcp_connect(&l->connect, &l->tcp, address, on_connected) < 0) {
        drop_link(p);
        fail_soon(p, "Connection refused");
    }
}

static void on_resolved(uv_getaddrinfo_t *g, int status, struct addrinfo *found) {
    struct poster *p = g->data;
    free(g);
    if (p) {
        p->resolving = NULL;
        if (status < 0 || !found)
            fail(p, "Failed to resolve host: Name or service not known");
        else
            connect_to(p, found->ai_addr);
    }
    uv_freeaddrinfo(found);
}

static void connect_now(struct poster *p) {
    const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    char port[8];
    if (!uv_ip4_addr(p->host, p->port, &v4)) {
        connect_to(p, (struct sockaddr *)&v4);
    } else if (!uv_ip6_addr(p->host, p->port, &v6)) {
        connect_to(p, (struct sockaddr *)&v6);
    } else {
        snprintf(port, sizeof port, "%d", p->port);
        p->resolving = xalloc(sizeof *p->resolving);
        p->resolving->data = p;
        if (uv_getaddrinfo(p->loop, p->resolving, on_resolved, p->host, port, &hints) < 0) {
            free(p->resolving);
            p->resolving = NULL;
            fail_soon(p, "Failed to resolve host: Name or service not known");
        }
    }
}

void poster_send(struct poster *p, const char *request, size_t n, int64_t timeout_ms) {
    free(p->request);
    p->request = xndup(request, n);
    p->request_len = n;
    p->sent = true;
    uv_timer_start(p->timer, on_timeout, (uint64_t)timeout_ms, 0);
    if (p->link)
        write_request(p);
    else
        connect_now(p);
}

struct poster *poster_new(uv_loop_t *loop, const char *host, int port, poster_done *done, void *ctx) {
    struct poster *p = xalloc(sizeof *p);
    p->loop = loop;
    p->done = done;
    p->ctx = ctx;
    p->host = xdup(host);
    p->port = port;
    p->timer = xalloc(sizeof *p->timer);
    uv_timer_init(loop, p->timer);
    p->timer->data = p;
    return p;
}

static void on_timer_closed(uv_handle_t *h) {
    free(h);
}

void poster_close(struct poster *p) {
    if (!p)
        return;
    drop_link(p);
    if (p->resolving) {
        p->resolving->data = NULL;
        uv_cancel((uv_req_t *)p->resolving);
    }
    uv_close((uv_handle_t *)p->timer, on_timer_closed);
    buf_done(&p->in);
    free(p->request);
    free(p->host);
    free(p);
}
