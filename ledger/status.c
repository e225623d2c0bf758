#include "ledger/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "services/clock.h"
#include "services/settings.h"

enum { WORD = 64, MB = 1000 * 1000 };

static const char *const services[] = { "ingest", "media", "llm", "outbound", "ledger" };
static const char *const streams[] = { "media", "llm", "outbound", "ledger" };

/* ---- words ---- */

static void span_words(int64_t ms, char out[WORD]) {
    if (ms < SECOND)
        snprintf(out, WORD, "%" PRId64 " ms", ms > 0 ? ms : 0);
    else if (ms < 120 * SECOND)
        snprintf(out, WORD, "%" PRId64 " s", ms / SECOND);
    else if (ms < 7200 * SECOND)
        snprintf(out, WORD, "%" PRId64 " min", ms / (60 * SECOND));
    else
        snprintf(out, WORD, "%" PRId64 " h", ms / (3600 * SECOND));
}

/* A value of INFO: `name:value` and the end of the line. */
static void info_word(const char *info, const char *name, char out[WORD]) {
    char mark[WORD];
    snprintf(mark, sizeof mark, "\n%s:", name);
    const char *at = info ? strstr(info, mark) : NULL;
    at = at ? at + strlen(mark) : "?";
    snprintf(out, WORD, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static int64_t bytes_of(const char *path, const char *tail) {
    char name[4200];
    struct stat st;
    snprintf(name, sizeof name, "%s%s", path, tail);
    return stat(name, &st) ? 0 : (int64_t)st.st_size;
}

/* ---- /status ---- */

/* Workers are called <service>-<random>; whoever is gone is taken out when he has been still for TAKEOVER_MS. */
static int workers_of(const struct fields *workers, const char *service) {
    int count = 0;
    size_t len = strlen(service);
    for (int i = 0; workers && i < workers->count; i++)
        count += !strncmp(workers->list[i].name, service, len) && workers->list[i].name[len] == '-';
    return count;
}

static void say_services(struct board *b) {
    const struct fields *workers = b->glances[STATUS_WORKERS].hash, *versions = b->glances[STATUS_VERSIONS].hash;
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        int count = workers_of(workers, services[i]);
        const char *version = versions ? fields_str(versions, services[i]) : "";
        (void)buf_printf(&b->answer->text, "%s %s ×%d%s%.40s\n", count ? "✅" : "⛔", services[i], count, *version ? ", " : "", version);
    }
}

static void say_queues(struct board *b) {
    for (int i = 0; i < 4; i++) {
        int64_t length = b->glances[STATUS_LENGTHS + i].number;
        const struct glance *oldest = &b->glances[STATUS_OLDEST + i];
        char age[WORD] = "";
        bool ours = i == 3;                              /* this question stands there still */
        if (oldest->rows_count && length > ours)
            span_words(b->asked->now_ms - strtoll(oldest->rows[0].id, NULL, 10), age);
        (void)buf_printf(&b->answer->text, "%s: %" PRId64 "%s%s\n", streams[i], length > 0 ? length - ours : length, *age ? ", " : "", age);
    }
}

static void say_number(struct board *b, const char *line, int64_t number) {
    char about[WORD];
    snprintf(about, sizeof about, "%" PRId64, number);
    board_say(b, line, about);
}

static void say_sizes(struct board *b) {
    char memory[WORD], most[WORD], version[WORD], about[4 * WORD];
    const char *info = b->glances[STATUS_MEMORY].text, *path = setting_text("DB_PATH");
    info_word(info, "used_memory_human", memory);
    info_word(info, "maxmemory_human", most);
    info_word(b->glances[STATUS_SERVER].text, "redis_version", version);
    snprintf(about, sizeof about, "%.20s, %.20s / %.20s", version, memory, most);
    board_say(b, "status_redis", about);
    snprintf(about, sizeof about, "%.1f MB + %.1f MB", (double)bytes_of(path, "") / MB, (double)bytes_of(path, "-wal") / MB);
    board_say(b, "status_sqlite", about);
}

static void say_dead(struct board *b) {
    const struct glance *dead = &b->glances[STATUS_DEAD];
    if (dead->rows_count)
        board_say(b, "status_dead", "");
    for (int i = 0; i < dead->rows_count; i++) {
        char age[WORD];
        span_words(b->asked->now_ms - strtoll(dead->rows[i].id, NULL, 10), age);
        (void)buf_printf(&b->answer->text, "• %.20s: %.120s (%s)\n", fields_str(dead->rows[i].fields, "kind"), fields_str(dead->rows[i].fields, "reason"), age);
    }
}

void status_answer(struct board *b) {
    board_say(b, "status_title", "");
    say_services(b);
    board_gap(b);
    board_say(b, "status_waits", "");
    say_queues(b);
    say_number(b, "status_busy", b->glances[STATUS_BUSY].number);
    say_number(b, "status_later", b->glances[STATUS_LATER].number);
    board_gap(b);
    say_sizes(b);
    board_gap(b);
    say_dead(b);
}

/* ---- /limits ---- */

static void say_limit(struct board *b, const char *line, int64_t limit, int64_t left, int64_t reset_ms) {
    char again[WORD], about[3 * WORD];
    if (limit <= 0)
        return;
    span_words(reset_ms, again);
    snprintf(about, sizeof about, "%" PRId64 " / %" PRId64 "%s%s", left, limit, reset_ms >= 0 ? ", ↻ " : "", reset_ms >= 0 ? again : "");
    board_say(b, line, about);
}

void status_limits(struct board *b) {
    const struct fields *limits = b->glances[0].hash;
    if (!limits || !limits->count) {
        answer_line(b->answer, "limits_none", "");
        return;
    }
    board_say(b, "limits_title", "");
    for (int i = 0; i < limits->count && i < 20; i++) {
        int64_t at, n[6];
        char age[WORD];
        if (sscanf(limits->list[i].value, "%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &at, n, n + 1, n + 2, n + 3, n + 4, n + 5) != 7)
            continue;
        span_words(b->asked->now_ms - at, age);
        board_gap(b);
        (void)buf_printf(&b->answer->text, "%.100s (%s)\n", limits->list[i].name, age);
        say_limit(b, "limits_requests", n[0], n[1], n[2]);
        say_limit(b, "limits_tokens", n[3], n[4], n[5]);
    }
}
