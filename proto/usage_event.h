/* The ledger event: one paid call, as it was reported. What llm and media say and ledger books. */
#ifndef PROTO_USAGE_EVENT_H
#define PROTO_USAGE_EVENT_H
#include <stdbool.h>
#include <stdint.h>
#include "proto/args.h"

struct usage_event {                      /* strings borrowed; NULL counts as "" */
    const char *event;                    /* "<job>:<call>", or "<job>:<call>:wasted:<response>": unique */
    const char *job, *chat, *user;
    int64_t at;                           /* ms since 1970 */
    const char *paid;                     /* "chat", "transcription", "image" */
    const char *model, *response, *status;
    int64_t input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens;
    int64_t audio_ms, images;
    const char *tools;                    /* "web_search=2,file_search=1": calls that have a price of their own */
    int64_t cost_nusd;
    const char *price_version;
    bool estimated;                       /* nobody reported it */
    const char *unclear;                  /* names of amounts that were reported as nonsense, with commas between */
};
/* Appends the count of pairs and the pairs themselves. Names are those of the ledger's columns. */
void usage_event_args(struct args *a, const struct usage_event *e);

#endif
