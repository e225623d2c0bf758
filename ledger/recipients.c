#include "ledger/recipients.h"

#include <string.h>

#include "services/access.h"

/* A role that an administrator has given goes before what the settings say, as where a question is accepted. */
static bool may_talk(const struct correspondent *c) {
    if (*c->role && !access_is_admin(c->user))
        return strcmp(c->role, "blocked") != 0;
    return access_is_open_to(c->user);
}

static bool on_counted(const struct correspondent *c, void *owner) {
    int64_t *count = owner;
    *count += may_talk(c);
    return true;
}

int recipients_count(struct sums *s, int64_t *ret_count, char problem[STORE_PROBLEM]) {
    *ret_count = 0;
    return sums_correspondents(s, 0, on_counted, ret_count, problem);
}

struct taking { int64_t *users; int count, most; bool last; };

static bool on_taken(const struct correspondent *c, void *owner) {
    struct taking *t = owner;
    if (!may_talk(c))
        return true;
    t->last = t->count < t->most;        /* there is one more than there is room for */
    if (t->last)
        t->users[t->count++] = c->user;
    return t->last;
}

int recipients_next(struct sums *s, int64_t after, int most, int64_t *ret_users, int *ret_count, bool *ret_last, char problem[STORE_PROBLEM]) {
    struct taking t = { ret_users, 0, most, true };
    int r = sums_correspondents(s, after, on_taken, &t, problem);
    *ret_count = t.count;
    *ret_last = t.last;
    return r;
}
