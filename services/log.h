/* One line per decision, to stderr:
 *
 *   I llm job=1718-0 chat=5123 ask_model: asked to slow down, again in 3000 ms (try 2 of 5)
 *
 * or, with LOG_FORMAT=json, one object a line: {"at":ms,"level":"info","service":"llm","job":"1718-0","chat":"5123","text":"…"}.
 * The job prefix is carried by the job, never typed by hand. What was given to log_secret() never appears: each
 * occurrence is written as ***. Lines are cut at 2,000 bytes and control characters in them become '.'. */
#ifndef SERVICES_LOG_H
#define SERVICES_LOG_H
#include <stdarg.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

/* Whose line it is. Either may be NULL. Borrowed for the call. */
struct log_subject { const char *job, *chat; };

void log_open(const char *service, enum log_level level, enum log_format format);
void log_secret(const char *secret);                    /* copied; shorter than 8 bytes or NULL: ignored */
void log_line(enum log_level level, const struct log_subject *about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* How many lines of this level were written since start: for /metrics and the tests' teardown. */
unsigned long log_count(enum log_level level);

#define log_debug(about, ...) log_line(LOG_DEBUG, (about), __VA_ARGS__)
#define log_info(about, ...)  log_line(LOG_INFO,  (about), __VA_ARGS__)
#define log_warn(about, ...)  log_line(LOG_WARN,  (about), __VA_ARGS__)
#define log_error(about, ...) log_line(LOG_ERROR, (about), __VA_ARGS__)

#endif
