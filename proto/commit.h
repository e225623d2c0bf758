/* What C says to the scripts and hears from them: one encoder per script whose arguments are more than a few words,
 * one decoder per answer that is more than a word. README.md has the table. */
#ifndef PROTO_COMMIT_H
#define PROTO_COMMIT_H
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include "proto/args.h"
#include "proto/usage_event.h"

/* An entry in hand: what every guarded script begins with. */
struct ticket { const char *queue, *entry, *job; };
void ticket_args(struct args *a, const struct ticket *t);

struct pair { const char *name, *value; };

/* One end of a step. Everything is borrowed; NULL counts as "". */
struct commit {
    const char *next;                          /* "llm", "media", "follow", "end" */
    const char *how;                           /* HOW_… or NULL: it goes on */
    const char *line, *about;                  /* a line of the texts table instead of an answer, and its detail */
    int64_t text_len;                          /* length of text:<job> that `rest` is to stand behind; -1: rest replaces it */
    const char *rest; size_t rest_len;
    const char *question, *answer;             /* the turn in short, for a lost chain; both NULL: no turn */
    const char *response;                      /* new head of the chain; NULL: stays where it is */
    const char *call; int64_t cost_nusd;       /* whose reservation ends, and what it cost; NULL: none */
    const char *alert;                         /* cause; `about` is its text */
    const struct pair *fields; int fields_count;            /* further fields of the job */
    const struct usage_event *events; int events_count;
};
void commit_args(struct args *a, const struct ticket *t, const struct commit *c);
enum commit_answer { COMMIT_OK, COMMIT_STALE, COMMIT_EARLY, COMMIT_FAILED /* an error reply: see reply->str */ };
enum commit_answer commit_read(const redisReply *reply);

/* The ledger's answer to what it was asked. */
struct kept { char hash[40], field[68]; char *value; };      /* "settings" or "user:<id>"; an empty value: the field is not set */
struct told {
    const char *text; size_t text_len;         /* raw Markdown; NULL: one of the fields is the answer */
    const struct pair *fields; int fields_count;
    const struct kept *kept; size_t kept_count;
};
void told_args(struct args *a, const struct ticket *t, const struct told *c);
void kept_args(struct args *a, const struct kept *kept, size_t count);

/* A budget's period: spend:<name>, what may be spent in it, how long its counter is kept. */
struct period { char name[64]; bool limited; int64_t limit_nusd; int keep_s; };
enum { PERIODS = 3 };                          /* user's day, user's month, everybody's month */

struct begin {
    const char *call;
    int64_t try, try_max;
    const char *lost;                          /* a response id known to be of no use */
    int64_t want_nusd, least_nusd;
    const struct period *periods; int periods_count;
    const char *worker;                        /* two that hold one entry count their requests separately */
};
void begin_args(struct args *a, const struct ticket *t, const struct begin *b);
enum begin_what { BEGIN_GO, BEGIN_KNOWN, BEGIN_STOP, BEGIN_SPENT, BEGIN_OVER, BEGIN_HELD, BEGIN_WAIT, BEGIN_UNREADY, BEGIN_STALE,
                  BEGIN_FAILED };
struct begun {                                 /* strings borrowed from the reply */
    enum begin_what what;
    int64_t reserved_nusd, age_ms, wait_ms;    /* of GO, KNOWN, WAIT */
    const char *response;                      /* of KNOWN, STOP ("" none) */
    const char *why;                           /* of STOP: STOP_…; of OVER and HELD: the period */
};
struct begun begin_read(const redisReply *reply);

void book_args(struct args *a, const struct usage_event *e, const struct period *periods, int periods_count);

/* The first word of an answer that is a word or a list that begins with one; "" for anything else. */
const char *answer_word(const redisReply *reply);
/* Element i of a list as text, "" when it is not there; integers become text only by answer_int. */
const char *answer_str(const redisReply *reply, size_t i);
int64_t answer_int(const redisReply *reply, size_t i, int64_t otherwise);

#endif
