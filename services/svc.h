/* What every service stands on. A binary is a table and the modules that only it needs:
 *
 *   int main(int argc, char **argv) {
 *       static const struct svc_spec llm = { .name = "llm", .bit = FOR_LLM, .about = "asks the model", .start = llm_start, … };
 *       return svc_main(&llm, argc, argv);
 *   }
 *
 * svc_main does what is the same everywhere: flags and settings (exit 78), log, RLIMIT_NOFILE, loop, signals, Redis, worker name,
 * /healthz and /metrics, queue, drain, exit code. SIGTERM or SIGINT: stop reading, call drain(), wait until in_hand() is 0 or
 * 8 s have passed (then every entry still held is released), leave, close everything; exit 0. A second signal does not wait.
 * A handle that is still open at the end is named in the log: a bug report.
 *
 * For tests, GPTTG_KILL_AT="step" or "step:n" raises SIGKILL right before the n-th execution of that step, GPTTG_STOP_AT likewise
 * SIGSTOP. Whoever works without step rows calls steps_hook() himself. */
#ifndef SERVICES_SVC_H
#define SERVICES_SVC_H
#include <uv.h>
#include "services/http.h"
#include "services/log.h"
#include "services/queue.h"
#include "services/settings.h"
#include "services/steps.h"

struct svc {
    uv_loop_t *loop;
    struct redis *redis;
    struct queue *queue;             /* NULL when the service reads no stream */
    struct steps_runner *runner;
    char worker[48];                 /* "llm-9f3a1c2b5d6e7f80": random, new at each start */
    const char *prefix;              /* KEY_PREFIX */
    int takeover_ms;
    bool draining, alone;            /* alone: this process runs one job that has brought others down */
    void *app;                       /* the service's own */
};

/* A task of its own for the same program: it is done instead of serving, with the settings read. */
struct svc_flag { const char *name, *about; int (*run)(const char *file); };

struct svc_spec {
    const char *name, *about;
    enum service_bit bit;
    const char *stream;              /* what it reads, or NULL */
    const char *const *kinds;        /* NULL-terminated kinds of entries it knows */
    bool batches;
    int (*check)(FILE *err);         /* what settings alone cannot tell; 0 or 78 with one line; may be NULL. Also for --check-config */
    bool (*start)(struct svc *s);    /* before Redis is up; false: said why in one line, exit 78 */
    void (*on_redis)(struct svc *s, bool up);                                          /* may be NULL */
    unsigned (*slots)(struct svc *s);
    void (*on_entry)(struct svc *s, const struct entry *e, int64_t takeovers);
    void (*drain)(struct svc *s);    /* finish or give back what is in hand, soon */
    bool (*idle)(struct svc *s);     /* nothing is in hand any more; may be NULL: queue_in_hand() == 0 */
    void (*stop)(struct svc *s);     /* close what start() opened */
    bool (*healthy)(struct svc *s);  /* may be NULL */
    const struct svc_flag *flags;    /* each takes the name of a file; ends with name NULL; may be NULL */
};

int svc_main(const struct svc_spec *spec, int argc, char **argv);
void svc_exit(struct svc *s, int code);               /* leave as on SIGTERM, with this code */
/* Tell the administrators, once per cause and hour (cause: a word of the texts table, without "alert_"). */
void svc_alert(struct svc *s, const char *cause, const char *about);

#endif
