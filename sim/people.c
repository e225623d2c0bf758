#include "sim/people.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/control.h"
#include "sim/files.h"
#include "sim/params.h"
#include "sim/telegram.h"
#include "sim/text.h"
#include "sim/updates.h"

enum { SOMEBODY = 1000, ALBUM_MAX = 10 };

/* ---- who writes ---- */

int64_t people_user_of(const struct chat *c, const cJSON *o) {
    int64_t user;
    return json_i64(o, "user", &user) ? user : c->id > 0 ? c->id : SOMEBODY;
}

static void member(struct buf *b, const char *name, const char *value) {
    if (!value)
        return;
    buf_fmt(b, ",\"%s\":", name);
    buf_json_str(b, value);
}

void people_user_to_json(struct buf *b, const struct chat *c, const cJSON *o) {
    const char *name = json_str(o, "name"), *username = json_str(o, "username"), *language = json_str(o, "language");
    buf_fmt(b, "{\"id\":%lld,\"is_bot\":%s", (long long)people_user_of(c, o), cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "is_bot")) ? "true" : "false");
    member(b, "first_name", name ? name : c->id > 0 ? c->title : "User");
    member(b, "last_name", json_str(o, "last_name"));
    member(b, "username", username ? username : c->id > 0 ? c->username : NULL);
    member(b, "language_code", language ? language : c->language ? c->language : "ru");
    buf_str(b, "}");
}

/* In the name of a chat: an anonymous administrator (true), or a channel (an object). The user is a stand-in then. */
static void sender_chat(const struct chat *c, const cJSON *given, struct buf *from, struct buf *extra) {
    buf_str(extra, ",\"sender_chat\":");
    if (cJSON_IsObject(given)) {
        char *text = cJSON_PrintUnformatted(given);
        buf_str(from, "{\"id\":136817688,\"is_bot\":true,\"first_name\":\"Channel\",\"username\":\"Channel_Bot\"}");
        buf_str(extra, text);
        free(text);
    } else {
        buf_str(from, "{\"id\":1087968824,\"is_bot\":true,\"first_name\":\"Group\",\"username\":\"GroupAnonymousBot\"}");
        chat_to_json(c, extra);
    }
}

/* ---- what comes with a text ---- */

static void forward_origin(const struct chat *c, const cJSON *o, struct buf *extra) {
    const cJSON *from = cJSON_GetObjectItemCaseSensitive(o, "forward_from");
    const char *chat = json_str(o, "forward_chat"), *channel = json_str(o, "forward_channel");
    long long date = sim_now_ms() / 1000 - 1000;
    if (!from && !chat && !channel)
        return;
    buf_fmt(extra, ",\"forward_origin\":{\"type\":\"%s\",\"date\":%lld,", channel ? "channel" : chat ? "chat" : cJSON_IsObject(from) ? "user" : "hidden_user", date);
    if (chat || channel) {
        buf_str(extra, channel ? "\"chat\":{\"id\":-1007770001,\"title\":" : "\"sender_chat\":{\"id\":-1007770002,\"title\":");
        buf_json_str(extra, channel ? channel : chat);
        buf_str(extra, channel ? ",\"type\":\"channel\"},\"message_id\":1}" : ",\"type\":\"supergroup\"}}");
    } else if (cJSON_IsObject(from)) {
        buf_str(extra, "\"sender_user\":");
        people_user_to_json(extra, c, from);
        buf_str(extra, "}");
    } else {
        buf_str(extra, "\"sender_user_name\":");
        buf_json_str(extra, cJSON_GetStringValue(from));
        buf_str(extra, "}");
    }
}

static void quote(const struct message *of, const char *text, struct buf *extra) {
    const char *place = strstr(of->text, text);
    buf_str(extra, ",\"quote\":{\"text\":");
    buf_json_str(extra, text);
    buf_fmt(extra, ",\"position\":%zu,\"is_manual\":true}", place ? text_utf16(of->text, (size_t)(place - of->text)) : (size_t)0);
}

static const struct thing {
    const char *kind, *json;
} things[] = {
    { "location", "{\"latitude\":55.7558,\"longitude\":37.6173}" },
    { "contact",  "{\"phone_number\":\"+79990000000\",\"first_name\":\"Ada\"}" },
    { "dice",     "{\"emoji\":\"\xf0\x9f\x8e\xb2\",\"value\":4}" },
    { "poll",     "{\"id\":\"1\",\"question\":\"Which?\",\"options\":[{\"persistent_id\":\"0\",\"text\":\"A\",\"voter_count\":0},{\"persistent_id\":\"1\",\"text\":\"B\",\"voter_count\":0}],"
                  "\"total_voter_count\":0,\"is_closed\":false,\"is_anonymous\":true,\"type\":\"regular\",\"allows_multiple_answers\":false}" },
};

/* A picture, a voice message…: its file is made, or named by `file`. Returns the kind, a constant, or NULL. */
static const char *attach(struct sim *sim, const cJSON *o, const char *kind, struct buf *extra) {
    const char *id = json_str(o, "file"), *name = json_str(o, "file_name"), *mime = json_str(o, "mime_type");
    int64_t bytes = 20000;
    struct file *f;
    for (size_t i = 0; i < sizeof things / sizeof *things; i++)
        if (!strcmp(things[i].kind, kind)) {
            buf_fmt(extra, ",\"%s\":%s", kind, things[i].json);
            return things[i].kind;
        }
    f = id ? files_find(sim->files, id) : NULL;
    if (!f) {
        (void)json_i64(o, "bytes", &bytes);     /* absent: the default */
        f = media_file(sim, kind, name, mime, bytes > 0 && bytes <= INT32_MAX ? (size_t)bytes : 0);
    }
    return f ? media_to_json(sim, kind, f, extra) : NULL;
}

/* Members of the message beside its text. NULL, or what is wrong. */
static const char *read_extra(struct chat *c, const cJSON *o, const char *album, struct buf *extra, const char **ret_kind) {
    const cJSON *more = cJSON_GetObjectItemCaseSensitive(o, "extra"), *i;
    const char *kind = json_str(o, "kind"), *group = album ? album : json_str(o, "media_group_id"), *marked = json_str(o, "quote");
    int64_t reply_to = 0;
    struct message *of;
    (void)json_i64(o, "reply_to", &reply_to);   /* absent: no reply */
    of = reply_to ? message_find(c, reply_to) : NULL;
    *ret_kind = "text";
    if (kind && strcmp(kind, "text")) {
        *ret_kind = attach(c->bot->sim, o, kind, extra);
        if (!*ret_kind)
            return "kind: text, photo, voice, audio, document, video, video_note, animation, sticker, location, contact, dice or poll";
    }
    if (marked && (!of || !of->text))
        return "quote: goes with reply_to, a message that is there";
    if (marked)
        quote(of, marked, extra);
    forward_origin(c, o, extra);
    member(extra, "media_group_id", group);
    cJSON_ArrayForEach(i, more) {
        char *text = cJSON_PrintUnformatted(i);
        buf_str(extra, ",");
        buf_json_str(extra, i->string);
        buf_str(extra, ":");
        buf_str(extra, text);
        free(text);
    }
    return NULL;
}

/* The entities that were given, or those that Telegram would find; NULL: none. */
static char *entities_of(const cJSON *o, const char *text) {
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(o, "entities");
    struct buf found = {0};
    if (cJSON_IsArray(given))
        return cJSON_PrintUnformatted(given);
    text_entities(text, &found);
    return found.n ? buf_take(&found) : NULL;
}

/* With "mention": true a text that does not name the bot begins with its name. */
static char *text_of(const cJSON *o, const char *text) {
    struct buf b = {0};
    buf_str(&b, "");
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "mention")) && !strcasestr(text, "@" BOT_USERNAME))
        buf_str(&b, *text ? "@" BOT_USERNAME " " : "@" BOT_USERNAME);
    buf_str(&b, text);
    return buf_take(&b);
}

/* ---- the deeds ---- */

static struct chat *chat_of(struct bot *bot, const cJSON *o, int64_t chat_id) {
    struct chat *c = chat_make(bot, chat_id);
    if (chat_id > 0) {
        chat_set(&c->title, json_str(o, "name"));
        chat_set(&c->username, json_str(o, "username"));
        chat_set(&c->language, json_str(o, "language"));
    }
    chat_set(&c->title, json_str(o, "title"));
    chat_set(&c->type, json_str(o, "type"));
    return c;
}

int64_t people_push(struct message *m, const char *kind) {
    bool post = !strcmp(m->chat->type, "channel");
    bool edited = !strncmp(kind, "edited", 6);
    struct buf b = {0};
    int64_t update;
    kind = !post ? kind : edited ? "edited_channel_post" : "channel_post";
    buf_fmt(&b, "\"%s\":", kind);
    message_to_json(m, &b, true);
    update = updates_push(m->chat->bot, 0, kind, b.p);
    buf_done(&b);
    return update;
}

static const char *say(struct bot *bot, const cJSON *o, const char *text, const char *album, int64_t *ret_update, int64_t *ret_message) {
    const cJSON *as = cJSON_GetObjectItemCaseSensitive(o, "sender_chat");
    int64_t chat_id, thread = 0, ago = 0;
    const char *kind, *error;
    struct buf from = {0}, extra = {0};
    struct message *m;
    struct chat *c;
    if (!json_i64(o, "chat", &chat_id) || !chat_id)
        return "chat: missing";
    c = chat_of(bot, o, chat_id);
    error = read_extra(c, o, album, &extra, &kind);
    if (!error && !text && !strcmp(kind, "text"))
        error = "text: missing";
    if (error) {
        buf_done(&extra);
        return error;
    }
    if (json_i64(o, "thread", &thread))
        chat_add_thread(c, thread);
    if (!strcmp(c->type, "channel"))
        buf_str(&from, "");                     /* nobody */
    else if (cJSON_IsTrue(as) || cJSON_IsObject(as))
        sender_chat(c, as, &from, &extra);
    else
        people_user_to_json(&from, c, o);
    m = message_add(c, 0, false, NULL);
    m->kind = kind;
    m->text = text_of(o, text ? text : "");
    m->from = buf_take(&from);
    m->extra = extra.n ? buf_take(&extra) : NULL;
    m->thread = thread;
    (void)json_i64(o, "reply_to", &m->reply_to);        /* absent: no reply */
    (void)json_i64(o, "ago_s", &ago);
    m->date_ms -= ago * 1000;
    m->entities = entities_of(o, m->text);
    *ret_message = m->id;
    *ret_update = people_push(m, "message");
    return NULL;
}

const char *people_say(struct bot *bot, const cJSON *o, const char *text, int64_t *ret_update, int64_t *ret_message) {
    return say(bot, o, text, NULL, ret_update, ret_message);
}

static const char *edit(struct bot *bot, const cJSON *o, int64_t id, int64_t *ret_update) {
    const char *text = json_str(o, "text") ? json_str(o, "text") : json_str(o, "caption");
    int64_t chat_id = 0;
    struct chat *c;
    struct message *m = NULL;
    (void)json_i64(o, "chat", &chat_id);        /* absent: not found below */
    c = chat_find(bot, chat_id);
    if (c)
        m = message_find(c, id);
    if (!m || m->from_bot)
        return m ? "the bot wrote that message" : "no such message in this chat";
    if (!text)
        return "text: missing";
    if (m->first_text)
        free(m->text);
    else
        m->first_text = m->text;
    free(m->entities);
    m->text = text_of(o, text);
    m->entities = entities_of(o, m->text);
    m->edits++;
    m->edit_ms = sim_now_ms();
    chat_changed(c);
    *ret_update = people_push(m, "edited_message");
    return NULL;
}

/* One update for each picture; the caption is on the first. */
static const char *say_album(struct bot *bot, const cJSON *o, int64_t count, const char *text, struct buf *answer) {
    struct buf updates = {0}, messages = {0};
    const char *error = NULL;
    char album[32];
    int64_t update = 0, message = 0;
    snprintf(album, sizeof album, "1380%010lld", (long long)bot->last_message_id + 1);
    for (int64_t i = 0; i < count && !error; i++) {
        error = say(bot, o, i ? "" : text, album, &update, &message);
        buf_fmt(&updates, "%s%lld", i ? "," : "", (long long)update);
        buf_fmt(&messages, "%s%lld", i ? "," : "", (long long)message);
    }
    if (!error)
        buf_fmt(answer, "{\"update_ids\":[%s],\"message_ids\":[%s],\"media_group_id\":\"%s\"}", updates.p, messages.p, album);
    buf_done(&updates);
    buf_done(&messages);
    return error;
}

void people_post_message(struct sim *sim, struct exch *x, const cJSON *o) {
    struct bot *bot = control_bot(sim, x, o);
    const char *error, *text = json_str(o, "text") ? json_str(o, "text") : json_str(o, "caption");
    int64_t update = 0, message = 0, album = 0;
    struct buf b = {0};
    if (!bot)
        return;
    if (json_i64(o, "edit_of", &message))
        error = edit(bot, o, message, &update);
    else if (json_i64(o, "album", &album))
        error = album < 2 || album > ALBUM_MAX ? "album: 2 to 10" : !json_str(o, "kind") ? "kind: missing" : say_album(bot, o, album, text, &b);
    else
        error = people_say(bot, o, text, &update, &message);
    if (error) {
        buf_done(&b);
        control_refuse(x, error);
        return;
    }
    if (!b.n)
        buf_fmt(&b, "{\"update_id\":%lld,\"message_id\":%lld}", (long long)update, (long long)message);
    answer_json(x, 200, NULL, &b);
}

void people_post_edit(struct sim *sim, struct exch *x, const cJSON *o) {
    struct bot *bot = control_bot(sim, x, o);
    int64_t id = 0, update = 0;
    const char *error;
    struct buf b = {0};
    if (!bot)
        return;
    (void)json_i64(o, "message_id", &id);       /* absent: not found */
    error = edit(bot, o, id, &update);
    if (error) {
        control_refuse(x, error);
        return;
    }
    buf_fmt(&b, "{\"update_id\":%lld,\"message_id\":%lld}", (long long)update, (long long)id);
    answer_json(x, 200, NULL, &b);
}

void people_post_messages(struct sim *sim, struct exch *x, const cJSON *o) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "messages"), *texts = cJSON_GetObjectItemCaseSensitive(o, "texts"), *i;
    struct bot *bot = control_bot(sim, x, o);
    struct buf b = {0};
    const char *error = cJSON_IsArray(list) || cJSON_IsArray(texts) ? NULL : "messages or texts: an array";
    int64_t update, message;
    bool first = true;
    if (!bot)
        return;
    buf_str(&b, "{\"update_ids\":[");
    if (!list)
        list = texts;
    cJSON_ArrayForEach(i, list) {
        error = list != texts ? people_say(bot, i, json_str(i, "text"), &update, &message) : people_say(bot, o, cJSON_GetStringValue(i), &update, &message);
        if (error)
            break;
        buf_fmt(&b, "%s%lld", first ? "" : ",", (long long)update);
        first = false;
    }
    buf_str(&b, "]}");
    if (!error) {
        answer_json(x, 200, NULL, &b);
        return;
    }
    buf_done(&b);
    control_refuse(x, error);
}
