#include "proto/commit.h"
#include <stdlib.h>
#include <string.h>

void ticket_args(struct args *a, const struct ticket *t) {
    args_str(a, t->queue);
    args_str(a, t->entry);
    args_str(a, t->job);
}

void commit_args(struct args *a, const struct ticket *t, const struct commit *c) {
    ticket_args(a, t);
    args_str(a, c->next);
    args_str(a, c->how);
    args_str(a, c->line);
    args_str(a, c->about);
    args_int(a, c->text_len);
    args_add(a, c->rest, c->rest_len);
    args_str(a, c->question);
    args_str(a, c->answer);
    args_str(a, c->response);
    args_str(a, c->call);
    args_int(a, c->cost_nusd);
    args_str(a, c->alert);
    args_int(a, c->fields_count);
    for (int i = 0; i < c->fields_count; i++)
        args_pair(a, c->fields[i].name, c->fields[i].value);
    args_int(a, c->events_count);
    for (int i = 0; i < c->events_count; i++)
        usage_event_args(a, &c->events[i]);
}

void kept_args(struct args *a, const struct kept *kept, size_t count) {
    args_int(a, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        args_str(a, kept[i].hash);
        args_pair(a, kept[i].field, kept[i].value);
    }
}

void told_args(struct args *a, const struct ticket *t, const struct told *c) {
    ticket_args(a, t);
    args_add(a, c->text ? c->text : "", c->text ? c->text_len : 0);
    args_int(a, c->fields_count);
    for (int i = 0; i < c->fields_count; i++)
        args_pair(a, c->fields[i].name, c->fields[i].value);
    kept_args(a, c->kept, c->kept_count);
}

enum commit_answer commit_read(const redisReply *reply) {
    const char *word = answer_word(reply);
    return !strcmp(word, "ok")      ? COMMIT_OK
           : !strcmp(word, "stale") ? COMMIT_STALE
           : !strcmp(word, "early") ? COMMIT_EARLY
                                    : COMMIT_FAILED;
}

void begin_args(struct args *a, const struct ticket *t, const struct begin *b) {
    ticket_args(a, t);
    args_str(a, b->call);
    args_int(a, b->try);
    args_int(a, b->try_max);
    args_str(a, b->lost);
    args_int(a, b->want_nusd);
    args_int(a, b->least_nusd);
    args_int(a, b->periods_count);
    for (int i = 0; i < b->periods_count; i++) {
        args_str(a, b->periods[i].name);
        if (b->periods[i].limited)
            args_int(a, b->periods[i].limit_nusd);
        else
            args_str(a, "");
        args_int(a, b->periods[i].keep_s);
    }
    args_str(a, b->worker);
}

struct begun begin_read(const redisReply *reply) {
    static const struct { const char *word; enum begin_what what; } words[] = {
        {"go", BEGIN_GO},     {"known", BEGIN_KNOWN}, {"stop", BEGIN_STOP},       {"spent", BEGIN_SPENT}, {"over", BEGIN_OVER},
        {"held", BEGIN_HELD}, {"wait", BEGIN_WAIT},   {"unready", BEGIN_UNREADY}, {"stale", BEGIN_STALE},
    };
    struct begun b = {.what = BEGIN_FAILED, .response = "", .why = ""};
    const char *word = answer_word(reply);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(word, words[i].word))
            b.what = words[i].what;
    switch (b.what) {
    case BEGIN_GO:
        b.reserved_nusd = answer_int(reply, 1, 0);
        break;
    case BEGIN_KNOWN:
        b.response = answer_str(reply, 1);
        b.age_ms = answer_int(reply, 2, 0);
        break;
    case BEGIN_STOP:
        b.why = answer_str(reply, 1);
        b.response = answer_str(reply, 2);
        break;
    case BEGIN_OVER:
    case BEGIN_HELD:
        b.why = answer_str(reply, 1);
        break;
    case BEGIN_WAIT:
        b.wait_ms = answer_int(reply, 1, 1000);
        break;
    default:
        break;
    }
    return b;
}

void book_args(struct args *a, const struct usage_event *e, const struct period *periods, int periods_count) {
    args_str(a, e->event);
    args_int(a, e->cost_nusd);
    args_int(a, periods_count);
    for (int i = 0; i < periods_count; i++)
        args_pair_int(a, periods[i].name, periods[i].keep_s);
    usage_event_args(a, e);
}

const char *answer_word(const redisReply *reply) {
    if (!reply)
        return "";
    if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
        return reply->str;
    return answer_str(reply, 0);
}

static const redisReply *element(const redisReply *reply, size_t i) {
    return reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements ? reply->element[i] : NULL;
}

const char *answer_str(const redisReply *reply, size_t i) {
    const redisReply *e = element(reply, i);
    return e && (e->type == REDIS_REPLY_STRING || e->type == REDIS_REPLY_STATUS) ? e->str : "";
}

int64_t answer_int(const redisReply *reply, size_t i, int64_t otherwise) {
    const redisReply *e = element(reply, i);
    if (e && e->type == REDIS_REPLY_INTEGER)
        return e->integer;
    if (!e || e->type != REDIS_REPLY_STRING)
        return otherwise;
    char *end;
    long long n = strtoll(e->str, &end, 10);
    return *e->str && !*end ? n : otherwise;
}
