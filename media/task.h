/* One job: what somebody sent, from the entry on stream `media` to the commit that makes a question of it. */
#ifndef MEDIA_TASK_H
#define MEDIA_TASK_H
#include "media/judge.h"
#include "media/media.h"
#include "media/sniff.h"
#include "services/spool.h"
#include "proto/commit.h"
#include "proto/doing.h"
#include "proto/fields.h"
#include "services/arena.h"
#include "services/multipart.h"
#include "services/openai.h"
#include "services/periods.h"
#include "services/texts.h"

enum { ITEMS_MOST = 20, HEARD_MOST_MB = 25 };        /* the latter: what OpenAI listens to */

/* What was heard, and what it cost: kept in the job as JSON from the moment it is there. */
struct heard {
    const char *text, *model, *nonce;
    int64_t ms, input_tokens, audio_tokens, output_tokens;
    bool estimated;                      /* the server did not say how long it was */
};

/* Of a document for the library: which vector store it goes into. */
struct shelf {
    const char *store;                   /* NULL: there is none yet */
    const char *made;                    /* by this job; NULL: by nobody */
    const char *lost;                    /* the user's, of which OpenAI knows nothing any more; NULL: none */
    int64_t since_ms;                    /* it is being read */
};

struct making;
struct drawing;
struct item {                            /* one file; strings live in the job's fields or in task.mem */
    const char *id, *kind, *name;
    int64_t bytes, seconds;              /* declared; 0: not */
    /* what became of it */
    bool done;
    const char *result;                  /* the JSON that is kept in the job; NULL: nothing yet */
    const char *input, *upload, *opening;        /* of an upload: `input:<n>` and `upload:<n>` of the job; a name in the texts, or "" */
    struct heard heard;                  /* of speech: text not NULL */
    bool booked;                         /* by an earlier round */
};

struct task {
    struct steps steps;
    struct media *media;
    struct task *next, *prev;            /* media->tasks */
    struct held held;
    struct arena *mem;                   /* dies with the task */
    struct log_subject about;
    bool been_before;                    /* somebody may have begun with this entry's work */
    bool unknown_job;

    struct fields *job;
    enum texts_lang lang;
    struct item items[ITEMS_MOST];
    int count, at;                       /* `at`: the one in work */

    /* fetching */
    const char *path;
    int64_t size;                        /* as getFile says; 0: it does not */
    int relinks, shorts;                 /* new links asked for; whole answers that were too short */
    struct spool spool;
    int64_t had;                         /* bytes when the download under way began */
    bool over, disk_full;                /* more came than was declared; no room for it */
    struct sniffed what;
    uv_work_t work;
    bool looking;

    /* ffmpeg */
    uv_process_t *process;
    struct spool converted, complaints;
    int exit_code;
    bool was_killed;

    /* OpenAI */
    struct multipart body;
    const struct asking *asking;         /* what is asked of OpenAI now … */
    const char *call;                    /* … and for which file: "heard:0"; NULL: nothing is */
    int64_t try, counted, asked, unreached, estimate_nusd;
    struct period periods[PERIODS];
    struct begun begun;
    int held_ups;
    bool may_be_there;                   /* an upload of which we have not heard */
    const char *made, *kept;             /* our result; the one that was first and counts */
    bool beaten;                         /* another's was first: ours is waste */

    /* what the row waits for */
    struct redis_call *script;
    struct http_call *http;
    struct http_result result;           /* its body moved here */
    bool answered, napping, posting;     /* posting: a file is on its way to OpenAI */
    struct verdict verdict;
    int64_t fails;                       /* of requests that are not paid, in a row */
    const char *then;                    /* where to go on after a pause */

    struct drawing *drawing;             /* of a job that makes a picture; NULL: it does not */
    struct making *making;               /* of an answer with files that the model has made; NULL: it is none */
    struct shelf *shelf;                 /* of a job that adds to a library; NULL: it does not */
    const char *unwanted;                /* of a job that deletes files: the ids that are left; NULL: it does not */

    const char *doing;                   /* what was said to be done last; NULL nothing */
    const char *stop;                    /* why, or NULL */
    bool ending, gone, releasing;        /* its commit is on its way; the entry is not ours any more; it is being handed back */
    struct commit end;
    struct usage_event usage;
};

void task_list_metrics(void);
/* An entry of stream `media` is in our hands: begin its row. Copies what it needs. */
void task_begin(struct media *m, const struct entry *e, int64_t takeovers);
void task_drain(struct media *m);

/* The steps, in the order of the row. task.c: */
enum step_end step_take(struct steps *s);
enum step_end step_plan(struct steps *s);
enum step_end step_next_file(struct steps *s);
enum step_end step_pause(struct steps *s);
enum step_end step_parked(struct steps *s);
enum step_end step_commit(struct steps *s);
enum step_end step_committed(struct steps *s);
enum step_end step_hand_back(struct steps *s);
enum step_end step_let_go(struct steps *s);
/* fetch.c: */
enum step_end step_locate(struct steps *s);
enum step_end step_judge_locate(struct steps *s);
enum step_end step_download(struct steps *s);
enum step_end step_judge_download(struct steps *s);
enum step_end step_look_inside(struct steps *s);
enum step_end step_sort(struct steps *s);
/* convert.c: */
enum step_end step_convert(struct steps *s);
enum step_end step_judge_convert(struct steps *s);
/* ask.c: */
enum step_end step_begin(struct steps *s);
enum step_end step_judge_begin(struct steps *s);
/* hear.c: */
enum step_end step_hear(struct steps *s);
enum step_end step_judge_hear(struct steps *s);
/* upload.c: */
enum step_end step_seek(struct steps *s);
enum step_end step_judge_seek(struct steps *s);
enum step_end step_upload(struct steps *s);
enum step_end step_judge_upload(struct steps *s);
/* forget.c: */
enum step_end step_forget(struct steps *s);
enum step_end step_judge_forget(struct steps *s);
/* draw.c: */
enum step_end draw_want(struct steps *s);
enum step_end draw_sort(struct steps *s);
enum step_end step_draw(struct steps *s);
enum step_end step_judge_draw(struct steps *s);
enum step_end draw_settle(struct steps *s);
enum step_end draw_stop(struct steps *s);
enum step_end draw_give_up(struct steps *s);
/* shelf.c: */
enum step_end shelf_plan(struct steps *s);
enum step_end shelf_sort(struct steps *s);
enum step_end shelf_settle(struct steps *s);
enum step_end step_make_store(struct steps *s);
enum step_end step_judge_store(struct steps *s);
enum step_end step_attach(struct steps *s);
enum step_end step_judge_attach(struct steps *s);
enum step_end step_watch(struct steps *s);
enum step_end step_look_at_it(struct steps *s);
enum step_end step_judge_look_at_it(struct steps *s);
enum step_end step_shelve(struct steps *s);
enum step_end shelf_stop(struct steps *s);
enum step_end shelf_give_up(struct steps *s);
/* made.c: */
enum step_end made_plan(struct steps *s);
enum step_end made_next(struct steps *s);
enum step_end made_fetch(struct steps *s);
enum step_end made_judge(struct steps *s);
enum step_end made_store(struct steps *s);
enum step_end made_stored(struct steps *s);
enum step_end made_give(struct steps *s);
enum step_end made_enough(struct steps *s);
/* outcome.c: */
enum step_end step_settle(struct steps *s);
enum step_end step_stop(struct steps *s);
enum step_end step_give_up(struct steps *s);

struct task *task_of(struct steps *s);
struct ticket task_ticket(const struct task *t);
struct item *task_item(struct task *t);
/* The models that hear and draw: those that the job was accepted with, else the environment's. */
const char *task_model(const struct task *t);
const char *task_image_model(const struct task *t);
/* Where every wait ends: is the world still as it was? STEP_NEXT: yes. */
enum step_end task_interrupted(struct task *t);
enum step_end task_wait_again(struct task *t);          /* what this step stands behind is still under way */
enum step_end task_nap(struct task *t, const char *then, int64_t ms);
/* t->verdict says again: later, from the step `then` on. Or give up, when that was the last try. */
enum step_end task_again(struct task *t, const char *then);
/* Give up, with that line for the user; alert (may be NULL) and why are for the administrators. */
enum step_end task_refuse(struct task *t, const char *line, const char *alert, const char *why);
enum step_end task_refuse_size(struct task *t, int64_t limit_mb, const char *why);
/* The answer of a call to OpenAI that is not paid, in t->verdict. STEP_NEXT: it is there, good or bad; what is to be asked for again
 * is, from the step `then` on. */
enum step_end task_judge(struct task *t, const char *then);
void task_hang_up(struct task *t);
/* Tell whoever shows the job what is being done (proto/doing.h). */
void task_say(struct task *t, const char *doing);
/* Start an HTTP call whose end wakes the row. */
void task_call(struct task *t, struct http *http, struct http_request *r);

/* ask.c */
void ask_about(struct task *t, const char *what);       /* "heard", "upload", "drawn" or "store": the call that begin is to begin, for the file in work */
void ask_call(struct task *t, struct http_request *r);
size_t ask_read_body(char *to, size_t room, void *task);         /* for body_read: t->body */
void ask_answered(struct http_result *result, void *task);       /* for on_done: keeps what came */
void ask_keep(struct task *t, const char *made);
void ask_book(struct task *t, const struct usage_event *e);         /* what was paid for in vain, apart from the commit */
enum step_end ask_judge(struct task *t);
void ask_list_metrics(void);
/* upload.c: the same three for an upload */
const char *upload_result(struct task *t, const struct http_result *r);
bool upload_read(struct task *t, const char *json, struct item *i);
bool upload_is_id(const char *id);       /* of a file or a store at OpenAI */
void upload_waste(struct task *t);
/* hear.c: the answer as the JSON that is kept (NULL: it makes no sense), and back; what to do about one that lost */
const char *heard_result(struct task *t, const struct http_result *r);
void heard_waste(struct task *t);
void heard_oddly(struct task *t, const struct http_result *r);
bool heard_read(struct task *t, const char *json, struct heard *ret);
void heard_book(struct task *t, const struct heard *h, const char *event, struct usage_event *ret);
int64_t hear_likely_ms(const struct task *t);
int64_t hear_likely_cost(const struct task *t);
void hear_list_metrics(void);
/* draw.c: the same for a picture, whose answer it takes itself */
bool draw_known(struct task *t, const char *json);
void draw_waste(struct task *t);
int64_t draw_likely_cost(const struct task *t);
struct verdict draw_verdict(struct task *t);
void draw_list_metrics(void);
void draw_end(struct task *t);           /* its memory goes; NULL drawing is fine */
/* shelf.c: the same for a vector store */
const char *shelf_result(struct task *t, const struct http_result *r);
bool shelf_known(struct task *t, const char *store);
void shelf_waste(struct task *t);
/* made.c */
void made_begin(struct task *t);
/* forget.c */
enum step_end forget_end(struct task *t);        /* → commit: those that are left stay where they are, until they expire */
/* outcome.c */
void outcome_list_metrics(void);
/* convert.c */
void convert_kill(struct task *t);
char *convert_find(void);                /* ffmpeg's path, the caller's to free; NULL: it is not there */

#define note(t, level, ...) log_line(level, &(t)->about, __VA_ARGS__)

#endif
