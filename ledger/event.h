/* What a ledger event means: the fields of a stream entry to the row of `usage`. No I/O.
 *
 *   kind=usage   event=<job>:<call>   at=<ms>   job chat user
 *   paid=chat|transcription|image|correction   model   response   status
 *   input_tokens cached_tokens cache_write_tokens output_tokens reasoning_tokens   seconds   images
 *   tools=web_search=2,file_search=1
 *   cost_nusd price_version   (missing: computed here)   estimated=0|1
 *   unclear=output_tokens     (what the provider reported as nonsense: whoever wrote the event put something else)
 *
 * Only the first two are needed. What makes no sense counts as 0 (for `at`: as now) and is named in `unclear`. */
#ifndef LEDGER_EVENT_H
#define LEDGER_EVENT_H
#include "proto/fields.h"
#include "proto/prices.h"
#include "services/buf.h"

struct event_text { const char *data; size_t len; };          /* borrowed, valid UTF-8, no NUL inside */

struct event {
    struct event_text id, kind, model, tools, price_version, status, response, job, call;
    int64_t at, user, chat;
    struct usage used;
    bool estimated;
    int64_t cost_nusd;
    char tool_names[256];                                      /* private: used.tools points into it */
    char unclear[120];                                         /* "output_tokens,at", or "" */
};

/* Read one event. NULL: *ret is set; its strings live as long as f and prices. Else why it is none, for the `dead` stream. */
const char *event_read(const struct fields *f, const struct prices *prices, int64_t now_ms, struct event *ret);

/* All of it as a JSON object of strings, at the end of `out` (which has room for EVENT_JSON_MAX). What is not UTF-8 becomes
 * U+FFFD, a value longer than 4 KB or a hundredth field is cut off. */
#define EVENT_JSON_MAX ((size_t)8 << 20)
void event_to_json(const struct fields *f, struct buf *out);

#endif
