#include "ledger/unpriced.h"

#include <stdlib.h>
#include <string.h>

#include "services/alloc.h"
#include "services/clock.h"

enum {
    MODELS_MOST = 32,                           /* more different names than that are no mistake in a file */
    AGAIN_MS = 60 * SECOND,
    TOLD_S = 30 * 86400
};

struct unpriced {
    struct svc *svc;
    struct redis_call *call;
    char *models[MODELS_MOST];
    bool told[MODELS_MOST];
    int count, at;                              /* at: whose turn it is while there is a call */
    uv_timer_t *again;
};

static void tell_next(struct unpriced *u);

static void name_key(const struct unpriced *u, struct args *args) {
    char key[500];
    snprintf(key, sizeof key, "%sunpriced:%.200s", u->svc->prefix, u->models[u->at]);
    args_str(args, key);
}

static void told(struct unpriced *u) {
    u->told[u->at] = true;
    tell_next(u);
}

/* Remembered only now: a crash in between tells once more, and not never. */
static void on_alert(const redisReply *reply, void *owner) {
    struct unpriced *u = owner;
    u->call = NULL;
    if (reply->type != REDIS_REPLY_INTEGER || !reply->integer)
        return;                                 /* nobody heard it: at the next look */
    struct args args = { 0 };
    args_str(&args, "SET");
    name_key(u, &args);
    args_str(&args, "1");
    args_str(&args, "EX");
    args_int(&args, TOLD_S);
    redis_command(u->svc->redis, &args, NULL, NULL);
    told(u);
}

static void on_known(const redisReply *reply, void *owner) {
    struct unpriced *u = owner;
    u->call = NULL;
    if (reply->type != REDIS_REPLY_INTEGER)
        return;
    if (reply->integer) {
        told(u);
        return;
    }
    log_warn(NULL, "model %.200s has no entry in the prices file: billed by the price variables", u->models[u->at]);
    struct args args = { 0 };
    args_str(&args, "unpriced");
    args_str(&args, u->models[u->at]);
    u->call = redis_script(u->svc->redis, SCRIPT_ALERT, &args, on_alert, u);
}

static void tell_next(struct unpriced *u) {
    if (u->call || !redis_is_up(u->svc->redis))
        return;
    for (u->at = 0; u->at < u->count && u->told[u->at]; u->at++)
        ;
    if (u->at == u->count)
        return;
    struct args args = { 0 };
    args_str(&args, "EXISTS");
    name_key(u, &args);
    u->call = redis_command(u->svc->redis, &args, on_known, u);
}

static void on_again(uv_timer_t *timer) {
    tell_next(timer->data);
}

struct unpriced *unpriced_new(struct svc *s) {
    struct unpriced *u = alloc_zero(sizeof *u);
    u->svc = s;
    u->again = alloc_zero(sizeof *u->again);
    uv_timer_init(s->loop, u->again);
    u->again->data = u;
    uv_timer_start(u->again, on_again, AGAIN_MS, AGAIN_MS);
    uv_unref((uv_handle_t *)u->again);
    return u;
}

static void on_closed(uv_handle_t *timer) {
    free(timer);
}

void unpriced_free(struct unpriced *u) {
    if (!u)
        return;
    redis_forget(u->call);
    uv_close((uv_handle_t *)u->again, on_closed);
    for (int i = 0; i < u->count; i++)
        free(u->models[i]);
    free(u);
}

void unpriced_saw(struct unpriced *u, const char *model) {
    for (int i = 0; i < u->count; i++)
        if (!strcmp(u->models[i], model))
            return;
    if (u->count == MODELS_MOST)
        return;
    u->models[u->count++] = alloc_copy(model, strlen(model));
    tell_next(u);
}
