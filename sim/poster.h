/* poster: a connection that posts HTTP requests, one at a time, and reads the status of each answer. For webhooks.
 *
 *     IDLE → (resolve → connect →) SENT → IDLE        any failure → done with status 0, and a new connection next time
 *
 * The connection is kept between requests when the other side allows it. Nothing is sent twice here: who posts repeats. */
#ifndef SIM_POSTER_H
#define SIM_POSTER_H
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct poster;

struct post_result {
    int status;                 /* 0: no answer, and `error` says why */
    const char *error;          /* valid during the call */
    int64_t retry_after_s;      /* -1: not said */
};

/* Comes once for each poster_send, from the loop, never from inside it; may send again, or close. */
typedef void poster_done(void *ctx, struct poster *p, const struct post_result *r);

struct poster *poster_new(uv_loop_t *loop, const char *host, int port, poster_done *done, void *ctx);
void poster_send(struct poster *p, const char *request, size_t n, int64_t timeout_ms);    /* the whole request; copied */
void poster_close(struct poster *p);    /* at any time; nothing comes any more */
#endif
