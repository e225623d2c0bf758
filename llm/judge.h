/* What to do about what OpenAI said: every refusal, failure and silence becomes one decision, here. */
#ifndef LLM_JUDGE_H
#define LLM_JUDGE_H
#include <stdbool.h>
#include <stdint.h>
#include "services/http.h"

enum verdict_what {
    VERDICT_AGAIN,          /* the same request again, after wait_ms at least */
    VERDICT_LOOK_UP,        /* it may have been executed: find out by its id, if there is one */
    VERDICT_NEW_CHAIN,      /* the chain is lost or too long: again, with the last turns as input */
    VERDICT_LEAVE_OUT,      /* again, without the parameter in `without` */
    VERDICT_NO_LIBRARY,     /* again, without the library: it is not there any more */
    VERDICT_GIVE_UP         /* tell the user `line`, and the administrators `alert` if there is one */
};
struct verdict {
    enum verdict_what what;
    int64_t wait_ms;
    bool counts;            /* for the circuit breaker: the server is in trouble */
    unsigned without;       /* enum optional_parameter */
    bool of_model;          /* it says so of the model, by its name */
    const char *line, *alert;   /* line with NEW_CHAIN: what is said beside the answer, or instead when there is no chain to be left */
    const char *why;        /* for the log and the dead letter; never a user's words */
};

/* An answer that is not a stream of events, or no answer at all. */
struct verdict judge_http(const struct http_result *r);
/* The code of a failed response or of an error event; NULL or "" counts as a server error. */
struct verdict judge_error(const char *code, const char *message);
#endif
