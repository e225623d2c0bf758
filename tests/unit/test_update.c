#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ingest/identity.h"
#include "ingest/update.h"
#include "services/settings.h"
#include "services/utf8.h"
#include "tests/unit/unit.h"

#define US "{\"id\":99,\"is_bot\":true,\"first_name\":\"Helper\",\"username\":\"Helper_bot\"}"

static struct arena *mem;

static int open_arena(void **state) {
    mem = arena_new();
    setenv("BOT_TOKEN", "99:demo", 1);
    setenv("ADMIN_ID", "1", 1);
    setenv("MAX_FILE_MB", "1", 1);
    if (settings_read(FOR_INGEST, stderr))
        return -1;
    CLEANUP(json_done) cJSON *us = json_parse(US, strlen(US));
    return identity_learn(us) ? 0 : -1;
}

static int close_arena(void **state) {
    arena_free(mem);
    return 0;
}

static int read_it(const char *text, struct update *u) {
    CLEANUP(json_done) cJSON *json = json_parse(text, strlen(text));
    assert_non_null(json);
    return update_read(mem, json, u);
}

static struct update good(const char *text) {
    struct update u;
    assert_int_equal(read_it(text, &u), 0);
    return u;
}

static void a_text_in_a_private_chat(void **state) {
    struct update u = good(
        "{\"update_id\":823456002,\"message\":{\"message_id\":1002,\"from\":{\"id\":5012345678,\"is_bot\":false,"
        "\"first_name\":\"Ада\",\"language_code\":\"ru\"},\"chat\":{\"id\":5012345678,\"type\":\"private\"},"
        "\"date\":1795001002,\"text\":\"Привет! 👋🏽\"}}");
    assert_int_equal(u.id, 823456002);
    assert_string_equal(u.kind, "message");
    assert_string_equal(u.content, "text");
    assert_int_equal(u.chat, INT64_C(5012345678));
    assert_int_equal(u.user, INT64_C(5012345678));
    assert_int_equal(u.message, 1002);
    assert_int_equal(u.asked, 1795001002);
    assert_int_equal(u.topic, 0);
    assert_string_equal(u.chat_type, "private");
    assert_string_equal(u.text, "Привет! 👋🏽");
    assert_string_equal(u.name, "Ада");
    assert_string_equal(u.language, "ru");
    assert_false(u.from_bot);
}

static void a_topic_counts_only_where_it_is_one(void **state) {
    static const char form[] = "{\"update_id\":1,\"message\":{\"message_id\":2,\"chat\":{\"id\":-100,\"type\":\"supergroup\"},"
                               "\"message_thread_id\":77,%s\"text\":\"x\"}}";
    char text[500];
    snprintf(text, sizeof text, form, "\"is_topic_message\":true,");
    assert_int_equal(good(text).topic, 77);
    snprintf(text, sizeof text, form, ""); /* a thread of answers in a plain group */
    assert_int_equal(good(text).topic, 0);
    snprintf(text, sizeof text, form, "\"is_topic_message\":1,");
    assert_int_equal(good(text).topic, 0);
    assert_int_equal(good("{\"update_id\":1,\"stopped_message_generation\":{\"chat\":{\"id\":5,\"type\":\"private\"},"
                          "\"message_thread_id\":12,\"draft_id\":9}}").topic, 12);
    assert_string_equal(good("{\"update_id\":1,\"stopped_message_generation\":{\"chat\":{\"id\":5,\"type\":\"private\"},\"draft_id\":9}}").target, "9-");
    assert_string_equal(good("{\"update_id\":1,\"stopped_message_generation\":{\"chat\":{\"id\":5,\"type\":\"private\"},\"draft_id\":-9}}").target, "");
}

/* One message of user 7 in that chat, with further fields. */
static struct update message(const char *chat_type, const char *more) {
    char text[4000];
    snprintf(text, sizeof text, "{\"update_id\":1,\"message\":{\"message_id\":20,\"date\":1000,\"chat\":{\"id\":%s,\"type\":\"%s\"},"
             "\"from\":{\"id\":7,\"first_name\":\"Ada\"}%s}}", strcmp(chat_type, "private") ? "-100" : "7", chat_type, more);
    return good(text);
}

static struct update in_group(const char *more) {
    return message("supergroup", more);
}

static void a_press_has_who_pressed_and_where(void **state) {
    struct update u = good("{\"update_id\":1,\"callback_query\":{\"id\":\"2\",\"from\":{\"id\":7},\"message\":{\"message_id\":3,"
                           "\"from\":{\"id\":99,\"is_bot\":true},\"chat\":{\"id\":-5,\"type\":\"supergroup\"},\"text\":\"…\","
                           "\"message_thread_id\":8,\"is_topic_message\":true},\"data\":\"stop 12-34\"}}");
    assert_int_equal(u.user, 7);
    assert_int_equal(u.chat, -5);
    assert_int_equal(u.topic, 8);
    assert_string_equal(u.callback, "2");
    assert_string_equal(u.content, "stop");
    assert_string_equal(u.target, "12-34");
    assert_string_equal(u.text, ""); /* those are our own words */
    assert_false(u.from_bot);
}

static void a_press_on_what_is_not_there_any_more(void **state) {
    struct update u = good("{\"update_id\":1,\"callback_query\":{\"id\":\"2\",\"from\":{\"id\":7},\"data\":\"retry 1-2\","
                           "\"message\":{\"message_id\":3,\"chat\":{\"id\":7,\"type\":\"private\"},\"date\":0}}}");
    assert_string_equal(u.content, "retry");
    assert_int_equal(u.chat, 7);
    u = good("{\"update_id\":1,\"callback_query\":{\"id\":\"2\",\"from\":{\"id\":7},\"data\":\"retry 1-2\",\"inline_message_id\":\"x\"}}");
    assert_string_equal(u.content, "retry");
    assert_int_equal(u.chat, 0);
    assert_int_equal(u.message, 0);
}

static void a_size_is_pressed(void **state) {
    struct update u = good("{\"update_id\":1,\"callback_query\":{\"id\":\"2\",\"from\":{\"id\":7},\"data\":\"size 1-2 1024x1536\"}}");
    assert_string_equal(u.content, "size");
    assert_string_equal(u.target, "1-2");
    assert_string_equal(u.choice, "1024x1536");
    u = good("{\"update_id\":1,\"callback_query\":{\"id\":\"2\",\"from\":{\"id\":7},\"data\":\"asfile 1-2\"}}");
    assert_string_equal(u.content, "asfile");
    assert_string_equal(u.choice, "");
}

static void a_button_of_a_model_says_which(void **state) {
    struct update u = good("{\"update_id\":1,\"callback_query\":{\"id\":\"2\",\"from\":{\"id\":7},\"data\":\"own org/llama-9\"}}");
    assert_string_equal(u.content, "own");
    assert_string_equal(u.words, "org/llama-9");
    u = good("{\"update_id\":1,\"callback_query\":{\"id\":\"2\",\"from\":{\"id\":7},\"data\":\"own\"}}");
    assert_string_equal(u.content, "other");
}

static void a_role_is_pressed(void **state) {
    struct update u = good("{\"update_id\":1,\"callback_query\":{\"id\":\"2\",\"from\":{\"id\":7},\"data\":\"grant 5001 guest\"}}");
    assert_string_equal(u.content, "grant");
    assert_string_equal(u.target, "5001");
    assert_string_equal(u.choice, "guest");
}

static void whose_forwarded_message_is_answered(void **state) {
    struct update u = good("{\"update_id\":1,\"message\":{\"message_id\":3,\"from\":{\"id\":1},\"chat\":{\"id\":1,\"type\":\"private\"},\"date\":1,"
                           "\"text\":\"/user\",\"reply_to_message\":{\"message_id\":2,\"text\":\"hi\",\"from\":{\"id\":1},"
                           "\"forward_origin\":{\"type\":\"user\",\"date\":1,\"sender_user\":{\"id\":5001,\"first_name\":\"Ada\"}}}}}");
    assert_int_equal(u.replied_user, 5001);
    u = good("{\"update_id\":1,\"message\":{\"message_id\":3,\"from\":{\"id\":1},\"chat\":{\"id\":1,\"type\":\"private\"},\"date\":1,"
             "\"text\":\"/user\",\"reply_to_message\":{\"message_id\":2,\"text\":\"hi\",\"from\":{\"id\":1},"
             "\"forward_origin\":{\"type\":\"hidden_user\",\"date\":1,\"sender_user_name\":\"Ada\"}}}}");
    assert_int_equal(u.replied_user, 0);
}

static void a_button_that_is_not_ours_says_nothing(void **state) {
    static const char *const datas[] = {
        "\"stop\"", "\"stop \"", "\"stop  1-2\"", "\"stop 1-2 3\"", "\"stop x\"", "\"stop chat:1\"", "\"\"", "null", "7", "\" 1-2\"",
        "\"grant 1\"", "\"grant 1 GUEST\"", "\"grant x guest\"", "\"grant 1 administrator\"", "\"forget 1 2\"", "\"halt 1-2\"", "\"STOP 1-2\"", "\"size 1-2\"", "\"size 1-2 \"", "\"size 1-2 huge\"", "\"size 1-2 1024x10240\"", "\"again 1-2 8x8\"", "\"stop 11111111111111111111111111111111111111111111111111111111111111111\"",
    };
    for (size_t i = 0; i < sizeof datas / sizeof *datas; i++) {
        char text[400];
        snprintf(text, sizeof text, "{\"update_id\":1,\"callback_query\":{\"id\":\"2\",\"data\":%s}}", datas[i]);
        struct update u = good(text);
        assert_string_equal(u.content, "other");
        assert_string_equal(u.callback, "2");
    }
}

static void a_mention_of_us_is_found_by_utf16_offsets(void **state) {
    static const struct { const char *more; bool us; const char *said; } cases[] = {
        { ",\"text\":\"@helper_bot hi\",\"entities\":[{\"type\":\"mention\",\"offset\":0,\"length\":11}]", true, "hi" },
        { ",\"text\":\"@HELPER_BOT, hi\",\"entities\":[{\"type\":\"mention\",\"offset\":0,\"length\":11}]", true, "hi" },
        { ",\"text\":\"👨‍👩‍👧 я @helper_bot hi\",\"entities\":[{\"type\":\"mention\",\"offset\":11,\"length\":11}]", true, "👨‍👩‍👧 я @helper_bot hi" },
        { ",\"text\":\"@helper_bott hi\",\"entities\":[{\"type\":\"mention\",\"offset\":0,\"length\":12}]", false, "@helper_bott hi" },
        { ",\"text\":\"@helper_bot hi\"", false, "@helper_bot hi" },
        { ",\"text\":\"@helper_bot hi\",\"entities\":[{\"type\":\"mention\",\"offset\":0,\"length\":10}]", false, "@helper_bot hi" },
        { ",\"text\":\"@helper_bot hi\",\"entities\":[{\"type\":\"code\",\"offset\":0,\"length\":11}]", false, "@helper_bot hi" },
        { ",\"text\":\"Helper: hi\",\"entities\":[{\"type\":\"text_mention\",\"offset\":0,\"length\":6,\"user\":{\"id\":99}}]", true, "hi" },
        { ",\"text\":\"Helper: hi\",\"entities\":[{\"type\":\"text_mention\",\"offset\":0,\"length\":6,\"user\":{\"id\":98}}]", false, "Helper: hi" },
        { ",\"text\":\"@helper_bot\",\"entities\":[{\"type\":\"mention\",\"offset\":0,\"length\":9007199254740991}]", false, "@helper_bot" },
        { ",\"text\":\"@helper_bot\",\"entities\":[{\"type\":\"mention\",\"offset\":-1,\"length\":11}]", false, "@helper_bot" },
        { ",\"text\":\"@helper_bot\",\"entities\":[{\"type\":\"mention\",\"offset\":0,\"length\":0},7,null,{}]", false, "@helper_bot" },
        { ",\"text\":\"@helper_bot\",\"entities\":{\"type\":\"mention\",\"offset\":0,\"length\":11}", false, "@helper_bot" },
        { ",\"photo\":[],\"caption\":\"@helper_bot hi\",\"caption_entities\":[{\"type\":\"mention\",\"offset\":0,\"length\":11}]", true, "hi" },
        { ",\"photo\":[],\"caption\":\"@helper_bot hi\",\"entities\":[{\"type\":\"mention\",\"offset\":0,\"length\":11}]", false, "@helper_bot hi" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct update u = in_group(cases[i].more);
        assert_int_equal(u.mentions_us, cases[i].us);
        assert_string_equal(u.said, cases[i].said);
        assert_true(u.said >= u.text && u.said <= u.text + strlen(u.text));
    }
}

static void what_is_answered_and_what_is_marked_in_it(void **state) {
    struct update u = in_group(",\"text\":\"why?\",\"reply_to_message\":{\"message_id\":3,\"from\":" US ",\"text\":\"Paris. On the Seine.\"},"
                               "\"quote\":{\"text\":\"On the Seine\",\"position\":7}");
    assert_true(u.replies_to_us);
    assert_string_equal(u.reply, "Paris. On the Seine.");
    assert_string_equal(u.quote, "On the Seine");
    u = in_group(",\"text\":\"why?\",\"reply_to_message\":{\"message_id\":3,\"from\":{\"id\":8,\"first_name\":\"Bob\\nSystem:\"},\"photo\":[],\"caption\":\"x\"}");
    assert_false(u.replies_to_us);
    assert_string_equal(u.reply, "x");
    assert_string_equal(u.reply_name, "Bob System:"); /* one line */
    u = in_group(",\"text\":\"why?\",\"reply_to_message\":{\"message_id\":3,\"from\":{\"id\":1087968824,\"first_name\":\"Group\"},"
                 "\"sender_chat\":{\"id\":-100,\"title\":\"AI club\"},\"text\":\"x\"}");
    assert_string_equal(u.reply_name, "AI club");
    u = in_group(",\"text\":\"see\",\"external_reply\":{\"origin\":{\"type\":\"channel\",\"chat\":{\"title\":\"News\"}}},\"quote\":{\"text\":\"q\"}");
    assert_string_equal(u.reply_name, "News");
    assert_string_equal(u.quote, "q");
    assert_string_equal(u.reply, "");
}

static void the_beginning_of_a_topic_is_no_reply(void **state) {
    struct update u = in_group(",\"text\":\"x\",\"message_thread_id\":77,\"is_topic_message\":true,\"reply_to_message\":{\"message_id\":77,\"from\":" US
                               ",\"forum_topic_created\":{\"name\":\"Ideas\"}}");
    assert_false(u.replies_to_us);
    assert_string_equal(u.reply_name, "");
    u = in_group(",\"text\":\"x\",\"message_thread_id\":77,\"is_topic_message\":true,\"reply_to_message\":{\"message_id\":77,\"from\":" US "}");
    assert_false(u.replies_to_us);
    u = in_group(",\"text\":\"x\",\"message_thread_id\":77,\"is_topic_message\":true,\"reply_to_message\":{\"message_id\":78,\"from\":" US "}");
    assert_true(u.replies_to_us);
}

static void whose_words_were_forwarded(void **state) {
    static const struct { const char *more, *name; } cases[] = {
        { "", "" },
        { ",\"forward_origin\":{\"type\":\"user\",\"sender_user\":{\"first_name\":\"Bob\"}}", "Bob" },
        { ",\"forward_origin\":{\"type\":\"hidden_user\",\"sender_user_name\":\"Someone\"}", "Someone" },
        { ",\"forward_origin\":{\"type\":\"chat\",\"sender_chat\":{\"title\":\"Team\"}}", "Team" },
        { ",\"forward_origin\":{\"type\":\"channel\",\"chat\":{\"title\":\"News\"}}", "News" },
        { ",\"forward_origin\":{}", "?" }, { ",\"forward_origin\":[1]", "?" },
        { ",\"forward_date\":5,\"forward_from\":{\"first_name\":\"Bob\"}", "Bob" },
        { ",\"forward_date\":5,\"forward_sender_name\":\"Someone\"", "Someone" },
        { ",\"forward_date\":5,\"forward_from_chat\":{\"title\":\"News\"}", "News" },
        { ",\"forward_date\":5", "?" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char more[300];
        snprintf(more, sizeof more, ",\"text\":\"x\"%s", cases[i].more);
        assert_string_equal(message("private", more).forward, cases[i].name);
    }
}

static void who_speaks_as_a_chat_is_that_chat(void **state) {
    struct update u = good("{\"update_id\":1,\"message\":{\"message_id\":2,\"chat\":{\"id\":-100,\"type\":\"supergroup\"},\"text\":\"x\","
                           "\"from\":{\"id\":1087968824,\"is_bot\":true,\"first_name\":\"Group\"},\"sender_chat\":{\"id\":-100,\"title\":\"AI club\"}}}");
    assert_true(u.as_chat);
    assert_int_equal(u.user, -100);
    assert_string_equal(u.name, "AI club");
    assert_false(u.from_bot);
    u = in_group(",\"text\":\"post\",\"sender_chat\":{\"id\":-200,\"title\":\"News\"},\"is_automatic_forward\":true");
    assert_true(u.automatic);
}

static void what_we_are_in_a_chat_now(void **state) {
    static const struct { const char *status, *content; } cases[] = {
        { "\"kicked\"", "kicked" }, { "\"left\"", "left" }, { "\"member\"", "member" }, { "\"administrator\"", "administrator" },
        { "\"restricted\",\"is_member\":true,\"can_send_messages\":true", "restricted" }, { "\"restricted\",\"is_member\":true", "silenced" }, { "\"restricted\",\"is_member\":false", "left" }, { "\"king\"", "other" }, { "7", "other" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        snprintf(text, sizeof text, "{\"update_id\":1,\"my_chat_member\":{\"chat\":{\"id\":7,\"type\":\"private\"},\"from\":{\"id\":7},"
                 "\"new_chat_member\":{\"status\":%s}}}", cases[i].status);
        assert_string_equal(good(text).content, cases[i].content);
        assert_int_equal(good(text).chat, 7);
    }
    assert_string_equal(good("{\"update_id\":1,\"my_chat_member\":{}}").content, "other");
}

static void a_group_that_moves(void **state) {
    struct update u = in_group(",\"migrate_to_chat_id\":-1005566778899");
    assert_int_equal(u.moved_from, -100);
    assert_int_equal(u.moved_to, INT64_C(-1005566778899));
    u = in_group(",\"migrate_from_chat_id\":-4123456789");
    assert_int_equal(u.moved_from, INT64_C(-4123456789));
    assert_int_equal(u.moved_to, -100);
    assert_int_equal(in_group(",\"migrate_to_chat_id\":\"-5\"").moved_to, 0);
}

static void an_edit_is_as_old_as_its_change(void **state) {
    struct update u = good("{\"update_id\":1,\"edited_message\":{\"message_id\":2,\"chat\":{\"id\":7,\"type\":\"private\"},\"date\":1000,"
                           "\"edit_date\":5000,\"text\":\"x\"}}");
    assert_string_equal(u.kind, "edited_message");
    assert_int_equal(u.asked, 5000);
    assert_int_equal(u.user, 7); /* a private chat has the number of its user */
}

static void odds_and_ends_of_a_message(void **state) {
    struct update u = in_group(",\"photo\":[],\"media_group_id\":\"13877001234567890\",\"caption\":\"c\"");
    assert_string_equal(u.album, "13877001234567890");
    assert_string_equal(u.text, "c");
    assert_true(in_group(",\"text\":\"x\",\"via_bot\":" US).from_bot);
    assert_false(in_group(",\"text\":\"x\",\"via_bot\":{\"id\":98}").from_bot);
    assert_true(in_group(",\"text\":\"x\",\"ephemeral_message_id\":5").secret);
    char more[9000] = ",\"text\":\"x\",\"quote\":{\"text\":\"";
    for (size_t at = strlen(more); at < 8000; at += 2)
        strcpy(more + at, "я");
    strcat(more, "\"}");
    char text[9500];
    snprintf(text, sizeof text, "{\"update_id\":1,\"message\":{\"message_id\":20%s}}", more);
    u = good(text);
    assert_int_equal(strlen(u.quote), UPDATE_CONTEXT_MAX);
    assert_true(utf8_valid(u.quote, strlen(u.quote)));
}

static void what_makes_no_sense_is_not_there(void **state) {
    static const char *const texts[] = {
        "{\"update_id\":5}",
        "{\"update_id\":5,\"message\":null}",
        "{\"update_id\":5,\"message\":[]}",
        "{\"update_id\":5,\"message\":\"hello\"}",
        "{\"update_id\":5,\"message\":{}}",
        "{\"update_id\":5,\"message\":{\"message_id\":null,\"chat\":null,\"from\":null,\"date\":null,\"text\":null}}",
        "{\"update_id\":5,\"message\":{\"message_id\":\"7\",\"chat\":7,\"from\":[],\"date\":\"now\",\"text\":{}}}",
        "{\"update_id\":5,\"message\":{\"message_id\":1e99,\"chat\":{\"id\":1.5,\"type\":3},\"from\":{\"id\":-1},\"date\":-1}}",
        "{\"update_id\":5,\"message\":{\"message_id\":[1],\"chat\":{\"id\":{}},\"is_topic_message\":\"yes\",\"message_thread_id\":-4}}",
        "{\"update_id\":5,\"message\":{\"message_id\":0,\"chat\":{\"id\":9007199254740993123}}}",
        "{\"update_id\":5,\"callback_query\":{\"message\":\"gone\"}}",
        "{\"update_id\":5,\"no_such_kind_yet\":{\"chat\":{\"id\":1}}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct update u = good(texts[i]);
        assert_int_equal(u.id, 5);
        assert_int_equal(u.chat, 0);
        assert_int_equal(u.user, 0);
        assert_int_equal(u.message, 0);
        assert_int_equal(u.asked, 0);
        assert_int_equal(u.topic, 0);
        assert_string_equal(u.text, "");
        assert_string_equal(u.content, strcmp(u.kind, "callback_query") ? "" : "other");
        assert_string_equal(u.chat_type, "");
    }
    assert_string_equal(good(texts[0]).kind, "unknown");
    assert_string_equal(good(texts[1]).kind, "unknown"); /* null counts as missing */
    assert_string_equal(good(texts[2]).kind, "message");
}

static void without_an_id_it_is_no_update(void **state) {
    static const char *const texts[] = {
        "{}", "[]", "null", "7", "\"update_id\"", "{\"update_id\":null}", "{\"update_id\":\"5\"}", "{\"update_id\":-1}",
        "{\"update_id\":1.5}", "{\"update_id\":1e300}", "{\"update_id\":[5]}", "{\"Update_id\":5}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct update u = { .id = 77 };
        assert_int_equal(read_it(texts[i], &u), -EINVAL);
        assert_int_equal(u.id, 77); /* untouched */
    }
    struct update u;
    assert_int_equal(update_read(mem, NULL, &u), -EINVAL);
}

static void what_a_message_consists_of(void **state) {
    static const struct { const char *field, *content; } kinds[] = {
        { "\"photo\":[{\"file_id\":\"A\"}]", "photo" }, { "\"voice\":{\"file_id\":\"A\"}", "voice" }, { "\"document\":{\"file_id\":\"A\"}", "document" },
        { "\"animation\":{\"file_id\":\"A\"},\"document\":{}", "animation" }, { "\"sticker\":{\"file_id\":\"A\"}", "sticker" },
        { "\"sticker\":{\"file_id\":\"A\",\"is_video\":true}", "moving_sticker" }, { "\"sticker\":{\"is_animated\":true}", "moving_sticker" },
        { "\"photo\":[{}]", "other" }, { "\"photo\":[]", "other" }, { "\"voice\":{}", "other" }, { "\"voice\":[]", "other" },
        { "\"voice\":{\"file_id\":7}", "other" }, { "\"voice\":{\"file_id\":\"../../x\"}", "other" }, { "\"video\":{\"file_id\":\"\"}", "other" },
        { "\"text\":\"x\"", "text" }, { "\"text\":\"\"", "other" }, { "\"text\":7", "other" },
        { "\"text\":null,\"voice\":{\"file_id\":\"A\"}", "voice" }, { "\"paid_media\":{}", "paid_media" },
        { "\"something_new\":{}", "other" }, { "\"migrate_to_chat_id\":-1", "migrate_to_chat_id" },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char text[300];
        snprintf(text, sizeof text, "{\"update_id\":1,\"message\":{\"message_id\":2,%s}}", kinds[i].field);
        assert_string_equal(good(text).content, kinds[i].content);
    }
}

static void what_a_file_says_of_itself(void **state) {
    struct attachment f = in_group(",\"document\":{\"file_id\":\"BQ-c_1\",\"file_name\":\"a\\nb.pdf\",\"mime_type\":\"application/pdf\",\"file_size\":77}").file;
    assert_string_equal(f.id, "BQ-c_1");
    assert_string_equal(f.kind, "document");
    assert_string_equal(f.name, "a b.pdf");
    assert_string_equal(f.type, "application/pdf");
    assert_int_equal(f.bytes, 77);
    f = in_group(",\"video_note\":{\"file_id\":\"A\",\"duration\":12,\"file_size\":-1}").file;
    assert_string_equal(f.kind, "video_note");
    assert_int_equal(f.seconds, 12);
    assert_int_equal(f.bytes, 0);
    assert_string_equal(f.name, "");
    assert_null(in_group(",\"text\":\"x\"").file.id);
    static const struct { const char *kind, *job; } jobs[] = {
        { "voice", "voice" }, { "audio", "voice" }, { "video_note", "voice" }, { "video", "voice" }, { "document", "document" },
        { "animation", "document" }, { "sticker", "photo" },
    };
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        char more[100];
        snprintf(more, sizeof more, ",\"%s\":{\"file_id\":\"A\"}", jobs[i].kind);
        f = in_group(more).file;
        assert_string_equal(f.kind, jobs[i].kind);
        assert_string_equal(attachment_job(&f), jobs[i].job);
    }
}

static void the_largest_picture_that_may_be_taken(void **state) {
    static const struct { const char *message, *id; } cases[] = {
        { ",\"photo\":[{\"file_id\":\"S\",\"width\":90,\"height\":60},{\"file_id\":\"L\",\"width\":1280,\"height\":960}]", "L" },
        { ",\"photo\":[{\"file_id\":\"L\",\"width\":1280,\"height\":960},{\"file_id\":\"S\",\"width\":90,\"height\":60}]", "L" },
        { ",\"photo\":[{\"file_id\":\"S\",\"width\":90,\"height\":60},{\"file_id\":\"L\",\"width\":1280,\"height\":960,\"file_size\":1048577}]", "S" },
        { ",\"photo\":[{\"file_id\":\"S\",\"file_size\":2000000},{\"file_id\":\"L\",\"file_size\":3000000}]", "S" },
        { ",\"photo\":[{\"file_id\":\"A\"},{\"file_id\":\"B\"}]", "B" },
        { ",\"photo\":[{\"file_id\":\"S\",\"width\":90,\"height\":60},{\"file_id\":\"L\",\"width\":1280,\"height\":9007199254740990}]", "L" },
        { ",\"live_photo\":{\"file_id\":\"V\",\"photo\":[{\"file_id\":\"P\"}]}", "P" },
        { ",\"live_photo\":{\"file_id\":\"V\"},\"photo\":[{\"file_id\":\"P\"}]", "P" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct attachment f = in_group(cases[i].message).file;
        assert_string_equal(f.id, cases[i].id);
        assert_string_equal(f.kind, "photo");
        assert_string_equal(attachment_job(&f), "photo");
    }
}

static void the_file_of_what_is_answered(void **state) {
    struct update u = in_group(",\"text\":\"what is it?\",\"reply_to_message\":{\"message_id\":3,\"from\":{\"id\":8},\"photo\":[{\"file_id\":\"P\"}]}");
    assert_string_equal(u.answered.id, "P");
    assert_null(u.file.id);
    u = in_group(",\"text\":\"what is it?\",\"external_reply\":{\"origin\":{},\"document\":{\"file_id\":\"D\"}}");
    assert_string_equal(u.answered.kind, "document");
    assert_null(in_group(",\"text\":\"x\",\"reply_to_message\":{\"message_id\":3,\"from\":{\"id\":8},\"sticker\":{\"file_id\":\"P\",\"is_video\":true}}").answered.id);
    assert_null(in_group(",\"text\":\"x\",\"reply_to_message\":{\"message_id\":3,\"from\":{\"id\":8},\"text\":\"y\"}").answered.id);
}

static void text_is_valid_utf8_whatever_came(void **state) {
    struct update u = good("{\"update_id\":1,\"message\":{\"message_id\":2,\"text\":\"a\xff\xfe\xc3(\xf0\x9f\x91\"}}");
    assert_true(utf8_valid(u.text, strlen(u.text)));
    assert_int_equal(u.text[0], 'a');
    u = good("{\"update_id\":1,\"message\":{\"message_id\":2,\"text\":\"\\ud83d\\ude00 \\ud83d \\u0000 end\"}}");
    assert_true(utf8_valid(u.text, strlen(u.text)));
    assert_memory_equal(u.text, "😀 ", 5);
    assert_non_null(strstr(u.text, " end")); /* nothing was cut at the NUL */
}

static void a_hundred_kilobytes_are_read_and_more_is_cut(void **state) {
    size_t size = 4 << 20;
    char *text = malloc(size + 200);
    for (size_t len = 100 << 10;; len = size) {
        int at = sprintf(text, "{\"update_id\":1,\"message\":{\"message_id\":2,\"from\":{\"id\":3,\"first_name\":\"");
        memset(text + at, 'n', 1000);
        at += 1000;
        at += sprintf(text + at, "\"},\"text\":\"");
        for (size_t i = 0; i + 2 <= len - 2000; i += 2)
            at += sprintf(text + at, "\xd1\x8f");
        strcpy(text + at, "\"}}");
        struct update u = good(text);
        assert_true(utf8_valid(u.text, strlen(u.text)));
        assert_int_equal(strlen(u.text), len < size ? len - 2000 : UPDATE_TEXT_MAX);
        assert_int_equal(strlen(u.name), UPDATE_NAME_MAX);
        if (len == size)
            break;
    }
    free(text);
}

static void an_id_is_found_in_what_cannot_be_parsed(void **state) {
    static const struct { const char *text; int64_t id; } cases[] = {
        { "{\"ok\":true,\"result\":[{\"update_id\":823456002,\"message\":{\"te", 823456002 },
        { "{\"ok\":true,\"result\":[{\n \"update_id\" : 7 ,", 7 },
        { "{\"ok\":true,\"result\":[{\"update_id\":82345", -1 }, /* there may be more digits */
        { "{\"ok\":true,\"result\":[{\"update_id\":\"82345\",", -1 },
        { "{\"ok\":true,\"result\":[{\"update_id\":-5,", -1 },
        { "{\"update_id", -1 },
        { "{\"update_id\"", -1 },
        { "", -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t id = -1;
        assert_int_equal(update_id_in(cases[i].text, strlen(cases[i].text), &id), cases[i].id >= 0);
        assert_int_equal(id, cases[i].id);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_text_in_a_private_chat, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(a_topic_counts_only_where_it_is_one, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(a_press_has_who_pressed_and_where, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(a_press_on_what_is_not_there_any_more, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(a_size_is_pressed, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(a_role_is_pressed, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(whose_forwarded_message_is_answered, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(a_button_that_is_not_ours_says_nothing, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(a_mention_of_us_is_found_by_utf16_offsets, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(what_is_answered_and_what_is_marked_in_it, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(the_beginning_of_a_topic_is_no_reply, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(a_button_of_a_model_says_which, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(whose_words_were_forwarded, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(who_speaks_as_a_chat_is_that_chat, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(what_we_are_in_a_chat_now, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(a_group_that_moves, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(an_edit_is_as_old_as_its_change, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(odds_and_ends_of_a_message, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(what_makes_no_sense_is_not_there, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(without_an_id_it_is_no_update, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(what_a_message_consists_of, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(what_a_file_says_of_itself, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(the_largest_picture_that_may_be_taken, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(the_file_of_what_is_answered, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(text_is_valid_utf8_whatever_came, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(a_hundred_kilobytes_are_read_and_more_is_cut, open_arena, close_arena),
        cmocka_unit_test(an_id_is_found_in_what_cannot_be_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
