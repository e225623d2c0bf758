#include "outbound/doing.h"
#include "outbound/followed.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/cleanup.h"
#include "proto/keys.h"
#include "services/alloc.h"
#include "services/utf8.h"

static enum step_end take(struct steps *s);
static enum step_end taken(struct steps *s);
static enum step_end tell_gone(struct steps *s);
static enum step_end gone_told(struct steps *s);
static enum step_end clear_mark(struct steps *s);
static enum step_end put_off(struct steps *s);
static enum step_end park(struct steps *s);
static enum step_end parked(struct steps *s);
static enum step_end give_back(struct steps *s);
static enum step_end given_back(struct steps *s);
static enum step_end commit(struct steps *s);
static enum step_end committed(struct steps *s);

const struct step follow_row[] = {
    {"take", take},                     /* WAIT: script: is it ours, what was asked, what stands in the chat? Again when it is live */
    {"taken", taken},
    {"choose", choose},                 /* what is to be done now; everything below comes back here */

    {"wait_turn", show_wait_turn},      /* WAIT: our place in the row of those who send */
    {"ask_pace", show_ask_pace},        /* WAIT: script: may a message go out? */
    {"paced", show_paced},
    {"wait_place", show_wait_place},    /* WAIT: a place among the calls in flight */
    {"mark_part", show_mark_part},      /* WAIT: script: this part is about to be sent; skipped for edits */
    {"show_part", show_call},           /* WAIT: the call */
    {"judge_call", show_judge},
    {"keep_mark", show_keep_mark},      /* WAIT: script: the message id, or that it is gone */
    {"kept", show_kept},
    {"take_back", show_take_back},      /* WAIT: another one holds it: our message is deleted */
    {"taken_back", show_taken_back},

    {"load_picture", picture_load},     /* WAIT: its bytes out of Redis, piece by piece; only of a picture */
    {"picture_loaded", picture_loaded},

    {"tell_gone", tell_gone},           /* WAIT: script: nobody is there: the model need not go on */
    {"gone_told", gone_told},
    {"clear_mark", clear_mark},         /* WAIT: script: what was certainly not sent need not look as if it were */
    {"put_off", put_off},
    {"park", park},                     /* WAIT: script: later */
    {"parked", parked},
    {"give_back", give_back},           /* WAIT: we are leaving */
    {"given_back", given_back},
    {"commit", commit},                 /* WAIT: script: the job is over */
    {"committed", committed},
    {0},
};

/* --- what wakes the row --- */

void follow_wake_idle(struct follow *f) {
    if (!f->idle)
        return;
    f->idle = false;
    steps_wake(&f->steps);
}

/* What this step stands behind is still under way: the row was woken for something else. */
enum step_end follow_wait_again(struct follow *f) {
    return steps_sleep(&f->steps, f->steps.now, LONG_MS);
}

/* Choose anew after `ms`, or as soon as a look has something new. */
enum step_end follow_rest(struct follow *f, int64_t ms) {
    f->idle = true;
    return steps_sleep(&f->steps, "choose", ms > 0 ? ms : 0);
}

static void copy_word(char *to, size_t size, const char *from) {
    snprintf(to, size, "%s", from);
}

void follow_forget_reply(struct follow *f) {
    free(f->reply.job);
    free(f->reply.text);
    f->reply = (struct reply){0};
}

static void on_reply(const redisReply *reply, void *owner) {
    struct follow *f = owner;
    f->script = NULL;
    follow_forget_reply(f);
    if (reply->type == REDIS_REPLY_ERROR) {
        copy_word(f->reply.error, sizeof f->reply.error, reply->str);
    } else if (reply->type == REDIS_REPLY_INTEGER) {
        f->reply.n = reply->integer;
    } else {
        copy_word(f->reply.word, sizeof f->reply.word, answer_word(reply));
        copy_word(f->reply.second, sizeof f->reply.second, answer_str(reply, 1));
    }
    f->reply.commit = commit_read(reply);
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 4) {
        const redisReply *text = reply->element[3];
        f->reply.job = fields_copy(reply->element[1]);
        f->reply.text_len = text->type == REDIS_REPLY_STRING ? (size_t)text->len : 0;
        f->reply.text = alloc_copy(f->reply.text_len ? text->str : "", f->reply.text_len);
    }
    steps_wake(&f->steps);
}

static struct args ticket(const struct follow *f) {
    struct args a = {0};
    ticket_args(&a, &(struct ticket){STREAM_OUTBOUND, f->held.entry, f->held.job});
    return a;
}

enum step_end follow_script(struct follow *f, enum script script, struct args *a) {
    f->script = redis_script(f->desk->svc->redis, script, a, on_reply, f);
    return STEP_WAIT;
}

/* A script answered with an error that waiting does not mend: said once, and tried again from `step` a little later. */
enum step_end follow_script_failed(struct follow *f, const char *step) {
    log_error(&f->about, "%s: Redis refused: %s", f->steps.now, f->reply.error);
    return steps_sleep(&f->steps, step, ODD_MS);
}

static bool take_text(struct follow *f, const struct look *look) {
    if (look->draft != f->draft) {       /* begun again; what `more` shows may belong behind the old beginning */
        f->draft = look->draft;
        buf_clear(&f->text);
        f->held.text_known = 0;
        f->words_at_ms = 0;
        if (look->text_len)
            queue_look(&f->held);
        return true;
    }
    if (!look->more_len)
        return false;
    if (!buf_add(&f->text, look->more, look->more_len)) {
        log_error(&f->about, "the answer is longer than %d bytes: it stops growing", TEXT_MOST);
        f->held.text_known = -1;
        return false;
    }
    if (!f->words_at_ms)
        f->words_at_ms = clock_mono_ms();
    f->held.text_known += (int64_t)look->more_len;
    if (look->text_len > f->held.text_known)
        queue_look(&f->held);
    return true;
}

/* By somebody, who sees what is still on its way to the chat. */
static bool is_asked_to_stop(const char *why) {
    return why && (!strcmp(why, STOP_USER) || !strcmp(why, STOP_NEW));
}

void follow_on_look(struct held *h, const struct look *look) {
    struct follow *f = (struct follow *)((char *)h - offsetof(struct follow, held));
    f->looked_early = !f->known;
    if (!f->known)
        return; /* nothing is known yet that this could be compared with */
    bool news = false;
    if (!look->live && !look->follow && !f->lost)
        f->lost = news = true;
    if (look->live && !f->live) {
        f->live = news = true;
        f->live_at_ms = clock_mono_ms();
    }
    if (!f->final && h->text_known >= 0 && take_text(f, look))
        f->dirty = news = true;
    if (!f->final && doing_take(f, look->doing))
        f->dirty = news = true;
    if (f->final && !f->stop_known && is_asked_to_stop(look->stop))
        f->stop_known = f->stopping = news = true;
    if (news)
        follow_wake_idle(f);
}

/* --- taking it --- */

static enum step_end take(struct steps *s) {
    struct follow *f = follow_of(s);
    struct args a = ticket(f);
    args_str(&a, f->desk->svc->worker);
    return follow_script(f, SCRIPT_TAKE, &a);
}

struct bubble *follow_bubble(struct follow *f, size_t part) {
    if (part >= f->count) {
        f->bubbles = alloc_again(f->bubbles, (part + 1) * sizeof *f->bubbles);
        memset(f->bubbles + f->count, 0, (part + 1 - f->count) * sizeof *f->bubbles);
        f->count = part + 1;
    }
    return &f->bubbles[part];
}

void bubble_read(struct bubble *b, const char *note) {
    int64_t id = strtoll(note, NULL, 10);
    b->is_file = id < 0;
    b->id = id < 0 ? -id : id;
}

void bubble_note(const struct bubble *b, char *ret_note, size_t size) {
    snprintf(ret_note, size, "%" PRId64, b->is_file ? -b->id : b->id);
}

/* What stands in the chat already, from whoever had this job before us; of a retry: the old answer, which gives way. */
static void read_bubbles(struct follow *f, const struct fields *job) {
    for (int i = 0; i < job->count; i++) {
        const struct field *field = &job->list[i];
        char *end;
        if (strncmp(field->name, "part:", 5))
            continue;
        unsigned long part = strtoul(field->name + 5, &end, 10);
        if (*end || end == field->name + 5 || part >= PARTS_MOST)
            continue;
        struct bubble *b = follow_bubble(f, part);
        b->marked = !strcmp(field->value, "S");
        bubble_read(b, b->marked ? "0" : field->value);
    }
    if (!f->taken_over || !f->count)
        return;
    f->late_part = f->count - 1;
    while (f->late_part && f->bubbles[f->late_part].is_file)
        f->late_part--;
    f->late_until_ms = clock_mono_ms() + TELEGRAM_EDIT_MS;
}

static void read_job(struct follow *f) {
    const struct fields *job = f->reply.job;
    f->chat = fields_int_or(job, "chat", 0);
    f->topic = fields_int_or(job, "topic", 0);
    f->parks = fields_int_or(job, "parks", 0);
    f->draft = fields_int_or(job, "draft", 0);
    f->reply_to = f->chat < 0 ? fields_int_or(job, "message", 0) : 0;
    f->question = f->chat > 0 && !f->direct ? fields_int_or(job, "message", 0) : 0;
    f->draws = !strcmp(fields_str(job, "kind"), KIND_IMAGE);
    f->retry = !f->direct && *fields_str(job, "retry");
    f->lang = texts_lang(fields_get(job, "lang") ? fields_get(job, "lang") : setting_text("UI_LANG"));
    preview_begin(f);
    f->tries = f->parks > 0 ? 3 : 0; /* has waited before: no burst of tries first */
    f->began_ms = clock_mono_ms();
    f->typing_at_ms = f->began_ms + TYPING_AFTER_MS;
    f->status_at_ms = f->began_ms + (f->retry ? RETRY_STATUS_AFTER_MS : STATUS_AFTER_MS);
    read_bubbles(f, job);
    if (f->count)
        f->question = 0;
    f->has_words = f->count > 0 && (!f->retry || (f->taken_over && f->reply.text_len > 0));
    /* … or a status line; then the text will replace it at the pace of edits */
}

static void read_text(struct follow *f) {
    buf_clear(&f->text);
    if (!buf_add(&f->text, f->reply.text, f->reply.text_len))
        (void)buf_add(&f->text, f->reply.text, utf8_cut_bytes(f->reply.text, f->reply.text_len, TEXT_MOST)); /* fits */
    f->held.text_known = (int64_t)f->text.len;
    (void)doing_take(f, fields_str(f->reply.job, "doing"));
    f->words_at_ms = f->text.len ? clock_mono_ms() : 0;
    f->dirty = true;
}

static enum step_end taken(struct steps *s) {
    struct follow *f = follow_of(s);
    if (f->script)
        return follow_wait_again(f);
    if (*f->reply.error)
        return follow_script_failed(f, "take");
    const char *word = f->reply.word;
    if (!strcmp(word, "unknown")) {
        struct entry e = {.id = f->held.entry, .kind = f->kind, .job = f->held.job, .chat = f->chat_name, .user = f->user, .conv = ""};
        queue_bury(f->desk->svc->queue, &e, "its job is not known");
        return STEP_END;
    }
    if (!f->reply.job || (strcmp(word, "live") && strcmp(word, "follow"))) {
        log_debug(&f->about, "%s: not ours any more", s->now);
        return STEP_END;
    }
    if (!f->known)
        read_job(f);
    f->known = true;
    read_text(f);
    if (!strcmp(fields_str(f->reply.job, "stop"), STOP_GONE))
        f->gone = f->gone_told = true;
    if (!strcmp(word, "live")) {
        f->live = f->final = true;
        f->refused = f->bare = f->plain = false;
        f->live_at_ms = f->live_at_ms ? f->live_at_ms : clock_mono_ms();
        f->held.text_known = -1;
        f->stop_known = is_asked_to_stop(fields_str(f->reply.job, "stop"));
        f->stopping = false;
        compose(f);
        if (f->chat > 0 && !strcmp(fields_str(f->reply.job, "line"), "start"))
            f->keys = !strcmp(fields_str(f->reply.job, "role"), "admin") ? TELEGRAM_KEYS_ADMIN : TELEGRAM_KEYS_USER;
        else if (f->chat < 0 && !strcmp(fields_str(f->reply.job, "line"), "ask_prompt"))
            f->keys = TELEGRAM_KEYS_ANSWER;      /* there one has to know whom the next words are for */
        if (!f->chat) {
            log_error(&f->about, "its chat is no id: nobody can be shown this");
            f->gone = f->gone_told = true;
        }
    } else {
        f->live = false;
        if (f->looked_early)
            queue_look(&f->held);
    }
    follow_forget_reply(f);
    return STEP_NEXT;
}

/* --- the ways out --- */

static enum step_end tell_gone(struct steps *s) {
    struct follow *f = follow_of(s);
    struct args a = {0};
    args_str(&a, f->held.entry);
    args_str(&a, f->held.job);
    args_str(&a, f->closed ? STOP_USER : f->mute ? STOP_MUTE : STOP_GONE);       /* in other topics somebody may still be there */
    return follow_script(f, SCRIPT_STOP, &a);
}

static enum step_end gone_told(struct steps *s) {
    struct follow *f = follow_of(s);
    if (f->script)
        return follow_wait_again(f);
    if (*f->reply.error)
        return follow_script_failed(f, "tell_gone");
    f->gone_told = true;
    return steps_goto(s, "choose");
}

/* Before we let the job go: a part that is marked but certainly was not sent would look ambiguous to the next one. */
static enum step_end clear_mark(struct steps *s) {
    struct follow *f = follow_of(s);
    for (size_t i = 0; i < f->count; i++) {
        if (!f->bubbles[i].marked || !f->bubbles[i].unsent)
            continue;
        f->part = i;
        f->bubbles[i].marked = f->bubbles[i].unsent = false;
        return show_run_mark(f, "S", "");
    }
    return STEP_NEXT;
}

static enum step_end put_off(struct steps *s) {
    struct follow *f = follow_of(s);
    if (f->script)
        return follow_wait_again(f);
    return steps_goto(s, f->desk->svc->draining ? "give_back" : "park");
}

static enum step_end park(struct steps *s) {
    struct follow *f = follow_of(s);
    int64_t wait = f->not_before_ms - clock_mono_ms();
    if (wait <= 0)
        return steps_goto(s, "choose");
    log_info(&f->about, "put off for %" PRId64 " ms", wait);
    struct args a = ticket(f);
    args_int(&a, wait);
    args_str(&a, "0");
    return follow_script(f, SCRIPT_PARK, &a);
}

static enum step_end parked(struct steps *s) {
    struct follow *f = follow_of(s);
    if (f->script)
        return follow_wait_again(f);
    if (*f->reply.error)
        return follow_script_failed(f, "park");
    metric_add(&counted.parks, 1);
    return STEP_END;
}

static void on_released(void *owner) {
    struct follow *f = owner;
    f->answered = true;
    steps_wake(&f->steps);
}

static enum step_end give_back(struct steps *s) {
    struct follow *f = follow_of(s);
    f->answered = false;
    queue_release(&f->held, on_released, f);
    return STEP_WAIT;
}

static enum step_end given_back(struct steps *s) {
    return follow_of(s)->answered ? STEP_END : follow_wait_again(follow_of(s));
}

/* How it ended: as the work did, unless it could not be shown. */
static const char *end_of(const struct follow *f) {
    return f->gone ? HOW_UNDELIVERABLE : f->refused ? HOW_DEAD : f->how;
}

static enum step_end commit(struct steps *s) {
    struct follow *f = follow_of(s);
    struct commit c = {.next = "end", .how = end_of(f)};
    if (f->refused && !f->gone) {
        c.about = f->refusal;
        c.alert = strcmp(f->kind, KIND_ALERT) ? "dead" : NULL;
    }
    struct args a = {0};
    commit_args(&a, &(struct ticket){STREAM_OUTBOUND, f->held.entry, f->held.job}, &c);
    return follow_script(f, SCRIPT_COMMIT, &a);
}

static enum step_end committed(struct steps *s) {
    struct follow *f = follow_of(s);
    if (f->script)
        return follow_wait_again(f);
    if (f->reply.commit == COMMIT_FAILED)
        return follow_script_failed(f, "commit");
    if (f->reply.commit == COMMIT_EARLY) {
        log_error(&f->about, "the token went elsewhere after the end: followed on");
        f->live = f->final = false;
        return steps_goto(s, "take");
    }
    bool nobody = f->gone || f->refused;
    int64_t took = clock_mono_ms() - f->live_at_ms;
    metric_add(&counted.jobs, 1);
    metric_add(&counted.alerts, !nobody && !strcmp(f->kind, KIND_ALERT) ? 1 : 0);
    metric_add(&counted.undeliverable, nobody ? 1 : 0);
    if (!nobody)
        histogram_add(&counted.final_delay, took);
    log_info(&f->about, "%s: %zu parts, %" PRId64 " ms after its end", end_of(f), f->plan.count, took);
    return STEP_END;
}
