/* What to do about what Telegram and OpenAI said: every refusal, failure and silence becomes one decision, here. */
#ifndef MEDIA_JUDGE_H
#define MEDIA_JUDGE_H
#include <stdbool.h>
#include <stdint.h>
#include "services/http.h"

enum verdict_what {
    VERDICT_OK,
    VERDICT_AGAIN,          /* the same request again, after wait_ms at least */
    VERDICT_GONE,           /* a link has expired */
    VERDICT_REFUSE          /* tell the user `line`, and the administrators `alert` if there is one */
};
struct verdict {
    enum verdict_what what;
    int64_t wait_ms;
    bool unsent;            /* it never left us: no try */
    bool asked_to_wait;     /* by a server that is well: no failure */
    bool dead;              /* that was the last try: for the dead-letter stream */
    bool may_be_bare;       /* it stumbled over a parameter that the request can do without */
    bool counts;            /* for the circuit breaker: the server is in trouble */
    const char *line, *alert;
    int64_t limit_mb;       /* of a file that is too big, where it is not our own limit; 0 */
    const char *why;        /* for the log and the dead letter; never a user's words */
};

struct verdict judge_get_file(const struct http_result *r);
struct verdict judge_download(const struct http_result *r);
/* A request with a file, or about files. `what`: the alert when the model is not there, or NULL. */
struct verdict judge_openai(const struct http_result *r, const char *no_model);
/* A request for a picture; `edit`: with a photo. */
struct verdict judge_drawing(const struct http_result *r, bool edit);

#endif
