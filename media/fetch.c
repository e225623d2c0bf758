/* From Telegram's id to bytes on this machine, and what they are. The token is in the URLs: these never go anywhere else. */
#include "media/task.h"
#include "proto/json.h"
#include "services/clock.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GET_FILE_MS = 30 * SECOND,
    SILENCE_MS = 30 * SECOND,
    GET_FILE_BODY_MAX = 64 * 1024,
    RELINKS_MOST = 1,
    SHORTS_MOST = 3,                     /* whole answers with too few bytes, before we believe that there are no more */
    PATH_MOST = 1024
};

/* ── where it is ───────────────────────────────────────────────────────────────────────────────────────────── */

enum step_end step_locate(struct steps *s) {
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct task *t = task_of(s);
    struct media *m = t->media;
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    CLEANUP(json_done) cJSON *body = cJSON_CreateObject();
    json_put_str(body, "file_id", task_item(t)->id);
    char *text = json_take_text(body);
    struct http_request r = {
        .method = "POST", .url = arena_printf(t->mem, "%s/bot%s/getFile", m->telegram_url, m->token), .headers = headers, .body = text,
        .body_len = strlen(text), .body_free = free, .max_body = GET_FILE_BODY_MAX, .deadline_ms = GET_FILE_MS,
    };
    task_call(t, m->telegram, &r);
    return STEP_WAIT;
}

/* Only what a URL's path may hold goes into one as it is. */
static const char *escape_path(struct arena *mem, const char *path) {
    char *out = arena_alloc(mem, 3 * strlen(path) + 1), *to = out;
    for (; *path; path++) {
        if ((*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z') || (*path >= '0' && *path <= '9') || strchr("-._~/", *path))
            *to++ = *path;
        else
            to += sprintf(to, "%%%02X", (unsigned char)*path);
    }
    return out;
}

/* A local Bot API server has the file on our disk already. */
static enum step_end open_local(struct task *t, const char *path) {
    int error = spool_borrow(&t->spool, path);
    if (error) {
        t->verdict = (struct verdict){.what = VERDICT_AGAIN, .line = "file_gone", .why = "the local server's file cannot be opened"};
        note(t, LOG_WARN, "judge_locate: %s", strerror(-error));
        return task_again(t, "locate");
    }
    if (t->spool.len > t->media->bytes_most)
        return task_refuse(t, "file_too_big", NULL, "the local file is too large");
    return steps_goto(&t->steps, "look_inside");
}

static enum step_end go_there(struct task *t) {
    CLEANUP(json_done) cJSON *body = t->result.body.data ? json_parse(t->result.body.data, t->result.body.len) : NULL;
    const cJSON *file = json_get_obj(body, "result");
    const char *path = json_get_str(file, "file_path");
    t->size = 0;
    (void)json_get_i64(file, "file_size", &t->size);            /* optional */
    if (t->size > t->media->bytes_most)
        return task_refuse(t, "file_too_big", NULL, "it is too large");
    if (!path || !*path || strlen(path) > PATH_MOST || strstr(path, "..")) {
        t->verdict = (struct verdict){.what = VERDICT_AGAIN, .line = "file_gone", .why = "getFile gave no path"};
        return task_again(t, "locate");
    }
    if (t->media->local_files && *path == '/')
        return open_local(t, path);
    if (*path == '/')
        note(t, LOG_WARN, "judge_locate: the server names a file on its own disk: if that is this machine's, TELEGRAM_LOCAL_FILES=1 is missing");
    t->path = escape_path(t->mem, path);
    return STEP_NEXT;
}

enum step_end step_judge_locate(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    if (!t->answered)
        return task_wait_again(t);
    t->verdict = judge_get_file(&t->result);
    switch (t->verdict.what) {
    case VERDICT_OK:
        return go_there(t);
    case VERDICT_GONE:
    case VERDICT_AGAIN:
        t->verdict.line = "file_gone";
        return task_again(t, "locate");
    case VERDICT_REFUSE:
        break;
    }
    return steps_goto(s, "give_up");
}

/* ── its bytes ─────────────────────────────────────────────────────────────────────────────────────────────── */

/* The most that may come: what was declared, wherever it was. */
static int64_t bound(const struct task *t) {
    const struct item *i = &t->items[t->at];
    int64_t most = t->media->bytes_most;
    if (i->bytes && i->bytes < most)
        most = i->bytes;
    else if (!i->bytes && t->size && t->size < most)
        most = t->size;
    return most;
}

static bool is_whole(const struct task *t) {
    const struct item *i = &t->items[t->at];
    bool ended_well = t->result.fate == HTTP_ANSWERED;
    if (!t->size && !i->bytes)
        return ended_well;
    return (t->size && t->spool.len == t->size) || (i->bytes && t->spool.len == i->bytes && ended_well);
}

static void end_download(struct task *t) {
    task_hang_up(t);
    t->answered = true;
    steps_wake(&t->steps);
}

static void on_bytes(const char *data, size_t len, void *owner) {
    struct task *t = owner;
    const struct http_result *head = http_so_far(t->http);
    if (head->received_bytes == (int64_t)len && !(head->status == 206 && head->range_from == t->spool.len))
        (void)spool_clear(&t->spool);    /* the first bytes, and they are not those we asked for: the whole, from its beginning */
    if (t->spool.len + (int64_t)len > bound(t)) {
        t->over = true;
        end_download(t);
    } else if (spool_add(&t->spool, data, len)) {
        t->disk_full = true;
        end_download(t);
    }
}

enum step_end step_download(struct steps *s) {
    struct task *t = task_of(s);
    struct media *m = t->media;
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    int error = t->spool.fd < 0 ? spool_open(&t->spool) : 0;
    if (error) {
        note(t, LOG_ERROR, "download: no place for the file: %s", strerror(-error));
        t->verdict = (struct verdict){.what = VERDICT_AGAIN, .asked_to_wait = true, .wait_ms = 10 * SECOND, .why = "there is no place for the file"};
        return task_again(t, "download");
    }
    t->over = t->disk_full = false;
    t->had = t->spool.len;
    const char *headers[] = {t->spool.len ? arena_printf(t->mem, "Range: bytes=%" PRId64 "-", t->spool.len) : NULL, NULL};
    struct http_request r = {
        .method = "GET", .url = arena_printf(t->mem, "%s/file/bot%s/%s", m->telegram_url, m->token, t->path), .headers = headers,
        .max_body = GET_FILE_BODY_MAX, .idle_ms = SILENCE_MS, .on_bytes = on_bytes, .bulk = true,
    };
    task_say(t, DOING_DOWNLOADING);
    task_call(t, m->telegram, &r);
    return STEP_WAIT;
}

/* All that the server had, and yet not all. */
static enum step_end too_short(struct task *t) {
    if (++t->shorts > SHORTS_MOST)
        return task_refuse(t, "file_broken", NULL, "there are fewer bytes than was said");
    t->verdict = (struct verdict){.what = VERDICT_AGAIN, .why = "the file came short"};
    return task_again(t, "download");
}

enum step_end step_judge_download(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    if (!t->answered)
        return task_wait_again(t);
    if (t->over)
        return task_refuse(t, bound(t) == t->media->bytes_most ? "file_too_big" : "file_broken", NULL, "more came than was declared");
    if (t->disk_full) {
        spool_close(&t->spool);
        note(t, LOG_ERROR, "judge_download: no room for the file");
        t->verdict = (struct verdict){.what = VERDICT_AGAIN, .asked_to_wait = true, .wait_ms = 10 * SECOND, .why = "there is no room for the file"};
        return task_again(t, "download");
    }
    t->verdict = judge_download(&t->result);
    bool came = t->result.status == 200 || t->result.status == 206;
    if (came && is_whole(t)) {
        t->fails = t->unreached = 0;
        return STEP_NEXT;
    }
    switch (t->verdict.what) {
    case VERDICT_OK:
        return too_short(t);
    case VERDICT_GONE:
        if (t->result.status == 416 && t->spool.len)
            (void)spool_clear(&t->spool);
        if (t->relinks++ < RELINKS_MOST)
            return steps_goto(s, "locate");
        if (t->result.status == 416)
            return task_refuse(t, "file_broken", NULL, "there are fewer bytes than was said");
        return task_refuse(t, "file_gone", NULL, "its link expired twice");
    case VERDICT_AGAIN:
        if (t->spool.len > t->had)       /* it comes, in pieces */
            t->fails = 0;
        t->verdict.line = "file_gone";
        return task_again(t, "download");
    case VERDICT_REFUSE:
        break;
    }
    return steps_goto(s, "give_up");
}

/* ── what they are ─────────────────────────────────────────────────────────────────────────────────────────── */

static void look_in_thread(uv_work_t *work) {
    struct task *t = work->data;
    struct source source = {.size = t->spool.len, .fd = t->spool.fd};
    t->what = sniff(&source, task_item(t)->name);
}

static void on_looked(uv_work_t *work, int status) {
    struct task *t = work->data;
    t->looking = false;
    steps_wake(&t->steps);
}

enum step_end step_look_inside(struct steps *s) {
    struct task *t = task_of(s);
    t->looking = true;
    t->work.data = t;
    if (uv_queue_work(t->media->svc->loop, &t->work, look_in_thread, on_looked))
        abort();                         /* only without a function to run */
    return STEP_WAIT;
}

/* What is refused, in whose words. NULL: nothing is wrong with it. */
static const char *refusal(const struct task *t, const char *kind) {
    const struct sniffed *w = &t->what;
    bool sticker = !strcmp(kind, "sticker");
    if (sticker && w->is != CONTENT_IMAGE && w->is != CONTENT_EMPTY && w->is != CONTENT_BROKEN)
        return "sticker_animated";
    if (!strcmp(kind, "animation") && w->is != CONTENT_IMAGE && w->is != CONTENT_EMPTY)
        return "gif_animated";
    switch (w->is) {
    case CONTENT_SOUND:
    case CONTENT_IMAGE:
        return NULL;
    case CONTENT_DOCUMENT:               /* a photo or a voice that turns out to be a letter is nothing of the kind */
        return strcmp(kind, "document") ? "file_broken" : NULL;
    case CONTENT_EMPTY:
        return "file_empty";
    case CONTENT_SILENT:
        return "video_silent";
    case CONTENT_MOVING:
        return "gif_animated";
    case CONTENT_LOCKED:
        return w->pdf ? "pdf_encrypted" : "doc_encrypted";
    case CONTENT_ARCHIVE:
        return "archive";
    case CONTENT_BROKEN:
        return w->pdf ? "pdf_broken" : "file_broken";
    case CONTENT_OTHER:
        break;
    }
    return strcmp(kind, "document") ? "file_broken" : "file_type";
}

/* What Telegram's own apps and servers have made is taken for that, unless its bytes say that it is something else: whoever
 * understands it better may judge. */
static void believe_telegram(struct task *t, const char *kind) {
    static const struct { const char *kind; struct sniffed is; } made[] = {
        {"photo", {.is = CONTENT_IMAGE, .ext = "jpg", .mime = "image/jpeg"}},
        {"voice", {.is = CONTENT_SOUND, .ext = "ogg", .mime = "audio/ogg"}},
        {"video_note", {.is = CONTENT_SOUND, .ext = "mp4", .mime = "video/mp4"}},
    };
    bool odd = t->what.is == CONTENT_OTHER || t->what.is == CONTENT_BROKEN || t->what.text || (t->what.is == CONTENT_EMPTY && t->spool.len);
    for (size_t i = 0; odd && i < sizeof made / sizeof *made; i++)
        if (!strcmp(kind, made[i].kind) && !t->what.pdf)
            t->what = made[i].is;
}

enum step_end step_sort(struct steps *s) {
    enum { READ_MOST_MB = 50 };          /* of a document */
    struct task *t = task_of(s);
    if (t->looking)
        return task_wait_again(t);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    believe_telegram(t, task_item(t)->kind);
    const char *line = refusal(t, task_item(t)->kind);
    note(t, LOG_DEBUG, "sort: %s of %" PRId64 " bytes is %s", task_item(t)->kind, t->spool.len, line ? line : t->what.ext);
    if (line)
        return task_refuse(t, line, NULL, "of no use");
    bool sound = t->what.is == CONTENT_SOUND;
    if (!sound && t->spool.len > (int64_t)READ_MOST_MB << 20)
        return task_refuse_size(t, READ_MOST_MB, "OpenAI does not take files of this size");
    ask_about(t, sound ? "heard" : "upload");
    return steps_goto(s, !sound ? "begin" : t->what.convert || t->spool.len > (int64_t)HEARD_MOST_MB << 20 ? "convert" : "begin");
}
