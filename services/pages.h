/* The two pages every service serves on METRICS_LISTEN: /metrics for Prometheus, /healthz for whoever restarts what is ill
 * (200 "ok", else 503 and why, in one line). libmicrohttpd runs on our loop: a loop that hangs gives no answer, which is true. */
#ifndef SERVICES_PAGES_H
#define SERVICES_PAGES_H
#include <uv.h>

struct pages_options {
    const char *listen;                      /* "host:port"; port 0: any that is free */
    const char *(*ill)(void *owner);         /* NULL: all is well; else why not */
    void (*refresh)(void *owner);            /* before the figures are printed */
    void *owner;
};

struct pages;
struct pages *pages_new(uv_loop_t *loop, const struct pages_options *options);   /* NULL: a log line said why */
void pages_free(struct pages *p);            /* NULL is fine */

#endif
