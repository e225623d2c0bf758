/* What all answers of one llm process share. */
#ifndef LLM_LLM_H
#define LLM_LLM_H
#include "llm/budget.h"
#include "llm/learned.h"
#include "services/price_file.h"
#include "services/svc.h"

struct answer;
struct catalog;
struct llm {
    struct svc *svc;
    struct http *http;
    struct price_file *prices;
    char *base_url;                      /* without a slash at its end */
    const char *headers[5];              /* authorization and types, NULL-terminated */
    char *authorization;
    const char *model, *instructions, *secret, *zone;
    bool background;                     /* an answer outlives the process that asked for it */
    struct learned learned;
    int64_t tries_max, output_most, compact_threshold;
    int idle_ms;
    unsigned concurrency;
    bool web_search, code_interpreter;   /* tools that are offered, where the server takes them */
    int64_t draining_since_ms;           /* 0: we are not leaving */
    struct surprise surprise;            /* of this server's counting */
    int64_t allowance_ms;             /* when, see allowance.h; 0: not yet */
    bool troubled;                       /* we told the circuit breaker of a failure since the last success */
    struct answer *answers;              /* all in hand */
    unsigned answering;                  /* how many these are */
    struct catalog *catalog;             /* NULL: we run one job alone */
    uv_timer_t *mouth;                   /* says the words that wait, see voice.c */
};

#endif
