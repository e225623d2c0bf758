#include "services/pages.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"
#include "services/buf.h"
#include "services/log.h"
#include "services/metrics.h"
#include "services/server.h"

enum { CONNECTIONS_MOST = 50, IDLE_S = 10, PAGE_MAX_BYTES = 1 << 20 };

struct pages {
    struct pages_options options;
    struct server *server;
};

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const char *type, const char *text, size_t len) {
    return server_answer(c, status, type, text, len, NULL);
}

static enum MHD_Result answer_health(struct pages *p, struct MHD_Connection *c) {
    const char *why = p->options.ill(p->options.owner);
    char line[300];
    int len = snprintf(line, sizeof line, "%s\n", why ? why : "ok");
    return answer(c, why ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, "text/plain; charset=utf-8", line,
                  len < (int)sizeof line ? (size_t)len : sizeof line - 1);
}

static enum MHD_Result answer_metrics(struct pages *p, struct MHD_Connection *c) {
    struct buf page;
    buf_init(&page, PAGE_MAX_BYTES);
    p->options.refresh(p->options.owner);
    metrics_print(&page);
    enum MHD_Result queued = answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", buf_cstr(&page), page.len);
    buf_done(&page);
    return queued;
}

static enum MHD_Result on_request(void *owner, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *body, size_t *body_len, void **state) {
    static int seen_head;
    struct pages *p = owner;
    if (!*state) { /* called with the head first, again when the request is whole */
        *state = &seen_head;
        return MHD_YES;
    }
    if (*body_len) { /* nobody wants a body here; it is read and forgotten */
        *body_len = 0;
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
        return answer(c, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", "GET only\n", 9);
    if (!strcmp(url, "/healthz"))
        return answer_health(p, c);
    if (!strcmp(url, "/metrics"))
        return answer_metrics(p, c);
    return answer(c, MHD_HTTP_NOT_FOUND, "text/plain", "/metrics or /healthz\n", 21);
}

struct pages *pages_new(uv_loop_t *loop, const struct pages_options *options) {
    struct pages *p = alloc_zero(sizeof *p);
    p->options = *options;
    p->server = server_new(loop, &(struct server_options){
        .listen = options->listen, .setting = "METRICS_LISTEN", .connections_most = CONNECTIONS_MOST, .idle_s = IDLE_S,
        .on_request = on_request, .owner = p,
    });
    if (!p->server) {
        free(p);
        return NULL;
    }
    log_info(NULL, "pages: http://%.*s:%u/metrics and /healthz", (int)(strrchr(options->listen, ':') - options->listen),
             options->listen, server_port(p->server));
    return p;
}

void pages_free(struct pages *p) {
    if (!p)
        return;
    server_free(p->server);
    free(p);
}
