/* What all jobs of one media process share. */
#ifndef MEDIA_MEDIA_H
#define MEDIA_MEDIA_H
#include "services/price_file.h"
#include "services/svc.h"

struct task;
struct media {
    struct svc *svc;
    struct http *telegram, *openai;      /* a peer each: connections, proxy */
    struct price_file *prices;
    char *openai_url;                    /* without a slash at its end */
    const char *telegram_url, *token;
    char *authorization;                 /* towards OpenAI; the whole header line */
    const char *model, *image_model;     /* that hears, that draws */
    bool local_files;                    /* Telegram's files lie on this machine */
    int64_t bytes_most, tries_max, attempts_max;
    int idle_ms;
    char *ffmpeg;                        /* its path; NULL: it is not installed */
    unsigned converting;                 /* how many of it run */
    int64_t draining_since_ms;           /* 0: we are not leaving */
    bool troubled;                       /* we told the circuit breaker of a failure since the last success */
    struct task *tasks;                  /* all in hand */
    unsigned working;                    /* how many these are */
    uv_timer_t *drain_timer;
};

#endif
