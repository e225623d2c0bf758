#include "services/access.h"

#include <string.h>

#include "services/settings.h"

bool access_is_admin(int64_t user) {
    return setting_has_id("ADMIN_ID", user);
}

/* `*` means everybody only where nobody has to ask. */
bool access_is_open_to(int64_t user) {
    if (access_is_admin(user))
        return true;
    bool all = !strcmp(setting_text("ALLOWED_USER_IDS"), "*");
    return all ? !strcmp(setting_text("ACCESS"), "open") : setting_has_id("ALLOWED_USER_IDS", user);
}
