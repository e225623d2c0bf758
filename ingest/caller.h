/* A row of steps that talks to the Bot API: one call at a time, its answer, and trouble, of which the log hears once, and of its end. */
#ifndef INGEST_CALLER_H
#define INGEST_CALLER_H
#include "ingest/bot_api.h"
#include "services/svc.h"

struct caller {
    struct steps *steps;         /* woken by the answer */
    struct svc *svc;
    struct bot_api *api;
    struct http_call *call;      /* NULL: none is under way */
    struct bot_answer answer;    /* to the last call; valid until the next one */
    int failures;                /* in a row */
    enum bot_word said;          /* the trouble that the log knows of; BOT_OK: none */
};

void caller_init(struct caller *c, struct svc *s, struct steps *steps);
void caller_done(struct caller *c);                  /* when no call is under way */
/* Ask; the row's next step finds c->answer. params: taken. silence_ms: longest time without a byte. Returns STEP_WAIT. */
enum step_end caller_ask(struct caller *c, const char *method, cJSON *params, int silence_ms);
void caller_hang_up(struct caller *c);               /* the answer will not come */

/* The answer was of no use: counts, tells the log (a first BOT_FAILED is nothing to talk about) and, of a token that is not
 * accepted, the administrators. Returns how many milliseconds to wait before the next try: exponential, or as Telegram says. */
int64_t caller_failed(struct caller *c);
void caller_went_well(struct caller *c);

#endif
