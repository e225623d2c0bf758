/* What ingest asks of the Bot API, and one reading of each answer. */
#ifndef INGEST_BOT_API_H
#define INGEST_BOT_API_H
#include "proto/json.h"
#include "services/http.h"

enum bot_word {
    BOT_OK,              /* result is set */
    BOT_TOO_LARGE,       /* longer than it may be; body holds its beginning */
    BOT_NONSENSE,        /* 200, but not the Bot API's JSON; body holds it */
    BOT_TOKEN,           /* the token is not accepted */
    BOT_CONFLICT,        /* somebody else asks for updates too */
    BOT_WEBHOOK,         /* updates go to a webhook */
    BOT_WAIT,            /* not before wait_ms */
    BOT_REFUSED,         /* 400 or 403: what was asked for cannot be, now or later */
    BOT_FAILED           /* everything else, on their side, ours or on the way: again later */
};

struct bot_answer {
    enum bot_word word;
    cJSON *json;                 /* the whole answer; owns result */
    const cJSON *result;
    char *body;                  /* its beginning, where it could not be read; NULL otherwise */
    size_t body_len;
    int64_t wait_ms;             /* 0: nothing was said */
    bool stalled;                /* the connection fell silent */
    char why[200];               /* for a log line; "" when all is well */
};
void bot_answer_done(struct bot_answer *a);

struct bot_api;

enum {
    BOT_CALL_MS = 30000,         /* longest silence of an ordinary call */
    BOT_SLACK_MS = 10000,        /* of a long poll, beyond the time that it may take */
    BOT_TOKEN_AGAIN_MS = 15000   /* a wrong token is tried again so seldom */
};

struct bot_api *bot_api_new(uv_loop_t *loop);        /* address, token and proxy come from the settings */
void bot_api_free(struct bot_api *a);                /* after all calls were cancelled; NULL is fine */
/* params: taken. silence_ms: longest time without a byte. */
struct http_call *bot_api_call(struct bot_api *a, const char *method, cJSON *params, int silence_ms, http_done_fn *done, void *owner);
/* How long to wait after so many failures in a row: exponential, with jitter, half a second to half a minute. */
int64_t bot_api_backoff_ms(int failures);
/* Inside done: what it means. */
void bot_api_read(struct http_result *r, struct bot_answer *ret_answer);

#endif
