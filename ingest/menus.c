#include "ingest/menus.h"
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ingest/caller.h"
#include "ingest/commands.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/metrics.h"
#include "services/texts.h"

enum { AFTER_MS = 1 * SECOND, AGAIN_TAKEOVERS = 12, HASH_SIZE = 65 };

struct menu {                    /* one call of setMyCommands, or of deleteMyCommands */
    char field[64];              /* "default:", "all_group_chats:en", "chat:77:ru" */
    char *body;                  /* what is sent */
    char hash[HASH_SIZE];        /* of the body; "" where it is to be deleted */
    bool due;                    /* it is not what stands at Telegram */
    bool refused;                /* Telegram would not have it, and the log knows */
};

struct menus {
    struct steps steps;
    struct svc *svc;
    struct caller to;            /* Telegram */
    struct redis_call *loading;
    struct menu *list;           /* first those that the settings ask for, then those that are left from earlier */
    size_t count, wanted_count, at;
    bool refusals;               /* some of this round were refused: there will be another one */
    bool wanted, runs;
};

static struct metric sent = { "menus_sent_total", "Menus of commands that Telegram took.", NULL, METRIC_COUNTER };

static enum step_end begin_later(struct steps *s);
static enum step_end load(struct steps *s);
static enum step_end send_next(struct steps *s);
static enum step_end judge(struct steps *s);
static enum step_end rest(struct steps *s);

static const struct step menus_row[] = {
    { "begin_later", begin_later },      /* WAIT: the first getUpdates goes first */
    { "load",        load        },      /* WAIT: what stands at Telegram, as Redis knows */
    { "send_next",   send_next   },      /* WAIT: setMyCommands or deleteMyCommands; the end when all is as it should be */
    { "judge",       judge       },      /* to send_next, after a while if it failed */
    { "rest",        rest        },      /* where a row goes that is told to stop */
    { 0 },
};

static struct menus *menus_of(struct steps *s) {
    return (struct menus *)((char *)s - offsetof(struct menus, steps));
}

/* ---- what should stand there ---- */

static void hash_of(const char *text, char ret_hash[HASH_SIZE]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!EVP_Digest(text, strlen(text), digest, &len, EVP_sha256(), NULL))
        abort(); /* no memory */
    for (unsigned i = 0; i < len; i++)
        snprintf(ret_hash + 2 * i, 3, "%02x", digest[i]);
}

/* scope: "default", "all_group_chats", or "chat" with an id. language: "" for all those that have no menu of their own. */
static cJSON *params_of(const char *scope, int64_t chat, const char *language) {
    cJSON *params = cJSON_CreateObject(), *where = cJSON_AddObjectToObject(params, "scope");
    json_put_str(where, "type", scope);
    if (chat)
        json_put_i64(where, "chat_id", chat);
    if (*language)
        json_put_str(params, "language_code", language);
    return params;
}

static struct menu *add(struct menus *m, cJSON *params) {
    m->list = alloc_again(m->list, (m->count + 1) * sizeof *m->list);
    struct menu *menu = &m->list[m->count++];
    *menu = (struct menu){ .body = json_take_text(params) };
    cJSON_Delete(params);
    if (!menu->body)
        abort(); /* no memory */
    return menu;
}

static void want(struct menus *m, const char *scope, int64_t chat, const char *language, enum texts_lang words) {
    cJSON *params = params_of(scope, chat, language), *list = cJSON_AddArrayToObject(params, "commands");
    unsigned where = !strcmp(scope, "all_group_chats") ? IN_GROUPS : IN_PRIVATE;
    for (const struct command *c = commands; c->names; c++) {
        if (!c->menu || !command_is_for(c, chat != 0, where))
            continue;
        char name[33];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(c->names, " "), c->names);
        cJSON *one = cJSON_CreateObject();
        json_put_str(one, "command", name);
        json_put_str(one, "description", texts_fixed(words, c->menu));
        cJSON_AddItemToArray(list, one);
    }
    struct menu *menu = add(m, params);
    if (chat)
        snprintf(menu->field, sizeof menu->field, "%s:%" PRId64 ":%s", scope, chat, language);
    else
        snprintf(menu->field, sizeof menu->field, "%s:%s", scope, language);
    hash_of(menu->body, menu->hash);
}

static void want_in(struct menus *m, const char *language, enum texts_lang words) {
    const int64_t *admins;
    int count = setting_ids("ADMIN_ID", &admins);
    want(m, "default", 0, language, words);
    want(m, "all_group_chats", 0, language, words);
    for (int i = 0; i < count; i++)
        want(m, "chat", admins[i], language, words); /* a private chat has the number of its user */
}

static void want_all(struct menus *m) {
    const char *choice = setting_text("UI_LANG");
    want_in(m, "", texts_lang(strcmp(choice, "auto") ? choice : "en")); /* as others than Russians are spoken to */
    if (!strcmp(choice, "auto")) {
        want_in(m, "ru", TEXTS_RU);
        want_in(m, "en", TEXTS_EN);
    }
    m->wanted_count = m->count;
}

/* ---- what stands there ---- */

static struct menu *find(struct menus *m, const char *field) {
    for (size_t i = 0; i < m->wanted_count; i++)
        if (!strcmp(m->list[i].field, field))
            return &m->list[i];
    return NULL;
}

static void forget_leftovers(struct menus *m) {
    while (m->count > m->wanted_count)
        free(m->list[--m->count].body);
}

/* Of a former administrator, or of a language that has none of its own any more: it would hide the one that is meant. */
static void want_gone(struct menus *m, const char *field) {
    const char *language = strrchr(field, ':');
    size_t len = strcspn(field, ":");
    if (!language || len >= 32 || strlen(field) >= sizeof m->list->field)
        return; /* not ours */
    char scope[32];
    snprintf(scope, sizeof scope, "%.*s", (int)len, field);
    struct menu *menu = add(m, params_of(scope, strtoll(field + len + 1, NULL, 10), language + 1));
    snprintf(menu->field, sizeof menu->field, "%s", field);
    menu->due = true;
}

static void on_loaded(const redisReply *reply, void *owner) {
    struct menus *m = owner;
    m->loading = NULL;
    forget_leftovers(m);
    for (size_t i = 0; i < m->count; i++)
        m->list[i].due = true;
    if (reply->type == REDIS_REPLY_ERROR)
        log_warn(NULL, "menus: %.200s", reply->str);
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
        const char *field = reply->element[i]->str, *hash = reply->element[i + 1]->str;
        struct menu *menu = find(m, field);
        if (!menu)
            want_gone(m, field);
        else if (!strcmp(menu->hash, hash))
            menu->due = false;
    }
    steps_wake(&m->steps);
}

/* It stands there now, or is gone. At worst the same is sent again. */
static void note(struct menus *m, const struct menu *menu) {
    char key[300];
    snprintf(key, sizeof key, "%smenus", m->svc->prefix);
    struct args args = { 0 };
    args_str(&args, *menu->hash ? "HSET" : "HDEL");
    args_str(&args, key);
    args_str(&args, menu->field);
    if (*menu->hash)
        args_str(&args, menu->hash);
    redis_command(m->svc->redis, &args, NULL, NULL);
}

/* ---- the row ---- */

static enum step_end begin_later(struct steps *s) {
    return steps_sleep(s, "load", AFTER_MS);
}

static enum step_end load(struct steps *s) {
    struct menus *m = menus_of(s);
    char key[300];
    snprintf(key, sizeof key, "%smenus", m->svc->prefix);
    struct args args = { 0 };
    args_str(&args, "HGETALL");
    args_str(&args, key);
    m->at = 0;
    m->refusals = false;
    m->loading = redis_command(m->svc->redis, &args, on_loaded, m);
    return STEP_WAIT;
}

static enum step_end send_next(struct steps *s) {
    struct menus *m = menus_of(s);
    while (m->at < m->count && !m->list[m->at].due)
        m->at++;
    if (m->at == m->count && m->refusals)
        return steps_sleep(s, "load", (int64_t)AGAIN_TAKEOVERS * m->svc->takeover_ms);
    if (m->at == m->count)
        return STEP_END;
    const struct menu *menu = &m->list[m->at];
    return caller_ask(&m->to, *menu->hash ? "setMyCommands" : "deleteMyCommands", json_parse(menu->body, strlen(menu->body)), BOT_CALL_MS);
}

/* An administrator who has never written to the bot has no chat with it yet: his menu comes soon after he does. And one who is
 * none any more has perhaps no account. */
static void accept_refusal(struct menus *m, struct menu *menu) {
    menu->due = false;
    if (!menu->refused)
        log_info(NULL, "menu %s: %s%s", menu->field, m->to.answer.why, *menu->hash ? "; it will be tried now and then" : "");
    menu->refused = true;
    if (*menu->hash)
        m->refusals = true;
    else
        note(m, menu);
}

static enum step_end judge(struct steps *s) {
    struct menus *m = menus_of(s);
    struct menu *menu = &m->list[m->at];
    if (m->to.answer.word == BOT_REFUSED) {
        accept_refusal(m, menu);
    } else if (m->to.answer.word == BOT_OK) {
        menu->due = false;
        metric_add(&sent, 1);
        note(m, menu);
    } else {
        int64_t wait_ms = m->to.answer.word == BOT_TOKEN ? BOT_TOKEN_AGAIN_MS : bot_api_backoff_ms(++m->to.failures);
        if (m->to.failures == 2)
            log_warn(NULL, "menu %s: %s; it will be tried again", menu->field, m->to.answer.why);
        return steps_sleep(s, "send_next", m->to.answer.wait_ms > wait_ms ? m->to.answer.wait_ms : wait_ms);
    }
    m->to.failures = 0;
    return steps_goto(s, "send_next");
}

static enum step_end rest(struct steps *s) {
    struct menus *m = menus_of(s);
    caller_hang_up(&m->to);
    redis_forget(m->loading);
    m->loading = NULL;
    return STEP_END;
}

/* ---- beginning and end ---- */

static void on_end(struct steps *s);

static void begin(struct menus *m) {
    m->runs = true;
    m->to.failures = 0;
    steps_start(&m->steps, m->svc->runner, menus_row, on_end);
}

static void on_end(struct steps *s) {
    struct menus *m = menus_of(s);
    bool stopped = !strcmp(s->now, "rest");
    m->runs = false;
    if (stopped && m->wanted) /* told to stop and to start again in the meantime */
        begin(m);
}

struct menus *menus_new(struct svc *s) {
    struct menus *m = alloc_zero(sizeof *m);
    m->svc = s;
    caller_init(&m->to, s, &m->steps);
    metrics_list((struct metric *const[]){ &sent, NULL });
    want_all(m);
    return m;
}

void menus_start(struct menus *m) {
    if (m->wanted)
        return;
    m->wanted = true;
    if (!m->runs)
        begin(m);
}

void menus_stop(struct menus *m) {
    m->wanted = false;
    if (m->runs)
        steps_divert(&m->steps, "rest");
}

bool menus_is_over(const struct menus *m) {
    return !m->runs;
}

const char *menus_at(const struct menus *m, size_t i, const char **ret_body) {
    if (i >= m->wanted_count)
        return NULL;
    *ret_body = m->list[i].body;
    return m->list[i].field;
}

void menus_free(struct menus *m) {
    if (!m)
        return;
    forget_leftovers(m);
    while (m->count)
        free(m->list[--m->count].body);
    free(m->list);
    caller_done(&m->to);
    free(m);
}
