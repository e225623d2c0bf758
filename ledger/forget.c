#include "ledger/forget.h"

#include <stdio.h>
#include <string.h>

#define PIECE "1000"            /* rows: a few milliseconds */

static int run(sqlite3 *db, const char *sql) {
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* A statement with numbers for ?1, ?2; its first column, if it has one, into ret. */
static int run_with(sqlite3 *db, const char *sql, int64_t a, int64_t b, int64_t *ret) {
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    if (code)
        return code;
    (void)sqlite3_bind_int64(st, 1, a);         /* a statement may have but one */
    (void)sqlite3_bind_int64(st, 2, b);
    code = sqlite3_step(st);
    if (code == SQLITE_ROW && ret)
        *ret = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Of a raw event only what its row of usage says as well stays; whatever else somebody put there may be personal. */
static const char forget_events[] =
    "UPDATE events SET fields = iif(json_valid(fields), (SELECT json_group_object(key, CASE"
    "  WHEN key = 'user' OR (key = 'chat' AND value = CAST(?1 AS TEXT)) THEN CAST(?2 AS TEXT) ELSE value END) FROM json_each(events.fields)"
    "  WHERE key IN ('kind', 'event', 'job', 'chat', 'user', 'at', 'paid', 'model', 'input_tokens', 'cached_tokens', 'cache_write_tokens',"
    "  'output_tokens', 'reasoning_tokens', 'seconds', 'images', 'tools', 'cost_nusd', 'price_version', 'estimated', 'status', 'unclear')), '{}')"
    " WHERE event_id IN (SELECT event_id FROM usage WHERE user_id = ?1)";

static const char forget_usage[] =
    "UPDATE usage SET user_id = ?2, chat_id = iif(chat_id = ?1, ?2, chat_id), response_id = '' WHERE user_id = ?1";

/* Sums, and what is known of him. The role and the limits that an administrator has given him stay, or he could lift them. */
static const char *const forget_rest[] = {
    "UPDATE quarters SET user_id = ?2 WHERE user_id = ?1",
    "UPDATE totals SET user_id = ?2 WHERE user_id = ?1",
    "UPDATE changes SET user_id = iif(user_id = ?1, ?2, user_id), what = replace(what, 'user:' || ?1 || ' ', 'user:' || ?2 || ' ')"
    " WHERE user_id = ?1 OR instr(what, 'user:' || ?1 || ' ')",
    "DELETE FROM users WHERE user_id = ?1 AND role IS NULL AND daily_budget_nusd IS NULL AND monthly_budget_nusd IS NULL",
    "UPDATE users SET name = '', model = NULL, in_private = 0 WHERE user_id = ?1",
};

static int forget_in_transaction(sqlite3 *db, int64_t user, int64_t *ret_as) {
    int64_t rows = 0, as = 0;
    int code = run_with(db, "SELECT EXISTS (SELECT 1 FROM usage WHERE user_id = ?1)", user, 0, &rows);
    if (!code && rows)
        code = run_with(db, "SELECT min(0, coalesce(min(user_id), 0)) - 1 FROM usage", 0, 0, &as);
    if (!code && rows)
        code = run_with(db, forget_events, user, as, NULL);
    if (!code && rows)
        code = run_with(db, forget_usage, user, as, NULL);
    for (size_t i = 0; i < sizeof forget_rest / sizeof *forget_rest && !code; i++)
        code = run_with(db, forget_rest[i], user, as, NULL);
    if (!code)
        code = run(db, "COMMIT");
    if (!code)
        *ret_as = as;
    return code;
}

int forget_user(sqlite3 *db, int64_t user, int64_t *ret_as) {
    (void)run(db, "PRAGMA secure_delete = ON"); /* it answers with a row, never with an error */
    int code = run(db, "BEGIN IMMEDIATE");
    if (!code)
        code = forget_in_transaction(db, user, ret_as);
    if (!sqlite3_get_autocommit(db))
        (void)run(db, "ROLLBACK");              /* the first error is the one to tell */
    (void)run(db, "PRAGMA secure_delete = OFF");
    if (!code)                                  /* out of the WAL as well; somebody who reads may hold that up: then it goes with the next one */
        (void)run(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    return code;
}

/* ---- old ones ---- */

/* The end of the next piece; "" when there is none. */
static int find_end(sqlite3 *db, const char *at, char end[sizeof ((struct forget_walk *)0)->at]) {
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(db, "SELECT max(event_id) FROM (SELECT event_id FROM events WHERE event_id > ?1 ORDER BY event_id LIMIT " PIECE ")",
                                  -1, &st, NULL);
    if (code)
        return code;
    (void)sqlite3_bind_text(st, 1, at, -1, SQLITE_STATIC);      /* cannot fail for a short text */
    code = sqlite3_step(st);
    const char *found = code == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    snprintf(end, sizeof ((struct forget_walk *)0)->at, "%s", found ? found : "");
    sqlite3_finalize(st);
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

static int delete_piece(sqlite3 *db, const char *at, const char *end, int64_t before_ms) {
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(db, "DELETE FROM events WHERE event_id > ?1 AND event_id <= ?2 AND stored_at < ?3"
                                      " AND EXISTS (SELECT 1 FROM usage WHERE usage.event_id = events.event_id)", -1, &st, NULL);
    if (code)
        return code;
    (void)sqlite3_bind_text(st, 1, at, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(st, 2, end, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 3, before_ms);
    code = sqlite3_step(st);
    sqlite3_finalize(st);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int forget_old(sqlite3 *db, int64_t before_ms, struct forget_walk *walk) {
    char end[sizeof walk->at];
    walk->gone = 0;
    int code = find_end(db, walk->at, end);
    if (!code && end[0]) {
        code = delete_piece(db, walk->at, end, before_ms);
        if (!code)
            walk->gone = sqlite3_changes(db);
    }
    if (!code)
        memcpy(walk->at, end, sizeof end);
    return code;
}
