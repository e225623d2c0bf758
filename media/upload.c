/* Pictures and documents go to OpenAI's /files and are named by their id from then on. That is not paid, but what nobody knows of
 * stays there for a month: so whoever comes second looks for what the first one has left. Its name is his key: it has the job in it. */
#include "media/task.h"
#include "media/words.h"
#include "proto/json.h"
#include "services/clock.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_MAX = 256 * 1024,
    LIST_MAX = 2 * 1024 * 1024,
    LIST_MS = 20 * SECOND,
    AGO_S = 120,                         /* how far the clocks may be apart */
    ID_MOST = 200
};

static const char *purpose(const struct task *t) {
    return t->what.is == CONTENT_IMAGE ? "vision" : t->shelf ? "assistants" : "user_data";
}

static const char *file_name(struct task *t, bool ours_alone) {
    char tag[12] = "", name[NAME_MAX_BYTES];
    if (ours_alone)
        words_tag(t->held.job, t->at, tag);
    words_file_name(task_item(t)->name, t->what.is == CONTENT_IMAGE ? "image" : "file", tag, t->what.ext, name);
    return arena_str(t->mem, name);
}

/* ── what is kept of it ────────────────────────────────────────────────────────────────────────────────────── */

/* What it may count as at most, for the reservation of the answer about it: words by their bytes, as llm does it. */
static int64_t tokens_most(const struct task *t) {
    enum { PICTURE = 3000, PAGE = 4000 };        /* a page of a PDF is words and a picture */
    if (t->what.is == CONTENT_IMAGE)
        return PICTURE;
    if (!t->what.pdf)
        return t->spool.len;
    return t->what.pages ? (int64_t)t->what.pages * PAGE : PAGE + t->spool.len / 8;
}

static const char *result_for(struct task *t, const char *id) {
    CLEANUP(json_done) cJSON *o = cJSON_CreateObject();
    json_put_str(o, "file", id);
    json_put_str(o, "purpose", purpose(t));
    json_put_i64(o, "bytes", t->spool.len);
    json_put_i64(o, "tokens", tokens_most(t));
    json_put_str(o, "name", file_name(t, false));
    json_put_str(o, "opening", t->what.opening ? t->what.opening : "");
    CLEANUP(text_done) char *json = json_take_text(o);
    return json ? arena_str(t->mem, json) : NULL;
}

/* An id goes into URLs and fields: letters, digits, - and _. */
bool upload_is_id(const char *id) {
    size_t len = id ? strlen(id) : 0;
    return len && len <= ID_MOST && strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}

const char *upload_result(struct task *t, const struct http_result *r) {
    CLEANUP(json_done) cJSON *body = r->body.data ? json_parse(r->body.data, r->body.len) : NULL;
    const char *id = json_get_str(body, "id");
    return upload_is_id(id) ? result_for(t, id) : NULL;
}

bool upload_read(struct task *t, const char *json, struct item *i) {
    CLEANUP(json_done) cJSON *o = json_parse(json, strlen(json));
    const char *id = json_get_str(o, "file"), *for_what = json_get_str(o, "purpose"), *name = json_get_str(o, "name"), *opening = json_get_str(o, "opening");
    int64_t bytes, tokens;
    if (!upload_is_id(id) || !for_what || !name || !opening || !json_get_i64(o, "bytes", &bytes) || !json_get_i64(o, "tokens", &tokens))
        return false;
    i->input = arena_printf(t->mem, "%s %s %" PRId64, !strcmp(for_what, "vision") ? "image" : "file", id, tokens);
    i->upload = arena_printf(t->mem, "%s %s %" PRId64 " %s", id, for_what, bytes, name);
    i->opening = arena_str(t->mem, opening);
    return true;
}

/* ── somebody may have been here before ────────────────────────────────────────────────────────────────────── */

enum step_end step_seek(struct steps *s) {
    struct task *t = task_of(s);
    struct media *m = t->media;
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    const char *headers[] = {m->authorization, "Accept: application/json", NULL};
    struct http_request r = {
        .method = "GET", .url = arena_printf(t->mem, "%s/files?purpose=%s&order=desc&limit=100", m->openai_url, purpose(t)), .headers = headers,
        .max_body = LIST_MAX, .deadline_ms = LIST_MS,
    };
    t->made = t->kept = NULL;
    task_call(t, m->openai, &r);
    return STEP_WAIT;
}

static const char *find_ours(struct task *t, const cJSON *list) {
    const char *ours = file_name(t, true);
    int64_t since = fields_int_or(t->job, "at", 0) / SECOND - AGO_S;
    const cJSON *file;
    cJSON_ArrayForEach(file, list) {
        int64_t bytes = -1, created = 0;
        const char *name = json_get_str(file, "filename"), *id = json_get_str(file, "id");
        if (name && upload_is_id(id) && json_get_i64(file, "bytes", &bytes) && json_get_i64(file, "created_at", &created) && !strcmp(name, ours) &&
            bytes == t->spool.len && created >= since)
            return id;
    }
    return NULL;
}

enum step_end step_judge_seek(struct steps *s) {
    struct task *t = task_of(s);
    if (t->script)
        return task_wait_again(t);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    if (!t->answered)
        return task_wait_again(t);
    if (t->kept)
        return ask_judge(t);
    if (t->result.fate == HTTP_ANSWERED && t->result.status == 200) {
        CLEANUP(json_done) cJSON *body = t->result.body.data ? json_parse(t->result.body.data, t->result.body.len) : NULL;
        const char *id = find_ours(t, json_get_arr(body, "data"));
        const char *made = id ? result_for(t, id) : NULL;
        if (made) {
            note(t, LOG_INFO, "judge_seek: it was uploaded before");
            ask_keep(t, made);
            return task_wait_again(t);
        }
    }
    return STEP_NEXT;                    /* a server that cannot list its files has no more to say about it */
}

/* ── the upload ────────────────────────────────────────────────────────────────────────────────────────────── */

enum step_end step_upload(struct steps *s) {
    struct task *t = task_of(s);
    struct media *m = t->media;
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    multipart_done(&t->body);
    multipart_init(&t->body);
    multipart_field(&t->body, "purpose", purpose(t));
    if (!t->shelf) {                     /* a library stays */
        multipart_field(&t->body, "expires_after[anchor]", "created_at");
        multipart_field(&t->body, "expires_after[seconds]", "2592000");   /* a month, the most there is */
    }
    multipart_file(&t->body, "file", file_name(t, true), t->what.mime, t->spool.fd, t->spool.len);
    const char *headers[] = {m->authorization, t->body.type, "Accept: application/json", NULL};
    struct http_request r = {
        .method = "POST", .url = arena_printf(t->mem, "%s/files", m->openai_url), .headers = headers, .body_read = ask_read_body,
        .body_len = multipart_length(&t->body), .max_body = ANSWER_MAX, .idle_ms = m->idle_ms, .on_done = ask_answered, .bulk = true,
    };
    task_say(t, DOING_UPLOADING);
    ask_call(t, &r);
    return STEP_WAIT;
}

enum step_end step_judge_upload(struct steps *s) {
    return ask_judge(task_of(s));
}

static void on_deleted(struct http_result *result, void *owner) {
}

/* Another one's was first: ours is nobody's. */
void upload_waste(struct task *t) {
    struct item i;
    if (!upload_read(t, t->made, &i))
        return;
    const char *id = arena_copy(t->mem, i.upload, strcspn(i.upload, " "));
    const char *headers[] = {t->media->authorization, NULL};
    struct http_request r = {
        .method = "DELETE", .url = arena_printf(t->mem, "%s/files/%s", t->media->openai_url, id), .headers = headers, .max_body = ANSWER_MAX,
        .deadline_ms = LIST_MS, .on_done = on_deleted,
    };
    (void)http_start(t->media->openai, &r);      /* a courtesy: it expires anyway */
    note(t, LOG_WARN, "judge_upload: another upload of this file was first");
}
