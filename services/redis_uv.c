#include "services/redis_uv.h"
#include <stdbool.h>
#include <stdlib.h>
#include "services/alloc.h"

struct watch {
    uv_poll_t poll;
    uv_prepare_t flush;         /* active: something is to be written before the loop waits */
    bool flushing;
    int open_handles;
    redisAsyncContext *ac;      /* NULL once hiredis has let go; then only the close callbacks are awaited */
    int wanted;                 /* UV_READABLE, UV_WRITABLE */
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void want(struct watch *w, int wanted) {
    if (w->wanted == wanted)
        return;
    w->wanted = wanted;
    if (wanted)
        uv_poll_start(&w->poll, wanted, on_poll);
    else
        uv_poll_stop(&w->poll);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct watch *w = poll->data;
    if (status < 0)
        events = w->wanted; /* whatever hiredis waits for, it finds the error in it */
    if (w->ac && (events & UV_READABLE))
        redisAsyncHandleRead(w->ac);
    if (w->ac && (events & UV_WRITABLE)) /* the read may have been the end of it */
        redisAsyncHandleWrite(w->ac);
    if (status < 0 && w->ac && w->wanted) /* hiredis found nothing wrong: libuv has stopped the handle, so start it again */
        uv_poll_start(&w->poll, w->wanted, on_poll);
}

static void add_read(void *data) {
    struct watch *w = data;
    want(w, w->wanted | UV_READABLE);
}

static void del_read(void *data) {
    struct watch *w = data;
    want(w, w->wanted & ~UV_READABLE);
}

/* Until a connection stands, being writable is the news. From then on what was said in one turn of the loop goes out together,
 * right before the loop waits; the socket is watched only when it does not take all of it. */
static void on_flush(uv_prepare_t *flush) {
    struct watch *w = flush->data;
    uv_prepare_stop(flush);
    w->flushing = true;
    if (w->ac)
        redisAsyncHandleWrite(w->ac);
    w->flushing = false;
}

static void add_write(void *data) {
    struct watch *w = data;
    if (w->flushing || !(w->ac->c.flags & REDIS_CONNECTED))
        want(w, w->wanted | UV_WRITABLE);
    else if (!(w->wanted & UV_WRITABLE))
        uv_prepare_start(&w->flush, on_flush);
}

static void del_write(void *data) {
    struct watch *w = data;
    uv_prepare_stop(&w->flush);
    want(w, w->wanted & ~UV_WRITABLE);
}

static void on_closed(uv_handle_t *handle) {
    struct watch *w = handle->data;
    if (--w->open_handles == 0)
        free(w);
}

static void let_go(void *data) { /* hiredis closes the socket right behind this; uv_close has stopped polling it by then */
    struct watch *w = data;
    w->ac = NULL;
    uv_close((uv_handle_t *)&w->poll, on_closed);
    uv_close((uv_handle_t *)&w->flush, on_closed);
}

int redis_uv_attach(redisAsyncContext *ac, uv_loop_t *loop) {
    struct watch *w = alloc_zero(sizeof *w);
    int bad = uv_poll_init(loop, &w->poll, ac->c.fd);
    if (bad)
        return free(w), bad;
    uv_prepare_init(loop, &w->flush);
    w->poll.data = w->flush.data = w;
    w->open_handles = 2;
    w->ac = ac;
    ac->ev.data = w;
    ac->ev.addRead = add_read;
    ac->ev.delRead = del_read;
    ac->ev.addWrite = add_write;
    ac->ev.delWrite = del_write;
    ac->ev.cleanup = let_go;
    return 0;
}
