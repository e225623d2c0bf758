#include "ingest/commands.h"
#include <string.h>
#include <strings.h>
#include <unicase.h>
#include "proto/keys.h"
#include "services/settings.h"

/* What stands in the ledger's database is answered by it. */
#define LEDGER(question) { FATE_LINE, .kind = KIND_ASK, .first = STREAM_LEDGER, .what = question }

const struct command commands[] = {
    { "help",       "",                         false, IN_BOTH,    { FATE_LINE, .line = "help" },  "menu_help" },
    { "img",        "",                         false, IN_BOTH,    { FATE_ASK, .kind = KIND_IMAGE, .first = STREAM_MEDIA }, "menu_img" },
    { "reset new",  "",                         false, IN_BOTH,    { FATE_NEW },                   "menu_reset" },
    { "cancel stop", "отмена стоп cancel stop", false, IN_BOTH,    { FATE_STOP },                  "menu_cancel" },
    { "files",      "",                         false, IN_BOTH,    { FATE_FILES },                 "menu_files" },
    { "library",    "",                         false, IN_PRIVATE, { FATE_LIBRARY },               "menu_library" },
    { "retry",      "",                         false, IN_BOTH,    { FATE_RETRY },                 "menu_retry" },
    { "model",      "",                         false, IN_PRIVATE, LEDGER("model"),                "menu_model", "USER_MODELS", "model_off_admin" },
    { "stats",      "",                         false, IN_BOTH,    LEDGER("stats"),                "menu_stats" },
    { "forget",     "",                         false, IN_PRIVATE, { FATE_LINE, .line = "forget_ask" }, "menu_forget" },
    { "start",      "",                         false, IN_BOTH,    { FATE_LINE, .line = "start" }, NULL },
    { "stat",       "",                         true,  IN_PRIVATE, LEDGER("stat"),                 "menu_stat" },
    { "export",     "",                         true,  IN_PRIVATE, LEDGER("export"),               "menu_export" },
    { "user",       "",                         true,  IN_PRIVATE, LEDGER("user"),                 "menu_user" },
    { "broadcast",  "",                         true,  IN_PRIVATE, LEDGER("broadcast"),            "menu_broadcast" },
    { "models",     "",                         true,  IN_PRIVATE, LEDGER("models"),               "menu_models" },
    { "setmodel",   "",                         true,  IN_PRIVATE, LEDGER("setmodel"),             "menu_setmodel" },
    { "pricing",    "",                         true,  IN_PRIVATE, LEDGER("pricing"),              "menu_pricing" },
    { "status",     "",                         true,  IN_PRIVATE, LEDGER("status"),               "menu_status" },
    { "dead",       "",                         true,  IN_PRIVATE, LEDGER("dead"),                 "menu_dead" },
    { "limits",     "",                         true,  IN_PRIVATE, LEDGER("limits"),               "menu_limits" },
    { 0 },
};

bool command_is_off(const struct command *c) {
    return c->needs && !setting_is_set(c->needs);
}

bool command_is_for(const struct command *c, bool admin, unsigned where) {
    return (c->where & where) && (admin || !c->admin) && !command_is_off(c);
}

static size_t name_length(const char *text) {
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
}

/* Telegram's own rule for what it shows as a command: /usr/bin, //x and /команда are none, but `/stop.` is. */
bool command_read(const char *text, struct called *ret_called) {
    text += strspn(text, " \t\r\n");
    if (*text != '/')
        return false;
    struct called c = { .name = text + 1, .name_len = name_length(text + 1), .bot = "" };
    const char *end = c.name + c.name_len;
    if (*end == '@' && name_length(end + 1)) {
        c.bot = end + 1;
        c.bot_len = name_length(c.bot);
        end = c.bot + c.bot_len;
    }
    if (!c.name_len || c.name_len > 64 || (*end && strchr("/<>", *end)) || (unsigned char)*end >= 0x80)
        return false;
    *ret_called = c;
    return true;
}

/* Is that one of the words, which blanks divide? Capitals are the same. */
static bool is_among(const char *said, size_t said_len, const char *words) {
    for (; *words; words += strspn(words, " ")) {
        size_t len = strcspn(words, " ");
        int order;
        if (said_len <= 4 * len && /* no need to fold a whole question */
            !u8_casecmp((const uint8_t *)said, said_len, (const uint8_t *)words, len, NULL, NULL, &order) && order == 0)
            return true;
        words += len;
    }
    return false;
}

const struct command *command_named(const char *name, size_t len) {
    for (const struct command *c = commands; c->names; c++)
        if (is_among(name, len, c->names))
            return c;
    return NULL;
}

const struct command *command_meant(const char *text) {
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t len = strlen(text);
    while (len && strchr(blanks, text[len - 1]))
        len--;
    for (const struct command *c = commands; len && c->names; c++)
        if (is_among(text, len, c->words))
            return c;
    return NULL;
}
