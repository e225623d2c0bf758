/* The life of one job. The row below is its table of contents; the functions follow in the same order, in this file and in those
 * named beside it. Content decides what is done, not what Telegram calls it: each file goes its own way from `sort` to `settle`. */
#include "media/task.h"
#include "proto/keys.h"
#include "services/clock.h"
#include "services/metrics.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARK_FROM_MS = 5 * SECOND,           /* longer waits hold no worker */
    LONG_MS = 3600 * SECOND,             /* a wait that something else ends */
    DRAIN_LATE_MS = 6 * SECOND           /* SIGTERM: until then what is being paid for may finish */
};

static struct metric tasks_total = {"media_jobs_total", "jobs whose files were dealt with", NULL, METRIC_COUNTER};
static struct metric stale_total = {"media_stale_total", "work thrown away because the job had moved on", NULL, METRIC_COUNTER};
static struct metric parks_total = {"media_parks_total", "jobs put off", NULL, METRIC_COUNTER};
static struct metric in_hand = {"media_in_hand", "jobs in hand", NULL, METRIC_GAUGE};

static const struct step task_row[] = {
    {"take", step_take},                      /* WAIT: script: still ours? what was sent */
    {"plan", step_plan},                      /* what is done already, what is too large on its face */
    {"next_file", step_next_file},            /* → settle, when there is none */

    {"locate", step_locate},                  /* WAIT: getFile                                              fetch.c */
    {"judge_locate", step_judge_locate},
    {"download", step_download},              /* WAIT: GET into the spool, from where it was cut */
    {"judge_download", step_judge_download},
    {"look_inside", step_look_inside},        /* WAIT: a thread reads it */
    {"sort", step_sort},                      /* → convert, begin, give_up */

    {"convert", step_convert},                /* WAIT: ffmpeg                                             convert.c */
    {"judge_convert", step_judge_convert},

    {"begin", step_begin},                    /* WAIT: script: stopped? known? tries left? money held         ask.c */
    {"judge_begin", step_judge_begin},        /* → hear, seek, upload */

    {"hear", step_hear},                      /* WAIT: POST, and the script that keeps what was heard        hear.c */
    {"judge_hear", step_judge_hear},          /* → settle */

    {"seek", step_seek},                      /* WAIT: has somebody before us uploaded it?                 upload.c */
    {"judge_seek", step_judge_seek},
    {"upload", step_upload},                  /* WAIT: POST */
    {"judge_upload", step_judge_upload},      /* → settle */

    {"forget", step_forget},                  /* WAIT: DELETE, of another kind of job: one file after the other   forget.c */
    {"judge_forget", step_judge_forget},      /* → forget, commit */

    {"settle", step_settle},                  /* one more file, or the question: → next_file, commit      outcome.c */
    {"stop", step_stop},                      /* → commit */
    {"give_up", step_give_up},                /* → commit */

    {"pause", step_pause},                    /* WAIT: a timer, or parked when it is long */
    {"parked", step_parked},                  /* → let_go */

    {"commit", step_commit},                  /* WAIT: one script: ack, question, files, money, the next stage */
    {"committed", step_committed},            /* → let_go */

    {"hand_back", step_hand_back},            /* WAIT: script release: we are leaving */
    {"let_go", step_let_go},
    {0},
};

/* The same for a picture that is to be drawn. */
static const struct step draw_row[] = {
    {"take", step_take},
    {"plan", step_plan},
    {"want", draw_want},                      /* → begin, unless a photo is to be changed                  draw.c */

    {"locate", step_locate},
    {"judge_locate", step_judge_locate},
    {"download", step_download},
    {"judge_download", step_judge_download},
    {"look_inside", step_look_inside},
    {"sort", draw_sort},                      /* is it a picture? */

    {"begin", step_begin},
    {"judge_begin", step_judge_begin},        /* → draw */
    {"draw", step_draw},                      /* WAIT: POST; the picture goes into Redis as it comes; the script that keeps it   store.c */
    {"judge_draw", step_judge_draw},          /* → settle */

    {"settle", draw_settle},                  /* → commit */
    {"stop", draw_stop},                      /* → commit */
    {"give_up", draw_give_up},                /* → commit */

    {"pause", step_pause},
    {"parked", step_parked},
    {"commit", step_commit},
    {"committed", step_committed},
    {"hand_back", step_hand_back},
    {"let_go", step_let_go},
    {0},
};

/* And for a document that is to be kept in a library. */
static const struct step shelf_row[] = {
    {"take", step_take},
    {"plan", step_plan},
    {"shelf_plan", shelf_plan},               /* has its user a library?                                 shelf.c */
    {"next_file", step_next_file},

    {"locate", step_locate},
    {"judge_locate", step_judge_locate},
    {"download", step_download},
    {"judge_download", step_judge_download},
    {"look_inside", step_look_inside},
    {"shelf_sort", shelf_sort},               /* is it a document, and is there room? */
    {"sort", step_sort},

    {"begin", step_begin},
    {"judge_begin", step_judge_begin},        /* → seek, upload, make_store */
    {"seek", step_seek},
    {"judge_seek", step_judge_seek},
    {"upload", step_upload},
    {"judge_upload", step_judge_upload},      /* → settle */
    {"make_store", step_make_store},          /* WAIT: POST */
    {"judge_store", step_judge_store},        /* → settle */
    {"settle", shelf_settle},                 /* → make_store, by way of begin; attach */

    {"attach", step_attach},                  /* WAIT: POST */
    {"judge_attach", step_judge_attach},
    {"watch", step_watch},                    /* WAIT: a second, until it has been read → shelve */
    {"look_at_it", step_look_at_it},          /* WAIT: GET */
    {"judge_look_at_it", step_judge_look_at_it},   /* → watch */
    {"shelve", step_shelve},                  /* → commit */

    {"stop", shelf_stop},                     /* → commit */
    {"give_up", shelf_give_up},               /* → commit */
    {"pause", step_pause},
    {"parked", step_parked},
    {"commit", step_commit},
    {"committed", step_committed},
    {"hand_back", step_hand_back},
    {"let_go", step_let_go},
    {0},
};

/* And for what the model has made. */
static const struct step made_row[] = {
    {"take", step_take},
    {"plan", step_plan},
    {"made_plan", made_plan},                 /* which files?                                             made.c */
    {"next_made", made_next},                 /* → give, when there is none left */
    {"fetch_made", made_fetch},               /* WAIT: GET into the spool */
    {"judge_made", made_judge},
    {"store_piece", made_store},              /* WAIT: script: a piece of it into Redis → next_made */
    {"piece_stored", made_stored},            /* → store_piece */
    {"give", made_give},                      /* → commit */

    {"stop", made_enough},                    /* → commit */
    {"give_up", made_enough},                 /* → commit */
    {"pause", step_pause},
    {"parked", step_parked},
    {"commit", step_commit},
    {"committed", step_committed},
    {"hand_back", step_hand_back},
    {"let_go", step_let_go},
    {0},
};

struct task *task_of(struct steps *s) {
    return (struct task *)((char *)s - offsetof(struct task, steps));
}

struct ticket task_ticket(const struct task *t) {
    return (struct ticket){t->held.queue, t->held.entry, t->held.job};
}

struct item *task_item(struct task *t) {
    return &t->items[t->at];
}

static const char *set_or(const struct task *t, const char *field, const char *otherwise) {
    const char *set = t->job ? fields_str(t->job, field) : "";
    return *set ? set : otherwise;
}

const char *task_model(const struct task *t) {
    return set_or(t, "transcribe_model", t->media->model);
}

const char *task_image_model(const struct task *t) {
    return set_or(t, "image_model", t->media->image_model);
}

/* ── beginning and end ─────────────────────────────────────────────────────────────────────────────────────── */

/* May the wait that stands now be cut short? What was asked and will be billed is listened to: it may be booked at least. */
static bool may_be_woken(const struct task *t) {
    return (t->http && !t->asked) || t->napping || t->process;
}

static void on_look(struct held *held, const struct look *look) {
    struct task *t = (struct task *)((char *)held - offsetof(struct task, held));
    if (!look->live && !t->gone) {
        t->gone = true;
        note(t, LOG_INFO, "%s: the entry is not ours any more", t->steps.now);
        if (may_be_woken(t))
            steps_wake(&t->steps);
    }
    if (look->live && look->stop && !t->stop) {
        t->stop = arena_str(t->mem, look->stop);
        if (may_be_woken(t) || t->http)
            steps_wake(&t->steps);
    }
}

static void on_end(struct steps *s) {
    struct task *t = task_of(s);
    struct media *m = t->media;
    task_hang_up(t);
    redis_forget(t->script);
    queue_drop(&t->held);
    if (t->next)
        t->next->prev = t->prev;
    if (t->prev)
        t->prev->next = t->next;
    else
        m->tasks = t->next;
    metric_set(&in_hand, --m->working);
    spool_close(&t->spool);
    spool_close(&t->converted);
    spool_close(&t->complaints);
    draw_end(t);
    multipart_done(&t->body);
    buf_done(&t->result.body);
    free(t->job);
    arena_free(t->mem);
    free(t);
    queue_room(m->svc->queue);
}

void task_list_metrics(void) {
    static struct metric *const figures[] = {&tasks_total, &stale_total, &parks_total, &in_hand, NULL};
    metrics_list(figures);
    ask_list_metrics();
    hear_list_metrics();
    draw_list_metrics();
    outcome_list_metrics();
}

void task_begin(struct media *m, const struct entry *e, int64_t takeovers) {
    struct task *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    t->media = m;
    t->mem = arena_new();
    t->been_before = takeovers > 0;
    t->held.text_known = -1;
    t->spool = t->converted = t->complaints = SPOOL_CLOSED;
    queue_hold(m->svc->queue, &t->held, e);
    t->about = (struct log_subject){arena_str(t->mem, e->job), arena_str(t->mem, e->chat)};
    metric_set(&in_hand, ++m->working);
    t->next = m->tasks;
    if (t->next)
        t->next->prev = t;
    m->tasks = t;
    const struct step *row = !strcmp(e->kind, KIND_IMAGE) ? draw_row : !strcmp(e->kind, KIND_LIBRARY) ? shelf_row : !strcmp(e->kind, KIND_MADE) ? made_row : task_row;
    if (row == made_row)
        made_begin(t);
    steps_start(&t->steps, m->svc->runner, row, on_end);
}

enum step_end task_interrupted(struct task *t) {
    t->napping = false;
    if (t->gone) {
        metric_add(&stale_total, 1);
        return steps_goto(&t->steps, "let_go");
    }
    return t->stop ? steps_goto(&t->steps, "stop") : STEP_NEXT;
}

enum step_end task_wait_again(struct task *t) {
    return steps_sleep(&t->steps, t->steps.now, LONG_MS);
}

enum step_end task_nap(struct task *t, const char *then, int64_t ms) {
    t->napping = true;
    return steps_sleep(&t->steps, then, ms);
}

enum step_end task_refuse(struct task *t, const char *line, const char *alert, const char *why) {
    t->verdict = (struct verdict){.what = VERDICT_REFUSE, .line = line, .alert = alert, .why = why};
    return steps_goto(&t->steps, "give_up");
}

enum step_end task_refuse_size(struct task *t, int64_t limit_mb, const char *why) {
    t->verdict = (struct verdict){.what = VERDICT_REFUSE, .line = "file_too_big", .limit_mb = limit_mb, .why = why};
    return steps_goto(&t->steps, "give_up");
}

/* ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────── */

static void on_http(struct http_result *result, void *owner) {
    struct task *t = owner;
    t->http = NULL;
    t->answered = true;
    buf_done(&t->result.body);
    t->result = *result;
    result->body = (struct buf){0};      /* ours now */
    steps_wake(&t->steps);
}

void task_call(struct task *t, struct http *http, struct http_request *r) {
    task_hang_up(t);
    t->answered = false;
    if (!r->on_done)
        r->on_done = on_http;
    r->owner = t;
    t->http = http_start(http, r);
}

void task_hang_up(struct task *t) {
    http_cancel(t->http);
    t->http = NULL;
}

void task_say(struct task *t, const char *doing) {
    if (t->doing && !strcmp(t->doing, doing))
        return;
    t->doing = doing;
    struct args args = {0};
    struct ticket ticket = task_ticket(t);
    ticket_args(&args, &ticket);
    args_str(&args, doing);
    args_str(&args, "");
    (void)redis_script(t->media->svc->redis, SCRIPT_DOING, &args, NULL, NULL);
}

/* ── what was sent ─────────────────────────────────────────────────────────────────────────────────────────── */

static void on_taken(const redisReply *reply, void *owner) {
    struct task *t = owner;
    t->script = NULL;
    const char *word = answer_word(reply);
    if (!strcmp(word, "live") && reply->elements >= 3) {
        t->job = fields_copy(reply->element[1]);
        t->held.on_look = on_look;       /* not before: until now another one stood in the job as its worker */
    } else if (!strcmp(word, "unknown")) {
        t->unknown_job = true;
    } else if (reply->type == REDIS_REPLY_ERROR) {
        note(t, LOG_ERROR, "take: %s", reply->str);
    }
    steps_wake(&t->steps);
}

enum step_end step_take(struct steps *s) {
    struct task *t = task_of(s);
    struct args args = {0};
    struct ticket ticket = task_ticket(t);
    ticket_args(&args, &ticket);
    args_str(&args, t->media->svc->worker);
    t->script = redis_script(t->media->svc->redis, SCRIPT_TAKE, &args, on_taken, t);
    return STEP_WAIT;
}

/* The field "<front>:<n><back>". */
static const char *field_of(struct task *t, const char *front, int n, const char *back) {
    char name[60];
    (void)snprintf(name, sizeof name, "%s:%d%s", front, n, back);
    return fields_get(t->job, name);
}

static int64_t number_of(struct task *t, int n, const char *back) {
    char name[60];
    (void)snprintf(name, sizeof name, "file:%d%s", n, back);
    int64_t value = fields_int_or(t->job, name, 0);
    return value > 0 ? value : 0;
}

static void read_item(struct task *t, int n) {
    struct item *i = &t->items[n];
    const char *kind = field_of(t, "file", n, ":kind");
    i->id = field_of(t, "file", n, "");
    i->kind = kind ? kind : "";
    i->name = field_of(t, "file", n, ":name");
    i->bytes = number_of(t, n, ":bytes");
    i->seconds = number_of(t, n, ":seconds");
    i->booked = field_of(t, "booked", n, "") != NULL;
    const char *heard = field_of(t, "response:heard", n, ""), *upload = field_of(t, "response:upload", n, "");
    i->result = heard ? heard : upload;
    i->done = i->result && (heard ? heard_read(t, heard, &i->heard) : upload_read(t, upload, i));
    if (i->result && !i->done) {
        note(t, LOG_ERROR, "plan: what is kept of file %d cannot be read", n);
        i->result = NULL;
    }
}

enum step_end step_plan(struct steps *s) {
    struct task *t = task_of(s);
    if (t->script)
        return task_wait_again(t);
    if (!t->job) {
        struct entry e = {.id = t->held.entry, .kind = "", .job = t->held.job, .chat = t->about.chat, .user = "", .conv = ""};
        if (t->unknown_job)
            queue_bury(t->media->svc->queue, &e, "there is no such job");
        else
            metric_add(&stale_total, 1);
        return steps_goto(s, "let_go");
    }
    t->lang = texts_lang(fields_get(t->job, "lang"));
    t->been_before |= fields_int_or(t->job, "parks", 0) > 0;
    t->fails = fields_int_or(t->job, "attempts", 0);
    t->unwanted = !strcmp(fields_str(t->job, "kind"), KIND_FORGET) ? fields_str(t->job, "delete") : NULL;
    if (t->unwanted)
        return steps_goto(s, "forget");
    int64_t files = fields_int_or(t->job, "files", 0);
    t->count = files < 0 ? 0 : files < ITEMS_MOST ? (int)files : ITEMS_MOST;
    for (int n = 0; n < t->count; n++) {
        read_item(t, n);
        if (!t->items[n].id)
            t->count = n;
    }
    if (fields_get(t->job, "stop"))
        t->stop = fields_get(t->job, "stop");
    if (t->making)
        return STEP_NEXT;
    if (!t->count && strcmp(fields_str(t->job, "kind"), KIND_IMAGE))
        return task_refuse(t, "unknown", "dead", "a job for media without a file");
    for (int n = 0; n < t->count; n++)
        if (t->items[n].bytes > t->media->bytes_most)
            return task_refuse(t, "file_too_big", NULL, "it is said to be too large");
    return STEP_NEXT;
}

enum step_end step_next_file(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    for (int n = 0; n < t->count; n++)
        if (t->items[n].heard.text && !t->items[n].booked) {   /* heard by somebody who did not live to say so */
            t->at = n;
            ask_about(t, "heard");
            return steps_goto(s, "settle");
        }
    for (t->at = 0; t->at < t->count && t->items[t->at].done;)
        t->at++;
    if (t->at == t->count)
        return steps_goto(s, "settle");
    t->relinks = t->shorts = 0;
    t->path = NULL;
    t->over = false;
    t->may_be_there = t->been_before;
    spool_close(&t->spool);
    return STEP_NEXT;
}

/* ── later ─────────────────────────────────────────────────────────────────────────────────────────────────── */

enum step_end task_again(struct task *t, const char *then) {
    struct verdict *v = &t->verdict;
    if (v->unsent) {
        t->unreached++;
    } else if (!v->asked_to_wait) {
        t->unreached = 0;
        t->fails++;
    }
    if (t->fails >= t->media->attempts_max) {
        v->dead = true;
        v->line = v->line ? v->line : "failed";
        return steps_goto(&t->steps, "give_up");
    }
    int64_t wait_ms = openai_backoff((v->unsent ? t->unreached : t->fails) + 1);
    if (wait_ms > v->wait_ms)
        v->wait_ms = wait_ms;
    note(t, LOG_WARN, "%s: %s: again in %" PRId64 " ms", t->steps.now, v->why, v->wait_ms);
    t->then = then;
    return steps_goto(&t->steps, "pause");
}

enum step_end task_judge(struct task *t, const char *then) {
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    if (!t->answered)
        return task_wait_again(t);
    t->verdict = judge_openai(&t->result, NULL);
    return t->verdict.what == VERDICT_AGAIN ? task_again(t, then) : STEP_NEXT;
}

static void on_parked(const redisReply *reply, void *owner) {
    struct task *t = owner;
    t->script = NULL;
    if (reply->type == REDIS_REPLY_ERROR)
        note(t, LOG_ERROR, "park: %s", reply->str);
    steps_wake(&t->steps);
}

enum step_end step_pause(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    if (t->verdict.wait_ms < PARK_FROM_MS)
        return task_nap(t, t->then, t->verdict.wait_ms);
    metric_add(&parks_total, 1);
    bool begun = t->counted != 0;        /* its tries are counted by begin */
    struct args args = {0};
    struct ticket ticket = task_ticket(t);
    ticket_args(&args, &ticket);
    args_int(&args, t->verdict.wait_ms);
    args_str(&args, begun || t->verdict.unsent || t->verdict.asked_to_wait ? "0" : "1");
    args_str(&args, begun && t->counted == t->try ? t->call : "");         /* counted, and it never left us: no try */
    t->script = redis_script(t->media->svc->redis, SCRIPT_PARK, &args, on_parked, t);
    return STEP_WAIT;
}

enum step_end step_parked(struct steps *s) {
    struct task *t = task_of(s);
    return t->script ? task_wait_again(t) : steps_goto(s, "let_go");
}

/* ── the end of the step ───────────────────────────────────────────────────────────────────────────────────── */

static void on_committed(const redisReply *reply, void *owner) {
    struct task *t = owner;
    t->script = NULL;
    switch (commit_read(reply)) {
    case COMMIT_OK:
        metric_add(&tasks_total, 1);
        break;
    case COMMIT_STALE:
        metric_add(&stale_total, 1);
        break;
    default:
        note(t, LOG_ERROR, "commit: %s", reply->type == REDIS_REPLY_ERROR ? reply->str : answer_word(reply));
    }
    steps_wake(&t->steps);
}

enum step_end step_commit(struct steps *s) {
    struct task *t = task_of(s);
    struct args args = {0};
    struct ticket ticket = task_ticket(t);
    t->ending = true;
    t->napping = false;
    commit_args(&args, &ticket, &t->end);
    t->script = redis_script(t->media->svc->redis, SCRIPT_COMMIT, &args, on_committed, t);
    return STEP_WAIT;
}

enum step_end step_committed(struct steps *s) {
    struct task *t = task_of(s);
    if (t->script)
        return task_wait_again(t);
    note(t, LOG_INFO, "commit: %s, %d files, %" PRId64 " nano-dollars", t->end.how ? t->end.how : t->end.next, t->count, t->end.cost_nusd);
    return steps_goto(s, "let_go");
}

/* ── leaving ───────────────────────────────────────────────────────────────────────────────────────────────── */

static void on_released(void *owner) {
    struct task *t = owner;
    t->releasing = false;
    steps_wake(&t->steps);
}

enum step_end step_hand_back(struct steps *s) {
    struct task *t = task_of(s);
    task_hang_up(t);
    convert_kill(t);
    t->releasing = true;
    queue_release(&t->held, on_released, t);
    return STEP_WAIT;
}

enum step_end step_let_go(struct steps *s) {
    struct task *t = task_of(s);
    if (!t->process && !t->looking && !t->releasing)
        return STEP_END;
    convert_kill(t);                     /* what we wait for wakes us */
    return task_wait_again(t);
}

void task_drain(struct media *m) {
    bool late = clock_mono_ms() - m->draining_since_ms > DRAIN_LATE_MS;
    for (struct task *t = m->tasks, *next; t; t = next) {
        next = t->next;
        bool waits = (t->http || t->napping || t->process) && !t->script;
        if (waits && !t->ending && !t->gone && (!t->posting || late)) {
            t->napping = false;
            t->gone = true;              /* nothing of this job matters to us any more */
            steps_divert(&t->steps, "hand_back");
        }
    }
}
