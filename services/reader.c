/* The reader of one stream. It owns the connection that blocks; what it learns goes to its owner, who decides.
 *
 *   open ──make the group──▶ on_ready … reader_go() ──▶ read ──entries──▶ on_entries ──▶ read …
 *                                                        └─ no slots: until reader_poke() */
#include "services/redis.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"
#include "services/clock.h"
#include "services/log.h"
#include "services/redis_private.h"

enum { MOST = 500, REFUSED_MIN_MS = 50, REFUSED_MAX_MS = 2000 };

struct reader {
    struct redis *redis;
    struct reader_options o;
    struct conn *conn;
    uv_timer_t timer;                       /* after a refusal: when to ask again */
    char *stream, *group, *consumer;        /* stream with the prefix */
    char client[24];                        /* CLIENT ID: whom to unblock; "" unknown */
    bool grouped, going, reading, resting, stopped, closing;
    int rest_ms;
    char said[64];                          /* the last refusal that was logged */
};

static char id_tag, group_tag, read_tag;

static void make_group(struct reader *rd) {
    conn_say(rd->conn, &group_tag, 6, "XGROUP", "CREATE", rd->stream, rd->group, "0", "MKSTREAM");
}

static void read_more(struct reader *rd) {
    if (!rd->grouped || !rd->going || rd->reading || rd->resting || rd->stopped || rd->closing || !conn_is_open(rd->conn))
        return;
    unsigned slots = rd->o.slots(rd->o.owner);
    if (slots == 0)
        return;
    char count[16], block[16];
    snprintf(count, sizeof count, "%u", slots < MOST ? slots : MOST);
    snprintf(block, sizeof block, "%d", redis_conn_options(rd->redis).tuning->block_ms);
    rd->reading = conn_say(rd->conn, &read_tag, 11, "XREADGROUP", "GROUP", rd->group, rd->consumer, "COUNT", count, "BLOCK", block,
                           "STREAMS", rd->stream, ">");
}

static void on_rested(uv_timer_t *timer) {
    struct reader *rd = timer->data;
    rd->resting = false;
    if (!conn_is_open(rd->conn))
        return;
    if (rd->grouped)
        read_more(rd);
    else
        make_group(rd);
}

/* An error reply. A group that has vanished is made again, from the beginning of the stream; everything else may pass. */
static void on_refused(struct reader *rd, const char *why) {
    bool gone = strncmp(why, "NOGROUP", 7) == 0 || strncmp(why, "UNBLOCKED", 9) == 0;
    rd->rest_ms = rd->rest_ms ? rd->rest_ms * 2 : REFUSED_MIN_MS;
    if (rd->rest_ms > REFUSED_MAX_MS)
        rd->rest_ms = REFUSED_MAX_MS;
    if (gone)
        rd->grouped = false;
    size_t word = strcspn(why, " ");
    if (strncmp(rd->said, why, word) != 0 || rd->said[word]) {
        snprintf(rd->said, sizeof rd->said, "%.*s", (int)word, why);
        log_warn(NULL, "redis: reader of %s: %.200s; trying again", rd->group, why);
    }
    rd->resting = true;
    uv_timer_start(&rd->timer, on_rested, (uint64_t)rd->rest_ms, 0);
}

static void on_group(struct reader *rd, const redisReply *reply) {
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "BUSYGROUP", 9) != 0) {
        on_refused(rd, reply->str);
        return;
    }
    rd->grouped = true;
    if (rd->going) /* it was made again on a living connection */
        read_more(rd);
    else
        rd->o.on_ready(rd->o.owner);
}

static void on_read(struct reader *rd, const redisReply *reply) {
    rd->reading = false;
    if (reply->type == REDIS_REPLY_ERROR) {
        on_refused(rd, reply->str);
        return;
    }
    rd->rest_ms = 0;
    rd->said[0] = '\0';
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 && reply->element[0]->type == REDIS_REPLY_ARRAY &&
        reply->element[0]->elements == 2)
        rd->o.on_entries(reply->element[0]->element[1], rd->o.owner);
    read_more(rd);
}

static void on_reply(const redisReply *reply, void *tag, void *owner) {
    struct reader *rd = owner;
    if (tag == &read_tag)
        on_read(rd, reply);
    else if (tag == &group_tag)
        on_group(rd, reply);
    else if (reply->type == REDIS_REPLY_INTEGER)
        snprintf(rd->client, sizeof rd->client, "%lld", reply->integer);
}

static void on_open(void *owner) {
    struct reader *rd = owner;
    rd->grouped = rd->going = rd->reading = false;
    rd->client[0] = '\0';
    conn_say(rd->conn, &id_tag, 2, "CLIENT", "ID");
    if (!rd->resting)
        make_group(rd);
}

static void on_lost(void *owner) {
    struct reader *rd = owner;
    rd->grouped = rd->going = rd->reading = false;
}

struct reader *reader_new(struct redis *r, const struct reader_options *options) {
    struct reader *rd = alloc_zero(sizeof *rd);
    struct conn_options conn = redis_conn_options(r);
    rd->redis = r;
    rd->o = *options;
    rd->o.stream = rd->o.consumer = NULL; /* borrowed for this call only */
    rd->stream = redis_key(r, options->stream);
    rd->group = alloc_copy(options->stream, strlen(options->stream));
    rd->consumer = alloc_copy(options->consumer, strlen(options->consumer));
    uv_timer_init(conn.loop, &rd->timer);
    rd->timer.data = rd;
    conn.role = "reader";
    conn.on_open = on_open;
    conn.on_lost = on_lost;
    conn.on_reply = on_reply;
    conn.owner = rd;
    rd->conn = conn_new(&conn);
    return rd;
}

void reader_go(struct reader *rd) {
    rd->going = true;
    read_more(rd);
}

void reader_poke(struct reader *rd) {
    read_more(rd);
}

/* A blocked read would go on for up to two seconds, and might still be given an entry: have the server end it now. */
void reader_stop(struct reader *rd) {
    if (rd->stopped)
        return;
    rd->stopped = true;
    if (!rd->reading || !rd->client[0])
        return;
    struct args args;
    args_init(&args);
    args_str(&args, "CLIENT");
    args_str(&args, "UNBLOCK");
    args_str(&args, rd->client);
    redis_command(rd->redis, &args, NULL, NULL); /* not allowed, or too late: then the read ends by itself */
}

bool reader_busy(const struct reader *rd) {
    return rd->reading;
}

static void on_closed(uv_handle_t *timer) {
    struct reader *rd = timer->data;
    free(rd->stream);
    free(rd->group);
    free(rd->consumer);
    free(rd);
}

void reader_free(struct reader *rd) {
    if (!rd)
        return;
    rd->closing = true;
    conn_free(rd->conn);
    uv_close((uv_handle_t *)&rd->timer, on_closed);
}
