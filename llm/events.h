/* The events of a Responses stream, and the response object that the last one carries. Every field may be missing or wrongly typed. */
#ifndef LLM_EVENTS_H
#define LLM_EVENTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cjson/cJSON.h>
#include "llm/cite.h"
#include "llm/tools.h"

enum event_kind {
    EVENT_OTHER,             /* known and of no interest, or unknown: skipped */
    EVENT_CREATED, EVENT_QUEUED, EVENT_IN_PROGRESS,          /* response_id, status */
    EVENT_TEXT,              /* output_text.delta: text */
    EVENT_REFUSAL,           /* refusal.delta: text */
    EVENT_TOOL,              /* a tool began or went on: tool ("web_search", "file_search", …) */
    EVENT_KEEPALIVE,
    EVENT_END,               /* completed, incomplete, failed, cancelled: response */
    EVENT_ERROR,             /* error, flat or nested, and the body of an error answer: code, message */
    EVENT_ITEM               /* an output item began or ended: output_index, commentary */
};

/* How a response stands, from an event or from GET. Strings are owned by it, each from malloc(). Zeroed is empty. */
struct response {
    char *id, *status, *model;           /* "" when missing; status: completed incomplete failed cancelled in_progress queued;
                                            an id that has no place in the path of a URL counts as missing */
    char *incomplete_reason;             /* max_output_tokens, content_filter, "" */
    char *error_code, *error_message;    /* "" none */
    char *text;                          /* output_text of all messages but commentary, joined (messages by an empty line); valid
                                            UTF-8; never NULL once read */
    size_t text_len;
    struct cites cites;                  /* its sources, whose numbers stand in it, and files that were made */
    char *commentary;                    /* likewise of the messages of phase commentary: talk before tool calls, not the answer */
    char *refusal;                       /* "" none */
    bool has_usage;                      /* usage was reported */
    char odd_usage[112];                 /* what of it makes no sense and counts as 0 or as the most: names with commas between */
    int64_t input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens;    /* 0 to 10^9 each */
    struct tool_calls tools;             /* what is to be paid beside the tokens */
    bool calls_pending;                  /* function calls that wait for an output, and their kin that are ours to answer */
    bool compacted;                      /* a compaction item is in the output */
};
/* o may be NULL or anything else. Its strings are taken for valid UTF-8. */
void response_read(const cJSON *o, struct response *ret_response);
/* From a text. 0, or -EINVAL: not a response object (ret_response stays empty). */
int response_parse(const char *text, size_t len, struct response *ret_response);
void response_done(struct response *r);
bool response_is_over(const struct response *r);        /* completed, incomplete, failed, cancelled */

struct event {
    enum event_kind kind;
    int64_t sequence;                    /* -1: none */
    const char *text;                    /* TEXT, REFUSAL: valid UTF-8, borrowed; else "" */
    size_t text_len;
    int64_t output_index;                /* TEXT, REFUSAL, ITEM: which item of the output it belongs to; -1: not said */
    bool commentary;                     /* ITEM: a message of phase commentary; deltas of its output_index are not the answer */
    const char *response_id;             /* CREATED, QUEUED, IN_PROGRESS; "" none; borrowed */
    const char *tool;                    /* TOOL; static */
    bool tool_done;                      /* … has come to its end */
    const char *code, *message;          /* ERROR; "" none; borrowed */
    struct response *response;           /* END; the caller takes it by setting it to NULL, else it goes with the event */
    void *private;                       /* what the borrowed strings live in */
};
/* 0, or -EINVAL: the data is no JSON object (a log line's worth; the stream goes on). After 0 call event_done(). */
int event_read(const char *data, size_t len, struct event *ret_event);
void event_done(struct event *e);

#endif
