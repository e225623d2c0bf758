/* text/event-stream, as a push parser: bytes go in, cut anywhere; whole events come out.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 *
 * Only an event's data takes memory, at most event_max of it, and no more than 4 kB between events. `data: [DONE]` is no event:
 * it ends the stream, and what follows it is ignored. */
#ifndef LLM_SSE_H
#define LLM_SSE_H
#include <stdbool.h>
#include <stddef.h>
#include "services/buf.h"

/* One event: its name ("" when it had none) and its data lines joined by '\n', NUL-terminated. Borrowed for the call.
 * data NULL: an event that passed the maximum; its bytes are skipped, the stream goes on.
 * Must not free or feed the parser. */
typedef void sse_event_fn(const char *name, const char *data, size_t len, void *owner);

struct sse {
    sse_event_fn *on_event;
    void *owner;
    struct buf data;                 /* private from here */
    size_t event_max;
    char name[64], field[8];
    unsigned char name_len, field_len, part;
    bool has_data, too_large, behind_cr, behind_colon, begun, over;
};

void sse_init(struct sse *s, size_t event_max, sse_event_fn *on_event, void *owner);
void sse_done(struct sse *s);                                   /* a zeroed struct is fine */
void sse_push(struct sse *s, const char *bytes, size_t len);
/* The connection has ended: an event whose closing empty line did not come any more is handed out as far as it goes. JSON
 * tells by itself whether it is whole. */
void sse_end(struct sse *s);

#endif
