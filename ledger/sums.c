#include "ledger/sums.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/money.h"
#include "services/alloc.h"

#define EVERYBODY_TEXT "(-9223372036854775807 - 1)"
enum { BUSY_MS = 1000, QUARTER_MS = 900000 };

struct sums { sqlite3 *db; };

static int blame(struct sums *s, char problem[STORE_PROBLEM]) {
    snprintf(problem, STORE_PROBLEM, "%.300s", sqlite3_errmsg(s->db));
    return -EIO;
}

int sums_open(const char *path, struct sums **ret, char problem[STORE_PROBLEM]) {
    struct sums *s = alloc_zero(sizeof *s);
    *ret = s;
    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL))
        return blame(s, problem);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    return sqlite3_exec(s->db, "PRAGMA cache_size = -4000; PRAGMA temp_store = MEMORY", NULL, NULL, NULL) ? blame(s, problem) : 0;
}

void sums_close(struct sums *s) {
    if (!s)
        return;
    sqlite3_close(s->db);
    free(s);
}

/* A statement with its numbers ?1 … ?n. */
static sqlite3_stmt *ask(struct sums *s, const char *sql, int n, ...) {
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL))
        return NULL;
    va_list numbers;
    va_start(numbers, n);
    for (int i = 1; i <= n; i++)
        (void)sqlite3_bind_int64(st, i, va_arg(numbers, int64_t));       /* an index out of bounds is all that could fail */
    va_end(numbers);
    return st;
}

static int end(struct sums *s, sqlite3_stmt *st, int code, char problem[STORE_PROBLEM]) {
    int r = st && (code == SQLITE_DONE || code == SQLITE_ROW) ? 0 : blame(s, problem);
    sqlite3_finalize(st);
    return r;
}

static const char *text_at(sqlite3_stmt *st, int i) {
    const char *text = (const char *)sqlite3_column_text(st, i);
    return text ? text : "";
}

static int64_t money_at(sqlite3_stmt *st, int i) {
    int64_t nusd = sqlite3_column_int64(st, i);
    return nusd > MONEY_MAX_NUSD ? MONEY_MAX_NUSD : nusd < -MONEY_MAX_NUSD ? -MONEY_MAX_NUSD : nusd;
}

/* sum() fails when it passes 64 bits, total() would not be exact: dollars and the rest apart are both. */
#define SUM "min(max(sum(cost_nusd / 1000000000), -9000000), 9000000) * 1000000000 + sum(cost_nusd % 1000000000)"

static int each_sum(struct sums *s, sqlite3_stmt *st, sum_fn *each, void *owner, char problem[STORE_PROBLEM]) {
    int code = SQLITE_ERROR;
    while (st && (code = sqlite3_step(st)) == SQLITE_ROW)
        each(&(struct sum){ text_at(st, 0), text_at(st, 1), sqlite3_column_int64(st, 4) * QUARTER_MS, sqlite3_column_int64(st, 2), money_at(st, 3) }, owner);
    return end(s, st, code, problem);
}

int sums_ever(struct sums *s, int64_t user, sum_fn *each, void *owner, char problem[STORE_PROBLEM]) {
    return each_sum(s, ask(s, "SELECT kind, model, calls, cost_nusd, 0 FROM totals WHERE user_id = ?1", 1, user), each, owner, problem);
}

int sums_quarters(struct sums *s, int64_t user, int64_t from_ms, int64_t to_ms, sum_fn *each, void *owner, char problem[STORE_PROBLEM]) {
    return each_sum(s, ask(s, "SELECT kind, model, calls, cost_nusd, quarter FROM quarters WHERE user_id = ?1 AND quarter >= ?2 AND quarter < ?3"
                              " ORDER BY quarter", 3, user, from_ms / QUARTER_MS, to_ms / QUARTER_MS), each, owner, problem);
}

int sums_top(struct sums *s, int64_t from_ms, int64_t to_ms, int most, spender_fn *each, void *owner, char problem[STORE_PROBLEM]) {
    sqlite3_stmt *st = ask(s, "SELECT u.user_id, u.n, u.nusd, users.name FROM (SELECT user_id, count(*) AS n, " SUM " AS nusd FROM usage"
                              " WHERE at >= ?1 AND at < ?2 GROUP BY user_id ORDER BY nusd DESC, user_id LIMIT ?3) AS u"
                              " LEFT JOIN users USING (user_id) ORDER BY u.nusd DESC, u.user_id", 3, from_ms, to_ms, (int64_t)most);
    int code = SQLITE_ERROR;
    while (st && (code = sqlite3_step(st)) == SQLITE_ROW)
        each(&(struct spender){ sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1), money_at(st, 2), text_at(st, 3) }, owner);
    return end(s, st, code, problem);
}

int sums_failed(struct sums *s, int64_t from_ms, int64_t to_ms, int64_t *ret_calls, char problem[STORE_PROBLEM]) {
    sqlite3_stmt *st = ask(s, "SELECT count(*) FROM usage WHERE at >= ?1 AND at < ?2 AND status = 'failed'", 2, from_ms, to_ms);
    int code = st ? sqlite3_step(st) : SQLITE_ERROR;
    if (code == SQLITE_ROW)
        *ret_calls = sqlite3_column_int64(st, 0);
    return end(s, st, code, problem);
}

int sums_limits(struct sums *s, int64_t user, int64_t *ret_day, int64_t *ret_month, char problem[STORE_PROBLEM]) {
    *ret_day = *ret_month = -1;
    sqlite3_stmt *st = ask(s, "SELECT coalesce(daily_budget_nusd, -1), coalesce(monthly_budget_nusd, -1) FROM users WHERE user_id = ?1", 1, user);
    int code = st ? sqlite3_step(st) : SQLITE_ERROR;
    if (code == SQLITE_ROW) {
        *ret_day = sqlite3_column_int64(st, 0);
        *ret_month = sqlite3_column_int64(st, 1);
    }
    return end(s, st, code, problem);
}

int sums_people(struct sums *s, int64_t user, int most, person_fn *each, void *owner, char problem[STORE_PROBLEM]) {
    sqlite3_stmt *st = ask(s, "SELECT user_id, coalesce(daily_budget_nusd, -1), coalesce(monthly_budget_nusd, -1), name, role, model FROM users"
                              " WHERE user_id = ?1 OR (?1 = " EVERYBODY_TEXT " AND user_id > 0) ORDER BY max(first_seen, changed_at) DESC, user_id LIMIT ?2",
                           2, user, (int64_t)most);
    int code = SQLITE_ERROR;
    while (st && (code = sqlite3_step(st)) == SQLITE_ROW)
        each(&(struct person){ sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2), text_at(st, 3), text_at(st, 4), text_at(st, 5) }, owner);
    return end(s, st, code, problem);
}

int sums_correspondents(struct sums *s, int64_t after, correspondent_fn *each, void *owner, char problem[STORE_PROBLEM]) {
    sqlite3_stmt *st = ask(s, "SELECT user_id, role FROM users WHERE user_id > ?1 AND in_private ORDER BY user_id", 1, after);
    int code = SQLITE_ERROR;
    bool more = true;
    while (st && more && (code = sqlite3_step(st)) == SQLITE_ROW)
        more = each(&(struct correspondent){ sqlite3_column_int64(st, 0), text_at(st, 1) }, owner);
    return end(s, st, code, problem);
}

int sums_look(struct sums *s, const struct change *c, struct kept ret_kept[CHANGES_MOST], char problem[STORE_PROBLEM]) {
    return change_look(s->db, c, ret_kept) ? blame(s, problem) : 0;
}

int sums_paid(struct sums *s, int64_t from_ms, int64_t to_ms, paid_fn *each, void *owner, char problem[STORE_PROBLEM]) {
    sqlite3_stmt *st = ask(s, "SELECT at, usage.user_id, chat_id, input_tokens, cached_tokens, output_tokens, images, cost_nusd, seconds, users.name,"
                              " kind, usage.model, tools, status, event_id, estimated FROM usage LEFT JOIN users USING (user_id)"
                              " WHERE at >= ?1 AND at < ?2 ORDER BY at", 2, from_ms, to_ms);
    int code = SQLITE_ERROR;
    bool more = true;
    while (st && more && (code = sqlite3_step(st)) == SQLITE_ROW)
        more = each(&(struct paid){
            .at_ms = sqlite3_column_int64(st, 0), .user = sqlite3_column_int64(st, 1), .chat = sqlite3_column_int64(st, 2),
            .input_tokens = sqlite3_column_int64(st, 3), .cached_tokens = sqlite3_column_int64(st, 4), .output_tokens = sqlite3_column_int64(st, 5),
            .images = sqlite3_column_int64(st, 6), .nusd = money_at(st, 7), .seconds = sqlite3_column_double(st, 8), .name = text_at(st, 9),
            .kind = text_at(st, 10), .model = text_at(st, 11), .tools = text_at(st, 12), .status = text_at(st, 13), .event = text_at(st, 14),
            .estimated = sqlite3_column_int(st, 15) != 0,
        }, owner);
    return end(s, st, code, problem);
}
