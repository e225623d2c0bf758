#include "ingest/people.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/money.h"

enum { WORD_MOST = 32 };

struct words { const char *rest; };

/* The next word, in small letters. False: there is none, or it is too long to be one of ours. */
static bool take(struct words *w, char ret_word[WORD_MOST]) {
    static const char blanks[] = " \t\r\n";
    w->rest += strspn(w->rest, blanks);
    size_t len = strcspn(w->rest, blanks);
    if (!len || len >= WORD_MOST)
        return false;
    for (size_t i = 0; i < len; i++)
        ret_word[i] = w->rest[i] >= 'A' && w->rest[i] <= 'Z' ? (char)(w->rest[i] - 'A' + 'a') : w->rest[i];
    ret_word[len] = '\0';
    w->rest += len;
    return true;
}

static bool is_over(const struct words *w) {
    return !w->rest[strspn(w->rest, " \t\r\n")];
}

static bool is(const char *one, const char *other) {
    return !strcmp(one, other);
}

static bool is_user(const char *word, int64_t *ret_user) {
    if (!*word || strlen(word) > 18 || strspn(word, "0123456789") != strlen(word) || *word == '0')
        return false;
    *ret_user = strtoll(word, NULL, 10);
    return true;
}

/* As `settings` calls it; NULL: no such role. */
static const char *role_in_settings(const char *word) {
    return is(word, "user") ? "USER" : is(word, "guest") ? "GUEST" : is(word, "admin") ? "ADMIN" : NULL;
}

static bool is_role(const char *word) {
    return is(word, "user") || is(word, "guest") || is(word, "blocked");
}

static bool set_role(int64_t user, const char *role, char ret_set[PEOPLE_SET_MOST]) {
    if (!is_role(role) && !is(role, "none"))
        return false;
    snprintf(ret_set, PEOPLE_SET_MOST, "user:%" PRId64 " role %s", user, is(role, "none") ? "" : role);
    return true;
}

/* A limit of a user (`role` NULL), or of a role: there "none" is a value, "default" leaves it to the environment. */
static bool set_limit(int64_t user, const char *role, bool is_day, const char *usd, char ret_set[PEOPLE_SET_MOST]) {
    int64_t nusd;
    char value[MONEY_TEXT] = "";
    if (!money_parse(usd, &nusd))
        snprintf(value, sizeof value, "%" PRId64, nusd);
    else if (!is(usd, "none") && !is(usd, "default"))
        return false;
    else if (role && is(usd, "none"))
        snprintf(value, sizeof value, "none");
    if (role)
        snprintf(ret_set, PEOPLE_SET_MOST, "settings %s_%s_BUDGET_NUSD %s", role, is_day ? "DAILY" : "MONTHLY", value);
    else
        snprintf(ret_set, PEOPLE_SET_MOST, "user:%" PRId64 " %s_budget_nusd %s", user, is_day ? "daily" : "monthly", value);
    return true;
}

enum people people_read(const char *said, int64_t replied, int64_t *ret_user, char ret_set[PEOPLE_SET_MOST]) {
    struct words w = { said };
    char word[WORD_MOST], value[WORD_MOST];
    *ret_user = replied;
    if (is_over(&w))
        return replied ? PEOPLE_CARD : PEOPLE_LIST;
    if (!take(&w, word))
        return PEOPLE_NONSENSE;
    const char *role = role_in_settings(word);
    if (role || is_user(word, ret_user)) {
        if (!role && is_over(&w))
            return PEOPLE_CARD;
        if (!take(&w, word))
            return PEOPLE_NONSENSE;
    }
    bool is_day = is(word, "day"), sets_role = is(word, "role") && !role;
    if (!(is_day || is(word, "month") || sets_role) || !(role || *ret_user) || !take(&w, value) || !is_over(&w))
        return PEOPLE_NONSENSE;
    bool makes_sense = sets_role ? set_role(*ret_user, value, ret_set) : set_limit(*ret_user, role, is_day, value, ret_set);
    return makes_sense ? PEOPLE_SET : PEOPLE_NONSENSE;
}

bool people_grant(const char *user, const char *role, int64_t *ret_user, char ret_set[PEOPLE_SET_MOST]) {
    return is_user(user, ret_user) && is_role(role) && set_role(*ret_user, role, ret_set);
}

bool people_limit(const char *user, const char *usd, int64_t *ret_user, char ret_set[PEOPLE_SET_MOST]) {
    return is_user(user, ret_user) && set_limit(*ret_user, NULL, true, usd, ret_set);
}
