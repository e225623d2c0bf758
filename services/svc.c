/* The life of a process:
 *
 *   flags, settings ─▶ start() ─▶ loop ─▶ Redis is there, is it ours? ─▶ ready ─▶ …work…
 *                                                                                  │ SIGTERM, SIGINT, svc_exit()
 *   exit ◀── close everything ◀── leave (out of `workers`) ◀── nothing in hand ◀── drain()
 *     ▲                                                         │ 8 s
 *     └───────────── release what is still held, leave ◀────────┘
 *
 * The second way does not tidy up: rows that did not end in 8 s would not end in 9, and the kernel closes what is open.
 * Whoever reads the released entries next goes on with them. Without Redis nothing can be released: the entries stay pending
 * under our name, and are taken over when our heartbeat has stood still. */
#include "services/svc.h"
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>
#include "proto/cleanup.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/pages.h"
#include "services/vitals.h"

enum {
    DRAIN_MS = 8 * SECOND,           /* then everything is given back … */
    RELEASE_MS = 1 * SECOND,         /* … for which Redis has so long … */
    LEAVE_MS = 500,                  /* … and for the last words so long: less than ten seconds together */
    CLOSE_MS = 500,
    TICK_MS = 10, PAGES_AGAIN_MS = 10 * SECOND,
    REDIS_SILENT_MS = 30 * SECOND    /* longer than its watchdogs take: ill */
};

struct chassis {
    struct svc s;                    /* first: what the service sees */
    const struct svc_spec *spec;
    uv_loop_t loop;
    uv_signal_t terminate, interrupt;
    uv_timer_t tick, pages_again, guard;
    struct vitals *vitals;
    struct pages *pages;
    struct queue_alone alone;        /* what we are for, when we run alone */
    struct redis_call *whose;        /* the question whose bot the key prefix belongs to */
    char unfit[200];                 /* why Redis is not fit, or "" */
    bool ours;                       /* the prefix belongs to this bot, as far as we know; before that nothing is read */
    bool ready, left, closing;
    enum { WORKING, DRAINING, RELEASING, LEAVING, STOPPING } phase;
    int64_t told_ms;                 /* when it was told to end */
    int exit_code;
};

static struct chassis *chassis_of(struct svc *s) {
    return (struct chassis *)s;
}

/* ---- the test hook: a signal right before the n-th execution of a step ---- */

/* GPTTG_KILL_AT and GPTTG_STOP_AT: "step-name" or "step-name:n". The chaos tests' way to every place where a crash could hurt. */
static struct trap {
    const char *variable;
    int signal;
    char step[64];
    long n;
} traps[] = { { "GPTTG_KILL_AT", SIGKILL }, { "GPTTG_STOP_AT", SIGSTOP } };
enum { TRAPS = sizeof traps / sizeof *traps };

static void on_step(const char *name) {
    for (int i = 0; i < TRAPS; i++)
        if (!strcmp(traps[i].step, name) && --traps[i].n == 0)
            (void)raise(traps[i].signal); /* cannot fail */
}

static void set_traps(void) {
    for (int i = 0; i < TRAPS; i++) {
        struct trap *t = &traps[i];
        const char *value = getenv(t->variable);
        if (!value || !*value)
            continue;
        size_t len = strcspn(value, ":");
        snprintf(t->step, sizeof t->step, "%.*s", (int)len, value);
        t->n = value[len] ? atol(value + len + 1) : 1;
        steps_hook = on_step;
        log_info(NULL, "%s: at step %s, time %ld", t->variable, t->step, t->n);
    }
}

/* ---- small things ---- */

/* sd_notify(3) without its library: one datagram. */
static void notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = path ? strlen(path) : 0;
    if (len < 2 || len > sizeof address.sun_path - 1 || (*path != '/' && *path != '@'))
        return;
    memcpy(address.sun_path, path, len);
    if (*path == '@')
        *address.sun_path = '\0'; /* Linux's abstract names */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)); /* a wish, not a duty */
    (void)close(fd);
}

static void name_worker(struct svc *s, const char *service) {
    unsigned char bytes[8];
    size_t have = 0;
    while (have < sizeof bytes) {
        ssize_t n = getrandom(bytes + have, sizeof bytes - have, 0);
        if (n < 0 && errno != EINTR)
            abort(); /* two workers of one name would take each other's work */
        have += n > 0 ? (size_t)n : 0;
    }
    int used = snprintf(s->worker, sizeof s->worker, "%s-", service);
    for (size_t i = 0; i < sizeof bytes; i++)
        used += snprintf(s->worker + used, sizeof s->worker - (size_t)used, "%02x", bytes[i]);
}

/* A SIGTERM that comes while we are still beginning waits until somebody listens. */
static void hold_signals(int how) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    (void)pthread_sigmask(how, &set, NULL); /* its only error is a wrong `how` */
}

/* Ten thousand answers are ten thousand sockets. */
static void raise_limits(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files))
        return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files))
        log_warn(NULL, "cannot raise the limit of open files: %s", strerror(errno));
}

static void say_hello(const struct svc *s) {
    struct redis_address a;
    if (redis_url_parse(setting_text("REDIS_URL"), &a))
        return;
    char where[300];
    if (a.path)
        snprintf(where, sizeof where, "%s?db=%d", a.path, a.db);
    else
        snprintf(where, sizeof where, "%s:%d/%d", a.host, a.port, a.db);
    log_info(NULL, "starting%s: version %s, worker %s, Redis at %s, keys %s…", s->alone ? " for one job" : "", GPTTG_VERSION,
             s->worker, where, s->prefix);
    redis_address_done(&a);
}

/* ---- health ---- */

static const char *why_ill(void *owner) {
    struct chassis *c = owner;
    if (c->s.draining)
        return "it is ending";
    if (*c->unfit)
        return c->unfit;
    if (!redis_is_up(c->s.redis))
        return "Redis is not there";
    if (redis_age_ms(c->s.redis) > REDIS_SILENT_MS)
        return "Redis is silent";
    if (!c->ready)
        return "it is not ready yet";
    if (c->spec->healthy && !c->spec->healthy(&c->s))
        return "the service says that it cannot work: see its log";
    return NULL;
}

static void on_refresh(void *owner) {
    vitals_refresh(((struct chassis *)owner)->vitals);
}

static void open_pages(struct chassis *c) {
    const struct pages_options options = {
        .listen = setting_text("METRICS_LISTEN"), .ill = why_ill, .refresh = on_refresh, .owner = c,
    };
    c->pages = pages_new(&c->loop, &options);
    if (c->pages)
        uv_timer_stop(&c->pages_again);
}

/* ---- ending ---- */

static void on_tick(uv_timer_t *tick);

static void begin_drain(struct chassis *c) {
    if (c->s.draining)
        return;
    c->s.draining = true;
    c->told_ms = clock_mono_ms();
    c->phase = DRAINING;
    notify("STOPPING=1");
    if (c->s.queue)
        queue_stop_reading(c->s.queue);
    if (c->spec->drain)
        c->spec->drain(&c->s);
    uv_timer_start(&c->tick, on_tick, 0, TICK_MS);
}

void svc_exit(struct svc *s, int code) {
    struct chassis *c = chassis_of(s);
    if (!c->exit_code)
        c->exit_code = code;
    begin_drain(c);
}

static void leave_at_once(const struct chassis *c) {
    (void)fflush(NULL); /* and no exit(): its helpers wait for threads that may be waiting for a name server */
    _exit(c->exit_code);
}

static void on_signal(uv_signal_t *handle, int signum) {
    struct chassis *c = handle->data;
    if (c->s.draining) {
        log_warn(NULL, "told twice to end: leaving at once");
        leave_at_once(c);
    }
    log_info(NULL, "told to end (%s)", signum == SIGTERM ? "SIGTERM" : "SIGINT");
    begin_drain(c);
}

static bool is_idle(struct chassis *c) {
    if (c->spec->idle)
        return c->spec->idle(&c->s);
    return !c->s.queue || !queue_in_hand(c->s.queue);
}

static void on_left(void *owner) {
    ((struct chassis *)owner)->left = true;
}

static void say_goodbye(struct chassis *c) {
    c->phase = LEAVING;
    if (c->s.queue && redis_is_up(c->s.redis))
        queue_leave(c->s.queue, on_left, c);
    else
        c->left = true;
}

static void on_guard(uv_timer_t *guard) {
    uv_stop(guard->loop);
}

static void close_all(struct chassis *c) {
    pages_free(c->pages);
    vitals_free(c->vitals);
    queue_free(c->s.queue);
    redis_free(c->s.redis);
    if (steps_running(c->s.runner))
        log_error(NULL, "%u step rows are still under way: a bug", steps_running(c->s.runner));
    else
        steps_runner_free(c->s.runner);
    uv_close((uv_handle_t *)&c->terminate, NULL);
    uv_close((uv_handle_t *)&c->interrupt, NULL);
    uv_close((uv_handle_t *)&c->tick, NULL);
    uv_close((uv_handle_t *)&c->pages_again, NULL);
    uv_timer_start(&c->guard, on_guard, CLOSE_MS, 0); /* a handle that somebody forgot must not keep us */
    uv_unref((uv_handle_t *)&c->guard);
}

/* Every 10 ms from the moment it was told to end. */
static void on_tick(uv_timer_t *tick) {
    struct chassis *c = tick->data;
    int64_t passed_ms = clock_mono_ms() - c->told_ms;
    switch (c->phase) {
    case WORKING:
        return;
    case DRAINING:
        if (is_idle(c)) {
            say_goodbye(c);
        } else if (passed_ms > DRAIN_MS) {
            bool up = redis_is_up(c->s.redis);
            log_warn(NULL, "entries whose work did not end in %d s: %u; %s", DRAIN_MS / SECOND,
                     c->s.queue ? queue_in_hand(c->s.queue) : 0,
                     up ? "they are handed back" : "Redis is not there, so they stay ours until they are taken over");
            if (!up)
                leave_at_once(c);
            c->phase = RELEASING;
            if (c->s.queue)
                queue_release_all(c->s.queue);
        }
        return;
    case RELEASING:
        if (!c->s.queue || !queue_in_hand(c->s.queue) || passed_ms > DRAIN_MS + RELEASE_MS) {
            if (c->s.queue && redis_is_up(c->s.redis))
                queue_leave(c->s.queue, on_left, c);
            c->phase = STOPPING;
            uv_timer_start(&c->guard, on_guard, LEAVE_MS, 0);
        }
        return;
    case LEAVING:
        if (!c->left && passed_ms < DRAIN_MS + LEAVE_MS && redis_is_up(c->s.redis))
            return;
        if (c->spec->stop)
            c->spec->stop(&c->s);
        c->phase = STOPPING;
        c->closing = true;
        return;
    case STOPPING:
        if (!c->closing) {
            if (c->left)
                leave_at_once(c);
        } else if (!steps_running(c->s.runner) || passed_ms > DRAIN_MS + LEAVE_MS + CLOSE_MS) {
            close_all(c);
        }
        return;
    }
}

/* ---- Redis ---- */

/* Not once it has been stopped: what it would look at is freed. */
static void tell_service(struct chassis *c, bool up) {
    if (c->spec->on_redis && !c->closing)
        c->spec->on_redis(&c->s, up);
}

static void work(struct chassis *c) {
    c->ours = true;
    if (!c->ready) {
        c->ready = true;
        log_info(NULL, "ready");
        notify("READY=1");
    }
    if (c->s.queue && !c->s.draining)
        queue_room(c->s.queue);
    tell_service(c, true);
}

static void on_whose(const redisReply *reply, void *owner) {
    struct chassis *c = owner;
    c->whose = NULL;
    const char *token = setting_text("BOT_TOKEN");
    size_t len = strcspn(token, ":");
    if (reply->type == REDIS_REPLY_STRING && (reply->len != len || memcmp(reply->str, token, len))) {
        log_error(NULL, "KEY_PREFIX %s belongs to bot %.40s in this Redis, but BOT_TOKEN is of bot %.*s: give each bot a KEY_PREFIX of its own",
                  c->s.prefix, reply->str, (int)len, token);
        svc_exit(&c->s, EX_CONFIG);
        return;
    }
    work(c);
}

/* Two bots in one set of keys would answer each other's chats. */
static void ask_whose(struct chassis *c) {
    const char *token = setting_text("BOT_TOKEN");
    char key[200], id[40];
    snprintf(key, sizeof key, "%sbot", c->s.prefix);
    snprintf(id, sizeof id, "%.*s", (int)strcspn(token, ":"), token);
    struct args set = { 0 }, get = { 0 };
    args_str(&set, "SET");
    args_str(&set, key);
    args_str(&set, id);
    args_str(&set, "NX");
    redis_command(c->s.redis, &set, NULL, NULL);
    args_str(&get, "GET");
    args_str(&get, key);
    redis_forget(c->whose);
    c->whose = redis_command(c->s.redis, &get, on_whose, c);
}

static bool has_bot_token(const struct chassis *c) {
    for (const struct setting *s = settings_table; s->name; s++)
        if (!strcmp(s->name, "BOT_TOKEN"))
            return s->used_by & c->spec->bit;
    return false;
}

/* For /status: which version of each service came up last. */
static void tell_version(struct chassis *c) {
    enum { KEPT_S = 30 * 86400 };
    char key[300];
    struct args set = { 0 }, keep = { 0 };
    snprintf(key, sizeof key, "%sversions", c->s.prefix);
    args_str(&set, "HSET");
    args_str(&set, key);
    args_pair(&set, c->spec->name, GPTTG_VERSION);
    (void)redis_command(c->s.redis, &set, NULL, NULL);
    args_str(&keep, "EXPIRE");
    args_str(&keep, key);
    args_int(&keep, KEPT_S);
    (void)redis_command(c->s.redis, &keep, NULL, NULL);
}

static void on_up(void *owner) {
    struct chassis *c = owner;
    *c->unfit = '\0';
    tell_version(c);
    if (has_bot_token(c))
        ask_whose(c);
    else
        work(c);
}

static void on_down(void *owner) {
    struct chassis *c = owner;
    tell_service(c, false);
}

/* A server that is not fit can be mended while we wait. Said again only when it is another reason. */
static void on_unfit(const char *why, void *owner) {
    struct chassis *c = owner;
    if (strncmp(c->unfit, why, sizeof c->unfit - 1))
        log_error(NULL, "this Redis is not fit for work: %s", why);
    snprintf(c->unfit, sizeof c->unfit, "%s", why);
}

/* ---- the queue ---- */

static unsigned slots(void *owner) {
    struct chassis *c = owner;
    return c->ours && !c->s.draining ? c->spec->slots(&c->s) : 0;
}

static void on_entry(const struct entry *e, int64_t takeovers, void *owner) {
    struct chassis *c = owner;
    c->spec->on_entry(&c->s, e, takeovers);
}

/* The one entry for which this process lived is done with. */
static void on_over(void *owner) {
    struct chassis *c = owner;
    svc_exit(&c->s, 0);
}

/* ---- beginning ---- */

void svc_alert(struct svc *s, const char *cause, const char *about) {
    struct args args = { 0 };
    args_str(&args, cause);
    args_str(&args, about);
    redis_script(s->redis, SCRIPT_ALERT, &args, NULL, NULL);
}

static void open_redis(struct chassis *c) {
    const struct redis_options redis = {
        .url = setting_text("REDIS_URL"), .prefix = c->s.prefix, .name = c->s.worker,
        .on_up = on_up, .on_down = on_down, .on_unfit = on_unfit, .owner = c,
    };
    c->s.redis = redis_new(&c->loop, &redis);
    if (!c->spec->stream)
        return;
    const struct queue_options queue = {
        .redis = c->s.redis, .loop = &c->loop, .stream = c->spec->stream, .worker = c->s.worker,
        .takeover_ms = c->s.takeover_ms, .slots = slots, .on_entry = on_entry, .kinds = c->spec->kinds,
        .batches = c->spec->batches, .owner = c, .alone = c->s.alone ? &c->alone : NULL, .on_over = on_over,
    };
    c->s.queue = queue_new(&queue);
}

static void on_pages_again(uv_timer_t *timer) {
    open_pages(timer->data);
}

static void open_all(struct chassis *c) {
    uv_loop_init(&c->loop);
    uv_loop_configure(&c->loop, UV_METRICS_IDLE_TIME);
    c->s.loop = &c->loop;
    uv_signal_init(&c->loop, &c->terminate);
    uv_signal_init(&c->loop, &c->interrupt);
    uv_timer_init(&c->loop, &c->tick);
    uv_timer_init(&c->loop, &c->pages_again);
    uv_timer_init(&c->loop, &c->guard);
    c->terminate.data = c->interrupt.data = c->tick.data = c->pages_again.data = c;
    uv_signal_start(&c->terminate, on_signal, SIGTERM);
    uv_signal_start(&c->interrupt, on_signal, SIGINT);
    hold_signals(SIG_UNBLOCK);
    c->s.runner = steps_runner_new(&c->loop);
    open_redis(c);
    c->vitals = vitals_new(&c->s, c->spec->stream);
    if (setting_is_set("METRICS_LISTEN") && !c->s.alone) { /* the parent has the port */
        uv_timer_start(&c->pages_again, on_pages_again, PAGES_AGAIN_MS, PAGES_AGAIN_MS);
        open_pages(c);
        vitals_ask(c->vitals);
    }
}

static void on_open_handle(uv_handle_t *handle, void *owner) {
    if (!uv_is_closing(handle))
        log_error(NULL, "a handle is still open at the end: %s, a bug", uv_handle_type_name(handle->type));
}

static int close_loop(struct chassis *c) {
    uv_close((uv_handle_t *)&c->guard, NULL);
    uv_run(&c->loop, UV_RUN_NOWAIT);
    uv_walk(&c->loop, on_open_handle, c);
    log_info(NULL, "ended");
    if (uv_loop_close(&c->loop))
        leave_at_once(c);
    return c->exit_code;
}

static enum log_level level_of(const char *name) {
    static const char *const names[] = { "debug", "info", "warn", "error" };
    int level = 0;
    while (strcmp(names[level], name))
        level++; /* the settings let no other name through */
    return (enum log_level)level;
}

static int run(const struct svc_spec *spec, const struct queue_alone *alone) {
    static struct chassis c; /* the one process that this is */
    c.spec = spec;
    if (alone) {
        c.alone = *alone;
        c.s.alone = true;
        (void)unsetenv("NOTIFY_SOCKET"); /* it is the parent's to talk of; the name is well-formed */
    }
    c.s.prefix = setting_text("KEY_PREFIX");
    c.s.takeover_ms = (int)setting_number("TAKEOVER_MS");
    log_open(spec->name, level_of(setting_text("LOG_LEVEL")), strcmp(setting_text("LOG_FORMAT"), "json") ? LOG_TEXT : LOG_JSON);
    name_worker(&c.s, spec->name);
    raise_limits();
    (void)signal(SIGPIPE, SIG_IGN); /* cannot fail */
    set_traps();
    open_all(&c);
    if (spec->start && !spec->start(&c.s)) {
        c.exit_code = EX_CONFIG;
        leave_at_once(&c);
    }
    say_hello(&c.s);
    uv_run(&c.loop, UV_RUN_DEFAULT);
    return close_loop(&c);
}

static const struct svc_flag no_flags[] = { { 0 } };

static const struct svc_flag *flags_of(const struct svc_spec *spec) {
    return spec->flags ? spec->flags : no_flags;
}

static int usage(const struct svc_spec *spec, const char *program, const char *wrong) {
    (void)fprintf(stderr, "%s: %s is not a flag: expected --help, --version", program, wrong);
    for (const struct svc_flag *f = flags_of(spec); f->name; f++)
        (void)fprintf(stderr, ", %s FILE", f->name);
    (void)fprintf(stderr, " or --check-config\n"); /* nobody can be told that stderr is gone */
    return EX_USAGE;
}

static int help(const struct svc_spec *spec, const char *program) {
    printf("%s: %s\n\n  %s [--help | --version | --check-config]\n", program, spec->about, program);
    for (const struct svc_flag *f = flags_of(spec); f->name; f++)
        printf("  %s %s FILE    %s\n", program, f->name, f->about);
    printf("\n");
    settings_help(spec->bit, program, stdout);
    return ferror(stdout) || fflush(stdout) ? EX_IOERR : 0;
}

static const struct svc_flag *find_flag(const struct svc_spec *spec, const char *name) {
    for (const struct svc_flag *f = flags_of(spec); f->name; f++)
        if (!strcmp(f->name, name))
            return f;
    return NULL;
}

static int run_flag(const struct svc_spec *spec, const struct svc_flag *flag, const char *file) {
    int wrong = settings_read(spec->bit, stderr);
    return wrong ? wrong : flag->run(file);
}

int svc_main(const struct svc_spec *spec, int argc, char **argv) {
    hold_signals(SIG_BLOCK);
    char program[64];
    bool check_only = false;
    struct queue_alone for_what;
    bool alone = queue_alone_env(&for_what); /* first: it ties our life to our parent's */
    snprintf(program, sizeof program, "gpttg-%s", spec->name);
    const struct svc_flag *flag = argc == 3 ? find_flag(spec, argv[1]) : NULL;
    if (flag) {
        hold_signals(SIG_UNBLOCK);
        return run_flag(spec, flag, argv[2]);
    }
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help"))
            return help(spec, program);
        if (!strcmp(argv[i], "--version"))
            return printf("%s %s\n", program, GPTTG_VERSION) < 0 || fflush(stdout) ? EX_IOERR : 0;
        if (strcmp(argv[i], "--check-config"))
            return usage(spec, program, argv[i]);
        check_only = true;
    }
    int wrong = settings_read(spec->bit, stderr);
    if (!wrong && spec->check)
        wrong = spec->check(stderr);
    return wrong || check_only ? wrong : run(spec, alone ? &for_what : NULL);
}
