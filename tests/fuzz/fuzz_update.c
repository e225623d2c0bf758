/* Any bytes as an update: read or refused, decided, and what comes out may be written anywhere. */
#include <string.h>
#include "ingest/fields.h"
#include "services/settings.h"
#include "services/utf8.h"
#include "tests/fuzz/fuzz.h"

static void read_settings(void) {
    static bool done;
    if (done)
        return;
    setenv("BOT_TOKEN", "1:demo", 1);
    setenv("ADMIN_ID", "1", 1);
    setenv("ALLOWED_USER_IDS", "*", 1);
    setenv("ALLOWED_CHAT_IDS", "*", 1);
    setenv("UI_LANG", "auto", 1);
    CHECK(settings_read(FOR_INGEST, stderr) == 0);
    done = true;
}

static void check_text(const char *text, size_t max) {
    CHECK(text && strlen(text) <= max && utf8_valid(text, strlen(text)));
}

static void check_file(const struct attachment *a) {
    if (!a->id)
        return;
    CHECK(*a->id && *a->kind && *attachment_job(a) && a->bytes >= 0 && a->seconds >= 0);
    check_text(a->id, 256);
    check_text(a->name, 256);
    check_text(a->type, 128);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    read_settings();
    struct arena *mem = arena_new();
    cJSON *json = json_parse((const char *)data, len);
    struct update u;
    if (!update_read(mem, json, &u)) {
        cJSON_Delete(json); /* nothing of u is borrowed from it */
        json = NULL;
        CHECK(u.id >= 0 && (u.user >= 0 || u.as_chat) && u.message >= 0 && u.topic >= 0 && u.asked >= 0);
        check_text(u.text, UPDATE_TEXT_MAX);
        check_text(u.name, UPDATE_NAME_MAX);
        check_text(u.language, 16);
        check_text(u.said, UPDATE_TEXT_MAX);
        check_text(u.reply, UPDATE_CONTEXT_MAX);
        check_text(u.reply_name, UPDATE_NAME_MAX);
        check_text(u.quote, UPDATE_CONTEXT_MAX);
        check_text(u.forward, UPDATE_NAME_MAX);
        check_text(u.album, UPDATE_ID_MAX);
        check_text(u.callback, UPDATE_ID_MAX);
        check_text(u.target, UPDATE_ID_MAX);
        struct route r = route_of(&u);
        CHECK(r.fate != FATE_ASK || ((*u.text || u.file.id) && u.chat && r.kind && r.first));
        check_file(&u.file);
        check_file(&u.answered);
        CHECK((r.fate != FATE_LINE && r.fate != FATE_REFUSE) || ((r.line || r.first) && u.chat));
        CHECK(*route_word(r.fate));
        struct args args = { 0 };
        fields_add(&args, &u, &r, 1);
        char gather[UPDATE_ID_MAX + 16];
        fields_gather(&u, &r, gather, sizeof gather);
        check_text(gather, UPDATE_ID_MAX + 6);
        args_done(&args);
        (void)strlen(route_language(&u));
    }
    int64_t id = 0;
    CHECK(!update_id_in((const char *)data, len, &id) || id >= 0);
    cJSON_Delete(json);
    arena_free(mem);
    return 0;
}
