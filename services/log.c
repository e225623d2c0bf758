#include "services/log.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/json.h"
#include "services/alloc.h"
#include "services/buf.h"
#include "services/clock.h"
#include "services/utf8.h"

enum { LINE_MAX_BYTES = 2000, SUBJECT_MAX_BYTES = 100, SECRET_MIN_BYTES = 8 };

static struct {
    char service[32];
    enum log_level level;
    enum log_format format;
    char **secrets;
    size_t secret_count;
    bool odd[256];                       /* bytes that are not shown as they are: control characters, or a secret may begin there */
    atomic_ulong counts[LOG_ERROR + 1];
} the_log = { .service = "gpttg", .level = LOG_INFO, .odd = { [1 ... 0x1F] = true, [0x7F] = true } };

void log_open(const char *service, enum log_level level, enum log_format format) {
    snprintf(the_log.service, sizeof the_log.service, "%s", service);
    the_log.level = level;
    the_log.format = format;
}

void log_secret(const char *secret) {
    if (!secret || strlen(secret) < SECRET_MIN_BYTES)
        return;
    the_log.secrets = alloc_again(the_log.secrets, (the_log.secret_count + 1) * sizeof *the_log.secrets);
    the_log.secrets[the_log.secret_count++] = alloc_copy(secret, strlen(secret));
    the_log.odd[(unsigned char)*secret] = true;
}

unsigned long log_count(enum log_level level) {
    return atomic_load(&the_log.counts[level]);
}

/* The longest secret that begins at s, in bytes; 0: none. The longest, so that no end of it stays readable. */
static size_t secret_at(const char *s) {
    size_t longest = 0;
    for (size_t i = 0; i < the_log.secret_count; i++) {
        size_t len = strlen(the_log.secrets[i]);
        if (len > longest && !strncmp(s, the_log.secrets[i], len))
            longest = len;
    }
    return longest;
}

/* What may be shown of `text`: valid UTF-8 on one line, secrets as ***, at most max bytes. The caller frees. */
static char *shown(const char *text, size_t max) {
    struct buf b;
    buf_init(&b, strlen(text) * 3 + 1); /* bounded by the text; a secret is longer than its mask */
    for (const char *at = text; *at;) {
        const char *from = at;
        while (*at && !the_log.odd[(unsigned char)*at])
            at++;
        buf_add(&b, from, (size_t)(at - from));
        if (!*at)
            break;
        size_t secret_len = secret_at(at);
        if (secret_len) {
            buf_add_str(&b, "***");
            at += secret_len;
        } else {
            bool control = (unsigned char)*at < 0x20 || *at == 0x7F;
            buf_add(&b, control ? "." : at, 1);
            at++;
        }
    }
    size_t len;
    char *clean = utf8_clean(buf_cstr(&b), b.len, &len);
    buf_done(&b);
    if (len > max) {
        static const char dots[] = "…";
        size_t cut = utf8_cut_bytes(clean, len, max - (sizeof dots - 1));
        memcpy(clean + cut, dots, sizeof dots); /* fits: len > max >= cut + 3 */
    }
    return clean;
}

static char *as_text(enum log_level level, const char *job, const char *chat, const char *text) {
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES * 2);
    buf_printf(&line, "%c %s ", "DIWE"[level], the_log.service);
    if (job)
        buf_printf(&line, "job=%s ", job);
    if (chat)
        buf_printf(&line, "chat=%s ", chat);
    CLEANUP(text_done) char *rest = shown(text, LINE_MAX_BYTES - 1 - line.len);
    buf_printf(&line, "%s\n", rest);
    return buf_take(&line);
}

static char *as_json(enum log_level level, const char *job, const char *chat, const char *text) {
    static const char *const names[] = { "debug", "info", "warn", "error" };
    CLEANUP(text_done) char *rest = shown(text, LINE_MAX_BYTES - 3 * SUBJECT_MAX_BYTES);
    CLEANUP(json_done) cJSON *o = cJSON_CreateObject();
    bool ok = json_put_i64(o, "at", clock_wall_ms()) && json_put_str(o, "level", names[level]) &&
              json_put_str(o, "service", the_log.service) && (!job || json_put_str(o, "job", job)) &&
              (!chat || json_put_str(o, "chat", chat)) && json_put_str(o, "text", rest);
    char *line = ok ? json_take_text(o) : NULL;
    if (!line)
        abort();
    size_t len = strlen(line);
    line = alloc_again(line, len + 2);
    memcpy(line + len, "\n", 2);
    return line;
}

/* In one write where the system allows it, so that lines of several processes do not mix. */
static void put(const char *line) {
    for (size_t len = strlen(line); len;) {
        ssize_t n = write(STDERR_FILENO, line, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody can be told that the log is gone */
        line += n;
        len -= (size_t)n;
    }
}

void log_line(enum log_level level, const struct log_subject *about, const char *format, ...) {
    if (level < the_log.level)
        return;
    atomic_fetch_add(&the_log.counts[level], 1);
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        abort();
    CLEANUP(text_done) char *whole = text;
    CLEANUP(text_done) char *job = about && about->job ? shown(about->job, SUBJECT_MAX_BYTES) : NULL;
    CLEANUP(text_done) char *chat = about && about->chat ? shown(about->chat, SUBJECT_MAX_BYTES) : NULL;
    CLEANUP(text_done) char *line = the_log.format == LOG_JSON ? as_json(level, job, chat, whole) : as_text(level, job, chat, whole);
    put(line);
}
