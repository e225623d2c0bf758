#include "sim/telegram.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/calls.h"
#include "sim/drafts.h"
#include "sim/faults.h"
#include "sim/markup.h"
#include "sim/people.h"
#include "sim/text.h"
#include "sim/updates.h"
#include "sim/users.h"

enum { TEXT_MAX = 4096, RAW_TEXT_MAX = 32768, ENTITIES_MAX = 100 };

/* ---- answers ---- */

static void log_call(struct tg_call *t, int status, const char *error) {
    const struct http *h = t->x->http;
    const char *ctype = http_header(h, "Content-Type");
    if (t->counted_only) {
        char name[64];
        snprintf(name, sizeof name, "telegram.%s", t->method);
        sim_count(t->sim, name, 1);
        if (status >= 400) {
            snprintf(name, sizeof name, "telegram.%s.%d", t->method, status);
            sim_count(t->sim, name, 1);
        }
        return;
    }
    if (ctype && !strncasecmp(ctype, "application/json", 16) && !*h->query) {
        calls_add(t->sim, "telegram", t->method, t->chat_id, status, error, t->x->fault_id, h->body.n ? h->body.p : NULL, h->body.n);
        return;
    }
    for (int i = 0; i < t->p.files_len; i++) {
        char text[300];
        snprintf(text, sizeof text, "file %.200s, %zu bytes", t->p.files[i].name, t->p.files[i].len);
        cJSON_DeleteItemFromObjectCaseSensitive(t->p.obj, t->p.files[i].field);
        cJSON_AddStringToObject(t->p.obj, t->p.files[i].field, text);
    }
    char *text = cJSON_PrintUnformatted(t->p.obj);
    calls_add(t->sim, "telegram", t->method, t->chat_id, status, error, t->x->fault_id, text, text ? strlen(text) : 0);
    free(text);
}

void tg_answer(struct tg_call *t, struct buf *whole) {
    log_call(t, 200, NULL);
    answer_json(t->x, 200, NULL, whole);
}

void tg_result(struct tg_call *t, struct buf *result) {
    struct buf b = {0};
    buf_str(&b, "{\"ok\":true,\"result\":");
    buf_add(&b, result->p, result->n);
    buf_str(&b, "}");
    buf_done(result);
    tg_answer(t, &b);
}

void tg_true(struct tg_call *t) {
    struct buf b = {0};
    buf_str(&b, "true");
    tg_result(t, &b);
}

static void refuse_with(struct tg_call *t, int status, const char *description, const char *parameter, int64_t value) {
    struct buf b = {0};
    char headers[64] = "";
    log_call(t, status, description);
    buf_fmt(&b, "{\"ok\":false,\"error_code\":%d,\"description\":", status);
    buf_json_str(&b, description);
    if (parameter)
        buf_fmt(&b, ",\"parameters\":{\"%s\":%lld}", parameter, (long long)value);
    buf_str(&b, "}");
    if (status == 429)
        snprintf(headers, sizeof headers, "Retry-After: %lld\r\n", (long long)value);
    answer_json(t->x, status, headers, &b);
}

void tg_refuse(struct tg_call *t, int status, const char *description) {
    refuse_with(t, status, description, NULL, 0);
}

void tg_refuse_for(struct tg_call *t, int64_t seconds) {
    char text[64];
    snprintf(text, sizeof text, "Too Many Requests: retry after %lld", (long long)seconds);
    refuse_with(t, 429, text, "retry_after", seconds);
}

/* ---- arguments that many methods share ---- */

/* Seconds until a token is there, 0 when one was taken. */
static int64_t take_token(struct bucket *b, double per_s, double burst, int64_t now_ms) {
    if (per_s <= 0)
        return 0;
    if (!b->at_ms)
        b->tokens = burst;
    b->tokens += (double)(now_ms - b->at_ms) / 1000 * per_s;
    b->at_ms = now_ms;
    if (b->tokens > burst)
        b->tokens = burst;
    if (b->tokens < 1)
        return (int64_t)ceil((1 - b->tokens) / per_s);
    b->tokens -= 1;
    return 0;
}

static int64_t flood_wait(struct tg_call *t, struct chat *c) {
    const struct telegram *tel = t->sim->telegram;
    int64_t now = sim_now_ms(), until = tel->flood_until_ms > c->flood_until_ms ? tel->flood_until_ms : c->flood_until_ms, wait;
    if (!strcmp(t->method, "sendChatAction"))
        return 0;
    if (until > now)
        return (until - now + 999) / 1000;
    if (!tel->flood)
        return 0;
    wait = take_token(&c->rate, tel->chat_per_s, tel->chat_burst, now);
    if (!wait && c->id < 0)
        wait = take_token(&c->group_rate, tel->group_per_min / 60, tel->group_per_min, now);
    if (!wait)
        wait = take_token(&t->bot->rate, tel->global_per_s, tel->global_per_s, now);
    return wait;
}

struct chat *tg_chat(struct tg_call *t, bool sending) {
    const char *name = param_str(&t->p, "chat_id");
    struct chat *c = NULL;
    int64_t wait;
    if (!name || !*name) {
        tg_refuse(t, 400, "Bad Request: chat_id is empty");
        return NULL;
    }
    if (*name == '@') {
        size_t at = 0;
        void *v;
        while (!c && map_next(&t->bot->chats, &at, &v))
            if (((struct chat *)v)->username && !strcasecmp(((struct chat *)v)->username, name + 1))
                c = v;
    } else if (t->chat_id) {
        c = chat_find(t->bot, t->chat_id);
    }
    if (!c) {
        tg_refuse(t, 400, "Bad Request: chat not found");
        return NULL;
    }
    t->chat_id = c->id;
    if (c->migrate_to)
        refuse_with(t, 400, "Bad Request: group chat was upgraded to a supergroup chat", "migrate_to_chat_id", c->migrate_to);
    else if (c->gone)
        tg_refuse(t, 403, c->id > 0 ? "Forbidden: user is deactivated" : "Forbidden: the group chat was deleted");
    else if (c->left)
        tg_refuse(t, 403, "Forbidden: bot is not a member of the supergroup chat");
    else if (c->kicked)
        tg_refuse(t, 403, !strcmp(c->type, "group") ? "Forbidden: bot was kicked from the group chat" : "Forbidden: bot was kicked from the supergroup chat");
    else if (c->blocked && sending)
        tg_refuse(t, 403, "Forbidden: bot was blocked by the user");
    else if (sending && (wait = flood_wait(t, c)))
        tg_refuse_for(t, wait);
    else
        return c;
    return NULL;
}

static bool is_auto_type(const char *type) {
    static const char *const types[] = { "mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bank_card_number", NULL };
    for (int i = 0; types[i]; i++)
        if (!strcmp(types[i], type))
            return true;
    return false;
}

static bool is_given_type(const char *type) {
    static const char *const types[] = { "bold", "italic", "underline", "strikethrough", "spoiler", "blockquote", "expandable_blockquote", "code", "pre",
                                         "text_link", "text_mention", "custom_emoji", "date_time", NULL };
    for (int i = 0; types[i]; i++)
        if (!strcmp(types[i], type))
            return true;
    return false;
}

/* Keeps what Telegram would keep: known types, within the text, at most a hundred. False: refused. */
static bool read_entities(struct tg_call *t, const char *name, const char *text, size_t cut, char **ret_entities) {
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(t->p.obj, name), *e;
    const cJSON *list = given ? param_json(&t->p, name) : NULL;
    int64_t units = (int64_t)text_utf16(text, strlen(text));
    cJSON *kept;
    *ret_entities = NULL;
    if (!given || cJSON_IsNull(given) || (cJSON_IsString(given) && !*given->valuestring))
        return true;
    if (!cJSON_IsArray(list)) {
        tg_refuse(t, 400, "Bad Request: can't parse entities JSON object");
        return false;
    }
    kept = cJSON_CreateArray();
    cJSON_ArrayForEach(e, list) {
        const char *type = json_str(e, "type");
        int64_t offset, length;
        cJSON *copy;
        if (!type || !json_i64(e, "offset", &offset) || !json_i64(e, "length", &length) || (!is_auto_type(type) && !is_given_type(type))
            || (!strcmp(type, "text_link") && !json_str(e, "url"))) {
            cJSON_Delete(kept);
            tg_refuse(t, 400, !cJSON_IsObject(e) ? "Bad Request: can't parse MessageEntity: expected an Object" : "Bad Request: can't parse MessageEntity: Unsupported type specified");
            return false;
        }
        offset -= (int64_t)cut;
        if (offset < 0) {
            length += offset;
            offset = 0;
        }
        if (offset + length > units)
            length = units - offset;
        if (length <= 0 || is_auto_type(type) || cJSON_GetArraySize(kept) == ENTITIES_MAX)
            continue;
        copy = cJSON_Duplicate(e, true);
        cJSON_SetNumberValue(cJSON_GetObjectItemCaseSensitive(copy, "offset"), (double)offset);
        cJSON_SetNumberValue(cJSON_GetObjectItemCaseSensitive(copy, "length"), (double)length);
        cJSON_AddItemToArray(kept, copy);
    }
    if (cJSON_GetArraySize(kept))
        *ret_entities = cJSON_PrintUnformatted(kept);
    cJSON_Delete(kept);
    return true;
}

bool tg_text(struct tg_call *t, const char *name, const char *entities_name, size_t max_units, bool may_be_empty, char **ret_text, char **ret_entities) {
    const char *raw = param_str(&t->p, name), *mode = param_str(&t->p, "parse_mode");
    size_t cut;
    char *text;
    if (!raw || !*raw) {
        if (!may_be_empty) {
            tg_refuse(t, 400, "Bad Request: message text is empty");
            return false;
        }
        *ret_text = xdup("");
        *ret_entities = NULL;
        return true;
    }
    if (!text_is_utf8(raw, strlen(raw))) {
        tg_refuse(t, 400, "Bad Request: strings must be encoded in UTF-8");
        return false;
    }
    if (strlen(raw) > RAW_TEXT_MAX) {
        tg_refuse(t, 400, "Bad Request: text is too long");
        return false;
    }
    mode = mode ? mode : "";
    if (*mode && strcasecmp(mode, "HTML") && strcasecmp(mode, "Markdown") && strcasecmp(mode, "MarkdownV2") && strcasecmp(mode, "None")) {
        tg_refuse(t, 400, "Bad Request: unsupported parse_mode");
        return false;
    }
    if (!strcasecmp(mode, "HTML") || !strcasecmp(mode, "MarkdownV2")) {
        cJSON *found;
        char *error = NULL, *plain = !strcasecmp(mode, "HTML") ? markup_html(raw, &found, &error) : markup_v2(raw, &found, &error);
        if (!plain) {
            tg_refuse(t, 400, error);
            free(error);
            return false;
        }
        text = text_clean(plain, &cut);
        free(plain);
        cJSON_DeleteItemFromObjectCaseSensitive(t->p.obj, entities_name);
        cJSON_AddItemToObject(t->p.obj, entities_name, found);
    } else {
        text = text_clean(raw, &cut);
    }
    if (!*text && !may_be_empty) {
        tg_refuse(t, 400, "Bad Request: text must be non-empty");
    } else if (text_utf16(text, strlen(text)) > max_units) {
        tg_refuse(t, 400, max_units == TEXT_MAX ? "Bad Request: message is too long" : "Bad Request: message caption is too long");
    } else if (read_entities(t, entities_name, text, cut, ret_entities)) {
        *ret_text = text;
        return true;
    }
    free(text);
    return false;
}

static bool buttons_are_good(struct tg_call *t, const cJSON *rows, bool is_inline) {
    const cJSON *row, *button;
    cJSON_ArrayForEach(row, rows)
        cJSON_ArrayForEach(button, row) {
            const char *data = json_str(button, "callback_data");
            if (is_inline && data && (!*data || strlen(data) > 64)) {
                tg_refuse(t, 400, "Bad Request: BUTTON_DATA_INVALID");
                return false;
            }
            if (!json_str(button, "text") && (is_inline || !cJSON_IsString(button))) {
                tg_refuse(t, 400, is_inline ? "Bad Request: can't parse inline keyboard button: Field \"text\" must be of type String"
                                            : "Bad Request: can't parse keyboard button: Field \"text\" must be of type String");
                return false;
            }
        }
    return true;
}

/* reply_markup: an inline keyboard, or another one (a reply keyboard, its removal, force_reply), as JSON. False: refused. */
static bool read_markup(struct tg_call *t, char **ret_inline, char **ret_keyboard) {
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(t->p.obj, "reply_markup");
    const cJSON *markup = given ? param_json(&t->p, "reply_markup") : NULL, *rows, *keys;
    const char *hint = json_str(markup, "input_field_placeholder");
    *ret_inline = *ret_keyboard = NULL;
    if (!given || cJSON_IsNull(given) || (cJSON_IsString(given) && !*given->valuestring))
        return true;
    if (!cJSON_IsObject(markup)) {
        tg_refuse(t, 400, "Bad Request: object expected as reply markup");
        return false;
    }
    rows = cJSON_GetObjectItemCaseSensitive(markup, "inline_keyboard");
    keys = cJSON_GetObjectItemCaseSensitive(markup, "keyboard");
    if (!buttons_are_good(t, rows, true) || !buttons_are_good(t, keys, false))
        return false;
    if (hint && text_utf16(hint, strlen(hint)) > 64) {
        tg_refuse(t, 400, "Bad Request: input field placeholder is too long");
        return false;
    }
    if (cJSON_GetArraySize(rows))
        *ret_inline = cJSON_PrintUnformatted(markup);
    else if (!rows && markup->child)
        *ret_keyboard = cJSON_PrintUnformatted(markup);
    return true;
}

/* Messages that are edited take no other keyboard. */
static bool read_inline(struct tg_call *t, char **ret_markup) {
    char *keyboard;
    if (!read_markup(t, ret_markup, &keyboard))
        return false;
    if (!keyboard)
        return true;
    free(keyboard);
    tg_refuse(t, 400, "Bad Request: inline keyboard expected");
    return false;
}

/* What stands under the input field from now on. */
static void set_keyboard(struct chat *c, const char *keyboard) {
    bool removes = keyboard && strstr(keyboard, "\"remove_keyboard\":true");
    if (!keyboard || (!removes && !strstr(keyboard, "\"keyboard\":[")))
        return;
    free(c->keyboard);
    c->keyboard = strstr(keyboard, "\"keyboard\":[") ? xdup(keyboard) : NULL;
}

/* May the bot write a new message there, now? Otherwise refuses. */
static bool may_write(struct tg_call *t, struct chat *c, int64_t thread) {
    int at = chat_thread(c, thread);
    int64_t now = sim_now_ms(), until = c->last_send_ms + c->slow_mode_s * 1000;
    char text[128];
    if (c->read_only) {
        const char *what = !strcmp(t->method, "sendMessage") ? "text messages" : !strcmp(t->method, "sendPhoto") ? "photos" : "documents";
        snprintf(text, sizeof text, "Bad Request: not enough rights to send %s to the chat", what);
        tg_refuse(t, 400, text);
    } else if (thread && at < 0) {
        tg_refuse(t, 400, "Bad Request: message thread not found");
    } else if (thread && c->closed[at]) {
        tg_refuse(t, 400, "Bad Request: TOPIC_CLOSED");
    } else if (c->slow_mode_s && c->last_send_ms && until > now && !c->bot_is_admin) {
        tg_refuse_for(t, (until - now + 999) / 1000);
    } else {
        return true;
    }
    return false;
}

struct message *tg_send(struct tg_call *t, struct chat *c, const char *text, char *entities) {
    const cJSON *reply = param_json(&t->p, "reply_parameters");
    int64_t thread = 0, reply_to = 0;
    bool without = param_bool(&t->p, "allow_sending_without_reply");
    struct message *m;
    char *markup, *keyboard;
    (void)param_i64(&t->p, "message_thread_id", &thread);       /* absent: 0 */
    (void)param_i64(&t->p, "reply_to_message_id", &reply_to);
    if (cJSON_IsObject(reply)) {
        const cJSON *flag = cJSON_GetObjectItemCaseSensitive(reply, "allow_sending_without_reply");
        (void)json_i64(reply, "message_id", &reply_to);
        without = without || cJSON_IsTrue(flag);
    }
    if (!may_write(t, c, thread))
        return NULL;
    if (reply_to && !message_find(c, reply_to)) {
        if (!without) {
            tg_refuse(t, 400, "Bad Request: message to be replied not found");
            return NULL;
        }
        reply_to = 0;
    }
    if (!read_markup(t, &markup, &keyboard))
        return NULL;
    m = message_add(c, 0, true, text);
    m->entities = entities;
    m->markup = markup;
    m->keyboard = keyboard;
    set_keyboard(c, keyboard);
    c->last_send_ms = m->date_ms;
    m->thread = thread;
    m->reply_to = reply_to;
    c->sends++;
    drafts_drop(c);
    users_read(c, text);
    return m;
}

static void answer_message(struct tg_call *t, const struct message *m) {
    struct buf b = {0};
    message_to_json(m, &b, true);
    tg_result(t, &b);
}

/* ---- methods ---- */

static void get_me(struct tg_call *t) {
    struct buf b = {0};
    buf_fmt(&b, "{\"id\":%lld,\"is_bot\":true,\"first_name\":\"Helper\",\"username\":\"" BOT_USERNAME "\",\"can_join_groups\":true,"
                "\"can_read_all_group_messages\":false,\"supports_inline_queries\":true,\"supports_guest_queries\":true,\"can_connect_to_business\":true,"
                "\"has_main_web_app\":false,\"has_topics_enabled\":true,\"allows_users_to_create_topics\":true,\"can_manage_bots\":false}", (long long)t->bot->id);
    tg_result(t, &b);
}

static void get_updates(struct tg_call *t) {
    int status = 0;
    const char *error;
    t->counted_only = true;
    log_call(t, 200, NULL);
    error = updates_poll(t->bot, t->x, &t->p, &status);
    if (error) {
        struct buf b = {0};
        buf_fmt(&b, "{\"ok\":false,\"error_code\":%d,\"description\":", status);
        buf_json_str(&b, error);
        buf_str(&b, "}");
        sim_count(t->sim, "telegram.getUpdates.409", 1);
        answer_json(t->x, status, NULL, &b);
    }
}

static void send_message(struct tg_call *t) {
    struct chat *c = tg_chat(t, true);
    struct message *m;
    char *text, *entities;
    if (!c || !tg_text(t, "text", "entities", TEXT_MAX, false, &text, &entities))
        return;
    m = tg_send(t, c, text, entities);
    free(text);
    if (m)
        answer_message(t, m);
    else
        free(entities);
}

static bool same(const char *a, const char *b) {
    return a && b ? !strcmp(a, b) : a == b;
}

/* The bot's own message that message_id names; otherwise refuses and returns NULL. */
static struct message *own_message(struct tg_call *t, struct chat *c) {
    int64_t id;
    struct message *m;
    if (!param_i64(&t->p, "message_id", &id)) {
        tg_refuse(t, 400, "Bad Request: message identifier is not specified");
        return NULL;
    }
    m = message_find(c, id);
    if (!m)
        tg_refuse(t, 400, "Bad Request: message to edit not found");
    else if (!m->from_bot)
        tg_refuse(t, 400, "Bad Request: message can't be edited");
    else
        return m;
    return NULL;
}

static const char not_modified[] = "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current "
                                   "content and reply markup of the message";

static void edit(struct tg_call *t, bool text_given, const char *text_name, const char *entities_name, size_t max_units) {
    char *text = NULL, *entities = NULL, *markup = NULL;
    struct chat *c;
    struct message *m;
    if (param_str(&t->p, "inline_message_id")) {
        tg_true(t);
        return;
    }
    c = tg_chat(t, true);
    if (!c || (text_given && !tg_text(t, text_name, entities_name, max_units, max_units != TEXT_MAX, &text, &entities)))
        return;
    m = own_message(t, c);
    if (m && text_given && max_units == TEXT_MAX && strcmp(m->kind, "text")) {
        tg_refuse(t, 400, "Bad Request: there is no text in the message to edit");
        m = NULL;
    }
    if (!m || !read_inline(t, &markup)) {
        free(text);
        free(entities);
        return;
    }
    if ((!text_given || (same(text, m->text) && same(entities, m->entities))) && same(markup, m->markup)) {
        free(text);
        free(entities);
        free(markup);
        tg_refuse(t, 400, not_modified);
        return;
    }
    if (text_given) {
        if (m->first_text)
            free(m->text);
        else
            m->first_text = m->text;
        free(m->entities);
        m->text = text;
        m->entities = entities;
    }
    free(m->markup);
    m->markup = markup;
    m->edits++;
    m->edit_ms = sim_now_ms();
    c->edits++;
    chat_changed(c);
    users_read(c, text);
    answer_message(t, m);
}

static void edit_message_text(struct tg_call *t) {
    edit(t, true, "text", "entities", TEXT_MAX);
}

static void edit_message_caption(struct tg_call *t) {
    edit(t, true, "caption", "caption_entities", 1024);
}

static void edit_message_reply_markup(struct tg_call *t) {
    edit(t, false, NULL, NULL, 0);
}

static void delete_message(struct tg_call *t) {
    struct chat *c = tg_chat(t, false);
    struct message *m;
    int64_t id = 0;
    if (!c)
        return;
    if (!param_i64(&t->p, "message_id", &id)) {
        tg_refuse(t, 400, "Bad Request: message identifier is not specified");
        return;
    }
    m = message_find(c, id);
    if (!m) {
        tg_refuse(t, 400, "Bad Request: message to delete not found");
    } else if (sim_now_ms() - m->date_ms > 48 * 3600 * 1000LL) {
        tg_refuse(t, 400, "Bad Request: message can't be deleted");
    } else {
        message_delete(m);
        tg_true(t);
    }
}

static void delete_messages(struct tg_call *t) {
    struct chat *c = tg_chat(t, false);
    const cJSON *ids = param_json(&t->p, "message_ids"), *i;
    if (!c)
        return;
    if (!cJSON_IsArray(ids) || cJSON_GetArraySize(ids) < 1 || cJSON_GetArraySize(ids) > 100) {
        tg_refuse(t, 400, cJSON_GetArraySize(ids) > 100 ? "Bad Request: too many message identifiers specified" : "Bad Request: message identifiers are not specified");
        return;
    }
    cJSON_ArrayForEach(i, ids) {
        int64_t id;
        struct message *m = json_number(i, &id) ? message_find(c, id) : NULL;
        if (m)
            message_delete(m);
    }
    tg_true(t);
}

static void send_chat_action(struct tg_call *t) {
    struct chat *c = tg_chat(t, true);
    if (!c)
        return;
    if (!param_str(&t->p, "action")) {
        tg_refuse(t, 400, "Bad Request: wrong parameter action in request");
        return;
    }
    c->actions++;
    t->sim->changed = true;     /* not a new version: typing changes nothing in the chat */
    tg_true(t);
}

static void answer_callback_query(struct tg_call *t) {
    const char *id = param_str(&t->p, "callback_query_id"), *text = param_str(&t->p, "text");
    struct press *p = id ? presses_open(t->sim, id) : NULL;
    if (text && text_utf16(text, strlen(text)) > 200) {
        tg_refuse(t, 400, "Bad Request: MESSAGE_TOO_LONG");
    } else if (!p) {
        tg_refuse(t, 400, "Bad Request: query is too old and response timeout expired or query ID is invalid");
    } else {
        p->answered_ms = sim_now_ms();
        p->text = xdup(text);
        p->url = xdup(param_str(&t->p, "url"));
        p->alert = param_bool(&t->p, "show_alert");
        sim_count(t->sim, "presses.answered", 1);
        tg_true(t);
    }
}

static void get_chat(struct tg_call *t) {
    struct chat *c = tg_chat(t, false);
    struct buf b = {0};
    if (!c)
        return;
    chat_to_json(c, &b);
    b.n--;      /* the closing brace: a ChatFullInfo has more */
    buf_str(&b, ",\"accent_color_id\":0,\"max_reaction_count\":11,\"accepted_gift_types\":{\"unlimited_gifts\":false,\"limited_gifts\":false,\"unique_gifts\":false,"
                "\"premium_subscription\":false,\"gifts_from_channels\":false}}");
    tg_result(t, &b);
}

static void set_message_reaction(struct tg_call *t) {
    struct chat *c = tg_chat(t, false);
    int64_t id = 0;
    if (!c)
        return;
    if (!param_i64(&t->p, "message_id", &id) || !message_find(c, id))
        tg_refuse(t, 400, "Bad Request: message to react not found");
    else
        tg_true(t);
}

/* close and logOut: the session ends, the bot may come again at once. */
static void log_out(struct tg_call *t) {
    updates_stop(t->bot, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running");
    tg_true(t);
}

static const struct method {
    const char *name;
    void (*run)(struct tg_call *t);
} methods[] = {
    { "getUpdates",             get_updates },
    { "editMessageText",        edit_message_text },
    { "sendMessage",            send_message },
    { "sendChatAction",         send_chat_action },
    { "sendMessageDraft",       drafts_send },
    { "getMe",                  get_me },
    { "deleteMessage",          delete_message },
    { "deleteMessages",         delete_messages },
    { "editMessageCaption",     edit_message_caption },
    { "editMessageReplyMarkup", edit_message_reply_markup },
    { "answerCallbackQuery",    answer_callback_query },
    { "setMyCommands",          tg_set_my_commands },
    { "getMyCommands",          tg_get_my_commands },
    { "deleteMyCommands",       tg_delete_my_commands },
    { "setWebhook",             tg_set_webhook },
    { "deleteWebhook",          tg_delete_webhook },
    { "getWebhookInfo",         tg_get_webhook_info },
    { "getFile",                tg_get_file },
    { "getChat",                get_chat },
    { "getChatMember",          tg_get_chat_member },
    { "getChatAdministrators",  tg_get_chat_administrators },
    { "getChatMemberCount",     tg_get_chat_member_count },
    { "setMessageReaction",     set_message_reaction },
    { "sendPhoto",              tg_send_media },
    { "sendDocument",           tg_send_media },
    { "sendAudio",              tg_send_media },
    { "sendVoice",              tg_send_media },
    { "sendVideo",              tg_send_media },
    { "sendAnimation",          tg_send_media },
    { "sendVideoNote",          tg_send_media },
    { "sendSticker",            tg_send_media },
    { "close",                  log_out },
    { "logOut",                 log_out },
};

static void answer_plain(struct exch *x, int status, const char *description) {
    struct buf b = {0};
    buf_fmt(&b, "{\"ok\":false,\"error_code\":%d,\"description\":\"%s\"}", status, description);
    answer_json(x, status, NULL, &b);
}

void telegram_on_request(struct sim *sim, struct exch *x) {
    const char *token = x->http->path + 4, *slash = strchr(token, '/'), *name;
    const struct method *method = NULL;
    struct tg_call t = { .sim = sim, .x = x };
    char token_text[128];
    bool whole;
    if (!slash || slash - token >= (long)sizeof token_text || !memchr(token, ':', (size_t)(slash - token))) {
        answer_plain(x, 404, "Not Found");
        return;
    }
    snprintf(token_text, sizeof token_text, "%.*s", (int)(slash - token), token);
    t.bot = bot_find(sim, token_text, true);
    if (!t.bot) {
        sim_count(sim, "telegram.401", 1);
        answer_plain(x, 401, "Unauthorized");
        return;
    }
    name = slash + 1;
    if (!strncmp(name, "test/", 5))
        name += 5;
    for (size_t i = 0; i < sizeof methods / sizeof *methods && !method; i++)
        if (!strcasecmp(methods[i].name, name))
            method = &methods[i];
    if (!method) {
        sim_count(sim, "telegram.404", 1);
        answer_plain(x, 404, "Not Found");
        return;
    }
    t.method = method->name;
    whole = params_read(&t.p, x->http);
    (void)param_i64(&t.p, "chat_id", &t.chat_id);       /* stays 0 when it is a name, or absent */
    const char *text = param_str(&t.p, "text");
    struct fault_call call = { .telegram = true, .method = t.method, .path = x->http->path, .text = text ? text : param_str(&t.p, "caption"),
                               .chat = t.chat_id, .bot = t.bot->id };
    if (!faults_hit(sim, x, &call)) {
        if (whole)
            method->run(&t);
        else
            tg_refuse(&t, 400, "Bad Request: can't parse request parameters");
    }
    params_done(&t.p);
}
