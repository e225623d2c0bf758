#include "services/curl_uv.h"
#include <assert.h>
#include <stdlib.h>
#include "services/alloc.h"

struct curl_uv {
    CURLM *multi;
    uv_timer_t timer;
    uv_idle_t at_once;          /* active: libcurl wants to be turned now */
    int open_handles;
    struct curl_uv_events events;
    bool inside;
};

/* One socket of libcurl's. Freed in its close callback: libuv needs the storage until then. */
struct watch {
    uv_poll_t poll;
    struct curl_uv *cu;
    curl_socket_t fd;
    int events;
};

/* After these the state of every transfer is undefined; they come from lack of memory and from bugs. */
static void must(CURLMcode code) {
    if (code != CURLM_OK && code != CURLM_BAD_SOCKET)
        abort();
}

/* Turn libcurl, then report all that has finished: also when it says that nothing runs any more, or the last transfer's
 * time-out would never be heard of. */
static void turn(struct curl_uv *cu, curl_socket_t fd, int what) {
    int running, left;
    cu->inside = true;
    must(curl_multi_socket_action(cu->multi, fd, what, &running));
    cu->inside = false;
    for (CURLMsg *m; (m = curl_multi_info_read(cu->multi, &left));)
        if (m->msg == CURLMSG_DONE)
            cu->events.on_done(m->easy_handle, m->data.result, cu->events.owner);
    cu->events.on_left(cu->events.owner);
}

/* When the socket is broken, libuv stops the handle and tells no more than that. An answer may still be waiting before the
 * break: CURL_CSELECT_ERR would throw it away, so libcurl is to look for itself (0), as often as it takes to the end. */
static void on_readiness(uv_poll_t *poll, int status, int events) {
    struct watch *w = poll->data;
    turn(w->cu, w->fd, (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
    if (status < 0 && !uv_is_closing((uv_handle_t *)&w->poll)) /* freed no earlier than the loop's next turn */
        uv_poll_start(&w->poll, w->events, on_readiness);
}

static void on_watch_closed(uv_handle_t *poll) {
    free(poll->data);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *socket_owner) {
    struct curl_uv *cu = owner;
    struct watch *w = socket_owner;
    if (what == CURL_POLL_REMOVE) {
        if (w) { /* at once: the descriptor may be closed, and its number used again, before the loop turns */
            curl_multi_assign(cu->multi, fd, NULL);
            uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *)&w->poll, on_watch_closed);
        }
        return 0;
    }
    if (!w) {
        w = alloc_zero(sizeof *w);
        w->cu = cu;
        w->fd = fd;
        w->poll.data = w;
        int failed = uv_poll_init_socket(cu->timer.loop, &w->poll, fd);
        assert(!failed); /* only for a descriptor that is watched already, or is none */
        (void)failed;    /* with NDEBUG */
        curl_multi_assign(cu->multi, fd, w);
    }
    w->events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    uv_poll_start(&w->poll, w->events, on_readiness);
    return 0;
}

static void on_time(uv_timer_t *timer) {
    turn(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_at_once(uv_idle_t *idle) {
    struct curl_uv *cu = idle->data;
    uv_idle_stop(idle);
    turn(cu, CURL_SOCKET_TIMEOUT, 0);
}

/* "Now" is an idle handle's turn and no timer of 0 ms: before libuv 1.48 one that is started again and again in its own callback
 * keeps the loop from its sockets, and one of 1 ms would be most of what a call on loopback takes. */
static int on_timer_wanted(CURLM *multi, long wait_ms, void *owner) {
    struct curl_uv *cu = owner;
    uv_timer_stop(&cu->timer);
    uv_idle_stop(&cu->at_once);
    if (wait_ms == 0)
        uv_idle_start(&cu->at_once, on_at_once);
    else if (wait_ms > 0)
        uv_timer_start(&cu->timer, on_time, (uint64_t)wait_ms, 0);
    return 0;
}

struct curl_uv *curl_uv_new(uv_loop_t *loop, long max_idle_connections, const struct curl_uv_events *events) {
    struct curl_uv *cu = alloc_zero(sizeof *cu);
    curl_global_init(CURL_GLOBAL_DEFAULT); /* counted, as its cleanup is */
    cu->events = *events;
    cu->multi = curl_multi_init();
    if (!cu->multi)
        abort();
    uv_timer_init(loop, &cu->timer);
    uv_idle_init(loop, &cu->at_once);
    cu->timer.data = cu->at_once.data = cu;
    cu->open_handles = 2;
    curl_multi_setopt(cu->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(cu->multi, CURLMOPT_SOCKETDATA, cu);
    curl_multi_setopt(cu->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(cu->multi, CURLMOPT_TIMERDATA, cu);
    curl_multi_setopt(cu->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl_multi_setopt(cu->multi, CURLMOPT_MAXCONNECTS, max_idle_connections);
    return cu;
}

static void on_closed(uv_handle_t *handle) {
    struct curl_uv *cu = handle->data;
    if (--cu->open_handles == 0)
        free(cu);
}

void curl_uv_free(struct curl_uv *cu) {
    assert(!cu->inside);
    curl_multi_cleanup(cu->multi); /* closes the idle connections; their watches close themselves */
    curl_global_cleanup();
    uv_close((uv_handle_t *)&cu->timer, on_closed);
    uv_close((uv_handle_t *)&cu->at_once, on_closed);
}

void curl_uv_add(struct curl_uv *cu, CURL *easy) {
    must(curl_multi_add_handle(cu->multi, easy));
}

void curl_uv_remove(struct curl_uv *cu, CURL *easy) {
    must(curl_multi_remove_handle(cu->multi, easy));
}

bool curl_uv_inside(const struct curl_uv *cu) {
    return cu->inside;
}
