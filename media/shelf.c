/* A document for the library of whoever sent it: uploaded like any other, then attached to his vector store at OpenAI, which is made
 * when he has none, and watched until it can be searched. Which store, and which file, stands in the job from the moment it is known;
 * the commit (fields `shelf`, `unshelved`) puts it into library:<user>. What does not come that far is deleted again. */
#include "media/task.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "services/clock.h"
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_MAX = 256 * 1024,
    CALL_MS = 30 * SECOND,
    WATCH_EVERY_MS = 1 * SECOND,
    WATCH_MOST_MS = 600 * SECOND,        /* a long book; it goes on being read over there */
    STORE_DAYS = 60                      /* unused for so long it is gone, and so is library:<user> */
};

/* ── is it a document, and is there room? ──────────────────────────────────────────────────────────────────── */

enum step_end shelf_plan(struct steps *s) {
    struct task *t = task_of(s);
    if (!t->job || t->script)
        return STEP_NEXT;                /* step_plan itself */
    t->shelf = arena_alloc(t->mem, sizeof *t->shelf);
    *t->shelf = (struct shelf){.store = fields_get(t->job, "library"), .made = fields_get(t->job, "response:store")};
    return STEP_NEXT;
}

enum step_end shelf_sort(struct steps *s) {
    struct task *t = task_of(s);
    if (t->looking)
        return task_wait_again(t);
    if (fields_int_or(t->job, "shelved", 0) >= setting_number("LIBRARY_FILES"))
        return task_refuse(t, "library_full", NULL, "there are as many as there may be");
    if (t->what.is == CONTENT_SOUND || t->what.is == CONTENT_IMAGE)
        return task_refuse(t, "library_kind", NULL, "it is no document");
    return STEP_NEXT;
}

/* ── a store ───────────────────────────────────────────────────────────────────────────────────────────────── */

/* The file is uploaded, or the store is there: what is next? */
enum step_end shelf_settle(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    spool_close(&t->spool);
    if (!t->shelf->store)
        t->shelf->store = t->shelf->made;
    if (t->shelf->store)
        return steps_goto(s, "attach");
    ask_about(t, "store");
    return steps_goto(s, "begin");
}

static struct http_request request(struct task *t, const char *method, const char *path) {
    static const char *headers[] = {NULL, "Content-Type: application/json", "Accept: application/json", NULL};
    headers[0] = t->media->authorization;
    return (struct http_request){
        .method = method, .url = arena_printf(t->mem, "%s/vector_stores%s", t->media->openai_url, path), .headers = headers,
        .max_body = ANSWER_MAX, .deadline_ms = CALL_MS,
    };
}

static void put_body(struct task *t, struct http_request *r, cJSON *body) {
    CLEANUP(text_done) char *text = json_take_text(body);
    r->body = arena_str(t->mem, text ? text : "{}");
    r->body_len = strlen(r->body);
    cJSON_Delete(body);
}

enum step_end step_make_store(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    cJSON *body = cJSON_CreateObject();
    json_put_str(body, "name", "library");
    cJSON *expires = cJSON_AddObjectToObject(body, "expires_after");
    json_put_str(expires, "anchor", "last_active_at");
    json_put_i64(expires, "days", STORE_DAYS);
    struct http_request r = request(t, "POST", "");
    put_body(t, &r, body);
    r.on_done = ask_answered;
    ask_call(t, &r);
    return STEP_WAIT;
}

enum step_end step_judge_store(struct steps *s) {
    return ask_judge(task_of(s));
}

const char *shelf_result(struct task *t, const struct http_result *r) {
    CLEANUP(json_done) cJSON *body = r->body.data ? json_parse(r->body.data, r->body.len) : NULL;
    const char *id = json_get_str(body, "id");
    return upload_is_id(id) ? arena_str(t->mem, id) : NULL;
}

bool shelf_known(struct task *t, const char *store) {
    t->shelf->made = store;
    return upload_is_id(store);
}

static void on_deleted(struct http_result *result, void *owner) {
}

static void delete(struct task *t, const char *url) {
    const char *headers[] = {t->media->authorization, NULL};
    struct http_request r = {.method = "DELETE", .url = url, .headers = headers, .max_body = ANSWER_MAX, .deadline_ms = CALL_MS, .on_done = on_deleted};
    (void)http_start(t->media->openai, &r);      /* a courtesy */
}

/* Another one's was first: ours is nobody's. */
void shelf_waste(struct task *t) {
    delete(t, arena_printf(t->mem, "%s/vector_stores/%s", t->media->openai_url, t->made));
}

/* ── into the store ────────────────────────────────────────────────────────────────────────────────────────── */

static const char *file_of(struct task *t) {
    const char *upload = t->items[0].upload;
    return upload ? arena_copy(t->mem, upload, strcspn(upload, " ")) : "";
}

enum step_end step_attach(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    cJSON *body = cJSON_CreateObject();
    json_put_str(body, "file_id", file_of(t));
    struct http_request r = request(t, "POST", arena_printf(t->mem, "/%s/files", t->shelf->store));
    put_body(t, &r, body);
    task_call(t, t->media->openai, &r);
    t->shelf->since_ms = clock_mono_ms();
    return STEP_WAIT;
}

enum step_end step_judge_attach(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_judge(t, "attach");
    if (end != STEP_NEXT)
        return end;
    bool answered = t->result.fate == HTTP_ANSWERED;
    if (answered && t->result.status == 404 && t->shelf->store != t->shelf->made) {
        note(t, LOG_WARN, "judge_attach: the library is gone at OpenAI: it is begun anew");
        t->shelf->lost = t->shelf->store;
        t->shelf->store = NULL;
        return steps_goto(s, "settle");
    }
    return t->verdict.what == VERDICT_OK ? STEP_NEXT : steps_goto(s, "give_up");
}

enum step_end step_watch(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    CLEANUP(json_done) cJSON *body = t->result.body.data ? json_parse(t->result.body.data, t->result.body.len) : NULL;
    const char *status = json_get_str(body, "status");
    if (status && !strcmp(status, "failed"))
        return task_refuse(t, "library_unreadable", NULL, "OpenAI could not read it");
    bool reads_on = status && !strcmp(status, "in_progress");
    if (!reads_on || clock_mono_ms() - t->shelf->since_ms > WATCH_MOST_MS)
        return steps_goto(s, "shelve");
    return task_nap(t, "look_at_it", WATCH_EVERY_MS);
}

enum step_end step_look_at_it(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    struct http_request r = request(t, "GET", arena_printf(t->mem, "/%s/files/%s", t->shelf->store, file_of(t)));
    task_call(t, t->media->openai, &r);
    return STEP_WAIT;
}

enum step_end step_judge_look_at_it(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_judge(t, "look_at_it");
    if (end != STEP_NEXT)
        return end;
    return t->verdict.what == VERDICT_OK ? steps_goto(s, "watch") : steps_goto(s, "give_up");
}

/* ── the end ───────────────────────────────────────────────────────────────────────────────────────────────── */

enum step_end step_shelve(struct steps *s) {
    struct task *t = task_of(s);
    struct pair *fields = arena_alloc(t->mem, 2 * sizeof *fields);
    const char *name = t->items[0].upload;
    for (int words = 0; words < 3; words++)      /* <file id> <purpose> <bytes> <name> */
        name += strcspn(name, " ") + 1;
    fields[0] = (struct pair){"shelf", arena_printf(t->mem, "%s %s", t->shelf->store, t->items[0].upload)};
    fields[1] = (struct pair){"unshelved", t->shelf->lost ? t->shelf->lost : ""};
    t->end = (struct commit){.next = "follow", .how = HOW_DONE, .line = "library_added", .about = name, .rest = "", .fields = fields, .fields_count = 2};
    return steps_goto(s, "commit");
}

/* It will stand in no library. */
static void take_back(struct task *t) {
    if (t->items[0].upload)
        delete(t, arena_printf(t->mem, "%s/files/%s", t->media->openai_url, file_of(t)));
    t->items[0].upload = NULL;
    if (t->shelf && t->shelf->made)
        delete(t, arena_printf(t->mem, "%s/vector_stores/%s", t->media->openai_url, t->shelf->made));
}

enum step_end shelf_stop(struct steps *s) {
    take_back(task_of(s));
    return step_stop(s);
}

enum step_end shelf_give_up(struct steps *s) {
    take_back(task_of(s));
    return step_give_up(s);
}
