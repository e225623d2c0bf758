#include "ledger/farewell.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ledger/models.h"
#include "services/alloc.h"
#include "services/clock.h"

enum { FIRST_MS = 2 * SECOND, AGAIN_MS = 600 * SECOND, TOLD_S = 60 * 86400, DAY_S = 86400 };

struct farewell {
    struct svc *svc;
    const struct price_file *prices;
    uv_timer_t *timer;
    struct redis_call *call;                     /* one after the other */
    struct fields *list;                         /* the hash `models` of this look */
    struct warning { char key[300], about[240]; } due[MODEL_KINDS];      /* about "": nothing is due */
    int at;
};

/* By kind of model, so that one does not wait an hour for the other. */
static const char *const causes[MODEL_KINDS] = { "shutdown", "shutdown_image", "shutdown_voice" };

int farewell_stage(int64_t days) {
    return days <= 0 ? 0 : days <= 1 ? 1 : days <= 7 ? 7 : days <= 30 ? 30 : -1;
}

static int64_t days_until(const char *date, int64_t now_ms) {
    struct tm day = { 0 };
    if (!strptime(date, "%Y-%m-%d", &day))
        return INT64_MAX;
    return (int64_t)timegm(&day) / DAY_S - now_ms / SECOND / DAY_S;
}

static void find_due(struct farewell *f, const struct fields *settings) {
    for (int k = 0; k < MODEL_KINDS; k++) {
        const char *model = models_in_use(k, settings);
        char date[11];
        struct warning *w = &f->due[k];
        *w = (struct warning){ 0 };
        int stage = models_shutdown(price_file_now(f->prices), f->list, model, date) ? farewell_stage(days_until(date, clock_wall_ms())) : -1;
        if (stage < 0)
            continue;
        snprintf(w->key, sizeof w->key, "%sshutdown:%.150s:%d", f->svc->prefix, model, stage);
        snprintf(w->about, sizeof w->about, "%.150s, %s", model, date);
    }
}

static void tell_next(struct farewell *f);

static void next(struct farewell *f) {
    f->at++;
    tell_next(f);
}

/* Remembered only now: a crash in between tells once more, and not never. */
static void on_alert(const redisReply *reply, void *owner) {
    struct farewell *f = owner;
    f->call = NULL;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer > 0) {
        struct args args = { 0 };
        args_str(&args, "SET");
        args_str(&args, f->due[f->at].key);
        args_str(&args, "1");
        args_str(&args, "EX");
        args_int(&args, TOLD_S);
        redis_command(f->svc->redis, &args, NULL, NULL);
    }
    next(f);
}

static void on_known(const redisReply *reply, void *owner) {
    struct farewell *f = owner;
    f->call = NULL;
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer) {
        next(f);
        return;
    }
    log_warn(NULL, "a model in use is to be shut down: %s", f->due[f->at].about);
    struct args args = { 0 };
    args_str(&args, causes[f->at]);
    args_str(&args, f->due[f->at].about);
    f->call = redis_script(f->svc->redis, SCRIPT_ALERT, &args, on_alert, f);
}

static void tell_next(struct farewell *f) {
    while (f->at < MODEL_KINDS && !*f->due[f->at].about)
        f->at++;
    if (f->at == MODEL_KINDS)
        return;
    struct args args = { 0 };
    args_str(&args, "EXISTS");
    args_str(&args, f->due[f->at].key);
    f->call = redis_command(f->svc->redis, &args, on_known, f);
}

static struct redis_call *ask_for(struct farewell *f, const char *name, redis_done_fn *done) {
    char key[300];
    struct args args = { 0 };
    snprintf(key, sizeof key, "%s%s", f->svc->prefix, name);
    args_str(&args, "HGETALL");
    args_str(&args, key);
    return redis_command(f->svc->redis, &args, done, f);
}

static void on_settings(const redisReply *reply, void *owner) {
    struct farewell *f = owner;
    struct fields *settings = fields_copy(reply);
    f->call = NULL;
    find_due(f, settings);
    free(settings);
    f->at = 0;
    tell_next(f);
}

static void on_list(const redisReply *reply, void *owner) {
    struct farewell *f = owner;
    free(f->list);
    f->list = fields_copy(reply);
    f->call = ask_for(f, "settings", on_settings);
}

static void look(uv_timer_t *timer) {
    struct farewell *f = timer->data;
    if (!f->call && redis_is_up(f->svc->redis) && !f->svc->draining)
        f->call = ask_for(f, "models", on_list);
}

/* ---- life ---- */

struct farewell *farewell_new(struct svc *s, const struct price_file *prices) {
    struct farewell *f = alloc_zero(sizeof *f);
    f->svc = s;
    f->prices = prices;
    f->timer = alloc_zero(sizeof *f->timer);
    uv_timer_init(s->loop, f->timer);
    f->timer->data = f;
    uv_timer_start(f->timer, look, FIRST_MS, AGAIN_MS);
    uv_unref((uv_handle_t *)f->timer);
    return f;
}

static void on_closed(uv_handle_t *timer) {
    free(timer);
}

void farewell_free(struct farewell *f) {
    if (!f)
        return;
    redis_forget(f->call);
    uv_close((uv_handle_t *)f->timer, on_closed);
    free(f->list);
    free(f);
}
