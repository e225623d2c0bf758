/* One Redis, as a service sees it: a commander and a listener here, the reader of a stream in reader.h; each a connection of
 * its own, because a blocking read stops everything behind it on the same connection.
 *
 * A command outlives its connection: what has no answer when the connection breaks is sent again on the next one, in its old
 * order, until there is an answer. That is right for our scripts, which are safe to run twice, and for nothing else:
 * whoever sends a plain command here must be content with "at least once".
 * Order is kept across a break; not where the server itself turned one of several commands away.
 * NOSCRIPT is answered by EVAL; LOADING, BUSY, MISCONF, OOM, READONLY, NOREPLICAS, TRYAGAIN, CLUSTERDOWN and MASTERDOWN by waiting
 * and sending again (each said once in the log); any other error reply goes to the caller.
 *
 * Connections: host names are resolved off the loop at each reconnect (containers move); refused, reset, silent (watchdog) and
 * "loading" servers are tried again with back-off and jitter, 50 ms to 2 s, for ever; a wrong password likewise, said once a minute. */
#ifndef SERVICES_REDIS_H
#define SERVICES_REDIS_H
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "proto/args.h"
#include "proto/scripts.h"

struct redis_tuning;                        /* redis_conn.h: times, for tests */
struct redis_address {                      /* out of REDIS_URL */
    char *host;                             /* NULL: unix socket */
    int port;
    char *path;                             /* unix socket */
    char *user, *password;                  /* NULL: none */
    int db;
    bool tls;
};
/* redis://[user:pass@]host:port/db, redis://host, unix:///path?db=N, rediss:// where hiredis has TLS. 0, or -EINVAL, or
 * -ENOTSUP (rediss:// and this hiredis has none). Percent-escapes in user and password are undone. */
int redis_url_parse(const char *url, struct redis_address *ret_address);
void redis_address_done(struct redis_address *a);

struct redis;
struct redis_call;
typedef void redis_done_fn(const redisReply *reply, void *owner);     /* reply: never NULL, borrowed, perhaps an error */

struct redis_options {
    const char *url;                        /* valid (see redis_url_parse) */
    const char *prefix;                     /* KEY_PREFIX, KEYS[1] of every script */
    const char *name;                       /* CLIENT SETNAME, e.g. "llm-9f3a1c2b" */
    void (*on_up)(void *owner);             /* the commander is connected and checked; again after each reconnect; may be NULL */
    void (*on_down)(void *owner);           /* it was lost; may be NULL */
    /* The server is not fit: evicts keys, older than 7.0 … One clear line. Asked again at each reconnect. May be NULL. */
    void (*on_unfit)(const char *why, void *owner);
    void *owner;
    const struct redis_tuning *tuning;      /* NULL: the usual */
};

struct redis *redis_new(uv_loop_t *loop, const struct redis_options *options);
/* Outstanding calls are forgotten. Readers, queues and leases are freed before. The memory goes when the loop has turned. */
void redis_free(struct redis *r);

/* Both take the contents of args (which is empty afterwards). done may be NULL. Never fail; wait while there is no connection. */
struct redis_call *redis_script(struct redis *r, enum script script, struct args *args, redis_done_fn *done, void *owner);
struct redis_call *redis_command(struct redis *r, struct args *args, redis_done_fn *done, void *owner);
/* The owner goes away: done is not called. The command may still run. NULL is fine; not after done was called. */
void redis_forget(struct redis_call *c);

bool redis_is_up(const struct redis *r);
/* ms since the last answer that proved that Redis hears us. Whoever causes outside effects looks at this first. */
int64_t redis_age_ms(const struct redis *r);
unsigned redis_outstanding(const struct redis *r);
/* Further ears for on_up and on_down, called before those of the options. */
typedef void redis_change_fn(bool up, void *owner);
void redis_watch(struct redis *r, redis_change_fn *on_change, void *owner);
void redis_unwatch(struct redis *r, redis_change_fn *on_change, void *owner);

/* Pub/Sub: channel gets the prefix. The listener subscribes again at each reconnect. Lost messages are lost: poll as well. */
typedef void redis_message_fn(const char *text, void *owner);
void redis_listen(struct redis *r, const char *channel, redis_message_fn *on_message, void *owner);
void redis_unlisten(struct redis *r, const char *channel, void *owner);

/* The reader: one stream, one consumer group (named like the stream, made when missing). Reads when slots() says that there is
 * room, COUNT = room (at most 500), BLOCK 2 s, watchdog 5 s; on NOGROUP makes the group again from 0.
 * After each (re)connect on_ready is called first, and nothing new is read until reader_go(). */
struct reader;
struct reader_options {
    const char *stream, *consumer;
    unsigned (*slots)(void *owner);
    void (*on_entries)(const redisReply *entries, void *owner);    /* array of [id, [name, value, …]]; borrowed */
    void (*on_ready)(void *owner);                                 /* look after own pending entries, then reader_go() */
    void *owner;
};
struct reader *reader_new(struct redis *r, const struct reader_options *options);
void reader_go(struct reader *rd);
void reader_poke(struct reader *rd);        /* there may be room again */
void reader_stop(struct reader *rd);        /* reads no more; on_entries may still come for a read that is under way (which is cut short) */
bool reader_busy(const struct reader *rd);  /* a read is under way */
void reader_free(struct reader *rd);

#endif
