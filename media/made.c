/* Files that the model has made for an answer, by running code: fetched from its container at OpenAI, which is gone after twenty
 * minutes, and put into Redis, out of which each goes to the chat behind the answer (commit: `give:<n>`). Nobody pays for this and
 * the answer is there already: what cannot be had is named in a line below it, and no failure here is a failure of the answer. */
#include "media/task.h"
#include "proto/keys.h"
#include "services/blob.h"
#include "services/clock.h"
#include "services/utf8.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MADE_MOST = 10, FETCH_MS = 120 * SECOND, NAMES_MOST = 200, NO_ROOM_MOST = 10 };

struct making {
    struct made { const char *container, *file, *name; bool given; } list[MADE_MOST];
    int count, at;
    char blob[120];
    int64_t stored, piece;
    int no_room;                         /* tries in a row */
    bool full;
    char lost[NAMES_MOST];
};

/* ── which ─────────────────────────────────────────────────────────────────────────────────────────────────── */

void made_begin(struct task *t) {
    t->making = arena_alloc(t->mem, sizeof *t->making);
    *t->making = (struct making){0};
}

/* `made:<n>` = `<container id> <file id> <name>` */
static bool read_made(struct task *t, int n, struct made *ret) {
    const char *value = fields_get(t->job, arena_printf(t->mem, "made:%d", n));
    size_t container = value ? strcspn(value, " ") : 0, file = container && value[container] ? strcspn(value + container + 1, " ") : 0;
    if (!file || !value[container + 1 + file])
        return false;
    *ret = (struct made){arena_copy(t->mem, value, container), arena_copy(t->mem, value + container + 1, file), value + container + file + 2};
    return upload_is_id(ret->container) && upload_is_id(ret->file);
}

enum step_end made_plan(struct steps *s) {
    struct task *t = task_of(s);
    struct making *m = t->making;
    while (m->count < MADE_MOST && read_made(t, m->count, &m->list[m->count]))
        m->count++;
    return STEP_NEXT;
}

enum step_end made_next(struct steps *s) {
    struct task *t = task_of(s);
    struct making *m = t->making;
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    spool_close(&t->spool);
    t->fails = t->unreached = 0;
    t->over = t->disk_full = false;
    m->stored = m->no_room = 0;
    if (m->at == m->count)
        return steps_goto(s, "give");
    (void)snprintf(m->blob, sizeof m->blob, "%.64s-%s-%d", t->held.job, t->held.entry, m->at);     /* another's, who had it before, may still come */
    return STEP_NEXT;
}

/* ── from there to here ────────────────────────────────────────────────────────────────────────────────────── */

static void on_bytes(const char *data, size_t len, void *owner) {
    struct task *t = owner;
    t->over |= t->spool.len + (int64_t)len > t->media->bytes_most;
    t->disk_full |= !t->over && spool_add(&t->spool, data, len) != 0;
    if (!t->over && !t->disk_full)
        return;
    task_hang_up(t);
    t->answered = true;
    steps_wake(&t->steps);
}

enum step_end made_fetch(struct steps *s) {
    struct task *t = task_of(s);
    struct media *media = t->media;
    const struct made *file = &t->making->list[t->making->at];
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    t->disk_full = t->spool.fd < 0 ? spool_open(&t->spool) != 0 : spool_clear(&t->spool) != 0;
    if (t->disk_full) {
        t->answered = true;
        return STEP_NEXT;
    }
    const char *headers[] = {media->authorization, NULL};
    struct http_request r = {
        .method = "GET", .url = arena_printf(t->mem, "%s/containers/%s/files/%s/content", media->openai_url, file->container, file->file),
        .headers = headers, .on_bytes = on_bytes, .max_body = 64 * 1024, .deadline_ms = FETCH_MS,
    };
    task_call(t, media->openai, &r);
    return STEP_WAIT;
}

static enum step_end lose(struct task *t, const char *why) {
    struct making *m = t->making;
    size_t len = strlen(m->lost);
    note(t, LOG_WARN, "%s: a file that was made cannot be had: %s", t->steps.now, why);
    const char *name = m->list[m->at].name;
    if (len + 8 < sizeof m->lost)        /* else there are more than anybody would read */
        (void)snprintf(m->lost + len, sizeof m->lost - len, "%s%.*s", len ? ", " : "", (int)utf8_cut_bytes(name, strlen(name), sizeof m->lost - len - 3), name);
    m->at++;
    return steps_goto(&t->steps, "next_made");
}

enum step_end made_judge(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    if (!t->answered)
        return task_wait_again(t);
    if (t->over || t->disk_full)
        return lose(t, t->over ? "it is too large" : "the disk is full");
    t->verdict = judge_openai(&t->result, NULL);
    if (t->verdict.what == VERDICT_AGAIN)
        return task_again(t, "fetch_made");
    if (t->verdict.what != VERDICT_OK || !t->spool.len)
        return lose(t, t->verdict.what != VERDICT_OK ? t->verdict.why : "it is empty");
    return STEP_NEXT;
}

/* ── into Redis ────────────────────────────────────────────────────────────────────────────────────────────── */

static void on_piece(const redisReply *reply, void *owner) {
    struct task *t = owner;
    t->script = NULL;
    t->making->full = strcmp(answer_word(reply), "ok") != 0 || reply->type == REDIS_REPLY_ERROR;
    steps_wake(&t->steps);
}

static void drop(struct task *t) {
    struct args args = {0};
    blob_drop(&args, t->making->blob, t->making->stored);
    (void)redis_script(t->media->svc->redis, SCRIPT_BLOB, &args, NULL, NULL);
}

enum step_end made_store(struct steps *s) {
    struct task *t = task_of(s);
    struct making *m = t->making;
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    struct args args = {0};
    m->piece = blob_piece(&args, m->blob, &t->spool, m->stored);
    if (m->piece < 0) {
        drop(t);
        return lose(t, "the disk is ill");
    }
    if (!m->piece) {
        m->list[m->at++].given = true;
        return steps_goto(s, "next_made");
    }
    t->script = redis_script(t->media->svc->redis, SCRIPT_BLOB, &args, on_piece, t);
    return STEP_WAIT;
}

enum step_end made_stored(struct steps *s) {
    struct task *t = task_of(s);
    struct making *m = t->making;
    if (t->script)
        return task_wait_again(t);
    if (!m->full) {
        m->stored += m->piece;
        m->no_room = 0;
        return steps_goto(s, "store_piece");
    }
    if (++m->no_room < NO_ROOM_MOST)     /* others' pictures are on their way */
        return task_nap(t, "store_piece", SECOND);
    drop(t);
    return lose(t, "there is no room for it");
}

/* ── the end ───────────────────────────────────────────────────────────────────────────────────────────────── */

enum step_end made_give(struct steps *s) {
    struct task *t = task_of(s);
    struct making *m = t->making;
    struct pair *fields = arena_alloc(t->mem, (MADE_MOST + 1) * sizeof *fields);
    t->end = (struct commit){.next = "follow", .text_len = fields_int_or(t->job, "said", 0), .rest = "", .fields = fields};
    for (int i = 0, n = 0; i < m->count; i++)
        if (m->list[i].given)
            fields[t->end.fields_count++] = (struct pair){arena_printf(t->mem, "give:%d", n++),
                arena_printf(t->mem, "%.64s-%s-%d %s", t->held.job, t->held.entry, i, m->list[i].name)};
    if (*m->lost)
        fields[t->end.fields_count++] = (struct pair){"unmade", m->lost};
    return steps_goto(s, "commit");
}

/* The answer is there: whoever says stop now, or what fails here, costs the files that are left and no more. */
enum step_end made_enough(struct steps *s) {
    struct task *t = task_of(s);
    t->napping = false;
    task_hang_up(t);
    if (t->making->stored && !t->gone)
        drop(t);
    while (!t->stop && t->making->at < t->making->count)
        (void)lose(t, t->verdict.why ? t->verdict.why : "given up");
    return made_give(s);
}
