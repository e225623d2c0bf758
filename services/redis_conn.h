/* One connection to Redis that comes back by itself: resolve, connect, log in, watch, and when it breaks begin again.
 * Private to redis.c, listener.c, reader.c and their tests.
 *
 *   resting ──back-off──▶ connecting (resolve, connect, log in: one deadline) ──▶ open ──break──▶ resting
 *
 * on_open comes when commands may be sent, on_lost when what was sent on it and not answered will not be answered any more.
 * Neither is called inside conn_send(). hiredis answers what is pending on a dying connection with NULL: that ends here,
 * nobody above ever sees it. */
#ifndef SERVICES_REDIS_CONN_H
#define SERVICES_REDIS_CONN_H
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <uv.h>
#include "services/redis.h"

/* Times; tests have shorter ones. */
struct redis_tuning {
    int connect_ms;                         /* from the name to the login's answer */
    int silence_ms;                         /* something is outstanding, nothing comes: the connection is dropped */
    int ping_ms;                            /* idle this long: ask whether anybody is there */
    int tick_ms;                            /* how often the two above are looked at */
    int rest_min_ms, rest_max_ms;           /* back-off */
    int block_ms;                           /* of the reader */
    size_t most_bytes;                      /* handed to hiredis and not answered, at most; the rest waits in our own list */
    unsigned most_commands;
    const char *(*resolve)(const char *host);    /* tests: an address instead of a look-up; NULL: uv_getaddrinfo */
};
extern const struct redis_tuning redis_usual;

struct conn;
typedef void conn_reply_fn(const redisReply *reply, void *tag, void *owner);

struct conn_options {
    uv_loop_t *loop;
    const struct redis_address *address;    /* borrowed for the connection's life, as everything here */
    const struct redis_tuning *tuning;
    const char *name, *role;                /* CLIENT SETNAME; "commander": for log lines */
    bool loud;                              /* says in the log that Redis is away and back: one of the three does */
    bool subscribes;                        /* messages come unasked */
    void (*on_open)(void *owner);
    void (*on_lost)(void *owner);           /* only after on_open */
    conn_reply_fn *on_reply;                /* of conn_send(), in its order; and messages */
    void (*on_idle)(void *owner);           /* send something that is answered; NULL: PING */
    void *owner;
};

struct conn *conn_new(const struct conn_options *options);
void conn_free(struct conn *c);                             /* no callback comes any more; memory goes when the loop has turned */
/* False: there is no connection (any more); on_lost has come or will come. Never NULL as tag. */
bool conn_send(struct conn *c, int count, const char **words, const size_t *lens, void *tag);
bool conn_say(struct conn *c, void *tag, int count, ...);   /* the same with `count` C strings */
void conn_break(struct conn *c, const char *why);           /* drop it and begin again; `why` is said, at most once a minute */
bool conn_is_open(const struct conn *c);
int64_t conn_proved_ms(const struct conn *c);               /* when the last PING was sent that was answered; 0: none yet */

#endif
