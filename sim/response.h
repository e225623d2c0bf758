/* response: one response of the model, from its creation to the end of the program.
 *
 * Nothing that was streamed is stored: event k of a response is a function of the response, so a replay renders it again.
 * `made` counts the events that have happened. What is there by now follows from it. */
#ifndef SIM_RESPONSE_H
#define SIM_RESPONSE_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "sim/answer.h"
#include "sim/sim.h"

enum response_status { R_QUEUED, R_IN_PROGRESS, R_COMPLETED, R_INCOMPLETE, R_FAILED, R_CANCELLED };

enum { NOTES_MAX = 32, CALL_TOKENS = 500 };      /* the latter: input that a call of a tool adds */

struct usage {
    int64_t input, cached, cache_write, output, reasoning;
    int64_t web_search, file_search, containers;
};

struct response {
    struct sim *sim;
    int64_t n;
    char id[56];
    char *model, *echo, *metadata, *previous, *safety, *text, *items;   /* echo, metadata, items: JSON */
    char *question, *asked;     /* without its directives; as it came */
    size_t text_len;
    struct plan plan;
    bool background, stream, store, obfuscation;
    bool deleted, dropped, cancelled, billed, unfinished_previous;
    enum response_status status;
    int64_t created_ms, finished_ms, started;       /* started: loop time */
    int64_t context;            /* tokens of the chain before this one */
    int64_t own_input;          /* tokens of this input, instructions left out */
    struct usage usage;         /* input side from the beginning, output side at the end */
    int64_t reads;
    char *compaction;           /* id of a compaction item, or NULL */

    /* places of events; a part that does not occur has no length */
    int64_t queued_at, progress_at, keepalive_at, compaction_at, reasoning_at, tools_at, item_at, deltas_at, notes_at, done_at, end_at, total;
    int64_t deltas;             /* that will be sent */
    int64_t tools;              /* events of calls of tools */
    bool late;                  /* they come between the deltas */
    char *notes[NOTES_MAX];     /* annotations, as JSON */
    int notes_len;
    int64_t made;
    uv_timer_t *timer;          /* while it runs */
    struct reader *readers;
};

void response_lay_out(struct response *r);          /* after plan and text are set */
int64_t response_due(const struct response *r, int64_t k);     /* ms after the start */
size_t response_text_made(const struct response *r);           /* bytes of the text in the deltas made */
void response_event(const struct response *r, int64_t k, struct buf *b);    /* as SSE */
void response_to_json(const struct response *r, enum response_status status, struct buf *b);
void response_item_to_json(const struct response *r, const char *status, size_t text_len, struct buf *b);
const char *response_status_name(enum response_status s);
void usage_to_json(const struct usage *u, struct buf *b);
bool response_is_over(const struct response *r);
void response_free(struct response *r);
void response_begin_event(const char *type, struct buf *b);
void response_item_event(const char *type, int64_t index, struct buf *b);       /* up to the item itself */

/* response_tools.c */
int64_t tools_calls(const struct plan *p);
int64_t tools_events(const struct plan *p);
void tools_allow(struct plan *p, const cJSON *body);            /* no more calls than the request offers */
void tools_cite(struct response *r);                            /* sources into the text and the notes */
void tools_forget_notes(struct response *r);
int64_t tools_waits(const struct response *r, int64_t k);       /* calls that have ended by event k */
void tools_bill(const struct response *r, struct usage *u);     /* calls made so far */
bool tools_to_json(const struct response *r, bool first, struct buf *b);        /* items; false: there were some */
void tools_event(const struct response *r, int64_t n, int64_t index, struct buf *b);   /* the n-th of theirs; index: of the first item */
#endif
