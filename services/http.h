/* HTTP calls on the loop: libcurl's multi interface under libuv.
 *
 * A call has one of three fates, and the caller must tell them apart (see enum http_fate): only what was certainly not
 * sent may be sent again without thought. A second connection for the same call, and rewinding its body, are refused,
 * because libcurl would otherwise repeat a POST by itself on a reused connection that dies.
 *
 * Callbacks run on the loop, never inside http_start(): on_bytes with each piece of a 2xx body as it comes (when it is
 * given; else, and for every other status, the body is collected in result.body, at most max_body bytes), on_done exactly
 * once, last. Neither may call into this module except http_cancel() and http_start(), which are safe from both.
 * SIGPIPE must be ignored by the process. */
#ifndef SERVICES_HTTP_H
#define SERVICES_HTTP_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "services/buf.h"

enum http_fate {
    HTTP_NOT_SENT,      /* the server has certainly not seen the request: refused, unresolved, no TLS, body never asked for */
    HTTP_UNKNOWN,       /* it may have been executed, and paid: time-out, reset, cut in the middle of the answer */
    HTTP_ANSWERED       /* a status came, and the body is whole (for chunked and counted bodies) */
};

struct http_result {
    enum http_fate fate;
    int status;                      /* also set when fate is HTTP_UNKNOWN but a status line came; else 0 */
    char reason[128];                /* one clear phrase for a log line when fate is not HTTP_ANSWERED; never holds the URL */
    int64_t retry_after_ms;          /* from retry-after-ms or Retry-After (seconds or date); -1: none */
    int should_retry;                /* x-should-retry: 1 true, 0 false, -1 not said */
    bool too_large;                  /* the body passed max_body: fate is HTTP_ANSWERED, body holds what fitted */
    bool stalled;                    /* ended by idle_ms or deadline_ms */
    char request_id[80];             /* x-request-id or "" */
    char content_type[80];           /* or "" */
    struct http_limit { int64_t limit, left; char reset[24]; } requests, tokens;     /* x-ratelimit-…; limit 0: not said; reset as written */
    int64_t content_length;          /* what the head of the answer promised; -1: nothing */
    int64_t range_from;              /* of Content-Range: where the body begins in the whole; -1: not said */
    int64_t sent_bytes, received_bytes;
    struct buf body;                 /* valid inside on_done; take it with buf_take() to keep it */
};

struct http;            /* one per process and peer: connections, proxy */
struct http_call;

typedef void http_bytes_fn(const char *data, size_t len, void *owner);
/* The next bytes of a request's body, at most `room`: how many there are; 0: there is no more to be had. */
typedef size_t http_read_fn(char *to, size_t room, void *owner);
typedef void http_done_fn(struct http_result *result, void *owner);

struct http_request {
    const char *method;              /* "GET", "POST", "DELETE" */
    const char *url;                 /* copied */
    const char *const *headers;      /* NULL-terminated lines "Name: value", copied; may be NULL */
    const char *body;                /* copied unless body_free is set, then owned by the call from now on; may be NULL */
    size_t body_len;
    void (*body_free)(void *body);
    http_read_fn *body_read;         /* instead of `body`: its body_len bytes are asked for piece by piece, once, with `owner`. When there
                                        are fewer the call ends, and no server has got a whole request. May call nothing of this module */
    bool bulk;                       /* megabytes go or come: larger buffers */
    size_t max_body;                 /* of the collected answer */
    int connect_ms;                  /* 0: 5 s */
    int deadline_ms;                 /* of the whole call; 0: none (streams) */
    int idle_ms;                     /* longest silence once connected, also before the first byte; 0: none */
    http_bytes_fn *on_bytes;         /* may be NULL */
    http_done_fn *on_done;
    void *owner;
};

struct http_options {
    const char *proxy;               /* http://, https://, socks5://, socks5h:// URL or NULL/"": no proxy (the environment's is ignored) */
    int max_connections;             /* calls side by side, whatever their host; further ones wait inside (their time runs from their start); 0: no bound */
    const char *user_agent;
};

struct http *http_new(uv_loop_t *loop, const struct http_options *options);
/* Cancels what is under way (each on_done is called with HTTP_UNKNOWN or HTTP_NOT_SENT), closes; memory goes when the loop has turned. */
void http_free(struct http *h);
/* Start a call. Never NULL; whatever is wrong with it comes to on_done in a later turn of the loop. */
struct http_call *http_start(struct http *h, const struct http_request *request);
/* The owner goes away: no callback will come any more. The connection is closed. NULL is fine. Not after on_done was called. */
void http_cancel(struct http_call *c);
/* What the head of the answer said; for on_bytes. Borrowed, valid until the call ends. */
const struct http_result *http_so_far(const struct http_call *c);
unsigned http_in_flight(const struct http *h);         /* started and not done, those that wait inside included */

#endif
