#include "ledger/board.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/dead.h"
#include "ledger/models.h"
#include "ledger/status.h"
#include "services/alloc.h"

/* Each command: its name, its key without the prefix (NULL: none; one that ends in a colon goes on with the id of who asks), what stands
 * behind it. */
static const struct board_question {
    const char *what;
    bool is_everybodys;                          /* else administrators' */
    void (*answer)(struct board *b);
    struct { const char *name, *key, *more; } commands[BOARD_COMMANDS + 1];
} questions[] = {
    { "model", true, models_choose_own, { { "HGETALL", "models", "" }, { "HGETALL", "settings", "" }, { "HGETALL", "user:", "" }, { 0 } } },
    { "models", false, models_list, { { "HGETALL", "models", "" }, { "HGETALL", "settings", "" }, { 0 } } },
    { "setmodel", false, models_choose, { { "HGETALL", "models", "" }, { "HGETALL", "settings", "" }, { 0 } } },
    { "pricing", false, models_prices, { { "HGETALL", "models", "" }, { "HGETALL", "settings", "" }, { 0 } } },
    { "dead", false, dead_answer, { { "XREVRANGE", "dead", "+ - COUNT 10" }, { "XLEN", "dead", "" }, { 0 } } },
    { "limits", false, status_limits, { { "HGETALL", "limits", "" }, { 0 } } },
    { "status", false, status_answer, { { "HGETALL", "workers", "" }, { "HGETALL", "versions", "" },
        { "XLEN", "media", "" }, { "XLEN", "llm", "" }, { "XLEN", "outbound", "" }, { "XLEN", "ledger", "" },
        { "XRANGE", "media", "- + COUNT 1" }, { "XRANGE", "llm", "- + COUNT 1" }, { "XRANGE", "outbound", "- + COUNT 1" }, { "XRANGE", "ledger", "- + COUNT 1" },
        { "ZCARD", "busy", "" }, { "ZCARD", "later", "" }, { "INFO", NULL, "memory" }, { "INFO", NULL, "server" }, { "XREVRANGE", "dead", "+ - COUNT 3" }, { 0 } } },
    { 0 },
};

const struct board_question *board_find(const char *what) {
    for (const struct board_question *q = questions; q->what; q++)
        if (!strcmp(q->what, what))
            return q;
    return NULL;
}

bool board_command(const struct board_question *q, unsigned n, const char *prefix, int64_t user, struct args *ret) {
    if (n >= BOARD_COMMANDS || !q->commands[n].name)
        return false;
    args_str(ret, q->commands[n].name);
    if (q->commands[n].key) {
        const char *name = q->commands[n].key;
        char key[300], id[24] = "";
        if (name[strlen(name) - 1] == ':')
            snprintf(id, sizeof id, "%" PRId64, user);
        snprintf(key, sizeof key, "%s%s%s", prefix, name, id);
        args_str(ret, key);
    }
    for (const char *at = q->commands[n].more; *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        args_add(ret, at, len);
        at += len;
    }
    return true;
}

static void take_rows(struct glance *g, const redisReply *list) {
    for (size_t i = 0; i < list->elements && g->rows_count < BOARD_ROWS; i++) {
        const redisReply *row = list->element[i];
        if (row->type != REDIS_REPLY_ARRAY || row->elements != 2 || row->element[0]->type != REDIS_REPLY_STRING)
            continue;
        struct fields *fields = fields_copy(row->element[1]);
        if (!fields)
            continue;
        struct board_row *to = &g->rows[g->rows_count++];
        snprintf(to->id, sizeof to->id, "%s", row->element[0]->str);
        to->fields = fields;
    }
}

void board_take(struct board *b, unsigned n, const redisReply *reply) {
    struct glance *g = &b->glances[n];
    g->number = reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
    if (reply->type == REDIS_REPLY_STRING)
        g->text = alloc_copy(reply->str, reply->len);
    if (reply->type != REDIS_REPLY_ARRAY)
        return;
    if (reply->elements && reply->element[0]->type == REDIS_REPLY_ARRAY)
        take_rows(g, reply);
    else
        g->hash = fields_copy(reply);
}

void board_answer(const struct board_question *q, struct board *b, struct answer *ret) {
    answer_begin(ret);
    b->answer = ret;
    if (!q->is_everybodys && !b->asked->is_admin) {
        answer_line(ret, "unknown_command", "");
        return;
    }
    q->answer(b);
    answer_trim(ret);
}

void board_done(struct board *b) {
    for (int i = 0; i < BOARD_COMMANDS; i++) {
        struct glance *g = &b->glances[i];
        for (int n = 0; n < g->rows_count; n++)
            free(g->rows[n].fields);
        free(g->hash);
        free(g->text);
        *g = (struct glance){ .number = -1 };
    }
}

void board_say(struct board *b, const char *line, const char *about) {
    (void)texts_line(b->asked->lang, line, about, &b->answer->text);       /* names of ours: a test looks for each */
    (void)buf_add_str(&b->answer->text, "\n");
}

void board_gap(struct board *b) {
    (void)buf_add_str(&b->answer->text, "\n");
}

bool board_offer(struct board *b, const char *words, const char *format, ...) {
    va_list list;
    va_start(list, format);
    bool offered = answer_offer_list(b->answer, words, format, list);
    va_end(list);
    return offered;
}
