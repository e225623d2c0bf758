#include <stdlib.h>
#include <string.h>
#include "ingest/commands.h"
#include "ingest/fields.h"
#include "ingest/identity.h"
#include "ingest/route.h"
#include "proto/keys.h"
#include "services/settings.h"
#include "services/texts.h"
#include "tests/unit/unit.h"

enum { ADMIN = 1, FRIEND = 42, STRANGER = 666, GROUP = -100123 };

static int with_settings(const char *access, const char *users, const char *chats, const char *lang) {
    for (const struct setting *s = settings_table; s->name; s++)
        unsetenv(s->name);
    setenv("BOT_TOKEN", "99:demo", 1);
    setenv("ADMIN_ID", "1", 1);
    setenv("ACCESS", access, 1);
    setenv("ALLOWED_USER_IDS", users, 1);
    setenv("ALLOWED_CHAT_IDS", chats, 1);
    setenv("UI_LANG", lang, 1);
    static const char us[] = "{\"id\":99,\"username\":\"Helper_bot\"}";
    CLEANUP(json_done) cJSON *json = json_parse(us, sizeof us - 1);
    return identity_learn(json) ? settings_read(FOR_INGEST, stderr) : -1;
}

static int open_to_all(void **state) {
    return with_settings("open", "*", "*", "ru");
}

static int open_with_models(void **state) {
    int bad = with_settings("open", "*", "*", "ru");
    setenv("USER_MODELS", "gpt-6-luna", 1);
    return bad ? bad : settings_read(FOR_INGEST, stderr);
}

static int for_friends_with_models(void **state) {
    int bad = with_settings("open", "42", "*", "ru");
    setenv("USER_MODELS", "all", 1);
    return bad ? bad : settings_read(FOR_INGEST, stderr);
}

static int for_friends(void **state) {
    return with_settings("open", "42", "*", "auto");
}

static int where_one_asks(void **state) {
    return with_settings("ask", "*", "*", "ru");
}

static int in_one_group(void **state) {
    return with_settings("open", "42", "-100123", "ru");
}

/* A text in a private chat; change what the test is about. */
static struct update said(const char *text) {
    return (struct update){ .id = 5, .kind = "message", .content = "text", .chat = STRANGER, .user = STRANGER, .message = 7,
                            .asked = 1795001002, .chat_type = "private", .text = text, .said = text, .name = "Ада", .language = "ru",
                            .reply = "", .reply_name = "", .quote = "", .forward = "", .album = "", .callback = "", .target = "" };
}

static struct update said_in_group(const char *text, bool to_us) {
    struct update u = said(text);
    u.chat = GROUP;
    u.chat_type = "supergroup";
    u.mentions_us = to_us;
    return u;
}

static struct update pressed(const char *what) {
    struct update u = said("");
    u.kind = "callback_query";
    u.content = what;
    u.callback = "21527735981234567890";
    u.target = "12-34";
    return u;
}

static struct update with_file(struct update u, const char *content) {
    u.content = content;
    u.file = (struct attachment){ .id = "AwAC", .kind = !strcmp(content, "live_photo") ? "photo" : content, .name = "", .type = "" };
    return u;
}

static void becomes(struct update u, enum fate fate, const char *line) {
    struct route r = route_of(&u);
    if (r.fate != fate || (line ? !r.line || strcmp(r.line, line) : r.line != NULL))
        fail_msg("%s %s %s \"%s\" became %s (%s), not %s (%s)", u.chat_type, u.kind, u.content, u.text, route_word(r.fate),
                 r.line ? r.line : "", route_word(fate), line ? line : "");
    if (r.line)
        assert_string_not_equal(texts_fixed(TEXTS_EN, r.line), ""); /* there is such a text */
}

/* ---- words and commands ---- */

static void words_are_a_question(void **state) {
    static const char *const questions[] = {
        "Привет", "what does /help do?", "отмена заказа", "stop it", "/", "//stop", "/usr/bin", "/команда", "/стоп", "/stop<", "\xf0\x9f\x91\x8b",
        "/ help", "@Helper_bot",
    };
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        struct update u = said(questions[i]);
        struct route r = route_of(&u);
        assert_int_equal(r.fate, FATE_ASK);
        assert_string_equal(r.kind, "text");
        assert_string_equal(r.first, "llm");
        assert_null(r.line);
    }
}

static void commands_are_known_however_they_are_written(void **state) {
    static const struct { const char *text; enum fate fate; const char *line; } cases[] = {
        { "/start", FATE_LINE, "start" }, { "/start ref_42", FATE_LINE, "start" }, { "/START@helper_bot x", FATE_LINE, "start" },
        { "/help", FATE_LINE, "help" },   { " /help\n", FATE_LINE, "help" }, { "/help, please", FATE_LINE, "help" },
        { "/stop", FATE_STOP, NULL },     { "/cancel@Helper_Bot", FATE_STOP, NULL }, { "отмена", FATE_STOP, NULL }, { "/stop.", FATE_STOP, NULL },
        { "Отмена", FATE_STOP, NULL },    { " ОТМЕНА ", FATE_STOP, NULL }, { "Stop", FATE_STOP, NULL }, { "стоп", FATE_STOP, NULL },
        { "/new", FATE_NEW, NULL },      { "/files", FATE_FILES, NULL },       { "/reset now", FATE_NEW, NULL }, { "/retry", FATE_RETRY, NULL },
        { "/img a cat", FATE_ASK, NULL }, { "/img", FATE_LINE, "ask_prompt" }, { "/img@helper_bot  ", FATE_LINE, "ask_prompt" }, { "/stats", FATE_LINE, NULL },
        { "/stat", FATE_LINE, "unknown_command" }, { "/setmodel x", FATE_LINE, "unknown_command" }, { "/models", FATE_LINE, "unknown_command" },
        { "/unknown thing", FATE_LINE, "unknown_command" }, { "/stopit", FATE_LINE, "unknown_command" }, { "/help@other_bot", FATE_LINE, "unknown_command" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        becomes(said(cases[i].text), cases[i].fate, cases[i].line);
    struct update admin = said("/stat");
    admin.user = admin.chat = ADMIN;
    struct route asks = route_of(&admin);
    assert_int_equal(asks.fate, FATE_LINE);
    assert_string_equal(asks.what, "stat");
    assert_string_equal(asks.first, STREAM_LEDGER);
    admin.text = admin.said = "/setmodel gpt-9";
    asks = route_of(&admin);
    assert_string_equal(asks.what, "setmodel");
    assert_string_equal(asks.text, "gpt-9");
    admin.text = admin.said = "/help";
    becomes(admin, FATE_LINE, "help_admin");
}

static void commands_in_groups(void **state) {
    static const struct { const char *text; enum fate fate; const char *line; } cases[] = {
        { "/help", FATE_LINE, "help_group" }, { "/help@helper_bot", FATE_LINE, "help_group" }, { "/HELP@HELPER_BOT now", FATE_LINE, "help_group" },
        { "/help@other_bot", FATE_PASS, NULL }, { "/stop", FATE_STOP, NULL }, { "/new@helper_bot", FATE_NEW, NULL }, { "/retry", FATE_RETRY, NULL },
        { "/unknown", FATE_PASS, NULL }, { "/unknown@helper_bot", FATE_LINE, "unknown_command" }, { "/unknown@other_bot", FATE_PASS, NULL },
        { "/stat", FATE_PASS, NULL }, { "/stat@helper_bot", FATE_LINE, "unknown_command" }, { "/img@helper_bot cat", FATE_ASK, NULL },
        { "/start@helper_bot", FATE_LINE, "help_group" }, { "/start", FATE_LINE, "help_group" },
        { "отмена", FATE_JOIN, NULL }, /* not said to us */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        becomes(said_in_group(cases[i].text, false), cases[i].fate, cases[i].line);
    becomes(said_in_group("отмена", true), FATE_STOP, NULL);
    struct update u = said_in_group("@helper_bot /new", true);
    u.said = u.text + strlen("@helper_bot ");
    becomes(u, FATE_NEW, NULL);
    u = said_in_group("/stat@helper_bot", false); /* what everybody spends is not for everybody's eyes */
    u.user = ADMIN;
    becomes(u, FATE_LINE, "unknown_command");
}

static void forwarded_words_are_not_orders(void **state) {
    struct update u = said("/reset");
    u.forward = "Bob";
    becomes(u, FATE_ASK, NULL);
    u = said_in_group("@helper_bot hi", true);
    u.forward = "?";
    becomes(u, FATE_JOIN, NULL);
}

/* ---- to whom ---- */

static void in_groups_it_answers_whoever_speaks_to_it(void **state) {
    becomes(said_in_group("hi", false), FATE_JOIN, NULL);
    becomes(said_in_group("hi", true), FATE_ASK, NULL);
    struct update u = said_in_group("hi", false);
    u.reply = "words of somebody else";
    becomes(u, FATE_JOIN, NULL);
    u.replies_to_us = true;
    becomes(u, FATE_ASK, NULL);
    u.chat_type = "group";
    becomes(u, FATE_ASK, NULL);
    u.chat_type = "channel";
    becomes(u, FATE_IGNORE, NULL);
    u = with_file(said_in_group("caption", true), "photo");
    becomes(u, FATE_ASK, NULL);
    u.mentions_us = false;
    becomes(u, FATE_PASS, NULL);
    u.album = "13"; /* the part that speaks to us may have come before it */
    becomes(u, FATE_JOIN, NULL);
    u.replies_to_us = true;
    becomes(u, FATE_ASK, NULL);
}

static void every_content_is_answered_or_not_worth_a_word(void **state) {
    static const char service[] = "new_chat_members left_chat_member pinned_message forum_topic_created successful_payment group_chat_created";
    static const char never[] = "contact location venue poll dice story game paid_media other";
    static const struct { const char *contents, *line; } fates[] = { { service, NULL }, { never, "unsupported" }, { "moving_sticker", "sticker_animated" } };
    for (size_t i = 0; i < sizeof fates / sizeof *fates; i++) {
        char words[200], *rest;
        strcpy(words, fates[i].contents);
        for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
            struct update u = said("");
            u.content = word;
            becomes(u, fates[i].line ? FATE_LINE : FATE_IGNORE, fates[i].line);
        }
    }
    for (int i = 0; update_contents[i]; i++) {
        struct update u = said("");
        u.content = update_contents[i];
        if (!route_is_listed(&u))
            fail_msg("no row for %s", u.content);
    }
    for (int i = 0; update_kinds[i]; i++) {
        struct update u = said("");
        u.kind = update_kinds[i];
        u.content = "text";
        if (!route_is_listed(&u))
            fail_msg("no row for %s", u.kind);
    }
    assert_true(update_kinds[26] && !update_kinds[27]);
    struct update u = said("");
    u.kind = "unknown";
    becomes(u, FATE_IGNORE, NULL);
}

static void files_are_questions_for_media(void **state) {
    static const struct { const char *content, *kind; } kinds[] = {
        { "voice", "voice" }, { "audio", "voice" }, { "video_note", "voice" }, { "video", "voice" }, { "photo", "photo" }, { "live_photo", "photo" },
        { "sticker", "photo" }, { "document", "document" }, { "animation", "document" },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct update u = with_file(said("/stop"), kinds[i].content); /* a caption is no order */
        struct route r = route_of(&u);
        assert_int_equal(r.fate, FATE_ASK);
        assert_string_equal(r.kind, kinds[i].kind);
        assert_string_equal(r.first, "media");
    }
}

static void words_about_a_file_take_it_along(void **state) {
    struct update u = said("what does it say?");
    u.answered = (struct attachment){ .id = "AwAC", .kind = "voice", .name = "", .type = "" };
    struct route r = route_of(&u);
    assert_int_equal(r.fate, FATE_ASK);
    assert_string_equal(r.kind, "voice");
    assert_string_equal(r.first, "media");
    u.text = u.said = "/stop";
    becomes(u, FATE_STOP, NULL);
    u = said_in_group("what does it say?", false);
    u.answered = (struct attachment){ .id = "AwAC", .kind = "photo", .name = "", .type = "" };
    assert_string_equal(route_of(&u).first, "llm"); /* overheard, at most a part of a long text */
}

static void an_edited_text_is_a_question_and_nothing_else_edited_is(void **state) {
    struct update u = said("hello, edited");
    u.kind = "edited_message";
    becomes(u, FATE_ASK, NULL);
    u.text = u.said = "/reset";
    becomes(u, FATE_LINE, "edit_command");
    u.text = u.said = "отмена";
    becomes(u, FATE_LINE, "edit_command");
    u.content = "photo";
    becomes(u, FATE_IGNORE, NULL);
    u = said_in_group("hello, edited", false);
    u.kind = "edited_message";
    becomes(u, FATE_PASS, NULL);
    u.mentions_us = true;
    becomes(u, FATE_ASK, NULL);
}

static void the_stop_button_of_a_draft_stops(void **state) {
    struct update u = said("");
    u.kind = "stopped_message_generation";
    u.content = "";
    u.message = 0;
    becomes(u, FATE_STOP, NULL);
    u.chat = 0;
    becomes(u, FATE_IGNORE, NULL);
}

static void every_press_is_answered(void **state) {
    becomes(pressed("stop"), FATE_STOP, NULL);
    becomes(pressed("retry"), FATE_RETRY, NULL);
    becomes(pressed("drop"), FATE_FILES, NULL);
    becomes(pressed("other"), FATE_PRESS, NULL);
    struct update u = pressed("stop");
    u.chat = 0;
    u.chat_type = "";
    becomes(u, FATE_PRESS, NULL);
    u.callback = "";
    becomes(u, FATE_IGNORE, NULL); /* there is nothing to answer */
}

static void a_chat_that_is_gone_and_back(void **state) {
    static const struct { const char *content; enum fate fate; } cases[] = {
        { "kicked", FATE_GONE }, { "left", FATE_GONE }, { "member", FATE_BACK }, { "administrator", FATE_BACK }, { "restricted", FATE_BACK }, { "silenced", FATE_IGNORE },
        { "other", FATE_IGNORE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct update u = said("");
        u.kind = "my_chat_member";
        u.content = cases[i].content;
        becomes(u, cases[i].fate, NULL);
        u.chat_type = "channel";
        becomes(u, FATE_IGNORE, NULL);
    }
}

static void a_group_moves_from_one_number_to_another(void **state) {
    struct update u = said_in_group("", false);
    u.content = "migrate_to_chat_id";
    u.from_bot = true; /* an anonymous administrator did it */
    u.moved_from = GROUP;
    u.moved_to = -100456;
    becomes(u, FATE_MOVE, NULL);
    u.moved_to = GROUP;
    becomes(u, FATE_IGNORE, NULL);
    u.moved_to = 0;
    becomes(u, FATE_IGNORE, NULL);
}

/* ---- who ---- */

static void bots_and_nonsense_are_ignored(void **state) {
    struct update u = said("hello");
    u.from_bot = true;
    becomes(u, FATE_IGNORE, NULL);
    u = said("/help");
    u.from_bot = true;
    becomes(u, FATE_IGNORE, NULL);
    u = said("hello");
    u.chat = 0;
    becomes(u, FATE_IGNORE, NULL);
    u = said("hello");
    u.message = 0;
    becomes(u, FATE_IGNORE, NULL);
    u = said("hello");
    u.user = 0;
    becomes(u, FATE_IGNORE, NULL);
    u = said_in_group("a channel's post", true);
    u.automatic = true;
    becomes(u, FATE_IGNORE, NULL);
    u = said_in_group("for our eyes only", true);
    u.secret = true;
    becomes(u, FATE_IGNORE, NULL);
}

/* What the settings say of whoever is served: NULL nothing against him. */
static void has_access(struct update u, const char *access) {
    struct route r = route_of(&u);
    if (access)
        assert_string_equal(r.access, access);
    else
        assert_null(r.access);
}

static void a_stranger_is_known_as_one_and_an_administrator_never(void **state) {
    has_access(said("hello"), "closed");
    has_access(said("/start"), "closed");
    has_access(said("/stop"), "closed");
    has_access(said("/nonsense"), "closed");
    struct update u = said("hello");
    u.content = "photo";
    has_access(u, "closed");
    u.content = "pinned_message";
    becomes(u, FATE_IGNORE, NULL);
    u = said("hello");
    u.kind = "edited_message"; /* he has been told */
    has_access(u, "quiet");
    u.text = u.said = "/help";
    has_access(u, "quiet");
    has_access(pressed("retry"), "closed");
    has_access(pressed("drop"), "closed");
    has_access(pressed("nothing"), NULL); /* it does nothing */
    u = said("hello");
    u.user = u.chat = FRIEND;
    has_access(u, NULL);
    u.user = u.chat = ADMIN;
    has_access(u, NULL);
}

static void about_a_stranger_somebody_is_asked_in_private(void **state) {
    has_access(said("hello"), "ask");
    has_access(said("/start"), "ask");
    has_access(said_in_group("hi", true), "closed"); /* his name is not for everybody's eyes */
    has_access(pressed("retry"), "ask");
    struct update u = said("hello");
    u.kind = "edited_message";
    has_access(u, "quiet");
    u = said("hello");
    u.user = u.chat = ADMIN;
    has_access(u, NULL);
}

static void in_a_group_those_may_who_may_anyhow(void **state) {
    struct update u = said_in_group("hi", true);
    has_access(u, "closed");
    has_access(said_in_group("hi", false), "quiet");
    has_access(said_in_group("/help", false), "closed");
    becomes(said_in_group("/unknown", false), FATE_PASS, NULL);
    u.user = FRIEND;
    has_access(u, NULL);
    u.user = GROUP; /* an anonymous administrator is nobody in particular */
    u.as_chat = true;
    has_access(u, "closed");
}

static void a_listed_group_is_open_and_the_others_are_closed(void **state) {
    struct update u = said_in_group("hi", true);
    has_access(u, NULL);
    u.user = GROUP;
    u.as_chat = true;
    has_access(u, NULL);
    u = said_in_group("hi", true);
    u.chat = GROUP - 1;
    becomes(u, FATE_REFUSE, "group_not_allowed");
    assert_int_equal(route_of(&u).about, GROUP - 1);
    u.user = FRIEND;
    becomes(u, FATE_REFUSE, "group_not_allowed");
    u.user = ADMIN;
    becomes(u, FATE_ASK, NULL);
    has_access(said("hi"), "closed"); /* in private nothing has changed */
}

static void the_language_follows_the_setting_or_the_user(void **state) {
    static const struct { const char *code, *lang; } codes[] = { { "ru", "ru" }, { "ru-RU", "ru" }, { "en", "en" }, { "de", "en" }, { "", "en" } };
    struct update u = said("hello");
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        u.language = codes[i].code;
        assert_string_equal(route_language(&u), codes[i].lang);
    }
    assert_int_equal(with_settings("open", "*", "*", "ru"), 0);
    assert_string_equal(route_language(&u), "ru");
    assert_int_equal(with_settings("open", "*", "*", "en"), 0);
    assert_string_equal(route_language(&u), "en");
}

/* ---- what is said of the commands ---- */

/* Does the help name a command, as a whole word? */
static bool names(const char *help, const char *name, size_t len) {
    for (const char *at = help; (at = strchr(at, '/')) != NULL; at++)
        if (!strncmp(at + 1, name, len) && !strspn(at + 1 + len, "abcdefghijklmnopqrstuvwxyz_"))
            return true;
    return false;
}

static void help_names_what_its_reader_may_use_and_nothing_else(void **state) {
    static const struct { const char *line, *with_models; bool admin; unsigned where; } helps[] = {
        { "help", "help_model", false, IN_PRIVATE }, { "help_admin", "help_admin_model", true, IN_PRIVATE }, { "help_group", "help_group", false, IN_GROUPS },
    };
    for (size_t h = 0; h < sizeof helps / sizeof *helps; h++)
        for (int lang = 0; lang < TEXTS_LANGS; lang++) {
            const char *help = texts_fixed(lang, setting_is_set("USER_MODELS") ? helps[h].with_models : helps[h].line);
            for (const struct command *c = commands; c->names; c++)
                for (const char *name = c->names; *name; name += strspn(name, " ")) {
                    size_t len = strcspn(name, " ");
                    if (names(help, name, len) != command_is_for(c, helps[h].admin, helps[h].where))
                        fail_msg("%s: /%.*s", helps[h].line, (int)len, name);
                    name += len;
                }
            for (const char *at = help; (at = strchr(at, '/')) != NULL; at++) {
                struct called called;
                assert_true(command_read(at, &called));
                assert_non_null(command_named(called.name, called.name_len));
            }
            assert_non_null(strstr(help, lang == TEXTS_RU ? "текст" : "text"));
            assert_non_null(strstr(help, lang == TEXTS_RU ? "олос" : "voice"));
        }
}

static void menus_have_words_for_their_commands(void **state) {
    for (const struct command *c = commands; c->names; c++)
        if (c->menu)
            for (int lang = 0; lang < TEXTS_LANGS; lang++)
                assert_in_range(strlen(texts_fixed(lang, c->menu)), 3, 256);
}

/* ---- long texts ---- */

static int open_ms(const char *unit, int units, const char *kind) {
    static char text[20000];
    *text = '\0';
    for (int i = 0; i < units; i++)
        strcat(text, unit);
    struct update u = said(text);
    u.kind = kind;
    struct route r = route_of(&u);
    return fields_open_ms(&u, &r);
}

static void a_text_that_an_app_may_have_cut_stays_open(void **state) {
    assert_int_equal(open_ms("x", 3999, "message"), 0);
    assert_int_equal(open_ms("x", 4000, "message"), FIELDS_OPEN_MS);
    assert_int_equal(open_ms("я", 4096, "message"), FIELDS_OPEN_MS);
    assert_int_equal(open_ms("👋", 1999, "message"), 0);
    assert_int_equal(open_ms("👋", 2000, "message"), FIELDS_OPEN_MS); /* two units each */
    assert_int_equal(open_ms("x", 4096, "edited_message"), 0);
}

static const char *gathered(struct update u) {
    static char gather[100];
    struct route r = route_of(&u);
    fields_gather(&u, &r, gather, sizeof gather);
    return gather;
}

static void who_may_join_whom(void **state) {
    assert_string_equal(gathered(said("x")), "long:666");
    struct update u = with_file(said("x"), "photo");
    assert_string_equal(gathered(u), "");
    u.album = "1234";
    struct route r = route_of(&u);
    assert_string_equal(gathered(u), "album:1234");
    assert_int_equal(fields_open_ms(&u, &r), FIELDS_ALBUM_MS);
    u = said("x");
    u.album = "1234"; /* of a text? */
    assert_string_equal(gathered(u), "long:666");
    u.kind = "edited_message";
    assert_string_equal(gathered(u), "");
    u = said("/help");
    assert_string_equal(gathered(u), "");
}

/* ---- a model of one's own ---- */

static void without_the_setting_nobody_has_a_model_of_his_own(void **state) {
    becomes(said("/model"), FATE_LINE, "unknown_command");
    becomes(said("/model gpt-6-luna"), FATE_LINE, "unknown_command");
    becomes(said_in_group("/model", false), FATE_PASS, NULL);
    becomes(said_in_group("/model@helper_bot", false), FATE_LINE, "unknown_command");
    struct update u = said("/model");
    u.user = u.chat = ADMIN;
    becomes(u, FATE_LINE, "model_off_admin");
    u = pressed("own");
    u.words = "gpt-6-luna";
    becomes(u, FATE_PRESS, "model_off");
    assert_null(route_of(&u).what);
}

static void with_it_everybody_chooses_for_himself(void **state) {
    static const char *const whats[] = { "/model", "/model gpt-6-luna", "/model@helper_bot default" }, *const words[] = { "", "gpt-6-luna", "default" };
    for (int i = 0; i < 3; i++) {
        struct update u = said(whats[i]);
        struct route r = route_of(&u);
        becomes(u, FATE_LINE, NULL);
        assert_string_equal(r.what, "model");
        assert_string_equal(r.kind, KIND_ASK);
        assert_string_equal(r.first, STREAM_LEDGER);
        assert_string_equal(r.text, words[i]);
    }
    struct update u = pressed("own");
    u.words = "gpt-6-luna";
    struct route r = route_of(&u);
    becomes(u, FATE_PRESS, NULL);
    assert_string_equal(r.what, "model");
    assert_string_equal(r.text, "gpt-6-luna");
    becomes(said("/help"), FATE_LINE, "help_model");
    becomes(said_in_group("/help", false), FATE_LINE, "help_group");
    u = said("/help");
    u.user = u.chat = ADMIN;
    becomes(u, FATE_LINE, "help_admin_model");
    becomes(said_in_group("/model@helper_bot", false), FATE_LINE, "unknown_command");        /* nobody else's menu there */
    u = pressed("model"); /* everybody's model is another matter */
    u.words = "chat gpt-6-luna";
    becomes(u, FATE_PRESS, "not_yours");
}

static void who_may_not_talk_does_not_choose(void **state) {
    has_access(said("/model"), "closed");
    struct update u = pressed("own");
    u.words = "gpt-6-luna";
    has_access(u, "closed");
    u.user = FRIEND;
    has_access(u, NULL);
}

static void only_administrators_decide_about_others(void **state) {
    static const char *const buttons[][2] = { { "grant", "guest" }, { "limit", "0.50" } };
    for (int i = 0; i < 2; i++) {
        struct update u = pressed(buttons[i][0]);
        u.target = "5001";
        u.choice = buttons[i][1];
        struct route r = route_of(&u);
        assert_int_equal(r.fate, FATE_PRESS);
        assert_string_equal(r.line, "not_yours");
        u.user = ADMIN;
        r = route_of(&u);
        assert_int_equal(r.fate, FATE_LINE);
        assert_string_equal(r.kind, KIND_SET);
        assert_int_equal(r.grants, 5001);
        assert_string_equal(r.set, i ? "user:5001 daily_budget_nusd 500000000" : "user:5001 role guest");
        u.choice = "admin";
        assert_int_equal(route_of(&u).fate, FATE_PRESS);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(words_are_a_question, open_to_all),
        cmocka_unit_test_setup(only_administrators_decide_about_others, open_to_all),
        cmocka_unit_test_setup(commands_are_known_however_they_are_written, open_to_all),
        cmocka_unit_test_setup(commands_in_groups, open_to_all),
        cmocka_unit_test_setup(forwarded_words_are_not_orders, open_to_all),
        cmocka_unit_test_setup(in_groups_it_answers_whoever_speaks_to_it, open_to_all),
        cmocka_unit_test_setup(every_content_is_answered_or_not_worth_a_word, open_to_all),
        cmocka_unit_test_setup(files_are_questions_for_media, open_to_all),
        cmocka_unit_test_setup(words_about_a_file_take_it_along, open_to_all),
        cmocka_unit_test_setup(an_edited_text_is_a_question_and_nothing_else_edited_is, open_to_all),
        cmocka_unit_test_setup(the_stop_button_of_a_draft_stops, open_to_all),
        cmocka_unit_test_setup(every_press_is_answered, open_to_all),
        cmocka_unit_test_setup(a_chat_that_is_gone_and_back, open_to_all),
        cmocka_unit_test_setup(a_group_moves_from_one_number_to_another, open_to_all),
        cmocka_unit_test_setup(bots_and_nonsense_are_ignored, open_to_all),
        cmocka_unit_test_setup(a_stranger_is_known_as_one_and_an_administrator_never, for_friends),
        cmocka_unit_test_setup(about_a_stranger_somebody_is_asked_in_private, where_one_asks),
        cmocka_unit_test_setup(in_a_group_those_may_who_may_anyhow, for_friends),
        cmocka_unit_test_setup(a_listed_group_is_open_and_the_others_are_closed, in_one_group),
        cmocka_unit_test_setup(the_language_follows_the_setting_or_the_user, for_friends),
        cmocka_unit_test_setup(help_names_what_its_reader_may_use_and_nothing_else, open_to_all),
        cmocka_unit_test_setup(help_names_what_its_reader_may_use_and_nothing_else, open_with_models),
        cmocka_unit_test_setup(without_the_setting_nobody_has_a_model_of_his_own, open_to_all),
        cmocka_unit_test_setup(with_it_everybody_chooses_for_himself, open_with_models),
        cmocka_unit_test_setup(who_may_not_talk_does_not_choose, for_friends_with_models),
        cmocka_unit_test_setup(menus_have_words_for_their_commands, open_to_all),
        cmocka_unit_test_setup(a_text_that_an_app_may_have_cut_stays_open, open_to_all),
        cmocka_unit_test_setup(who_may_join_whom, open_to_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
