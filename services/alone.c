/* Running alone: a job that two workers have died with may be what kills them. From its second takeover on it runs in a
 * child process, the whole service again with one entry to work on; if that crashes, only the child is gone. Two crashes and the
 * job is given up.
 *
 *   waiting ──a slot──▶ running ──exit 0──▶ over (the child has committed, parked or released it)
 *      ▲                   │ signal, or any other exit
 *      └── 1 ── crashed ◀──┘
 *                  └── 2 ──▶ commit as dead ("early" for a follow entry: again later) ──▶ over */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "proto/commit.h"
#include "proto/keys.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/log.h"
#include "services/queue_private.h"

enum { CHILDREN = 4, CRASHES = 2, AGAIN_MS = 1 * SECOND };
#define VARIABLE "GPTTG_ALONE"

static struct metric begun = {"queue_alone_total", "jobs run in a process of their own", NULL, METRIC_COUNTER};
static struct metric crashes = {"queue_crashes_total", "crashes of jobs that ran alone", NULL, METRIC_COUNTER};

void alone_metrics(void) {
    metrics_list((struct metric *const[]){&begun, &crashes, NULL});
}

struct child {
    struct child *next;
    struct queue *q;
    struct arrived *a;
    uv_process_t process;
    bool handle;                            /* `process` is the loop's: from uv_spawn() until it is closed */
    enum {
        WAITING,                            /* for a process of its own */
        RUNNING,
        NOT_STARTED, CRASHED, OVER,         /* how it ended; its handle is being closed */
        COUNTING, COMMITTING,               /* Redis is asked */
        EARLY                               /* to be committed again at the next tick */
    } state;
};

/* ---- in the child ---- */

bool queue_alone_env(struct queue_alone *ret_alone) {
    const char *text = getenv(VARIABLE);
    struct queue_alone alone;
    int parent;
    if (!text || sscanf(text, "%47s %127s %d", alone.entry, alone.job, &parent) != 3)
        return false;
    prctl(PR_SET_PDEATHSIG, SIGKILL);       /* without its parent it would work on, and die, unseen */
    if (getppid() != parent)
        _exit(0);                           /* the parent was faster */
    close_range(3, ~0U, 0);                 /* its sockets: a connection must not seem alive because we have it, too */
    unsetenv(VARIABLE);
    *ret_alone = alone;
    return true;
}

/* ---- in the parent ---- */

static void take_out(struct child *c) {
    struct child **at = &c->q->children;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
}

static void child_over(struct child *c) {
    struct queue *q = c->q;
    take_out(c);
    arrived_free(c->a);
    free(c);
    if (q->leaving)
        queue_in(q, T_SOON, 0);
}

static struct child *child_find(struct queue *q, const char *entry) {
    for (struct child *c = q->children; c; c = c->next)
        if (strcmp(c->a->id, entry) == 0)
            return c;
    return NULL;
}

static struct ticket ticket_of(const struct child *c) {
    return (struct ticket){.queue = c->q->stream, .entry = c->a->id, .job = c->a->entry.job};
}

static struct log_subject subject_of(const struct child *c) {
    return (struct log_subject){.job = c->a->entry.job, .chat = c->a->entry.chat};
}

static char *copy_id(const struct child *c) {
    return alloc_copy(c->a->id, strlen(c->a->id));
}

static void on_given_up(struct queue *q, const redisReply *reply, void *entry) {
    struct child *c = child_find(q, entry);
    enum commit_answer answer = commit_read(reply);
    if (!c)
        return;
    struct log_subject subject = subject_of(c);
    if (answer == COMMIT_EARLY) { /* a follow entry: its job's work is not over yet, but was told to stop */
        c->state = EARLY;
        queue_in(q, T_ALONE, AGAIN_MS);
        return;
    }
    if (answer == COMMIT_FAILED)
        log_error(&subject, "cannot be given up: %.200s", reply->type == REDIS_REPLY_ERROR ? reply->str : "a strange answer");
    child_over(c);
}

static void give_up(struct child *c) {
    struct queue *q = c->q;
    bool shows = strcmp(q->stream, STREAM_OUTBOUND) == 0;
    struct ticket ticket = ticket_of(c);
    struct args args = {0};
    if (shows && c->state != EARLY) { /* nobody will show this job: its work may end */
        args_str(&args, c->a->id);
        args_str(&args, c->a->entry.job);
        args_str(&args, STOP_GONE);
        queue_ask(q, SCRIPT_STOP, &args, NULL, NULL);
        args_init(&args);
    }
    c->state = COMMITTING;
    commit_args(&args, &ticket, &(struct commit){
        .next = shows ? "end" : "follow", .how = HOW_DEAD, .line = shows ? NULL : "failed", .about = "crashed twice", .alert = "dead",
    });
    queue_ask(q, SCRIPT_COMMIT, &args, on_given_up, copy_id(c));
}

static void on_counted(struct queue *q, const redisReply *reply, void *entry) {
    struct child *c = child_find(q, entry);
    if (!c)
        return;
    struct log_subject subject = subject_of(c);
    int64_t times = reply_int(reply);
    if (reply->type == REDIS_REPLY_ERROR) {
        log_warn(&subject, "crashed: %.200s", reply->str);
        times = 1;
    }
    if (times == 0) { /* stale: it is no longer ours to care about */
        child_over(c);
    } else if (times >= CRASHES) {
        log_error(&subject, "crashed %lld times, alone: given up", (long long)times);
        give_up(c);
    } else if (q->stopped) {
        child_over(c); /* pending on the dead child: others take it over */
    } else {
        c->state = WAITING;
        alone_tick(q);
    }
}

static void on_closed(uv_handle_t *process) {
    struct child *c = process->data;
    struct queue *q = c->q;
    c->handle = false;
    if (!q) {                               /* the queue is gone */
        free(c);
    } else if (c->state == OVER) {
        child_over(c);
        alone_tick(q);
    } else if (c->state == NOT_STARTED) {
        c->state = WAITING;
    } else {
        struct ticket ticket = ticket_of(c);
        struct args args = {0};
        c->state = COUNTING;
        char run[160]; /* asked again because the reply was lost, it is still this one run */
        snprintf(run, sizeof run, "%.120s-%d", q->worker, (int)c->process.pid);
        ticket_args(&args, &ticket);
        args_str(&args, run);
        queue_ask(q, SCRIPT_CRASHED, &args, on_counted, copy_id(c));
    }
}

static void on_child_exit(uv_process_t *process, int64_t status, int signal) {
    struct child *c = process->data;
    struct log_subject subject = subject_of(c);
    if (status == 0 && signal == 0) {
        c->state = OVER;
    } else if (c->q->stopped) {
        log_warn(&subject, "its process ended with %lld, signal %d, while leaving", (long long)status, signal);
        c->state = OVER;
    } else {
        log_warn(&subject, "its process ended with %lld, signal %d", (long long)status, signal);
        metric_add(&crashes, 1);
        c->state = CRASHED;
    }
    uv_close((uv_handle_t *)process, on_closed);
}

/* GPTTG_KILL_AT and GPTTG_STOP_AT (svc.h) are for us, not for whoever we start: each child would die of them, and its job be given up. */
static bool is_trap(const char *variable) {
    return !strncmp(variable, "GPTTG_KILL_AT=", 14) || !strncmp(variable, "GPTTG_STOP_AT=", 14);
}

/* Our environment and one more. The list is the caller's, its strings are not, but for the first. */
static char **environment_with(char *more) {
    size_t count = 0, at = 0;
    while (environ[count])
        count++;
    char **list = alloc_zero((count + 2) * sizeof *list);
    list[at++] = more;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], VARIABLE "=", sizeof VARIABLE) != 0 && !is_trap(environ[i]))
            list[at++] = environ[i];
    return list;
}

static void start(struct child *c) {
    struct queue *q = c->q;
    struct log_subject subject = subject_of(c);
    char variable[256], *args[] = {program_invocation_name, NULL};
    snprintf(variable, sizeof variable, VARIABLE "=%.47s %.127s %d", c->a->id, c->a->entry.job, (int)getpid());
    char **environment = environment_with(variable);
    uv_stdio_container_t stdio[] = {
        {.flags = UV_INHERIT_FD, .data.fd = 0}, {.flags = UV_INHERIT_FD, .data.fd = 1}, {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    uv_process_options_t options = {
        .file = "/proc/self/exe", .args = args, .env = environment, .stdio = stdio, .stdio_count = 3, .exit_cb = on_child_exit,
    };
    c->process.data = c;
    c->handle = true;
    int bad = uv_spawn(q->o.loop, &c->process, &options);
    free(environment);
    if (bad) {
        log_warn(&subject, "cannot start a process for it: %s", uv_strerror(bad));
        c->state = NOT_STARTED;
        uv_close((uv_handle_t *)&c->process, on_closed);
        queue_in(q, T_ALONE, AGAIN_MS);
        return;
    }
    c->state = RUNNING;
    metric_add(&begun, 1);
    log_info(&subject, "runs alone, in process %d: %lld workers died with it", (int)c->process.pid, (long long)c->a->takeovers);
}

void alone_tick(struct queue *q) {
    int running = 0;
    for (struct child *c = q->children; c; c = c->next) {
        running += c->state == RUNNING;
        if (c->state == EARLY)
            give_up(c);
    }
    for (struct child *c = q->children; c && running < CHILDREN && !q->stopped && !q->closing; c = c->next)
        if (c->state == WAITING) {
            start(c);
            running += c->state == RUNNING;
        }
}

void alone_begin(struct queue *q, struct arrived *a) {
    struct child *c = alloc_zero(sizeof *c), **end = &q->children;
    c->q = q;
    c->a = a;
    while (*end)
        end = &(*end)->next;
    *end = c;
    alone_tick(q);
}

void alone_doubt(struct queue *q) {
    for (struct child *c = q->children, *next; c; c = next) {
        next = c->next;
        if (c->state == WAITING)
            child_over(c);
    }
}

void alone_stop(struct queue *q) {
    for (struct child *c = q->children, *next; c; c = next) {
        next = c->next;
        if (c->state == RUNNING) {
            uv_process_kill(&c->process, SIGTERM); /* it gives the entry back, or ends it, and leaves with 0 */
        } else if (c->state == WAITING || c->state == EARLY) {
            take_out(c);
            queue_release(&c->a->held, NULL, NULL);
            free(c);
        }
    }
}

void alone_done(struct queue *q) {
    while (q->children) {
        struct child *c = q->children;
        take_out(c);
        arrived_free(c->a);
        c->q = NULL;
        if (c->state == RUNNING) {
            uv_process_kill(&c->process, SIGKILL);
            uv_close((uv_handle_t *)&c->process, on_closed);
        }
        if (!c->handle)
            free(c);
    }
}
