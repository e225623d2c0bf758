/* gpttg-sim: a Telegram Bot API and an OpenAI API on loopback. See sim/README.md. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include "sim/sim.h"

static const char help[] =
    "gpttg-sim: a Telegram Bot API and an OpenAI API on loopback, for tests and demonstrations\n\n"
    "  SIM_LISTEN      127.0.0.1:8484   host:port, port 0: any free one\n"
    "  SIM_BOT_TOKEN   (empty)          the only bot token accepted; empty: any\n"
    "  SIM_OPENAI_KEY  (empty)          the only OpenAI key accepted; empty: any\n"
    "  SIM_MODEL       (empty)          defaults of the answers as JSON, such as {\"deltas\":40,\"delta_ms\":50}\n"
    "  LOG_LEVEL       info             error, warn, info, debug\n\n"
    "Prints one line, `listening http://HOST:PORT`, when it is ready. What it can be told: sim/README.md\n";

static const char *setting(const char *name, const char *otherwise) {
    const char *v = getenv(name);
    return v && *v ? v : otherwise;
}

static void on_signal(uv_signal_t *s, int signum) {
    struct sim *sim = s->data;
    app_close(sim);
    uv_close((uv_handle_t *)s, NULL);
}

int main(int argc, char **argv) {
    static const char *const levels[] = { "error", "warn", "info", "debug" };
    struct sim sim = { .log_level = -1 };
    const char *listen = setting("SIM_LISTEN", "127.0.0.1:8484"), *level = setting("LOG_LEVEL", "info");
    uv_signal_t term, interrupt;
    struct rlimit files;
    uv_loop_t loop;
    char host[64];
    int r;
    if (argc > 1) {
        if (!strcmp(argv[1], "--version"))
            puts("gpttg-sim " GPTTG_VERSION);
        else
            fputs(help, strcmp(argv[1], "--help") ? stderr : stdout);
        return strcmp(argv[1], "--help") && strcmp(argv[1], "--version") ? 64 : 0;
    }
    for (int i = 0; i < 4; i++)
        if (!strcmp(levels[i], level))
            sim.log_level = i;
    if (sim.log_level < 0) {
        fprintf(stderr, "LOG_LEVEL: expects error, warn, info or debug\n");
        return 78;
    }
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);     /* then fewer connections fit, which accept will say */
    }
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    sim.loop = &loop;
    sim.bot_token = setting("SIM_BOT_TOKEN", "");
    sim.openai_key = setting("SIM_OPENAI_KEY", "");
    sim.model = setting("SIM_MODEL", "");
    r = app_open(&sim, listen);
    if (r < 0) {
        (void)uv_loop_close(&loop);                 /* nothing was opened */
        return r == UV_EINVAL ? 78 : 1;
    }
    uv_signal_init(&loop, &term);
    uv_signal_init(&loop, &interrupt);
    term.data = interrupt.data = &sim;
    uv_unref((uv_handle_t *)&term);
    uv_unref((uv_handle_t *)&interrupt);
    uv_signal_start(&term, on_signal, SIGTERM);
    uv_signal_start(&interrupt, on_signal, SIGINT);
    snprintf(host, sizeof host, "%.*s", (int)(strrchr(listen, ':') - listen), listen);
    printf("listening http://%s:%d\n", host, server_port(sim.server));
    fflush(stdout);
    uv_run(&loop, UV_RUN_DEFAULT);
    app_free(&sim);
    if (!uv_is_closing((uv_handle_t *)&term))
        uv_close((uv_handle_t *)&term, NULL);
    if (!uv_is_closing((uv_handle_t *)&interrupt))
        uv_close((uv_handle_t *)&interrupt, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    r = uv_loop_close(&loop);
    if (r < 0)
        fprintf(stderr, "E sim a handle is still open at the end: %s\n", uv_strerror(r));
    return r < 0 ? 1 : 0;
}
