#include "ingest/update.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "ingest/clean.h"
#include "ingest/identity.h"
#include "services/utf8.h"

/* All kinds that the Bot API knows of (10.3). */
const char *const update_kinds[] = {
    "message", "edited_message", "channel_post", "edited_channel_post", "business_connection", "business_message",
    "edited_business_message", "deleted_business_messages", "guest_message", "message_reaction", "message_reaction_count",
    "inline_query", "chosen_inline_result", "callback_query", "shipping_query", "pre_checkout_query", "purchased_paid_media",
    "poll", "poll_answer", "my_chat_member", "chat_member", "chat_join_request", "chat_boost", "removed_chat_boost",
    "managed_bot", "subscription", "stopped_message_generation", NULL
};

/* What a message may consist of, in the order in which it is looked for: an animation has a document beside it, a venue a location. */
const char *const update_contents[] = {
    "text", "live_photo", "photo", "voice", "audio", "video_note", "video", "animation", "paid_media", "document", "sticker",
    "contact", "venue", "location", "poll", "dice", "game", "story", "checklist", "rich_message", "invoice", "giveaway",
    "giveaway_winners", "migrate_to_chat_id", "migrate_from_chat_id", "new_chat_members", "left_chat_member", "chat_owner_left",
    "chat_owner_changed", "new_chat_title", "new_chat_photo", "delete_chat_photo", "group_chat_created", "supergroup_chat_created",
    "channel_chat_created", "message_auto_delete_timer_changed", "pinned_message", "successful_payment", "refunded_payment",
    "users_shared", "chat_shared", "gift", "unique_gift", "gift_upgrade_sent", "connected_website", "write_access_allowed",
    "passport_data", "proximity_alert_triggered", "boost_added", "chat_background_set", "checklist_tasks_done",
    "checklist_tasks_added", "direct_message_price_changed", "forum_topic_created", "forum_topic_edited", "forum_topic_closed",
    "forum_topic_reopened", "general_forum_topic_hidden", "general_forum_topic_unhidden", "giveaway_created", "giveaway_completed",
    "managed_bot_created", "paid_message_price_changed", "poll_option_added", "poll_option_deleted", "suggested_post_approved",
    "suggested_post_approval_failed", "suggested_post_declined", "suggested_post_paid", "suggested_post_refunded",
    "video_chat_scheduled", "video_chat_started", "video_chat_ended", "video_chat_participants_invited", "web_app_data",
    "community_chat_added", "community_chat_joined", "community_chat_removed", NULL
};

enum { ENTITIES_MOST = 100 };            /* Telegram keeps about as many */

/* ---- one field ---- */

static bool has(const cJSON *o, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);
    return item && !cJSON_IsNull(item);
}

/* The first of `names` that o has, not null. */
static const char *first_of(const cJSON *o, const char *const *names) {
    while (*names && !has(o, *names))
        names++;
    return *names;
}

/* The one of `names` that this is, as a constant; or `otherwise`. */
static const char *one_of(const char *text, const char *const *names, const char *otherwise) {
    for (; text && *names; names++)
        if (!strcmp(text, *names))
            return *names;
    return otherwise;
}

/* A number of whose kind there is nothing below 1. */
static int64_t positive(const cJSON *o, const char *name) {
    int64_t n;
    return json_get_i64(o, name, &n) && n > 0 ? n : 0;
}

static int64_t number(const cJSON *o, const char *name) {
    int64_t n = 0;
    (void)json_get_i64(o, name, &n); /* stays 0 */
    return n;
}

static bool truth(const cJSON *o, const char *name) {
    bool yes = false;
    (void)json_get_bool(o, name, &yes); /* stays false */
    return yes;
}

static bool is_file(const char *content) {
    static const char *const files[] = { "voice", "audio", "video_note", "video", "photo", "live_photo", "document", "sticker", "animation", NULL };
    return one_of(content, files, NULL) != NULL;
}

static bool is_us(const cJSON *user) {
    return user && positive(user, "id") == identity_id();
}

/* ---- who ---- */

static const char *chat_type_of(const cJSON *chat) {
    static const char *const types[] = { "private", "group", "supergroup", "channel", NULL };
    return one_of(json_get_str(chat, "type"), types, "");
}

static void read_sender(struct arena *mem, const cJSON *from, const cJSON *as_chat, struct update *u) {
    u->as_chat = as_chat != NULL;
    u->user = as_chat ? number(as_chat, "id") : positive(from, "id");
    if (!u->user && u->chat > 0 && !strcmp(u->chat_type, "private"))
        u->user = u->chat; /* a private chat has the number of its user */
    u->name = clean_line(mem, as_chat ? json_get_str(as_chat, "title") : json_get_str(from, "first_name"), UPDATE_NAME_MAX);
    u->language = clean_text(mem, json_get_str(from, "language_code"), 16);
    u->from_bot = !as_chat && truth(from, "is_bot"); /* beside a chat Telegram puts a bot that does not exist */
}

/* Whose words were forwarded, or are answered in another chat. */
static const char *origin_name(const cJSON *origin) {
    const char *names[] = {
        json_get_str(json_get_obj(origin, "sender_user"), "first_name"), json_get_str(origin, "sender_user_name"),
        json_get_str(json_get_obj(origin, "sender_chat"), "title"), json_get_str(json_get_obj(origin, "chat"), "title"),
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i] && *names[i])
            return names[i];
    return "?";
}

/* ---- what was said ---- */

static bool is_our_name(const char *text, size_t len) {
    const char *ours = identity_username();
    return *ours && len == strlen(ours) + 1 && *text == '@' && !strncasecmp(text + 1, ours, len - 1);
}

static bool names_us(const cJSON *entity, const char *text, size_t from, size_t to) {
    const char *type = json_get_str(entity, "type");
    if (type && !strcmp(type, "text_mention"))
        return is_us(json_get_obj(entity, "user"));
    return type && !strcmp(type, "mention") && is_our_name(text + from, to - from);
}

static void read_mentions(const cJSON *entities, struct update *u) {
    size_t len = strlen(u->text), front = strspn(u->text, " \t\r\n");
    const cJSON *entity;
    int seen = 0;
    cJSON_ArrayForEach(entity, entities) {
        int64_t offset = number(entity, "offset"), length = number(entity, "length");
        if (++seen > ENTITIES_MOST)
            return;
        if (offset < 0 || length < 1 || offset > UPDATE_TEXT_MAX || length > UPDATE_TEXT_MAX)
            continue;
        size_t from = utf8_front(u->text, len, (size_t)offset), to = utf8_front(u->text, len, (size_t)(offset + length));
        if (!names_us(entity, u->text, from, to))
            continue;
        u->mentions_us = true;
        if (from <= front && to > front)
            u->said = u->text + to + strspn(u->text + to, " \t\r\n,:");
    }
}

static const char *words_of(const cJSON *message) {
    const char *text = json_get_str(message, "text");
    return text ? text : json_get_str(message, "caption");
}

static void read_words(struct arena *mem, const cJSON *message, struct update *u) {
    bool is_text = !strcmp(u->content, "text");
    u->text = clean_text(mem, json_get_str(message, is_text ? "text" : "caption"), UPDATE_TEXT_MAX);
    u->said = u->text;
    if (is_text && !*u->text)
        u->content = "other"; /* a text that is none */
    read_mentions(json_get_arr(message, is_text ? "entities" : "caption_entities"), u);
}

/* In a topic every message "answers" the one by which the topic was made. */
static bool is_root_of_topic(const cJSON *answered, const struct update *u) {
    return has(answered, "forum_topic_created") || (u->topic && positive(answered, "message_id") == u->topic);
}

static void read_answered(struct arena *mem, const cJSON *message, struct update *u) {
    const char *content = first_of(message, update_contents);
    if (content)
        (void)attachment_read(mem, message, content, &u->answered); /* false: it has no file */
}

static void read_reply(struct arena *mem, const cJSON *message, struct update *u) {
    const cJSON *answered = json_get_obj(message, "reply_to_message"), *elsewhere = json_get_obj(message, "external_reply");
    if (answered && !is_root_of_topic(answered, u)) {
        const cJSON *as_chat = json_get_obj(answered, "sender_chat"), *from = json_get_obj(answered, "from");
        u->replies_to_us = is_us(from);
        u->reply = clean_text(mem, words_of(answered), UPDATE_CONTEXT_MAX);
        read_answered(mem, answered, u);
        u->replied_user = positive(json_get_obj(json_get_obj(answered, "forward_origin"), "sender_user"), "id");
        u->reply_name = clean_line(mem, as_chat ? json_get_str(as_chat, "title") : json_get_str(from, "first_name"), UPDATE_NAME_MAX);
    } else if (elsewhere) {
        u->reply_name = clean_line(mem, origin_name(json_get_obj(elsewhere, "origin")), UPDATE_NAME_MAX);
        read_answered(mem, elsewhere, u);
    }
    u->quote = clean_text(mem, json_get_str(json_get_obj(message, "quote"), "text"), UPDATE_CONTEXT_MAX);
}

static void read_forward(struct arena *mem, const cJSON *message, struct update *u) {
    if (has(message, "forward_origin"))
        u->forward = clean_line(mem, origin_name(json_get_obj(message, "forward_origin")), UPDATE_NAME_MAX);
    else if (has(message, "forward_date")) /* servers older than 7.0 */
        u->forward = clean_line(mem, has(message, "forward_from") ? json_get_str(json_get_obj(message, "forward_from"), "first_name")
                                     : has(message, "forward_from_chat") ? json_get_str(json_get_obj(message, "forward_from_chat"), "title")
                                                                         : json_get_str(message, "forward_sender_name"),
                                UPDATE_NAME_MAX);
    else
        return;
    if (!*u->forward)
        u->forward = "?";
}

static void read_file(struct arena *mem, const cJSON *message, struct update *u) {
    u->album = clean_text(mem, json_get_str(message, "media_group_id"), UPDATE_ID_MAX);
    if (!attachment_read(mem, message, u->content, &u->file) && is_file(u->content))
        u->content = attachment_moves(message) ? "moving_sticker" : "other";
}

static void read_message(struct arena *mem, const cJSON *message, struct update *u) {
    const char *content = first_of(message, update_contents);
    u->content = content ? content : "other";
    u->automatic = truth(message, "is_automatic_forward");
    u->secret = has(message, "ephemeral_message_id") || has(message, "receiver_user");
    if (is_us(json_get_obj(message, "via_bot")))
        u->from_bot = true;
    if (has(message, "edit_date"))
        u->asked = positive(message, "edit_date");
    read_file(mem, message, u);
    read_words(mem, message, u);
    read_reply(mem, message, u);
    read_forward(mem, message, u);
    if (!strcmp(u->content, "migrate_to_chat_id")) {
        u->moved_from = u->chat;
        u->moved_to = number(message, u->content);
    } else if (!strcmp(u->content, "migrate_from_chat_id")) {
        u->moved_from = number(message, u->content);
        u->moved_to = u->chat;
    }
}

/* ---- what is no message ---- */

/* Some are asked of the ledger like a command: an administrator's "model image gpt-image-9" and "dead drop 1", anybody's "own gpt-9". */
static bool is_for_the_desk(const char *data, size_t len) {
    static const char *const words[] = { "model", "dead", "broadcast", "own", NULL };
    for (int i = 0; words[i]; i++)
        if (len == strlen(words[i]) && !memcmp(data, words[i], len))
            return true;
    return false;
}

/* A button says what it does and to what: "stop 823456002-1795001002000" to a job, "drop 0123456789ab" to a file;
 * "size 823456002-1795001002000 1024x1024" to a question, with the answer; "grant 5001 guest" gives a user a role, "limit 5001 0.50" dollars a day. */
static void read_press(struct arena *mem, const cJSON *press, struct update *u) {
    static const char *const verbs[] = { "stop", "retry", "drop", "unshelve", "size", "again", "sizes", "asfile", "grant", "limit", "forget", NULL };
    enum { CHOICE_MOST = 9 };
    const char *data = json_get_str(press, "data");
    size_t len = data ? strcspn(data, " ") : 0;
    u->callback = clean_text(mem, json_get_str(press, "id"), UPDATE_ID_MAX);
    u->content = "other";
    if (!data || !data[len])
        return;
    if (is_for_the_desk(data, len)) {
        u->content = arena_copy(mem, data, len);
        u->words = clean_text(mem, data + len + 1, UPDATE_ID_MAX);
        return;
    }
    const char *target = data + len + 1;
    size_t target_len = strcspn(target, " ");
    const char *choice = target + target_len + (target[target_len] == ' '), *verb = one_of(arena_copy(mem, data, len), verbs, "other");
    const char *letters = !strcmp(verb, "size") ? "0123456789x" : !strcmp(verb, "grant") ? "abcdefghijklmnopqrstuvwxyz" : !strcmp(verb, "limit") ? "0123456789.none" : "";
    if (!*letters != !*choice || strlen(choice) > CHOICE_MOST || strspn(choice, letters) != strlen(choice))
        return;
    if (!target_len || target_len > UPDATE_ID_MAX || strspn(target, "0123456789abcdef-") != target_len)
        return;
    u->content = verb;
    u->target = arena_copy(mem, target, target_len);
    u->choice = arena_str(mem, choice);
}

/* A draft has the number of the question that it answers: its button is that job's, whatever the job's whole name. */
static void read_stopped_draft(struct arena *mem, const cJSON *stopped, struct update *u) {
    int64_t draft = positive(stopped, "draft_id");
    if (draft)
        u->target = arena_printf(mem, "%" PRId64 "-", draft);
}

static void read_membership(const cJSON *change, struct update *u) {
    static const char *const states[] = { "creator", "administrator", "member", "restricted", "left", "kicked", NULL };
    const cJSON *now = json_get_obj(change, "new_chat_member");
    u->content = one_of(json_get_str(now, "status"), states, "other");
    if (!strcmp(u->content, "restricted") && !truth(now, "is_member"))
        u->content = "left";
    else if (!strcmp(u->content, "restricted") && !truth(now, "can_send_messages"))
        u->content = "silenced"; /* there, but it may not write */
}

/* ---- an update ---- */

int update_read(struct arena *mem, const cJSON *json, struct update *ret_update) {
    struct update u = { .content = "", .chat_type = "", .text = "", .said = "", .name = "", .language = "", .reply = "",
                         .reply_name = "", .quote = "", .forward = "", .album = "", .callback = "", .target = "", .words = "", .choice = "" };
    if (!json_get_i64(json, "update_id", &u.id) || u.id < 0)
        return -EINVAL;
    u.kind = first_of(json, update_kinds);
    const cJSON *body = u.kind ? json_get_obj(json, u.kind) : NULL;
    if (!u.kind)
        u.kind = "unknown";

    bool is_press = !strcmp(u.kind, "callback_query");
    /* A press has its message inside; whoever pressed stands beside it. */
    const cJSON *message = is_press ? json_get_obj(body, "message") : body;
    const cJSON *chat = json_get_obj(message, "chat");
    bool in_topic = truth(message, "is_topic_message") || !strcmp(u.kind, "stopped_message_generation"); /* that has no such field */
    u.chat = number(chat, "id");
    u.chat_type = chat_type_of(chat);
    u.topic = in_topic ? positive(message, "message_thread_id") : 0;
    u.message = positive(message, "message_id");
    u.asked = positive(message, "date");
    read_sender(mem, json_get_obj(body, "from"), is_press ? NULL : json_get_obj(body, "sender_chat"), &u);
    if (is_press)
        read_press(mem, body, &u);
    else if (!strcmp(u.kind, "my_chat_member"))
        read_membership(body, &u);
    else if (!strcmp(u.kind, "stopped_message_generation"))
        read_stopped_draft(mem, body, &u);
    else if (message && u.message)
        read_message(mem, message, &u);
    *ret_update = u;
    return 0;
}

bool update_id_in(const char *text, size_t len, int64_t *ret_id) {
    static const char name[] = "\"update_id\"";
    size_t near = len < 1024 ? len : 1024;
    const char *at = memmem(text, near, name, sizeof name - 1);
    if (!at)
        return false;
    const char *end = text + near;
    at += sizeof name - 1;
    while (at < end && strchr(" \t\r\n:", *at))
        at++;
    int64_t id = 0;
    const char *digits = at;
    for (; at < end && *at >= '0' && *at <= '9' && at - digits < 16; at++)
        id = id * 10 + (*at - '0');
    if (at == digits || at == end) /* none, or perhaps not all of them */
        return false;
    *ret_id = id;
    return true;
}
