#include "ledger/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/change.h"
#include "ledger/database.h"
#include "ledger/event.h"
#include "ledger/forget.h"
#include "ledger/upgrade.h"
#include "proto/keys.h"
#include "proto/money.h"
#include "services/alloc.h"
#include "services/clock.h"

extern const char schema_sql[];                 /* schema.sql, embedded */

/* Statements are prepared once, when first used. */
enum query { BEGIN, COMMIT, ROLLBACK, ADD_EVENT, ADD_USAGE, SUM_USER, SUM_ALL, SUM_EACH, QUERIES };
static const char *const texts[QUERIES] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [ADD_EVENT] = "INSERT INTO events (event_id, stored_at, fields) VALUES (?1, ?2, ?3) ON CONFLICT (event_id) DO NOTHING",
    [ADD_USAGE] = ("INSERT INTO usage (event_id, at, user_id, chat_id, kind, model, input_tokens, cached_tokens, cache_write_tokens,"
                  " output_tokens, reasoning_tokens, seconds, images, tools, cost_nusd, price_version, estimated, status,"
                  " response_id, job, call, unclear)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)"),
    /* sum() fails when it passes 64 bits: dollars and the rest apart never do */
    [SUM_USER] = "SELECT sum(cost_nusd / 1000000000), sum(cost_nusd % 1000000000) FROM usage WHERE user_id = ?1 AND at >= ?2 AND at < ?3",
    [SUM_ALL] = "SELECT sum(cost_nusd / 1000000000), sum(cost_nusd % 1000000000) FROM usage WHERE at >= ?2 AND at < ?3",
    /* From user to user by the index: GROUP BY would sort all rows of a month in memory */
    [SUM_EACH] = ("WITH RECURSIVE users (id) AS (SELECT min(user_id) FROM usage"
                 "  UNION ALL SELECT (SELECT min(user_id) FROM usage WHERE user_id > id) FROM users WHERE id IS NOT NULL)"
                 " SELECT (SELECT sum(cost_nusd / 1000000000) FROM usage WHERE user_id = id AND at >= ?2 AND at < ?3),"
                 "  (SELECT sum(cost_nusd % 1000000000) FROM usage WHERE user_id = id AND at >= ?2 AND at < ?3), id FROM users WHERE id IS NOT NULL"),
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *prepared[QUERIES];
    struct buf json;                            /* of the event in hand; grows to the largest there was */
    struct forget_walk purged;                  /* how far store_purge() has come */
};

static sqlite3_stmt *prepared(struct store *s, enum query q) {
    if (!s->prepared[q] && sqlite3_prepare_v3(s->db, texts[q], -1, SQLITE_PREPARE_PERSISTENT, &s->prepared[q], NULL))
        return NULL;
    return s->prepared[q];
}

/* Run a statement that answers no rows. A SQLite code. */
static int run(struct store *s, enum query q) {
    sqlite3_stmt *st = prepared(s, q);
    if (!st)
        return sqlite3_errcode(s->db);
    int code = sqlite3_step(st);
    if (code == SQLITE_DONE)
        sqlite3_reset(st);
    else
        code = sqlite3_reset(st);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* ---- opening ---- */

/* The folder that the path is in, for the caller to free. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return !slash ? alloc_copy(".", 1) : alloc_copy(path, slash == path ? 1 : (size_t)(slash - path));
}

static int make_folder(const char *path) {
    char *folder = folder_of(path);
    int r = mkdir(folder, 0750) && errno != EEXIST ? -errno : 0;
    free(folder);
    return r;
}

static bool is_path(const char *path) {
    return path[0] && strcmp(path, ":memory:") && path[strlen(path) - 1] != '/';
}

static bool begins_like_sqlite(const char *path) {
    char head[16] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, head, sizeof head);
    if (fd >= 0)
        close(fd);
    return got == sizeof head && !memcmp(head, "SQLite format 3", sizeof head);
}

int store_try(const char *path, char problem[STORE_PROBLEM]) {
    char *folder = folder_of(path), *above = folder_of(folder);
    struct stat file;
    const char *what = "expected the path of a file";
    errno = EINVAL;
    bool ok = is_path(path);
    if (ok && !stat(path, &file)) {
        what = "expected a file that we may read and write";
        ok = S_ISREG(file.st_mode) ? !access(path, R_OK | W_OK) : (errno = EISDIR, false);
        if (ok && file.st_size && !begins_like_sqlite(path)) {
            what = "expected a database of ours, or no file";
            ok = (errno = EINVAL, false);
        }
    } else if (ok) {
        what = "expected a folder that we may write or make";
        ok = !access(folder, W_OK | X_OK) || (errno == ENOENT && !access(above, W_OK | X_OK));
    }
    int r = ok ? 0 : -errno;
    if (r)
        database_say(problem, "DB_PATH %.120s: %s: %s", path, what, strerror(-r));
    free(above);
    free(folder);
    return r;
}

bool store_disk_is_read_only(const char *path) {
    char *folder = folder_of(path), *above = folder_of(folder);
    const char *const places[] = { path, folder, above };
    bool is = false;
    for (size_t i = 0; i < sizeof places / sizeof *places && !is; i++)
        is = access(places[i], W_OK) && errno == EROFS;
    free(above);
    free(folder);
    return is;
}

/* The tables, by the first one who comes: of two at once the second finds them made. */
static int make_tables(struct store *s, char problem[STORE_PROBLEM]) {
    if (sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL))
        return database_blame(s->db, problem);
    int r = 0;
    if (database_ask(s->db, "PRAGMA user_version") == 0 && database_ask(s->db, "SELECT count(*) FROM sqlite_master") == 0 &&
        sqlite3_exec(s->db, schema_sql, NULL, NULL, NULL))
        r = database_blame(s->db, problem);
    if (!r && sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL))
        r = database_blame(s->db, problem);
    if (!sqlite3_get_autocommit(s->db))
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);     /* the first error is the one to tell */
    return r;
}

static int set_up(struct store *s, const char *path, char problem[STORE_PROBLEM]) {
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, DATABASE_BUSY_MS);
    if (sqlite3_db_readonly(s->db, "main")) {
        database_say(problem, "expected a file that we may write, it is read-only");
        return -EROFS;
    }
    /* A foreign file is looked at before anything in it is touched. */
    if (database_ask(s->db, "SELECT count(*) FROM sqlite_master") > 0) {
        int64_t version;
        int r = upgrade_judge(s->db, upgrade_steps, &version, problem);
        if (r)
            return r;
    }
    /* page_size only counts for a file that is yet to be made. */
    if (sqlite3_exec(s->db, "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                            "PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864;"
                            "PRAGMA cache_size = -4000; PRAGMA temp_store = MEMORY", NULL, NULL, NULL))
        return database_blame(s->db, problem);
    int r = make_tables(s, problem);
    return r ? r : upgrade_run(s->db, path, upgrade_steps, problem);
}

static int open_db(struct store *s, const char *path, char problem[STORE_PROBLEM]) {
    if (!is_path(path)) {
        database_say(problem, "expected the path of a file");
        return -EINVAL;
    }
    int r = make_folder(path);
    if (r) {
        database_say(problem, "cannot make its folder: %s", strerror(-r));
        return r;
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &s->db, flags, NULL))
        return database_blame(s->db, problem);
    return set_up(s, path, problem);
}

int store_open(const char *path, struct store **ret, char problem[STORE_PROBLEM]) {
    struct store *s = alloc_zero(sizeof *s);
    buf_init(&s->json, EVENT_JSON_MAX);
    char inner[STORE_PROBLEM];
    int r = open_db(s, path, inner);
    if (r) {
        database_say(problem, "DB_PATH %.120s: %.250s", path, inner);
        store_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void store_close(struct store *s) {
    if (!s)
        return;
    for (int i = 0; i < QUERIES; i++)
        sqlite3_finalize(s->prepared[i]);
    sqlite3_close(s->db);
    buf_done(&s->json);
    free(s);
}

int store_check(struct store *s, char problem[STORE_PROBLEM]) {
    sqlite3_stmt *st = NULL;
    int r = 0;
    if (sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &st, NULL) || sqlite3_step(st) != SQLITE_ROW) {
        r = database_blame(s->db, problem);
    } else if (strcmp((const char *)sqlite3_column_text(st, 0), "ok")) {
        database_say(problem, "the database is damaged: %.300s", (const char *)sqlite3_column_text(st, 0));
        r = -EBADMSG;
    }
    sqlite3_finalize(st);
    (void)sqlite3_db_release_memory(s->db);     /* pages that nobody asks for again; it cannot fail */
    return r;
}

void store_interrupt(struct store *s) {
    sqlite3_interrupt(s->db);
}

/* ---- storing ---- */

static void bind_text(sqlite3_stmt *st, int i, struct event_text t) {
    int r = sqlite3_bind_text(st, i, t.data, (int)t.len, SQLITE_STATIC);
    assert(r == SQLITE_OK);                     /* only an index or a length out of bounds can fail here */
    (void)r;
}

static void bind_int(sqlite3_stmt *st, int i, int64_t n) {
    int r = sqlite3_bind_int64(st, i, n);
    assert(r == SQLITE_OK);
    (void)r;
}

static int add_event(struct store *s, const struct fields *f, const struct event *e, int64_t now_ms) {
    sqlite3_stmt *st = prepared(s, ADD_EVENT);
    if (!st)
        return sqlite3_errcode(s->db);
    buf_clear(&s->json);
    event_to_json(f, &s->json);
    bind_text(st, 1, e->id);
    bind_int(st, 2, now_ms);
    bind_text(st, 3, (struct event_text){ s->json.data, s->json.len });
    return run(s, ADD_EVENT);
}

static int add_usage(struct store *s, const struct event *e) {
    sqlite3_stmt *st = prepared(s, ADD_USAGE);
    if (!st)
        return sqlite3_errcode(s->db);
    bind_text(st, 1, e->id);
    bind_int(st, 2, e->at);
    bind_int(st, 3, e->user);
    bind_int(st, 4, e->chat);
    bind_text(st, 5, e->kind);
    bind_text(st, 6, e->model);
    bind_int(st, 7, e->used.input_tokens);
    bind_int(st, 8, e->used.cached_tokens);
    bind_int(st, 9, e->used.cache_write_tokens);
    bind_int(st, 10, e->used.output_tokens);
    bind_int(st, 11, e->used.reasoning_tokens);
    sqlite3_bind_double(st, 12, (double)e->used.audio_ms / 1000);
    bind_int(st, 13, e->used.images);
    bind_text(st, 14, e->tools);
    bind_int(st, 15, e->cost_nusd);
    bind_text(st, 16, e->price_version);
    bind_int(st, 17, e->estimated);
    bind_text(st, 18, e->status);
    bind_text(st, 19, e->response);
    bind_text(st, 20, e->job);
    bind_text(st, 21, e->call);
    bind_text(st, 22, (struct event_text){ e->unclear, strlen(e->unclear) });
    return run(s, ADD_USAGE);
}

static void say_why(struct store_outcome *o, const char *why) {
    snprintf(o->why, sizeof o->why, "%s", why);
}

/* A question needs nothing but its turn; a change becomes durable here, and what both of them are told is the desk's. */
static int keep_wish(struct store *s, const struct fields *f, const char *kind, int64_t now_ms, struct store_outcome *o) {
    struct change c;
    const char *why = strcmp(kind, KIND_SET) ? NULL : change_read(f, &c);
    o->fate = why ? STORE_UNUSABLE : STORE_ASKED;
    say_why(o, why ? why : "");
    if (why)
        return SQLITE_OK;
    return strcmp(kind, KIND_SET) ? change_name(s->db, f, now_ms) : change_store(s->db, &c, f, now_ms);
}

static int store_one(struct store *s, const struct prices *prices, const struct fields *f, int64_t now_ms, struct store_outcome *o) {
    const char *kind = fields_str(f, "kind");
    if (!strcmp(kind, KIND_ASK) || !strcmp(kind, KIND_SET))
        return keep_wish(s, f, kind, now_ms, o);
    struct event e;
    const char *why = event_read(f, prices, now_ms, &e);
    if (why) {
        o->fate = STORE_UNUSABLE;
        say_why(o, why);
        return SQLITE_OK;
    }
    o->cost_nusd = e.cost_nusd;
    o->at = e.at;
    int code = add_event(s, f, &e, now_ms);
    if (code)
        return code;
    o->fate = sqlite3_changes(s->db) ? STORE_NEW : STORE_REPEATED;
    if (o->fate == STORE_REPEATED)
        return SQLITE_OK;
    o->unpriced = e.model.len && e.price_version.len == strlen(PRICES_VERSION_FALLBACK) &&
                  !memcmp(e.price_version.data, PRICES_VERSION_FALLBACK, e.price_version.len);
    say_why(o, e.unclear);
    code = add_usage(s, &e);
    if (code == SQLITE_CONSTRAINT_PRIMARYKEY) { /* its raw row was old and had been deleted */
        *o = (struct store_outcome){ .fate = STORE_REPEATED, .cost_nusd = e.cost_nusd, .at = e.at };
        return SQLITE_OK;
    }
    if ((code & 0xff) != SQLITE_CONSTRAINT)
        return code;
    say_why(o, sqlite3_errmsg(s->db));          /* no row of usage, but its raw row stands: never let it hold up the others */
    return SQLITE_OK;
}

int store_batch(struct store *s, const struct prices *prices, const struct fields *const *events, size_t n,
                struct store_outcome *outcomes, char problem[STORE_PROBLEM]) {
    int64_t now_ms = clock_wall_ms();
    int code = run(s, BEGIN);
    for (size_t i = 0; i < n && !code; i++) {
        outcomes[i] = (struct store_outcome){ 0 };
        code = store_one(s, prices, events[i], now_ms, &outcomes[i]);
    }
    if (!code)
        code = run(s, COMMIT);
    if (!code)
        return 0;
    int r = database_blame(s->db, problem);
    if (!sqlite3_get_autocommit(s->db))
        (void)run(s, ROLLBACK);                 /* if even that fails the transaction is over all the same: the next BEGIN tells */
    return r;
}

/* ---- sums ---- */

static int64_t whole_sum(sqlite3_stmt *st) {
    __int128 sum = (__int128)sqlite3_column_int64(st, 0) * NUSD_PER_USD + sqlite3_column_int64(st, 1);
    return sum > MONEY_MAX_NUSD ? MONEY_MAX_NUSD : sum < -MONEY_MAX_NUSD ? -MONEY_MAX_NUSD : (int64_t)sum;
}

static int one_sum(struct store *s, enum query q, int64_t user, int64_t from_ms, int64_t to_ms, int64_t *ret_nusd) {
    sqlite3_stmt *st = prepared(s, q);
    if (!st)
        return database_error(sqlite3_errcode(s->db));
    if (q == SUM_USER)
        bind_int(st, 1, user);
    bind_int(st, 2, from_ms);
    bind_int(st, 3, to_ms);
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        *ret_nusd = whole_sum(st);
    sqlite3_reset(st);
    return code == SQLITE_ROW ? 0 : database_error(code);
}

int store_user_spent(struct store *s, int64_t user, int64_t from_ms, int64_t to_ms, int64_t *ret_nusd) {
    return one_sum(s, SUM_USER, user, from_ms, to_ms, ret_nusd);
}

int store_all_spent(struct store *s, int64_t from_ms, int64_t to_ms, int64_t *ret_nusd) {
    return one_sum(s, SUM_ALL, 0, from_ms, to_ms, ret_nusd);
}

int store_each_user_spent(struct store *s, int64_t from_ms, int64_t to_ms, void (*each)(int64_t user, int64_t nusd, void *owner),
                          void *owner) {
    sqlite3_stmt *st = prepared(s, SUM_EACH);
    if (!st)
        return database_error(sqlite3_errcode(s->db));
    bind_int(st, 2, from_ms);
    bind_int(st, 3, to_ms);
    int code;
    while ((code = sqlite3_step(st)) == SQLITE_ROW)
        if (sqlite3_column_type(st, 0) != SQLITE_NULL)
            each(sqlite3_column_int64(st, 2), whole_sum(st), owner);
    sqlite3_reset(st);
    return code == SQLITE_DONE ? 0 : database_error(code);
}

/* ---- forgetting ---- */

int store_forget(struct store *s, int64_t user, int64_t *ret_as, char problem[STORE_PROBLEM]) {
    if (user <= 0) {
        database_say(problem, "expected the id of a user, above 0");
        return -EINVAL;
    }
    return forget_user(s->db, user, ret_as) ? database_blame(s->db, problem) : 0;
}

int store_purge(struct store *s, int64_t before_ms, int64_t *ret_gone, bool *ret_over, char problem[STORE_PROBLEM]) {
    if (forget_old(s->db, before_ms, &s->purged))
        return database_blame(s->db, problem);
    *ret_gone = s->purged.gone;
    *ret_over = !s->purged.at[0];
    return 0;
}

int store_kept(struct store *s, struct kept **ret_kept, size_t *ret_count) {
    int code = change_all(s->db, ret_kept, ret_count);
    return code ? database_error(code) : 0;
}
