#include "ingest/route.h"
#include <string.h>
#include <strings.h>
#include "ingest/commands.h"
#include "ingest/identity.h"
#include "proto/keys.h"
#include "services/access.h"
#include "services/settings.h"

const char *const route_wanted[] = { "message", "edited_message", "callback_query", "my_chat_member", "stopped_message_generation", NULL };

#define QUESTION .kind = KIND_TEXT, .first = STREAM_LLM

#define HEARD .kind = KIND_VOICE, .first = STREAM_MEDIA
#define SEEN .kind = KIND_PHOTO, .first = STREAM_MEDIA
#define READ .kind = KIND_DOCUMENT, .first = STREAM_MEDIA

#define SOUNDS "voice audio video_note video"
#define PICTURES "photo live_photo sticker"
#define DOCUMENTS "document animation"
#define FILES SOUNDS " " PICTURES " " DOCUMENTS
#define NEVER "contact venue location poll dice game story checklist rich_message invoice giveaway giveaway_winners paid_media other"
#define MOVES "migrate_to_chat_id migrate_from_chat_id"
#define SERVICE \
    "new_chat_members left_chat_member chat_owner_left chat_owner_changed new_chat_title new_chat_photo delete_chat_photo " \
    "group_chat_created supergroup_chat_created channel_chat_created message_auto_delete_timer_changed pinned_message " \
    "successful_payment refunded_payment users_shared chat_shared gift unique_gift gift_upgrade_sent connected_website " \
    "write_access_allowed passport_data proximity_alert_triggered boost_added chat_background_set checklist_tasks_done " \
    "checklist_tasks_added direct_message_price_changed forum_topic_created forum_topic_edited forum_topic_closed " \
    "forum_topic_reopened general_forum_topic_hidden general_forum_topic_unhidden giveaway_created giveaway_completed " \
    "managed_bot_created paid_message_price_changed poll_option_added poll_option_deleted suggested_post_approved " \
    "suggested_post_approval_failed suggested_post_declined suggested_post_paid suggested_post_refunded video_chat_scheduled " \
    "video_chat_started video_chat_ended video_chat_participants_invited web_app_data community_chat_added " \
    "community_chat_joined community_chat_removed"
#define NEVER_ASKED_FOR \
    "channel_post edited_channel_post business_connection business_message edited_business_message deleted_business_messages " \
    "guest_message message_reaction message_reaction_count inline_query chosen_inline_result shipping_query pre_checkout_query " \
    "purchased_paid_media poll poll_answer chat_member chat_join_request chat_boost removed_chat_boost managed_bot subscription"

enum address { SAID_TO_US = 1, SAID_AT_ALL = 0 };

/* First match decides. What is said goes through talk() below as well: commands, and who may. */
static const struct row {
    const char *kinds, *contents;        /* NULL: any */
    unsigned where;                      /* IN_…; 0: wherever */
    enum address address;
    struct route route;
} rows[] = {
    { "message", "text",           IN_BOTH,    SAID_TO_US,  { FATE_ASK, QUESTION } },
    { "message", "text",           IN_GROUPS,  SAID_AT_ALL, { FATE_JOIN, QUESTION } },
    { "message", SOUNDS,           IN_BOTH,    SAID_TO_US,  { FATE_ASK, HEARD } },
    { "message", PICTURES,         IN_BOTH,    SAID_TO_US,  { FATE_ASK, SEEN } },
    { "message", DOCUMENTS,        IN_BOTH,    SAID_TO_US,  { FATE_ASK, READ } },
    { "message", FILES,            IN_GROUPS,  SAID_AT_ALL, { FATE_JOIN, SEEN } },
    { "message", "moving_sticker", IN_BOTH,    SAID_TO_US,  { FATE_LINE, .line = "sticker_animated" } },
    { "message", "moving_sticker", IN_GROUPS,  SAID_AT_ALL, { FATE_PASS } },
    { "message", NEVER,            IN_BOTH,    SAID_TO_US,  { FATE_LINE, .line = "unsupported" } },
    { "message", NEVER,            IN_GROUPS,  SAID_AT_ALL, { FATE_PASS } },
    { "message", MOVES,            IN_GROUPS,  SAID_AT_ALL, { FATE_MOVE } },
    { "message", SERVICE,          0,          SAID_AT_ALL, { FATE_IGNORE } },
    { "edited_message", "text",    IN_BOTH,    SAID_TO_US,  { FATE_ASK, QUESTION } },
    { "edited_message", "text",    IN_GROUPS,  SAID_AT_ALL, { FATE_PASS } },
    { "edited_message", NULL,      0,          SAID_AT_ALL, { FATE_IGNORE } },
    { "callback_query", "stop",    IN_BOTH,    SAID_AT_ALL, { FATE_STOP } },
    { "callback_query", "retry",   IN_BOTH,    SAID_AT_ALL, { FATE_RETRY } },
    { "callback_query", "size again sizes asfile", IN_BOTH, SAID_AT_ALL, { FATE_CHOOSE } },
    { "callback_query", "forget",  IN_PRIVATE, SAID_AT_ALL, { FATE_NEW, .kind = KIND_ASK, .first = STREAM_LEDGER, .what = "forget", .line = "forget_done" } },
    { "callback_query", "grant limit", IN_PRIVATE, SAID_AT_ALL, { FATE_LINE, .kind = KIND_SET, .first = STREAM_LEDGER } },
    { "callback_query", "unshelve", IN_PRIVATE, SAID_AT_ALL, { FATE_LIBRARY } },
    { "callback_query", "model",   IN_PRIVATE, SAID_AT_ALL, { FATE_PRESS, .kind = KIND_ASK, .first = STREAM_LEDGER, .what = "setmodel" } },
    { "callback_query", "broadcast", IN_PRIVATE, SAID_AT_ALL, { FATE_PRESS, .kind = KIND_ASK, .first = STREAM_LEDGER, .what = "spread" } },
    { "callback_query", "own",     IN_PRIVATE, SAID_AT_ALL, { FATE_PRESS, .kind = KIND_ASK, .first = STREAM_LEDGER, .what = "model" } },
    { "callback_query", "dead",    IN_PRIVATE, SAID_AT_ALL, { FATE_PRESS, .kind = KIND_ASK, .first = STREAM_LEDGER, .what = "dead" } },
    { "callback_query", "drop",    IN_BOTH,    SAID_AT_ALL, { FATE_FILES } },
    { "callback_query", NULL,      0,          SAID_AT_ALL, { FATE_PRESS } },
    { "my_chat_member", "kicked left", IN_BOTH, SAID_AT_ALL, { FATE_GONE } },
    { "my_chat_member", "creator administrator member restricted", IN_BOTH, SAID_AT_ALL, { FATE_BACK } },
    { "my_chat_member", NULL,      0,          SAID_AT_ALL, { FATE_IGNORE } },
    { "stopped_message_generation", NULL, IN_PRIVATE, SAID_AT_ALL, { FATE_STOP } },
    { NEVER_ASKED_FOR, NULL,       0,          SAID_AT_ALL, { FATE_IGNORE } },
    { NULL, NULL,                  0,          SAID_AT_ALL, { FATE_IGNORE } },   /* what Telegram will think of next */
};

static bool is(const char *one, const char *other) {
    return !strcmp(one, other);
}

static bool is_among(const char *word, const char *words) {
    size_t word_len = strlen(word);
    for (; *words; words += strspn(words, " ")) {
        size_t len = strcspn(words, " ");
        if (len == word_len && !memcmp(word, words, len))
            return true;
        words += len;
    }
    return false;
}

/* ---- where and to whom ---- */

static unsigned where_of(const struct update *u) {
    return is(u->chat_type, "private") ? IN_PRIVATE : is(u->chat_type, "group") || is(u->chat_type, "supergroup") ? IN_GROUPS : 0;
}

/* Whoever forwards a message to a group has not written what is in it. */
static bool is_said_to_us(const struct update *u) {
    return where_of(u) == IN_PRIVATE || u->replies_to_us || (u->mentions_us && !*u->forward);
}

static bool is_edited(const struct update *u) {
    return is(u->kind, "edited_message");
}

bool route_is_admin(const struct update *u) {
    return access_is_admin(u->user);
}

/* ALLOWED_CHAT_IDS as a list opens those groups to everybody and closes the others. */
static bool groups_are_listed(void) {
    return !is(setting_text("ALLOWED_CHAT_IDS"), "*");
}

static bool is_closed_group(const struct update *u) {
    return where_of(u) == IN_GROUPS && groups_are_listed() && !setting_has_id("ALLOWED_CHAT_IDS", u->chat) && !route_is_admin(u);
}

/* The settings' word on whoever is served by r. Of what is no question to us nobody is told that he may not. */
static struct route with_access(const struct update *u, struct route r) {
    if (access_is_open_to(u->user) || (where_of(u) == IN_GROUPS && groups_are_listed()))
        return r;
    bool quiet = r.fate == FATE_JOIN || is_edited(u);
    r.access = quiet ? "quiet" : where_of(u) == IN_PRIVATE && is(setting_text("ACCESS"), "ask") ? "ask" : "closed";
    return r;
}

/* ---- the table ---- */

static bool matches(const struct row *row, const struct update *u) {
    return (!row->kinds || is_among(u->kind, row->kinds)) && (!row->contents || is_among(u->content, row->contents)) &&
           (!row->where || (row->where & where_of(u))) && (row->address == SAID_AT_ALL || is_said_to_us(u));
}

static struct route route_by_table(const struct update *u) {
    const struct row *row = rows;
    while (!matches(row, u))
        row++; /* the last one takes everything */
    return row->route;
}

bool route_is_listed(const struct update *u) {
    const struct row *row = rows;
    while (row->kinds && !(is_among(u->kind, row->kinds) && (!row->contents || is_among(u->content, row->contents))))
        row++;
    return row->kinds;
}

/* ---- commands ---- */

static bool is_for_another_bot(const struct called *c) {
    const char *ours = identity_username();
    return c->bot_len && *ours && (strlen(ours) != c->bot_len || strncasecmp(ours, c->bot, c->bot_len));
}

static const char *words_behind(const struct called *called) {
    const char *words = called->bot_len ? called->bot + called->bot_len : called->name + called->name_len;
    return words + strspn(words, " \t\r\n:");
}

/* /img with words draws; alone it asks for them. In answer to a picture, or under one, it changes that. */
static struct route route_of_picture(const struct called *called, struct route r) {
    const char *prompt = words_behind(called);
    if (*prompt)
        r.text = prompt;
    else
        r = (struct route){ FATE_LINE, .kind = KIND_IMAGE, .line = "ask_prompt", .asks = "prompt" };
    return r;
}

/* /library under a document, or in answer to one, adds that; else it lists what there is. */
static struct route route_of_library(const struct update *u, struct route r) {
    const struct attachment *a = u->file.id ? &u->file : &u->answered;
    if (a->id && is(attachment_job(a), KIND_DOCUMENT))
        r = (struct route){ FATE_ASK, .kind = KIND_LIBRARY, .first = STREAM_MEDIA, .text = "" };
    return r;
}

/* /user: a list, somebody's card, or a change. */
static struct route route_of_user(const struct update *u, struct route r) {
    int64_t user;
    switch (people_read(r.text, u->replied_user, &user, r.set)) {
    case PEOPLE_LIST:
        break;
    case PEOPLE_CARD:
        r.grants = user;
        break;
    case PEOPLE_SET:
        r.kind = KIND_SET;
        r.line = "user_set";
        break;
    case PEOPLE_NONSENSE:
        r = (struct route){ FATE_LINE, .line = "user_how" };
    }
    return r;
}

/* What there is, as the reader may use it. In a group one has to know first how the bot is spoken to. */
static const char *help_line(bool is_group, bool is_admin) {
    static const char *const lines[][2] = { { "help", "help_model" }, { "help_admin", "help_admin_model" } };
    return is_group ? "help_group" : lines[is_admin][setting_is_set("USER_MODELS")];
}

static bool draws(const struct route *r) {
    return r->kind && is(r->kind, KIND_IMAGE);
}

/* What is not known is said so, but in a group only to who has named us: other bots have commands of their own. An
 * administrator's command does not exist for anybody else. */
static struct route route_of_command(const struct update *u, const struct called *called) {
    static const struct route unknown = { FATE_LINE, .line = "unknown_command" };
    bool is_group = where_of(u) == IN_GROUPS, elsewhere = is_for_another_bot(called);
    if (is_group && elsewhere)
        return (struct route){ FATE_PASS };
    const struct command *c = elsewhere ? NULL : command_named(called->name, called->name_len);
    bool exists = c && command_is_for(c, route_is_admin(u), where_of(u));
    if (!exists && is_group && !called->bot_len)
        return (struct route){ FATE_PASS };
    if (!exists)
        return c && command_is_off(c) && route_is_admin(u) ? (struct route){ FATE_LINE, .line = c->missed } : unknown;
    struct route r = c->route;
    bool helps = r.line && is(r.line, "help"), greets = r.line && is(r.line, "start");
    if (helps || (greets && is_group))
        r.line = help_line(is_group, route_is_admin(u));
    if (r.fate == FATE_LIBRARY)
        return setting_number("LIBRARY_FILES") ? route_of_library(u, r) : unknown;
    if (r.what)
        r.text = words_behind(called);
    if (r.what && is(r.what, "user"))
        return route_of_user(u, r);
    return draws(&r) ? route_of_picture(called, r) : r;
}

/* Does it call something, by a command or by a plain word? Not what was forwarded: those are another's words. */
static bool calls(const struct update *u, struct route *r) {
    struct called called;
    bool is_text = is(u->content, "text");
    if (*u->forward || !(is_text || is(u->content, "photo") || is(u->content, "document")) || *u->album)
        return false;
    if (command_read(u->said, &called)) {
        struct route found = route_of_command(u, &called);
        bool means = is_text || (found.kind && is(found.kind, is(u->content, "photo") ? KIND_IMAGE : KIND_LIBRARY));
        if (means)                       /* under a photo or a document no other means anything */
            *r = found;
        return means;
    }
    if (!is_text)
        return false;
    const struct command *c = r->fate == FATE_ASK ? command_meant(u->said) : NULL;
    if (!c)
        return false;
    *r = c->route;
    return true;
}

/* "What does this say?" in answer to a picture: the picture goes along. */
static struct route about_what_is_answered(const struct update *u, struct route r) {
    if (r.fate == FATE_ASK && is(r.kind, KIND_TEXT) && !u->file.id && u->answered.id) {
        r.kind = attachment_job(&u->answered);
        r.first = STREAM_MEDIA;
    }
    return r;
}

static struct route talk(const struct update *u, struct route r) {
    if (u->from_bot || u->automatic || u->secret || !u->chat || !u->message || !u->user)
        return (struct route){ FATE_IGNORE };
    if (calls(u, &r) && is_edited(u) && r.fate != FATE_PASS)
        r = (struct route){ FATE_LINE, .line = "edit_command" };
    if (r.fate == FATE_JOIN && u->file.id && !*u->album) /* it is no part of anything */
        return (struct route){ FATE_PASS };
    if (r.fate == FATE_PASS)
        return r;
    if (!is_closed_group(u))
        return with_access(u, about_what_is_answered(u, r));
    if (r.fate == FATE_JOIN || is_edited(u)) /* he has been told */
        return (struct route){ FATE_PASS };
    return (struct route){ FATE_REFUSE, .line = "group_not_allowed", .about = u->chat };
}

/* Under the question about a stranger, and under somebody's card: for administrators. */
static struct route grant(const struct update *u, struct route r) {
    if (!route_is_admin(u))
        return (struct route){ FATE_PRESS, .line = "not_yours" };
    bool limits = is(u->content, "limit");
    if (!(limits ? people_limit : people_grant)(u->target, u->choice, &r.grants, r.set))
        return (struct route){ FATE_PRESS };
    if (limits) {                        /* of a role `told` says what is in force */
        r.line = "user_set";
        r.text = u->choice;
    }
    return r;
}

static struct route press(const struct update *u, struct route r) {
    if (!*u->callback || !u->user)
        return (struct route){ FATE_IGNORE };
    if (!u->chat)
        return (struct route){ FATE_PRESS };
    if (is(u->content, "grant") || is(u->content, "limit"))
        return grant(u, r);
    if (is(u->content, "forget"))        /* only in private, where nobody else can press it */
        return with_access(u, r);
    if (r.what)
        r.text = u->words;
    bool is_own = r.what && is(r.what, "model");
    if (is_own && !setting_is_set("USER_MODELS"))
        return (struct route){ FATE_PRESS, .line = "model_off" };
    if (r.what && !is_own)               /* an administrator's button */
        return route_is_admin(u) ? r : (struct route){ FATE_PRESS, .line = "not_yours" };
    bool serves = is_own || r.fate == FATE_RETRY || r.fate == FATE_FILES || r.fate == FATE_LIBRARY || r.fate == FATE_CHOOSE;
    if (serves && is_closed_group(u))
        return (struct route){ FATE_PRESS, .line = "not_allowed" };
    return serves ? with_access(u, r) : r;
}

/* ---- an update ---- */

struct route route_of(const struct update *u) {
    struct route r = route_by_table(u);
    switch (r.fate) {
    case FATE_LINE:
        if (*u->callback)
            return press(u, r);
        return talk(u, r);
    case FATE_ASK: case FATE_JOIN:
        return talk(u, r);
    case FATE_PRESS: case FATE_RETRY: case FATE_FILES: case FATE_LIBRARY: case FATE_CHOOSE:
        return press(u, r);
    case FATE_STOP: case FATE_NEW:
        if (*u->callback)
            return press(u, r);
        break;
    case FATE_MOVE:
        if (!u->moved_from || !u->moved_to || u->moved_from == u->moved_to)
            return (struct route){ FATE_IGNORE };
        break;
    default:
        break;
    }
    return u->chat || r.fate == FATE_PASS ? r : (struct route){ FATE_IGNORE };
}

static bool is_picture(const struct attachment *a) {
    return a->id && (is(attachment_job(a), KIND_PHOTO) || !strncmp(a->type, "image/", 6));
}

const struct attachment *route_file(const struct update *u, const struct route *r) {
    if (draws(r))
        return is_picture(&u->file) ? &u->file : is_picture(&u->answered) ? &u->answered : NULL;
    return !r->first || !is(r->first, STREAM_MEDIA) ? NULL : u->file.id ? &u->file : &u->answered;
}

bool route_asks(const struct route *r) {
    return r->fate == FATE_ASK || r->fate == FATE_JOIN;
}

const char *route_word(enum fate fate) {
    static const char *const words[FATES] = {
        "asked", "overheard", "told", "stopped", "forgot", "repeated", "listed", "library", "chosen", "pressed", "gone", "back", "moved", "refused", "ignored", "passed"
    };
    return words[fate];
}

const char *route_language(const struct update *u) {
    const char *choice = setting_text("UI_LANG");
    if (strcmp(choice, "auto"))
        return choice;
    return !strncmp(u->language, "ru", 2) ? "ru" : "en";
}
