/* What an administrator writes behind /user. */
#include "ingest/people.h"
#include "tests/unit/unit.h"

static void reads(const char *words, int64_t replied, enum people what, int64_t user, const char *set) {
    int64_t of = 0;
    char is[PEOPLE_SET_MOST] = "";
    assert_int_equal(people_read(words, replied, &of, is), what);
    if (what == PEOPLE_CARD)
        assert_true(of == user);
    if (what == PEOPLE_SET)
        assert_string_equal(is, set);
}

static void a_card_is_somebodys(void **state) {
    reads("", 0, PEOPLE_LIST, 0, "");
    reads(" \n", 0, PEOPLE_LIST, 0, "");
    reads("7001", 0, PEOPLE_CARD, 7001, "");
    reads("", 42, PEOPLE_CARD, 42, "");
    reads("7001", 42, PEOPLE_CARD, 7001, "");
}

static void limits_are_exact(void **state) {
    reads("7001 day 0.50", 0, PEOPLE_SET, 0, "user:7001 daily_budget_nusd 500000000");
    reads("7001 Month 5", 0, PEOPLE_SET, 0, "user:7001 monthly_budget_nusd 5000000000");
    reads("7001 day 0", 0, PEOPLE_SET, 0, "user:7001 daily_budget_nusd 0");
    reads("7001 day none", 0, PEOPLE_SET, 0, "user:7001 daily_budget_nusd ");
    reads("month 1", 42, PEOPLE_SET, 0, "user:42 monthly_budget_nusd 1000000000");
    reads("guest day 0.10", 0, PEOPLE_SET, 0, "settings GUEST_DAILY_BUDGET_NUSD 100000000");
    reads("user month none", 0, PEOPLE_SET, 0, "settings USER_MONTHLY_BUDGET_NUSD none");
    reads("user month default", 0, PEOPLE_SET, 0, "settings USER_MONTHLY_BUDGET_NUSD ");
}

static void roles_are_known(void **state) {
    reads("7001 role guest", 0, PEOPLE_SET, 0, "user:7001 role guest");
    reads("role blocked", 42, PEOPLE_SET, 0, "user:42 role blocked");
    reads("7001 role none", 0, PEOPLE_SET, 0, "user:7001 role ");
    int64_t user;
    char set[PEOPLE_SET_MOST];
    assert_true(people_grant("7001", "user", &user, set) && user == 7001);
    assert_string_equal(set, "user:7001 role user");
    assert_false(people_grant("7001", "none", &user, set) || people_grant("-1", "user", &user, set) || people_grant("7001", "admin", &user, set));
}

static void a_limit_is_pressed(void **state) {
    int64_t user;
    char set[PEOPLE_SET_MOST];
    assert_true(people_limit("7001", "0.50", &user, set) && user == 7001);
    assert_string_equal(set, "user:7001 daily_budget_nusd 500000000");
    assert_false(people_limit("7001", "..", &user, set) || people_limit("guest", "1", &user, set) || people_limit("7001", "eno", &user, set));
}

static void nonsense_is_said_so(void **state) {
    static const char *const words[] = {
        "x", "-5", "0", "07", "7001 day", "7001 day -1", "7001 day 1 2", "7001 day 1e3", "7001 day 99999999999", "7001 role admin", "7001 role",
        "guest", "guest role user", "day 1", "role user", "9999999999999999999999", "7001 year 1", "7001 day 0.0000000001",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa day 1", NULL };
    for (int i = 0; words[i]; i++)
        reads(words[i], 0, PEOPLE_NONSENSE, 0, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_is_somebodys), cmocka_unit_test(limits_are_exact), cmocka_unit_test(roles_are_known), cmocka_unit_test(a_limit_is_pressed),
        cmocka_unit_test(nonsense_is_said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
