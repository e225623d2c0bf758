/* The built-in tools of a response: their items, their events, what they leave in the text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/files.h"
#include "sim/params.h"
#include "sim/response.h"
#include "sim/text.h"

enum { CALL_EVENTS = 5, CALL_SEARCHING = 2, CALL_COMPLETED = 3 };

int64_t tools_calls(const struct plan *p) {
    return p->search + p->lookup + p->compute;
}

int64_t tools_events(const struct plan *p) {
    return tools_calls(p) * CALL_EVENTS;
}

static enum tool { TOOL_SEARCH, TOOL_LOOKUP, TOOL_COMPUTE } tool_of(const struct plan *p, int64_t call) {
    return call < p->search ? TOOL_SEARCH : call < p->search + p->lookup ? TOOL_LOOKUP : TOOL_COMPUTE;
}

static const char *tool_name(const struct plan *p, int64_t call) {
    static const char *const names[] = { "web_search", "file_search", "code_interpreter" };
    return names[tool_of(p, call)];
}

static bool is_offered(const cJSON *body, const char *type) {
    const cJSON *tool;
    cJSON_ArrayForEach(tool, cJSON_GetObjectItemCaseSensitive(body, "tools")) {
        const char *has = json_str(tool, "type");
        if (has && !strcmp(has, type))
            return true;
    }
    return false;
}

void tools_allow(struct plan *p, const cJSON *body) {
    int64_t most;
    p->search *= is_offered(body, "web_search");
    p->lookup *= is_offered(body, "file_search");
    p->compute *= is_offered(body, "code_interpreter");
    if (!json_i64(body, "max_tool_calls", &most))
        return;
    p->search = p->search < most ? p->search : most;
    p->lookup = p->lookup < most - p->search ? p->lookup : most - p->search;
    p->compute = p->compute < most - p->search - p->lookup ? p->compute : most - p->search - p->lookup;
}

/* Appends `words` to the text, and an annotation with these members; `ranged`: and with their place. */
static void cite(struct response *r, struct buf *text, const char *words, const char *members, bool ranged) {
    struct buf note = {0};
    int64_t from;
    if (r->notes_len == NOTES_MAX)
        return;
    buf_str(text, " ");
    from = (int64_t)text_chars(text->p, text->n);
    buf_str(text, words);
    buf_fmt(&note, "{%s", members);
    if (ranged)
        buf_fmt(&note, ",\"start_index\":%lld,\"end_index\":%lld", (long long)from, (long long)text_chars(text->p, text->n));
    buf_str(&note, "}");
    r->notes[r->notes_len++] = buf_take(&note);
}

/* A file that the code has made: a picture by its name, in the container of this response. */
static const struct file *make_file(struct response *r, long long n) {
    char name[40], data[80], container[120];
    snprintf(name, sizeof name, "chart-%lld.png", n);
    snprintf(container, sizeof container, "cntr_%s", r->id + 5);
    int len = snprintf(data, sizeof data, "\x89PNG\r\n\x1a\n" "chart %lld of %.40s", n, r->id);
    struct file *f = files_add(r->sim, "cfile_", name, "image/png", data, (size_t)len);
    f->container = xdup(container);
    return f;
}

void tools_cite(struct response *r) {
    const struct plan *p = &r->plan;
    struct buf text = {0};
    buf_str(&text, r->text);
    for (int64_t i = 0; i < tools_calls(p); i++) {
        struct buf words = {0}, members = {0};
        long long n = (long long)i + 1;
        switch (tool_of(p, i)) {
        case TOOL_SEARCH:
            if (p->marks)
                buf_fmt(&words, "\xEE\x88\x80" "cite" "\xEE\x88\x82" "turn0search%lld" "\xEE\x88\x81", n - 1);
            else
                buf_fmt(&words, "([example.com](https://example.com/page-%lld?utm_source=openai))", n);
            buf_fmt(&members, "\"type\":\"url_citation\",\"url\":\"https://example.com/page-%lld?utm_source=openai\",\"title\":\"Page %lld\"", n, n);
            break;
        case TOOL_LOOKUP:
            buf_fmt(&words, "\xEE\x88\x80" "filecite" "\xEE\x88\x82" "turn0file%lld" "\xEE\x88\x81", n - 1);
            buf_fmt(&members, "\"type\":\"file_citation\",\"file_id\":\"file-library\",\"filename\":\"book.pdf\",\"index\":%lld", (long long)text_chars(text.p, text.n));
            break;
        case TOOL_COMPUTE:
            buf_fmt(&words, "[Download](sandbox:/mnt/data/chart-%lld.png)", n);
            buf_fmt(&members, "\"type\":\"container_file_citation\",\"container_id\":\"cntr_%s\",\"file_id\":\"%s\",\"filename\":\"chart-%lld.png\"", r->id + 5, make_file(r, n)->id, n);
            break;
        }
        cite(r, &text, words.p, members.p, tool_of(p, i) != TOOL_LOOKUP);
        buf_done(&words);
        buf_done(&members);
    }
    free(r->text);
    r->text = buf_take(&text);
}

void tools_forget_notes(struct response *r) {
    for (int i = 0; i < r->notes_len; i++)
        free(r->notes[i]);
    r->notes_len = 0;
}

/* Events of the calls that have happened. */
static int64_t made(const struct response *r) {
    int64_t n = r->made - r->tools_at, most = r->tools;
    return n < 0 ? 0 : n < most ? n : most;
}

int64_t tools_waits(const struct response *r, int64_t k) {
    int64_t n = k - r->tools_at;
    if (n < 0)
        return 0;
    n = n < r->tools ? n : r->tools - 1;
    return (n + CALL_EVENTS - CALL_COMPLETED) / CALL_EVENTS;
}

void tools_bill(const struct response *r, struct usage *u) {
    int64_t n = made(r);
    for (int64_t i = 0; i * CALL_EVENTS < n; i++) {
        bool done = n > i * CALL_EVENTS + CALL_COMPLETED;
        switch (tool_of(&r->plan, i)) {
        case TOOL_SEARCH: u->web_search += done; break;
        case TOOL_LOOKUP: u->file_search += done; break;
        case TOOL_COMPUTE: u->containers = 1; break;
        }
        u->input += done ? CALL_TOKENS : 0;
    }
}

static void item_id(const struct response *r, int64_t call, struct buf *b) {
    static const char *const prefixes[] = { "ws", "fs", "ci" };
    buf_fmt(b, "\"%s_%s_%lld\"", prefixes[tool_of(&r->plan, call)], r->id + 5, (long long)call);
}

static void item_to_json(const struct response *r, int64_t call, const char *status, struct buf *b) {
    buf_str(b, "{\"id\":");
    item_id(r, call, b);
    buf_fmt(b, ",\"type\":\"%s_call\",\"status\":\"%s\"", tool_name(&r->plan, call), status);
    switch (tool_of(&r->plan, call)) {
    case TOOL_SEARCH:
        buf_str(b, ",\"action\":{\"type\":\"search\",\"query\":\"simulated\"}}");
        break;
    case TOOL_LOOKUP:
        buf_str(b, ",\"queries\":[\"simulated\"],\"results\":null}");
        break;
    case TOOL_COMPUTE:
        buf_fmt(b, ",\"container_id\":\"cntr_%s\",\"code\":\"print(42)\",\"outputs\":null}", r->id + 5);
        break;
    }
}

bool tools_to_json(const struct response *r, bool first, struct buf *b) {
    int64_t n = made(r);
    for (int64_t i = 0; i * CALL_EVENTS < n; i++) {
        buf_str(b, first ? "" : ",");
        item_to_json(r, i, n > i * CALL_EVENTS + CALL_COMPLETED ? "completed" : "in_progress", b);
        first = false;
    }
    return first;
}

void tools_event(const struct response *r, int64_t n, int64_t index, struct buf *b) {
    int64_t call = n / CALL_EVENTS;
    const char *tool = tool_name(&r->plan, call), *stage = "in_progress";
    struct buf type = {0};
    index += call;
    switch (n % CALL_EVENTS) {
    case 0:
    case CALL_EVENTS - 1:
        response_item_event(n % CALL_EVENTS ? "response.output_item.done" : "response.output_item.added", index, b);
        item_to_json(r, call, n % CALL_EVENTS ? "completed" : "in_progress", b);
        return;
    case CALL_SEARCHING:
        stage = tool_of(&r->plan, call) == TOOL_COMPUTE ? "interpreting" : "searching";
        break;
    case CALL_COMPLETED:
        stage = "completed";
        break;
    }
    buf_fmt(&type, "response.%s_call.%s", tool, stage);
    response_begin_event(type.p, b);
    buf_done(&type);
    buf_fmt(b, ",\"output_index\":%lld,\"item_id\":", (long long)index);
    item_id(r, call, b);
}
