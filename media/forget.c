/* Files at OpenAI that nobody wants any more are deleted, one after the other. The job is a direct one: nobody waits for it, and nobody
 * is told. What cannot be deleted expires by itself. */
#include "media/task.h"
#include "proto/keys.h"
#include "services/clock.h"
#include <string.h>

enum { DELETE_MS = 20 * SECOND, ANSWER_MAX = 64 * 1024, ID_MOST = 200 };

enum step_end step_forget(struct steps *s) {
    struct task *t = task_of(s);
    struct media *m = t->media;
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    t->unwanted += strspn(t->unwanted, " ");
    size_t len = strcspn(t->unwanted, " ");
    if (!len)
        return forget_end(t);
    const char *id = arena_copy(t->mem, t->unwanted, len < ID_MOST ? len : ID_MOST);
    const char *headers[] = {m->authorization, "Accept: application/json", NULL};
    const char *of = strncmp(id, "vs_", 3) ? "files" : "vector_stores";
    struct http_request r = {
        .method = "DELETE", .url = arena_printf(t->mem, "%s/%s/%s", m->openai_url, of, id), .headers = headers, .max_body = ANSWER_MAX,
        .deadline_ms = DELETE_MS,
    };
    task_call(t, m->openai, &r);
    return STEP_WAIT;
}

enum step_end step_judge_forget(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_judge(t, "forget");
    if (end != STEP_NEXT)
        return end;
    if (t->verdict.what != VERDICT_OK && t->result.status != 404)      /* gone already is as good */
        note(t, LOG_WARN, "judge_forget: a file stays at OpenAI until it expires: %s", t->verdict.why);
    t->fails = t->unreached = 0;
    t->unwanted += strcspn(t->unwanted, " ");
    return steps_goto(s, "forget");
}

enum step_end forget_end(struct task *t) {
    t->end = (struct commit){.next = "end", .how = HOW_DONE, .rest = ""};
    return steps_goto(&t->steps, "commit");
}
