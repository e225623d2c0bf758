#include "ledger/change.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/money.h"
#include "services/alloc.h"
#include "services/buf.h"
#include "services/utf8.h"

#define SETTINGS "settings"
#define USER "user:"

/* What can be set of a user: columns of `users`. A further one needs a migration. */
static const struct column { const char *name; bool is_money; } columns[] = {
    { "role", false }, { "model", false }, { "daily_budget_nusd", true }, { "monthly_budget_nusd", true },
};
enum { COLUMNS = sizeof columns / sizeof *columns };

/* ---- reading ---- */

static const struct column *column_of(const char *field) {
    for (int i = 0; i < COLUMNS; i++)
        if (!strcmp(field, columns[i].name))
            return &columns[i];
    return NULL;
}

static bool is_setting(const char *name) {
    return *name && !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")];
}

static bool is_money(const char *digits) {
    int64_t nusd;
    return !*digits || (!money_parse_scaled(digits, 0, &nusd) && nusd <= MONEY_MAX_NUSD && !strchr(digits, '.'));
}

static bool is_id(const char *text, int64_t *ret_id) {
    char *end;
    *ret_id = strtoll(text, &end, 10);
    char again[24];
    snprintf(again, sizeof again, "%" PRId64, *ret_id);
    return !*end && !strcmp(text, again);
}

/* The next word, without the blank behind it. False: there is none, or it is too long. */
static bool take_word(const char **text, char *ret_word, size_t size) {
    size_t len = strcspn(*text, " ");
    if (!len || len >= size)
        return false;
    memcpy(ret_word, *text, len);
    ret_word[len] = 0;
    *text += len + ((*text)[len] == ' ');
    return true;
}

static const char *read_wish(const struct field *f, struct wish *w) {
    const char *rest = f->value;
    if (strlen(f->value) != f->value_len || !utf8_valid(f->value, f->value_len) || !take_word(&rest, w->hash, sizeof w->hash) ||
        !take_word(&rest, w->field, sizeof w->field))
        return "a change that is no hash, field and value";
    w->value = rest;
    if (strlen(rest) > CHANGE_VALUE_MOST)
        return "a change to a value that is too long";
    if (!strcmp(w->hash, SETTINGS))
        return is_setting(w->field) ? NULL : "a change of a setting with no name of one";
    if (strncmp(w->hash, USER, strlen(USER)) || !is_id(w->hash + strlen(USER), &w->user))
        return "a change of neither settings nor a user";
    const struct column *c = column_of(w->field);
    if (!c)
        return "a change of something that a user does not have";
    return !c->is_money || is_money(rest) ? NULL : "a budget that is no number of nano-dollars";
}

const char *change_read(const struct fields *f, struct change *ret) {
    *ret = (struct change){ 0 };
    if (!*fields_str(f, "job"))
        return "a change without a job";
    for (;;) {
        char name[16];
        snprintf(name, sizeof name, "set:%d", ret->count);
        const struct field *found = NULL;
        for (int i = 0; i < f->count && !found; i++)
            if (!strcmp(f->list[i].name, name))
                found = &f->list[i];
        if (!found)
            return ret->count ? NULL : "a change of nothing";
        if (ret->count == CHANGES_MOST)
            return "a change of too many things";
        const char *why = read_wish(found, &ret->list[ret->count++]);
        if (why)
            return why;
    }
}

void change_of_user(int64_t user, struct change *ret) {
    *ret = (struct change){ .count = COLUMNS };
    for (int i = 0; i < COLUMNS; i++) {
        struct wish *w = &ret->list[i];
        w->user = user;
        w->value = "";
        snprintf(w->hash, sizeof w->hash, USER "%" PRId64, user);
        snprintf(w->field, sizeof w->field, "%s", columns[i].name);
    }
}

/* ---- storing ---- */

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *st = NULL;
    return sqlite3_prepare_v2(db, sql, -1, &st, NULL) ? NULL : st;
}

static void bind_text(sqlite3_stmt *st, int i, const char *s) {
    (void)sqlite3_bind_text(st, i, s, -1, SQLITE_STATIC);     /* an index out of bounds is all that could fail */
}

/* Run a statement that answers no rows, and be done with it. NULL: it could not be prepared. */
static int finish(sqlite3 *db, sqlite3_stmt *st) {
    if (!st)
        return sqlite3_errcode(db);
    int code = sqlite3_step(st);
    sqlite3_finalize(st);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int64_t asker_of(const struct fields *f) {
    int64_t user;
    return fields_int(f, "user", &user) ? user : 0;
}

/* In the books of changes: false in *ret_new when it stands there already. */
static int enter(sqlite3 *db, const struct change *c, const struct fields *f, int64_t now_ms, bool *ret_new) {
    struct buf what;
    buf_init(&what, CHANGES_MOST * (CHANGE_VALUE_MOST + 256));
    for (int i = 0; i < c->count; i++)
        (void)buf_printf(&what, "%s%s %s %s", i ? "\n" : "", c->list[i].hash, c->list[i].field, c->list[i].value);   /* they fit */
    sqlite3_stmt *st = prepare(db, "INSERT INTO changes (job, at, user_id, what) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING");
    if (st) {
        bind_text(st, 1, fields_str(f, "job"));
        sqlite3_bind_int64(st, 2, now_ms);
        sqlite3_bind_int64(st, 3, asker_of(f));
        bind_text(st, 4, buf_cstr(&what));
    }
    int code = finish(db, st);
    *ret_new = !code && sqlite3_changes(db);
    buf_done(&what);
    return code;
}

static int store_wish(sqlite3 *db, const struct wish *w, int64_t by, int64_t now_ms) {
    char sql[600] = "INSERT INTO settings (name, value, changed_at, changed_by) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name)"
                    " DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at, changed_by = excluded.changed_by";
    bool is_user = strcmp(w->hash, SETTINGS) != 0;
    if (is_user)                        /* the field is one of our own columns */
        snprintf(sql, sizeof sql, "INSERT INTO users (user_id, first_seen, %s, changed_at, changed_by) VALUES (?1, ?3, ?2, ?3, ?4)"
                 " ON CONFLICT (user_id) DO UPDATE SET %s = excluded.%s, changed_at = excluded.changed_at, changed_by = excluded.changed_by",
                 w->field, w->field, w->field);
    sqlite3_stmt *st = prepare(db, sql);
    if (st && is_user)
        sqlite3_bind_int64(st, 1, w->user);
    else if (st)
        bind_text(st, 1, w->field);
    if (st && is_user && column_of(w->field)->is_money && *w->value)
        sqlite3_bind_int64(st, 2, strtoll(w->value, NULL, 10));
    else if (st && *w->value)
        bind_text(st, 2, w->value);     /* else it stays NULL */
    if (st) {
        sqlite3_bind_int64(st, 3, now_ms);
        sqlite3_bind_int64(st, 4, by);
    }
    return finish(db, st);
}

int change_store(sqlite3 *db, const struct change *c, const struct fields *f, int64_t now_ms) {
    bool is_new;
    int code = enter(db, c, f, now_ms, &is_new);
    for (int i = 0; i < c->count && is_new && !code; i++)
        code = store_wish(db, &c->list[i], asker_of(f), now_ms);
    return code;
}

int change_name(sqlite3 *db, const struct fields *f, int64_t now_ms) {
    const char *name = fields_str(f, "name");
    int64_t user = asker_of(f);
    if (!user || !*name || !utf8_valid(name, strlen(name)))
        return SQLITE_OK;
    sqlite3_stmt *st = prepare(db, "INSERT INTO users (user_id, name, first_seen, in_private) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (user_id)"
                                   " DO UPDATE SET name = excluded.name, in_private = max(in_private, excluded.in_private)"
                                   " WHERE name <> excluded.name OR in_private < excluded.in_private");
    if (st) {
        sqlite3_bind_int64(st, 1, user);
        (void)sqlite3_bind_text(st, 2, name, (int)utf8_cut_bytes(name, strlen(name), 200), SQLITE_STATIC);
        sqlite3_bind_int64(st, 3, now_ms);
        sqlite3_bind_int64(st, 4, fields_int_or(f, "chat", 0) == user);
    }
    return finish(db, st);
}

/* ---- what Redis is to hold ---- */

static char *column_text(sqlite3_stmt *st, int i) {
    const char *text = (const char *)sqlite3_column_text(st, i);
    return text ? alloc_copy(text, strlen(text)) : alloc_copy("", 0);
}

static int look_up(sqlite3 *db, const struct wish *w, struct kept *ret) {
    char sql[160] = "SELECT value FROM settings WHERE name = ?1";
    bool is_user = strcmp(w->hash, SETTINGS) != 0;
    if (is_user)
        snprintf(sql, sizeof sql, "SELECT %s FROM users WHERE user_id = ?1", w->field);
    sqlite3_stmt *st = prepare(db, sql);
    if (!st)
        return sqlite3_errcode(db);
    if (is_user)
        sqlite3_bind_int64(st, 1, w->user);
    else
        bind_text(st, 1, w->field);
    int code = sqlite3_step(st);
    memcpy(ret->hash, w->hash, sizeof ret->hash);
    memcpy(ret->field, w->field, sizeof ret->field);
    ret->value = code == SQLITE_ROW ? column_text(st, 0) : alloc_copy("", 0);
    sqlite3_finalize(st);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

int change_look(sqlite3 *db, const struct change *c, struct kept ret_kept[CHANGES_MOST]) {
    int code = SQLITE_OK;
    for (int i = 0; i < c->count; i++)
        ret_kept[i].value = NULL;
    for (int i = 0; i < c->count && !code; i++)
        code = look_up(db, &c->list[i], &ret_kept[i]);
    return code;
}

int change_all(sqlite3 *db, struct kept **ret_kept, size_t *ret_count) {
    static const char *const sql[] = {
        "SELECT 'settings', name, value FROM settings WHERE value IS NOT NULL",
        "SELECT 'user:' || user_id, 'role', role FROM users WHERE role IS NOT NULL",
        "SELECT 'user:' || user_id, 'model', model FROM users WHERE model IS NOT NULL",
        "SELECT 'user:' || user_id, 'daily_budget_nusd', daily_budget_nusd FROM users WHERE daily_budget_nusd IS NOT NULL",
        "SELECT 'user:' || user_id, 'monthly_budget_nusd', monthly_budget_nusd FROM users WHERE monthly_budget_nusd IS NOT NULL",
    };
    size_t size = 0;
    int code = SQLITE_DONE;
    *ret_kept = NULL;
    *ret_count = 0;
    for (size_t i = 0; i < sizeof sql / sizeof *sql && code == SQLITE_DONE; i++) {
        sqlite3_stmt *st = prepare(db, sql[i]);
        if (!st)
            return sqlite3_errcode(db);
        while ((code = sqlite3_step(st)) == SQLITE_ROW) {
            if (*ret_count == size)
                *ret_kept = alloc_again(*ret_kept, (size = size ? 2 * size : 64) * sizeof **ret_kept);
            struct kept *k = &(*ret_kept)[(*ret_count)++];
            snprintf(k->hash, sizeof k->hash, "%s", (const char *)sqlite3_column_text(st, 0));
            snprintf(k->field, sizeof k->field, "%s", (const char *)sqlite3_column_text(st, 1));
            k->value = column_text(st, 2);
        }
        sqlite3_finalize(st);
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

void change_done(struct kept *kept, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(kept[i].value);
}
