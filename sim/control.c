#include "sim/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/drafts.h"
#include "sim/faults.h"
#include "sim/files.h"
#include "sim/openai.h"
#include "sim/params.h"
#include "sim/people.h"
#include "sim/telegram.h"
#include "sim/text.h"
#include "sim/updates.h"
#include "sim/users.h"
#include "sim/waits.h"

void control_refuse(struct exch *x, const char *why) {
    struct buf b = {0};
    buf_str(&b, "{\"error\":");
    buf_json_str(&b, why);
    buf_str(&b, "}");
    answer_json(x, 400, NULL, &b);
}

void control_ok(struct exch *x) {
    struct buf b = {0};
    buf_str(&b, "{\"ok\":true}");
    answer_json(x, 200, NULL, &b);
}

struct bot *control_bot(struct sim *sim, struct exch *x, const cJSON *body) {
    char name[128];
    int64_t id;
    struct bot *bot;
    query_get(x->http->query, "bot", name, sizeof name);
    if (json_str(body, "bot"))
        snprintf(name, sizeof name, "%s", json_str(body, "bot"));
    else if (json_i64(body, "bot", &id))
        snprintf(name, sizeof name, "%lld", (long long)id);
    bot = *name ? bot_find(sim, name, true) : bot_default(sim);
    if (!bot)
        control_refuse(x, "bot: neither a token nor an id, or not the bot's own token");
    return bot;
}

void control_flag(const cJSON *o, const char *name, bool *flag) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
    if (v)
        *flag = cJSON_IsTrue(v);
}

/* What the bot may refer to later: the chat, and the message in it. */
static void learn_message(struct bot *bot, const cJSON *message) {
    const cJSON *chat = cJSON_GetObjectItemCaseSensitive(message, "chat"), *from = cJSON_GetObjectItemCaseSensitive(message, "from");
    int64_t chat_id, id, thread;
    struct chat *c;
    struct message *m;
    if (!json_i64(chat, "id", &chat_id) || !chat_id)
        return;
    c = chat_make(bot, chat_id);
    chat_set(&c->type, json_str(chat, "type"));
    chat_set(&c->title, json_str(chat, "title") ? json_str(chat, "title") : json_str(chat, "first_name"));
    chat_set(&c->username, json_str(chat, "username"));
    if (json_i64(message, "message_thread_id", &thread))
        chat_add_thread(c, thread);
    if (!json_i64(message, "message_id", &id) || id <= 0 || id > INT32_MAX || message_find(c, id))
        return;
    m = message_add(c, id, false, json_str(message, "text") ? json_str(message, "text") : json_str(message, "caption"));
    m->from = cJSON_IsObject(from) ? cJSON_PrintUnformatted(from) : xdup("{\"id\":1,\"is_bot\":false,\"first_name\":\"User\"}");
}

static void learn_press(struct sim *sim, const cJSON *query, const cJSON *message) {
    int64_t chat = 0, message_id = 0, user = 0;
    (void)json_i64(cJSON_GetObjectItemCaseSensitive(message, "chat"), "id", &chat);     /* whatever is absent is 0 */
    (void)json_i64(message, "message_id", &message_id);
    (void)json_i64(cJSON_GetObjectItemCaseSensitive(query, "from"), "id", &user);
    if (json_str(query, "id"))
        (void)presses_add(sim, json_str(query, "id"), chat, message_id, user, json_str(query, "data"));
}

/* Returns the update's id, 0 when the bot does not want it. A raw one it gets unasked. */
static int64_t push_update(struct bot *bot, const cJSON *o, bool raw) {
    struct sim *sim = bot->sim;
    const char *kind = "message";
    struct buf members = {0};
    const cJSON *i;
    int64_t id = 0;
    (void)json_i64(o, "update_id", &id);        /* absent: the next one */
    buf_str(&members, "");
    cJSON_ArrayForEach(i, o) {
        char *text;
        const cJSON *message = i;
        if (!i->string || !strcmp(i->string, "update_id") || (!raw && !strcmp(i->string, "bot")))
            continue;
        if (updates_is_kind(i->string))
            kind = i->string;
        if (!strcmp(i->string, "callback_query")) {
            message = cJSON_GetObjectItemCaseSensitive(i, "message");
            learn_press(sim, i, message);
        }
        learn_message(bot, message);
        text = cJSON_PrintUnformatted(i);
        buf_str(&members, members.n ? "," : "");
        buf_json_str(&members, i->string);
        buf_str(&members, ":");
        buf_str(&members, text);
        free(text);
    }
    if (!members.n)
        buf_str(&members, "\"nothing\":null");
    id = updates_push(bot, id, raw ? NULL : kind, members.p);
    buf_done(&members);
    return id;
}

static void post_update(struct sim *sim, struct exch *x, const cJSON *o) {
    const cJSON *wrapped = cJSON_GetObjectItemCaseSensitive(o, "update"), *list = cJSON_GetObjectItemCaseSensitive(o, "updates"), *i;
    struct bot *bot = control_bot(sim, x, o);
    struct buf b = {0};
    int64_t raw = 0;
    if (!bot)
        return;
    (void)query_i64(x->http->query, "raw", &raw);       /* absent: not raw */
    if (cJSON_IsArray(list)) {
        buf_str(&b, "{\"update_ids\":[");
        cJSON_ArrayForEach(i, list)
            buf_fmt(&b, "%s%lld", i == list->child ? "" : ",", (long long)push_update(bot, i, raw));
        buf_str(&b, "]}");
    } else {
        buf_fmt(&b, "{\"update_id\":%lld}", (long long)push_update(bot, cJSON_IsObject(wrapped) ? wrapped : o, raw));
    }
    answer_json(x, 200, NULL, &b);
}

static void post_delete_message(struct sim *sim, struct exch *x, const cJSON *o) {
    struct bot *bot = control_bot(sim, x, o);
    struct chat *c;
    struct message *m = NULL;
    int64_t chat_id = 0, id = 0;
    if (!bot)
        return;
    (void)json_i64(o, "chat", &chat_id);        /* absent: not found below */
    (void)json_i64(o, "message_id", &id);
    c = chat_find(bot, chat_id);
    if (c)
        m = message_find(c, id);
    if (!m) {
        control_refuse(x, "no such message in this chat");
        return;
    }
    message_delete(m);
    control_ok(x);
}

static int base64_digit(char c) {
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void post_file(struct sim *sim, struct exch *x, const cJSON *o) {
    const char *coded = json_str(o, "base64");
    int64_t bytes = 0;
    struct file *f;
    struct buf b = {0};
    if (coded) {
        unsigned bits = 0, have = 0;
        buf_str(&b, "");
        for (; base64_digit(*coded) >= 0; coded++) {
            bits = bits << 6 | (unsigned)base64_digit(*coded);
            have += 6;
            if (have >= 8) {
                char c = (char)(bits >> (have -= 8));
                buf_add(&b, &c, 1);
            }
        }
        f = files_add(sim, "AwACAgIAAxk", json_str(o, "name"), json_str(o, "mime_type"), b.p, b.n);
        b.n = 0;
    } else {
        if (!json_i64(o, "bytes", &bytes) || bytes < 0 || bytes > INT32_MAX) {
            control_refuse(x, "base64 or bytes: missing");
            return;
        }
        f = files_add(sim, "AwACAgIAAxk", json_str(o, "name"), json_str(o, "mime_type"), NULL, (size_t)bytes);
    }
    buf_str(&b, "{\"file_id\":");
    buf_json_str(&b, f->id);
    buf_fmt(&b, ",\"file_unique_id\":\"AQAD%lld\",\"file_size\":%zu}", (long long)f->n, f->len);
    answer_json(x, 200, NULL, &b);
}

/* ---- faults and settings ---- */

static void post_fault(struct sim *sim, struct exch *x, const cJSON *o) {
    const char *error;
    int64_t id = faults_add(sim->faults, o, &error);
    struct buf b = {0};
    if (!id) {
        control_refuse(x, error);
        return;
    }
    buf_fmt(&b, "{\"id\":%lld}", (long long)id);
    answer_json(x, 200, NULL, &b);
}

static void get_faults(struct sim *sim, struct exch *x) {
    struct buf b = {0};
    faults_to_json(sim->faults, &b);
    answer_json(x, 200, NULL, &b);
}

static void delete_faults(struct sim *sim, struct exch *x) {
    int64_t id = 0;
    (void)query_i64(x->http->query, "id", &id); /* absent: all */
    if (faults_remove(sim->faults, id))
        control_ok(x);
    else
        control_refuse(x, "id: no such fault");
}

static void post_model(struct sim *sim, struct exch *x, const cJSON *o) {
    const char *error = openai_set(sim->openai, o);
    struct buf b = {0};
    if (error) {
        control_refuse(x, error);
        return;
    }
    openai_settings_to_json(sim->openai, &b);
    answer_json(x, 200, NULL, &b);
}

static void set_rate(const cJSON *o, const char *name, double *rate) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
    if (cJSON_IsNumber(v) && v->valuedouble >= 0)
        *rate = v->valuedouble;
}

static void post_telegram(struct sim *sim, struct exch *x, const cJSON *o) {
    struct telegram *t = sim->telegram;
    struct buf b = {0};
    int64_t flood;
    control_flag(o, "flood", &t->flood);
    control_flag(o, "slow_repeat", &t->slow_repeat);
    set_rate(o, "chat_per_s", &t->chat_per_s);
    set_rate(o, "chat_burst", &t->chat_burst);
    set_rate(o, "global_per_s", &t->global_per_s);
    set_rate(o, "group_per_min", &t->group_per_min);
    (void)json_i64(o, "conflict_ms", &t->conflict_ms);  /* absent: as before */
    (void)json_i64(o, "callback_ms", &t->callback_ms);
    (void)json_i64(o, "webhook_timeout_ms", &t->webhook_timeout_ms);
    (void)json_i64(o, "webhook_first_ms", &t->webhook_first_ms);
    (void)json_i64(o, "webhook_cap_ms", &t->webhook_cap_ms);
    (void)json_i64(o, "webhook_lose", &t->webhook_lose);
    if (json_i64(o, "flood_s", &flood))
        t->flood_until_ms = sim_now_ms() + flood * 1000;
    buf_fmt(&b, "{\"flood\":%s,\"slow_repeat\":%s,\"chat_per_s\":%g,\"chat_burst\":%g,\"global_per_s\":%g,\"group_per_min\":%g,\"conflict_ms\":%lld,\"callback_ms\":%lld",
            t->flood ? "true" : "false", t->slow_repeat ? "true" : "false", t->chat_per_s, t->chat_burst, t->global_per_s, t->group_per_min, (long long)t->conflict_ms,
            (long long)t->callback_ms);
    buf_fmt(&b, ",\"webhook_timeout_ms\":%lld,\"webhook_first_ms\":%lld,\"webhook_cap_ms\":%lld,\"webhook_lose\":%lld}", (long long)t->webhook_timeout_ms,
            (long long)t->webhook_first_ms, (long long)t->webhook_cap_ms, (long long)t->webhook_lose);
    answer_json(x, 200, NULL, &b);
}

static void post_users(struct sim *sim, struct exch *x, const cJSON *o) {
    struct bot *bot = control_bot(sim, x, o);
    const char *error = bot ? users_start(sim, bot, o) : NULL;
    if (error)
        control_refuse(x, error);
    else if (bot)
        control_ok(x);
}

static void get_users(struct sim *sim, struct exch *x) {
    int64_t since = 0;
    struct buf b = {0};
    (void)query_i64(x->http->query, "since", &since);   /* absent: all */
    users_to_json(sim, since, &b);
    answer_json(x, 200, NULL, &b);
}

static void post_reset(struct sim *sim, struct exch *x, const cJSON *o) {
    app_reset(sim);
    control_ok(x);
}

static void get_health(struct sim *sim, struct exch *x) {
    control_ok(x);
}

static const struct route {
    const char *verb, *path;
    void (*get)(struct sim *sim, struct exch *x);
    void (*post)(struct sim *sim, struct exch *x, const cJSON *o);      /* with a JSON object */
} routes[] = {
    { "POST",   "message",        NULL, people_post_message },
    { "POST",   "messages",       NULL, people_post_messages },
    { "POST",   "edit",           NULL, people_post_edit },
    { "POST",   "update",         NULL, post_update },
    { "POST",   "callback",       NULL, presses_post_callback },
    { "POST",   "press",          NULL, presses_post_press },
    { "POST",   "stop_draft",     NULL, drafts_post_stop },
    { "GET",    "presses",        presses_view, NULL },
    { "POST",   "chat",           NULL, members_post_chat },
    { "POST",   "member",         NULL, members_post_member },
    { "POST",   "block",          NULL, members_post_block },
    { "POST",   "migrate",        NULL, members_post_migrate },
    { "POST",   "delete_message", NULL, post_delete_message },
    { "POST",   "redeliver",      NULL, telegram_redeliver },
    { "POST",   "file",           NULL, post_file },
    { "POST",   "fault",          NULL, post_fault },
    { "POST",   "model",          NULL, post_model },
    { "POST",   "telegram",       NULL, post_telegram },
    { "POST",   "users",          NULL, post_users },
    { "GET",    "users",          get_users, NULL },
    { "POST",   "reset",          NULL, post_reset },
    { "GET",    "faults",         get_faults, NULL },
    { "DELETE", "faults",         delete_faults, NULL },
    { "GET",    "commands",       telegram_commands_view, NULL },
    { "GET",    "chat",           view_chat, NULL },
    { "GET",    "chats",          view_chats, NULL },
    { "GET",    "calls",          view_calls, NULL },
    { "GET",    "responses",      view_responses, NULL },
    { "GET",    "response",       view_response, NULL },
    { "GET",    "billed",         view_billed, NULL },
    { "GET",    "counters",       view_counters, NULL },
    { "GET",    "wait",           waits_on_request, NULL },
    { "GET",    "health",         get_health, NULL },
};

void control_on_request(struct sim *sim, struct exch *x) {
    const struct http *h = x->http;
    const char *name = h->path + strlen("/control/");
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct route *r = &routes[i];
        cJSON *o;
        if (strcmp(r->path, name) || strcmp(r->verb, h->method))
            continue;
        if (r->get) {
            r->get(sim, x);
            return;
        }
        o = h->body.n ? json_read(h->body.p, h->body.n) : cJSON_CreateObject();
        if (cJSON_IsObject(o))
            r->post(sim, x, o);
        else
            control_refuse(x, "the body must be a JSON object");
        cJSON_Delete(o);
        return;
    }
    control_refuse(x, "no such control call; see sim/README.md");
}
