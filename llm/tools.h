/* The tools that a request offers to the model: what is asked for, and what calls of them cost. */
#ifndef LLM_TOOLS_H
#define LLM_TOOLS_H
#include <stdbool.h>
#include <stdint.h>
#include "proto/json.h"
#include "proto/prices.h"

struct tools {
    bool web_search, code_interpreter;
    const char *library;                 /* vector store that file_search looks into; "" or NULL: none */
    int64_t calls_most;                  /* 0: not bounded by us */
};
bool tools_any(const struct tools *t);
/* Puts `tools` into a body, and `max_tool_calls` where there is a bound. */
void tools_put(cJSON *body, const struct tools *t);
/* What one call of the dearest of them costs beside its tokens. */
int64_t tools_fee(const struct tools *t, const struct prices *prices, const char *model);
/* The id of a vector store, as OpenAI makes them? */
bool tools_is_library(const char *id);

/* What a response has called, as OpenAI bills it: searches of the web that were made (opening a page is free), looks into a library,
 * containers. */
struct tool_calls { int64_t web_search, file_search, code_interpreter; };
void tools_count(const cJSON *output, struct tool_calls *ret);
/* Into the usage, and as "web_search=2,file_search=1" into ret_text, which stays empty when nothing was called. */
enum { TOOLS_TEXT = 120 };
void tools_used(const struct tool_calls *c, struct usage *u, char ret_text[TOOLS_TEXT]);

#endif
