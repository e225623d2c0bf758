/* Whom the settings let in by themselves: ADMIN_ID, ALLOWED_USER_IDS, ACCESS. A role that an administrator has given goes before that,
 * but for administrators themselves. */
#ifndef SERVICES_ACCESS_H
#define SERVICES_ACCESS_H
#include <stdbool.h>
#include <stdint.h>

bool access_is_admin(int64_t user);
bool access_is_open_to(int64_t user);    /* administrators included */

#endif
