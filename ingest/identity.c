#include "ingest/identity.h"
#include <stdio.h>
#include <stdlib.h>
#include "services/settings.h"

static char username[65];                /* Telegram allows 32 */
static int64_t id;
static bool asked;

int64_t identity_id(void) {
    return id ? id : strtoll(setting_text("BOT_TOKEN"), NULL, 10);
}

const char *identity_username(void) {
    return username;
}

bool identity_was_asked(void) {
    return asked;
}

bool identity_is_known(void) {
    return *username;
}

bool identity_learn(const cJSON *user) {
    const char *name = json_get_str(user, "username");
    asked = true;
    if (!name || !*name || !json_get_i64(user, "id", &id))
        return false;
    snprintf(username, sizeof username, "%s", name);
    return true;
}
