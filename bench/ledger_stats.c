/* How long /stats takes in a ledger of many rows: bench_ledger_stats FOLDER ROWS USERS. Makes the file (minutes for ten millions),
 * then asks as the desk does, each question with a connection of its own. Prints key=value lines for bench/run. */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "ledger/gather.h"
#include "services/clock.h"

enum { ASKED = 200 };

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void die(const char *what) {
    (void)fprintf(stderr, "bench_ledger_stats: %s\n", what);
    exit(1);
}

static void run(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL))
        die(sqlite3_errmsg(db));
}

/* One in ten rows is user 1's; the rest is spread over the others, and all of it over a year. */
static void fill(const char *path, int64_t rows, int64_t users, int64_t end_ms) {
    sqlite3 *db;
    sqlite3_stmt *event, *usage;
    if (sqlite3_open(path, &db))
        die("cannot open the file");
    run(db, "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000");
    if (sqlite3_prepare_v2(db, "INSERT INTO events VALUES (?1, 0, '{}')", -1, &event, NULL) ||
        sqlite3_prepare_v2(db, "INSERT INTO usage (event_id, at, user_id, chat_id, kind, model, cost_nusd) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6)", -1, &usage, NULL))
        die(sqlite3_errmsg(db));
    static const char *const kinds[] = { "chat", "chat", "chat", "image", "transcription" };
    run(db, "BEGIN");
    for (int64_t i = 0; i < rows; i++) {
        char id[32];
        snprintf(id, sizeof id, "%012" PRId64 ":chat", i);
        sqlite3_bind_text(event, 1, id, -1, SQLITE_STATIC);
        sqlite3_bind_text(usage, 1, id, -1, SQLITE_STATIC);
        sqlite3_bind_int64(usage, 2, end_ms - (rows - i) * (INT64_C(365) * 86400000 / rows));
        sqlite3_bind_int64(usage, 3, i % 10 ? 2 + i * 7919 % users : 1);
        sqlite3_bind_text(usage, 4, kinds[i * 31 % 5], -1, SQLITE_STATIC);
        sqlite3_bind_text(usage, 5, i * 17 % 3 ? "gpt-6.1-terra" : "gpt-6.1-luna", -1, SQLITE_STATIC);
        sqlite3_bind_int64(usage, 6, i * 7 % 1000000);
        if (sqlite3_step(event) != SQLITE_DONE || sqlite3_step(usage) != SQLITE_DONE)
            die(sqlite3_errmsg(db));
        sqlite3_reset(event);
        sqlite3_reset(usage);
        if (i % 100000 == 99999)
            run(db, "COMMIT; BEGIN");
    }
    run(db, "COMMIT");
    sqlite3_finalize(event);
    sqlite3_finalize(usage);
    sqlite3_close(db);
}

/* All that /stats reads. */
static void ask(const char *path, int64_t user, int64_t end_ms) {
    static struct gathered g;
    char problem[STORE_PROBLEM] = "";
    struct sums *s = NULL;
    int64_t day, month;
    if (sums_open(path, &s, problem) || gather(s, user, end_ms, &g, problem) || sums_limits(s, user, &day, &month, problem))
        die(problem);
    sums_close(s);
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void measure(const char *path, const char *who, int64_t user, int64_t users, int64_t end_ms) {
    static double took[ASKED];
    for (int i = 0; i < ASKED; i++) {
        double began = now_ms();
        ask(path, user == EVERYBODY || user == 1 ? user : 2 + (user + i * 104729) % users, end_ms);
        took[i] = now_ms() - began;
    }
    qsort(took, ASKED, sizeof *took, by_size);
    printf("%s_median_ms=%.2f\n%s_p99_ms=%.2f\n", who, took[ASKED / 2], who, took[ASKED * 99 / 100]);
}

int main(int argc, char **argv) {
    if (argc != 4)
        die("wanted: FOLDER ROWS USERS");
    char path[400], problem[STORE_PROBLEM] = "";
    int64_t rows = atoll(argv[2]), users = atoll(argv[3]), end_ms = clock_wall_ms();
    struct store *store;
    snprintf(path, sizeof path, "%s/stats.db", argv[1]);
    if (rows < 1 || users < 1 || store_open(path, &store, problem))
        die(*problem ? problem : "ROWS and USERS are at least 1");
    store_close(store);
    double began = now_ms();
    fill(path, rows, users, end_ms);
    printf("rows=%" PRId64 "\nfill_s=%.1f\n", rows, (now_ms() - began) / 1e3);
    measure(path, "user", 3, users, end_ms);
    measure(path, "heaviest", 1, users, end_ms);
    measure(path, "everybody", EVERYBODY, users, end_ms);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("peak_mb=%.0f\n", (double)used.ru_maxrss / 1024);
    return 0;
}
