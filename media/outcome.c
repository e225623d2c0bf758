/* What became of it: the contents of the commit. A question for the model, one clear line, or silence because somebody said stop. */
#include "media/task.h"
#include "media/words.h"
#include "proto/keys.h"
#include "services/metrics.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUESTION_MAX = 512 * 1024, FIELDS_PER_FILE = 4, FIELDS_MORE = 4 };

static struct metric refused_total = {"media_refused_total", "files that were of no use", NULL, METRIC_COUNTER};
static struct metric dead_total = {"media_dead_total", "jobs given up", NULL, METRIC_COUNTER};

void outcome_list_metrics(void) {
    static struct metric *const figures[] = {&refused_total, &dead_total, NULL};
    metrics_list(figures);
}

/* ── parts of every commit ─────────────────────────────────────────────────────────────────────────────────── */

static void put(struct task *t, const char *name, const char *value) {
    struct pair *list = (struct pair *)t->end.fields;
    list[t->end.fields_count++] = (struct pair){name, value};
}

static void put_n(struct task *t, const char *front, int n, const char *value) {
    if (value)
        put(t, arena_printf(t->mem, "%s:%d", front, n), value);
}

static void book(struct task *t, const struct heard *h) {
    heard_book(t, h, arena_printf(t->mem, "%s:%s", t->held.job, t->call), &t->usage);
    t->end.events = &t->usage;
    t->end.events_count = 1;
    t->end.cost_nusd = t->usage.cost_nusd;
}

/* What holds whatever comes next: the uploads that are there, and the bill of the call that this round made. */
static void begin_end(struct task *t, const char *next, const char *how) {
    struct item *i = t->at < t->count ? task_item(t) : NULL;
    t->end = (struct commit){.next = next, .how = how, .text_len = fields_int_or(t->job, "said", 0), .rest = "",
        .fields = arena_alloc(t->mem, sizeof(struct pair) * (size_t)(t->count * FIELDS_PER_FILE + FIELDS_MORE))};
    for (int n = 0; n < t->count; n++)
        put_n(t, "upload", n, t->items[n].upload);
    bool heard = t->call && *t->call == 'h' && i;
    if (!heard)
        return;
    t->end.call = t->call;
    put(t, arena_printf(t->mem, "response:%s", t->call), i->result ? i->result : "");
    if (i->heard.text && !i->booked) {
        book(t, &i->heard);
        put_n(t, "booked", t->at, "1");
    }
}

/* ── a question ────────────────────────────────────────────────────────────────────────────────────────────── */

static const char *default_question(const struct task *t, int images, int documents) {
    return texts_fixed(t->lang, !documents ? images > 1 ? "ask_images" : "ask_image" : documents + images > 1 ? "ask_files" : "ask_document");
}

static void add_line(struct buf *b, const char *text) {
    if (b->len)
        (void)buf_add_str(b, "\n\n");
    (void)buf_add_str(b, text);
}

static enum step_end ask_the_model(struct task *t) {
    struct buf question, before;
    int images = 0, documents = 0, heard = 0;
    const char *opening = "";
    buf_init(&question, QUESTION_MAX);
    buf_init(&before, 2 * QUESTION_MAX);
    if (*fields_str(t->job, "text"))
        add_line(&question, fields_str(t->job, "text"));
    begin_end(t, STREAM_LLM, NULL);
    for (int n = 0; n < t->count; n++) {
        const struct item *i = &t->items[n];
        if (i->heard.text && *i->heard.text) {
            heard++;
            add_line(&question, i->heard.text);
            words_heard(t->lang, i->heard.text, &before);
        } else if (i->input) {
            put_n(t, "input", images + documents, i->input);
            images += i->input[0] == 'i';
            documents += i->input[0] == 'f';
            if (!*opening)
                opening = i->opening;
        }
    }
    if (*opening)
        (void)buf_add_str(&before, texts_fixed(t->lang, opening));
    if (!heard && !images && !documents) {
        buf_done(&question);
        buf_done(&before);
        return task_refuse(t, "no_words", NULL, "nothing was said");
    }
    if (!question.len)
        add_line(&question, default_question(t, images, documents));
    put(t, "text", arena_str(t->mem, buf_cstr(&question)));
    if (heard)
        put(t, "heard", "1");
    t->end.rest = arena_copy(t->mem, buf_cstr(&before), before.len);
    t->end.rest_len = before.len;
    buf_done(&question);
    buf_done(&before);
    return steps_goto(&t->steps, "commit");
}

enum step_end step_settle(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    bool to_be_booked = t->at < t->count && task_item(t)->heard.text && !task_item(t)->booked;
    spool_close(&t->spool);
    int left = 0;
    for (int n = 0; n < t->count; n++)
        left += !t->items[n].done || (n != t->at && t->items[n].heard.text && !t->items[n].booked);
    if (!left)
        return ask_the_model(t);
    if (!to_be_booked)
        return steps_goto(s, "next_file");
    begin_end(t, STREAM_MEDIA, NULL);    /* one commit, one bill; the files that are left come with the next entry */
    return steps_goto(s, "commit");
}

/* ── no question ───────────────────────────────────────────────────────────────────────────────────────────── */

enum step_end step_stop(struct steps *s) {
    struct task *t = task_of(s);
    t->napping = false;
    bool paying = t->http && t->asked;   /* what it will be billed nobody will tell us */
    task_hang_up(t);
    convert_kill(t);
    begin_end(t, "follow", HOW_STOPPED);
    if (paying && !task_item(t)->heard.text) {
        struct heard h = {.text = "", .model = task_model(t), .nonce = "", .ms = hear_likely_ms(t), .estimated = true};
        book(t, &h);
        t->usage.status = "cancelled";
    }
    return steps_goto(s, "commit");
}

static int64_t limit_mb(const struct task *t) {
    int64_t ours = t->media->bytes_most >> 20, theirs = t->verdict.limit_mb;
    return theirs && theirs < ours ? theirs : ours;
}

enum step_end step_give_up(struct steps *s) {
    struct task *t = task_of(s);
    const struct verdict *v = &t->verdict;
    bool dead = v->dead || !strcmp(v->line, "failed");
    if (t->unwanted)
        return forget_end(t);
    note(t, dead || v->alert ? LOG_WARN : LOG_INFO, "give_up: %s (%s)", v->why, v->line);
    metric_add(dead ? &dead_total : &refused_total, 1);
    task_hang_up(t);
    begin_end(t, "follow", dead ? HOW_DEAD : HOW_REFUSED);
    t->end.line = v->line;
    t->end.about = dead || v->alert ? v->why : !strcmp(v->line, "file_too_big") ? arena_printf(t->mem, "%" PRId64, limit_mb(t)) : "";
    t->end.alert = v->alert ? v->alert : dead ? "dead" : NULL;
    return steps_goto(s, "commit");
}
