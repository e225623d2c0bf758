#include "outbound/followed.h"
#include <stdlib.h>
#include <string.h>
#include "outbound/doing.h"
#include "outbound/entities.h"
#include "proto/cleanup.h"
#include "services/alloc.h"

enum {
    TYPING_EVERY_MS = 4500,              /* Telegram shows it for five seconds */
    WORDS_GRACE_MS = 40,                 /* an answer that is whole by then is one message and no edit */
    WORDS_MOST_MS = 700,                 /* then half a word is shown as well */
    WORDS_UNITS = 20,
    LOOK_LEAST_MS = 100
};

/* What tells a growing text from a whole one. */
static const char growing_mark[] = " …";

/* The keyboard counts: an edit that only takes a button away is one. */
static uint64_t shown_hash(const struct part *part, enum button button) {
    uint64_t hash = part->hash + (uint64_t)button;
    return hash ? hash : 1;
}

static cJSON *entities_of(const struct part *part) {
    cJSON *list = entities_json(part->entities, part->count);
    if (cJSON_GetArraySize(list))
        return list;
    cJSON_Delete(list);
    return NULL;
}

static enum step_end choose_part(struct follow *f, enum telegram_method method, size_t part, const struct part *shown, enum button button) {
    free(f->out);
    cJSON_Delete(f->out_entities);
    f->out = alloc_copy(shown->text, shown->len);
    f->out_len = shown->len;
    f->out_entities = entities_of(shown);
    f->out_hash = shown_hash(shown, button);
    f->out_is_link = f->final && f->plan.count == 1 && part_is_link(shown);
    f->button = button;
    f->method = method;
    f->part = part;
    f->status = false;
    return STEP_NEXT;                    /* wait_turn */
}

static enum step_end choose_delete(struct follow *f, size_t part) {
    struct part nothing = part_plain("");
    return choose_part(f, TELEGRAM_DELETE, part, &nothing, BUTTON_NONE);
}

static enum button final_button(const struct follow *f, size_t part) {
    return part + 1 == f->plan.count ? f->last_button : BUTTON_NONE;
}

/* Does a message stand behind the first `count` parts? */
static bool has_behind(const struct follow *f, size_t count, size_t *ret_part) {
    for (size_t i = count; i < f->count; i++) {
        *ret_part = i;
        if (f->bubbles[i].id)
            return true;
    }
    return false;
}

/* A message that is a file, and is to be words, or the other way round, goes first. */
static bool part_lacks(const struct follow *f, size_t part, enum telegram_method *ret_method) {
    const struct bubble *b = part < f->count ? &f->bubbles[part] : NULL;
    bool is_there = b && b->id, is_file = f->plan.list[part].is_file;
    if (!is_there)
        *ret_method = is_file ? TELEGRAM_DOCUMENT : TELEGRAM_SEND;
    else
        *ret_method = b->is_file == is_file ? TELEGRAM_EDIT : TELEGRAM_DELETE;
    if (*ret_method == TELEGRAM_EDIT)
        return !is_file && b->hash != shown_hash(&f->plan.list[part], final_button(f, part));
    return true;
}

bool choose_lacks(const struct follow *f, enum telegram_method *ret_method, size_t *ret_part) {
    if (f->picture.is)
        return picture_lacks(f, ret_method, ret_part);
    for (size_t i = 0; i < f->plan.count; i++) {
        *ret_part = i;
        if (part_lacks(f, i, ret_method))
            return true;
    }
    *ret_method = TELEGRAM_DELETE;
    return has_behind(f, f->plan.count, ret_part);
}

/* Wait for Telegram: in memory, or, once the job is ours to park, in `later`, where restarts cannot lose it. */
static enum step_end hold_off(struct follow *f, int64_t wait_ms) {
    if (f->final && wait_ms >= PACE_PARK_MS)
        return steps_goto(&f->steps, "clear_mark");
    return follow_rest(f, wait_ms);
}

static enum step_end choose_picture(struct follow *f, enum telegram_method method) {
    if (!f->picture.loaded)
        return steps_goto(&f->steps, "load_picture");
    struct part caption = part_plain(f->picture.caption);
    return choose_part(f, method, PICTURE_PART, &caption, f->last_button);
}

static enum step_end choose_final(struct follow *f, int64_t now) {
    enum telegram_method method;
    size_t part;
    if (f->gone && !f->gone_told)
        return steps_goto(&f->steps, "tell_gone");
    if (f->gone || f->refused)
        return steps_goto(&f->steps, "commit");
    bool lacking = choose_lacks(f, &method, &part);
    bool late = !lacking && f->late_until_ms && f->late_part < f->plan.count && !f->plan.list[f->late_part].is_file;
    if (!lacking && !late)
        return steps_goto(&f->steps, "commit");
    if (f->desk->svc->draining)
        return steps_goto(&f->steps, "clear_mark");
    if (desk_has_earlier(f))
        return follow_rest(f, LONG_MS);
    int64_t wait = f->not_before_ms - now;
    if (late && f->late_until_ms - now > wait)
        wait = f->late_until_ms - now;   /* an edit of before may still come over the final one: once more after it */
    if (wait > 0)
        return late ? follow_rest(f, wait) : hold_off(f, wait);
    if (!queue_trusted(f->desk->svc->queue))
        return follow_rest(f, UNTRUSTED_MS);
    if (late) {
        method = TELEGRAM_EDIT;
        part = f->late_part;
        f->late_until_ms = 0;
        f->bubbles[part].hash = 0;
    }
    if (method == TELEGRAM_DELETE)
        return choose_delete(f, part);
    if (f->picture.is)
        return choose_picture(f, method);
    if (method == TELEGRAM_DOCUMENT && whole_load(f) < 0) {
        log_warn(&f->about, "no place for the file with the whole answer: all of it comes in messages");
        f->whole.refused = true;
        return steps_goto(&f->steps, "take");
    }
    return choose_part(f, method, part, &f->plan.list[part], final_button(f, part));
}

/* Typing: asked for and forgotten; nothing waits for it. It would come over a draft that stands. */
static void type_if_due(struct follow *f, int64_t now) {
    if (f->has_words || f->preview.shown_at_ms || now < f->typing_at_ms)
        return;
    f->typing_at_ms = now + TYPING_EVERY_MS;
    if (now < f->not_before_ms || telegram_is_calling(&f->typing) || !telegram_has_room(f->desk->telegram) ||
        !pace_may_type(f->desk->pace))
        return;
    struct telegram_message m = {.chat = f->chat, .topic = f->topic, .action = doing_action(f)};
    telegram_start(f->desk->telegram, &f->typing, TELEGRAM_TYPING, telegram_body(TELEGRAM_TYPING, &m), TELEGRAM_EDIT_MS);
}

/* Are there words to begin with? *ret_wait_ms: if not, how long until there are at the latest. */
static bool has_first_words(const struct follow *f, const struct parts *plan, int64_t now, int64_t *ret_wait_ms) {
    if (!plan->count) {
        *ret_wait_ms = LONG_MS;
        return false;
    }
    const struct part *first = &plan->list[0];
    int64_t since = now - f->words_at_ms;
    bool enough = memchr(first->text, ' ', first->len) || memchr(first->text, '\n', first->len) || first->units >= WORDS_UNITS;
    *ret_wait_ms = (enough ? WORDS_GRACE_MS : WORDS_MOST_MS) - since;
    return *ret_wait_ms <= 0;
}

/* The part that grows, as a draft: its button is the draft's. */
static bool is_draft(const struct follow *f, const struct parts *plan, size_t part) {
    return part + 1 == plan->count && preview_takes(f, part);
}

static enum button growing_button(const struct follow *f, const struct parts *plan, size_t part) {
    return part + 1 == plan->count && !is_draft(f, plan, part) ? BUTTON_STOP : BUTTON_NONE;
}

static bool is_shown(const struct follow *f, const struct parts *plan, size_t part) {
    const struct bubble *b = part < f->count ? &f->bubbles[part] : NULL;
    if (is_draft(f, plan, part))
        return preview_shows(f, &plan->list[part]);
    return b && b->id && b->hash == shown_hash(&plan->list[part], growing_button(f, plan, part));
}

/* The first part of the growing text that the chat does not have like this. */
static bool has_news(const struct follow *f, const struct parts *plan, size_t *ret_part) {
    for (size_t i = 0; i < plan->count && i < PARTS_MOST; i++) {
        *ret_part = i;
        if (!is_shown(f, plan, i))
            return true;
    }
    return false;
}

/* Nothing to show before the next thing that is due by the clock. */
static enum step_end rest_growing(struct follow *f, int64_t now, int64_t wait_ms) {
    int64_t fades = preview_left_ms(f, now);
    if (!f->has_words && !f->preview.shown_at_ms && f->typing_at_ms - now < wait_ms)
        wait_ms = f->typing_at_ms - now;
    return follow_rest(f, wait_ms < fades ? wait_ms : fades);
}

/* Of the answer that a retry replaces, what stands behind the first `count` parts goes. */
static bool choose_old_part(struct follow *f, size_t count, int64_t now) {
    size_t part;
    if (!f->retry || now < f->not_before_ms || !telegram_has_room(f->desk->telegram) || !has_behind(f, count, &part))
        return false;
    (void)choose_delete(f, part);        /* always the next step */
    return true;
}

/* There are no words yet: after three seconds it is said in a message what is being done, and again when that is something else; the
 * words will replace it. Of a retry in the old one. */
static enum step_end choose_status(struct follow *f, int64_t now) {
    struct part status = part_plain(doing_line(f));
    const struct bubble *b = f->count && f->bubbles[0].id ? &f->bubbles[0] : NULL;
    if (preview_takes(f, 0) && preview_shows(f, &status))
        return rest_growing(f, now, LONG_MS);
    if (preview_takes(f, 0) && now < f->preview.not_before_ms)
        return rest_growing(f, now, f->preview.not_before_ms - now);
    if (b && b->hash == shown_hash(&status, BUTTON_STOP) && choose_old_part(f, 1, now))
        return STEP_NEXT;
    if (b && b->hash == shown_hash(&status, BUTTON_STOP))
        return rest_growing(f, now, LONG_MS);
    int64_t due = b && !f->retry ? f->show_at_ms : f->status_at_ms;
    if (now < due)
        return rest_growing(f, now, due - now);
    f->status_at_ms = now + STATUS_AFTER_MS;
    if (now < f->not_before_ms || pace_is_crowded(f->desk->pace) || !telegram_has_room(f->desk->telegram))
        return rest_growing(f, now, STATUS_AFTER_MS); /* may be left out: answers are waiting */
    enum step_end end = preview_takes(f, 0) ? choose_part(f, TELEGRAM_DRAFT, 0, &status, BUTTON_NONE)
                                            : choose_part(f, b ? TELEGRAM_EDIT : TELEGRAM_SEND, 0, &status, BUTTON_STOP);
    f->status = true;
    return end;
}

/* All words are shown that we know of. Looks come once a second: who may edit more often looks more often. */
static enum step_end wait_for_words(struct follow *f, int64_t now) {
    int64_t gap = pace_edit_gap_ms(f->desk->pace, f->chat);
    if (gap >= SECOND)
        return rest_growing(f, now, LONG_MS);
    if (now >= f->look_at_ms) {
        f->look_at_ms = now + (gap > LOOK_LEAST_MS ? gap : LOOK_LEAST_MS);
        queue_look(&f->held);
    }
    return follow_rest(f, f->look_at_ms - now);
}

/* Behind the words so far: that they grow, or what is being done instead, where that has room. */
static void add_tail(const struct follow *f, struct parts *plan) {
    const char *doing = doing_under_words(f);
    size_t count = plan->count;
    if (doing)
        parts_add_line(plan, doing, strlen(doing));
    else
        parts_add_mark(plan, growing_mark);
    parts_keep(plan, count);
}

/* Rendering a long text takes its time: no more often than an edit may go out. */
static enum step_end choose_words(struct follow *f, int64_t now) {
    if (f->has_words && now < f->show_at_ms)
        return follow_rest(f, f->show_at_ms - now);
    if (f->has_words && now < f->not_before_ms)
        return rest_growing(f, now, f->not_before_ms - now);
    if (f->preview.id && now < f->preview.not_before_ms)
        return rest_growing(f, now, f->preview.not_before_ms - now);
    size_t part;
    int64_t wait;
    CLEANUP(parts_done) struct parts plan = {0};
    parts_render(&plan, f->text.data, f->text.len, true, "");
    parts_keep(&plan, (size_t)setting_number("MAX_ANSWER_PARTS"));     /* what is behind them will be in a file */
    if (!f->has_words && !has_first_words(f, &plan, now, &wait))
        return wait < LONG_MS ? rest_growing(f, now, wait) : choose_status(f, now);
    if (now < f->not_before_ms)
        return rest_growing(f, now, f->not_before_ms - now);
    if (!preview_takes(f, plan.count - 1) || doing_under_words(f))
        add_tail(f, &plan);
    if (!has_news(f, &plan, &part)) {
        if (choose_old_part(f, plan.count, now))
            return STEP_NEXT;
        f->dirty = false;
        return wait_for_words(f, now);
    }
    bool is_there = part < f->count && f->bubbles[part].id, draft = is_draft(f, &plan, part);
    bool busy = pace_is_crowded(f->desk->pace) || !telegram_has_room(f->desk->telegram);
    if ((is_there || draft) && f->has_words && busy) {
        metric_add(&counted.skipped, 1);
        f->show_at_ms = now + pace_edit_gap_ms(f->desk->pace, f->chat) + 1;
        return follow_rest(f, f->show_at_ms - now);
    }
    return choose_part(f, draft ? TELEGRAM_DRAFT : is_there ? TELEGRAM_EDIT : TELEGRAM_SEND, part, &plan.list[part], growing_button(f, &plan, part));
}

static enum step_end choose_growing(struct follow *f, int64_t now) {
    type_if_due(f, now);
    preview_refresh(f, now);
    if (f->text.len && f->dirty && !f->preview.off)
        return choose_words(f, now);
    return f->has_words && !f->preview.off ? wait_for_words(f, now) : choose_status(f, now);
}

enum step_end choose(struct steps *s) {
    struct follow *f = follow_of(s);
    int64_t now = clock_mono_ms();
    f->idle = false;
    if (f->lost) {
        log_info(&f->about, "another one shows this now");
        return STEP_END;
    }
    if ((f->live && !f->final) || f->stopping)
        return steps_goto(s, "take");
    if (f->final)
        return choose_final(f, now);
    if (f->desk->svc->draining)
        return steps_goto(s, "clear_mark");
    if (f->gone)
        return f->gone_told ? follow_rest(f, LONG_MS) : steps_goto(s, "tell_gone");
    if (f->refused || f->grown)
        return follow_rest(f, LONG_MS);         /* perhaps it takes the whole of it */
    if (!queue_trusted(f->desk->svc->queue))
        return follow_rest(f, UNTRUSTED_MS);
    return choose_growing(f, now);
}
