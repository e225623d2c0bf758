#include "services/redis_replies.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 960, ALIGNED = 16 };    /* a short reply fits into one that malloc() keeps at hand */

/* The root of a reply is the first thing in its first block; that is how the blocks are found again. */
struct block {
    struct block *next;
    size_t used, size;
    struct block *last;          /* of the first: where there is room */
    char data[] __attribute__((aligned(ALIGNED)));
};

static struct block *block_new(size_t size) {
    struct block *b = malloc(sizeof *b + size);
    if (!b)
        abort();
    *b = (struct block){ .size = size };
    return b;
}

static struct block *block_of(void *root) {
    return (struct block *)((char *)root - offsetof(struct block, data));
}

static void *take(struct block *first, size_t size) {
    struct block *b = first->last;
    size = (size + ALIGNED - 1) / ALIGNED * ALIGNED;
    if (b->size - b->used < size) {
        size_t next = b->size * 2 > size ? b->size * 2 : size;
        b = b->next = first->last = block_new(next);
    }
    void *place = b->data + b->used;
    b->used += size;
    return place;
}

/* A reply at its place in the tree, with `more` bytes behind it. */
static redisReply *reply_new(const redisReadTask *task, size_t more) {
    struct block *first;
    redisReply *reply;
    if (task->parent) {
        const redisReadTask *root = task;
        while (root->parent)
            root = root->parent;
        first = block_of(root->obj);
    } else {
        size_t need = sizeof *reply + more + 2 * ALIGNED;
        first = block_new(need > FIRST_BLOCK ? need : FIRST_BLOCK);
        first->last = first;
    }
    reply = take(first, sizeof *reply + more);
    memset(reply, 0, sizeof *reply);
    reply->type = task->type;
    if (task->parent)
        ((redisReply *)task->parent->obj)->element[task->idx] = reply;
    return reply;
}

static void *create_string(const redisReadTask *task, char *str, size_t len) {
    redisReply *reply = reply_new(task, len + 1);
    reply->str = (char *)(reply + 1);
    memcpy(reply->str, str, len);
    reply->str[len] = '\0';
    reply->len = len;
    return reply;
}

#if HIREDIS_MAJOR >= 1
static void *create_array(const redisReadTask *task, size_t elements) {
#else
static void *create_array(const redisReadTask *task, int elements) {
#endif
    size_t bytes = (size_t)elements * sizeof(redisReply *);
    redisReply *reply = reply_new(task, bytes);
    reply->element = bytes ? (redisReply **)(reply + 1) : NULL;
    memset(reply + 1, 0, bytes);
    reply->elements = (size_t)elements;
    return reply;
}

static void *create_integer(const redisReadTask *task, long long value) {
    redisReply *reply = reply_new(task, 0);
    reply->integer = value;
    return reply;
}

static void *create_nil(const redisReadTask *task) {
    redisReply *reply = reply_new(task, 0);
    reply->type = REDIS_REPLY_NIL;       /* the task's is that of what is not there */
    return reply;
}

/* hiredis frees whole replies only: whole ones, and what there was of one when the connection broke. */
static void free_reply(void *root) {
    if (!root)
        return;
    for (struct block *b = block_of(root), *next; b; b = next) {
        next = b->next;
        free(b);
    }
}

redisReplyObjectFunctions redis_replies = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
    .freeObject = free_reply,
};
