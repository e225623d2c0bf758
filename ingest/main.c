/* ingest: takes the updates of Telegram and turns each into a job. Of several one polls, the others stand by; with WEBHOOK_URL all
 * of them serve the webhook, and one tells Telegram about it. */
#include <string.h>
#include <sysexits.h>
#include "ingest/accept.h"
#include "ingest/menus.h"
#include "ingest/poll.h"
#include "ingest/registrar.h"
#include "ingest/webhook.h"

struct ingest {
    struct poll *poll;           /* one source of updates … */
    struct webhook *webhook;     /* … or the other; NULL: not this one */
    struct registrar *registrar; /* beside the webhook */
    struct menus *menus;
    struct lease *lease;         /* NULL until Redis is there for the first time */
    bool left;                   /* the lease was given back, or never asked for */
};

static void on_left(void *owner) {
    struct ingest *i = owner;
    i->left = true;
}

/* The administrators, for whoever has to alert them. All at once: at no time there are none. */
static void name_admins(struct svc *s) {
    static const char replace[] = "redis.call('DEL', KEYS[1]) return redis.call('SADD', KEYS[1], unpack(ARGV))";
    const int64_t *ids;
    int count = setting_ids("ADMIN_ID", &ids);
    char key[300];
    snprintf(key, sizeof key, "%sadmins", s->prefix);
    struct args args = { 0 };
    args_str(&args, "EVAL");
    args_str(&args, replace);
    args_int(&args, 1);
    args_str(&args, key);
    for (int i = 0; i < count; i++)
        args_int(&args, ids[i]);
    redis_command(s->redis, &args, NULL, NULL);
}

static void on_lease(bool ours, void *owner) {
    struct svc *s = owner;
    struct ingest *i = s->app;
    if (s->draining)
        return;
    if (ours)
        name_admins(s);
    if (i->registrar)
        registrar_hold(i->registrar, ours);
    else if (ours)
        poll_start(i->poll);
    else
        poll_stop(i->poll);
    if (ours)
        menus_start(i->menus);
    else
        menus_stop(i->menus);
}

static int ingest_check(FILE *err) {
    if (!setting_is_set("WEBHOOK_URL") || setting_is_set("WEBHOOK_LISTEN"))
        return 0;
    (void)fprintf(err, "gpttg-ingest: WEBHOOK_LISTEN is missing: with WEBHOOK_URL expected host:port, such as 127.0.0.1:8080\n"); /* as settings.c */
    return EX_CONFIG;
}

static bool ingest_start(struct svc *s) {
    static struct ingest ingest; /* the one of this process */
    s->app = &ingest;
    accept_list_metrics();
    if (setting_is_set("WEBHOOK_URL")) {
        ingest.webhook = webhook_new(s);
        ingest.registrar = registrar_new(s);
    } else {
        ingest.poll = poll_new(s);
    }
    ingest.menus = menus_new(s);
    return true;
}

static void ingest_on_redis(struct svc *s, bool up) {
    struct ingest *i = s->app;
    if (i->webhook)
        webhook_on_redis(i->webhook, up);
    if (up && !i->lease && !s->draining)
        i->lease = lease_new(s->redis, s->loop, "ingest", s->worker, s->takeover_ms, on_lease, s);
}

static void ingest_drain(struct svc *s) {
    struct ingest *i = s->app;
    if (i->webhook) {
        webhook_drain(i->webhook);
        registrar_stop(i->registrar);
    } else {
        poll_stop(i->poll);
    }
    menus_stop(i->menus);
    if (i->lease && redis_is_up(s->redis))
        lease_leave(i->lease, on_left, i);
    else
        i->left = true; /* whoever stands by sees that our heartbeat has ended */
}

static bool ingest_is_idle(struct svc *s) {
    const struct ingest *i = s->app;
    bool over = i->webhook ? webhook_is_idle(i->webhook) && registrar_is_over(i->registrar) : poll_is_over(i->poll);
    return over && menus_is_over(i->menus) && (i->left || !redis_is_up(s->redis));
}

static void ingest_stop(struct svc *s) {
    struct ingest *i = s->app;
    if (i->lease)
        lease_free(i->lease);
    menus_free(i->menus);
    poll_free(i->poll);
    webhook_free(i->webhook);
    registrar_free(i->registrar);
}

static bool ingest_is_healthy(struct svc *s) {
    const struct ingest *i = s->app;
    return i->webhook ? webhook_is_healthy(i->webhook) && registrar_is_healthy(i->registrar) : poll_is_healthy(i->poll);
}

int main(int argc, char **argv) {
    static const struct svc_spec ingest = {
        .name = "ingest", .bit = FOR_INGEST, .about = "takes the updates of Telegram and turns each into a job", .check = ingest_check,
        .start = ingest_start, .on_redis = ingest_on_redis, .drain = ingest_drain, .idle = ingest_is_idle,
        .stop = ingest_stop, .healthy = ingest_is_healthy,
    };
    return svc_main(&ingest, argc, argv);
}
