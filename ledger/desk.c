#include "ledger/desk.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/board.h"
#include "ledger/change.h"
#include "ledger/chart.h"
#include "ledger/questions.h"
#include "ledger/store.h"
#include "ledger/sums.h"
#include "proto/keys.h"
#include "services/alloc.h"
#include "services/blob.h"
#include "services/clock.h"
#include "services/metrics.h"

enum {
    PICTURE_FIELDS = 6, FIELDS = ANSWER_CHOICES + 4,
    LONG_MS = 60 * SECOND,                      /* a wait that somebody ends */
    AGAIN_MS = SECOND, TRIES = 5,               /* a question that cannot be answered is told so then; a change is tried on */
};

struct desk {
    struct svc *svc;
    struct steps steps;
    uv_work_t work;
    bool working, idle, draining, over;
    struct item *first, **last;
    unsigned waiting;                           /* with the one in hand */

    struct item *item;                          /* in hand; what follows is about it */
    bool is_change, forgets;                    /* forgets: the change is that nothing is known of who asks */
    bool is_first_round;                        /* of that: changes which he has asked for before go round as well, and must come first */
    struct asked asked;
    struct answer answer;
    struct change change;
    struct kept kept[CHANGES_MOST];
    int result, tries;
    char problem[STORE_PROBLEM];
    struct redis_call *call;
    struct redis_call *counts[ASKED_STREAMS];
    unsigned counting;                          /* lengths that Redis has not told yet */
    const struct price_file *prices;
    const struct board_question *board_asks;    /* NULL: the question is one to the database */
    struct board board;
    struct glancing { struct desk *desk; struct redis_call *call; } glances[BOARD_COMMANDS];
    unsigned glancing;                          /* commands that Redis has not answered yet */
    char word[16], error[200];                  /* of the script */
    char blob[64];
    int64_t stored, piece;                      /* bytes of the blob in Redis, and on their way there */
    bool no_blob;
    struct pair fields[FIELDS];         /* and these only while it is told */
    char bytes[24];
    struct buf markdown;
};

static struct metric answered = { .name = "ledger_answers_total", .help = "Questions answered and changes made.", .type = METRIC_COUNTER };
static struct histogram read_time = { .name = "ledger_answer_seconds", .help = "From the first statement of a question to its answer, drawn." };

static enum step_end next(struct steps *s);
static enum step_end count_entries(struct steps *s);
static enum step_end counted(struct steps *s);
static enum step_end look_around(struct steps *s);
static enum step_end looked_around(struct steps *s);
static enum step_end read_answer(struct steps *s);
static enum step_end judge_answer(struct steps *s);
static enum step_end put_piece(struct steps *s);
static enum step_end piece_put(struct steps *s);
static enum step_end tell(struct steps *s);
static enum step_end told(struct steps *s);

/* The life of the desk: it goes round from `next`. */
static const struct step desk_row[] = {
    { "next",          next },                  /* WAIT: somebody asks */
    { "count_entries", count_entries },         /* WAIT: what stands in Redis, for who wants to know */
    { "counted",       counted },
    { "read_answer",   read_answer },           /* WAIT: on a thread */
    { "judge_answer",  judge_answer },          /* again, later, when it could not be read */
    { "put_piece",     put_piece },             /* WAIT: script: a piece of the picture */
    { "piece_put",     piece_put },
    { "tell",          tell },                  /* WAIT: script: acknowledged, in force, and on its way out */
    { "told",          told },
    { "look_around",   look_around },           /* WAIT: another kind of question: a few commands to Redis, and then `tell` */
    { "looked_around", looked_around },
    { 0 },
};

static struct desk *desk_of(struct steps *s) {
    return (struct desk *)((char *)s - offsetof(struct desk, steps));
}

/* ---- what waits ---- */

static void poke(struct desk *d) {
    if (!d->idle)
        return;
    d->idle = false;
    steps_wake(&d->steps);
}

void desk_take(struct desk *d, struct item *item) {
    item->next = NULL;
    *d->last = item;
    d->last = &item->next;
    d->waiting++;
    poke(d);
}

unsigned desk_waiting(const struct desk *d) {
    return d->waiting;
}

static void forget_answer(struct desk *d) {
    answer_done(&d->answer);
    change_done(d->kept, (size_t)d->change.count);
    d->change.count = 0;
}

static void put_away(struct desk *d) {
    if (!d->item)
        return;
    forget_answer(d);
    item_free(d->item);
    d->item = NULL;
    d->waiting--;
}

/* ---- the steps ---- */

static void understand(struct desk *d) {
    const struct fields *f = d->item->fields;
    d->is_first_round = !strcmp(fields_str(f, "what"), "forget");
    d->forgets = !strcmp(fields_str(f, "what"), "forget_now");
    d->is_change = d->forgets || !strcmp(fields_str(f, "kind"), KIND_SET);
    d->asked = (struct asked){
        .job = fields_str(f, "job"), .what = fields_str(f, "what"), .text = fields_str(f, "text"), .user = fields_int_or(f, "user", 0),
        .lang = texts_lang(fields_str(f, "lang")), .is_admin = !strcmp(fields_str(f, "role"), "admin"),
    };
    d->board_asks = d->is_change ? NULL : board_find(d->asked.what);
    d->tries = 0;
    d->stored = 0;
    d->no_blob = false;
}

static enum step_end next(struct steps *s) {
    struct desk *d = desk_of(s);
    d->idle = false;
    put_away(d);
    if (d->draining)
        return STEP_END;
    if (!d->first) {
        d->idle = true;
        return steps_sleep(s, "next", LONG_MS);
    }
    d->item = d->first;
    d->first = d->item->next;
    if (!d->first)
        d->last = &d->first;
    understand(d);
    if (d->is_first_round)
        return steps_goto(s, "tell");
    if (d->board_asks)
        return steps_goto(s, "look_around");
    return !d->is_change && question_counts(d->asked.what) ? STEP_NEXT : steps_goto(s, "read_answer");
}

static const char *const counted_streams[ASKED_STREAMS] = { STREAM_MEDIA, STREAM_LLM, STREAM_OUTBOUND, STREAM_LEDGER, STREAM_DEAD };

static void on_count(const redisReply *reply, void *owner) {
    struct desk *d = owner;
    unsigned which = ASKED_STREAMS - d->counting;         /* over one connection they come in their order */
    d->counts[which] = NULL;
    d->asked.entries[which] = reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
    if (!--d->counting)
        steps_wake(&d->steps);
}

static enum step_end count_entries(struct steps *s) {
    struct desk *d = desk_of(s);
    d->counting = ASKED_STREAMS;
    for (unsigned i = 0; i < ASKED_STREAMS; i++) {
        char key[300];
        struct args args = { 0 };
        snprintf(key, sizeof key, "%s%s", d->svc->prefix, counted_streams[i]);
        args_str(&args, "XLEN");
        args_str(&args, key);
        d->counts[i] = redis_command(d->svc->redis, &args, on_count, d);
    }
    return STEP_WAIT;
}

static enum step_end counted(struct steps *s) {
    return desk_of(s)->counting ? steps_sleep(s, "counted", LONG_MS) : STEP_NEXT;
}

static void on_glance(const redisReply *reply, void *owner) {
    struct glancing *g = owner;
    struct desk *d = g->desk;
    g->call = NULL;
    board_take(&d->board, (unsigned)(g - d->glances), reply);
    if (!--d->glancing)
        steps_wake(&d->steps);
}

static enum step_end look_around(struct steps *s) {
    struct desk *d = desk_of(s);
    struct args args = { 0 };
    board_done(&d->board);
    for (unsigned i = 0; board_command(d->board_asks, i, d->svc->prefix, d->asked.user, &args); i++) {
        d->glancing++;
        d->glances[i] = (struct glancing){ d, redis_command(d->svc->redis, &args, on_glance, &d->glances[i]) };
    }
    return STEP_WAIT;
}

static enum step_end looked_around(struct steps *s) {
    struct desk *d = desk_of(s);
    if (d->glancing)
        return steps_sleep(s, "looked_around", LONG_MS);
    d->asked.now_ms = clock_wall_ms();
    d->board.asked = &d->asked;
    d->board.prices = price_file_now(d->prices);
    board_answer(d->board_asks, &d->board, &d->answer);
    board_done(&d->board);
    return steps_goto(s, "tell");
}

/* By a connection of its own; the writer's batches wait for it, or it for them. Done once or twice, it is the same. */
static int forget(struct desk *d) {
    struct store *store = NULL;
    int64_t as;
    int r = store_open(setting_text("DB_PATH"), &store, d->problem);
    if (!r)
        r = store_forget(store, d->asked.user, &as, d->problem);
    store_close(store);
    if (!r)
        change_of_user(d->asked.user, &d->change);
    return r;
}

static int look_at_change(struct desk *d, struct sums *sums) {
    if (!d->forgets && change_read(d->item->fields, &d->change))
        return -EINVAL;
    int r = d->forgets ? forget(d) : 0;
    return r ? r : sums_look(sums, &d->change, d->kept, d->problem);
}

static void read_on_thread(uv_work_t *work) {
    struct desk *d = work->data;
    struct sums *sums = NULL;
    int64_t began = clock_mono_ms();
    d->result = sums_open(setting_text("DB_PATH"), &sums, d->problem);
    if (!d->result && d->is_change)
        d->result = look_at_change(d, sums);
    else if (!d->result)
        d->result = question_answer(sums, &d->asked, &d->answer, d->problem);
    sums_close(sums);
    d->asked.took_ms = clock_mono_ms() - began;
}

static void after_work(uv_work_t *work, int status) {
    struct desk *d = work->data;
    d->working = false;
    steps_wake(&d->steps);
}

static enum step_end read_answer(struct steps *s) {
    struct desk *d = desk_of(s);
    d->asked.now_ms = clock_wall_ms();             /* another try may draw another picture: it has a name of its own */
    snprintf(d->blob, sizeof d->blob, "ledger-%.32s-%" PRId64, d->item->id, d->asked.now_ms);
    d->working = true;
    int r = uv_queue_work(d->svc->loop, &d->work, read_on_thread, after_work);
    assert(r == 0);                             /* it only fails without a function to run */
    (void)r;
    return STEP_WAIT;
}

/* Sleeps until it is time to try again; leaving does not wait for that. */
static enum step_end rest(struct steps *s, const char *then) {
    struct desk *d = desk_of(s);
    return d->draining ? steps_goto(s, "next") : steps_sleep(s, then, AGAIN_MS);
}

static enum step_end judge_answer(struct steps *s) {
    struct desk *d = desk_of(s);
    if (d->working)
        return steps_sleep(s, "judge_answer", LONG_MS);
    if (!d->result) {
        histogram_add(&read_time, d->asked.took_ms);
        return d->answer.blob.fd >= 0 && !d->is_change ? STEP_NEXT : steps_goto(s, "tell");
    }
    struct log_subject about = { fields_str(d->item->fields, "job"), fields_str(d->item->fields, "chat") };
    if (!d->tries++)
        log_warn(&about, "%s: cannot be answered yet: %s", d->asked.what, d->problem);
    forget_answer(d);
    if (d->is_change || d->tries < TRIES || d->draining)
        return rest(s, "read_answer");
    log_error(&about, "%s: cannot be answered: %s", d->asked.what, d->problem);
    answer_line(&d->answer, "ledger_failed", "");
    return steps_goto(s, "tell");
}

static void on_script(const redisReply *reply, void *owner) {
    struct desk *d = owner;
    d->call = NULL;
    d->error[0] = 0;
    if (reply->type == REDIS_REPLY_ERROR)
        snprintf(d->error, sizeof d->error, "%s", reply->str);
    snprintf(d->word, sizeof d->word, "%s", answer_word(reply));
    steps_wake(&d->steps);
}

static enum step_end put_piece(struct steps *s) {
    struct desk *d = desk_of(s);
    struct args args = { 0 };
    d->piece = blob_piece(&args, d->blob, &d->answer.blob, d->stored);
    d->no_blob = d->piece <= 0;                 /* the disk is ill */
    if (d->no_blob)
        return steps_goto(s, "tell");
    d->call = redis_script(d->svc->redis, SCRIPT_BLOB, &args, on_script, d);
    return STEP_WAIT;
}

static enum step_end piece_put(struct steps *s) {
    struct desk *d = desk_of(s);
    if (d->call)
        return steps_sleep(s, "piece_put", LONG_MS);
    d->no_blob = *d->error || strcmp(d->word, "ok");      /* no room: it is said without the picture */
    d->stored += d->no_blob ? 0 : d->piece;
    return steps_goto(s, !d->no_blob && d->stored < d->answer.blob.len ? "put_piece" : "tell");
}

/* What the job is told: what changed, a line, the picture with its words, or the words alone. */
static void choose_answer(struct desk *d, struct told *t) {
    const struct answer *a = &d->answer;
    bool shows = a->blob.fd >= 0 && !d->no_blob, fails = !shows && (a->as_file || !a->text.len);
    if (d->is_change) {
        t->kept = d->kept;
        t->kept_count = (size_t)d->change.count;
    } else if (a->line || fails) {
        t->fields_count = 2;
        d->fields[0] = (struct pair){ "line", a->line ? a->line : "ledger_failed" };
        d->fields[1] = (struct pair){ "about", a->about };
    } else if (shows) {
        snprintf(d->bytes, sizeof d->bytes, "%" PRId64, a->blob.len);
        const struct pair picture[PICTURE_FIELDS] = {
            { "blob", d->blob }, { "blob_type", a->type }, { "blob_bytes", d->bytes }, { "blob_name", a->name },
            { "text", buf_cstr(&a->text) }, { "as", a->as_file ? "file" : "" },
        };
        memcpy(d->fields, picture, sizeof picture);
        t->fields_count = PICTURE_FIELDS;
    } else {
        answer_markdown(a, &d->markdown);
        t->text = buf_cstr(&d->markdown);
        t->text_len = d->markdown.len;
        for (int i = 0; i < a->choices_count; i++)
            d->fields[t->fields_count++] = (struct pair){ a->choices[i].name, a->choices[i].value };
    }
    t->fields = d->fields;
}

static struct ticket ticket_of(const struct desk *d) {
    return (struct ticket){ STREAM_LEDGER, d->item->id, d->asked.job };
}

static void begin_script(const struct desk *d, struct args *args) {
    struct ticket ticket = ticket_of(d);
    ticket_args(args, &ticket);
}

/* The question was one for a change: it comes back as that. */
static void send_back(struct desk *d) {
    struct args args = { 0 };
    begin_script(d, &args);
    args_int(&args, 3);
    args_pair(&args, "set:0", d->answer.wish);
    args_pair(&args, "line", d->answer.line);
    args_pair(&args, "about", d->answer.about);
    d->call = redis_script(d->svc->redis, SCRIPT_WISH, &args, on_script, d);
}

/* It stands behind all that was asked for before now. */
static void send_round(struct desk *d) {
    struct args args = { 0 };
    begin_script(d, &args);
    args_int(&args, 2);
    args_pair(&args, "kind", KIND_ASK);
    args_pair(&args, "what", "forget_now");
    d->call = redis_script(d->svc->redis, SCRIPT_WISH, &args, on_script, d);
}

/* About something that was given up: the script does it, and says so. */
static void revive(struct desk *d) {
    struct args args = { 0 };
    const char *what = d->answer.revive;
    size_t len = strcspn(what, " ");
    begin_script(d, &args);
    args_add(&args, what, len);
    args_str(&args, what + len + 1);
    args_str(&args, setting_text("USER_MODELS"));
    d->call = redis_script(d->svc->redis, SCRIPT_REVIVE, &args, on_script, d);
}

/* About a message to everybody, likewise. */
static void decide(struct desk *d) {
    struct args args = { 0 };
    const char *what = d->answer.broadcast;
    size_t len = strcspn(what, " ");
    begin_script(d, &args);
    args_add(&args, what, len);
    args_str(&args, what[len] ? what + len + 1 : "");
    args_int(&args, d->answer.total);
    args_str(&args, texts_fixed(d->asked.lang, "button_halt"));
    d->call = redis_script(d->svc->redis, SCRIPT_BROADCAST, &args, on_script, d);
}

static enum step_end tell(struct steps *s) {
    struct desk *d = desk_of(s);
    if (d->is_first_round) {
        send_round(d);
        return STEP_WAIT;
    }
    if (!d->is_change && *d->answer.broadcast) {
        decide(d);
        return STEP_WAIT;
    }
    if (!d->is_change && *d->answer.revive) {
        revive(d);
        return STEP_WAIT;
    }
    if (!d->is_change && *d->answer.wish) {
        send_back(d);
        return STEP_WAIT;
    }
    struct told t = { 0 };
    struct args args = { 0 };
    buf_init(&d->markdown, 8 * ANSWER_MOST);
    choose_answer(d, &t);
    struct ticket ticket = ticket_of(d);
    told_args(&args, &ticket, &t);
    buf_done(&d->markdown);
    d->call = redis_script(d->svc->redis, SCRIPT_TOLD, &args, on_script, d);
    return STEP_WAIT;
}

/* Nobody will ask for it: it was told without, or by somebody else. */
static void drop_blob(struct desk *d) {
    struct args args = { 0 };
    blob_drop(&args, d->blob, d->stored);
    redis_script(d->svc->redis, SCRIPT_BLOB, &args, NULL, NULL);
}

static enum step_end told(struct steps *s) {
    struct desk *d = desk_of(s);
    if (d->call)
        return steps_sleep(s, "told", LONG_MS);
    if (*d->error) {                            /* a key of another type, perhaps: nobody but an administrator can mend that */
        if (!d->tries++)
            log_error(NULL, "%s: cannot be told: %s", d->asked.what, d->error);
        return rest(s, "tell");
    }
    if (d->stored && (d->no_blob || strcmp(d->word, "ok")))
        drop_blob(d);
    metric_add(&answered, 1);
    return steps_goto(s, "next");
}

static void on_end(struct steps *s) {
    struct desk *d = desk_of(s);
    d->over = true;
}

/* ---- life ---- */

struct desk *desk_new(struct svc *s, const struct price_file *prices) {
    static struct metric *const all[] = { &answered, NULL };
    metrics_list(all);
    struct desk *d = alloc_zero(sizeof *d);
    d->svc = s;
    d->prices = prices;
    d->last = &d->first;
    d->work.data = d;
    d->answer.blob = SPOOL_CLOSED;
    steps_start(&d->steps, s->runner, desk_row, on_end);
    return d;
}

void desk_free(struct desk *d) {
    put_away(d);
    board_done(&d->board);
    while (d->first) {
        struct item *item = d->first;
        d->first = item->next;
        item_free(item);
    }
    free(d);
    chart_done();
}

void desk_drain(struct desk *d) {
    d->draining = true;
    for (struct item *item = d->first; item; item = item->next)
        queue_drop(&item->held);
    if (d->item)
        queue_drop(&d->item->held);
    poke(d);
    desk_on_redis(d);
}

/* Leaving does not wait for a Redis that is away: nothing was told, so it is told by the next ledger. */
void desk_on_redis(struct desk *d) {
    if (!d->draining || d->over || d->working || redis_is_up(d->svc->redis))
        return;
    redis_forget(d->call);
    d->call = NULL;
    for (int i = 0; i < ASKED_STREAMS; i++) {
        redis_forget(d->counts[i]);
        d->counts[i] = NULL;
    }
    for (int i = 0; i < BOARD_COMMANDS; i++) {
        redis_forget(d->glances[i].call);
        d->glances[i].call = NULL;
    }
    d->glancing = 0;
    steps_divert(&d->steps, "next");
}

bool desk_is_over(const struct desk *d) {
    return d->over;
}
