/* A worker on one stream: what is read, what is in hand, who is alive.
 *
 *   reader ──▶ on_entry ──▶ the service's job, which embeds a `struct held`
 *                              queue_hold() … work … queue_drop() after its commit or park
 *
 * Here live the rules that are the same for every service (protocol.md 6 and 7): own pending entries first after each
 * (re)connect; a heartbeat every third of TAKEOVER_MS; the entries of a worker whose counter has stood still for
 * TAKEOVER_MS by our own clock are claimed, but not within TAKEOVER_MS after our own reconnect; from its second takeover on
 * a job runs alone in a child process; what is in hand is looked at once a second and whenever somebody wakes us;
 * what is due in `later` is put back; an auditor; a released entry goes to whoever reads next.
 * Entries that cannot be decoded go to `dead`. */
#ifndef SERVICES_QUEUE_H
#define SERVICES_QUEUE_H
#include "proto/entry.h"
#include "services/redis.h"

struct queue;

struct look {                        /* what `look` said of an entry in hand */
    bool live, follow;               /* neither: it is not ours any more (stale, or another one holds it): let go, commit nothing */
    const char *stop;                /* why, or NULL; borrowed */
    int64_t draft, text_len;
    const char *more;                /* the text behind `text_known`; borrowed; "" when none */
    size_t more_len;
    const char *doing;               /* what is being done, see script doing; borrowed; "" nothing that was said */
};

struct held {                        /* an entry in hand; embed it, zeroed */
    char *queue, *entry, *job;       /* copies, held's own */
    void (*on_look)(struct held *h, const struct look *look);
    int64_t text_known;              /* bytes of text known, or -1: the text is not wanted */
    struct queue *in;                /* private from here */
    struct held *next, *prev, *chain, *job_chain;
    bool look_now, ours, going;      /* ours: the queue's own, not given to the service yet; going: being released */
    bool lost;                       /* another worker holds it, as the last look said */
};

/* A job that has brought two workers down runs in a process of its own, which finds in GPTTG_ALONE what it is for. */
struct queue_alone {
    char entry[48], job[128];
};
/* Are we such a process? Call it first thing in main(): it also sees to it that we do not outlive our parent.
 * Then: options.alone = &alone; serve no pages, take no part in leases, and leave when on_over is called. */
bool queue_alone_env(struct queue_alone *ret_alone);

struct queue_options {
    struct redis *redis;
    uv_loop_t *loop;
    const char *stream, *worker;
    int takeover_ms;
    /* How many more entries may come. Count what you hold yourself, never by queue_in_hand(): entries that have just come count
     * there already. */
    unsigned (*slots)(void *owner);
    /* An entry to work on. Copy what is needed, then queue_hold(). `takeovers`: how many dead workers had it. */
    void (*on_entry)(const struct entry *e, int64_t takeovers, void *owner);
    const char *const *kinds;        /* the kinds this service knows, NULL-terminated; others are buried */
    bool batches;                    /* ledger: no looking, no running alone; entries come raw and unjudged (kinds may be NULL) */
    void *owner;
    const struct queue_alone *alone; /* NULL: an ordinary worker. Else nothing is read: this entry comes, and no other */
    void (*on_over)(void *owner);    /* only with alone: that entry is done with (or was gone): leave, with exit code 0 */
    int look_ms, unpark_ms, audit_ms;    /* 0: the usual second, second and half a minute; tests are in a hurry */
};

struct queue *queue_new(const struct queue_options *options);
/* Nothing should be in hand any more; what is, stays pending and is taken over by others. Memory goes when the loop has turned. */
void queue_free(struct queue *q);

void queue_hold(struct queue *q, struct held *h, const struct entry *e);
void queue_drop(struct held *h);                      /* committed, parked, stale: it is out of our hands. Safe when not held */
void queue_release(struct held *h, void (*done)(void *owner), void *owner);   /* hand it back to whoever reads next; then dropped */
void queue_release_all(struct queue *q);              /* everything the service holds, but what is another's by now */
void queue_look(struct held *h);                      /* look now, not at the next second */
void queue_room(struct queue *q);                     /* there may be free slots again */
void queue_bury(struct queue *q, const struct entry *e, const char *reason);
void queue_stop_reading(struct queue *q);             /* draining: no new entries, no claims; the heartbeat goes on */
void queue_leave(struct queue *q, void (*done)(void *owner), void *owner);    /* last words: out of `workers`, consumer reaped */
/* What is held, waits here for a slot, runs alone in a child, or may still come out of the last read: 0 means that nothing is left. */
unsigned queue_in_hand(const struct queue *q);
/* May we still act on the world? Not when Redis has been out of reach for two thirds of TAKEOVER_MS: others may have taken over. */
bool queue_trusted(const struct queue *q);

/* A lease (`ingest`, `ledger`): of several one. on_change(true) when it is ours, on_change(false) when it may not be any more
 * (then it comes again, should it still be ours after all). It beats for `worker` itself: no queue is needed beside it. */
struct lease;
struct lease *lease_new(struct redis *r, uv_loop_t *loop, const char *name, const char *worker, int takeover_ms,
                        void (*on_change)(bool ours, void *owner), void *owner);
void lease_leave(struct lease *l, void (*done)(void *owner), void *owner);
void lease_free(struct lease *l);

#endif
