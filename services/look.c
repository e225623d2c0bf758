/* Looking: what became of the entries in hand. A look is one read-only script for up to 256 of them; once a second there is
 * a round of looks over everything, and whoever is woken is looked at at once, all of one loop turn in one call.
 *
 * Answers find their entry by its id: it may have been dropped, and its memory reused, while they were on their way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"
#include "services/clock.h"
#include "services/log.h"
#include "services/queue_private.h"

enum { BATCH = 256, VALUES = 6 };

static struct metric stale = {"queue_lost_total", "entries in hand that turned out to be somebody else's", NULL, METRIC_COUNTER};

void look_metrics(void) {
    metrics_list((struct metric *const[]){&stale, NULL});
}

struct batch {
    bool round;                             /* part of a round */
    int count;
    struct { char entry[48]; int64_t known; } asked[BATCH];
};

static const char *text_of(const redisReply *reply) {
    return reply->type == REDIS_REPLY_STRING ? reply->str : "";
}

static void answer_one(struct queue *q, const char *entry, int64_t known, redisReply *const *six) {
    struct held *h = queue_find(q, entry);
    if (!h || !h->on_look || h->going) /* what is being released is stale in a moment: its owner hears that from there */
        return;
    const char *is = text_of(six[0]), *stop = text_of(six[1]);
    struct look look = {
        .live = strcmp(is, "live") == 0, .follow = strcmp(is, "follow") == 0, .stop = *stop ? stop : NULL,
        .draft = reply_int(six[2]), .text_len = reply_int(six[3]), .more = "", .more_len = 0,
        .doing = text_of(six[5]),
    };
    /* The text was asked for behind `known`; the owner may have learned more of it since, or begun anew. */
    int64_t ahead = h->text_known - known;
    if (six[4]->type == REDIS_REPLY_STRING && known >= 0 && ahead >= 0 && (uint64_t)ahead < six[4]->len) {
        look.more = six[4]->str + ahead;
        look.more_len = six[4]->len - (size_t)ahead;
    }
    h->lost = strcmp(is, "lost") == 0;
    if (!look.live && !look.follow)
        metric_add(&stale, 1);
    h->on_look(h, &look);
}

static void on_looked(struct queue *q, const redisReply *reply, void *data) {
    const struct batch *b = data;
    if (reply->type == REDIS_REPLY_ERROR)
        log_warn(NULL, "look: %.200s", reply->str);
    bool good = reply->type == REDIS_REPLY_ARRAY && reply->elements == VALUES * (size_t)b->count;
    for (int i = 0; good && i < b->count && !q->closing; i++)
        answer_one(q, b->asked[i].entry, b->asked[i].known, reply->element + VALUES * i);
    if (q->closing)
        return;
    if (b->round) {
        if (--q->round_left == 0 && good && q->doubt_ms && q->round_ms >= q->doubt_ms)
            q->doubt_ms = 0;
    } else {
        q->now_left = 0;
        look_now(q); /* what was woken meanwhile */
    }
}

/* Ask for everything in hand, or for one batch of those that were woken. Returns how many calls that took. */
static unsigned look_at(struct queue *q, bool round) {
    struct batch *b = NULL;
    struct args args;
    unsigned calls = 0;
    for (struct held *h = q->held; h; h = h->next) {
        if (!h->on_look || h->going || (!round && !h->look_now))
            continue;
        if (!b) {
            b = alloc_zero(sizeof *b);
            b->round = round;
            args_init(&args);
            args_str(&args, q->stream);
            args_str(&args, q->worker);
        }
        h->look_now = false;
        snprintf(b->asked[b->count].entry, sizeof b->asked[0].entry, "%s", h->entry);
        b->asked[b->count].known = h->text_known;
        b->count++;
        args_str(&args, h->entry);
        args_str(&args, h->job);
        if (h->text_known >= 0)
            args_int(&args, h->text_known);
        else
            args_str(&args, "");
        if (b->count == BATCH) {
            queue_ask(q, SCRIPT_LOOK, &args, on_looked, b);
            b = NULL;
            calls++;
            if (!round)
                return calls; /* the others when this is answered */
        }
    }
    if (b) {
        queue_ask(q, SCRIPT_LOOK, &args, on_looked, b);
        calls++;
    }
    return calls;
}

void look_all(struct queue *q) {
    if (q->round_left) /* Redis is slow or away: one round is enough */
        return;
    q->round_ms = clock_mono_ms();
    q->round_left = look_at(q, true);
    if (!q->round_left)
        q->doubt_ms = 0; /* nothing is in hand that could be somebody else's */
}

void look_now(struct queue *q) {
    if (!q->now_left)
        q->now_left = look_at(q, false);
}

void queue_look(struct held *h) {
    if (!h->in)
        return;
    h->look_now = true;
    queue_in(h->in, T_SOON, 0);
}

/* "stop JOB", "done JOB", "text JOB": whichever, a look tells all of it. */
void look_on_wake(struct queue *q, const char *text) {
    const char *job = strchr(text, ' ');
    if (!job)
        return;
    for (struct held *h = queue_job(q, job + 1); h; h = h->job_chain)
        if (h->on_look && strcmp(h->job, job + 1) == 0)
            queue_look(h);
}
