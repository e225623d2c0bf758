#include "tests/unit/redis_server.h"
#include <arpa/inet.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>
#include "services/alloc.h"

enum { START_MS = 20000 };

static void give_up(const char *what) {
    fprintf(stderr, "redis_server: %s\n", what);
    abort();
}

int free_port(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) || getsockname(fd, (struct sockaddr *)&at, &len))
        give_up("no free port");
    close(fd);
    return ntohs(at.sin_port);
}

static const char *address_of(const struct server *s) {
    return s->address ? s->address : "127.0.0.1";
}

static bool listens(const struct server *s) {
    redisContext *c = redisConnect(address_of(s), s->port);
    bool good = c && !c->err;
    if (c)
        redisFree(c);
    return good;
}

void server_start(struct server *s, const char *const *options) {
    char port[16];
    const char *words[64] = {"redis-server", "--save", ""};
    int count = 3;
    if (!s->port)
        s->port = free_port();
    if (!s->dir[0]) {
        snprintf(s->dir, sizeof s->dir, "/tmp/gpttg-redis-XXXXXX");
        if (!mkdtemp(s->dir))
            give_up("no temporary folder");
    }
    snprintf(port, sizeof port, "%d", s->port);
    snprintf(s->url, sizeof s->url, "redis://%s:%d/0", address_of(s), s->port);
    const char *own[] = {"--port", port, "--bind", address_of(s), "--dir", s->dir, "--enable-debug-command", "yes", "--loglevel", "warning"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        words[count++] = own[i];
    for (; options && *options && count < 63; options++)
        words[count++] = *options;
    s->pid = fork();
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int nowhere = open("/dev/null", O_RDWR);
        dup2(nowhere, 0);
        dup2(nowhere, 1);
        close_range(3, ~0U, 0);
        execvp(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    for (int i = 0; i < START_MS && !listens(s); i++) {
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid)
            give_up("redis-server does not start");
        usleep(1000);
    }
}

void server_kill(struct server *s, int signal) {
    if (s->pid <= 0)
        return;
    kill(s->pid, signal);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at) {
    return remove(path);
}

void server_remove(struct server *s) {
    server_kill(s, SIGKILL);
    if (s->dir[0])
        nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    memset(s, 0, sizeof *s);
}

static redisReply *ask(const struct server *s, const char *format, va_list list) {
    redisContext *c = redisConnect(address_of(s), s->port);
    if (!c || c->err)
        give_up("the server is not there");
    redisReply *reply = redisvCommand(c, format, list);
    redisFree(c);
    if (!reply)
        give_up("the server does not answer");
    return reply;
}

redisReply *server_ask(const struct server *s, const char *format, ...) {
    va_list list;
    va_start(list, format);
    redisReply *reply = ask(s, format, list);
    va_end(list);
    return reply;
}

void server_do(const struct server *s, const char *format, ...) {
    va_list list;
    va_start(list, format);
    redisReply *reply = ask(s, format, list);
    va_end(list);
    if (reply->type == REDIS_REPLY_ERROR)
        give_up(reply->str);
    freeReplyObject(reply);
}

long long server_int(const struct server *s, const char *format, ...) {
    va_list list;
    va_start(list, format);
    redisReply *reply = ask(s, format, list);
    va_end(list);
    long long n = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
    freeReplyObject(reply);
    return n;
}

char *server_str(const struct server *s, const char *format, ...) {
    va_list list;
    va_start(list, format);
    redisReply *reply = ask(s, format, list);
    va_end(list);
    char *text = reply->str ? alloc_copy(reply->str, reply->len) : NULL;
    freeReplyObject(reply);
    return text;
}

/* ---- the proxy ---- */

struct link {
    struct link *next;
    struct proxy *proxy;
    uv_tcp_t near, far;              /* the client's side, the server's */
    uv_connect_t connect;
    int open;                        /* handles */
    bool connected, closing;
    char *early;                     /* what the client said before the far side was there */
    size_t early_len;
};

static void on_link_closed(uv_handle_t *h) {
    struct link *l = h->data;
    if (--l->open)
        return;
    struct link **at = &l->proxy->links;
    while (*at && *at != l)
        at = &(*at)->next;
    if (*at)
        *at = l->next;
    free(l->early);
    free(l);
}

static void link_close(struct link *l, bool reset) {
    if (l->closing)
        return;
    l->closing = true;
    uv_tcp_t *both[] = {&l->near, &l->far};
    for (int i = 0; i < 2; i++)
        if (!reset || uv_tcp_close_reset(both[i], on_link_closed))
            uv_close((uv_handle_t *)both[i], on_link_closed);
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *buf) {
    *buf = uv_buf_init(malloc(size), (unsigned)size);
}

static void on_written(uv_write_t *w, int status) {
    free(w->data);
    free(w);
}

static void pass_on(uv_tcp_t *to, char *data, size_t len) {     /* takes data */
    uv_write_t *w = malloc(sizeof *w);
    uv_buf_t buf = uv_buf_init(data, (unsigned)len);
    w->data = data;
    if (uv_write(w, (uv_stream_t *)to, &buf, 1, on_written))
        on_written(w, -1);
}

static void on_read(uv_stream_t *from, ssize_t len, const uv_buf_t *buf) {
    struct link *l = from->data;
    bool question = from == (uv_stream_t *)&l->near;
    if (len < 0) {
        free(buf->base);
        if (l->proxy->mode != PROXY_HOLE)
            link_close(l, false);
        else
            uv_read_stop(from);
    } else if (len == 0 || l->proxy->mode == PROXY_HOLE || (l->proxy->mode == PROXY_DEAF && !question)) {
        free(buf->base);
    } else if (question && !l->connected) {
        l->early = realloc(l->early, l->early_len + (size_t)len);
        memcpy(l->early + l->early_len, buf->base, (size_t)len);
        l->early_len += (size_t)len;
        free(buf->base);
    } else {
        pass_on(question ? &l->far : &l->near, buf->base, (size_t)len);
        if (l->proxy->mode == PROXY_SLOW && !question)
            uv_read_stop(from);
    }
}

static void on_far(uv_connect_t *c, int status) {
    struct link *l = c->data;
    if (status < 0) {
        link_close(l, true);
        return;
    }
    l->connected = true;
    if (l->early)
        pass_on(&l->far, l->early, l->early_len);
    l->early = NULL;
    uv_read_start((uv_stream_t *)&l->far, on_alloc, on_read);
}

static void on_near(uv_stream_t *listener, int status) {
    struct proxy *p = listener->data;
    struct sockaddr_in at;
    struct link *l = calloc(1, sizeof *l);
    l->proxy = p;
    l->open = 2;
    l->next = p->links;
    p->links = l;
    p->accepted++;
    uv_tcp_init(listener->loop, &l->near);
    uv_tcp_init(listener->loop, &l->far);
    l->near.data = l->far.data = l->connect.data = l;
    uv_accept(listener, (uv_stream_t *)&l->near);
    uv_read_start((uv_stream_t *)&l->near, on_alloc, on_read);
    uv_ip4_addr(address_of(p->server), p->server->port, &at);
    if (uv_tcp_connect(&l->connect, &l->far, (const struct sockaddr *)&at, on_far))
        link_close(l, true);
}

void proxy_start(struct proxy *p, uv_loop_t *loop, const struct server *s) {
    struct sockaddr_in at;
    memset(p, 0, sizeof *p);
    p->server = s;
    p->port = free_port();
    uv_tcp_init(loop, &p->listener);
    p->listener.data = p;
    uv_ip4_addr("127.0.0.1", p->port, &at);
    if (uv_tcp_bind(&p->listener, (const struct sockaddr *)&at, 0) || uv_listen((uv_stream_t *)&p->listener, 64, on_near))
        give_up("the proxy cannot listen");
}

void proxy_drip(struct proxy *p) {
    for (struct link *l = p->links; l; l = l->next)
        if (l->connected && !l->closing)
            uv_read_start((uv_stream_t *)&l->far, on_alloc, on_read);
}

void proxy_reset_all(struct proxy *p) {
    for (struct link *l = p->links; l; l = l->next)
        link_close(l, true);
}

void proxy_stop(struct proxy *p) {
    for (struct link *l = p->links; l; l = l->next)
        link_close(l, false);
    uv_close((uv_handle_t *)&p->listener, NULL);
}
