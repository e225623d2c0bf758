#include "outbound/followed.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"
#include "services/utf8.h"

/* A draft, or an edit of words that still grow, may be left out; the first words over a status line may not. */
static bool may_be_skipped(const struct follow *f) {
    return f->method == TELEGRAM_DRAFT || (f->method == TELEGRAM_EDIT && !f->final && f->has_words);
}

/* Who waited may find that the answer has become whole, is not wanted any more, or is somebody else's, in the meantime. */
static bool is_outdated(const struct follow *f) {
    return f->lost || (f->live && !f->final) || f->stopping || f->desk->svc->draining;
}

enum step_end show_wait_turn(struct steps *s) {
    struct follow *f = follow_of(s);
    f->unpaced = f->method == TELEGRAM_DELETE || pace_is_off(f->desk->pace);
    if (f->unpaced || may_be_skipped(f))
        return STEP_NEXT; /* waits for nobody */
    bool again = f->again;
    f->again = false;
    return pace_enter(f->desk->pace, &f->turn, f->final, again) ? STEP_NEXT : STEP_WAIT;
}

enum step_end show_ask_pace(struct steps *s) {
    struct follow *f = follow_of(s);
    if (f->turn.waits)
        return follow_wait_again(f);
    if (is_outdated(f))
        return steps_goto(s, "choose");
    if (f->unpaced)
        return STEP_NEXT;
    struct args a = {0};
    pace_args(f->desk->pace, &a, f->chat, may_be_skipped(f));
    return follow_script(f, SCRIPT_PACE, &a);
}

enum step_end show_paced(struct steps *s) {
    struct follow *f = follow_of(s);
    if (f->script)
        return follow_wait_again(f);
    if (f->unpaced)
        return STEP_NEXT;
    if (*f->reply.error)
        return follow_script_failed(f, "choose");
    if (f->reply.n <= 0)
        return STEP_NEXT;
    if (may_be_skipped(f)) {
        metric_add(&counted.skipped, 1);
        f->show_at_ms = clock_mono_ms() + f->reply.n;
        preview_put_off(f, f->reply.n);
    } else {
        f->not_before_ms = clock_mono_ms() + f->reply.n;
        f->again = true;
    }
    return steps_goto(s, "choose");
}

enum step_end show_wait_place(struct steps *s) {
    struct follow *f = follow_of(s);
    return telegram_enter(f->desk->telegram, &f->call, f->final) ? STEP_NEXT : STEP_WAIT;
}

enum step_end show_run_mark(struct follow *f, const char *from, const char *to) {
    struct args a = {0};
    args_str(&a, f->held.entry);
    args_str(&a, f->held.job);
    args_str(&a, f->desk->svc->worker);
    args_int(&a, (int64_t)f->part);
    args_str(&a, from);
    args_str(&a, to);
    return follow_script(f, SCRIPT_MARK, &a);
}

enum step_end show_mark_part(struct steps *s) {
    struct follow *f = follow_of(s);
    if (f->call.waits)
        return follow_wait_again(f);
    if (is_outdated(f)) {
        telegram_leave(&f->call);
        return steps_goto(s, "choose");
    }
    if (!telegram_sends(f->method))
        return STEP_NEXT;
    return show_run_mark(f, follow_bubble(f, f->part)->marked ? "S" : "", "S");
}

/* Does it stand right below its question? Of what came in between the mark has told. */
static void decide_reply(struct follow *f) {
    if (strtoll(f->reply.second, NULL, 10) > f->question)
        f->reply_to = f->question;
    f->question = 0;
}

/* The mark before a send: *ret_end when it does not stand. */
static bool is_marked(struct follow *f, enum step_end *ret_end) {
    struct bubble *b = follow_bubble(f, f->part);
    if (!strcmp(f->reply.word, "ok")) {
        if (b->marked && !b->unsent) {   /* it may be in the chat already; twice is better than never */
            metric_add(&counted.ambiguous, 1);
            log_warn(&f->about, "part %zu may have been sent before: sent again", f->part);
        }
        b->marked = b->unsent = true;    /* so far */
        if (f->question)
            decide_reply(f);
        return true;
    }
    telegram_leave(&f->call);
    if (*f->reply.error) {
        *ret_end = follow_script_failed(f, "choose");
        return false;
    }
    if (!strcmp(f->reply.word, "no") && strcmp(f->reply.second, "S")) { /* it stands there already: ours, from before a break */
        bubble_read(b, f->reply.second);
        b->marked = b->unsent = false;
    } else if (!strcmp(f->reply.word, "no")) {
        b->marked = true;
        b->unsent = false;
    } else {
        f->lost = true;
    }
    *ret_end = steps_goto(&f->steps, "choose");
    return false;
}

/* What Telegram is sure to take: no longer than half of what it takes, and nothing but text. Never needed if we count as it does. */
static void make_plain(struct follow *f) {
    f->out_len = utf8_fit(f->out, f->out_len, MESSAGE_MAX_UNITS / 2);
    f->keys = TELEGRAM_KEYS_NONE;
    f->button = BUTTON_NONE;
}

enum step_end show_call(struct steps *s) {
    struct follow *f = follow_of(s);
    enum step_end end;
    if (f->script)
        return follow_wait_again(f);
    if (telegram_sends(f->method) && !is_marked(f, &end))
        return end;
    if (!queue_trusted(f->desk->svc->queue)) {
        telegram_leave(&f->call);
        return follow_rest(f, UNTRUSTED_MS);
    }
    if (f->plain)
        make_plain(f);
    if (telegram_sends(f->method))
        follow_bubble(f, f->part)->unsent = false;
    struct telegram_message m = {.chat = f->chat, .topic = f->topic, .id = follow_bubble(f, f->part)->id, .text = f->out,
                                 .text_len = f->out_len, .entities = f->bare || f->plain ? NULL : f->out_entities, .keys = f->part == 0 ? f->keys : TELEGRAM_KEYS_NONE,
                                 .draft = f->preview.id, .preview = f->out_is_link, .reply_to = f->part == 0 || f->picture.is ? f->reply_to : 0};
    struct keyboard keyboard;
    buttons_put(f, &keyboard, &m);
    bool quick = f->method != TELEGRAM_SEND || f->desk->svc->draining;
    f->answered = false;
    f->called.chat = f->chat;
    f->called.topic = f->topic;
    if (f->method == TELEGRAM_PHOTO || f->method == TELEGRAM_DOCUMENT) {
        (f->picture.is ? picture_send : whole_send)(f, &m);
        return STEP_WAIT;
    }
    telegram_start(f->desk->telegram, &f->call, f->method, telegram_body(f->method, &m), quick ? TELEGRAM_EDIT_MS : TELEGRAM_SEND_MS);
    return STEP_WAIT;
}

static void run_pause(struct follow *f, int64_t chat, int64_t wait_ms) {
    struct args a = {0};
    if (chat)
        args_int(&a, chat);
    else
        args_str(&a, "all");
    args_int(&a, wait_ms);
    redis_script(f->desk->svc->redis, SCRIPT_PAUSE, &a, NULL, NULL);
}

/* The chat is not to be bothered for so long, by anybody; and should it be no matter of this chat, nobody is. */
void show_pause_chat(struct follow *f, int64_t wait_ms) {
    f->not_before_ms = clock_mono_ms() + wait_ms;
    if (wait_ms <= 0)
        return;
    run_pause(f, f->chat, wait_ms);
    int64_t all_ms = pace_refused(f->desk->pace, f->chat, wait_ms);
    if (all_ms <= 0)
        return;
    log_warn(&f->about, "Telegram refuses everybody: the bot is silent for %" PRId64 " ms", all_ms);
    run_pause(f, 0, all_ms);
}

/* The group has another id: everybody is told, and we go on there, where what stood in the old one cannot be replied to. */
void show_move(struct follow *f, int64_t to) {
    log_info(&f->about, "the group has become %" PRId64, to);
    struct args a = {0};
    args_int(&a, f->chat);
    args_int(&a, to);
    redis_script(f->desk->svc->redis, SCRIPT_MIGRATE, &a, NULL, NULL);
    f->chat = to;
    f->topic = f->reply_to = 0;
}

static void back_off(struct follow *f, const struct telegram_verdict *v) {
    f->tries++;
    int64_t wait = pace_backoff_ms(f->tries, telegram_outage_ms(f->desk->telegram));
    if (v->what == TELEGRAM_LOCKED_OUT && wait < PACE_PARK_MS)
        wait = PACE_PARK_MS;
    f->not_before_ms = clock_mono_ms() + wait;
    log_warn(&f->about, "part %zu: %s (%s), again in %" PRId64 " ms", f->part, telegram_word(v->what), v->why, wait);
}

/* Telegram takes it neither like this nor in its plainest form. */
static void give_up(struct follow *f, const char *why) {
    log_error(&f->about, "part %zu is refused in any form: %s", f->part, why);
    f->refused = true;
    free(f->refusal);
    f->refusal = alloc_copy(why, strlen(why));
}

static void note_shown(struct follow *f) {
    int64_t now = clock_mono_ms();
    pace_taken(f->desk->pace);
    f->tries = 0;
    f->bare = f->plain = false;
    f->show_at_ms = now + pace_edit_gap_ms(f->desk->pace, f->chat);
    follow_bubble(f, f->part)->hash = f->out_hash;
    bool is_last_word = telegram_sends(f->method) || f->call.began_ms >= f->late_until_ms;
    if (f->part == f->late_part && is_last_word)
        f->late_until_ms = 0;            /* no edit of before can come over this */
}

static enum step_end mark_as(struct follow *f, const char *from, const char *to) {
    snprintf(f->mark_from, sizeof f->mark_from, "%s", from);
    f->mark_to = to;
    return STEP_NEXT;                    /* keep_mark */
}

static enum step_end mark_missing(struct follow *f) {
    char id[24];
    bubble_note(follow_bubble(f, f->part), id, sizeof id);
    return mark_as(f, id, "S");
}

static enum step_end mark_gone(struct follow *f) {
    char id[24];
    bubble_note(follow_bubble(f, f->part), id, sizeof id);
    return mark_as(f, id, "");
}

static enum step_end after_success(struct follow *f) {
    struct bubble *b = follow_bubble(f, f->part);
    switch (f->method) {
    case TELEGRAM_SEND:
    case TELEGRAM_PHOTO:
    case TELEGRAM_DOCUMENT:
        metric_add(&counted.sends, 1);
        note_shown(f);
        f->preview.hash = 0;             /* a draft goes when a message comes */
        b->id = f->call.verdict.message_id;
        b->is_file = f->method == TELEGRAM_DOCUMENT && !f->picture.is;
        bubble_note(b, f->mark_id, sizeof f->mark_id);
        return mark_as(f, "S", f->mark_id);
    case TELEGRAM_EDIT:
        metric_add(&counted.edits, 1);
        note_shown(f);
        f->has_words = f->has_words || !f->status;
        return steps_goto(&f->steps, "choose");
    case TELEGRAM_DRAFT:
        pace_taken(f->desk->pace);
        preview_shown(f);
        return steps_goto(&f->steps, "choose");
    default:                             /* deleted, or it was not there any more */
        return mark_gone(f);
    }
}

/* What stands there cannot be changed. While the text grows it may stay: every further try would be refused as well. The final
 * form is sent anew, and the old one goes first. */
static enum step_end after_refused_edit(struct follow *f) {
    if (!f->final) {
        f->grown = true;
        return steps_goto(&f->steps, "choose");
    }
    f->method = TELEGRAM_DELETE;
    return steps_goto(&f->steps, "wait_turn");
}

static enum step_end after_refusal(struct follow *f, const char *why) {
    if (f->method == TELEGRAM_DELETE) {
        log_warn(&f->about, "part %zu is not needed any more, and stays: %s", f->part, why);
        return mark_gone(f);
    }
    if (f->part == PICTURE_PART && f->picture.is) {
        log_warn(&f->about, "the picture is refused as a %s: %s", f->picture.as_file ? "file" : "photo", why);
        return steps_goto(&f->steps, picture_another_way(f) ? "choose" : "take");
    }
    if (f->method == TELEGRAM_DOCUMENT) {
        log_warn(&f->about, "no file is taken here, all of it comes in messages: %s", why);
        f->whole.refused = true;
        return steps_goto(&f->steps, "take");
    }
    log_error(&f->about, "part %zu is refused: %s", f->part, why);
    if (!f->plain) {
        f->plain = f->bare || !f->out_entities;
        f->bare = true;                  /* the words first, all of them */
        return steps_goto(&f->steps, "choose");
    }
    f->bare = f->plain = false;
    if (f->method == TELEGRAM_EDIT)
        return after_refused_edit(f);
    give_up(f, why);
    return steps_goto(&f->steps, "choose");
}

enum step_end show_judge(struct steps *s) {
    struct follow *f = follow_of(s);
    if (!f->answered)
        return follow_wait_again(f);
    const struct telegram_verdict *v = &f->call.verdict;
    struct bubble *b = follow_bubble(f, f->part);
    bool sending = telegram_sends(f->method);
    if (f->method == TELEGRAM_DRAFT && v->what != TELEGRAM_OK && preview_judge(f, v))
        return steps_goto(s, "choose");
    if (sending && v->what != TELEGRAM_OK && v->what != TELEGRAM_UNKNOWN)
        b->unsent = true;
    switch (v->what) {
    case TELEGRAM_OK:
        return after_success(f);
    case TELEGRAM_PAUSE:
        show_pause_chat(f, v->wait_ms);
        log_warn(&f->about, "part %zu: asked to pause for %" PRId64 " ms", f->part, v->wait_ms);
        break;
    case TELEGRAM_UNKNOWN:
        if (f->method == TELEGRAM_EDIT)
            b->hash = 0;
        if (f->method == TELEGRAM_EDIT && v->may_come_late) {
            f->late_part = f->part;
            f->late_until_ms = clock_mono_ms() + TELEGRAM_EDIT_MS;
        }
        back_off(f, v);
        break;
    case TELEGRAM_NOT_SENT:
    case TELEGRAM_LOCKED_OUT:
        back_off(f, v);
        break;
    case TELEGRAM_MISSING:
        log_info(&f->about, "part %zu is not in the chat any more: sent anew", f->part);
        return mark_missing(f);
    case TELEGRAM_FIXED:
        log_warn(&f->about, "part %zu: %s", f->part, v->why);
        return after_refused_edit(f);
    case TELEGRAM_NO_TOPIC:
        if (!f->called.topic)
            return after_refusal(f, v->why);
        log_warn(&f->about, "its topic is gone: shown without it");
        f->topic = 0;
        break;
    case TELEGRAM_MOVED:
        if (v->moved_to == f->called.chat)
            return after_refusal(f, v->why);
        if (v->moved_to != f->chat)
            show_move(f, v->moved_to);
        break;
    case TELEGRAM_NO_REPLY:
        if (!f->reply_to)
            return after_refusal(f, v->why);
        f->reply_to = 0;
        break;
    case TELEGRAM_CLOSED:
    case TELEGRAM_MUTE:
    case TELEGRAM_GONE:
        log_info(&f->about, "nobody can be shown this: %s", v->why);
        f->gone = true;
        f->closed = v->what == TELEGRAM_CLOSED;
        f->mute = v->what == TELEGRAM_MUTE && f->chat < 0;
        break;
    case TELEGRAM_REFUSED:
        return after_refusal(f, v->why);
    }
    return steps_goto(s, "choose");
}

enum step_end show_keep_mark(struct steps *s) {
    struct follow *f = follow_of(s);
    return show_run_mark(f, f->mark_from, f->mark_to);
}

enum step_end show_kept(struct steps *s) {
    struct follow *f = follow_of(s);
    if (f->script)
        return follow_wait_again(f);
    if (*f->reply.error)
        return follow_script_failed(f, "keep_mark");
    struct bubble *b = follow_bubble(f, f->part);
    bool sent = f->mark_to == f->mark_id;
    if (strcmp(f->reply.word, "ok")) {
        f->lost = true;
        return steps_goto(s, sent ? "take_back" : "choose");
    }
    b->marked = *f->mark_to == 'S';
    b->unsent = b->marked;               /* gone from the chat, and not sent again yet */
    if (!sent) {
        b->id = 0;
        b->hash = 0;
        b->is_file = false;
    }
    if (sent && !f->status)
        f->has_words = true;
    return steps_goto(s, "choose");
}

enum step_end show_take_back(struct steps *s) {
    struct follow *f = follow_of(s);
    log_warn(&f->about, "another one shows this now: our part %zu is deleted", f->part);
    struct telegram_message m = {.chat = f->chat, .id = follow_bubble(f, f->part)->id};
    f->answered = false;
    telegram_start(f->desk->telegram, &f->call, TELEGRAM_DELETE, telegram_body(TELEGRAM_DELETE, &m), TELEGRAM_EDIT_MS);
    return STEP_WAIT;
}

enum step_end show_taken_back(struct steps *s) {
    return follow_of(s)->answered ? STEP_END : follow_wait_again(follow_of(s));
}
