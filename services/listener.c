#include "services/listener.h"
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"
#include "services/log.h"
#include "services/redis_private.h"

struct ear {
    struct ear *next;
    char *channel;                          /* with the prefix */
    redis_message_fn *on_message;           /* NULL: removed; the subscription stays, nobody minds */
    void *owner;
};

struct listener {
    struct redis *redis;
    struct conn *conn;
    struct ear *ears;
};

static char tag;

static void subscribe(struct listener *l, const struct ear *ear) {
    conn_say(l->conn, &tag, 2, "SUBSCRIBE", ear->channel);
}

static void on_open(void *owner) {
    struct listener *l = owner;
    for (const struct ear *ear = l->ears; ear; ear = ear->next)
        subscribe(l, ear);
}

static void on_lost(void *owner) { /* nothing to do: on_open subscribes again */
}

/* To subscribe once more is the PING of a subscriber: always answered, and hiredis 0.14 does not understand a PONG there. */
static void on_idle(void *owner) {
    struct listener *l = owner;
    if (l->ears)
        subscribe(l, l->ears);
}

static void on_reply(const redisReply *reply, void *its_tag, void *owner) {
    struct listener *l = owner;
    if (reply->type == REDIS_REPLY_ERROR) {
        log_warn(NULL, "redis: listener: %.200s", reply->str);
        conn_break(l->conn, reply->str);
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 || strcmp(reply->element[0]->str, "message") != 0)
        return;
    if (reply->element[2]->type != REDIS_REPLY_STRING)
        return;
    for (struct ear *ear = l->ears; ear; ear = ear->next)
        if (ear->on_message && strcmp(ear->channel, reply->element[1]->str) == 0)
            ear->on_message(reply->element[2]->str, ear->owner);
}

struct listener *listener_new(struct redis *r) {
    struct listener *l = alloc_zero(sizeof *l);
    struct conn_options options = redis_conn_options(r);
    l->redis = r;
    options.role = "listener";
    options.subscribes = true;
    options.on_open = on_open;
    options.on_lost = on_lost;
    options.on_reply = on_reply;
    options.on_idle = on_idle;
    options.owner = l;
    l->conn = conn_new(&options);
    return l;
}

void listener_free(struct listener *l) {
    if (!l)
        return;
    conn_free(l->conn);
    while (l->ears) {
        struct ear *ear = l->ears;
        l->ears = ear->next;
        free(ear->channel);
        free(ear);
    }
    free(l);
}

void listener_add(struct listener *l, const char *channel, redis_message_fn *on_message, void *owner) {
    struct ear *ear = alloc_zero(sizeof *ear);
    ear->channel = redis_key(l->redis, channel);
    ear->on_message = on_message;
    ear->owner = owner;
    ear->next = l->ears;
    l->ears = ear;
    if (conn_is_open(l->conn))
        subscribe(l, ear);
}

void listener_remove(struct listener *l, const char *channel, void *owner) {
    char *key = redis_key(l->redis, channel);
    for (struct ear *ear = l->ears; ear; ear = ear->next)
        if (ear->owner == owner && strcmp(ear->channel, key) == 0)
            ear->on_message = NULL;
    free(key);
}
