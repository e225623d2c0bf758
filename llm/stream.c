/* The bytes of a response become text, an id and an end. Runs inside libcurl's callbacks: it copies and wakes, it decides nothing. */
#include "llm/answer.h"
#include <string.h>

enum { EVENT_MAX = 16 * 1024 * 1024 };   /* the last event carries the whole response */

static void on_event(const char *name, const char *data, size_t len, void *owner);

void stream_begin(struct answer *a, bool from_start) {
    sse_done(&a->sse);
    sse_init(&a->sse, EVENT_MAX, on_event, a);
    buf_done(&a->plain);
    buf_init(&a->plain, EVENT_MAX);
    if (from_start) {
        buf_clear(&a->text);
        buf_clear(&a->refusal);
        a->sequence = a->item = a->aside = -1;
        a->heard = (struct tool_calls){0};
        a->marks.len = 0;
    }
    a->streaming = false;
    a->error_code = NULL;
}

void stream_end(struct answer *a) {
    if (a->streaming)
        sse_end(&a->sse);
}

void stream_done(struct answer *a) {
    sse_done(&a->sse);
    buf_done(&a->plain);
    buf_done(&a->text);
    buf_done(&a->refusal);
    response_done(&a->response);
}

void stream_bytes(const char *data, size_t len, void *answer) {
    struct answer *a = answer;
    if (!a->streaming && (a->plain.len || (len && *data == '{'))) {
        (void)buf_add(&a->plain, data, len);       /* a server that does not stream; beyond the maximum it will not parse */
        return;
    }
    a->streaming = true;
    sse_push(&a->sse, data, len);
}

/* For the bill of a stream that nobody ends: see estimate_usage(). */
static void hear_tool(struct answer *a, const struct event *e) {
    if (!strcmp(e->tool, "web_search"))
        a->heard.web_search += e->tool_done;
    else if (!strcmp(e->tool, "file_search"))
        a->heard.file_search += e->tool_done;
    else if (!strcmp(e->tool, "code_interpreter"))
        a->heard.code_interpreter = 1;   /* one container, from its first call on */
}

static void on_event(const char *name, const char *data, size_t len, void *owner) {
    struct answer *a = owner;
    struct event e;
    (void)name;                          /* the type stands in the data as well, and some servers leave the line out */
    if (!data || a->over || event_read(data, len, &e) < 0)
        return;
    if (e.sequence >= 0 && e.sequence <= a->sequence) {       /* a replay overlaps what we have */
        event_done(&e);
        return;
    }
    if (e.sequence >= 0)
        a->sequence = e.sequence;
    switch (e.kind) {
    case EVENT_CREATED:
    case EVENT_QUEUED:
    case EVENT_IN_PROGRESS:
        if (!*a->response_id && *e.response_id)
            answer_created(a, e.response_id);
        break;
    case EVENT_ITEM:
        if (e.commentary)
            a->aside = e.output_index;
        break;
    case EVENT_TEXT:
        if (e.output_index >= 0 && e.output_index == a->aside)
            break;                       /* talk before tool calls */
        if (e.output_index != a->item)
            (void)marks_end(&a->marks, &a->text);
        if (e.output_index != a->item && a->text.len)
            (void)buf_add_str(&a->text, "\n\n");          /* another message of the same answer */
        a->item = e.output_index;
        if (marks_feed(&a->marks, e.text, e.text_len, &a->text))
            voice_heard(a);
        break;
    case EVENT_REFUSAL:
        (void)buf_add(&a->refusal, e.text, e.text_len);
        break;
    case EVENT_END:
        response_done(&a->response);
        a->response = *e.response;
        memset(e.response, 0, sizeof *e.response);
        a->over = true;
        if (!*a->response_id && *a->response.id)
            answer_created(a, a->response.id);
        answer_wake(a);
        break;
    case EVENT_ERROR:
        a->error_code = arena_str(a->mem, *e.code ? e.code : "server_error");
        answer_wake(a);
        break;
    case EVENT_TOOL:
        hear_tool(a, &e);
        voice_doing(a, e.tool);
        break;
    default:
        break;
    }
    event_done(&e);
}
