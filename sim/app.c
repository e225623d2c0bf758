/* The program without its main: state, the router, counters, the log. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "sim/calls.h"
#include "sim/chats.h"
#include "sim/control.h"
#include "sim/faults.h"
#include "sim/files.h"
#include "sim/openai.h"
#include "sim/params.h"
#include "sim/sim.h"
#include "sim/telegram.h"
#include "sim/updates.h"
#include "sim/waits.h"

int64_t sim_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void sim_log(const struct sim *sim, int level, const char *fmt, ...) {
    va_list ap;
    if (level > sim->log_level)
        return;
    fprintf(stderr, "%c sim ", "EWID"[level]);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

void sim_count(struct sim *sim, const char *name, int64_t by) {
    int64_t *v = map_get(&sim->counters, name);
    if (!v) {
        v = xalloc(sizeof *v);
        map_put(&sim->counters, name, v);
    }
    *v += by;
    sim->changed = true;
}

int64_t sim_counter(const struct sim *sim, const char *name) {
    const int64_t *v = map_get(&sim->counters, name);
    return v ? *v : 0;
}

void answer_json(struct exch *x, int status, const char *headers, struct buf *b) {
    struct buf mine = *b;
    *b = (struct buf){0};
    exch_answer(x, status, "application/json", headers, mine.p ? mine.p : "", mine.n);
    buf_done(&mine);
}

void app_on_request(void *ctx, struct exch *x) {
    static const char nothing[] = "{\"error\":\"nothing here: /bot<token>/METHOD, /file/bot<token>/PATH, /v1/…, /control/…\"}";
    struct sim *sim = ctx;
    const char *path = x->http->path;
    if (!strncmp(path, "/bot", 4))
        telegram_on_request(sim, x);
    else if (!strncmp(path, "/v1/", 4))
        openai_on_request(sim, x);
    else if (!strncmp(path, "/control/", 9))
        control_on_request(sim, x);
    else if (!strncmp(path, "/file/bot", 9))
        telegram_download(sim, x);
    else
        exch_answer(x, 404, "application/json", NULL, nothing, sizeof nothing - 1);
}

static void open_state(struct sim *sim) {
    sim->calls = calls_new();
    sim->faults = faults_new();
    sim->files = files_new();
    sim->telegram = telegram_new();
    sim->openai = openai_new();
    if (*sim->model) {
        cJSON *o = json_read(sim->model, strlen(sim->model));
        (void)openai_set(sim->openai, o);   /* app_open has tried it */
        cJSON_Delete(o);
    }
}

static bool model_is_good(const char *text) {
    struct openai *probe;
    cJSON *o;
    bool good;
    if (!*text)
        return true;
    o = json_read(text, strlen(text));
    probe = openai_new();
    good = cJSON_IsObject(o) && !openai_set(probe, o);
    openai_free(probe);
    cJSON_Delete(o);
    return good;
}

/* Nobody may be parked on what is freed here: they are answered first. */
static void close_state(struct sim *sim) {
    size_t at = 0;
    void *v;
    for (struct bot *bot = sim->telegram->bots; bot; bot = bot->next)
        updates_stop(bot, NULL);
    if (sim->waits)
        waits_stop(sim->waits);
    openai_free(sim->openai);
    telegram_free(sim->telegram);
    files_free(sim->files);
    faults_free(sim->faults);
    calls_free(sim->calls);
    while (map_next(&sim->counters, &at, &v))
        free(v);
    map_done(&sim->counters);
}

void app_reset(struct sim *sim) {
    close_state(sim);
    open_state(sim);
    if (getrandom(&sim->boot, sizeof sim->boot, 0) < 0)
        sim->boot++;
    sim->changed = true;
}

int app_open(struct sim *sim, const char *listen) {
    int r;
    if (!model_is_good(sim->model)) {
        fprintf(stderr, "SIM_MODEL: expects a JSON object with settings of the model, as POST /control/model takes them\n");
        return UV_EINVAL;
    }
    if (getrandom(&sim->boot, sizeof sim->boot, 0) < 0)
        sim->boot = (uint64_t)sim_now_ms();
    r = server_open(sim->loop, listen, app_on_request, sim, &sim->server);
    if (r < 0) {
        fprintf(stderr, "SIM_LISTEN: expects host:port to listen on, \"%s\": %s\n", listen, uv_strerror(r));
        return r;
    }
    open_state(sim);
    sim->waits = waits_new(sim);
    return 0;
}

void app_close(struct sim *sim) {
    if (!sim->server || !sim->waits)
        return;
    close_state(sim);
    waits_free(sim->waits);
    sim->waits = NULL;
    server_close(sim->server);
}

void app_free(struct sim *sim) {
    server_free(sim->server);
    sim->server = NULL;
}
