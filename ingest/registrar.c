#include "ingest/registrar.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ingest/caller.h"
#include "ingest/identity.h"
#include "ingest/route.h"
#include "ingest/webhook.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/metrics.h"

enum {
    LOOK_TAKEOVERS = 12,         /* a look at it every so many TAKEOVER_MS: three minutes by default */
    FAILING_LOOKS = 2            /* so many looks with a new failed delivery each are worth an alert */
};

struct registrar {
    struct steps steps;
    struct svc *svc;
    struct caller to;            /* Telegram */
    char secret[WEBHOOK_SECRET_SIZE];
    int failing_looks;
    int64_t last_error_s;        /* Telegram's date of the last failed delivery that we know of */
    bool ours, stopping, runs, standing, looked;
    bool elsewhere;              /* the last look found another address */
};

static struct metric sets = { "webhook_set_total", "Times that Telegram was told where to deliver.", NULL, METRIC_COUNTER };
static struct metric pending = { "webhook_pending", "Updates that wait at Telegram, as it said last.", NULL, METRIC_GAUGE };
static struct metric failing = { "webhook_failing_total", "Looks that found a new failed delivery.", NULL, METRIC_COUNTER };

static enum step_end ask_who_we_are(struct steps *s);
static enum step_end judge_who_we_are(struct steps *s);
static enum step_end stand_by(struct steps *s);
static enum step_end set_webhook(struct steps *s);
static enum step_end judge_setting(struct steps *s);
static enum step_end look(struct steps *s);
static enum step_end judge_look(struct steps *s);
static enum step_end rest(struct steps *s);

static const struct step registrar_row[] = {
    { "ask_who_we_are",   ask_who_we_are   },   /* WAIT: getMe, also where others hold the lease */
    { "judge_who_we_are", judge_who_we_are },
    { "stand_by",         stand_by         },   /* WAIT: until the lease is ours; where a row goes that loses it */
    { "set_webhook",      set_webhook      },   /* WAIT: setWebhook */
    { "judge_setting",    judge_setting    },
    { "look",             look             },   /* WAIT: getWebhookInfo, at once and then every few minutes */
    { "judge_look",       judge_look       },   /* to look, or to set_webhook */
    { "rest",             rest             },   /* where a row goes that is told to stop */
    { 0 },
};

static struct registrar *registrar_of(struct steps *s) {
    return (struct registrar *)((char *)s - offsetof(struct registrar, steps));
}

static enum step_end again(struct registrar *r, const char *step) {
    struct caller *to = &r->to;
    if (to->answer.word == BOT_REFUSED && to->said != BOT_REFUSED) {
        to->said = BOT_REFUSED;
        log_error(NULL, "%s: Telegram does not take the webhook: %s", r->steps.now, to->answer.why);
        svc_alert(r->svc, "webhook", to->answer.why);
    }
    return steps_sleep(&r->steps, step, caller_failed(to));
}

static enum step_end call(struct registrar *r, const char *method, cJSON *params) {
    return caller_ask(&r->to, method, params, BOT_CALL_MS);
}

/* ---- the row ---- */

static enum step_end ask_who_we_are(struct steps *s) {
    return call(registrar_of(s), "getMe", cJSON_CreateObject());
}

static enum step_end judge_who_we_are(struct steps *s) {
    struct registrar *r = registrar_of(s);
    if (r->to.answer.word != BOT_OK)
        return again(r, "ask_who_we_are");
    caller_went_well(&r->to);
    if (!identity_learn(r->to.answer.result))
        log_warn(NULL, "getMe gave no name of this bot: in groups it hears only replies and commands");
    log_info(NULL, "serving the webhook of @%s", identity_is_known() ? identity_username() : "?");
    return STEP_NEXT;
}

static enum step_end stand_by(struct steps *s) {
    struct registrar *r = registrar_of(s);
    caller_hang_up(&r->to);
    r->standing = !r->ours && identity_was_asked();
    if (!identity_was_asked())
        return steps_goto(s, "ask_who_we_are");
    if (!r->ours)
        return steps_sleep(s, "stand_by", 60 * SECOND); /* a wait could end by the wake of a call that has been hung up */
    r->to.failures = r->failing_looks = 0;
    r->looked = false;
    return STEP_NEXT;
}

static enum step_end set_webhook(struct steps *s) {
    struct registrar *r = registrar_of(s);
    cJSON *params = cJSON_CreateObject();
    json_put_str(params, "url", setting_text("WEBHOOK_URL"));
    json_put_str(params, "secret_token", r->secret);
    json_put_i64(params, "max_connections", WEBHOOK_CONNECTIONS);
    cJSON *kinds = cJSON_AddArrayToObject(params, "allowed_updates");
    for (int i = 0; route_wanted[i]; i++)
        cJSON_AddItemToArray(kinds, cJSON_CreateString(route_wanted[i]));
    return call(r, "setWebhook", params);
}

static enum step_end judge_setting(struct steps *s) {
    struct registrar *r = registrar_of(s);
    if (r->to.answer.word != BOT_OK)
        return again(r, "set_webhook");
    caller_went_well(&r->to);
    metric_add(&sets, 1);
    log_info(NULL, "Telegram delivers to the webhook");
    return STEP_NEXT;
}

static enum step_end look(struct steps *s) {
    return call(registrar_of(s), "getWebhookInfo", cJSON_CreateObject());
}

/* A failed delivery is repeated by Telegram, and one now and then is nothing. */
static void judge_deliveries(struct registrar *r) {
    const cJSON *info = r->to.answer.result;
    const char *why = json_get_str(info, "last_error_message");
    int64_t error_s = 0, waiting = 0;
    (void)json_get_i64(info, "last_error_date", &error_s); /* not there when all went well */
    (void)json_get_i64(info, "pending_update_count", &waiting);
    metric_set(&pending, (double)waiting);
    bool is_new = r->looked && error_s > r->last_error_s; /* what had failed before we came is not ours to tell */
    r->looked = true;
    r->last_error_s = error_s;
    if (!is_new) {
        r->failing_looks = 0;
        return;
    }
    metric_add(&failing, 1);
    log_warn(NULL, "Telegram could not deliver to the webhook: %.200s", why ? why : "no reason given");
    if (++r->failing_looks == FAILING_LOOKS)
        svc_alert(r->svc, "webhook_failing", why ? why : "");
}

static enum step_end judge_look(struct steps *s) {
    struct registrar *r = registrar_of(s);
    if (r->to.answer.word != BOT_OK)
        return again(r, "look");
    caller_went_well(&r->to);
    int64_t pause_ms = (int64_t)LOOK_TAKEOVERS * r->svc->takeover_ms;
    const char *url = json_get_str(r->to.answer.result, "url");
    bool elsewhere = url && strcmp(url, setting_text("WEBHOOK_URL"));
    if (!elsewhere) {
        r->elsewhere = false;
        judge_deliveries(r);
        return steps_sleep(s, "look", pause_ms);
    }
    if (r->elsewhere) /* again: a rival, or a server that writes addresses in its own way */
        return steps_sleep(s, "set_webhook", pause_ms);
    r->elsewhere = true;
    log_warn(NULL, "somebody has told Telegram to deliver elsewhere, or not at all: setting the webhook again");
    svc_alert(r->svc, "poll_conflict", "");
    return steps_goto(s, "set_webhook");
}

static enum step_end rest(struct steps *s) {
    caller_hang_up(&registrar_of(s)->to);
    return STEP_END;
}

/* ---- beginning and end ---- */

static void on_end(struct steps *s) {
    struct registrar *r = registrar_of(s);
    r->runs = false;
}

struct registrar *registrar_new(struct svc *s) {
    struct registrar *r = alloc_zero(sizeof *r);
    r->svc = s;
    caller_init(&r->to, s, &r->steps);
    webhook_secret(r->secret);
    metrics_list((struct metric *const[]){ &sets, &pending, &failing, NULL });
    r->runs = true;
    steps_start(&r->steps, s->runner, registrar_row, on_end);
    return r;
}

void registrar_hold(struct registrar *r, bool ours) {
    if (r->ours == ours || r->stopping)
        return;
    r->ours = ours;
    if (!ours)
        steps_divert(&r->steps, "stand_by");
    else if (r->standing) /* else it comes there by itself */
        steps_divert(&r->steps, "stand_by");
}

void registrar_stop(struct registrar *r) {
    r->stopping = true;
    if (r->runs)
        steps_divert(&r->steps, "rest");
}

bool registrar_is_over(const struct registrar *r) {
    return !r->runs;
}

bool registrar_is_healthy(const struct registrar *r) {
    return r->to.failures < 5;
}

void registrar_free(struct registrar *r) {
    if (!r)
        return;
    caller_done(&r->to);
    free(r);
}
