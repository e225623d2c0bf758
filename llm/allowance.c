#include "llm/allowance.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "services/clock.h"
#include "services/openai.h"

enum { GAP_MS = SECOND, KEPT_S = 86400 };

static void key_of(const struct llm *llm, struct args *args) {
    char key[300];
    snprintf(key, sizeof key, "%slimits", llm->svc->prefix);
    args_str(args, key);
}

void allowance_note(struct llm *llm, const char *model, const struct http_result *r) {
    int64_t now_ms = clock_mono_ms();
    if ((!r->requests.limit && !r->tokens.limit) || (llm->allowance_ms && now_ms - llm->allowance_ms < GAP_MS))
        return;
    llm->allowance_ms = now_ms;
    char said[240];
    snprintf(said, sizeof said, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, clock_wall_ms(),
             r->requests.limit, r->requests.left, openai_span_ms(r->requests.reset), r->tokens.limit, r->tokens.left, openai_span_ms(r->tokens.reset));
    struct args set = {0}, keep = {0};
    args_str(&set, "HSET");
    key_of(llm, &set);
    args_pair(&set, model, said);
    (void)redis_command(llm->svc->redis, &set, NULL, NULL);
    args_str(&keep, "EXPIRE");
    key_of(llm, &keep);
    args_int(&keep, KEPT_S);
    (void)redis_command(llm->svc->redis, &keep, NULL, NULL);
}
