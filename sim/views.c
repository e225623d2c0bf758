#include <stdlib.h>
#include <string.h>

#include "sim/calls.h"
#include "sim/control.h"
#include "sim/drafts.h"
#include "sim/openai.h"
#include "sim/params.h"
#include "sim/telegram.h"
#include "sim/updates.h"

static void message_row(const struct message *m, struct buf *b) {
    buf_str(b, "{\"id\":");
    buf_i64(b, m->id);
    buf_fmt(b, ",\"from\":\"%s\",\"kind\":\"%s\",\"text\":", m->from_bot ? "bot" : "user", m->kind);
    buf_json_str(b, m->text);
    buf_fmt(b, ",\"deleted\":%s,\"edits\":%d,\"date_ms\":%lld,\"edit_ms\":%lld,\"reply_to\":%lld,\"thread\":%lld,\"entities\":", m->deleted ? "true" : "false", m->edits,
            (long long)m->date_ms, (long long)m->edit_ms, (long long)m->reply_to, (long long)m->thread);
    buf_str(b, m->entities ? m->entities : "[]");
    if (m->from_bot && m->extra && media_is(m->kind))
        buf_str(b, m->extra);           /* ,"photo":[…] */
    if (m->first_text) {
        buf_str(b, ",\"first_text\":");
        buf_json_str(b, m->first_text);
    }
    if (m->markup || m->keyboard) {
        buf_str(b, ",\"reply_markup\":");
        buf_str(b, m->markup ? m->markup : m->keyboard);
    }
    buf_str(b, "}");
}

/* How often each text was sent by the bot, as first sent. */
static void sent_counts(const struct chat *c, struct buf *b) {
    struct map counts = {0};
    size_t at = 0;
    const char *text;
    void *v;
    bool first = true;
    for (size_t i = c->begin; i < c->len; i++) {
        const struct message *m = c->messages[i];
        const char *sent = m->first_text ? m->first_text : m->text;
        if (m->from_bot && sent)
            map_put(&counts, sent, (void *)((uintptr_t)map_get(&counts, sent) + 1));   /* a count, kept where a pointer would be */
    }
    buf_str(b, "{");
    while ((text = map_next(&counts, &at, &v))) {
        buf_str(b, first ? "" : ",");
        buf_json_str(b, text);
        buf_fmt(b, ":%zu", (size_t)(uintptr_t)v);
        first = false;
    }
    buf_str(b, "}");
    map_done(&counts);
}

void view_chat(struct sim *sim, struct exch *x) {
    struct bot *bot = control_bot(sim, x, NULL);
    const char *q = x->http->query;
    int64_t id = 0, after = 0, limit = MESSAGES_MAX, all = 0, wanted = 0;
    struct buf b = {0};
    struct chat *c;
    size_t begin;
    if (!bot)
        return;
    if (!query_i64(q, "chat", &id)) {
        control_refuse(x, "chat: missing");
        return;
    }
    (void)query_i64(q, "after", &after);        /* absent: the defaults */
    (void)query_i64(q, "limit", &limit);
    (void)query_i64(q, "all", &all);
    c = chat_find(bot, id);
    buf_fmt(&b, "{\"chat\":%lld,\"exists\":%s,\"version\":%lld,\"messages\":[", (long long)id, c ? "true" : "false", (long long)(c ? c->version : 0));
    if (c) {
        bool first = true;
        for (begin = c->len; begin > c->begin && c->messages[begin - 1]->id > after && wanted < limit; begin--)
            wanted += all || !c->messages[begin - 1]->deleted;
        for (size_t i = begin; i < c->len; i++) {
            if (c->messages[i]->deleted && !all)
                continue;
            buf_str(&b, first ? "" : ",");
            message_row(c->messages[i], &b);
            first = false;
        }
    }
    buf_str(&b, "],\"sent\":");
    if (c) {
        sent_counts(c, &b);
        buf_fmt(&b, ",\"sends\":%lld,\"edits\":%lld,\"actions\":%lld,\"drafts\":%lld,\"bot_messages\":%lld,\"blocked\":%s,\"migrate_to\":%lld,\"keyboard\":%s,\"draft\":", (long long)c->sends,
                (long long)c->edits, (long long)c->actions, (long long)c->drafts, (long long)c->bot_messages, c->blocked ? "true" : "false", (long long)c->migrate_to,
                c->keyboard ? c->keyboard : "null");
        drafts_to_json(c, &b);
        buf_str(&b, "}");
    } else {
        buf_str(&b, "{},\"sends\":0,\"edits\":0,\"actions\":0,\"drafts\":0,\"bot_messages\":0,\"blocked\":false,\"migrate_to\":0,\"keyboard\":null,\"draft\":null}");
    }
    answer_json(x, 200, NULL, &b);
}

void view_chats(struct sim *sim, struct exch *x) {
    struct buf b = {0};
    bool first = true;
    buf_str(&b, "{\"chats\":[");
    for (struct bot *bot = sim->telegram->bots; bot; bot = bot->next) {
        size_t at = 0;
        void *v;
        while (map_next(&bot->chats, &at, &v)) {
            const struct chat *c = v;
            buf_fmt(&b, "%s{\"bot\":%lld,\"chat\":%lld,\"type\":\"%s\",\"version\":%lld,\"messages\":%zu,\"bot_messages\":%lld,\"sends\":%lld,\"edits\":%lld,\"actions\":%lld}",
                    first ? "" : ",", (long long)bot->id, (long long)c->id, c->type, (long long)c->version, c->len - c->begin, (long long)c->bot_messages,
                    (long long)c->sends, (long long)c->edits, (long long)c->actions);
            first = false;
        }
    }
    buf_str(&b, "]}");
    answer_json(x, 200, NULL, &b);
}

void view_calls(struct sim *sim, struct exch *x) {
    const char *q = x->http->query;
    char side[16], method[80];
    int64_t chat = 0, since = 0, limit = 1000, last = calls_last(sim->calls);
    struct buf b = {0};
    bool first = true;
    query_get(q, "side", side, sizeof side);
    query_get(q, "method", method, sizeof method);
    (void)query_i64(q, "chat", &chat);          /* absent: any */
    (void)query_i64(q, "since", &since);
    (void)query_i64(q, "limit", &limit);
    if (since < calls_dropped(sim->calls))
        since = calls_dropped(sim->calls);
    buf_str(&b, "{\"calls\":[");
    for (int64_t seq = since + 1; seq <= last && limit > 0; seq++) {
        const struct call *c = calls_at(sim->calls, seq);
        if ((*side && strcmp(side, c->side)) || (*method && strcasecmp(method, c->method)) || (chat && chat != c->chat))
            continue;
        buf_fmt(&b, "%s{\"seq\":%lld,\"at_ms\":%lld,\"side\":\"%s\",\"method\":\"%s\",\"chat\":%lld,\"status\":%d,\"fault\":%lld,\"error\":", first ? "" : ",",
                (long long)c->seq, (long long)c->at_ms, c->side, c->method, (long long)c->chat, c->status, (long long)c->fault);
        buf_json_str(&b, c->error);
        buf_str(&b, ",\"params\":");
        buf_str(&b, c->params ? c->params : "null");
        buf_str(&b, "}");
        first = false;
        limit--;
    }
    buf_fmt(&b, "],\"last\":%lld,\"dropped\":%lld}", (long long)last, (long long)calls_dropped(sim->calls));
    answer_json(x, 200, NULL, &b);
}

static void response_row(const struct response *r, struct buf *b) {
    buf_fmt(b, "{\"n\":%lld,\"id\":\"%s\",\"status\":\"%s\",\"background\":%s,\"stream\":%s,\"store\":%s,\"billed\":%s,\"cancelled\":%s,\"dropped\":%s,\"deleted\":%s,"
               "\"unfinished_previous\":%s,\"created_ms\":%lld,\"finished_ms\":%lld,\"reads\":%lld,\"events\":%lld,\"metadata\":", (long long)r->n, r->id,
            response_status_name(r->status), r->background ? "true" : "false", r->stream ? "true" : "false", r->store ? "true" : "false", r->billed ? "true" : "false",
            r->cancelled ? "true" : "false", r->dropped ? "true" : "false", r->deleted ? "true" : "false", r->unfinished_previous ? "true" : "false",
            (long long)r->created_ms, (long long)r->finished_ms, (long long)r->reads, (long long)r->made);
    buf_str(b, r->metadata);
    buf_str(b, ",\"model\":");
    buf_json_str(b, r->model);
    buf_str(b, ",\"previous_response_id\":");
    buf_json_str(b, r->previous);
    buf_str(b, ",\"safety_identifier\":");
    buf_json_str(b, r->safety);
    buf_str(b, ",\"question\":");
    buf_json_str(b, r->question);
    buf_str(b, ",\"asked\":");
    buf_json_str(b, r->asked);
    buf_str(b, ",\"answer\":");
    buf_json(b, r->text, response_text_made(r));
    buf_str(b, ",\"usage\":");
    usage_to_json(&r->usage, b);
    buf_str(b, "}");
}

void view_responses(struct sim *sim, struct exch *x) {
    const char *q = x->http->query;
    int64_t since = 0, limit = RESPONSES_MAX;
    struct buf b = {0};
    bool first = true;
    (void)query_i64(q, "since", &since);        /* absent: all of them */
    (void)query_i64(q, "limit", &limit);
    if (since < sim->openai->first - 1)
        since = sim->openai->first - 1;
    buf_str(&b, "{\"responses\":[");
    for (int64_t n = since + 1; n < sim->openai->next && limit-- > 0; n++) {
        buf_str(&b, first ? "" : ",");
        response_row(openai_response_at(sim->openai, n), &b);
        first = false;
    }
    buf_fmt(&b, "],\"last\":%lld}", (long long)(sim->openai->next - 1));
    answer_json(x, 200, NULL, &b);
}

void view_response(struct sim *sim, struct exch *x) {
    char id[80];
    struct response *r;
    struct buf b = {0};
    query_get(x->http->query, "id", id, sizeof id);
    r = openai_response(sim->openai, id);
    if (!r) {
        control_refuse(x, "id: no such response");
        return;
    }
    response_row(r, &b);
    answer_json(x, 200, NULL, &b);
}

static void billed_row(const struct billed *i, struct buf *b) {
    buf_fmt(b, "\"responses\":%lld,\"input_tokens\":%lld,\"cached_tokens\":%lld,\"cache_write_tokens\":%lld,\"output_tokens\":%lld,\"reasoning_tokens\":%lld",
            (long long)i->responses, (long long)i->usage.input, (long long)i->usage.cached, (long long)i->usage.cache_write, (long long)i->usage.output,
            (long long)i->usage.reasoning);
    buf_fmt(b, ",\"tools\":{\"web_search\":%lld,\"file_search\":%lld,\"code_interpreter\":%lld}", (long long)i->usage.web_search, (long long)i->usage.file_search,
            (long long)i->usage.containers);
}

void view_billed(struct sim *sim, struct exch *x) {
    const struct openai *o = sim->openai;
    struct buf b = {0};
    size_t at = 0;
    const char *model;
    void *v;
    bool first = true;
    buf_str(&b, "{");
    billed_row(&o->billed, &b);
    buf_fmt(&b, ",\"transcriptions\":%lld,\"seconds\":%lld,\"images\":%lld,\"by_model\":{", (long long)o->transcriptions, (long long)o->seconds, (long long)o->images);
    while ((model = map_next(&o->billed_by_model, &at, &v))) {
        buf_str(&b, first ? "" : ",");
        buf_json_str(&b, model);
        buf_str(&b, ":{");
        billed_row(v, &b);
        buf_str(&b, "}");
        first = false;
    }
    buf_str(&b, "}}");
    answer_json(x, 200, NULL, &b);
}

void view_counters(struct sim *sim, struct exch *x) {
    struct buf b = {0};
    size_t at = 0;
    const char *name;
    void *v;
    bool first = true;
    buf_str(&b, "{\"counters\":{");
    while ((name = map_next(&sim->counters, &at, &v))) {
        buf_str(&b, first ? "" : ",");
        buf_json_str(&b, name);
        buf_str(&b, ":");
        buf_i64(&b, *(int64_t *)v);
        first = false;
    }
    buf_str(&b, "},\"bots\":[");
    for (struct bot *bot = sim->telegram->bots; bot; bot = bot->next)
        buf_fmt(&b, "%s{\"id\":%lld,\"pending\":%lld,\"confirmed\":%lld,\"next_update_id\":%lld,\"polling\":%s,\"webhook\":%s,\"allowed_updates\":%s}",
                bot == sim->telegram->bots ? "" : ",", (long long)bot->id, (long long)updates_pending(bot), (long long)bot->confirmed, (long long)bot->next_update_id,
                bot->poller ? "true" : "false", bot->webhook ? "true" : "false", bot->allowed ? bot->allowed : "null");
    buf_fmt(&b, "],\"streams\":%lld,\"responses_open\":%lld,\"connections\":%lld}", (long long)sim_counter(sim, "streams"), (long long)sim->openai->open,
            (long long)server_connections(sim->server));
    answer_json(x, 200, NULL, &b);
}
