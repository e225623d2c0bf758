/* A real redis-server of the test's own, and a proxy in front of it that can be as bad as networks are.
 * The server lives in a temporary folder on a free port of loopback and is killed by its pid; the proxy on the test's loop. */
#ifndef TESTS_UNIT_REDIS_SERVER_H
#define TESTS_UNIT_REDIS_SERVER_H
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

struct server {
    char dir[64], url[64];
    const char *address;             /* NULL: 127.0.0.1 */
    int port;                        /* 0: found at the first start, and kept */
    pid_t pid;
};

int free_port(void);
/* `options` is NULL-terminated: "--appendonly", "yes". Waits until it listens (not until it has loaded). */
void server_start(struct server *s, const char *const *options);
void server_kill(struct server *s, int signal);     /* and waits for it; nothing to do when it does not run */
void server_remove(struct server *s);               /* killed, its folder removed */
/* One command over a connection of its own. The caller frees the reply. server_int: an integer, or a string as one; server_str: copied. */
redisReply *server_ask(const struct server *s, const char *format, ...);
long long server_int(const struct server *s, const char *format, ...);
char *server_str(const struct server *s, const char *format, ...);
void server_do(const struct server *s, const char *format, ...);

enum proxy_mode {
    PROXY_PASS,
    PROXY_HOLE,                      /* nothing passes, in either direction; nothing is said about it */
    PROXY_DEAF,                      /* questions pass, answers are thrown away */
    PROXY_SLOW                       /* answers pass in pieces of 64 kB, one at each proxy_drip() */
};

struct link;
struct proxy {
    uv_tcp_t listener;
    const struct server *server;
    int port;
    enum proxy_mode mode;
    unsigned accepted;
    struct link *links;
};
void proxy_start(struct proxy *p, uv_loop_t *loop, const struct server *s);
void proxy_drip(struct proxy *p);
void proxy_reset_all(struct proxy *p);              /* RST in both directions */
void proxy_stop(struct proxy *p);                   /* closes everything; the loop must turn */

#endif
