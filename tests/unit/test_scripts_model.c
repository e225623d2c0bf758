/* The scripts against a model of what they promise, with random operations: tens of thousands of them, each with an entry that
 * is live, follows, or is stale. After each the job it was about is compared with the model, and now and then everything.
 * GPTTG_MODEL_OPS says how many (20,000), GPTTG_MODEL_SEED where chance begins; a failure prints both. */
#include "proto/args.h"
#include "proto/scripts.h"
#include "tests/unit/redis_server.h"
#include "tests/unit/unit.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "t:"
enum { CONVS = 4, LANE = 3, JOBS = 64, ID = 32, LIMIT = 100000, WANT = 700, OPEN_MS = 100000000 };
enum where { WAITS, AT_MEDIA, AT_LLM, AT_OUTBOUND, PARKED, OVER };

struct job {
    char name[ID];
    int conv;                            /* -1: direct */
    enum where at, back;
    char entry[ID], follow[ID], stale[ID];      /* stale: an entry it once had, of stale_queue */
    enum where stale_queue;
    int64_t held, text, epoch;
    int call, posts, ends;
    bool stopped, response;
    bool stop_said;                      /* in words, which are answered also when all of the answer stands there */
    bool open;                           /* further parts may join; as long as it is parked it waits for them */
    char user[2], part[8];
};
/* last: its last question; what a retry of it needs is kept, as its place among the jobs may be another's by then. */
struct conv {
    char name[32];
    int in_hand, lane[LANE], waiting;
    int64_t epoch, turns;
    struct { char job[ID], text[ID], user[2], part[8]; enum where first; int64_t turn, message, prelude; bool parts; } last;
                                         /* prelude: bytes that media has put in front, once it is done with it; else 0 */
};

static struct server server;
static redisContext *redis, *ear;        /* the ear of every worker: nobody is dead */
static char sha[SCRIPT_COUNT][48];
static struct job jobs[JOBS];
static struct conv convs[CONVS];
static int64_t spent, usual, update;     /* usual: what a call has cost lately */
static uint64_t chance;
static long step;

static uint32_t roll(uint32_t sides) {   /* xorshift: the same everywhere */
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (uint32_t)(chance >> 33) % sides;
}

#define CLAIM(claim) do { if (!(claim)) { print_error("step %ld: %s\n", step, #claim); fail(); } } while (0)

static redisReply *run(enum script which, struct args *a) {
    const char *words[256] = {"EVALSHA", sha[which], "1", PREFIX};
    size_t sizes[256] = {7, strlen(sha[which]), 1, strlen(PREFIX)};
    CLAIM(a->count < 250);
    for (int i = 0; i < a->count; i++)
        words[4 + i] = args_at(a, i, &sizes[4 + i]);
    redisReply *r = redisCommandArgv(redis, 4 + a->count, words, sizes);
    CLAIM(r);
    if (r->type == REDIS_REPLY_ERROR)
        print_error("%s: %s\n", scripts[which].name, r->str);
    CLAIM(r->type != REDIS_REPLY_ERROR);
    args_done(a);
    return r;
}

static bool says(redisReply *r, const char *word) {      /* the answer, or its first element; the reply is freed */
    const redisReply *first = r->type == REDIS_REPLY_ARRAY ? r->element[0] : r;
    bool same = first->str && !strcmp(first->str, word);
    if (!same)
        print_error("step %ld: '%s' instead of '%s'\n", step, first->str ? first->str : "(number)", word);
    freeReplyObject(r);
    return same;
}

static const char *stream_of(enum where at) {
    return at == AT_MEDIA ? "media" : at == AT_LLM ? "llm" : at == AT_OUTBOUND ? "outbound" : at == PARKED ? "later" : "";
}

static void get(char out[ID], const struct job *j, const char *field) {
    redisReply *r = redisCommand(redis, "HGET " PREFIX "job:%s %s", j->name, field);
    CLAIM(r && (r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_NIL));
    snprintf(out, ID, "%s", r->str ? r->str : "");
    freeReplyObject(r);
}

static long long number(const char *command, const char *a) {
    redisReply *r = redisCommand(redis, command, a);
    CLAIM(r && r->type != REDIS_REPLY_ERROR);
    long long n = r->type == REDIS_REPLY_INTEGER ? r->integer : r->str ? strtoll(r->str, NULL, 10) : 0;
    freeReplyObject(r);
    return n;
}

/* The entry it had is behind it: remember one such, to come back with. */
static void leave(struct job *j) {
    if (j->entry[0]) {
        memcpy(j->stale, j->entry, ID);
        j->stale_queue = j->at;
    }
    j->entry[0] = 0;
}

/* A new token: it must be one that this job never had. */
static void arrive(struct job *j, enum where at) {
    j->at = at;
    get(j->entry, j, "entry");
    CLAIM(j->entry[0] && (j->stale_queue != at || strcmp(j->entry, j->stale) != 0));
    if (j->conv >= 0 && at == AT_OUTBOUND)
        memcpy(j->follow, j->entry, ID);
}

static void dispatch(struct conv *c) {
    if (!c->waiting) {
        c->in_hand = -1;
        return;
    }
    struct job *j = &jobs[c->lane[0]];
    c->in_hand = c->lane[0];
    memmove(c->lane, c->lane + 1, sizeof *c->lane * (size_t)--c->waiting);
    if (j->open)
        j->at = PARKED;
    else
        arrive(j, j->back);              /* back: where it is to begin */
    get(j->follow, j, "follow");
    CLAIM(j->follow[0]);
}

static void over(struct job *j) {
    leave(j);
    j->at = OVER;
    j->follow[0] = 0;
    j->ends++;
    if (j->conv >= 0)
        dispatch(&convs[j->conv]);
}

static bool open_job(const struct job *j) { return j->name[0] && j->at != OVER && j->at != WAITS; }

static struct job *any_open(void) {
    const struct conv *c = &convs[roll(CONVS)];
    if (c->in_hand >= 0 && roll(2))      /* those that are in hand most of all: there are so many others */
        return &jobs[c->in_hand];
    for (int tries = 0; tries < 200; tries++) {
        struct job *j = &jobs[roll(JOBS)];
        if (open_job(j))
            return j;
    }
    return NULL;
}

static struct job *free_place(void) {
    for (int i = 0; i < JOBS; i++)
        if (!jobs[i].name[0] || jobs[i].at == OVER)
            return &jobs[i];
    return NULL;
}

/* ---- operations ---------------------------------------------------------------------------------------------------- */

/* A place for a new job. A job's name is of the update and of the step. */
static struct job *new_job(int conv, enum where first) {
    struct job *j = free_place();
    if (!j)
        return NULL;
    memset(j, 0, sizeof *j);
    snprintf(j->name, sizeof j->name, "%" PRId64 "-%ld", ++update, step);
    j->conv = conv;
    j->at = WAITS;
    j->back = first;
    return j;
}

static void becomes_line(struct job *j) {
    j->conv = -1;
    arrive(j, AT_OUTBOUND);
}

static struct job *tail_of(const struct conv *c) {
    return c->waiting ? &jobs[c->lane[c->waiting - 1]] : c->in_hand >= 0 ? &jobs[c->in_hand] : NULL;
}

static void accept_words(struct args *a, const struct job *j, const char *conv, int lane_max, const char *gather, int open_ms, const char *edit) {
    args_int(a, update);
    args_str(a, j->name);
    args_str(a, conv);
    args_int(a, lane_max);
    args_str(a, gather), args_int(a, open_ms), args_str(a, edit);
}

static void accept_fields(struct args *a, const struct job *j, const char *text, int64_t message) {
    args_int(a, 8);
    args_pair(a, "first", j->back == AT_MEDIA ? "media" : "llm");
    args_pair(a, "kind", "text");
    args_pair(a, "chat", "1");
    args_pair(a, "user", j->user);
    args_pair(a, "text", text);
    args_pair(a, "seam", "+");
    args_pair(a, "asked", "1000");
    args_pair_int(a, "message", message);
}

static void becomes_last(struct conv *c, const struct job *j, int64_t message) {
    memset(&c->last, 0, sizeof c->last);
    memcpy(c->last.job, j->name, ID);
    memcpy(c->last.text, j->name, ID);
    memcpy(c->last.user, j->user, sizeof j->user);
    c->last.first = j->back;
    c->last.message = message;
}

static bool is_last(const struct job *j) { return j->conv >= 0 && !strcmp(convs[j->conv].last.job, j->name); }

static void queue_up(struct job *j, struct conv *c) {
    j->epoch = c->epoch;
    c->lane[c->waiting++] = (int)(j - jobs);
    if (c->in_hand < 0)
        dispatch(c);
}

/* One of the conversations, of which the ones where nothing runs are dear to us. */
static int any_conv(void) {
    int conv = (int)roll(CONVS);
    for (int i = 0; i < CONVS && convs[conv].in_hand >= 0; i++)
        conv = (conv + 1) % CONVS;
    return conv;
}

static void op_accept(void) {
    int conv = roll(3) == 0 ? any_conv() : (int)roll(CONVS + 1) - 1;
    struct job *j = new_job(conv, roll(3) == 0 ? AT_MEDIA : AT_LLM);
    if (!j)
        return;
    struct conv *c = conv < 0 ? NULL : &convs[conv];
    bool full = c && c->in_hand >= 0 && c->waiting >= LANE;
    snprintf(j->user, sizeof j->user, "%u", 7 + roll(2));
    struct job *tail = c ? tail_of(c) : NULL;
    j->open = c && !full && roll(6) == 0 && !(tail && tail->open);       /* or it would join */
    for (int again = 0; again < 2; again++) {
        struct args a = {0};
        accept_words(&a, j, c ? c->name : "", LANE, j->open ? j->user : "", j->open ? OPEN_MS : 0, "");
        accept_fields(&a, j, j->name, update);
        CLAIM(says(run(SCRIPT_ACCEPT, &a), again ? "dup" : full ? "full" : "ok"));
    }
    if (!c || full) {
        becomes_line(j);
        return;
    }
    becomes_last(c, j, update);
    queue_up(j, c);
}

/* A further part, the last one or not, of a text that waits for it, or of none. */
static void op_join(void) {
    struct conv *c = &convs[roll(CONVS)];
    struct job *tail = tail_of(c), part = {.back = AT_LLM};
    bool more = roll(2) == 0, running = tail && c->in_hand == (int)(tail - jobs);
    snprintf(part.name, sizeof part.name, "%" PRId64 "-%ld", ++update, step);
    snprintf(part.user, sizeof part.user, "%u", 7 + roll(2));
    bool joins = tail && tail->open && !tail->stopped && !strcmp(tail->user, part.user);
    for (int again = 0; again < 2; again++) {
        struct args a = {0};
        accept_words(&a, &part, c->name, -1, part.user, more ? OPEN_MS : 0, "");
        accept_fields(&a, &part, "more", update);
        CLAIM(says(run(SCRIPT_ACCEPT, &a), !joins ? "other" : again ? "dup" : "joined"));
    }
    if (!joins)
        return;
    c->last.message = update;
    c->last.parts = true;
    tail->open = more;
    if (running && !more)
        arrive(tail, tail->back);
}

/* The last message with the same text, or one before it. */
static void op_edit(void) {
    int conv = (int)roll(CONVS);
    struct conv *c = &convs[conv];
    struct job *j = c->last.job[0] ? new_job(conv, AT_LLM) : NULL;
    if (!j)
        return;
    bool old = roll(2) == 0 || c->last.parts;
    struct args a = {0};
    accept_words(&a, j, c->name, LANE, "", 0, "edit");
    accept_fields(&a, j, c->last.text, c->last.message - (old ? 1 : 0));
    CLAIM(says(run(SCRIPT_ACCEPT, &a), old ? "old" : "same"));
    if (old)
        becomes_line(j);
    else
        memset(j, 0, sizeof *j);
}

/* stop and new in words, and the button of what runs or of something else, pressed by who may or by another. */
static void control(struct conv *c, bool button) {
    bool new = !button && roll(4) == 0;
    struct job *line = new_job(-1, AT_OUTBOUND), *running = c->in_hand >= 0 ? &jobs[c->in_hand] : NULL;
    if (!line)
        return;
    bool other = button && roll(3) == 0, denied = false;
    snprintf(line->user, sizeof line->user, "%u", 7 + roll(2));
    struct args a = {0};
    args_int(&a, update);
    args_str(&a, line->name);
    args_str(&a, c->name);
    args_str(&a, new ? "new" : "stop");
    args_str(&a, !button ? "" : other || !running ? "another" : running->name);
    args_int(&a, button ? 3 : 2);
    args_pair(&a, "kind", "line");
    args_pair(&a, "user", line->user);
    if (button)
        args_pair(&a, "callback", "1");
    if (other)
        running = NULL;
    denied = running && button && strcmp(running->user, line->user) != 0;
    CLAIM(says(run(SCRIPT_CONTROL, &a), denied ? "denied" : running ? "stopped" : "idle"));
    if (running && !denied) {
        running->stopped = true;
        running->stop_said |= !new && !button;
        running->open = false;
        if (running->at == PARKED && running->back != AT_OUTBOUND)       /* it need not wait any longer */
            arrive(running, running->back);
    }
    if (new) {
        for (int i = 0; i < c->waiting; i++) {
            jobs[c->lane[i]].at = OVER;
            jobs[c->lane[i]].ends++;
        }
        c->waiting = 0;
        c->epoch++;
        c->turns = 0;
        memset(&c->last, 0, sizeof c->last);
    }
    if (new || !running || button)
        becomes_line(line);
    else
        memset(line, 0, sizeof *line);
}

static void op_control(void) { control(&convs[roll(CONVS)], false); }
static void op_press(void) { control(&convs[roll(CONVS)], true); }

/* Its conversations have another name from now on, with all that is in them. */
static void op_move(void) {
    struct conv *c = &convs[roll(CONVS)];
    struct args a = {0};
    char to[16];
    if (!c->last.job[0] || !free_place())
        return;
    snprintf(to, sizeof to, "-9%ld", step);
    args_add(&a, c->name, strcspn(c->name, ":"));
    args_str(&a, to);
    CLAIM(says(run(SCRIPT_MIGRATE, &a), "ok"));
    snprintf(c->name, sizeof c->name, "%s:%d", to, (int)(c - convs));
    control(c, false);                   /* somebody speaks there */
}

/* By word or by button, of the last question or of another one, by who asked it or by another. */
static void op_retry(void) {
    int conv = any_conv();
    struct conv *c = &convs[conv];
    struct job *j = new_job(conv, c->last.first), *press = NULL;
    bool button = roll(2) == 0, other = button && roll(4) == 0;
    if (!j)
        return;
    snprintf(j->user, sizeof j->user, "%u", 7 + roll(2));
    const char *expected = !c->last.job[0] || other ? "none" : strcmp(c->last.user, j->user) != 0 ? "denied" : c->in_hand >= 0 ? "busy" : "ok";
    bool ok = !strcmp(expected, "ok");
    if (ok && button) {
        j->at = AT_LLM;                  /* so that its place is taken */
        press = free_place();
        if (!press) {
            memset(j, 0, sizeof *j);
            return;
        }
    }
    struct args a = {0};
    args_int(&a, update);
    args_str(&a, j->name);
    args_str(&a, c->name);
    args_str(&a, !button ? "" : other ? "another" : c->last.job);
    args_int(&a, button ? 3 : 2);
    args_pair(&a, "kind", "line");
    args_pair(&a, "user", j->user);
    if (button)
        args_pair(&a, "callback", "1");
    CLAIM(says(run(SCRIPT_RETRY, &a), expected));
    if (!ok) {
        becomes_line(j);
        return;
    }
    if (c->last.turn && c->last.turn == c->turns)
        c->turns--;
    c->last.turn = 0;
    if (c->last.prelude) {               /* media is not asked again */
        j->back = AT_LLM;
        j->text = c->last.prelude;
    }
    memcpy(c->last.job, j->name, ID);
    if (strcmp(c->last.part, "S") != 0)
        memcpy(j->part, c->last.part, sizeof j->part);
    memcpy(c->last.part, j->part, sizeof j->part);
    queue_up(j, c);
    if (press) {
        memset(press, 0, sizeof *press);
        snprintf(press->name, sizeof press->name, "%.25s-press", j->name);
        becomes_line(press);
    }
}

/* One of the job's entries in one of three ways. */
enum guard { LIVE, FOLLOW, STALE };
static enum guard entry_of(const struct job *j, struct args *a) {
    enum guard is = STALE;
    uint32_t how = roll(8);
    if (how == 0 && j->stale[0]) {
        args_str(a, stream_of(j->stale_queue));
        args_str(a, j->stale);
        if (j->stale_queue == AT_OUTBOUND && !strcmp(j->stale, j->follow))
            is = FOLLOW;
    } else if (how == 1 && j->conv >= 0 && j->follow[0]) {
        args_str(a, "outbound");
        args_str(a, j->follow);
        is = j->at == AT_OUTBOUND ? LIVE : FOLLOW;
    } else if (j->entry[0]) {
        args_str(a, stream_of(j->at));
        args_str(a, j->entry);
        is = LIVE;
    } else {
        args_str(a, "llm");
        args_str(a, "1-1");
    }
    args_str(a, j->name);
    return is;
}

static void op_begin(struct job *j) {
    struct args a = {0};
    char call[16];
    if (j->at == AT_OUTBOUND)
        return;
    enum guard is = STALE;
    if (j->entry[0] && roll(8)) {
        args_str(&a, stream_of(j->at)), args_str(&a, j->entry), args_str(&a, j->name);
        is = LIVE;
    } else {
        args_str(&a, "llm"), args_str(&a, "1-1"), args_str(&a, j->name);
    }
    snprintf(call, sizeof call, "%d", j->call);
    args_str(&a, call);
    args_int(&a, j->posts + 1);
    args_int(&a, 3);
    args_str(&a, "");
    args_int(&a, WANT);
    args_int(&a, WANT / 2);
    args_int(&a, 2);
    args_str(&a, "day"), args_int(&a, LIMIT), args_int(&a, 5000);
    args_str(&a, "all"), args_str(&a, ""), args_int(&a, 5000);
    if (is == STALE) {
        CLAIM(says(run(SCRIPT_BEGIN, &a), "stale"));
        return;
    }
    int64_t held = 0;
    for (int i = 0; i < JOBS; i++)
        held += jobs[i].held;
    int64_t left = LIMIT - spent, room = left * 2 < LIMIT && usual > WANT / 2 ? usual : WANT / 2;
    const char *expected = j->stopped ? "stop" : j->response ? "known" : j->posts >= 3 ? "spent"
        : j->held ? "go" : left < room ? "over" : left - held < room ? "held" : "go";
    bool go = !strcmp(expected, "go");
    CLAIM(says(run(SCRIPT_BEGIN, &a), expected));
    if (go) {
        j->posts++;
        if (!j->held)
            j->held = left - held < WANT ? left - held : WANT;
    }
}

static void op_response(struct job *j) {
    struct args a = {0};
    char call[16];
    if (j->at == AT_OUTBOUND)
        return;
    enum guard is = entry_of(j, &a);
    snprintf(call, sizeof call, "%d", j->call);
    args_str(&a, call);
    args_str(&a, "r");
    CLAIM(says(run(SCRIPT_RESPONSE, &a), is == LIVE ? "ok" : "stale"));
    if (is == LIVE)
        j->response = true;
}

static void op_say(struct job *j) {
    struct args a = {0};
    enum guard is = entry_of(j, &a);
    bool right = roll(3) != 0;
    args_int(&a, right ? j->text : j->text + 1);
    args_str(&a, "abc");
    redisReply *r = run(SCRIPT_SAY, &a);
    CLAIM(r->type == REDIS_REPLY_INTEGER);
    if (is == LIVE && right)
        j->text += 3;
    CLAIM(r->integer == (is == LIVE ? j->text : -1));
    freeReplyObject(r);
}

/* All of it stood there when somebody said stop: that is a line of its own. */
static void said_in_vain(const struct job *j) {
    struct job *line = j->stop_said ? free_place() : NULL;
    if (!line)
        return;
    memset(line, 0, sizeof *line);
    snprintf(line->name, sizeof line->name, "%.25s-said", j->name);
    becomes_line(line);
}

static void op_commit(struct job *j) {
    if (j->stop_said && !free_place())
        return;
    struct args a = {0};
    enum where was = j->at;
    enum guard is = entry_of(j, &a);
    bool end = was == AT_OUTBOUND, round = !end && roll(3) == 0;
    char call[16];
    int64_t cost = j->held ? (int64_t)roll((uint32_t)j->held + 1) : 0;
    bool settled_before = !j->held && j->call && roll(4) == 0;      /* a call whose reservation has gone already */
    if (settled_before)
        cost = 5;
    snprintf(call, sizeof call, "%d", settled_before ? j->call - 1 : j->call);
    args_str(&a, end ? "end" : round ? "llm" : "follow");
    args_str(&a, end ? "done" : ""), args_str(&a, ""), args_str(&a, "");
    args_int(&a, j->text), args_str(&a, "de");
    args_str(&a, "?"), args_str(&a, "!");
    args_str(&a, round || end ? "" : "r");
    args_str(&a, end ? "" : call), args_int(&a, cost), args_str(&a, "");
    args_int(&a, 1), args_pair(&a, "note", "1");
    args_int(&a, 1), args_int(&a, 1), args_pair(&a, "kind", "usage");
    bool old = j->conv >= 0 && j->epoch != convs[j->conv].epoch;
    CLAIM(says(run(SCRIPT_COMMIT, &a), is == LIVE ? "ok" : is == FOLLOW ? "early" : "stale"));
    if (is != LIVE)
        return;
    j->text += 2;
    if (j->conv >= 0 && !old) {
        convs[j->conv].turns++;
        if (is_last(j))
            convs[j->conv].last.turn = convs[j->conv].turns;
    }
    if (round && was == AT_MEDIA && is_last(j))
        convs[j->conv].last.prelude = j->text;
    if (!end) {
        spent += j->held ? cost : 0;
        if (j->held)
            usual = cost > usual * 3 / 4 ? cost : usual * 3 / 4;
        j->held = 0;
        j->call++;
        j->posts = 0;
        j->response = false;
    }
    if (end) {
        said_in_vain(j);
        over(j);
    } else if (round) {
        leave(j);
        arrive(j, AT_LLM);
    } else {
        leave(j);
        j->at = AT_OUTBOUND;
        memcpy(j->entry, j->follow, ID);
    }
}

static void op_park(struct job *j) {
    struct args a = {0};
    enum guard is = entry_of(j, &a);
    args_int(&a, -5);
    args_str(&a, "");
    CLAIM(says(run(SCRIPT_PARK, &a), is == LIVE ? "ok" : is == FOLLOW ? "early" : "stale"));
    if (is != LIVE)
        return;
    leave(j);
    if (j->at == AT_OUTBOUND)
        j->follow[0] = 0;
    j->back = j->at;
    j->at = PARKED;
}

static void op_unpark(void) {
    struct args a = {0};
    int parked = 0, waits = 0;
    for (int i = 0; i < JOBS; i++) {
        parked += jobs[i].name[0] && jobs[i].at == PARKED && !jobs[i].open;
        waits += jobs[i].name[0] && jobs[i].at == PARKED && jobs[i].open;
    }
    args_int(&a, JOBS);
    redisReply *r = run(SCRIPT_UNPARK, &a);
    CLAIM(r->elements == 2 && r->element[0]->integer == parked && (waits ? r->element[1]->integer > 0 : r->element[1]->integer == -1));
    freeReplyObject(r);
    for (int i = 0; i < JOBS; i++)
        if (jobs[i].name[0] && jobs[i].at == PARKED && !jobs[i].open)
            arrive(&jobs[i], jobs[i].back);
}

static void op_release(struct job *j) {
    struct args a = {0};
    enum guard is = entry_of(j, &a);
    CLAIM(says(run(SCRIPT_RELEASE, &a), is == STALE ? "stale" : "ok"));
    if (is == LIVE) {
        leave(j);
        arrive(j, j->at);
    } else if (is == FOLLOW) {
        char was[ID];
        memcpy(was, j->follow, ID);
        get(j->follow, j, "follow");
        CLAIM(strcmp(was, j->follow) != 0);
        memcpy(j->stale, was, ID);
        j->stale_queue = AT_OUTBOUND;
    }
}

static void op_take_and_mark(struct job *j) {
    struct args a = {0};
    const char *entry = j->conv < 0 ? j->entry : j->follow, *from = roll(2) ? j->part : "S", *to = roll(2) ? "S" : "17";
    if (!entry[0])
        return;
    args_str(&a, "outbound"), args_str(&a, entry), args_str(&a, j->name), args_str(&a, "O");
    CLAIM(says(run(SCRIPT_TAKE, &a), j->at == AT_OUTBOUND ? "live" : "follow"));
    bool mine = roll(4) != 0;
    args_str(&a, entry), args_str(&a, j->name), args_str(&a, mine ? "O" : "P");
    args_str(&a, "0"), args_str(&a, from), args_str(&a, to);
    bool same = !strcmp(j->part, to), fits = !strcmp(j->part, from);
    CLAIM(says(run(SCRIPT_MARK, &a), !mine ? "stale" : same || fits ? "ok" : "no"));
    if (mine && !same && fits)
        snprintf(j->part, sizeof j->part, "%s", to);
    if (is_last(j))
        memcpy(convs[j->conv].last.part, j->part, sizeof j->part);
}

/* Nothing is lost, so there is nothing to repair. */
static void op_audit(void) {
    struct args a = {0};
    args_int(&a, -1000);
    args_int(&a, 100);
    redisReply *r = run(SCRIPT_AUDIT, &a);
    CLAIM(r->type == REDIS_REPLY_INTEGER && r->integer == 0);
    freeReplyObject(r);
}

/* ---- comparing ----------------------------------------------------------------------------------------------------- */

static void compare_job(const struct job *j) {
    char is[ID];
    get(is, j, "queue");
    CLAIM(!strcmp(is, stream_of(j->at)));
    get(is, j, "entry");
    CLAIM(!strcmp(is, j->entry));
    if (j->conv >= 0) {
        get(is, j, "follow");
        CLAIM(!strcmp(is, j->follow));
    }
    get(is, j, "ends");
    CLAIM(atoi(is) == j->ends && j->ends <= 1);
    CLAIM(number("STRLEN " PREFIX "text:%s", j->name) == j->text);
    get(is, j, "part:0");
    CLAIM(!strcmp(is, j->part));
}

static void compare_all(void) {
    long long entries = 0, held = 0, parked = 0, busy = 0;
    for (int i = 0; i < JOBS; i++) {
        const struct job *j = &jobs[i];
        if (!j->name[0])
            continue;
        compare_job(j);
        held += j->held;
        parked += j->at == PARKED;
        entries += open_job(j) && j->entry[0];
        entries += open_job(j) && j->conv >= 0 && j->follow[0] && strcmp(j->follow, j->entry) != 0;
        entries += open_job(j) && j->conv >= 0 && j->at != AT_OUTBOUND && j->follow[0] && !strcmp(j->follow, j->entry);  /* two streams, one id */
        CLAIM(j->at != OVER || number("TTL " PREFIX "job:%s", j->name) > 0);
    }
    for (int i = 0; i < CONVS; i++) {
        struct conv *c = &convs[i];
        busy += c->in_hand >= 0;
        CLAIM(c->in_hand < 0 || open_job(&jobs[c->in_hand]));
        redisReply *r = redisCommand(redis, "HGET " PREFIX "chat:%s job", c->name);
        CLAIM(r && (c->in_hand < 0 ? r->type == REDIS_REPLY_NIL : r->str && !strcmp(r->str, jobs[c->in_hand].name)));
        freeReplyObject(r);
        r = redisCommand(redis, "LRANGE " PREFIX "lane:%s 0 -1", c->name);
        CLAIM(r && (int)r->elements == c->waiting);
        for (int k = 0; k < c->waiting; k++)
            CLAIM(!strcmp(r->element[k]->str, jobs[c->lane[k]].name));
        freeReplyObject(r);
        CLAIM(number("HGET " PREFIX "chat:%s turns", c->name) == c->turns);
        CLAIM(number("HGET " PREFIX "chat:%s epoch", c->name) == c->epoch);
    }
    CLAIM(number("XLEN " PREFIX "%s", "media") + number("XLEN " PREFIX "%s", "llm") + number("XLEN " PREFIX "%s", "outbound") == entries);
    CLAIM(number("ZCARD " PREFIX "%s", "later") == parked);
    CLAIM(number("ZCARD " PREFIX "%s", "busy") == busy);
    CLAIM(number("HGET " PREFIX "spend:%s held", "day") == held && number("HGET " PREFIX "spend:%s held", "all") == held);
    CLAIM(number("HGET " PREFIX "spend:%s spent", "day") == spent && number("HGET " PREFIX "spend:%s spent", "all") == spent);
}

static void scripts_do_what_the_model_does(void **state) {
    const char *ops = getenv("GPTTG_MODEL_OPS"), *seed = getenv("GPTTG_MODEL_SEED");
    long most = ops ? atol(ops) : 20000;
    chance = seed ? strtoull(seed, NULL, 10) : 88172645463325252u;
    if (!chance)
        chance = 1;
    for (int i = 0; i < CONVS; i++) {
        snprintf(convs[i].name, sizeof convs[i].name, "-%d:%d", i, i);
        convs[i].in_hand = -1;
    }
    for (step = 0; step < most; step++) {
        if (spent > LIMIT - 3 * WANT && roll(50) == 0) {         /* a new day */
            spent = 0;
            server_do(&server, "HSET " PREFIX "spend:day spent 0");
            server_do(&server, "HSET " PREFIX "spend:all spent 0");
        }
        uint32_t what = roll(25);
        struct job *j = any_open();
        if (what == 0 || (what < 3 && roll(2)) || !j)
            op_accept();
        else if (what < 3) {
            op_commit(j);
            compare_job(j);
        }
        else if (what == 3)
            op_control();
        else if (what == 4)
            roll(10) ? op_unpark() : op_move();
        else if (what == 5)
            op_audit();
        else if (what >= 20)
            ((void (*const[])(void)){op_join, op_join, op_edit, op_press, op_retry})[what - 20]();
        else {
            static void (*const with_job[])(struct job *) = {op_begin, op_begin, op_response, op_say, op_say, op_commit, op_commit, op_commit,
                                                             op_commit, op_park, op_release, op_take_and_mark, op_take_and_mark, op_begin};
            with_job[what - 6](j);
            compare_job(j);
        }
        if (step % 100 == 0)
            compare_all();
    }
    compare_all();
}

static int start(void **state) {
    server_start(&server, NULL);
    redis = redisConnect("127.0.0.1", server.port);
    ear = redisConnect("127.0.0.1", server.port);
    if (!redis || redis->err || !ear || ear->err)
        return -1;
    freeReplyObject(redisCommand(ear, "PSUBSCRIBE " PREFIX "wake:*"));
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        redisReply *r = redisCommand(redis, "SCRIPT LOAD %s", scripts[i].text);
        if (!r || r->type != REDIS_REPLY_STRING)
            return -1;
        snprintf(sha[i], sizeof sha[i], "%s", r->str);
        freeReplyObject(r);
    }
    static const char *const streams[] = {"media", "llm", "outbound", "ledger"};
    for (int i = 0; i < 4; i++)
        server_do(&server, "XGROUP CREATE " PREFIX "%s %s 0 MKSTREAM", streams[i], streams[i]);
    server_do(&server, "SET " PREFIX "spend:ready 1");
    return 0;
}

static int end(void **state) {
    redisFree(ear);
    redisFree(redis);
    server_remove(&server);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_do_what_the_model_does),
    };
    return cmocka_run_group_tests(tests, start, end);
}
