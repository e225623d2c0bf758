#include "sim/response.h"

#include <stdlib.h>
#include <string.h>

#include "sim/text.h"

static const char refusal[] = "I'm sorry, but I can't help with that.";

const char *response_status_name(enum response_status s) {
    static const char *const names[] = { "queued", "in_progress", "completed", "incomplete", "failed", "cancelled" };
    return names[s];
}

bool response_is_over(const struct response *r) {
    return r->status >= R_COMPLETED;
}

void response_free(struct response *r) {
    free(r->model);
    free(r->echo);
    free(r->metadata);
    free(r->previous);
    free(r->question);
    free(r->asked);
    free(r->safety);
    free(r->text);
    free(r->items);
    free(r->compaction);
    tools_forget_notes(r);
    free(r);
}

/* created · queued? · in_progress · keepalive×2? · compaction×3? · reasoning×2? · tools? · item, part · deltas (tools?) · annotations? ·
 * text, part, item done · end */
void response_lay_out(struct response *r) {
    const struct plan *p = &r->plan;
    bool broken = p->end == END_FAILED || p->end == END_ERROR;
    bool has_item = !p->empty && !(broken && !p->fail_after);
    int64_t chars, at = 1;
    if (p->refuse) {
        free(r->text);
        r->text = xdup(refusal);
    }
    r->text_len = strlen(r->text);
    chars = (int64_t)text_chars(r->text, r->text_len);
    r->deltas = !has_item ? 0 : p->deltas > chars ? chars : p->deltas < 1 ? 1 : p->deltas;
    r->queued_at = at;
    at += r->background;
    r->progress_at = at++;
    r->keepalive_at = at;
    at += p->keepalive ? 2 : 0;
    r->compaction_at = at;
    at += r->compaction ? 2 : 0;
    r->reasoning_at = at;
    at += p->reasoning && has_item ? 2 : 0;
    r->tools = has_item ? tools_events(p) : 0;
    r->late = p->late && !broken && r->deltas > 1;
    r->tools_at = at;
    at += r->late ? 0 : r->tools;
    r->item_at = at;
    at += has_item ? 2 : 0;
    r->deltas_at = at;
    if (r->late) {
        r->tools_at = at + r->deltas / 2;
        at += r->tools;
    }
    at += broken && r->deltas > p->fail_after ? p->fail_after : r->deltas;
    if (p->refuse)
        tools_forget_notes(r);
    r->notes_at = at;
    at += has_item && !broken ? r->notes_len : 0;
    r->done_at = at;
    at += has_item && !broken ? 3 : 0;
    r->end_at = at++;
    r->total = at;
}

/* How many deltas stand before event k. */
static int64_t deltas_before(const struct response *r, int64_t k) {
    int64_t n = (k < r->notes_at ? k : r->notes_at) - r->deltas_at;
    if (n > 0 && r->late && k > r->tools_at)
        n -= k - r->tools_at < r->tools ? k - r->tools_at : r->tools;
    return n > 0 ? n : 0;
}

int64_t response_due(const struct response *r, int64_t k) {
    const struct plan *p = &r->plan;
    int64_t last = deltas_before(r, k) - (k >= r->notes_at);
    if (k < r->progress_at)
        return 0;
    if (k < r->reasoning_at)
        return p->queue_ms * r->background;
    return p->queue_ms * r->background + p->first_ms + (last > 0 ? last : 0) * p->delta_ms + tools_waits(r, k) * p->tool_ms;
}

/* Where delta i begins in the text. */
static size_t cut(const struct response *r, int64_t i) {
    size_t at;
    if (i >= r->deltas)
        return r->text_len;
    at = (size_t)((double)r->text_len * (double)i / (double)r->deltas);
    return text_floor(r->text, r->text_len, at);
}

size_t response_text_made(const struct response *r) {
    int64_t done = deltas_before(r, r->made);
    return done > 0 ? cut(r, done) : 0;
}

/* Is there a reasoning item? */
static bool thinks(const struct response *r) {
    return r->plan.reasoning && r->item_at < r->deltas_at;
}

static int64_t first_index(const struct response *r) {
    return (r->compaction != NULL) + thinks(r);
}

/* Of the message among the items; calls of tools stand before it, or come while it is written. */
static int64_t message_index(const struct response *r) {
    return first_index(r) + (r->late ? 0 : tools_calls(&r->plan));
}

/* Ids of the items in an output are made from the response's. */
static void item_id(const struct response *r, const char *prefix, struct buf *b) {
    buf_str(b, "\"");
    buf_str(b, prefix);
    buf_str(b, r->id + 5);
    buf_str(b, "\"");
}

void usage_to_json(const struct usage *u, struct buf *b) {
    buf_str(b, "{\"input_tokens\":");
    buf_i64(b, u->input);
    buf_str(b, ",\"input_tokens_details\":{\"cached_tokens\":");
    buf_i64(b, u->cached);
    buf_str(b, ",\"cache_write_tokens\":");
    buf_i64(b, u->cache_write);
    buf_str(b, "},\"output_tokens\":");
    buf_i64(b, u->output);
    buf_str(b, ",\"output_tokens_details\":{\"reasoning_tokens\":");
    buf_i64(b, u->reasoning);
    buf_str(b, "},\"total_tokens\":");
    buf_i64(b, u->input + u->output);
    buf_str(b, "}");
}

static void part_to_json(const struct response *r, size_t text_len, struct buf *b) {
    if (r->plan.refuse) {
        buf_str(b, "{\"type\":\"refusal\",\"refusal\":");
    } else {
        buf_str(b, "{\"type\":\"output_text\",\"annotations\":[");
        for (int i = 0; i < r->notes_len && text_len == r->text_len; i++)
            buf_fmt(b, "%s%s", i ? "," : "", r->notes[i]);
        buf_str(b, "],\"logprobs\":[],\"text\":");
    }
    buf_json(b, r->text, text_len);
    buf_str(b, "}");
}

void response_item_to_json(const struct response *r, const char *status, size_t text_len, struct buf *b) {
    buf_str(b, "{\"id\":");
    item_id(r, "msg_", b);
    buf_str(b, ",\"type\":\"message\",\"status\":\"");
    buf_str(b, status);
    buf_str(b, "\",\"role\":\"assistant\",\"content\":[");
    part_to_json(r, text_len, b);
    buf_str(b, "]}");
}

static void reasoning_to_json(const struct response *r, struct buf *b) {
    buf_str(b, "{\"id\":");
    item_id(r, "rs_", b);
    buf_str(b, ",\"type\":\"reasoning\",\"summary\":[]}");
}

static void compaction_to_json(const struct response *r, struct buf *b) {
    buf_str(b, "{\"id\":");
    item_id(r, "cmp_", b);
    buf_str(b, ",\"type\":\"compaction\",\"encrypted_content\":\"gAAAAABsimulated\"}");
}

static void failure_to_json(const struct response *r, struct buf *b) {
    buf_str(b, "\"code\":");
    buf_json_str(b, *r->plan.code ? r->plan.code : "server_error");
    buf_str(b, ",\"message\":\"An error occurred while processing your request. You can retry your request. Please include the request ID req_sim in your message.\"");
}

static void output_to_json(const struct response *r, enum response_status status, struct buf *b) {
    size_t made = response_text_made(r);
    bool first = true;
    buf_str(b, "[");
    if (status >= R_COMPLETED && status != R_FAILED) {
        if (r->compaction && r->made > r->compaction_at) {
            compaction_to_json(r, b);
            first = false;
        }
        if (thinks(r) && r->made > r->reasoning_at) {
            buf_str(b, first ? "" : ",");
            reasoning_to_json(r, b);
            first = false;
        }
        if (!r->late)
            first = tools_to_json(r, first, b);
        if (made) {
            buf_str(b, first ? "" : ",");
            response_item_to_json(r, status == R_COMPLETED ? "completed" : "incomplete", made, b);
            first = false;
        }
        if (r->late)
            (void)tools_to_json(r, first, b);
    }
    buf_str(b, "]");
}

void response_to_json(const struct response *r, enum response_status status, struct buf *b) {
    buf_str(b, "{\"id\":\"");
    buf_str(b, r->id);
    buf_str(b, "\",\"object\":\"response\",\"created_at\":");
    buf_i64(b, r->created_ms / 1000);
    buf_str(b, ",\"status\":\"");
    buf_str(b, response_status_name(status));
    buf_str(b, r->background ? "\",\"background\":true,\"completed_at\":" : "\",\"background\":false,\"completed_at\":");
    if (status == R_COMPLETED)
        buf_i64(b, r->finished_ms / 1000);
    else
        buf_str(b, "null");
    buf_str(b, ",\"error\":");
    if (status == R_FAILED) {
        buf_str(b, "{");
        failure_to_json(r, b);
        buf_str(b, "}");
    } else {
        buf_str(b, "null");
    }
    buf_str(b, ",\"incomplete_details\":");
    if (status == R_INCOMPLETE)
        buf_str(b, r->plan.end == END_FILTER ? "{\"reason\":\"content_filter\"}" : "{\"reason\":\"max_output_tokens\"}");
    else
        buf_str(b, "null");
    buf_str(b, r->echo);
    buf_str(b, ",\"output\":");
    output_to_json(r, status, b);
    if (status >= R_COMPLETED && r->billed) {
        buf_str(b, ",\"usage\":");
        usage_to_json(&r->usage, b);
    }
    buf_str(b, "}");
}

void response_begin_event(const char *type, struct buf *b) {
    buf_str(b, "event: ");
    buf_str(b, type);
    buf_str(b, "\ndata: {\"type\":\"");
    buf_str(b, type);
    buf_str(b, "\"");
}

static void whole(const struct response *r, const char *type, enum response_status status, struct buf *b) {
    response_begin_event(type, b);
    buf_str(b, ",\"response\":");
    response_to_json(r, status, b);
}

/* ,"item_id":…,"output_index":…,"content_index":0 of the message item */
static void place(const struct response *r, struct buf *b) {
    buf_str(b, ",\"item_id\":");
    item_id(r, "msg_", b);
    buf_str(b, ",\"output_index\":");
    buf_i64(b, message_index(r));
    buf_str(b, ",\"content_index\":0");
}

void response_item_event(const char *type, int64_t index, struct buf *b) {
    response_begin_event(type, b);
    buf_str(b, ",\"output_index\":");
    buf_i64(b, index);
    buf_str(b, ",\"item\":");
}

static void closing_event(const struct response *r, int64_t i, struct buf *b) {
    bool cut_short = r->plan.end == END_MAX_TOKENS || r->plan.end == END_FILTER;
    switch (i) {
    case 0:
        response_begin_event(r->plan.refuse ? "response.refusal.done" : "response.output_text.done", b);
        place(r, b);
        buf_str(b, r->plan.refuse ? ",\"refusal\":" : ",\"text\":");
        buf_json(b, r->text, r->text_len);
        if (!r->plan.refuse)
            buf_str(b, ",\"logprobs\":[]");
        break;
    case 1:
        response_begin_event("response.content_part.done", b);
        place(r, b);
        buf_str(b, ",\"part\":");
        part_to_json(r, r->text_len, b);
        break;
    default:
        response_item_event("response.output_item.done", message_index(r), b);
        response_item_to_json(r, cut_short ? "incomplete" : "completed", r->text_len, b);
    }
}

void response_event(const struct response *r, int64_t k, struct buf *b) {
    if (k == 0) {
        whole(r, "response.created", r->background ? R_QUEUED : R_IN_PROGRESS, b);
    } else if (k < r->progress_at) {
        whole(r, "response.queued", R_QUEUED, b);
    } else if (k == r->progress_at) {
        whole(r, "response.in_progress", R_IN_PROGRESS, b);
    } else if (k < r->compaction_at) {
        if (k == r->keepalive_at)
            buf_str(b, ": ping\n\n");
        response_begin_event("keepalive", b);
    } else if (k < r->reasoning_at) {
        response_item_event(k == r->compaction_at ? "response.output_item.added" : "response.output_item.done", 0, b);
        compaction_to_json(r, b);
    } else if (k >= r->tools_at && k < r->tools_at + r->tools) {
        tools_event(r, k - r->tools_at, first_index(r) + r->late, b);
    } else if (k < r->item_at) {
        response_item_event(k == r->reasoning_at ? "response.output_item.added" : "response.output_item.done", r->compaction != NULL, b);
        reasoning_to_json(r, b);
    } else if (k < r->deltas_at && k == r->item_at) {
        response_item_event("response.output_item.added", message_index(r), b);
        buf_str(b, "{\"id\":");
        item_id(r, "msg_", b);
        buf_str(b, ",\"type\":\"message\",\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":[]}");
    } else if (k < r->deltas_at) {
        response_begin_event("response.content_part.added", b);
        place(r, b);
        buf_str(b, ",\"part\":");
        part_to_json(r, 0, b);
    } else if (k < r->notes_at) {
        size_t from = cut(r, deltas_before(r, k)), to = cut(r, deltas_before(r, k) + 1);
        response_begin_event(r->plan.refuse ? "response.refusal.delta" : "response.output_text.delta", b);
        place(r, b);
        buf_str(b, ",\"delta\":");
        buf_json(b, r->text + from, to - from);
        if (!r->plan.refuse)
            buf_str(b, ",\"logprobs\":[]");
        if (r->obfuscation) {
            size_t pad = 16 - (to - from) % 16;
            buf_fmt(b, ",\"obfuscation\":\"%.*s\"", (int)pad, r->id + 5);
        }
    } else if (k < r->done_at) {
        response_begin_event("response.output_text.annotation.added", b);
        place(r, b);
        buf_fmt(b, ",\"annotation_index\":%lld,\"annotation\":%s", (long long)(k - r->notes_at), r->notes[k - r->notes_at]);
    } else if (k < r->end_at) {
        closing_event(r, k - r->done_at, b);
    } else {
        switch (r->plan.end) {
        case END_COMPLETED:
            whole(r, "response.completed", R_COMPLETED, b);
            break;
        case END_MAX_TOKENS:
        case END_FILTER:
            whole(r, "response.incomplete", R_INCOMPLETE, b);
            break;
        case END_FAILED:
            whole(r, "response.failed", R_FAILED, b);
            break;
        case END_ERROR:
            response_begin_event("error", b);
            buf_str(b, ",");
            failure_to_json(r, b);
            buf_str(b, ",\"param\":null");
            break;
        }
    }
    buf_str(b, ",\"sequence_number\":");
    buf_i64(b, k);
    buf_str(b, "}\n\n");
}
