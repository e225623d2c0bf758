#include "llm/tools.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool tools_is_library(const char *id) {
    static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t len = id ? strspn(id, fit) : 0;
    return len && !id[len] && len <= 128;
}

static bool has_library(const struct tools *t) {
    return t->library && *t->library;
}

bool tools_any(const struct tools *t) {
    return t->web_search || t->code_interpreter || has_library(t);
}

static cJSON *add_tool(cJSON *list, const char *type) {
    cJSON *tool = cJSON_CreateObject();
    json_put_str(tool, "type", type);
    cJSON_AddItemToArray(list, tool);
    return tool;
}

void tools_put(cJSON *body, const struct tools *t) {
    if (!tools_any(t))
        return;
    cJSON *list = cJSON_AddArrayToObject(body, "tools");
    if (t->web_search)
        add_tool(list, "web_search");
    if (has_library(t)) {
        cJSON *stores = cJSON_AddArrayToObject(add_tool(list, "file_search"), "vector_store_ids");
        cJSON_AddItemToArray(stores, cJSON_CreateString(t->library));
    }
    if (t->code_interpreter)
        json_put_str(cJSON_AddObjectToObject(add_tool(list, "code_interpreter"), "container"), "type", "auto");
    if (t->calls_most > 0)
        json_put_i64(body, "max_tool_calls", t->calls_most);
}

int64_t tools_fee(const struct tools *t, const struct prices *prices, const char *model) {
    const struct { bool offered; const char *name; } all[] = {
        {t->web_search, "web_search"}, {has_library(t), "file_search"}, {t->code_interpreter, "code_interpreter"},
    };
    int64_t dearest = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int64_t fee = all[i].offered ? prices_tool_fee(prices, model, all[i].name) : 0;
        dearest = fee > dearest ? fee : dearest;
    }
    return dearest;
}

/* ── what was called ───────────────────────────────────────────────────────────────────────────────────────── */

static const char *word(const cJSON *o, const char *name) {
    const char *s = json_get_str(o, name);
    return s ? s : "";
}

/* What was begun and not ended, or failed, costs nothing. */
static bool is_done(const cJSON *item) {
    const char *status = word(item, "status");
    return !*status || !strcmp(status, "completed");
}

static bool is_search(const cJSON *item) {
    const char *action = word(json_get_obj(item, "action"), "type");
    return !*action || !strcmp(action, "search");
}

/* A container is paid for once, however often code was run in it. */
static bool is_first_of_its_container(const cJSON *output, const cJSON *item) {
    const cJSON *other;
    cJSON_ArrayForEach(other, output) {
        if (other == item)
            return true;
        if (!strcmp(word(other, "type"), "code_interpreter_call") && !strcmp(word(other, "container_id"), word(item, "container_id")))
            return false;
    }
    return true;
}

void tools_count(const cJSON *output, struct tool_calls *ret) {
    enum { CONTAINERS_MOST = 64 };       /* a stranger's list is not compared with itself without end */
    struct tool_calls c = {0};
    int seen = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, output) {
        const char *type = word(item, "type");
        if (!strcmp(type, "web_search_call"))
            c.web_search += is_done(item) && is_search(item);
        else if (!strcmp(type, "file_search_call"))
            c.file_search += is_done(item);
        else if (!strcmp(type, "code_interpreter_call"))
            c.code_interpreter += seen++ < CONTAINERS_MOST && is_first_of_its_container(output, item);
    }
    *ret = c;
}

void tools_used(const struct tool_calls *c, struct usage *u, char ret_text[TOOLS_TEXT]) {
    const struct { const char *name; int64_t calls; } all[] = {
        {"web_search", c->web_search}, {"file_search", c->file_search}, {"code_interpreter", c->code_interpreter},
    };
    size_t count = 0, len = 0;
    *ret_text = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].calls <= 0)
            continue;
        len += (size_t)snprintf(ret_text + len, TOOLS_TEXT - len, "%s%s=%" PRId64, len ? "," : "", all[i].name, all[i].calls);
        u->tools[count++] = (struct usage_tool){all[i].name, all[i].calls};
    }
}
