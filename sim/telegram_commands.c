/* The menus of commands: kept per scope and language, as "scope|language" → JSON array. */
#include "sim/telegram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/control.h"
#include "sim/text.h"

static const struct scope {
    const char *type;
    bool chat, user;            /* needs chat_id, user_id */
} scopes[] = {
    { "default", false, false }, { "all_private_chats", false, false }, { "all_group_chats", false, false }, { "all_chat_administrators", false, false },
    { "chat", true, false }, { "chat_administrators", true, false }, { "chat_member", true, true },
};

/* The scope in one form, whatever the order of its members. False: refused. */
static bool read_key(struct tg_call *t, char *room, size_t cap) {
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(t->p.obj, "scope"), *scope = given ? param_json(&t->p, "scope") : NULL;
    const char *type = json_str(scope, "type"), *language = param_str(&t->p, "language_code");
    const struct scope *s = scopes;
    int64_t chat = 0, user = 0;
    language = language ? language : "";
    if (given && type)
        for (s = scopes; s < scopes + sizeof scopes / sizeof *scopes && strcmp(s->type, type);)
            s++;
    if (given && (!type || s == scopes + sizeof scopes / sizeof *scopes)) {
        tg_refuse(t, 400, "Bad Request: can't parse BotCommandScope: Unsupported type specified");
        return false;
    }
    if (*language && (strlen(language) != 2 || language[strspn(language, "abcdefghijklmnopqrstuvwxyz")])) {
        tg_refuse(t, 400, "Bad Request: invalid language code specified");
        return false;
    }
    if (s->chat && (!json_i64(scope, "chat_id", &chat) || !chat_find(t->bot, chat))) {
        tg_refuse(t, 400, "Bad Request: chat not found");
        return false;
    }
    if (s->user && (!json_i64(scope, "user_id", &user) || user <= 0)) {
        tg_refuse(t, 400, "Bad Request: invalid user_id specified");
        return false;
    }
    if (s->user)
        snprintf(room, cap, "{\"type\":\"%s\",\"chat_id\":%lld,\"user_id\":%lld}|%s", s->type, (long long)chat, (long long)user, language);
    else if (s->chat)
        snprintf(room, cap, "{\"type\":\"%s\",\"chat_id\":%lld}|%s", s->type, (long long)chat, language);
    else
        snprintf(room, cap, "{\"type\":\"%s\"}|%s", s->type, language);
    return true;
}

static const char *what_is_wrong(const cJSON *list) {
    const cJSON *c;
    if (!cJSON_IsArray(list))
        return "Bad Request: can't parse commands list JSON object";
    if (cJSON_GetArraySize(list) > 100)
        return "Bad Request: BOT_COMMANDS_TOO_MUCH";
    cJSON_ArrayForEach(c, list) {
        const char *name = json_str(c, "command"), *description = json_str(c, "description");
        name = name && *name == '/' ? name + 1 : name;
        if (!name || !*name || strlen(name) > 32 || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")])
            return "Bad Request: BOT_COMMAND_INVALID";
        if (!description || !*description || text_utf16(description, strlen(description)) > 256)
            return "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID";
    }
    return NULL;
}

void tg_set_my_commands(struct tg_call *t) {
    const cJSON *list = param_json(&t->p, "commands");
    const char *wrong = what_is_wrong(list);
    char key[160];
    if (wrong) {
        tg_refuse(t, 400, wrong);
    } else if (read_key(t, key, sizeof key)) {
        free(map_del(&t->bot->commands, key));
        if (cJSON_GetArraySize(list))
            map_put(&t->bot->commands, key, cJSON_PrintUnformatted(list));
        tg_true(t);
    }
}

void tg_get_my_commands(struct tg_call *t) {
    struct buf b = {0};
    char key[160];
    const char *list;
    if (!read_key(t, key, sizeof key))
        return;
    list = map_get(&t->bot->commands, key);
    buf_str(&b, list ? list : "[]");
    tg_result(t, &b);
}

void tg_delete_my_commands(struct tg_call *t) {
    char key[160];
    if (!read_key(t, key, sizeof key))
        return;
    free(map_del(&t->bot->commands, key));
    tg_true(t);
}

void telegram_commands_view(struct sim *sim, struct exch *x) {
    struct bot *bot = control_bot(sim, x, NULL);
    struct buf b = {0};
    size_t at = 0;
    const char *key;
    void *list;
    if (!bot)
        return;
    buf_str(&b, "{\"commands\":[");
    while ((key = map_next(&bot->commands, &at, &list))) {
        const char *bar = strrchr(key, '|');
        buf_fmt(&b, "%s{\"scope\":%.*s,\"language_code\":\"%s\",\"commands\":%s}", b.p[b.n - 1] == '[' ? "" : ",", (int)(bar - key), key, bar + 1, (const char *)list);
    }
    buf_str(&b, "]}");
    answer_json(x, 200, NULL, &b);
}
