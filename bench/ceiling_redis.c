/* What Redis alone can bear: the messages of a turn, in their order and with the arguments the services give, and nothing else.
 *
 *     ceiling_redis PORT CHATS SECONDS
 *
 * Four threads, each with a connection, a KEY_PREFIX and a share of the chats of its own. Its chats go through a turn together:
 * what one step sends for all of them is one pipeline. Several threads keep Redis busy while one of them reads. */
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/args.h"
#include "proto/commit.h"
#include "proto/keys.h"
#include "proto/scripts.h"

enum { THREADS = 4, FIELD = 48, CHATS_MAX = 4096 };

struct chat {
    long id, turn;
    char job[FIELD], conv[FIELD], work[FIELD], follow[FIELD], usage[FIELD], response[FIELD];
};

struct lane {
    pthread_t thread;
    int port, number, chats_count;
    double until;
    long turns, update;
    redisContext *redis;
    char prefix[FIELD];
    char sha[SCRIPT_COUNT][41];
    struct chat *chats;
};

static const char question[] = "How many words has this question, and who has counted them?";
static const char answer[] = "Answer to «How many words has this question, and who has counted them?»: w1 w2 w3 w4 w5 w6 w7 w8";

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const char *why) {
    fprintf(stderr, "ceiling_redis: %s: %s\n", what, why);
    exit(1);
}

static redisReply *next_reply(struct lane *l) {
    redisReply *reply = NULL;
    if (redisGetReply(l->redis, (void **)&reply) != REDIS_OK)
        die("reading", l->redis->errstr);
    if (reply->type == REDIS_REPLY_ERROR)
        die("Redis refused", reply->str);
    return reply;
}

/* ---- one command ---- */

static void send_words(struct lane *l, struct args *a, const char *const *front, int front_count) {
    const char *words[128];
    size_t lens[128];
    int count = 0;
    for (int i = 0; i < front_count; i++) {
        words[count] = front[i];
        lens[count++] = strlen(front[i]);
    }
    for (int i = 0; i < a->count && count < 128; i++, count++)
        words[count] = args_at(a, i, &lens[count]);
    redisAppendCommandArgv(l->redis, count, words, lens);
    args_done(a);
}

static void script(struct lane *l, enum script which, struct args *a) {
    send_words(l, a, (const char *const[]){ "EVALSHA", l->sha[which], "1", l->prefix }, 4);
}

static struct args ticket(const char *queue, const char *entry, const struct chat *c) {
    struct args a = { 0 };
    ticket_args(&a, &(struct ticket){ queue, entry, c->job });
    return a;
}

/* ---- the steps of a turn: what is sent for one chat ---- */

static void accept_one(struct lane *l, struct chat *c) {
    struct args a = { 0 };
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    long at = t.tv_sec * 1000 + t.tv_nsec / 1000000;
    snprintf(c->job, sizeof c->job, "%ld-%ld", ++l->update, at);
    args_int(&a, l->update);
    args_str(&a, c->job);
    args_str(&a, c->conv);
    args_int(&a, 20);
    int count = args_hole(&a);
    args_pair(&a, "kind", "text");
    args_pair(&a, "first", "llm");
    args_pair_int(&a, "chat", c->id);
    args_pair(&a, "chat_type", "private");
    args_pair_int(&a, "user", c->id);
    args_pair_int(&a, "update", l->update);
    args_pair_int(&a, "message", l->update);
    args_pair(&a, "text", question);
    args_pair(&a, "lang", "en");
    args_pair(&a, "name", "User");
    args_pair_int(&a, "at", at);
    args_pair_int(&a, "asked", at / 1000);
    args_pair_int(&a, "v", 1);
    args_set_int(&a, count, 13);
    script(l, SCRIPT_ACCEPT, &a);
}

static void take_work(struct lane *l, struct chat *c) {
    struct args a = ticket(STREAM_LLM, c->work, c);
    args_str(&a, "llm-0123456789abcdef");
    script(l, SCRIPT_TAKE, &a);
}

static void take_follow(struct lane *l, struct chat *c) {
    struct args a = ticket(STREAM_OUTBOUND, c->follow, c);
    args_str(&a, "outbound-0123456789abcdef");
    script(l, SCRIPT_TAKE, &a);
}

static void begin(struct lane *l, struct chat *c) {
    struct period periods[3] = { { .keep_s = 259200 }, { .keep_s = 6048000 }, { .keep_s = 6048000 } };
    snprintf(periods[0].name, sizeof periods[0].name, "2026-11-23:%ld", c->id);
    snprintf(periods[1].name, sizeof periods[1].name, "2026-11:%ld", c->id);
    snprintf(periods[2].name, sizeof periods[2].name, "2026-11:all");
    struct args a = { 0 };
    begin_args(&a, &(struct ticket){ STREAM_LLM, c->work, c->job },
               &(struct begin){ .call = "1", .try = 1, .try_max = 5, .lost = "", .periods = periods, .periods_count = 3 });
    script(l, SCRIPT_BEGIN, &a);
}

static void response(struct lane *l, struct chat *c) {
    snprintf(c->response, sizeof c->response, "resp_%d%08ld%016lx", l->number, l->update, c->id);
    struct args a = ticket(STREAM_LLM, c->work, c);
    args_str(&a, "1");
    args_str(&a, c->response);
    script(l, SCRIPT_RESPONSE, &a);
}

static void say_words(struct lane *l, struct chat *c) {
    struct args a = ticket(STREAM_LLM, c->work, c);
    args_int(&a, 0);
    args_add(&a, answer, 40);
    script(l, SCRIPT_SAY, &a);
}

static void commit_work(struct lane *l, struct chat *c) {
    struct args a = { 0 };
    char event[FIELD + 8];
    struct pair context = { "context", "74" };
    struct usage_event usage = { .job = c->job, .chat = c->conv, .user = c->conv, .at = 1795000000000, .event = event, .paid = "chat",
        .model = "gpt-6.1-terra", .input_tokens = 48, .output_tokens = 26, .cost_nusd = 612000, .price_version = "2026-11-01",
        .status = "completed", .response = c->response };
    snprintf(event, sizeof event, "%s:1", c->job);
    commit_args(&a, &(struct ticket){ STREAM_LLM, c->work, c->job },
                &(struct commit){ .next = "follow", .how = "done", .text_len = 40, .rest = answer + 40, .rest_len = sizeof answer - 41,
                    .question = question, .answer = answer, .response = c->response, .call = "1", .cost_nusd = 612000,
                    .fields = &context, .fields_count = 1, .events = &usage, .events_count = 1 });
    script(l, SCRIPT_COMMIT, &a);
}

static void mark(struct lane *l, const struct chat *c, const char *from, const char *to) {
    struct args a = { 0 };
    args_str(&a, c->follow);
    args_str(&a, c->job);
    args_str(&a, "outbound-0123456789abcdef");
    args_int(&a, 0);
    args_str(&a, from);
    args_str(&a, to);
    script(l, SCRIPT_MARK, &a);
}

static void mark_sending(struct lane *l, struct chat *c) {
    mark(l, c, "", "S");
}

static void mark_sent(struct lane *l, struct chat *c) {
    char id[24];
    snprintf(id, sizeof id, "%ld", l->update);
    mark(l, c, "S", id);
}

static void commit_follow(struct lane *l, struct chat *c) {
    struct args a = { 0 };
    commit_args(&a, &(struct ticket){ STREAM_OUTBOUND, c->follow, c->job }, &(struct commit){ .next = "end", .how = "done" });
    script(l, SCRIPT_COMMIT, &a);
}

/* ---- all chats together ---- */

static void step(struct lane *l, void (*send)(struct lane *l, struct chat *c)) {
    for (int i = 0; i < l->chats_count; i++)
        send(l, &l->chats[i]);
    for (int i = 0; i < l->chats_count; i++)
        freeReplyObject(next_reply(l));
}

static const char *field(const redisReply *fields, const char *name) {
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (!strcmp(fields->element[i]->str, name))
            return fields->element[i + 1]->str;
    return "";
}

/* The entries of the turn come in the order in which the chats wrote them; a chat is found by its conversation all the same. */
static void read_entries(struct lane *l, const char *queue, size_t at) {
    struct args a = { 0 };
    char key[2 * FIELD];
    snprintf(key, sizeof key, "%s%s", l->prefix, queue);
    args_str(&a, key);
    args_str(&a, ">");
    char most[16];
    snprintf(most, sizeof most, "%d", l->chats_count);
    send_words(l, &a, (const char *const[]){ "XREADGROUP", "GROUP", queue, "one", "COUNT", most, "STREAMS" }, 7);
    redisReply *reply = next_reply(l);
    const redisReply *list = reply->type == REDIS_REPLY_ARRAY && reply->elements ? reply->element[0]->element[1] : NULL;
    if (!list || list->elements != (size_t)l->chats_count)
        die("reading", "not as many entries as there should be");
    for (size_t i = 0; i < list->elements; i++) {
        long id = strtol(field(list->element[i]->element[1], "chat"), NULL, 10);
        char *to = (char *)&l->chats[id - l->chats[0].id] + at;
        snprintf(to, FIELD, "%s", list->element[i]->element[0]->str);
    }
    freeReplyObject(reply);
}

static void settle(struct lane *l) {
    struct args a = { 0 };
    for (int i = 0; i < l->chats_count && i < 100; i++)
        args_str(&a, l->chats[i].usage);
    script(l, SCRIPT_SETTLED, &a);
    freeReplyObject(next_reply(l));
}

static void turn(struct lane *l) {
    step(l, accept_one);
    read_entries(l, STREAM_LLM, offsetof(struct chat, work));
    read_entries(l, STREAM_OUTBOUND, offsetof(struct chat, follow));
    step(l, take_work);
    step(l, take_follow);
    step(l, begin);
    step(l, response);
    step(l, say_words);
    step(l, commit_work);
    step(l, take_follow);                /* the answer is whole: once more, with its end */
    step(l, mark_sending);
    step(l, mark_sent);
    step(l, commit_follow);
    read_entries(l, STREAM_LEDGER, offsetof(struct chat, usage));
    settle(l);
    l->turns += l->chats_count;
}

static void open_lane(struct lane *l) {
    static const char *const queues[] = { STREAM_LLM, STREAM_OUTBOUND, STREAM_LEDGER };
    l->redis = redisConnect("127.0.0.1", l->port);
    if (!l->redis || l->redis->err)
        die("connecting", l->redis ? l->redis->errstr : "out of memory");
    snprintf(l->prefix, sizeof l->prefix, "ceiling%d:", l->number);
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        redisReply *sha = redisCommand(l->redis, "SCRIPT LOAD %s", scripts[i].text);
        if (!sha || sha->type != REDIS_REPLY_STRING || sha->len != 40)
            die("loading a script", scripts[i].name);
        memcpy(l->sha[i], sha->str, 41);
        freeReplyObject(sha);
    }
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++)
        freeReplyObject(redisCommand(l->redis, "XGROUP CREATE %s%s %s 0 MKSTREAM", l->prefix, queues[i], queues[i]));
    freeReplyObject(redisCommand(l->redis, "SET %sspend:ready 1", l->prefix));
    l->chats = calloc((size_t)l->chats_count, sizeof *l->chats);
    for (int i = 0; i < l->chats_count; i++) {
        l->chats[i].id = 1000 + i;
        snprintf(l->chats[i].conv, FIELD, "%ld", l->chats[i].id);
    }
}

static void *run(void *owner) {
    struct lane *l = owner;
    while (now_s() < l->until)
        turn(l);
    return NULL;
}

int main(int argc, char **argv) {
    static struct lane lanes[THREADS];
    if (argc != 4 || atoi(argv[2]) < THREADS || atoi(argv[2]) > CHATS_MAX)
        die("usage", "ceiling_redis PORT CHATS SECONDS");
    for (int i = 0; i < THREADS; i++) {
        lanes[i].port = atoi(argv[1]);
        lanes[i].number = i;
        lanes[i].chats_count = atoi(argv[2]) / THREADS;
        open_lane(&lanes[i]);
    }
    double from = now_s();
    long turns = 0;
    for (int i = 0; i < THREADS; i++) {
        lanes[i].until = from + atof(argv[3]);
        if (pthread_create(&lanes[i].thread, NULL, run, &lanes[i]))
            die("starting", "no thread");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(lanes[i].thread, NULL);
        turns += lanes[i].turns;
        redisFree(lanes[i].redis);
        free(lanes[i].chats);
    }
    printf("{\"turns\":%ld,\"seconds\":%.3f}\n", turns, now_s() - from);
    return 0;
}
