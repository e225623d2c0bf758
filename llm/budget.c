#include "llm/budget.h"

enum {
    ITEM_TOKENS = 16,                /* what a message's frame costs, generously */
    FRAME_TOKENS = 64,               /* what a request's frame costs, generously */
    SHORT_ANSWER = 32,               /* an answer that cannot have this many tokens is not worth asking for; more would leave a small budget unused */
    LONG_ANSWER = 16384,             /* what a budget reserves for where no setting says otherwise */
    CALLS_MOST = 3,                  /* of tools in one answer while a budget is in force */
    FOUND_TOKENS = 16384             /* what one call brings: twenty chunks of 800 tokens, or a page of hits */
};

struct estimate budget_estimate(const struct prices *prices, const char *model, int64_t context_tokens, int64_t new_bytes,
                                int items, int64_t output_most, bool limited, const struct surprise *surprise) {
    struct estimate e = {.input_tokens = context_tokens + new_bytes + FRAME_TOKENS + (int64_t)items * ITEM_TOKENS + surprise->input,
                         .beyond_tokens = surprise->output};
    if (!limited)
        return e;
    e.output_tokens = output_most > 0 ? output_most : LONG_ANSWER;
    int64_t least = e.output_tokens < SHORT_ANSWER ? e.output_tokens : SHORT_ANSWER;
    e.want_nusd = prices_upper_bound(prices, model, e.input_tokens, e.output_tokens + e.beyond_tokens);
    e.least_nusd = prices_upper_bound(prices, model, e.input_tokens, least + e.beyond_tokens);
    return e;
}

/* Each call is a further round, which reads the dialogue and all that was found before once more. */
static int64_t input_with(const struct estimate *e, int64_t calls) {
    return e->input_tokens + calls * e->call_tokens + calls * (calls - 1) / 2 * FOUND_TOKENS;
}

static int64_t most_with(const struct prices *prices, const char *model, const struct estimate *e, int64_t calls) {
    return prices_upper_bound(prices, model, input_with(e, calls), e->output_tokens + e->beyond_tokens) + calls * e->call_fee_nusd;
}

void budget_offer_tools(struct estimate *e, const struct prices *prices, const char *model, int64_t fee_nusd) {
    e->call_fee_nusd = fee_nusd;
    e->call_tokens = e->input_tokens + FOUND_TOKENS;
    e->want_nusd = most_with(prices, model, e, CALLS_MOST);
}

int64_t budget_calls(const struct prices *prices, const char *model, const struct estimate *e, int64_t reserved_nusd) {
    int64_t calls = e->call_tokens ? CALLS_MOST : 0;
    while (calls && most_with(prices, model, e, calls) > reserved_nusd)
        calls--;
    return calls;
}

int64_t budget_output(const struct prices *prices, const char *model, const struct estimate *e, int64_t calls, int64_t reserved_nusd,
                      bool limited) {
    if (!limited)
        return 0;
    int64_t paid_for = prices_output_paid_for(prices, model, input_with(e, calls), reserved_nusd - calls * e->call_fee_nusd) - e->beyond_tokens;
    return paid_for < 0 ? 0 : paid_for < e->output_tokens ? paid_for : e->output_tokens;
}

void budget_learn(struct surprise *s, const struct estimate *e, int64_t input_tokens, int64_t asked_tokens, int64_t output_tokens) {
    if (input_tokens > e->input_tokens)
        s->input += input_tokens - e->input_tokens;      /* the estimate had what was known before in it */
    if (asked_tokens && output_tokens - asked_tokens > s->output)
        s->output = output_tokens - asked_tokens;
}
