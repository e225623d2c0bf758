/* What a turn may cost, and out of which periods. */
#ifndef LLM_BUDGET_H
#define LLM_BUDGET_H
#include <stdbool.h>
#include <stdint.h>
#include "proto/prices.h"
#include "services/periods.h"

/* What a server has reported beyond what we took for the most there could be, in tokens: one that counts otherwise than OpenAI, or does
 * not heed max_output_tokens. From then on it is reckoned with. */
struct surprise { int64_t input, output; };

/* A reservation for one request. */
struct estimate {
    int64_t input_tokens;            /* upper bound of what goes in */
    int64_t beyond_tokens;           /* what may come out beyond that all the same */
    int64_t output_tokens;           /* most that may come out; 0: not bounded by us (then nothing is reserved) */
    int64_t want_nusd, least_nusd;   /* for begin: all of it, or at least enough for a short answer */
    int64_t call_fee_nusd;           /* of one call of a tool */
    int64_t call_tokens;             /* input that one call adds: what it found, and the dialogue read once more; 0: no tools */
};
/* context_tokens: what the dialogue holds at OpenAI already; new_bytes: all text sent in this request (a token is never
 * shorter than a byte); items: how many input items; output_most: setting, 0 when none. */
struct estimate budget_estimate(const struct prices *prices, const char *model, int64_t context_tokens, int64_t new_bytes,
                                int items, int64_t output_most, bool limited, const struct surprise *surprise);
/* Tools are offered, one call of which costs that fee: the reservation that is wanted, not the least one, includes a few calls. */
void budget_offer_tools(struct estimate *e, const struct prices *prices, const char *model, int64_t fee_nusd);
/* How many calls of tools the reservation pays for, beside the longest answer: for max_tool_calls. 0: none may be offered. */
int64_t budget_calls(const struct prices *prices, const char *model, const struct estimate *e, int64_t reserved_nusd);
/* How long an answer the reservation pays for beside so many calls: for max_output_tokens; 0: not bounded. */
int64_t budget_output(const struct prices *prices, const char *model, const struct estimate *e, int64_t calls, int64_t reserved_nusd,
                      bool limited);
/* An answer is there, in which no tool was called: what was used, and what was asked for (asked_tokens: max_output_tokens, 0 none). */
void budget_learn(struct surprise *s, const struct estimate *e, int64_t input_tokens, int64_t asked_tokens, int64_t output_tokens);

#endif
