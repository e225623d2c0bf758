/* setWebhook, deleteWebhook, getWebhookInfo. What is brought to the address, and how: webhook.h. */
#include "sim/telegram.h"

#include <stdlib.h>
#include <string.h>

#include "sim/control.h"
#include "sim/updates.h"
#include "sim/webhook.h"

static const char *what_is_wrong(const struct webhook_to *to) {
    if (strncmp(to->url, "https://", 8) && strncmp(to->url, "http://", 7))
        return "Bad Request: bad webhook: An HTTPS URL must be provided for webhook";
    if (strpbrk(to->url, " \r\n\t"))
        return "Bad Request: invalid webhook URL specified";
    if (strlen(to->secret) > 256)
        return "Bad Request: secret token is too long";
    if (to->secret[strspn(to->secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")])
        return "Bad Request: secret token contains unallowed characters";
    return NULL;
}

static void answer(struct tg_call *t, const char *description) {
    struct buf b = {0};
    buf_fmt(&b, "{\"ok\":true,\"result\":true,\"description\":\"%s\"}", description);
    tg_answer(t, &b);
}

static void drop_webhook(struct bot *bot) {
    webhook_free(bot->webhook);
    bot->webhook = NULL;
}

void tg_delete_webhook(struct tg_call *t) {
    bool was = t->bot->webhook != NULL;
    drop_webhook(t->bot);
    if (param_bool(&t->p, "drop_pending_updates"))
        updates_confirm_all(t->bot);
    answer(t, was ? "Webhook was deleted" : "Webhook is already deleted");
}

void tg_set_webhook(struct tg_call *t) {
    const cJSON *allowed = param_json(&t->p, "allowed_updates");
    const char *url = param_str(&t->p, "url"), *secret, *wrong;
    bool drop = param_bool(&t->p, "drop_pending_updates");
    int64_t max = 40, now = sim_now_ms();
    struct webhook_to to;
    char *url_copy;
    if (!url || !*url) {
        tg_delete_webhook(t);
        return;
    }
    url_copy = xdup(url);       /* the getters share one scratch for numbers */
    secret = param_str(&t->p, "secret_token");
    (void)param_i64(&t->p, "max_connections", &max);    /* absent: 40 */
    to = (struct webhook_to){ url_copy, secret ? secret : "", max < 1 ? 1 : max > 100 ? 100 : (int)max };
    wrong = what_is_wrong(&to);
    if (wrong) {
        tg_refuse(t, 400, wrong);
    } else if (t->sim->telegram->flood && now < t->bot->next_set_webhook_ms) {
        tg_refuse_for(t, 1);
    } else {
        bool same = !drop && webhook_is(t->bot->webhook, &to);
        t->bot->next_set_webhook_ms = now + 1000;
        updates_allow(t->bot, allowed);
        updates_stop(t->bot, "Conflict: terminated by setWebhook request");
        if (!same)
            drop_webhook(t->bot);
        if (drop)
            updates_confirm_all(t->bot);
        if (!same)
            t->bot->webhook = webhook_new(t->bot, &to);
        answer(t, same ? "Webhook is already set" : "Webhook was set");
    }
    free(url_copy);
}

void tg_get_webhook_info(struct tg_call *t) {
    const struct webhook *w = t->bot->webhook;
    struct buf b = {0};
    buf_str(&b, "{\"url\":");
    buf_json_str(&b, w ? webhook_url(w) : "");
    buf_fmt(&b, ",\"has_custom_certificate\":false,\"pending_update_count\":%lld", (long long)updates_pending(t->bot));
    if (w)
        webhook_info(w, &b);
    if (t->bot->allowed) {
        buf_str(&b, ",\"allowed_updates\":");
        buf_str(&b, t->bot->allowed);
    }
    buf_str(&b, "}");
    tg_result(t, &b);
}

/* POST /control/redeliver: one that was delivered is brought again, though the bot had taken it. */
void telegram_redeliver(struct sim *sim, struct exch *x, const cJSON *o) {
    struct bot *bot = control_bot(sim, x, o);
    int64_t id = 0;
    if (!bot)
        return;
    (void)json_i64(o, "update_id", &id);        /* absent: not found */
    if (!bot->webhook)
        control_refuse(x, "no webhook is set");
    else if (!updates_again(bot, id))
        control_refuse(x, "update_id: not among those that were delivered by webhook");
    else
        control_ok(x);
}
