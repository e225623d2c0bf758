/* What the parts of the queue know of each other.
 *
 *   queue.c      what is in hand, what arrives, own pending entries, release and leave
 *   look.c       what became of what is in hand: once a second, and when somebody wakes us
 *   liveness.c   our heartbeat, the others', and taking over from the dead
 *   chores.c     unpark and audit
 *   alone.c      jobs that run in a child process */
#ifndef SERVICES_QUEUE_PRIVATE_H
#define SERVICES_QUEUE_PRIVATE_H
#include "services/queue.h"
#include "services/metrics.h"

/* An entry that has come and is not the service's yet: it waits for a slot, for a child, or for its release. */
struct arrived {
    struct held held;                       /* first: a held that is `ours` is one of these */
    struct arrived *next;
    char *id;
    struct fields *fields;
    struct entry entry;
    int64_t takeovers;
};

struct peer {                               /* another worker, as we see him */
    struct peer *next;
    char *name;
    char counter[24];                       /* his heartbeat, "" when he has none */
    int64_t since_ms;                       /* when we first saw this counter */
    int64_t pending;                        /* entries of our stream */
    bool consumer, seen, dead, said;
};

typedef void answer_fn(struct queue *q, const redisReply *reply, void *data);
struct question;
struct child;

enum queue_timer { T_BEAT, T_OBSERVE, T_LOOK, T_SOON, T_UNPARK, T_AUDIT, T_OWN, T_ALONE, T_LEAVE, TIMERS };

struct queue {
    struct queue_options o;
    struct redis *redis;
    char *stream, *worker, *channel, *key, *workers_key;     /* key: the stream's */
    struct reader *reader;                  /* NULL in a child */
    uv_timer_t timers[TIMERS];
    unsigned open_handles;
    struct question *questions;             /* asked and not answered */
    bool stopped, closing;
    /* in hand */
    struct held *held, **buckets, **job_buckets;      /* all; by entry; by job */
    unsigned held_count, buckets_count;
    struct arrived *backlog, **backlog_last;
    unsigned backlog_count;
    bool handing;
    /* own pending entries */
    bool recovering, recover_again, ready_waits;
    int recover_idle_ms;
    /* looks */
    unsigned round_left, now_left;          /* calls that are not answered */
    int64_t round_ms;                       /* when the round under way began */
    int64_t doubt_ms;                       /* since when a whole round is owed before we may act again; 0: none is */
    /* liveness */
    bool beating, observing, counted, taking;
    int64_t beat_ms;                        /* when the last heartbeat that was heard was sent; 0: none yet */
    int64_t observed_ms;
    struct peer *peers;
    /* alone */
    struct child *children;
    bool alone_asked, over;
    struct queue_alone alone;
    /* the end */
    bool leaving, reaping;
    void (*on_left)(void *owner);
    void *left_owner;
};

/* Ask Redis: a script (of the same number as enum script) or, -1, a plain command. `data` is freed behind the answer.
 * When the queue is freed first, nothing is called. */
void queue_ask(struct queue *q, int script, struct args *args, answer_fn *on_answer, void *data);
void queue_begin_args(struct queue *q, struct args *args, const char *first);        /* for a plain command: its name */
void queue_in(struct queue *q, enum queue_timer timer, int64_t ms);                  /* (re)start it once */
void queue_on_timer(struct queue *q, enum queue_timer timer);

struct held *queue_find(const struct queue *q, const char *entry);
struct held *queue_job(const struct queue *q, const char *job);          /* the first of a chain (job_chain) that may hold others, too */
unsigned queue_free_slots(const struct queue *q);
void queue_arrive(struct queue *q, const redisReply *reply, int64_t takeovers);
int64_t queue_arrive_all(struct queue *q, const redisReply *claimed);                /* claim's answer; how many */
void queue_hand_out(struct queue *q);
void queue_doubt(struct queue *q);                                                   /* what is not given yet may be another's by now */
void queue_recover(struct queue *q, int idle_ms);
void arrived_free(struct arrived *a);
int64_t reply_int(const redisReply *reply);                                          /* also of a string; 0 else */

/* Name their metrics, so that zeros are seen. */
void look_metrics(void);
void liveness_metrics(void);
void chores_metrics(void);
void alone_metrics(void);

void look_all(struct queue *q);
void look_now(struct queue *q);
void look_on_wake(struct queue *q, const char *text);

void liveness_beat(struct queue *q);
bool liveness_heard(const struct queue *q);              /* our heart was heard of late: nobody can have taken us for dead */
void liveness_observe(struct queue *q);
void liveness_reconnected(struct queue *q);
void liveness_take(struct queue *q);                     /* there may be room for entries of the dead */
void liveness_done(struct queue *q);

void chores_unpark(struct queue *q);
void chores_audit(struct queue *q);

void alone_begin(struct queue *q, struct arrived *a);    /* takes it */
void alone_tick(struct queue *q);
void alone_doubt(struct queue *q);                       /* as queue_doubt() */
void alone_stop(struct queue *q);                        /* draining: the running are told to end, the waiting given back */
void alone_done(struct queue *q);                        /* closing: the running are killed */

#endif
