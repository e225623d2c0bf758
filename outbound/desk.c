#include "outbound/followed.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/keys.h"
#include "services/alloc.h"
#include "services/hash.h"

enum { FOLLOWED_MOST = 20000, DRAIN_MS = 5 * SECOND };

struct outbound_counted counted = {
    .sends = {.name = "outbound_sends_total", .help = "Messages sent."},
    .edits = {.name = "outbound_edits_total", .help = "Messages edited."},
    .drafts = {.name = "outbound_drafts_total", .help = "Drafts shown."},
    .skipped = {.name = "outbound_edits_skipped_total", .help = "Edits of growing answers left out."},
    .ambiguous = {.name = "outbound_ambiguous_sends_total", .help = "Sends repeated that may have been executed."},
    .parks = {.name = "outbound_parks_total", .help = "Jobs put off by pauses and outages."},
    .undeliverable = {.name = "outbound_undeliverable_total", .help = "Jobs that nobody could be shown."},
    .jobs = {.name = "outbound_jobs_total", .help = "Jobs ended."},
    .alerts = {.name = "outbound_alerts_total", .help = "Alerts shown to administrators, one for each of them."},
    .following = {.name = "outbound_following", .help = "Jobs followed now.", .type = METRIC_GAUGE},
    .final_delay = {.name = "outbound_final_seconds", .help = "From the model's end to the whole answer in the chat."},
};

static void on_turn(struct pace_turn *t) {
    steps_wake(&((struct follow *)((char *)t - offsetof(struct follow, turn)))->steps);
}

static void on_place(struct telegram_call *c) {
    steps_wake(&((struct follow *)((char *)c - offsetof(struct follow, call)))->steps);
}

static void on_called(struct telegram_call *c) {
    struct follow *f = (struct follow *)((char *)c - offsetof(struct follow, call));
    f->answered = true;
    steps_wake(&f->steps);
}

static void on_typed(struct telegram_call *c) {
    struct follow *f = (struct follow *)((char *)c - offsetof(struct follow, typing));
    switch (c->verdict.what) {
    case TELEGRAM_PAUSE:
        show_pause_chat(f, c->verdict.wait_ms);
        break;
    case TELEGRAM_NO_TOPIC:
        f->topic = 0;
        break;
    case TELEGRAM_MOVED:
        if (c->verdict.moved_to != f->chat)
            show_move(f, c->verdict.moved_to);
        break;
    case TELEGRAM_GONE:
        if (c->verdict.status != 403)
            break; /* perhaps only typing is not allowed */
        log_info(&f->about, "nobody can be shown this: %s", c->verdict.why);
        f->gone = true;
        follow_wake_idle(f);
        break;
    default:
        break; /* it is typing: nobody misses it */
    }
}

/* --- lines of one chat come in their order --- */

static struct follow **row_of(const struct follow *f) {
    return &f->desk->rows[hash_text(f->chat_name) % DIRECT_ROWS];
}

static void stand_behind(struct follow *f) {
    struct follow **end = row_of(f);
    while (*end)
        end = &(*end)->behind;
    *end = f;
}

static void leave_row(struct follow *f) {
    struct follow **at = row_of(f);
    while (*at != f)
        at = &(*at)->behind;
    *at = f->behind;
    for (struct follow *next = f->behind; next; next = next->behind)
        if (!strcmp(next->chat_name, f->chat_name)) {
            follow_wake_idle(next);
            return;
        }
}

bool desk_has_earlier(const struct follow *f) {
    if (!f->direct)
        return false;
    for (const struct follow *other = *row_of(f); other != f; other = other->behind)
        if (!strcmp(other->chat_name, f->chat_name))
            return true;
    return false;
}

void desk_count(struct desk *d, int change) {
    bool was_full = d->count >= FOLLOWED_MOST;
    d->count += (unsigned)change;
    metric_set(&counted.following, d->count);
    if (was_full && d->count < FOLLOWED_MOST)
        queue_room(d->svc->queue);
}

void desk_let_go(struct steps *s) {
    struct follow *f = follow_of(s);
    struct desk *d = f->desk;
    queue_drop(&f->held);
    if (f->direct)
        leave_row(f);
    redis_forget(f->script);
    pace_leave(d->pace, &f->turn);
    telegram_leave(&f->call);
    telegram_leave(&f->typing);
    *(f->prev ? &f->prev->next : &d->first) = f->next;
    if (f->next)
        f->next->prev = f->prev;
    follow_forget_reply(f);
    buf_done(&f->text);
    parts_done(&f->plan);
    free(f->bubbles);
    free(f->how);
    free(f->files);
    free(f->choices);
    picture_done(f);
    whole_done(f);
    free(f->refusal);
    free(f->out);
    cJSON_Delete(f->out_entities);
    free(f->kind);
    free(f);
    desk_count(d, -1);
}

static char *put_word(char **at, const char *word) {
    char *here = *at;
    size_t len = strlen(word) + 1;
    memcpy(here, word, len);
    *at += len;
    return here;
}

static void follow_begin(struct desk *d, const struct entry *e, int64_t takeovers) {
    struct follow *f = alloc_zero(sizeof *f);
    char *words = alloc_zero(strlen(e->kind) + strlen(e->chat) + strlen(e->user) + strlen(e->job) + 4);
    f->desk = d;
    f->kind = put_word(&words, e->kind); /* the block is freed by its first word */
    f->chat_name = put_word(&words, e->chat);
    f->user = put_word(&words, e->user);
    f->taken_over = takeovers > 0;
    f->held.on_look = follow_on_look;
    f->held.text_known = -1;
    f->turn.on_turn = on_turn;
    f->call.on_turn = on_place;
    f->call.on_done = on_called;
    f->typing.on_done = on_typed;
    buf_init(&f->text, TEXT_MOST);
    queue_hold(d->svc->queue, &f->held, e);
    f->about = (struct log_subject){.job = put_word(&words, e->job), .chat = f->chat_name}; /* held has a job only while it is held */
    f->next = d->first;
    if (d->first)
        d->first->prev = f;
    d->first = f;
    f->direct = strcmp(f->kind, KIND_FOLLOW) != 0;
    if (f->direct)
        stand_behind(f);
    desk_count(d, 1);
    steps_start(&f->steps, d->svc->runner, follow_row, desk_let_go);
}

void desk_begin(struct desk *d, const struct entry *e, int64_t takeovers) {
    if (!strcmp(e->kind, KIND_PRESS))
        press_begin(d, e);
    else
        follow_begin(d, e, takeovers);
}

/* --- the desk --- */

struct desk *desk_new(struct svc *s) {
    static struct metric *const all[] = {&counted.sends, &counted.edits, &counted.skipped, &counted.ambiguous, &counted.parks,
                                         &counted.undeliverable, &counted.jobs, &counted.alerts, &counted.following, NULL};
    metrics_list(all);
    struct desk *d = alloc_zero(sizeof *d);
    d->svc = s;
    d->telegram = telegram_new(s->loop, setting_text("TELEGRAM_API_URL"), setting_text("BOT_TOKEN"), setting_text("TELEGRAM_PROXY"));
    d->pace = pace_new(s->loop, setting_number("TELEGRAM_RATE_GLOBAL"), setting_number("TELEGRAM_RATE_CHAT"),
                       setting_number("STREAM_EDIT_MS"));
    uv_timer_init(s->loop, &d->drain);
    d->drain.data = d;
    return d;
}

static void on_desk_closed(uv_handle_t *drain) {
    free(drain->data);
}

void desk_free(struct desk *d) {
    telegram_free(d->telegram);
    pace_free(d->pace);
    uv_close((uv_handle_t *)&d->drain, on_desk_closed);
}

unsigned desk_room(const struct desk *d) {
    return d->count < FOLLOWED_MOST ? FOLLOWED_MOST - d->count : 0;
}

bool desk_is_empty(const struct desk *d) {
    return d->count == 0;
}

/* What is still in flight now will not be waited for: its outcome is unknown, and the next holder knows what that means. */
static void on_drain_over(uv_timer_t *drain) {
    struct desk *d = drain->data;
    for (struct follow *f = d->first; f; f = f->next) {
        if (!telegram_is_calling(&f->call))
            continue;
        telegram_leave(&f->call);
        f->call.verdict = (struct telegram_verdict){.what = TELEGRAM_UNKNOWN, .may_come_late = true, .why = "we are leaving"};
        on_called(&f->call);
    }
}

void desk_drain(struct desk *d) {
    for (struct follow *f = d->first; f; f = f->next) {
        bool waits = f->turn.waits || f->call.waits;
        pace_leave(d->pace, &f->turn);
        if (f->call.waits)
            telegram_leave(&f->call);
        if (waits)
            steps_wake(&f->steps);       /* finds itself outdated */
        else
            follow_wake_idle(f);
    }
    press_drain(d);
    uv_timer_start(&d->drain, on_drain_over, DRAIN_MS, 0);
}
