#include <stdlib.h>
#include <string.h>
#include "ingest/commands.h"
#include "ingest/menus.h"
#include "services/texts.h"
#include "services/utf8.h"
#include "tests/unit/unit.h"

static uv_loop_t loop;
static struct svc svc = { .loop = &loop, .prefix = "gpttg:" };

static int setup(void **state) {
    return uv_loop_init(&loop);
}

static int teardown(void **state) {
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static struct menus *in(const char *lang, const char *admins) {
    for (const struct setting *s = settings_table; s->name; s++)
        unsetenv(s->name);
    setenv("BOT_TOKEN", "99:demo", 1);
    setenv("ADMIN_ID", admins, 1);
    setenv("UI_LANG", lang, 1);
    assert_int_equal(settings_read(FOR_INGEST, stderr), 0);
    return menus_new(&svc);
}

static const char *body_of(const struct menus *m, const char *field) {
    const char *body, *found;
    for (size_t i = 0; (found = menus_at(m, i, &body)); i++)
        if (!strcmp(found, field))
            return body;
    fail_msg("no menu %s", field);
    return NULL;
}

static size_t how_many(const struct menus *m) {
    const char *body;
    size_t n = 0;
    while (menus_at(m, n, &body))
        n++;
    return n;
}

static void one_language_has_one_menu_per_scope(void **state) {
    struct menus *m = in("en", "1,77");
    assert_int_equal(how_many(m), 4);
    assert_non_null(strstr(body_of(m, "default:"), "{\"command\":\"help\",\"description\":\"What I can do\"}"));
    assert_non_null(strstr(body_of(m, "chat:77:"), "\"scope\":{\"type\":\"chat\",\"chat_id\":77}"));
    assert_null(strstr(body_of(m, "default:"), "language_code"));
    menus_free(m);
    m = in("ru", "1");
    assert_int_equal(how_many(m), 3);
    assert_non_null(strstr(body_of(m, "all_group_chats:"), "Остановить ответ"));
    menus_free(m);
}

static void auto_has_english_for_all_and_both_by_name(void **state) {
    struct menus *m = in("auto", "1");
    assert_int_equal(how_many(m), 9);
    assert_non_null(strstr(body_of(m, "default:"), "Stop the answer"));
    assert_non_null(strstr(body_of(m, "default:ru"), "\"language_code\":\"ru\""));
    assert_non_null(strstr(body_of(m, "chat:1:en"), "Stop the answer"));
    menus_free(m);
}

static void only_administrators_see_theirs(void **state) {
    struct menus *m = in("en", "1");
    assert_non_null(strstr(body_of(m, "chat:1:"), "\"setmodel\""));
    assert_non_null(strstr(body_of(m, "chat:1:"), "\"help\""));
    assert_null(strstr(body_of(m, "default:"), "setmodel"));
    assert_null(strstr(body_of(m, "all_group_chats:"), "setmodel"));
    menus_free(m);
}

static void a_model_of_ones_own_stands_there_only_where_one_may_choose(void **state) {
    struct menus *m = in("en", "1");
    assert_null(strstr(body_of(m, "default:"), "\"model\""));
    assert_null(strstr(body_of(m, "chat:1:"), "\"model\""));
    menus_free(m);
    setenv("USER_MODELS", "all", 1);
    assert_int_equal(settings_read(FOR_INGEST, stderr), 0);
    m = menus_new(&svc);
    assert_non_null(strstr(body_of(m, "default:"), "{\"command\":\"model\",\"description\":\"The model that answers you\"}"));
    assert_null(strstr(body_of(m, "all_group_chats:"), "\"model\""));
    assert_non_null(strstr(body_of(m, "chat:1:"), "\"model\""));
    menus_free(m);
}

/* Telegram refuses a whole menu for one entry of a wrong form. */
static void each_entry_has_the_form_that_telegram_wants(void **state) {
    for (const struct command *c = commands; c->names; c++) {
        size_t name = strcspn(c->names, " ");
        assert_in_range(name, 1, 32);
        assert_true(strspn(c->names, "abcdefghijklmnopqrstuvwxyz0123456789_") >= name);
        for (enum texts_lang lang = 0; c->menu && lang < TEXTS_LANGS; lang++) {
            const char *text = texts_fixed(lang, c->menu);
            assert_in_range(utf8_units(text, strlen(text)), 1, 256);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_language_has_one_menu_per_scope),
        cmocka_unit_test(auto_has_english_for_all_and_both_by_name),
        cmocka_unit_test(only_administrators_see_theirs),
        cmocka_unit_test(a_model_of_ones_own_stands_there_only_where_one_may_choose),
        cmocka_unit_test(each_entry_has_the_form_that_telegram_wants),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
