/*   uv_poll on libmicrohttpd's epoll descriptor ──▶ MHD_run ──▶ on_request ──▶ answer
 *   uv_timer for its own time-outs ─────────────────┘
 */
#include "services/server.h"
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "services/alloc.h"
#include "services/log.h"

struct server {
    const char *setting;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    int handles;
};

static void on_timer(uv_timer_t *timer);

void server_turn(struct server *s) {
    MHD_run(s->daemon);
    unsigned long long wait_ms;
    if (MHD_get_timeout(s->daemon, &wait_ms) == MHD_YES)
        uv_timer_start(&s->timer, on_timer, wait_ms > 0 ? wait_ms : 1, 0); /* never 0: see http.c */
    else
        uv_timer_stop(&s->timer);
}

static void on_timer(uv_timer_t *timer) {
    server_turn(timer->data);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
    server_turn(poll->data);
}

__attribute__((format(printf, 2, 0)))
static void on_complaint(void *owner, const char *format, va_list args) {
    const struct server *s = owner;
    char line[300];
    (void)vsnprintf(line, sizeof line, format, args); /* cut is fine */
    log_debug(NULL, "%s: %.*s", s->setting, (int)strcspn(line, "\n"), line);
}

/* Resolving blocks, but a name to listen on is one of this machine's own. */
static int resolve(const char *listen, struct addrinfo **ret) {
    char host[256], *colon;
    snprintf(host, sizeof host, "%s", listen);
    colon = strrchr(host, ':');
    *colon = '\0';
    char *name = host;
    if (*name == '[') {
        name++;
        name[strcspn(name, "]")] = '\0';
    }
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    return getaddrinfo(name, colon + 1, &hints, ret);
}

static void on_closed(uv_handle_t *handle) {
    struct server *s = handle->data;
    if (--s->handles == 0)
        free(s);
}

struct server *server_new(uv_loop_t *loop, const struct server_options *o) {
    struct addrinfo *address = NULL;
    int bad = resolve(o->listen, &address);
    if (bad) {
        log_error(NULL, "%s: %s: %s", o->setting, o->listen, gai_strerror(bad));
        return NULL;
    }
    struct server *s = alloc_zero(sizeof *s);
    s->setting = o->setting;
    unsigned flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG | (address->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0)
                   | (o->suspends ? MHD_ALLOW_SUSPEND_RESUME : 0);
    errno = 0;
    s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, o->on_request, o->owner,
        MHD_OPTION_EXTERNAL_LOGGER, on_complaint, s, /* first: it hears what is wrong with the others */
        MHD_OPTION_SOCK_ADDR, address->ai_addr,
        MHD_OPTION_CONNECTION_LIMIT, o->connections_most,
        MHD_OPTION_CONNECTION_TIMEOUT, o->idle_s,
        MHD_OPTION_NOTIFY_COMPLETED, o->on_completed, o->owner,
        MHD_OPTION_NOTIFY_CONNECTION, o->on_connection, o->owner,
        MHD_OPTION_LISTENING_ADDRESS_REUSE, o->shared ? 1U : 0U, /* 0: SO_REUSEADDR as usual, but two processes cannot share the port */
        MHD_OPTION_END);
    int why = errno;
    freeaddrinfo(address);
    const union MHD_DaemonInfo *epoll = s->daemon ? MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!epoll || uv_poll_init(loop, &s->poll, epoll->epoll_fd)) {
        log_error(NULL, "%s: cannot listen on %s: %s", o->setting, o->listen, strerror(why));
        if (s->daemon)
            MHD_stop_daemon(s->daemon);
        free(s);
        return NULL;
    }
    uv_timer_init(loop, &s->timer);
    s->poll.data = s->timer.data = s;
    s->handles = 2;
    uv_poll_start(&s->poll, UV_READABLE, on_ready);
    return s;
}

unsigned server_port(const struct server *s) {
    const union MHD_DaemonInfo *port = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return port ? port->port : 0U;
}

void server_close_door(struct server *s) {
    server_turn(s); /* who is in the queue already is let in, and not reset */
    MHD_socket fd = MHD_quiesce_daemon(s->daemon);
    if (fd != MHD_INVALID_SOCKET)
        (void)close(fd); /* from now on it is ours, and nothing was written to it */
}

void server_free(struct server *s) {
    if (!s)
        return;
    uv_poll_stop(&s->poll);
    uv_close((uv_handle_t *)&s->poll, on_closed);
    uv_close((uv_handle_t *)&s->timer, on_closed);
    MHD_stop_daemon(s->daemon); /* polling has stopped: its descriptor may go */
}

enum MHD_Result server_answer(struct MHD_Connection *c, unsigned status, const char *type, const char *text, size_t len,
                              const char *const *extra) {
    struct MHD_Response *r = MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (; extra && *extra; extra += 2)
        MHD_add_response_header(r, extra[0], extra[1]);
    enum MHD_Result queued = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return queued;
}
