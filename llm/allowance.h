/* What OpenAI's rate-limit headers last said of each model, for /limits: hash `limits`, written at most once a second by each llm. */
#ifndef LLM_ALLOWANCE_H
#define LLM_ALLOWANCE_H
#include "llm/llm.h"

void allowance_note(struct llm *llm, const char *model, const struct http_result *r);

#endif
