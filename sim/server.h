/* server: HTTP connections on a libuv loop, one exchange (request and its answer) at a time on each.
 *
 * Why not libmicrohttpd: the simulator must break answers at any byte (RST, FIN, silence, pieces), must notice at once that
 * the reader of a silent stream has gone, and must carry ten thousand parked exchanges. libmicrohttpd takes a suspended
 * connection out of its epoll set, so a departed reader is not seen, and each resume walks the list of all suspended ones.
 * sim/README.md has the figures.
 *
 * Life of an exchange: on_request() is called when the request is whole. It answers at once, or keeps the pointer, sets
 * `on_gone`, and answers later. After exch_answer()/exch_end() the pointer is no longer the caller's. If the peer leaves
 * first, on_gone is called once, from the loop, never from inside an exch_ function; after that the pointer is dead.
 * On a dying connection every exch_ function is a no-op, so callers need not ask.
 *
 * A fault that spoils the answer is a `tap` on it: the bytes run through, and at its place it does its harm. */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "sim/http.h"

struct server;
struct exch;

struct tap {
    enum tap_kind {
        TAP_NONE, TAP_LOST, TAP_STATUS, TAP_HANG,                                   /* the whole answer */
        TAP_RESET, TAP_FIN, TAP_CUT, TAP_STALL, TAP_MALFORMED, TAP_DRIBBLE,         /* at a place in it */
    } kind;
    int64_t after_bytes, after_events;  /* -1: not given */
    int64_t ms;                         /* -1: for ever */
    size_t piece;
    int status;
    char *ctype, *headers, *body;       /* owned; headers are whole lines with CRLF */
    size_t body_len;
};

struct exch {
    struct http *http;                  /* the request; valid until the answer is out */
    struct server *server;
    bool again;                         /* on_request is called a second time, after a delay */
    int64_t fault_id;                   /* of the fault that hit it, 0: none */
    struct tap tap;
    void (*on_gone)(struct exch *x);
    void *owner;                        /* of whoever waits with it */
};

typedef void server_on_request(void *ctx, struct exch *x);

/* Listens on "host:port". Returns 0 or a negative libuv error. */
int server_open(uv_loop_t *loop, const char *listen, server_on_request *on_request, void *ctx, struct server **ret_server);
int server_port(const struct server *s);
int64_t server_connections(const struct server *s);
void server_close(struct server *s);    /* closes everything; the loop then runs empty */
void server_free(struct server *s);     /* after the loop has ended */

void exch_answer(struct exch *x, int status, const char *ctype, const char *headers, const char *body, size_t n);
void exch_begin(struct exch *x, int status, const char *ctype, const char *headers);    /* a chunked answer */
void exch_event(struct exch *x, const char *p, size_t n);   /* one piece of it; written by exch_flush or exch_end */
void exch_flush(struct exch *x);
void exch_end(struct exch *x);
void exch_kill(struct exch *x, bool reset);                 /* RST, or FIN */
void exch_hang(struct exch *x, int64_t ms);                 /* silence, then FIN; ms < 0: for ever */
void exch_delay(struct exch *x, int64_t ms);                /* on_request comes again then, with x->again */
bool exch_is_dead(const struct exch *x);
void tap_done(struct tap *t);
const char *http_reason(int status);
#endif
