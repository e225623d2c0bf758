/* What an administrator wants of somebody, in words: "7001 day 0.50", "guest month none", "7001 role blocked". */
#ifndef INGEST_PEOPLE_H
#define INGEST_PEOPLE_H
#include <stdbool.h>
#include <stdint.h>

enum { PEOPLE_SET_MOST = 96 };
enum people { PEOPLE_LIST, PEOPLE_CARD, PEOPLE_SET, PEOPLE_NONSENSE };

/* `words` is what stands behind /user. `replied` is the user whose message it answers (0: none); his id may be left out then.
 * *ret_user: of PEOPLE_CARD, whose. ret_set: of PEOPLE_SET, "<hash> <field> <value>" for the ledger. */
enum people people_read(const char *words, int64_t replied, int64_t *ret_user, char ret_set[PEOPLE_SET_MOST]);
/* What the buttons "grant <user> <role>" and "limit <user> <dollars a day>" set. False: it is no such button. */
bool people_grant(const char *user, const char *role, int64_t *ret_user, char ret_set[PEOPLE_SET_MOST]);
bool people_limit(const char *user, const char *usd, int64_t *ret_user, char ret_set[PEOPLE_SET_MOST]);

#endif
