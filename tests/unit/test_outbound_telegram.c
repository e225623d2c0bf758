#include <stdlib.h>
#include <string.h>
#include "outbound/telegram.h"
#include "services/multipart.h"
#include "proto/cleanup.h"
#include "proto/json.h"
#include "tests/unit/unit.h"

static struct telegram_verdict judge(enum telegram_method method, int status, const char *body) {
    struct http_result r = {.fate = HTTP_ANSWERED, .status = status, .retry_after_ms = -1, .should_retry = -1};
    buf_init(&r.body, 100000);
    (void)buf_add_str(&r.body, body);
    struct telegram_verdict v = telegram_judge(method, &r);
    buf_done(&r.body);
    return v;
}

static enum telegram_what what_400(enum telegram_method method, const char *description) {
    char body[400];
    snprintf(body, sizeof body, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: %s\"}", description);
    return judge(method, 400, body).what;
}

static void a_send_that_went_well_tells_its_id(void **state) {
    struct telegram_verdict v = judge(TELEGRAM_SEND, 200, "{\"ok\":true,\"result\":{\"message_id\":77}}");
    assert_int_equal(v.what, TELEGRAM_OK);
    assert_int_equal(v.message_id, 77);
    assert_string_equal(v.why, "");
}

static void a_success_that_cannot_be_read_is_not_known(void **state) {
    assert_int_equal(judge(TELEGRAM_SEND, 200, "{\"ok\":true,\"result\":{\"mess").what, TELEGRAM_UNKNOWN);
    assert_int_equal(judge(TELEGRAM_SEND, 200, "{\"ok\":true,\"result\":true}").what, TELEGRAM_UNKNOWN);
    assert_int_equal(judge(TELEGRAM_SEND, 200, "{\"ok\":true,\"result\":{\"message_id\":\"77\"}}").what, TELEGRAM_UNKNOWN);
    assert_int_equal(judge(TELEGRAM_EDIT, 200, "<html>").what, TELEGRAM_UNKNOWN);
    assert_int_equal(judge(TELEGRAM_EDIT, 200, "{\"ok\":true,\"result\":true}").what, TELEGRAM_OK);
    assert_int_equal(judge(TELEGRAM_TYPING, 200, "{\"ok\":true,\"result\":true}").what, TELEGRAM_OK);
}

static void not_modified_is_success(void **state) {
    assert_int_equal(what_400(TELEGRAM_EDIT, "message is not modified: specified new message content and reply markup are exactly "
                                             "the same as a current content and reply markup of the message"), TELEGRAM_OK);
}

static void a_deleted_message_is_missing_for_an_edit_and_fine_for_a_deletion(void **state) {
    assert_int_equal(what_400(TELEGRAM_EDIT, "message to edit not found"), TELEGRAM_MISSING);
    assert_int_equal(what_400(TELEGRAM_EDIT, "message can't be edited"), TELEGRAM_FIXED);
    assert_int_equal(what_400(TELEGRAM_EDIT, "MESSAGE_ID_INVALID"), TELEGRAM_MISSING);
    assert_int_equal(what_400(TELEGRAM_DELETE, "message to delete not found"), TELEGRAM_OK);
}

static void nobody_there_has_many_names(void **state) {
    assert_int_equal(what_400(TELEGRAM_SEND, "chat not found"), TELEGRAM_GONE);
    assert_int_equal(what_400(TELEGRAM_SEND, "PEER_ID_INVALID"), TELEGRAM_GONE);
    assert_int_equal(what_400(TELEGRAM_SEND, "bot was kicked from the supergroup chat"), TELEGRAM_GONE);
    assert_int_equal(judge(TELEGRAM_SEND, 403, "{\"ok\":false,\"error_code\":403,\"description\":\"Forbidden: bot was blocked by the user\"}").what,
                     TELEGRAM_GONE);
    assert_int_equal(judge(TELEGRAM_SEND, 403, "<html>some box on the way</html>").what, TELEGRAM_UNKNOWN);
}

static void where_we_may_not_write_somebody_is_there_all_the_same(void **state) {
    static const char *const words[] = {"CHAT_WRITE_FORBIDDEN", "have no rights to send a message", "not enough rights to send text messages to the chat",
                                        "CHAT_SEND_PLAIN_FORBIDDEN", "CHAT_RESTRICTED", "need administrator rights in the channel chat"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_int_equal(what_400(TELEGRAM_SEND, words[i]), TELEGRAM_MUTE);
    assert_int_equal(judge(TELEGRAM_SEND, 403, "{\"ok\":false,\"error_code\":403,\"description\":\"Forbidden: CHAT_WRITE_FORBIDDEN\"}").what,
                     TELEGRAM_MUTE);
    assert_int_equal(what_400(TELEGRAM_SEND, "TOPIC_CLOSED"), TELEGRAM_CLOSED);
    assert_int_equal(what_400(TELEGRAM_SEND, "TOPIC_DELETED"), TELEGRAM_NO_TOPIC);
}

static void a_question_that_is_gone_is_told_from_a_message_that_is(void **state) {
    assert_int_equal(what_400(TELEGRAM_SEND, "message to be replied not found"), TELEGRAM_NO_REPLY);
    assert_int_equal(what_400(TELEGRAM_SEND, "reply message not found"), TELEGRAM_NO_REPLY);
    assert_int_equal(what_400(TELEGRAM_EDIT, "message to edit not found"), TELEGRAM_MISSING);
}

static void slow_mode_is_a_pause(void **state) {
    struct telegram_verdict v = judge(TELEGRAM_SEND, 400, "{\"ok\":false,\"description\":\"Bad Request: SLOWMODE_WAIT_37\"}");
    assert_int_equal(v.what, TELEGRAM_PAUSE);
    assert_int_equal(v.wait_ms, 37000);
    v = judge(TELEGRAM_EDIT, 400, "{\"ok\":false,\"description\":\"Too Many Requests: retry after 5\"}");
    assert_int_equal(v.what, TELEGRAM_PAUSE);
    assert_int_equal(v.wait_ms, 5000);
    assert_int_equal(judge(TELEGRAM_SEND, 420, "{\"ok\":false,\"description\":\"FLOOD_WAIT_9\"}").wait_ms, 9000);
    assert_int_equal(judge(TELEGRAM_SEND, 400, "{\"ok\":false,\"description\":\"SLOWMODE_WAIT_X\"}").wait_ms, 1000);
    assert_int_equal(judge(TELEGRAM_SEND, 400, "{\"ok\":false,\"description\":\"FLOOD_WAIT_99999999999999999999\"}").wait_ms, 7LL * 24 * 3600 * 1000);
}

static void a_press_that_is_too_old_is_refused(void **state) {
    assert_int_equal(what_400(TELEGRAM_PRESS, "query is too old and response timeout expired or query ID is invalid"), TELEGRAM_REFUSED);
    assert_int_equal(judge(TELEGRAM_PRESS, 200, "{\"ok\":true,\"result\":true}").what, TELEGRAM_OK);
}

static void what_a_send_may_be_refused_for(void **state) {
    assert_int_equal(what_400(TELEGRAM_SEND, "message is too long"), TELEGRAM_REFUSED);
    assert_int_equal(what_400(TELEGRAM_SEND, "text must be non-empty"), TELEGRAM_REFUSED);
    assert_int_equal(what_400(TELEGRAM_SEND, "something new"), TELEGRAM_REFUSED);
    assert_int_equal(what_400(TELEGRAM_SEND, "message thread not found"), TELEGRAM_NO_TOPIC);
    assert_int_equal(judge(TELEGRAM_SEND, 413, "").what, TELEGRAM_REFUSED);
    assert_non_null(strstr(judge(TELEGRAM_SEND, 400, "{\"ok\":false,\"description\":\"Bad Request: odd\"}").why, "odd"));
}

static void a_group_that_moved_tells_where(void **state) {
    struct telegram_verdict v = judge(TELEGRAM_SEND, 400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: group chat was upgraded "
                                      "to a supergroup chat\",\"parameters\":{\"migrate_to_chat_id\":-1001234567890}}");
    assert_int_equal(v.what, TELEGRAM_MOVED);
    assert_int_equal(v.moved_to, -1001234567890);
}

static void a_pause_is_as_long_as_it_was_said(void **state) {
    assert_int_equal(judge(TELEGRAM_EDIT, 429, "{\"ok\":false,\"parameters\":{\"retry_after\":280}}").wait_ms, 280000);
    assert_int_equal(judge(TELEGRAM_EDIT, 429, "<html>").wait_ms, 1000);
    assert_int_equal(judge(TELEGRAM_EDIT, 429, "{\"ok\":false,\"parameters\":{\"retry_after\":-5}}").wait_ms, 1000);
    assert_int_equal(judge(TELEGRAM_EDIT, 429, "{\"ok\":false,\"parameters\":{\"retry_after\":9000000000}}").wait_ms, 7LL * 24 * 3600 * 1000);
    struct http_result r = {.fate = HTTP_ANSWERED, .status = 429, .retry_after_ms = 3000, .should_retry = -1};
    assert_int_equal(telegram_judge(TELEGRAM_SEND, &r).wait_ms, 3000);
}

static void fates_are_told_apart(void **state) {
    struct http_result r = {.fate = HTTP_NOT_SENT, .retry_after_ms = -1, .reason = "connection refused"};
    assert_int_equal(telegram_judge(TELEGRAM_SEND, &r).what, TELEGRAM_NOT_SENT);
    assert_string_equal(telegram_judge(TELEGRAM_SEND, &r).why, "connection refused");
    r.fate = HTTP_UNKNOWN;
    r.status = 200;
    assert_int_equal(telegram_judge(TELEGRAM_SEND, &r).what, TELEGRAM_UNKNOWN);
    assert_int_equal(judge(TELEGRAM_SEND, 502, "<html>Bad Gateway</html>").what, TELEGRAM_UNKNOWN);
    assert_int_equal(judge(TELEGRAM_SEND, 500, "{\"ok\":false,\"error_code\":500}").what, TELEGRAM_UNKNOWN);
    assert_int_equal(judge(TELEGRAM_SEND, 401, "{\"ok\":false}").what, TELEGRAM_LOCKED_OUT);
    assert_int_equal(judge(TELEGRAM_SEND, 404, "{\"ok\":false}").what, TELEGRAM_LOCKED_OUT);
}

static void bodies_say_what_is_meant(void **state) {
    struct telegram_message m = {.chat = -1001234567890123, .topic = 7, .id = 5, .text = "a\"b\n🙂zzz", .text_len = 8};
    CLEANUP(text_done) char *send = telegram_body(TELEGRAM_SEND, &m);
    assert_string_equal(send, "{\"chat_id\":-1001234567890123,\"message_thread_id\":7,\"text\":\"a\\\"b\\n🙂\","
                              "\"link_preview_options\":{\"is_disabled\":true}}");
    CLEANUP(text_done) char *edit = telegram_body(TELEGRAM_EDIT, &m);
    assert_string_equal(edit, "{\"chat_id\":-1001234567890123,\"message_id\":5,\"text\":\"a\\\"b\\n🙂\","
                              "\"link_preview_options\":{\"is_disabled\":true}}");
    CLEANUP(text_done) char *del = telegram_body(TELEGRAM_DELETE, &m);
    assert_string_equal(del, "{\"chat_id\":-1001234567890123,\"message_id\":5}");
    m.draft = 12;
    CLEANUP(text_done) char *draft = telegram_body(TELEGRAM_DRAFT, &m);
    assert_non_null(strstr(draft, "\"draft_id\":12"));
    assert_non_null(strstr(draft, "\"can_stop\":true"));
    assert_null(strstr(draft, "message_id"));
    assert_null(strstr(draft, "reply"));
    CLEANUP(text_done) char *typing = telegram_body(TELEGRAM_TYPING, &m);
    assert_string_equal(typing, "{\"chat_id\":-1001234567890123,\"message_thread_id\":7,\"action\":\"typing\"}");
}

static void a_picture_has_the_same_as_a_form(void **state) {
    struct telegram_button buttons[] = {{"Again", "again 1-2"}, {"Size", "sizes 1-2"}};
    struct telegram_message m = {.chat = -5, .topic = 7, .reply_to = 77, .text = "a \"cat\"\nzzz", .text_len = 7, .buttons = buttons, .buttons_count = 2, .buttons_in_row = 3};
    struct multipart form;
    multipart_init(&form);
    telegram_form(TELEGRAM_PHOTO, &m, &form);
    char expected[2000];
    const char *b = form.boundary;
    snprintf(expected, sizeof expected,
             "--%s\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n-5\r\n"
             "--%s\r\nContent-Disposition: form-data; name=\"message_thread_id\"\r\n\r\n7\r\n"
             "--%s\r\nContent-Disposition: form-data; name=\"caption\"\r\n\r\na \"cat\"\r\n"
             "--%s\r\nContent-Disposition: form-data; name=\"reply_parameters\"\r\n\r\n{\"message_id\":77,\"allow_sending_without_reply\":true}\r\n"
             "--%s\r\nContent-Disposition: form-data; name=\"reply_markup\"\r\n\r\n{\"inline_keyboard\":[[{\"text\":\"Again\",\"callback_data\":\"again 1-2\"},"
             "{\"text\":\"Size\",\"callback_data\":\"sizes 1-2\"}]]}\r\n", b, b, b, b, b);
    assert_string_equal(buf_cstr(&form.front), expected);
    multipart_done(&form);
}

static void a_picture_may_be_refused_where_words_are_not(void **state) {
    assert_int_equal(what_400(TELEGRAM_PHOTO, "not enough rights to send photos to the chat"), TELEGRAM_REFUSED);
    assert_int_equal(what_400(TELEGRAM_DOCUMENT, "CHAT_SEND_DOCS_FORBIDDEN"), TELEGRAM_REFUSED);
    assert_int_equal(what_400(TELEGRAM_PHOTO, "PHOTO_INVALID_DIMENSIONS"), TELEGRAM_REFUSED);
    assert_int_equal(what_400(TELEGRAM_PHOTO, "chat not found"), TELEGRAM_GONE);
    assert_int_equal(what_400(TELEGRAM_PHOTO, "message to be replied not found"), TELEGRAM_NO_REPLY);
    assert_int_equal(judge(TELEGRAM_PHOTO, 200, "{\"ok\":true,\"result\":{\"message_id\":77}}").message_id, 77);
    assert_int_equal(judge(TELEGRAM_DOCUMENT, 200, "{\"ok\":true,\"result\":true}").what, TELEGRAM_UNKNOWN);
}

static void a_button_goes_with_a_message_and_a_reply_with_a_send(void **state) {
    struct telegram_message m = {.chat = 5, .id = 6, .text = "hi", .text_len = 2, .reply_to = 77,
                                 .buttons = &(struct telegram_button){"⏹", "stop 1-2"}, .buttons_count = 1};
    CLEANUP(text_done) char *send = telegram_body(TELEGRAM_SEND, &m);
    assert_string_equal(send, "{\"chat_id\":5,\"text\":\"hi\",\"link_preview_options\":{\"is_disabled\":true},"
                              "\"reply_parameters\":{\"message_id\":77,\"allow_sending_without_reply\":true},"
                              "\"reply_markup\":{\"inline_keyboard\":[[{\"text\":\"⏹\",\"callback_data\":\"stop 1-2\"}]]}}");
    CLEANUP(text_done) char *edit = telegram_body(TELEGRAM_EDIT, &m);
    assert_null(strstr(edit, "reply_parameters"));
    assert_non_null(strstr(edit, "\"inline_keyboard\""));
}

static void many_buttons_stand_in_rows(void **state) {
    struct telegram_button buttons[] = {{"1", "a"}, {"2", "b"}, {"3", "c"}};
    struct telegram_message m = {.chat = 5, .id = 6, .text = "hi", .text_len = 2, .buttons = buttons, .buttons_count = 3, .buttons_in_row = 2};
    CLEANUP(text_done) char *edit = telegram_body(TELEGRAM_EDIT, &m);
    assert_non_null(strstr(edit, "[[{\"text\":\"1\",\"callback_data\":\"a\"},{\"text\":\"2\",\"callback_data\":\"b\"}],[{\"text\":\"3\",\"callback_data\":\"c\"}]]"));
}

static void a_press_is_answered_with_or_without_words(void **state) {
    struct telegram_message m = {.callback = "4382bfdwdsb323b2d9", .text = "Not yours", .text_len = 3};
    CLEANUP(text_done) char *said = telegram_body(TELEGRAM_PRESS, &m);
    assert_string_equal(said, "{\"callback_query_id\":\"4382bfdwdsb323b2d9\",\"text\":\"Not\"}");
    m.text = NULL;
    CLEANUP(text_done) char *quiet = telegram_body(TELEGRAM_PRESS, &m);
    assert_string_equal(quiet, "{\"callback_query_id\":\"4382bfdwdsb323b2d9\"}");
}

static void an_administrator_has_one_key_more(void **state) {
    struct telegram_message m = {.chat = 5, .text = "hi", .text_len = 2, .keys = TELEGRAM_KEYS_USER};
    CLEANUP(text_done) char *user = telegram_body(TELEGRAM_SEND, &m);
    assert_non_null(strstr(user, "\"keyboard\":[[{\"text\":\"/help\"},{\"text\":\"/img\"}],[{\"text\":\"/stats\"},{\"text\":\"/reset\"}]]"));
    m.keys = TELEGRAM_KEYS_ADMIN;
    CLEANUP(text_done) char *admin = telegram_body(TELEGRAM_SEND, &m);
    assert_non_null(strstr(admin, ",[{\"text\":\"/stat\"}]]"));
}

static int turns;

static void on_turn(struct telegram_call *c) {
    turns++;
}

static void the_last_places_are_for_final_answers(void **state) {
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct telegram *t = telegram_new(&loop, "http://127.0.0.1:9", "1:x", "");
    struct telegram_call calls[TELEGRAM_IN_FLIGHT + 2] = {0};
    unsigned count = 0, open = TELEGRAM_IN_FLIGHT - TELEGRAM_RESERVED;
    turns = 0;
    for (size_t i = 0; i < TELEGRAM_IN_FLIGHT + 2; i++)
        calls[i].on_turn = on_turn;
    while (count < open)
        assert_true(telegram_enter(t, &calls[count++], false));
    assert_false(telegram_has_room(t));
    assert_false(telegram_enter(t, &calls[count++], false));      /* first words wait … */
    while (count < TELEGRAM_IN_FLIGHT + 1)
        assert_true(telegram_enter(t, &calls[count++], true));
    assert_false(telegram_enter(t, &calls[count], true));
    telegram_leave(&calls[0]);                                    /* … while a final answer takes what becomes free */
    assert_int_equal(turns, 1);
    assert_true(calls[count].has_place && calls[open].waits);
    for (unsigned i = 1; i <= TELEGRAM_RESERVED; i++)
        telegram_leave(&calls[i]);
    assert_true(calls[open].waits);
    telegram_leave(&calls[TELEGRAM_RESERVED + 1]);
    assert_false(calls[open].waits);
    for (unsigned i = 0; i <= count; i++)
        telegram_leave(&calls[i]);
    assert_true(telegram_has_room(t));
    telegram_free(t);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_send_that_went_well_tells_its_id),
        cmocka_unit_test(a_success_that_cannot_be_read_is_not_known),
        cmocka_unit_test(not_modified_is_success),
        cmocka_unit_test(a_deleted_message_is_missing_for_an_edit_and_fine_for_a_deletion),
        cmocka_unit_test(nobody_there_has_many_names),
        cmocka_unit_test(where_we_may_not_write_somebody_is_there_all_the_same),
        cmocka_unit_test(a_question_that_is_gone_is_told_from_a_message_that_is),
        cmocka_unit_test(slow_mode_is_a_pause),
        cmocka_unit_test(a_press_that_is_too_old_is_refused),
        cmocka_unit_test(what_a_send_may_be_refused_for),
        cmocka_unit_test(a_group_that_moved_tells_where),
        cmocka_unit_test(a_pause_is_as_long_as_it_was_said),
        cmocka_unit_test(fates_are_told_apart),
        cmocka_unit_test(bodies_say_what_is_meant),
        cmocka_unit_test(many_buttons_stand_in_rows),
        cmocka_unit_test(a_picture_has_the_same_as_a_form),
        cmocka_unit_test(a_picture_may_be_refused_where_words_are_not),
        cmocka_unit_test(a_button_goes_with_a_message_and_a_reply_with_a_send),
        cmocka_unit_test(a_press_is_answered_with_or_without_words),
        cmocka_unit_test(an_administrator_has_one_key_more),
        cmocka_unit_test(the_last_places_are_for_final_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
