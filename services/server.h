/* libmicrohttpd on our loop: the pages of services/pages.c and the webhook stand on it. It polls with an epoll descriptor of its
 * own, which we watch; all callbacks run on the loop's thread. */
#ifndef SERVICES_SERVER_H
#define SERVICES_SERVER_H
#include <microhttpd.h>
#include <stdbool.h>
#include <uv.h>

struct server_options {
    const char *listen;                      /* "host:port"; port 0: any that is free */
    const char *setting;                     /* what it was taken from, for log lines */
    unsigned connections_most, idle_s;       /* further ones wait in the kernel; a silent one is closed */
    bool suspends;                           /* connections may be suspended */
    bool shared;                             /* several processes of this user may listen there, and each gets some of the connections */
    MHD_AccessHandlerCallback on_request;
    MHD_RequestCompletedCallback on_completed;       /* may be NULL */
    MHD_NotifyConnectionCallback on_connection;      /* may be NULL */
    void *owner;
};

struct server;
struct server *server_new(uv_loop_t *loop, const struct server_options *options);    /* NULL: a log line said why */
unsigned server_port(const struct server *s);
/* Let it look after its connections: behind MHD_resume_connection(), never from inside one of its callbacks. */
void server_turn(struct server *s);
void server_close_door(struct server *s);    /* no new connections; those that are open go on */
/* No connection may be suspended. Calls on_completed and on_connection for what is open. NULL is fine; memory goes when the loop has turned. */
void server_free(struct server *s);

/* Queue an answer whose text is copied. `extra`: further headers as name, value, …, NULL; or NULL. */
enum MHD_Result server_answer(struct MHD_Connection *c, unsigned status, const char *type, const char *text, size_t len,
                              const char *const *extra);

#endif
