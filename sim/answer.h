/* answer: what the model says to a question, and how: a pure function of the question, its directives and the defaults. */
#ifndef SIM_ANSWER_H
#define SIM_ANSWER_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/buf.h"

struct plan {
    int64_t deltas, delta_ms, first_ms, queue_ms, words, reasoning, fail_after;     /* words 0: max(8, deltas) */
    enum plan_end { END_COMPLETED, END_MAX_TOKENS, END_FILTER, END_FAILED, END_ERROR } end;
    int64_t search, lookup, compute, tool_ms;   /* calls of tools; from the beginning of each to its end */
    bool refuse, empty, keepalive;
    bool late, marks;           /* the tools are called in the middle of the text; sources stand there as marks */
    char code[48];              /* of END_FAILED and END_ERROR */
};

/* Takes the directives out of the text and puts them into *plan. What is left is the caller's; *ret_say too (NULL: none). */
char *answer_read_directives(const char *text, struct plan *plan, char **ret_say);
/* The same settings from JSON: {"deltas":20,…}; false: one of them makes no sense. */
bool answer_set_plan(const cJSON *o, struct plan *plan);
void answer_plan_to_json(const struct plan *plan, struct buf *b);   /* members without braces, each with its comma */
char *answer_text(const char *question, const char *say, const struct plan *plan, int images, int files);
int64_t answer_tokens(size_t bytes);
#endif
