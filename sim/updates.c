#include "sim/updates.h"

#include <stdlib.h>
#include <string.h>

#include "sim/webhook.h"

enum { POLL_MAX_S = 50, ANSWER_MAX = 4 * 1024 * 1024 };
#define DELIVERED_BYTES_MAX ((size_t)64 * 1024 * 1024)

static const char *const kinds[] = {    /* the first three only on request */
    "chat_member", "message_reaction", "message_reaction_count",
    "message", "edited_message", "channel_post", "edited_channel_post", "business_connection", "business_message",
    "edited_business_message", "deleted_business_messages", "inline_query", "chosen_inline_result", "callback_query", "shipping_query",
    "pre_checkout_query", "purchased_paid_media", "poll", "poll_answer", "my_chat_member", "chat_join_request", "chat_boost",
    "removed_chat_boost", "guest_message", "stopped_message_generation", "subscription", "managed_bot",
};

bool updates_is_kind(const char *kind) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i], kind))
            return true;
    return false;
}

static bool is_wanted(const struct bot *bot, const char *kind) {
    struct buf b = {0};
    bool wanted;
    if (!bot->allowed) {
        for (int i = 0; i < 3; i++)
            if (!strcmp(kinds[i], kind))
                return false;
        return true;
    }
    buf_json_str(&b, kind);
    wanted = strstr(bot->allowed, b.p) != NULL;
    buf_done(&b);
    return wanted;
}

int64_t updates_pending(const struct bot *bot) {
    return (int64_t)(bot->updates_len - bot->updates_begin);
}

static void confirm_first(struct bot *bot) {
    struct update *u = bot->updates[bot->updates_begin++];
    bot->confirmed = u->id;
    update_free(u);
    bot->sim->changed = true;
}

void updates_confirm_all(struct bot *bot) {
    while (updates_pending(bot))
        confirm_first(bot);
}

static void unpark(struct bot *bot) {
    if (bot->poller)
        bot->poller->on_gone = NULL;
    bot->poller = NULL;
    uv_timer_stop(bot->poll_timer);
}

static void answer_updates(struct bot *bot, struct exch *x, int64_t limit) {
    struct buf b = {0};
    buf_str(&b, "{\"ok\":true,\"result\":[");
    for (size_t i = bot->updates_begin; i < bot->updates_len && limit-- > 0 && (b.n < ANSWER_MAX || i == bot->updates_begin); i++) {
        if (i > bot->updates_begin)
            buf_str(&b, ",");
        buf_add(&b, bot->updates[i]->json, bot->updates[i]->len);
    }
    buf_str(&b, "]}");
    answer_json(x, 200, NULL, &b);
}

static void release(struct bot *bot) {
    struct exch *x = bot->poller;
    unpark(bot);
    if (x)
        answer_updates(bot, x, bot->poll_limit);
}

/* To the end of the list; then somebody gets it. `json` is taken over. */
static void append(struct bot *bot, int64_t id, char *json, size_t len) {
    struct update *u = xalloc(sizeof *u);
    *u = (struct update){ .id = id, .json = json, .len = len };
    if (bot->updates_len == bot->updates_cap) {
        if (bot->updates_begin > bot->updates_cap / 2) {
            memmove(bot->updates, bot->updates + bot->updates_begin, (bot->updates_len - bot->updates_begin) * sizeof *bot->updates);
            bot->updates_len -= bot->updates_begin;
            bot->updates_begin = 0;
        } else {
            bot->updates_cap = bot->updates_cap ? bot->updates_cap * 2 : 64;
            bot->updates = realloc(bot->updates, bot->updates_cap * sizeof *bot->updates);
            if (!bot->updates)
                abort();
        }
    }
    bot->updates[bot->updates_len++] = u;
    if (bot->webhook)
        webhook_add(bot->webhook, u);
    else
        release(bot);
}

int64_t updates_push(struct bot *bot, int64_t update_id, const char *kind, const char *members) {
    struct buf b = {0};
    size_t len;
    if (kind && !is_wanted(bot, kind)) {
        sim_count(bot->sim, "telegram.updates.unwanted", 1);
        return 0;
    }
    if (!update_id)
        update_id = bot->next_update_id;
    if (update_id >= bot->next_update_id)
        bot->next_update_id = update_id + 1;
    buf_str(&b, "{\"update_id\":");
    buf_i64(&b, update_id);
    buf_str(&b, ",");
    buf_str(&b, members);
    buf_str(&b, "}");
    len = b.n;
    sim_count(bot->sim, "telegram.updates", 1);
    append(bot, update_id, buf_take(&b), len);
    return update_id;
}

void updates_delivered(struct bot *bot, struct update *u) {
    size_t at = bot->updates_begin;
    while (bot->updates[at] != u)
        at++;
    memmove(bot->updates + bot->updates_begin + 1, bot->updates + bot->updates_begin, (at - bot->updates_begin) * sizeof *bot->updates);
    bot->updates_begin++;
    if (u->id > bot->confirmed)
        bot->confirmed = u->id;
    bot->sim->changed = true;
    while (bot->delivered_end > bot->delivered_begin
           && (bot->delivered_end - bot->delivered_begin == DELIVERED_MAX || bot->delivered_bytes + u->len > DELIVERED_BYTES_MAX)) {
        struct update *old = bot->delivered[bot->delivered_begin++ % DELIVERED_MAX];
        bot->delivered_bytes -= old->len;
        update_free(old);
    }
    bot->delivered[bot->delivered_end++ % DELIVERED_MAX] = u;
    bot->delivered_bytes += u->len;
}

bool updates_again(struct bot *bot, int64_t update_id) {
    for (int64_t n = bot->delivered_end - 1; n >= bot->delivered_begin; n--) {
        const struct update *u = bot->delivered[n % DELIVERED_MAX];
        if (u->id != update_id)
            continue;
        sim_count(bot->sim, "webhook.redelivered", 1);
        append(bot, u->id, xndup(u->json, u->len), u->len);
        return true;
    }
    return false;
}

void updates_allow(struct bot *bot, const cJSON *allowed) {
    if (!cJSON_IsArray(allowed))
        return;
    free(bot->allowed);
    bot->allowed = cJSON_GetArraySize(allowed) ? cJSON_PrintUnformatted(allowed) : NULL;
}

static void on_poll_timeout(uv_timer_t *t) {
    release(t->data);
}

static void on_poller_gone(struct exch *x) {
    struct bot *bot = x->owner;
    if (bot->poller == x)
        unpark(bot);
}

void updates_stop(struct bot *bot, const char *description) {
    struct exch *x = bot->poller;
    struct buf b = {0};
    if (!x)
        return;
    unpark(bot);
    if (!description) {
        exch_kill(x, false);
        return;
    }
    if (bot->sim->telegram->conflict_ms > 0)
        x->tap = (struct tap){ .kind = TAP_STALL, .after_bytes = -1, .after_events = -1, .ms = bot->sim->telegram->conflict_ms };
    buf_str(&b, "{\"ok\":false,\"error_code\":409,\"description\":");
    buf_json_str(&b, description);
    buf_str(&b, "}");
    sim_count(bot->sim, "telegram.getUpdates.409", 1);
    answer_json(x, 409, NULL, &b);
}

const char *updates_poll(struct bot *bot, struct exch *x, struct params *p, int *ret_status) {
    int64_t offset = 0, limit = 100, timeout = 0, now = (int64_t)uv_now(bot->sim->loop);
    const cJSON *allowed = param_json(p, "allowed_updates");
    (void)param_i64(p, "offset", &offset);      /* absent: the defaults */
    (void)param_i64(p, "limit", &limit);
    (void)param_i64(p, "timeout", &timeout);
    if (limit < 1 || limit > 100)
        limit = 100;
    timeout = timeout < 0 ? 0 : timeout > POLL_MAX_S ? POLL_MAX_S : timeout;
    if (bot->webhook) {
        *ret_status = 409;
        return "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
    }
    updates_allow(bot, allowed);
    updates_stop(bot, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running");
    if (offset > 0) {
        while (updates_pending(bot) && bot->updates[bot->updates_begin]->id < offset)
            confirm_first(bot);
    } else if (offset < 0) {
        while (updates_pending(bot) > -offset)
            confirm_first(bot);
    }
    if (bot->sim->telegram->slow_repeat && offset == bot->last_offset && now - bot->last_offset_ms < 3000 && timeout < 3) {
        if (now - bot->last_offset_ms < 500)
            limit = 1;
        timeout = 3;
    }
    bot->last_offset = offset;
    bot->last_offset_ms = now;
    if (updates_pending(bot) || !timeout) {
        answer_updates(bot, x, limit);
        return NULL;
    }
    bot->poller = x;
    bot->poll_limit = limit;
    x->owner = bot;
    x->on_gone = on_poller_gone;
    uv_timer_start(bot->poll_timer, on_poll_timeout, (uint64_t)timeout * 1000, 0);
    return NULL;
}
