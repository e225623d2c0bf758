/* The requests to the Responses API, and nothing about when they are made. */
#ifndef LLM_REQUEST_H
#define LLM_REQUEST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "llm/tools.h"

enum { TURNS_KEPT = 6, TURN_BYTES = 4000 };            /* what a conversation keeps to heal a lost chain */
enum { OUTPUT_LEAST = 16 };                            /* OpenAI refuses a smaller max_output_tokens; and then it would be left out */

/* Parameters that are not needed for an answer and that some servers refuse: left out once a server has said so. */
enum optional_parameter {
    WITHOUT_METADATA = 1, WITHOUT_SAFETY_IDENTIFIER = 2, WITHOUT_STREAM_OPTIONS = 4, WITHOUT_COMPACTION = 8,
    WITHOUT_BACKGROUND = 16, WITHOUT_MAX_OUTPUT = 32, WITHOUT_TOOLS = 64, WITHOUT_TOOL_LIMIT = 128
};

struct turn { const char *question, *answer; };        /* answer "" : it was never given */

/* What came with the words: a picture or a document, by its id at OpenAI. */
struct input { bool image; const char *file; int64_t tokens; };        /* tokens: what it may count as, at most */

struct request {                                       /* everything borrowed */
    const char *model, *instructions, *user, *job, *call;
    const char *previous;                              /* response to go on from; "" none */
    const struct turn *turns; int turns_count;         /* said since `previous`, or all that is known: go in as input items */
    const char *context;                               /* what is told about the question, before its words; "" nothing */
    const char *question;
    const struct input *inputs; int inputs_count;
    bool background;
    int64_t max_output_tokens;                         /* 0: none */
    int64_t compact_threshold;                         /* 0: none */
    struct tools tools;                                /* none unless said */
    unsigned without;                                  /* enum optional_parameter */
    const char *secret;                                /* keys the hash that stands for the user */
};
/* The body of POST /responses. The caller frees. */
char *request_body(const struct request *r);
/* An upper bound of the tokens that go in: bytes of words, and what pictures and documents may count as. */
int64_t request_tokens_most(const struct request *r);

/* Which parameter did the server name in its complaint? 0: none that may be left out. */
unsigned request_optional(const char *parameter);

/* A stable name for a user that tells nobody who it is: 64 hex digits. */
void request_user_hash(const char *secret, const char *user, char ret_hex[static 65]);

#endif
