#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/control.h"
#include "sim/params.h"
#include "sim/people.h"
#include "sim/telegram.h"
#include "sim/updates.h"

/* ---- the chat itself ---- */

static void set_threads(struct chat *c, const cJSON *o) {
    const cJSON *i;
    int64_t thread;
    cJSON_ArrayForEach(i, cJSON_GetObjectItemCaseSensitive(o, "threads"))
        if (json_number(i, &thread)) {
            chat_add_thread(c, thread);
            if (chat_thread(c, thread) >= 0)
                c->closed[chat_thread(c, thread)] = false;
        }
    cJSON_ArrayForEach(i, cJSON_GetObjectItemCaseSensitive(o, "closed_threads"))
        if (json_number(i, &thread)) {
            chat_add_thread(c, thread);
            if (chat_thread(c, thread) >= 0)
                c->closed[chat_thread(c, thread)] = true;
        }
    cJSON_ArrayForEach(i, cJSON_GetObjectItemCaseSensitive(o, "deleted_threads"))
        if (json_number(i, &thread))
            chat_del_thread(c, thread);
}

void members_post_chat(struct sim *sim, struct exch *x, const cJSON *o) {
    struct bot *bot = control_bot(sim, x, o);
    struct chat *c;
    int64_t id, flood = 0;
    bool can_send;
    if (!bot)
        return;
    if (!json_i64(o, "chat", &id) || !id) {
        control_refuse(x, "chat: missing");
        return;
    }
    c = chat_make(bot, id);
    chat_set(&c->type, json_str(o, "type"));
    chat_set(&c->title, json_str(o, "title") ? json_str(o, "title") : json_str(o, "name"));
    chat_set(&c->username, json_str(o, "username"));
    set_threads(c, o);
    control_flag(o, "blocked", &c->blocked);
    control_flag(o, "kicked", &c->kicked);
    control_flag(o, "gone", &c->gone);
    control_flag(o, "admin", &c->bot_is_admin);
    can_send = !c->read_only;
    control_flag(o, "can_send", &can_send);
    c->read_only = !can_send;
    (void)json_i64(o, "slow_mode", &c->slow_mode_s);    /* absent: as before */
    (void)json_i64(o, "migrate_to", &c->migrate_to);
    if (json_i64(o, "flood_s", &flood))
        c->flood_until_ms = sim_now_ms() + flood * 1000;
    if (c->migrate_to)
        chat_make(bot, c->migrate_to);
    chat_changed(c);
    control_ok(x);
}

/* ---- who is in it ---- */

static const struct status {
    const char *name, *members;     /* members: what a ChatMember of that status has beside it */
    bool is_in;
} statuses[] = {
    { "member",        "", true },
    { "left",          "", false },
    { "kicked",        ",\"until_date\":0", false },
    { "administrator", ",\"can_be_edited\":false,\"is_anonymous\":false,\"can_manage_chat\":true,\"can_delete_messages\":true,\"can_manage_video_chats\":true,"
                       "\"can_restrict_members\":true,\"can_promote_members\":false,\"can_change_info\":true,\"can_invite_users\":true,\"can_post_stories\":false,"
                       "\"can_edit_stories\":false,\"can_delete_stories\":false", true },
    { "creator",       ",\"is_anonymous\":false", true },
    { "restricted",    ",\"is_member\":true,\"can_send_messages\":false,\"can_send_audios\":false,\"can_send_documents\":false,\"can_send_photos\":false,"
                       "\"can_send_videos\":false,\"can_send_video_notes\":false,\"can_send_voice_notes\":false,\"can_send_polls\":false,"
                       "\"can_send_other_messages\":false,\"can_add_web_page_previews\":false,\"can_change_info\":false,\"can_invite_users\":false,"
                       "\"can_pin_messages\":false,\"can_manage_topics\":false,\"until_date\":0", true },
};

static const struct status *status_of(const char *name) {
    for (size_t i = 0; name && i < sizeof statuses / sizeof *statuses; i++)
        if (!strcmp(statuses[i].name, name))
            return &statuses[i];
    return NULL;
}

static const char *status_of_bot(const struct chat *c) {
    return c->kicked || (c->id > 0 && c->blocked) ? "kicked" : c->left ? "left" : c->read_only ? "restricted" : c->bot_is_admin ? "administrator" : "member";
}

static void set_status_of_bot(struct chat *c, const char *status) {
    if (c->id > 0) {
        c->blocked = !strcmp(status, "kicked");
        return;
    }
    c->kicked = !strcmp(status, "kicked");
    c->left = !strcmp(status, "left");
    c->read_only = !strcmp(status, "restricted");
    c->bot_is_admin = !strcmp(status, "administrator");
}

static void member_to_json(struct buf *b, const char *user, const char *status) {
    buf_fmt(b, "{\"user\":%s,\"status\":\"%s\"%s}", user, status, status_of(status)->members);
}

/* The update that tells of it. Returns its id, 0 when the bot does not want to know. */
static int64_t push_change(struct chat *c, const cJSON *by, const char *user, const char *was, const char *is, const char *kind) {
    struct buf b = {0};
    int64_t update;
    buf_fmt(&b, "\"%s\":{\"chat\":", kind);
    chat_to_json(c, &b);
    buf_str(&b, ",\"from\":");
    people_user_to_json(&b, c, by);
    buf_fmt(&b, ",\"date\":%lld,\"old_chat_member\":", (long long)(sim_now_ms() / 1000));
    member_to_json(&b, user, was);
    buf_str(&b, ",\"new_chat_member\":");
    member_to_json(&b, user, is);
    buf_str(&b, "}");
    update = updates_push(c->bot, 0, kind, b.p);
    buf_done(&b);
    return update;
}

/* A message that nobody wrote: somebody came, the group moved. */
static struct message *service_message(struct chat *c, const cJSON *by, struct buf *extra) {
    struct buf from = {0};
    struct message *m = message_add(c, 0, false, "");
    people_user_to_json(&from, c, by);
    m->kind = "service";
    m->from = buf_take(&from);
    m->extra = buf_take(extra);
    return m;
}

/* {"user":…} is who did it; `user` in it may be called `by`. */
static cJSON *doer(const cJSON *o) {
    cJSON *by = cJSON_CreateObject(), *id = cJSON_GetObjectItemCaseSensitive(o, "by");
    if (id)
        cJSON_AddItemToObject(by, "user", cJSON_Duplicate(id, true));
    return by;
}

static char *user_text(const struct chat *c, const cJSON *o, bool is_bot) {
    struct buf b = {0};
    if (is_bot)
        bot_to_json(c->bot, &b);
    else
        people_user_to_json(&b, c, o);
    return buf_take(&b);
}

static const char *stored_status(const struct chat *c, int64_t user) {
    char key[24];
    const struct status *s;
    snprintf(key, sizeof key, "%lld", (long long)user);
    s = map_get(&c->members, key) ? status_of(strrchr(map_get(&c->members, key), '|') + 1) : NULL;
    return s ? s->name : NULL;
}

static void store_status(struct chat *c, int64_t user, const char *text, const char *status) {
    char key[24];
    struct buf b = {0};
    snprintf(key, sizeof key, "%lld", (long long)user);
    buf_fmt(&b, "%s|%s", text, status);
    free(map_get(&c->members, key));
    map_put(&c->members, key, buf_take(&b));
}

void members_post_member(struct sim *sim, struct exch *x, const cJSON *o) {
    struct bot *bot = control_bot(sim, x, o);
    const cJSON *who = cJSON_GetObjectItemCaseSensitive(o, "user");
    bool is_bot = !who || cJSON_IsString(who);
    const struct status *is = status_of(json_str(o, "status"));
    const char *was;
    int64_t id, update, message = 0, user;
    struct chat *c;
    struct buf b = {0}, extra = {0};
    if (!bot)
        return;
    if (!json_i64(o, "chat", &id) || !id || !is) {
        control_refuse(x, is ? "chat: missing" : "status: member, administrator, creator, restricted, left or kicked");
        return;
    }
    c = chat_make(bot, id);
    cJSON *by = doer(o);
    char *text = user_text(c, o, is_bot);
    user = is_bot ? bot->id : people_user_of(c, o);
    was = is_bot ? status_of_bot(c) : stored_status(c, user);
    was = was ? was : is->is_in ? "left" : "member";
    if (is_bot)
        set_status_of_bot(c, is->name);
    else
        store_status(c, user, text, is->name);
    chat_changed(c);
    update = push_change(c, by, text, was, is->name, is_bot ? "my_chat_member" : "chat_member");
    if (c->id < 0 && status_of(was)->is_in != is->is_in && (is->is_in || !is_bot)) {
        buf_fmt(&extra, is->is_in ? ",\"new_chat_members\":[%s]" : ",\"left_chat_member\":%s", text);
        struct message *m = service_message(c, by, &extra);
        message = m->id;
        (void)people_push(m, "message");        /* 0 when the bot does not want it */
    }
    free(text);
    cJSON_Delete(by);
    buf_fmt(&b, "{\"update_id\":%lld,\"message_id\":%lld}", (long long)update, (long long)message);
    answer_json(x, 200, NULL, &b);
}

void members_post_block(struct sim *sim, struct exch *x, const cJSON *o) {
    struct bot *bot = control_bot(sim, x, o);
    bool blocked = true;
    const char *was;
    struct chat *c;
    int64_t id;
    if (!bot)
        return;
    if (!json_i64(o, "chat", &id) || !id) {
        control_refuse(x, "chat: missing");
        return;
    }
    control_flag(o, "blocked", &blocked);
    c = chat_make(bot, id);
    was = c->blocked ? "kicked" : "member";
    c->blocked = blocked;
    chat_changed(c);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "update"))) {
        char *text = user_text(c, NULL, true);
        (void)push_change(c, NULL, text, was, blocked ? "kicked" : "member", "my_chat_member");     /* 0 when the bot does not want it */
        free(text);
    }
    control_ok(x);
}

/* ---- a group becomes a supergroup ---- */

void members_post_migrate(struct sim *sim, struct exch *x, const cJSON *o) {
    struct bot *bot = control_bot(sim, x, o);
    int64_t old_id = 0, new_id, first, second;
    struct chat *old, *c;
    struct buf b = {0};
    if (!bot)
        return;
    if (!json_i64(o, "chat", &old_id) || old_id >= 0) {
        control_refuse(x, "chat: the id of a group");
        return;
    }
    if (!json_i64(o, "to", &new_id))
        new_id = -1000000000000 + old_id;
    if (new_id >= 0 || new_id == old_id) {
        control_refuse(x, "to: the id of another group");
        return;
    }
    cJSON *by = doer(o);
    old = chat_make(bot, old_id);
    chat_set(&old->type, "group");
    c = chat_make(bot, new_id);
    chat_set(&c->title, old->title);
    old->migrate_to = new_id;
    buf_fmt(&b, ",\"migrate_to_chat_id\":%lld", (long long)new_id);
    first = people_push(service_message(old, by, &b), "message");
    buf_fmt(&b, ",\"migrate_from_chat_id\":%lld", (long long)old_id);
    second = people_push(service_message(c, by, &b), "message");
    cJSON_Delete(by);
    buf_fmt(&b, "{\"to\":%lld,\"update_ids\":[%lld,%lld]}", (long long)new_id, (long long)first, (long long)second);
    answer_json(x, 200, NULL, &b);
}

/* ---- what the bot may ask ---- */

static void stored_to_json(const char *stored, struct buf *b) {
    const char *bar = strrchr(stored, '|');
    char *user = xndup(stored, (size_t)(bar - stored));
    member_to_json(b, user, bar + 1);
    free(user);
}

void tg_get_chat_member(struct tg_call *t) {
    struct chat *c = tg_chat(t, false);
    int64_t user = 0;
    char key[24];
    struct buf b = {0};
    const char *stored;
    if (!c)
        return;
    (void)param_i64(&t->p, "user_id", &user);   /* absent: refused */
    snprintf(key, sizeof key, "%lld", (long long)user);
    stored = map_get(&c->members, key);
    if (user <= 0) {
        tg_refuse(t, 400, "Bad Request: invalid user_id specified");
        return;
    }
    if (user == t->bot->id) {
        char *text = user_text(c, NULL, true);
        member_to_json(&b, text, status_of_bot(c));
        free(text);
    } else if (stored) {
        stored_to_json(stored, &b);
    } else {
        char text[96];
        snprintf(text, sizeof text, "{\"id\":%lld,\"is_bot\":false,\"first_name\":\"User\"}", (long long)user);
        member_to_json(&b, text, "member");
    }
    tg_result(t, &b);
}

void tg_get_chat_administrators(struct tg_call *t) {
    struct chat *c = tg_chat(t, false);
    struct buf b = {0};
    size_t at = 0;
    void *v;
    if (!c)
        return;
    if (c->id > 0) {
        tg_refuse(t, 400, "Bad Request: there are no administrators in the private chat");
        return;
    }
    buf_str(&b, "[");
    while (map_next(&c->members, &at, &v)) {
        const char *status = strrchr(v, '|') + 1;
        if (strcmp(status, "administrator") && strcmp(status, "creator"))
            continue;
        buf_str(&b, b.n > 1 ? "," : "");
        stored_to_json(v, &b);
    }
    buf_str(&b, "]");
    tg_result(t, &b);
}

void tg_get_chat_member_count(struct tg_call *t) {
    struct chat *c = tg_chat(t, false);
    struct buf b = {0};
    size_t at = 0;
    int64_t count = 1;
    void *v;
    if (!c)
        return;
    while (map_next(&c->members, &at, &v))
        count += status_of(strrchr(v, '|') + 1)->is_in;
    buf_i64(&b, c->id > 0 ? 2 : count);
    tg_result(t, &b);
}
