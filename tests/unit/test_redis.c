/* Commander, listener and reader against a real Redis, through a network that misbehaves. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "services/alloc.h"
#include "services/clock.h"
#include "services/log.h"
#include "services/redis_conn.h"
#include "services/redis_fit.h"
#include "tests/unit/redis_server.h"
#include "tests/unit/unit.h"

enum { DEADLINE_MS = 30000 };

static uv_loop_t loop;
static uv_timer_t pulse;                     /* so that the loop turns while nothing happens */
static struct server server;
static struct proxy proxy;
static struct redis *redis;
static int ups, downs, unfits;
static char unfit[200];
static const char *address_now;              /* what the resolver says */

static struct redis_tuning quick = {
    .connect_ms = 1000, .silence_ms = 400, .ping_ms = 100, .tick_ms = 20, .rest_min_ms = 5, .rest_max_ms = 50, .block_ms = 150,
    .most_bytes = 1 << 20, .most_commands = 1000,
};

#define UNTIL(claim)                                                                                                               \
    do {                                                                                                                           \
        int64_t deadline_ = clock_mono_ms() + DEADLINE_MS;                                                                         \
        while (!(claim)) {                                                                                                         \
            if (clock_mono_ms() > deadline_)                                                                                       \
                fail_msg("never came true: %s", #claim);                                                                           \
            uv_run(&loop, UV_RUN_ONCE);                                                                                            \
        }                                                                                                                          \
    } while (0)

static void on_pulse(uv_timer_t *timer) {
    if (proxy.mode == PROXY_SLOW)
        proxy_drip(&proxy);
}

static void on_up(void *owner) {
    ups++;
}

static void on_down(void *owner) {
    downs++;
}

static void on_unfit(const char *why, void *owner) {
    unfits++;
    snprintf(unfit, sizeof unfit, "%s", why);
}

static const char *resolve(const char *host) {
    return address_now;
}

static struct redis *connect_to(const char *url) {
    return redis_new(&loop, &(struct redis_options){
        .url = url, .prefix = "t:", .name = "test", .on_up = on_up, .on_down = on_down, .on_unfit = on_unfit, .tuning = &quick,
    });
}

static void connect_by_proxy(void) {
    char url[64];
    snprintf(url, sizeof url, "redis://127.0.0.1:%d/0", proxy.port);
    redis = connect_to(url);
}

static int begin(void **state) {
    ups = downs = unfits = 0;
    unfit[0] = '\0';
    quick.resolve = NULL;
    quick.most_commands = 1000;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &pulse);
    uv_timer_start(&pulse, on_pulse, 2, 2);
    server_start(&server, NULL);
    proxy_start(&proxy, &loop, &server);
    return 0;
}

static int end(void **state) {
    proxy_stop(&proxy);
    redis_free(redis);
    redis = NULL;
    uv_close((uv_handle_t *)&pulse, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);           /* returns when nothing is left */
    assert_int_equal(uv_loop_close(&loop), 0);
    server_remove(&server);
    return 0;
}

/* ---- answers, as a text of what came ---- */

static char heard[200000];
static int answers;

static void note(const redisReply *reply, void *owner) {
    size_t len = strlen(heard);
    answers++;
    if (reply->type == REDIS_REPLY_INTEGER)
        snprintf(heard + len, sizeof heard - len, "%lld ", reply->integer);
    else
        snprintf(heard + len, sizeof heard - len, "%s ", reply->str ? reply->str : "nil");
}

static void forget_heard(void) {
    heard[0] = '\0';
    answers = 0;
}

static struct redis_call *say(const char *a, const char *b, const char *c, redis_done_fn *done, void *owner) {
    struct args args = {0};
    const char *words[] = {a, b, c};
    for (int i = 0; i < 3 && words[i]; i++)
        args_str(&args, words[i]);
    return redis_command(redis, &args, done, owner);
}

static void count(const redisReply *reply, void *owner) {
    ++*(int *)owner;
}

static void push(int n, redis_done_fn *done, void *owner) {
    char text[16];
    snprintf(text, sizeof text, "%d", n);
    say("RPUSH", "list", text, done, owner);
}

/* accept is the script that must not happen twice: 'ok' once, then 'dup'. */
static void accept_one(int update, redis_done_fn *done, void *owner) {
    struct args args = {0};
    char job[32];
    args_int(&args, update);
    snprintf(job, sizeof job, "%d-0", update);
    args_str(&args, job);
    args_str(&args, "7");
    args_int(&args, 100000);
    args_str(&args, "");                     /* gathered with nothing, not open, no edit */
    args_int(&args, 0);
    args_str(&args, "");
    args_int(&args, 1);
    args_pair(&args, "kind", "text");
    redis_script(redis, SCRIPT_ACCEPT, &args, done, owner);
}

/* ---- the tests ---- */

static void commands_and_scripts_are_answered(void **state) {
    forget_heard();
    redis = connect_to(server.url);
    assert_false(redis_is_up(redis));
    say("SET", "a", "1", note, NULL);        /* before it is up */
    UNTIL(redis_is_up(redis));
    say("INCR", "a", NULL, note, NULL);
    say("HGET", "a", "b", note, NULL);
    accept_one(1, note, NULL);
    accept_one(1, note, NULL);
    UNTIL(answers == 5);
    assert_string_equal(heard, "OK 2 WRONGTYPE Operation against a key holding the wrong kind of value ok dup ");
    assert_int_equal(redis_outstanding(redis), 0);
    assert_in_range(redis_age_ms(redis), 0, 1000);
    char *name = server_str(&server, "CLIENT LIST");
    assert_non_null(strstr(name, "name=test"));
    free(name);
}

static void a_refused_connect_is_tried_until_it_works(void **state) {
    int done = 0;
    server_kill(&server, SIGKILL);
    redis = connect_to(server.url);
    say("PING", NULL, NULL, count, &done);
    int64_t start = clock_mono_ms();
    UNTIL(clock_mono_ms() - start > 300);    /* many tries */
    assert_int_equal(done, 0);
    server_start(&server, NULL);
    UNTIL(done == 1);
    assert_int_equal(ups, 1);
}

static void a_reset_of_all_connections_is_survived(void **state) {
    int done = 0;
    connect_by_proxy();
    UNTIL(redis_is_up(redis));
    for (int i = 1; i <= 5; i++) {
        for (int n = 0; n < 100; n++)
            accept_one(i * 1000 + n, count, &done);
        proxy_reset_all(&proxy);
        UNTIL(done == i * 100);
    }
    assert_true(downs >= 1);
    assert_int_equal(server_int(&server, "LLEN t:lane:7"), 499);     /* one is in hand */
    UNTIL(redis_is_up(redis));
    done = 0;
    int before = downs;
    proxy_reset_all(&proxy);                 /* while idle */
    UNTIL(downs > before && redis_is_up(redis));
}

static void the_last_goes_with_a_fin(void **state) {
    int done = 0;
    connect_by_proxy();
    UNTIL(redis_is_up(redis));
    server_do(&server, "CLIENT KILL TYPE normal");
    say("INCR", "a", NULL, count, &done);
    UNTIL(done == 1 && downs == 1);
}

static void a_black_hole_is_noticed(void **state) {
    int done = 0;
    connect_by_proxy();
    UNTIL(redis_is_up(redis));
    proxy.mode = PROXY_HOLE;
    int64_t start = clock_mono_ms();
    UNTIL(downs == 1);                       /* idle: only the PING tells */
    assert_true(clock_mono_ms() - start < quick.ping_ms + quick.silence_ms + 500);
    accept_one(5, count, &done);
    start = clock_mono_ms();
    UNTIL(clock_mono_ms() - start > 2 * quick.connect_ms);           /* connects, and nobody answers the login */
    assert_int_equal(done, 0);
    assert_true(redis_age_ms(redis) >= 2 * quick.connect_ms);
    proxy.mode = PROXY_PASS;
    UNTIL(done == 1);
    proxy.mode = PROXY_HOLE;                 /* and with something outstanding */
    accept_one(6, count, &done);
    UNTIL(downs == 2);
    proxy.mode = PROXY_PASS;
    UNTIL(done == 2);
}

static void lost_answers_are_asked_for_again_in_order(void **state) {
    char expected[40000] = "";
    enum { N = 300 };
    forget_heard();
    connect_by_proxy();
    UNTIL(redis_is_up(redis));
    for (int i = 1; i <= N; i++) {
        push(i, NULL, NULL);
        struct args args = {0};
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        args_str(&args, "ECHO");
        args_str(&args, text);
        redis_command(redis, &args, note, NULL);
        sprintf(expected + strlen(expected), "%d ", i);
        if (i == N / 3 || i == N / 2) {
            UNTIL(redis_is_up(redis) && answers > i / 2);
            proxy.mode = PROXY_DEAF;
        }
        if (i == N / 2 - 10 || i == N - 10) {
            int before = downs;
            UNTIL(downs > before);
            proxy.mode = PROXY_PASS;
        }
    }
    UNTIL(answers == N);
    assert_string_equal(heard, expected);    /* each once, in order */
    /* What ran: rising rows, each beginning not behind the end of the one before. */
    redisReply *list = server_ask(&server, "LRANGE list 0 -1");
    int top = 0, rows = 1;
    for (size_t i = 0; i < list->elements; i++) {
        int n = atoi(list->element[i]->str), last = i ? atoi(list->element[i - 1]->str) : 0;
        if (n != last + 1) {
            rows++;
            assert_true(n <= top);
        }
        top = n > top ? n : top;
    }
    assert_int_equal(top, N);
    assert_true(rows > 1);                   /* something was lost, else this proves nothing */
    freeReplyObject(list);
}

static void a_restart_keeps_what_was_answered(void **state) {
    static const char *const aof[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    int done = 0;
    server_kill(&server, SIGKILL);
    server_start(&server, aof);
    redis = connect_to(server.url);
    for (int round = 0; round < 3; round++) {
        for (int n = 0; n < 50; n++)
            accept_one(round * 100 + n, count, &done);
        UNTIL(done >= round * 50 + 10);
        server_kill(&server, SIGKILL);
        server_start(&server, aof);
        UNTIL(done == (round + 1) * 50);
    }
    UNTIL(server_int(&server, "LLEN t:lane:7") == 149);      /* it may be loading still */
}

static void another_address_is_found(void **state) {
    int done = 0;
    char url[64];
    struct server other = {.address = "127.0.0.2", .port = server.port};
    quick.resolve = resolve;
    address_now = "127.0.0.1";
    snprintf(url, sizeof url, "redis://some-redis:%d/0", server.port);
    redis = connect_to(url);
    UNTIL(redis_is_up(redis));
    server_kill(&server, SIGKILL);
    server_start(&other, NULL);
    address_now = "127.0.0.2";
    say("SET", "here", "1", count, &done);
    UNTIL(done == 1);
    assert_int_equal(server_int(&other, "GET here"), 1);
    server_remove(&other);
}

static void a_name_is_resolved(void **state) {
    char url[64];
    snprintf(url, sizeof url, "redis://localhost:%d/0", server.port);     /* perhaps ::1 first, where nobody listens */
    redis = connect_to(url);
    UNTIL(redis_is_up(redis));
}

static void a_name_that_is_none_is_tried_again(void **state) {
    redis = connect_to("redis://no-such-host.invalid:1/0");
    int64_t start = clock_mono_ms();
    UNTIL(clock_mono_ms() - start > 200);
    assert_false(redis_is_up(redis));
}

static void a_unix_socket_will_do(void **state) {
    char path[100], url[128];
    snprintf(path, sizeof path, "%s/sock", server.dir);
    snprintf(url, sizeof url, "unix://%s?db=2", path);
    redis = connect_to(url);                 /* not there yet */
    server_kill(&server, SIGKILL);
    server_start(&server, (const char *const[]){"--unixsocket", path, NULL});
    UNTIL(redis_is_up(redis));
    int done = 0;
    say("SET", "x", "1", count, &done);
    UNTIL(done == 1);
    redisReply *space = server_ask(&server, "INFO keyspace");
    assert_non_null(strstr(space->str, "db2:keys=1"));
    freeReplyObject(space);
}

static void a_loading_server_is_waited_for(void **state) {
    static const char *const options[] = {"--appendonly", "yes", "--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024", NULL};
    int done = 0;
    server_kill(&server, SIGKILL);
    server_start(&server, (const char *const[]){"--appendonly", "yes", NULL});
    server_do(&server, "EVAL %s 0", "for i = 1, 500 do redis.call('SET', 'k' .. i, string.rep('x', 200)) end");
    server_do(&server, "BGREWRITEAOF");
    while (server_int(&server, "EVAL %s 0", "return string.match(redis.call('INFO', 'persistence'), 'aof_rewrite_in_progress:0') and 1 or 0") != 1)
        usleep(1000);
    server_kill(&server, SIGTERM);
    server_start(&server, options);
    redis = connect_to(server.url);
    say("GET", "k500", NULL, count, &done);
    redisReply *info = server_ask(&server, "INFO persistence");
    assert_non_null(strstr(info->str, "\nloading:1"));
    freeReplyObject(info);
    UNTIL(done == 1);
    assert_int_equal(ups, 1);
}

static void a_password_is_given(void **state) {
    char url[96];
    int done = 0;
    server_do(&server, "ACL SETUSER gp on >se@cret ~* &* +@all");
    server_do(&server, "ACL SETUSER default nopass -@all +ping +auth");
    snprintf(url, sizeof url, "redis://gp:se%%40cret@127.0.0.1:%d/1", server.port);
    redis = connect_to(url);
    say("SET", "x", "1", count, &done);
    UNTIL(done == 1);
}

static void a_wrong_password_is_tried_again(void **state) {
    char url[96];
    int done = 0;
    unsigned long warnings = log_count(LOG_WARN);
    server_do(&server, "CONFIG SET requirepass right");
    snprintf(url, sizeof url, "redis://:wrong@127.0.0.1:%d/0", server.port);
    redis = connect_to(url);
    say("PING", NULL, NULL, count, &done);
    int64_t start = clock_mono_ms();
    UNTIL(clock_mono_ms() - start > 300);
    assert_false(redis_is_up(redis));
    assert_int_equal(log_count(LOG_WARN), warnings + 1);     /* said once a minute */
    redisContext *c = redisConnect("127.0.0.1", server.port);
    freeReplyObject(redisCommand(c, "AUTH right"));
    freeReplyObject(redisCommand(c, "CONFIG SET requirepass wrong"));
    UNTIL(done == 1);
    freeReplyObject(redisCommand(c, "CONFIG SET requirepass %s", ""));
    redisFree(c);
}

#ifdef HAVE_REDIS_TLS
static void make_certificate(const char *name, const char *alternative) {
    char command[600];
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=%s -addext subjectAltName=%s "
             "-keyout %s/%s.key -out %s/%s.crt 2>/dev/null", name, alternative, server.dir, name, server.dir, name);
    assert_int_equal(system(command), 0);
}

static void tls_is_spoken_and_the_certificate_looked_at(void **state) {
    char port[16], url[64], key[128], crt[128], stranger[128];
    int tls_port = free_port(), done = 0;
    make_certificate("server", "IP:127.0.0.1");
    make_certificate("stranger", "IP:127.0.0.1");
    snprintf(port, sizeof port, "%d", tls_port);
    snprintf(key, sizeof key, "%s/server.key", server.dir);
    snprintf(crt, sizeof crt, "%s/server.crt", server.dir);
    snprintf(stranger, sizeof stranger, "%s/stranger.crt", server.dir);
    server_kill(&server, SIGKILL);
    server_start(&server, (const char *const[]){"--tls-port", port, "--tls-cert-file", crt, "--tls-key-file", key, "--tls-ca-cert-file", crt,
                                                "--tls-auth-clients", "no", NULL});
    snprintf(url, sizeof url, "rediss://127.0.0.1:%d/0", tls_port);
    setenv("SSL_CERT_FILE", stranger, 1);
    redis = connect_to(url);
    say("SET", "a", "1", count, &done);
    int64_t start = clock_mono_ms();
    UNTIL(clock_mono_ms() - start > 400);
    assert_int_equal(done, 0);               /* not signed by anybody we trust */
    setenv("SSL_CERT_FILE", crt, 1);
    UNTIL(done == 1);
    server_do(&server, "CLIENT KILL TYPE normal");
    say("SET", "a", "1", count, &done);
    UNTIL(done == 2);
    redis_free(redis);
    snprintf(url, sizeof url, "rediss://localhost:%d/0", tls_port);
    redis = connect_to(url);
    say("SET", "a", "1", count, &done);
    start = clock_mono_ms();
    UNTIL(clock_mono_ms() - start > 400);
    assert_int_equal(done, 2);               /* it is not localhost's */
    unsetenv("SSL_CERT_FILE");
}
#else
static void tls_is_spoken_and_the_certificate_looked_at(void **state) {
    skip();
}
#endif

static void a_flushed_script_is_sent_as_text(void **state) {
    forget_heard();
    redis = connect_to(server.url);
    accept_one(1, note, NULL);
    UNTIL(answers == 1);
    server_do(&server, "SCRIPT FLUSH");
    accept_one(2, note, NULL);
    accept_one(2, note, NULL);
    accept_one(3, note, NULL);
    UNTIL(answers == 4);
    assert_string_equal(heard, "ok ok dup ok ");
    assert_int_equal(ups, 1);
}

static void a_forgotten_call_is_not_answered(void **state) {
    int done = 0, other = 0;
    redis = connect_to(server.url);
    redis_forget(say("INCR", "a", NULL, count, &other));
    redis_forget(NULL);
    UNTIL(redis_is_up(redis));
    redis_forget(say("INCR", "a", NULL, count, &other));
    say("INCR", "a", NULL, count, &done);
    UNTIL(done == 1);
    assert_int_equal(other, 0);
    assert_int_equal(server_int(&server, "GET a"), 3);
}

static void an_evicting_server_is_refused(void **state) {
    int done = 0;
    server_do(&server, "CONFIG SET maxmemory-policy allkeys-lru");
    redis = connect_to(server.url);
    say("PING", NULL, NULL, count, &done);
    UNTIL(unfits == 1);
    assert_non_null(strstr(unfit, "allkeys-lru"));
    int64_t start = clock_mono_ms();
    UNTIL(clock_mono_ms() - start > 200);
    assert_int_equal(done, 0);
    assert_int_equal(unfits, 1);
    assert_false(redis_is_up(redis));
    server_do(&server, "CONFIG SET maxmemory-policy noeviction");
    UNTIL(done == 1);
    assert_int_equal(ups, 1);
}

static void a_full_server_is_waited_for(void **state) {
    int done = 0, other = 0;
    redis = connect_to(server.url);
    UNTIL(redis_is_up(redis));
    server_do(&server, "CONFIG SET maxmemory 1");
    accept_one(1, count, &done);
    say("DEL", "nothing", NULL, count, &other);
    UNTIL(other == 1);                       /* what frees memory passes */
    int64_t start = clock_mono_ms();
    UNTIL(clock_mono_ms() - start > 200);
    assert_int_equal(done, 0);
    assert_int_equal(downs, 0);
    server_do(&server, "CONFIG SET maxmemory 0");
    UNTIL(done == 1);
    assert_int_equal(server_int(&server, "XLEN t:llm"), 1);
}

static void a_paused_server_loses_and_doubles_nothing(void **state) {
    int done = 0;
    forget_heard();
    redis = connect_to(server.url);
    UNTIL(redis_is_up(redis));
    server_do(&server, "CLIENT PAUSE 1500");
    for (int i = 0; i < 20; i++)
        accept_one(i, count, &done);
    UNTIL(done == 20);
    assert_true(downs >= 1);                 /* longer than the watchdog */
    assert_int_equal(server_int(&server, "LLEN t:lane:7"), 19);
    assert_int_equal(server_int(&server, "XLEN t:llm"), 1);
}

static void a_flood_waits_in_our_own_list(void **state) {
    int done = 0;
    quick.most_commands = 10;
    redis = connect_to(server.url);
    for (int i = 0; i < 5000; i++)
        push(i, count, &done);
    assert_int_equal(redis_outstanding(redis), 5000);
    UNTIL(done == 5000);
    char *last = server_str(&server, "LINDEX list 4999");
    assert_string_equal(last, "4999");
    free(last);
}

static void large_values_come_whole(void **state) {
    int done = 0;
    size_t size = 3 << 20;
    char *large = alloc_zero(size + 1);
    memset(large, 'x', size);
    connect_by_proxy();
    UNTIL(redis_is_up(redis));
    for (int i = 0; i < 5; i++)
        say("SET", "large", large, count, &done);
    proxy_reset_all(&proxy);
    UNTIL(done == 5);
    assert_int_equal(server_int(&server, "STRLEN large"), (long long)size);
    free(large);
}

static void a_long_answer_on_a_slow_line_is_no_silence(void **state) {
    int done = 0;
    server_do(&server, "SETRANGE large %d x", 40 << 20);
    connect_by_proxy();
    UNTIL(redis_is_up(redis));
    proxy.mode = PROXY_SLOW;
    int64_t start = clock_mono_ms();
    say("GET", "large", NULL, count, &done);
    UNTIL(done == 1);
    assert_int_equal(downs, 0);
    assert_true(clock_mono_ms() - start > 2 * quick.silence_ms);     /* else it was not slow */
}

static void ask_again(const redisReply *reply, void *owner) {
    int *left = owner;
    if (--*left > 0)
        say("INCR", "a", NULL, ask_again, left);
}

static void an_answer_may_ask(void **state) {
    int left = 100;
    redis = connect_to(server.url);
    say("INCR", "a", NULL, ask_again, &left);
    UNTIL(left == 0);
    assert_int_equal(server_int(&server, "GET a"), 100);
}

static void free_it(const redisReply *reply, void *owner) {
    redis_free(redis);
    redis = NULL;
}

static void it_may_be_freed_inside_an_answer(void **state) {
    int done = 0;
    redis = connect_to(server.url);
    say("INCR", "a", NULL, free_it, NULL);
    say("INCR", "a", NULL, count, &done);
    UNTIL(!redis);
    assert_int_equal(done, 0);
}

static void it_may_be_freed_at_any_moment(void **state) {
    for (int turns = 0; turns < 40; turns++) {
        int done = 0;
        connect_by_proxy();
        for (int i = 0; i < 10; i++)
            accept_one(turns * 100 + i, count, &done);
        redis_listen(redis, "x", (redis_message_fn *)(uintptr_t)abort, NULL);
        for (int i = 0; i < turns; i++)
            uv_run(&loop, UV_RUN_NOWAIT);
        if (turns % 3 == 0)
            proxy_reset_all(&proxy);
        redis_free(redis);
        redis = NULL;
    }
}

/* ---- the listener ---- */

static char said[200];

static void on_message(const char *text, void *owner) {
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s;", text);
}

static bool somebody_listens(void) {
    return server_int(&server, "EVAL %s 0", "return redis.call('PUBSUB', 'NUMSUB', 't:wake:w')[2]") > 0;
}

static void messages_are_heard_also_after_a_break(void **state) {
    said[0] = '\0';
    connect_by_proxy();
    redis_listen(redis, "wake:w", on_message, NULL);
    UNTIL(redis_is_up(redis) && somebody_listens());
    server_do(&server, "PUBLISH t:wake:w %s", "stop 1-0");
    UNTIL(strcmp(said, "stop 1-0;") == 0);
    proxy_reset_all(&proxy);
    UNTIL(downs == 1);
    UNTIL(redis_is_up(redis) && somebody_listens());
    server_do(&server, "PUBLISH t:wake:w done");
    UNTIL(strcmp(said, "stop 1-0;done;") == 0);
    unsigned before = proxy.accepted;
    int64_t start = clock_mono_ms();
    UNTIL(clock_mono_ms() - start > 5 * quick.silence_ms);           /* idle, but not silent: it must not be dropped */
    assert_int_equal(proxy.accepted, before);
    proxy.mode = PROXY_HOLE;
    UNTIL(downs >= 2);
    server_do(&server, "CLIENT KILL TYPE pubsub");   /* the one in the hole, which the server still believes in */
    proxy.mode = PROXY_PASS;
    UNTIL(somebody_listens());
    redis_listen(redis, "other", on_message, NULL);
    redis_unlisten(redis, "wake:w", NULL);
    UNTIL(server_int(&server, "EVAL %s 0", "return redis.call('PUBSUB', 'NUMSUB', 't:other')[2]") > 0);
    server_do(&server, "PUBLISH t:wake:w unheard");
    server_do(&server, "PUBLISH t:other heard");
    UNTIL(strstr(said, ";heard;"));
    assert_null(strstr(said, "unheard"));
}

/* ---- the reader ---- */

static struct reader *reader;
static unsigned room, entries, readies;
static char last_entry[64];

static unsigned slots(void *owner) {
    return room;
}

static void on_entries(const redisReply *reply, void *owner) {
    entries += (unsigned)reply->elements;
    snprintf(last_entry, sizeof last_entry, "%s", reply->element[reply->elements - 1]->element[1]->element[1]->str);
}

static void on_ready(void *owner) {
    readies++;
    reader_go(reader);
}

static void read_stream(void) {
    entries = readies = 0;
    reader = reader_new(redis, &(struct reader_options){
        .stream = "work", .consumer = "me", .slots = slots, .on_entries = on_entries, .on_ready = on_ready,
    });
}

static void entries_come_as_there_is_room(void **state) {
    connect_by_proxy();
    for (int i = 0; i < 7; i++)
        server_do(&server, "XADD t:work * n %d", i);
    room = 0;
    read_stream();
    UNTIL(readies == 1);
    room = 3;
    reader_poke(reader);
    UNTIL(entries >= 3);
    room = 0;
    UNTIL(!reader_busy(reader));
    assert_true(entries == 3 || entries == 6);
    room = 100;
    reader_poke(reader);
    UNTIL(entries == 7);
    server_do(&server, "XADD t:work * n late");
    UNTIL(entries == 8);
    assert_string_equal(last_entry, "late");
    server_do(&server, "FLUSHALL");          /* the group is gone in the middle of a read */
    server_do(&server, "XADD t:work * n new");
    UNTIL(entries == 9);
    assert_string_equal(last_entry, "new");
    proxy_reset_all(&proxy);
    UNTIL(readies == 2);
    server_do(&server, "XADD t:work * n again");
    UNTIL(entries == 10 && redis_is_up(redis));
    proxy.mode = PROXY_HOLE;
    UNTIL(downs >= 2);
    proxy.mode = PROXY_PASS;
    UNTIL(readies == 3);
    reader_free(reader);
}

static void a_stopped_reader_gives_its_read_up(void **state) {
    quick.block_ms = 5000;
    quick.silence_ms = 8000;
    redis = connect_to(server.url);
    room = 5;
    read_stream();
    UNTIL(readies == 1 && redis_is_up(redis) && reader_busy(reader));
    UNTIL(server_int(&server, "EVAL %s 0", "return tonumber(string.match(redis.call('INFO', 'clients'), 'blocked_clients:(%d+)'))") == 1);
    int64_t start = clock_mono_ms();
    reader_stop(reader);
    UNTIL(!reader_busy(reader));
    assert_true(clock_mono_ms() - start < 2000);
    server_do(&server, "XADD t:work * n unread");
    reader_poke(reader);
    assert_false(reader_busy(reader));
    assert_int_equal(entries, 0);
    reader_free(reader);
    quick.block_ms = 150;
    quick.silence_ms = 400;
}

/* ---- fit or not ---- */

static void a_server_is_judged(void **state) {
    static const struct { const char *info, *fsync; bool loading; const char *unfit; int warnings; } rows[] = {
        {"redis_version:7.0.15\r\nloading:0\r\nmaxmemory:100\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n", "always", false, "", 0},
        {"redis_version:7.0.15\r\nloading:0\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n", "everysec", false, "", 2},
        {"redis_version:8.0.0\r\nloading:1\r\nmaxmemory:1\r\nmaxmemory_policy:noeviction\r\naof_enabled:0\r\n", "always", true, "", 1},
        {"redis_version:7.2.4\r\nvalkey_version:8.1.0\r\nmaxmemory:1\r\naof_enabled:1\r\n", NULL, false, "", 0},
        {"redis_version:6.2.1\r\n", NULL, false, "Redis 6.2.1 is too old, 7.0 is needed", 0},
        {"redis_version:7.0.0\r\nmaxmemory_policy:volatile-ttl\r\n", NULL, false,
         "Redis evicts keys (maxmemory-policy volatile-ttl): a queue needs noeviction", 0},
        {NULL, NULL, false, "", 1},
        {"", NULL, false, "", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redis_fit fit = redis_judge(rows[i].info, rows[i].fsync);
        int warnings = 0;
        while (fit.warnings[warnings])
            warnings++;
        assert_int_equal(fit.loading, rows[i].loading);
        assert_string_equal(fit.unfit, rows[i].unfit);
        assert_int_equal(warnings, rows[i].warnings);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(commands_and_scripts_are_answered),
        TEST(a_refused_connect_is_tried_until_it_works),
        TEST(a_reset_of_all_connections_is_survived),
        TEST(the_last_goes_with_a_fin),
        TEST(a_black_hole_is_noticed),
        TEST(lost_answers_are_asked_for_again_in_order),
        TEST(a_restart_keeps_what_was_answered),
        TEST(another_address_is_found),
        TEST(a_name_is_resolved),
        TEST(a_name_that_is_none_is_tried_again),
        TEST(a_unix_socket_will_do),
        TEST(a_loading_server_is_waited_for),
        TEST(a_password_is_given),
        TEST(a_wrong_password_is_tried_again),
        TEST(tls_is_spoken_and_the_certificate_looked_at),
        TEST(a_flushed_script_is_sent_as_text),
        TEST(a_forgotten_call_is_not_answered),
        TEST(an_evicting_server_is_refused),
        TEST(a_full_server_is_waited_for),
        TEST(a_paused_server_loses_and_doubles_nothing),
        TEST(a_flood_waits_in_our_own_list),
        TEST(large_values_come_whole),
        TEST(a_long_answer_on_a_slow_line_is_no_silence),
        TEST(an_answer_may_ask),
        TEST(it_may_be_freed_inside_an_answer),
        TEST(it_may_be_freed_at_any_moment),
        TEST(messages_are_heard_also_after_a_break),
        TEST(entries_come_as_there_is_room),
        TEST(a_stopped_reader_gives_its_read_up),
        cmocka_unit_test(a_server_is_judged),
    };
    signal(SIGPIPE, SIG_IGN);
    log_open("test", LOG_WARN, LOG_TEXT);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
