/* What llm and media both know of OpenAI's ways: which errors pass by themselves, and how long to stand back. */
#ifndef SERVICES_OPENAI_H
#define SERVICES_OPENAI_H
#include <stdbool.h>
#include <stdint.h>

/* The code (or type) of an error; NULL is none. */
bool openai_is_quota(const char *code);          /* money or limits that waiting does not mend */
bool openai_is_passing(const char *code);        /* the server's trouble */
/* "6m0s", "1.5s", "120ms", "1h2m3s" in ms, rounded up; -1: it is no such span, or longer than a year. */
int64_t openai_span_ms(const char *text);
/* Exponential back-off with full jitter before try number `next` (2 for the first repetition): up to 0.5·4ⁿ s, at most 60 s. */
int64_t openai_backoff(int64_t next);

#endif
