/* Workers on a real Redis: several in one process, each with connections and a name of its own. A dead one is one whose connections
 * are closed without a word. Takeover times are short, so a loaded machine sees some twice; what is claimed here must hold then, too. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/commit.h"
#include "proto/keys.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/log.h"
#include "services/queue.h"
#include "services/redis_conn.h"
#include "tests/unit/redis_server.h"
#include "tests/unit/unit.h"

enum { DEADLINE_MS = 30000, TAKEOVER = 900, JOBS = 64 };

static uv_loop_t loop;
static uv_timer_t pulse;
static struct server server;
static struct proxy proxy;

static const struct redis_tuning quick = {
    .connect_ms = 1000, .silence_ms = 600, .ping_ms = 100, .tick_ms = 20, .rest_min_ms = 5, .rest_max_ms = 50, .block_ms = 150,
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
}

/* ---- a worker ---- */

struct job {
    struct held held;
    struct worker *worker;
    int64_t takeovers, draft, text_len;
    int looks, commits;
    bool live, follow, committing;
    char entry[48], name[64], stop[32], text[200];
};

struct worker {
    char name[32];
    struct redis *redis;
    struct queue *queue;
    unsigned room;                   /* slots in all */
    struct job *jobs[JOBS];
    int came, most;                  /* entries given, and the most at once */
    bool finish;                     /* commits what it gets */
    bool left, over;
};

static struct worker workers[4];
static const char *const kinds[] = {"text", "follow", NULL};

static unsigned held_by(const struct worker *w) {
    unsigned n = 0;
    for (int i = 0; i < JOBS; i++)
        n += w->jobs[i] != NULL;
    return n;
}

static unsigned slots(void *owner) {
    struct worker *w = owner;
    unsigned held = held_by(w);
    return w->room > held ? w->room - held : 0;
}

static void let_go(struct job *j) {
    struct worker *w = j->worker;
    queue_drop(&j->held);
    for (int i = 0; i < JOBS; i++)
        if (w->jobs[i] == j)
            w->jobs[i] = NULL;
    free(j);
    queue_room(w->queue);
}

static void on_look(struct held *h, const struct look *look) {
    struct job *j = (struct job *)h;
    j->looks++;
    j->live = look->live;
    j->follow = look->follow;
    snprintf(j->stop, sizeof j->stop, "%s", look->stop ? look->stop : "");
    j->draft = look->draft;
    j->text_len = look->text_len;
    if (h->text_known >= 0) {
        snprintf(j->text + strlen(j->text), sizeof j->text - strlen(j->text), "%.*s", (int)look->more_len, look->more);
        h->text_known += (int64_t)look->more_len;
    }
}

static void on_committed(const redisReply *reply, void *owner) {
    struct job *j = owner;
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("commit: %s", reply->str);
    let_go(j);
}

static void commit(struct job *j) {
    struct args args = {0};
    commit_args(&args, &(struct ticket){.queue = j->held.queue, .entry = j->held.entry, .job = j->held.job},
                &(struct commit){.next = strcmp(j->held.queue, "outbound") ? "follow" : "end", .how = "done"});
    j->committing = true;
    redis_script(j->worker->redis, SCRIPT_COMMIT, &args, on_committed, j);
}

static void on_entry(const struct entry *e, int64_t takeovers, void *owner) {
    struct worker *w = owner;
    struct job *j = alloc_zero(sizeof *j);
    int at = 0;
    while (at < JOBS - 1 && w->jobs[at])
        at++;
    assert_null(w->jobs[at]);
    w->jobs[at] = j;
    j->worker = w;
    j->takeovers = takeovers;
    j->held.on_look = on_look;
    j->held.text_known = -1;
    snprintf(j->entry, sizeof j->entry, "%s", e->id);
    snprintf(j->name, sizeof j->name, "%s", e->job);
    queue_hold(w->queue, &j->held, e);
    w->came++;
    if ((int)held_by(w) > w->most)
        w->most = (int)held_by(w);
    if (w->finish)
        commit(j);
}

static void on_over(void *owner) {
    ((struct worker *)owner)->over = true;
}

static void start_with(struct worker *w, const char *name, const char *url, const struct queue_options *more) {
    struct queue_options options = *more;
    memset(w, 0, sizeof *w);
    snprintf(w->name, sizeof w->name, "%s", name);
    w->room = 10;
    w->redis = redis_new(&loop, &(struct redis_options){.url = url, .prefix = "t:", .name = name, .tuning = &quick});
    options.redis = w->redis;
    options.loop = &loop;
    options.worker = name;
    options.takeover_ms = TAKEOVER;
    options.slots = slots;
    options.on_entry = on_entry;
    options.on_over = on_over;
    options.owner = w;
    if (!options.stream)
        options.stream = "llm";
    if (!options.batches)
        options.kinds = kinds;
    w->queue = queue_new(&options);
}

static struct worker *start(int n, const char *name) {
    start_with(&workers[n], name, server.url, &(struct queue_options){0});
    return &workers[n];
}

static struct worker *start_by_proxy(int n, const char *name) {
    char url[64];
    snprintf(url, sizeof url, "redis://127.0.0.1:%d/0", proxy.port);
    start_with(&workers[n], name, url, &(struct queue_options){0});
    return &workers[n];
}

static void die(struct worker *w) {
    if (!w->queue)
        return;
    queue_free(w->queue);
    redis_free(w->redis);
    for (int i = 0; i < JOBS; i++)
        free(w->jobs[i]);
    memset(w, 0, sizeof *w);
}

static int begin(void **state) {
    uv_loop_init(&loop);
    uv_timer_init(&loop, &pulse);
    uv_timer_start(&pulse, on_pulse, 2, 2);
    server_start(&server, NULL);
    proxy_start(&proxy, &loop, &server);
    return 0;
}

static int end(void **state) {
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++)
        die(&workers[i]);
    proxy_stop(&proxy);
    uv_close((uv_handle_t *)&pulse, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    server_remove(&server);
    return 0;
}

/* A question of conversation `conv`, as ingest accepts it: an entry on llm, one on outbound. */
static void ask(const char *job, const char *conv) {
    static int update;
    struct args args = {0};
    const char *words[40] = {"EVAL", scripts[SCRIPT_ACCEPT].text, "1", "t:"};
    int count = 4;
    args_int(&args, ++update);
    args_str(&args, job);
    args_str(&args, conv);
    args_int(&args, 20);
    args_str(&args, "");                     /* gathered with nothing, not open, no edit */
    args_int(&args, 0);
    args_str(&args, "");
    args_int(&args, 4);
    args_pair(&args, "kind", "text");
    args_pair(&args, "chat", conv);
    args_pair(&args, "user", "7");
    args_pair_int(&args, "at", 1);
    for (int i = 0; i < args.count; i++) {
        size_t len;
        words[count++] = args_at(&args, i, &len);
    }
    redisContext *c = redisConnect("127.0.0.1", server.port);
    redisReply *reply = redisCommandArgv(c, count, words, NULL);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("accept: %s", reply->str);
    freeReplyObject(reply);
    redisFree(c);
    args_done(&args);
}

static void ask_many(int from, int count) {
    for (int i = from; i < from + count; i++) {
        char job[16], conv[16];
        snprintf(job, sizeof job, "%d-0", i);
        snprintf(conv, sizeof conv, "%d", i);
        ask(job, conv);
    }
}

static struct job *first_of(struct worker *w) {
    for (int i = 0; i < JOBS; i++)
        if (w->jobs[i])
            return w->jobs[i];
    return NULL;
}

static struct job *job_of(struct worker *w, const char *name) {
    for (int i = 0; i < JOBS; i++)
        if (w->jobs[i] && strcmp(w->jobs[i]->name, name) == 0)
            return w->jobs[i];
    return NULL;
}

static long long field(const char *job, const char *name) {
    return server_int(&server, "HGET t:job:%s %s", job, name);
}

static long long pending(const char *stream) {
    return server_int(&server, "EVAL %s 0 %s", "return redis.call('XPENDING', 't:' .. ARGV[1], ARGV[1])[1]", stream);
}

static long long consumers(const char *stream) {
    return server_int(&server, "EVAL %s 0 %s", "return #redis.call('XINFO', 'CONSUMERS', 't:' .. ARGV[1], ARGV[1])", stream);
}

static const char *first_entry(const char *stream) {
    static char id[48];
    redisReply *list = server_ask(&server, "XRANGE t:%s - + COUNT 1", stream);
    snprintf(id, sizeof id, "%s", list->element[0]->element[0]->str);
    freeReplyObject(list);
    return id;
}

static void pass(int ms) {           /* for what must NOT happen; everything else waits for a condition */
    int64_t start_ms = clock_mono_ms();
    UNTIL(clock_mono_ms() - start_ms >= ms);
}

/* ---- the tests ---- */

static void entries_come_once_and_go_with_their_commit(void **state) {
    struct worker *w = start_by_proxy(0, "a");
    ask_many(1, 5);
    UNTIL(w->came == 5);
    assert_int_equal(queue_in_hand(w->queue), 5);
    proxy_reset_all(&proxy);         /* all five are pending on us and in hand: nothing comes twice */
    UNTIL(!redis_is_up(w->redis));
    ask_many(6, 1);
    UNTIL(w->came == 6);
    pass(TAKEOVER / 2);
    assert_int_equal(w->came, 6);
    for (int i = 0; i < JOBS; i++)
        if (w->jobs[i])
            commit(w->jobs[i]);
    UNTIL(queue_in_hand(w->queue) == 0);
    assert_int_equal(server_int(&server, "XLEN t:llm"), 0);
    assert_int_equal(pending("llm"), 0);
}

static void own_pending_entries_are_recovered(void **state) {
    ask_many(1, 3);
    server_do(&server, "XGROUP CREATE t:llm llm 0");
    server_do(&server, "XREADGROUP GROUP llm a COUNT 2 STREAMS t:llm >");      /* as a, whose answer was lost */
    struct worker *w = start_by_proxy(0, "a");
    UNTIL(w->came == 3);
    assert_int_equal(first_of(w)->takeovers, 0);
    proxy.mode = PROXY_DEAF;         /* read by us, never heard */
    ask_many(4, 2);
    UNTIL(pending("llm") == 5);
    proxy.mode = PROXY_PASS;
    UNTIL(w->came == 5);
    pass(TAKEOVER);
    assert_int_equal(w->came, 5);
}

static void a_dead_worker_is_taken_over_a_slow_one_is_not(void **state) {
    struct worker *slow = start(0, "slow"), *dead = start(1, "dead"), *other;
    slow->room = 2;
    dead->room = 0;
    ask_many(1, 2);
    UNTIL(slow->came == 2);
    dead->room = 3;
    queue_room(dead->queue);
    ask_many(3, 3);
    UNTIL(dead->came == 3);
    die(dead);
    int64_t died_ms = clock_mono_ms();
    other = start(2, "other");
    UNTIL(other->came == 3);
    assert_true(clock_mono_ms() - died_ms >= TAKEOVER - TAKEOVER / 3);
    assert_int_equal(first_of(other)->takeovers, 1);
    pass(2 * TAKEOVER);
    assert_int_equal(slow->came, 2);
    assert_int_equal(other->came, 3);
    assert_int_equal(held_by(slow), 2);
    UNTIL(consumers("llm") == 2 && server_int(&server, "HLEN t:workers") == 2);        /* the dead one left the books */
}

static void a_worker_without_a_heartbeat_is_taken_over(void **state) {
    ask_many(1, 2);
    server_do(&server, "XGROUP CREATE t:llm llm 0");
    server_do(&server, "XREADGROUP GROUP llm ghost COUNT 2 STREAMS t:llm >");
    struct worker *w = start(0, "a");
    int64_t began_ms = clock_mono_ms();
    UNTIL(w->came == 2);
    assert_true(clock_mono_ms() - began_ms >= TAKEOVER);
    UNTIL(consumers("llm") == 1);
}

static void of_two_who_see_him_dead_one_gets_it(void **state) {
    ask_many(1, 20);
    server_do(&server, "XGROUP CREATE t:llm llm 0");
    server_do(&server, "XREADGROUP GROUP llm ghost COUNT 20 STREAMS t:llm >");
    struct worker *a = start(0, "a"), *b = start(1, "b");
    a->room = b->room = 30;
    UNTIL(a->came + b->came == 20);
    pass(TAKEOVER);
    assert_int_equal(a->came + b->came, 20);
    for (int i = 1; i <= 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d-0", i);
        assert_int_equal(field(name, "takeovers:llm"), 1);
    }
}

static void no_more_than_there_is_room_for(void **state) {
    ask_many(1, 20);
    server_do(&server, "XGROUP CREATE t:llm llm 0");
    server_do(&server, "XREADGROUP GROUP llm ghost COUNT 10 STREAMS t:llm >");
    struct worker *w = start(0, "a");
    w->room = 3;
    UNTIL(w->came == 3);
    w->finish = true;
    for (int i = 0; i < JOBS; i++)
        if (w->jobs[i])
            commit(w->jobs[i]);
    UNTIL(w->came == 20 && held_by(w) == 0);
    assert_in_range(w->most, 1, 3);
    assert_int_equal(server_int(&server, "XLEN t:llm"), 0);
}

static void a_wake_is_a_look(void **state) {
    struct worker *w = &workers[0];
    start_with(w, "a", server.url, &(struct queue_options){.look_ms = 600000});
    ask("1-0", "1");
    UNTIL(w->came == 1);
    struct job *j = first_of(w);
    server_do(&server, "HSET t:job:1-0 worker a");
    UNTIL(server_int(&server, "EVAL %s 0", "return redis.call('PUBSUB', 'NUMSUB', 't:wake:a')[2]") == 1);
    server_do(&server, "PUBLISH t:wake:a %s", "text 1-0");
    UNTIL(j->looks == 1);
    assert_true(j->live && !j->follow);
    assert_string_equal(j->stop, "");
    server_do(&server, "HSET t:job:1-0 stop new");
    server_do(&server, "SET t:text:1-0 %s", "Hello");
    j->held.text_known = 0;
    server_do(&server, "PUBLISH t:wake:a %s", "stop 1-0");
    server_do(&server, "PUBLISH t:wake:a %s", "stop nobody");
    server_do(&server, "PUBLISH t:wake:a nonsense");
    UNTIL(j->looks >= 2);
    assert_string_equal(j->stop, "new");
    assert_string_equal(j->text, "Hello");
    int before = j->looks;
    server_do(&server, "APPEND t:text:1-0 %s", ", you");
    for (int i = 0; i < 100; i++)
        queue_look(&j->held);        /* one call */
    UNTIL(j->looks > before);
    pass(50);
    assert_int_equal(j->looks, before + 1);
    assert_string_equal(j->text, "Hello, you");
    server_do(&server, "HSET t:job:1-0 worker b");
    queue_look(&j->held);
    UNTIL(!j->live);
    assert_false(j->follow);
}

static void everything_in_hand_is_looked_at(void **state) {
    struct worker *w = &workers[0];
    start_with(w, "a", server.url, &(struct queue_options){.look_ms = 20});
    w->room = 50;
    ask_many(1, 50);
    UNTIL(w->came == 50);
    for (int i = 0; i < 50; i++)
        UNTIL(w->jobs[i]->looks >= 3 && w->jobs[i]->live);
    server_do(&server, "DEL t:job:7-0");
    UNTIL(!job_of(w, "7-0")->live);
    let_go(job_of(w, "7-0"));
    int before = job_of(w, "8-0")->looks;
    UNTIL(job_of(w, "8-0")->looks > before + 2);
}

static void nonsense_is_buried(void **state) {
    struct worker *w = start(0, "a");
    server_do(&server, "XADD t:llm * a b");
    server_do(&server, "XADD t:llm * kind text job %s chat 1 user 1", "");
    server_do(&server, "XADD t:llm * kind text job 1-0 chat 1 user 1 at soon");
    server_do(&server, "XADD t:llm * kind dance job 1-0 chat 1 user 1 at 5");
    UNTIL(server_int(&server, "XLEN t:dead") == 4);
    assert_int_equal(server_int(&server, "XLEN t:llm"), 0);
    assert_int_equal(w->came, 0);
    redisReply *dead = server_ask(&server, "XRANGE t:dead - +");
    static const char *const reasons[] = {"it has no kind", "it has no job", "it has no time (at, in ms)", "nobody here knows its kind"};
    for (size_t i = 0; i < 4; i++) {
        bool found = false;
        const redisReply *flat = dead->element[i]->element[1];
        for (size_t k = 0; k < flat->elements; k += 2)
            if (strcmp(flat->element[k]->str, "reason") == 0)
                found = strcmp(flat->element[k + 1]->str, reasons[i]) == 0;
        assert_true(found);
    }
    freeReplyObject(dead);
    char *large = alloc_zero(100001);
    memset(large, 'x', 100000);
    server_do(&server, "XADD t:llm * a %s", large);
    free(large);
    UNTIL(server_int(&server, "XLEN t:dead") == 5);
    assert_in_range(server_int(&server, "MEMORY USAGE t:dead SAMPLES 0"), 1, 20000);
}

static void on_released(void *owner) {
    ++*(int *)owner;
}

static void what_is_handed_back_goes_to_another_at_once(void **state) {
    struct worker *a = start(0, "a"), *b = &workers[1];
    int done = 0;
    ask_many(1, 3);
    UNTIL(a->came == 3);
    start(1, "b");
    queue_stop_reading(a->queue);
    queue_release(&job_of(a, "1-0")->held, on_released, &done);
    UNTIL(done == 1 && b->came == 1);
    assert_int_equal(first_of(b)->takeovers, 0);
    assert_string_equal(first_of(b)->name, "1-0");
    queue_release_all(a->queue);
    UNTIL(b->came == 3);
    UNTIL(queue_in_hand(a->queue) == 0);
    queue_leave(a->queue, on_released, &done);
    UNTIL(done == 2);
    assert_int_equal(consumers("llm"), 1);
    assert_int_equal(server_int(&server, "HEXISTS t:workers a"), 0);
    assert_int_equal(server_int(&server, "XLEN t:llm"), 3);
}

static void what_another_holds_is_not_handed_back(void **state) {
    struct worker *w = start(0, "a");
    char entry[48];
    ask_many(1, 2);
    UNTIL(w->came == 2);
    snprintf(entry, sizeof entry, "%s", first_entry("llm"));
    struct job *lost = job_of(w, "1-0");
    server_do(&server, "HSET t:job:1-0 worker b");
    queue_look(&lost->held);
    UNTIL(lost->looks && !lost->live);
    queue_stop_reading(w->queue);
    queue_release_all(w->queue);
    UNTIL(queue_in_hand(w->queue) == 0);
    assert_string_equal(first_entry("llm"), entry);
    char *token = server_str(&server, "HGET t:job:1-0 entry");
    assert_string_equal(token, entry);
    free(token);
}

static void what_came_too_late_is_handed_back_on_leaving(void **state) {
    struct worker *a = start(0, "a");
    int done = 0;
    UNTIL(redis_is_up(a->redis) && queue_trusted(a->queue));
    queue_stop_reading(a->queue);
    UNTIL(queue_in_hand(a->queue) == 0);
    ask_many(1, 2);
    server_do(&server, "XREADGROUP GROUP llm a COUNT 1 STREAMS t:llm >");      /* given to us behind our back */
    queue_leave(a->queue, on_released, &done);
    UNTIL(done == 1);
    assert_int_equal(a->came, 0);
    assert_int_equal(pending("llm"), 0);
    assert_int_equal(server_int(&server, "XLEN t:llm"), 2);
    struct worker *b = start(1, "b");
    UNTIL(b->came == 2);
}

static void leaving_does_not_wait_for_ever(void **state) {
    struct worker *a = start(0, "a");
    int done = 0;
    UNTIL(redis_is_up(a->redis));
    server_kill(&server, SIGKILL);
    queue_leave(a->queue, on_released, &done);
    UNTIL(done == 1);
}

static void out_of_reach_is_not_trusted(void **state) {
    struct worker *w = start_by_proxy(0, "a");
    assert_false(queue_trusted(w->queue));
    ask_many(1, 1);
    UNTIL(w->came == 1 && queue_trusted(w->queue));
    proxy.mode = PROXY_HOLE;
    int64_t start_ms = clock_mono_ms();
    UNTIL(!queue_trusted(w->queue));
    assert_true(clock_mono_ms() - start_ms < TAKEOVER);
    struct worker *b = start(1, "b");
    UNTIL(b->came == 1);             /* taken over, rightly */
    server_do(&server, "HSET t:job:1-0 worker b");
    proxy.mode = PROXY_PASS;
    UNTIL(queue_trusted(w->queue));
    assert_true(first_of(w)->looks > 0);
    assert_false(first_of(w)->live);         /* we knew before we might act again */
}

static void who_slept_over_an_entry_does_not_steal_it_back(void **state) {
    struct worker *w = start(0, "a");
    UNTIL(queue_trusted(w->queue) && server_int(&server, "EVAL %s 0", "return #redis.call('XINFO', 'GROUPS', 't:llm')") == 1);
    pass(100);
    ask("1-0", "1");                 /* the server gives it to us at once; we do not look */
    while (pending("llm") != 1)
        usleep(1000);
    usleep(TAKEOVER * 1000);         /* this is the sleep of a process that is stopped, not one of a test that waits */
    server_do(&server, "XCLAIM t:llm llm ghost 0 %s", first_entry("llm"));
    UNTIL(w->came == 1);
    assert_int_equal(first_of(w)->takeovers, 1);     /* not before the other one was dead in his turn */
    pass(TAKEOVER / 2);
    assert_int_equal(w->came, 1);
}

static void a_full_redis_makes_nobody_look_dead(void **state) {
    struct worker *a = start(0, "a"), *b = start(1, "b");
    ask_many(1, 2);
    UNTIL(a->came + b->came == 2 && queue_trusted(a->queue) && queue_trusted(b->queue));
    server_do(&server, "CONFIG SET maxmemory 1");
    pass(2 * TAKEOVER);
    assert_true(queue_trusted(a->queue) && queue_trusted(b->queue));
    assert_int_equal(a->came + b->came, 2);
}

static void a_parked_job_comes_back_in_time(void **state) {
    struct worker *w = start(0, "a");
    ask("1-0", "1");
    UNTIL(w->came == 1);
    struct job *j = first_of(w);
    struct args args = {0};
    args_str(&args, "llm");
    args_str(&args, j->held.entry);
    args_str(&args, j->held.job);
    args_int(&args, 300);
    args_str(&args, "1");
    redis_script(w->redis, SCRIPT_PARK, &args, NULL, NULL);
    let_go(j);
    UNTIL(w->came == 2);
    assert_string_equal(first_of(w)->name, "1-0");
}

static void what_has_vanished_is_emitted_again(void **state) {
    struct worker *w = &workers[0];
    ask("1-0", "1");
    server_do(&server, "DEL t:llm");
    server_do(&server, "ZADD t:busy 1 1");
    start_with(w, "a", server.url, &(struct queue_options){.audit_ms = 50});
    UNTIL(w->came == 1);
}

static void batches_come_as_they_are(void **state) {
    struct worker *w = &workers[0];
    server_do(&server, "XADD t:ledger * a b");
    server_do(&server, "XADD t:ledger * kind usage job 1-0 chat 1 user 1 at 5");
    start_with(w, "a", server.url, &(struct queue_options){.stream = "ledger", .batches = true});
    UNTIL(w->came == 2);
    assert_string_equal(w->jobs[0]->name, "");
    assert_string_equal(w->jobs[1]->name, "1-0");
    assert_int_equal(server_int(&server, "XLEN t:dead"), 0);
    die(w);
    start_with(w, "b", server.url, &(struct queue_options){.stream = "ledger", .batches = true});
    UNTIL(w->came == 2);
    queue_stop_reading(w->queue);
    queue_release_all(w->queue);     /* stays pending: a usage event is not handed back */
    UNTIL(queue_in_hand(w->queue) == 0);
    assert_int_equal(pending("ledger"), 2);
}

static bool is_blocked(void) {
    redisReply *info = server_ask(&server, "INFO clients");
    bool blocked = strstr(info->str, "blocked_clients:1");
    freeReplyObject(info);
    return blocked;
}

/* As of a ledger that has lost its lease while it waited for entries. */
static void a_batch_whose_room_went_away_is_not_kept_waiting(void **state) {
    struct worker *w = &workers[0];
    int added = 0;
    start_with(w, "a", server.url, &(struct queue_options){.stream = "ledger", .batches = true});
    do {                             /* the read may end by itself right before the entry comes */
        w->room = JOBS;
        queue_room(w->queue);
        UNTIL(w->came == added && is_blocked());
        w->room = 0;
        server_do(&server, "XADD t:ledger * kind usage job 1-0 chat 1 user 1 at 5");
        added++;
        UNTIL(!is_blocked());
    } while (pending("ledger") < added);
    UNTIL(w->came == added);
}

static void it_may_be_freed_at_any_moment(void **state) {
    ask_many(1, 20);
    for (int turns = 0; turns < 60; turns++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", turns);
        struct worker *w = start_by_proxy(0, name);
        w->finish = turns % 2;
        for (int i = 0; i < turns; i++)
            uv_run(&loop, UV_RUN_NOWAIT);
        if (turns % 3 == 0)
            proxy_reset_all(&proxy);
        if (turns % 5 == 0)
            queue_leave(w->queue, NULL, NULL);
        die(w);
    }
}

/* ---- leases ---- */

struct heir {
    struct redis *redis;
    struct lease *lease;
    bool ours;
    int changes, left;
};

static int owners;                   /* how many think so now: never two */

static void on_change(bool ours, void *owner) {
    struct heir *h = owner;
    h->ours = ours;
    h->changes++;
    owners += ours ? 1 : -1;
    assert_in_range(owners, 0, 1);
}

static void on_lease_left(void *owner) {
    ((struct heir *)owner)->left++;
}

static void want_lease(struct heir *h, const char *name, const char *url) {
    memset(h, 0, sizeof *h);
    h->redis = redis_new(&loop, &(struct redis_options){.url = url, .prefix = "t:", .name = name, .tuning = &quick});
    h->lease = lease_new(h->redis, &loop, "poll", name, TAKEOVER, on_change, h);
}

static void drop_lease(struct heir *h) {
    if (h->ours)
        owners--;
    h->ours = false;
    lease_free(h->lease);
    redis_free(h->redis);
}

static void a_lease_has_one_owner(void **state) {
    struct heir a, b, c;
    char url[64];
    owners = 0;
    snprintf(url, sizeof url, "redis://127.0.0.1:%d/0", proxy.port);
    want_lease(&a, "a", server.url);
    UNTIL(a.ours);
    want_lease(&b, "b", url);
    pass(2 * TAKEOVER);
    assert_true(a.ours && a.changes == 1 && b.changes == 0);
    lease_leave(a.lease, on_lease_left, &a);         /* a good end: the other has it at once */
    UNTIL(a.left == 1);
    assert_false(a.ours);
    assert_int_equal(server_int(&server, "HEXISTS t:workers a"), 0);
    UNTIL(b.ours);
    drop_lease(&a);
    want_lease(&c, "c", server.url);
    pass(TAKEOVER);
    assert_true(b.ours && !c.ours);
    proxy.mode = PROXY_HOLE;                         /* b is alive and hears nothing: it must let go before c takes it (on_change sees) */
    int64_t start_ms = clock_mono_ms();
    UNTIL(c.ours);
    assert_true(clock_mono_ms() - start_ms < TAKEOVER + 500);
    assert_false(b.ours);
    proxy.mode = PROXY_PASS;
    pass(TAKEOVER);
    assert_true(c.ours && !b.ours);
    drop_lease(&c);                                  /* dead */
    UNTIL(b.ours);
    server_do(&server, "FLUSHALL");
    pass(TAKEOVER);
    assert_true(b.ours);
    drop_lease(&b);
}

/* ---- running alone: the child is this very program, see main() ---- */

static int child(const struct queue_alone *alone) {
    struct worker *w = &workers[0];
    const char *what = getenv("TEST_WHAT");
    char name[32];
    uv_loop_init(&loop);
    uv_timer_init(&loop, &pulse);
    uv_timer_start(&pulse, on_pulse, 2, 2);
    snprintf(name, sizeof name, "alone-%d", (int)getpid());
    start_with(w, name, getenv("TEST_URL"), &(struct queue_options){.alone = alone, .stream = getenv("TEST_STREAM")});
    for (int64_t start_ms = clock_mono_ms(); !w->over && clock_mono_ms() - start_ms < DEADLINE_MS; uv_run(&loop, UV_RUN_ONCE)) {
        struct job *j = first_of(w);
        if (!j || j->committing)
            continue;
        if (strcmp(what, "crash") == 0 || (strcmp(what, "crash once") == 0 && server_int(&(struct server){.port = atoi(getenv("TEST_PORT"))}, "INCR t:tries") == 1))
            raise(SIGKILL);
        if (strcmp(what, "hang") != 0)
            commit(j);
    }
    bool over = w->over;
    queue_leave(w->queue, on_released, &w->came);
    for (int before = w->came; w->came == before;)
        uv_run(&loop, UV_RUN_ONCE);
    die(w);
    uv_close((uv_handle_t *)&pulse, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    return over && uv_loop_close(&loop) == 0 ? 0 : 1;
}

static struct worker *start_with_a_killer(const char *what, const char *stream) {
    char port[16];
    snprintf(port, sizeof port, "%d", server.port);
    setenv("TEST_WHAT", what, 1);
    setenv("TEST_URL", server.url, 1);
    setenv("TEST_PORT", port, 1);
    setenv("TEST_STREAM", stream, 1);
    server_do(&server, "XGROUP CREATE t:%s %s 0", stream, stream);
    server_do(&server, "XREADGROUP GROUP %s ghost COUNT 1 STREAMS t:%s >", stream, stream);
    server_do(&server, "HSET t:job:1-0 takeovers:%s 1", stream);       /* one worker has died with it already */
    start_with(&workers[0], "a", server.url, &(struct queue_options){.stream = stream});
    return &workers[0];
}

static void a_killer_runs_alone_and_may_succeed(void **state) {
    ask("1-0", "1");
    struct worker *w = start_with_a_killer("crash once", "llm");
    UNTIL(field("1-0", "crashes") == 1);
    char *run = server_str(&server, "HGET t:job:1-0 crashed");
    assert_memory_equal(run ? run : "", "a-", 2);                      /* a lost reply asked for again is no second crash */
    free(run);
    UNTIL(server_int(&server, "XLEN t:llm") == 0);
    UNTIL(queue_in_hand(w->queue) == 0);
    assert_int_equal(w->came, 0);
    char *how = server_str(&server, "HGET t:job:1-0 how");
    assert_string_equal(how, "done");
    free(how);
    assert_int_equal(server_int(&server, "GET t:tries"), 2);
}

static void a_killer_that_crashes_twice_is_given_up(void **state) {
    ask("1-0", "1");
    struct worker *w = start_with_a_killer("crash", "llm");
    UNTIL(server_int(&server, "XLEN t:dead") == 1);
    UNTIL(queue_in_hand(w->queue) == 0);
    assert_int_equal(w->came, 0);
    assert_int_equal(field("1-0", "crashes"), 2);
    char *how = server_str(&server, "HGET t:job:1-0 how"), *line = server_str(&server, "HGET t:job:1-0 line");
    assert_string_equal(how, "dead");
    assert_string_equal(line, "failed");
    free(how);
    free(line);
    assert_int_equal(server_int(&server, "XLEN t:llm"), 0);
    assert_int_equal(server_int(&server, "XLEN t:outbound"), 1);       /* where its user is told */
    ask("2-0", "1");                 /* its lane waits for that, and the worker lives */
    ask("3-0", "3");
    UNTIL(w->came == 1);
    assert_string_equal(first_of(w)->name, "3-0");
}

static void a_killer_of_outbound_ends_when_its_work_has(void **state) {
    ask("1-0", "1");
    struct worker *w = start_with_a_killer("crash", "outbound");
    UNTIL(field("1-0", "crashes") == 2);
    UNTIL(server_int(&server, "HEXISTS t:job:1-0 stop") == 1);         /* llm need not go on */
    assert_int_equal(queue_in_hand(w->queue), 1);
    struct worker *llm = start(1, "llm-1");
    llm->finish = true;
    UNTIL(server_int(&server, "XLEN t:outbound") == 0);
    UNTIL(queue_in_hand(w->queue) == 0);
    assert_int_equal(server_int(&server, "HEXISTS t:chat:1 job"), 0);  /* the lane is free */
}

static bool child_is_there(void) {
    char *list = server_str(&server, "CLIENT LIST");
    bool there = strstr(list, "name=alone") != NULL;
    free(list);
    return there;
}

static void a_child_goes_with_its_parent(void **state) {
    ask("1-0", "1");
    struct worker *w = start_with_a_killer("hang", "llm");
    UNTIL(child_is_there());
    assert_int_equal(queue_in_hand(w->queue), 1);
    die(w);
    UNTIL(!child_is_there());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(entries_come_once_and_go_with_their_commit),
        TEST(own_pending_entries_are_recovered),
        TEST(a_dead_worker_is_taken_over_a_slow_one_is_not),
        TEST(a_worker_without_a_heartbeat_is_taken_over),
        TEST(of_two_who_see_him_dead_one_gets_it),
        TEST(no_more_than_there_is_room_for),
        TEST(a_wake_is_a_look),
        TEST(everything_in_hand_is_looked_at),
        TEST(nonsense_is_buried),
        TEST(what_is_handed_back_goes_to_another_at_once),
        TEST(what_another_holds_is_not_handed_back),
        TEST(what_came_too_late_is_handed_back_on_leaving),
        TEST(leaving_does_not_wait_for_ever),
        TEST(out_of_reach_is_not_trusted),
        TEST(who_slept_over_an_entry_does_not_steal_it_back),
        TEST(a_full_redis_makes_nobody_look_dead),
        TEST(a_parked_job_comes_back_in_time),
        TEST(what_has_vanished_is_emitted_again),
        TEST(batches_come_as_they_are),
        TEST(a_batch_whose_room_went_away_is_not_kept_waiting),
        TEST(it_may_be_freed_at_any_moment),
        TEST(a_lease_has_one_owner),
        TEST(a_killer_runs_alone_and_may_succeed),
        TEST(a_killer_that_crashes_twice_is_given_up),
        TEST(a_killer_of_outbound_ends_when_its_work_has),
        TEST(a_child_goes_with_its_parent),
    };
    struct queue_alone alone;
    signal(SIGPIPE, SIG_IGN);
    log_open("test", LOG_WARN, LOG_TEXT);
    if (queue_alone_env(&alone))
        return child(&alone);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
