/* A picture is drawn, or a photo changed. The bytes go their own way (store.c); here is what is asked, what came of it, and the bill. */
#include "media/draw.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "services/clock.h"
#include "services/metrics.h"
#include "services/utf8.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    PROMPT_MOST = 32000,                 /* characters, as OpenAI has it */
    PROMPT_FORM_MOST = 60 * 1024,        /* bytes, in a form */
    ERROR_MAX = 256 * 1024,
    FIELDS_MOST = 4,                     /* of the commit */
    EDIT_TOKENS = 8000                   /* what a photo that is changed may count as, generously */
};

static struct metric requests_total = {"media_pictures_total", "paid requests made for pictures", NULL, METRIC_COUNTER};
static struct metric wasted_total = {"media_pictures_wasted_total", "pictures that lost against another one", NULL, METRIC_COUNTER};

void draw_list_metrics(void) {
    static struct metric *const figures[] = {&requests_total, &wasted_total, NULL};
    metrics_list(figures);
}

/* ── what is to be drawn ───────────────────────────────────────────────────────────────────────────────────── */

static int64_t area(const char *size) {
    char *end;
    int64_t width = strtoll(size, &end, 10), height = *end == 'x' ? strtoll(end + 1, &end, 10) : 0;
    return *end || width < 16 || height < 16 || width > 8192 || height > 8192 ? 0 : width * height;
}

enum step_end draw_want(struct steps *s) {
    struct task *t = task_of(s);
    struct drawing *d = arena_alloc(t->mem, sizeof *d);
    t->drawing = d;
    d->spool = SPOOL_CLOSED;
    d->prompt = fields_str(t->job, "text");
    d->size = fields_str(t->job, "size");
    if (!area(d->size)) {
        const char *sizes = setting_text("OPENAI_IMAGE_SIZES");
        d->size = arena_copy(t->mem, sizes, strcspn(sizes, " "));
    }
    ask_about(t, "drawn");
    size_t len = strlen(d->prompt);
    if (utf8_units(d->prompt, len) > PROMPT_MOST || (t->count && len > PROMPT_FORM_MOST))
        return task_refuse(t, "prompt_too_long", NULL, "the prompt is too long");
    return steps_goto(s, t->count && !fields_get(t->job, "response:drawn") ? "locate" : "begin");
}

enum step_end draw_sort(struct steps *s) {
    struct task *t = task_of(s);
    if (t->looking)
        return task_wait_again(t);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    return t->what.is == CONTENT_IMAGE ? STEP_NEXT : task_refuse(t, "edit_no_picture", NULL, "what is to be changed is no picture");
}

/* ── the bill ──────────────────────────────────────────────────────────────────────────────────────────────── */

/* Tokens of a picture of a million pixels. Nobody says what `auto` will choose. */
static int64_t likely_tokens(const struct drawing *d) {
    static const struct { const char *quality; int64_t tokens; } known[] = {{"low", 272}, {"medium", 1056}, {"high", 4160}, {"xhigh", 8320}, {"max", 16640}, {NULL, 4160}};
    const char *quality = setting_text("OPENAI_IMAGE_QUALITY");
    int i = 0;
    while (known[i].quality && strcmp(known[i].quality, quality))
        i++;
    return known[i].tokens * area(d->size) / (1024 * 1024) * 11 / 10;
}

static int64_t likely_input(const struct task *t) {
    return (int64_t)strlen(t->drawing->prompt) + 100 + (t->count ? EDIT_TOKENS : 0);
}

/* What is billed for one of which nobody tells. */
static struct drawn likely(const struct task *t) {
    return (struct drawn){.model = task_image_model(t), .nonce = t->drawing->nonce, .input_tokens = likely_input(t), .output_tokens = likely_tokens(t->drawing), .estimated = true};
}

int64_t draw_likely_cost(const struct task *t) {
    struct usage tokens = {.images = 1, .input_tokens = likely_input(t), .image_tokens = t->count ? EDIT_TOKENS : 0,
        .output_tokens = likely_tokens(t->drawing)}, piece = {.images = 1,
        .image_quality = setting_text("OPENAI_IMAGE_QUALITY"), .image_size = t->drawing->size};
    int64_t by_token = prices_cost(price_file_now(t->media->prices), task_image_model(t), &tokens), by_piece = prices_cost(price_file_now(t->media->prices), task_image_model(t), &piece);
    return !prices_known(price_file_now(t->media->prices), task_image_model(t)) || by_token < by_piece ? by_piece : by_token;
}

static void bill(struct task *t, const struct drawn *made, const char *event, struct usage_event *ret) {
    struct usage u = {.images = 1, .image_quality = setting_text("OPENAI_IMAGE_QUALITY"), .image_size = t->drawing->size, .input_tokens = made->input_tokens, .cached_tokens = made->cached_tokens, .image_tokens = made->image_tokens, .output_tokens = made->output_tokens};
    *ret = (struct usage_event){
        .event = event, .job = t->held.job, .chat = fields_str(t->job, "chat"), .user = fields_str(t->job, "user"), .at = clock_wall_ms(),
        .paid = "image", .model = made->model, .response = made->nonce, .status = "completed", .input_tokens = made->input_tokens,
        .cached_tokens = made->cached_tokens, .output_tokens = made->output_tokens, .images = 1, .cost_nusd = prices_cost(price_file_now(t->media->prices), made->model, &u),
        .price_version = arena_str(t->mem, prices_version(price_file_now(t->media->prices), made->model)), .estimated = made->estimated,
    };
}

static void book(struct task *t, const struct drawn *made) {
    bill(t, made, arena_printf(t->mem, "%s:drawn", t->held.job), &t->usage);
    t->end.events = &t->usage;
    t->end.events_count = 1;
    t->end.cost_nusd = t->usage.cost_nusd;
}

/* Ours lost: it was paid for all the same. */
void draw_waste(struct task *t) {
    struct usage_event e;
    const struct drawn *made = &t->drawing->now;
    bill(t, made, arena_printf(t->mem, "%s:drawn:wasted:%s", t->held.job, made->nonce), &e);
    ask_book(t, &e);
    store_drop(t, made->blob, made->bytes);
    metric_add(&wasted_total, 1);
    note(t, LOG_WARN, "another picture for this was first");
}

/* ── what came ─────────────────────────────────────────────────────────────────────────────────────────────── */

static const char *type_of(const struct drawing *d) {
    char head[12] = {0};
    if (pread(d->spool.fd, head, sizeof head, 0) != sizeof head)
        return NULL;
    return !memcmp(head, "\x89PNG", 4)                                    ? "image/png"
           : !memcmp(head, "\xFF\xD8\xFF", 3)                             ? "image/jpeg"
           : !memcmp(head, "RIFF", 4) && !memcmp(head + 8, "WEBP", 4) ? "image/webp"
                                                                          : NULL;
}

static void read_usage(struct drawing *d, const cJSON *usage) {
    d->now.estimated = !json_get_i64(usage, "input_tokens", &d->now.input_tokens);
    (void)json_get_i64(usage, "output_tokens", &d->now.output_tokens);
    const cJSON *details = json_get_obj(usage, "input_tokens_details");
    (void)json_get_i64(details, "cached_tokens", &d->now.cached_tokens);
    (void)json_get_i64(details, "image_tokens", &d->now.image_tokens);
}

/* The answer has ended. Is there a picture in it? */
static bool read_answer(struct task *t) {
    struct drawing *d = t->drawing;
    CLEANUP(json_done) cJSON *body = json_parse(buf_cstr(&d->sieve.rest), d->sieve.rest.len);
    if (!body)
        return false;
    d->now = (struct drawn){.model = task_image_model(t), .nonce = d->nonce, .blob = d->id, .bytes = d->spool.len};
    read_usage(d, json_get_obj(body, "usage"));
    d->now.type = sieve_is_whole(&d->sieve) ? type_of(d) : NULL;
    d->useless = !d->now.type;
    return !d->useless;
}

static void on_answered(struct http_result *result, void *owner) {
    struct task *t = owner;
    struct drawing *d = t->drawing;
    t->http = NULL;
    buf_done(&t->result.body);
    t->result = *result;
    result->body = (struct buf){0};
    bool good = t->result.fate == HTTP_ANSWERED && t->result.status == 200;
    if (good && read_answer(t)) {
        d->whole = true;
        d->no_room = false;
        store_go_on(t);
        return;
    }
    t->posting = false;
    t->answered = true;
    steps_wake(&t->steps);
}

void draw_broke_off(struct task *t) {
    struct drawing *d = t->drawing;
    t->posting = false;
    t->answered = true;
    d->useless = !d->disk_full;          /* what makes no sense is paid for as well, and is not asked for again */
    d->now = likely(t);
    t->result = (struct http_result){.fate = HTTP_ANSWERED, .status = 200, .retry_after_ms = -1, .should_retry = -1};
    steps_wake(&t->steps);
}

/* No step between a picture's last byte and its safe place. */
void draw_stored(struct task *t) {
    struct drawing *d = t->drawing;
    CLEANUP(json_done) cJSON *o = cJSON_CreateObject();
    json_put_str(o, "blob", d->now.blob);
    json_put_str(o, "type", d->now.type);
    json_put_str(o, "model", d->now.model);
    json_put_str(o, "nonce", d->now.nonce);
    json_put_i64(o, "bytes", d->now.bytes);
    json_put_i64(o, "input_tokens", d->now.input_tokens);
    json_put_i64(o, "cached_tokens", d->now.cached_tokens);
    json_put_i64(o, "image_tokens", d->now.image_tokens);
    json_put_i64(o, "output_tokens", d->now.output_tokens);
    json_put_bool(o, "estimated", d->now.estimated);
    CLEANUP(text_done) char *json = json_take_text(o);
    if (!json)
        abort();
    t->posting = false;
    t->answered = true;
    d->id = NULL;                        /* it stays */
    ask_keep(t, arena_str(t->mem, json));
}

bool draw_known(struct task *t, const char *json) {
    CLEANUP(json_done) cJSON *o = json_parse(json, strlen(json));
    struct drawn made = {.blob = arena_str(t->mem, json_get_str(o, "blob")), .type = arena_str(t->mem, json_get_str(o, "type")),
                         .model = arena_str(t->mem, json_get_str(o, "model")), .nonce = arena_str(t->mem, json_get_str(o, "nonce"))};
    if (!made.blob || !made.type || !made.model || !made.nonce || !json_get_i64(o, "bytes", &made.bytes))
        return false;
    (void)json_get_i64(o, "input_tokens", &made.input_tokens);
    (void)json_get_i64(o, "cached_tokens", &made.cached_tokens);
    (void)json_get_i64(o, "image_tokens", &made.image_tokens);
    (void)json_get_i64(o, "output_tokens", &made.output_tokens);
    (void)json_get_bool(o, "estimated", &made.estimated);
    made.result = json;
    t->drawing->drawn = made;
    return true;
}

struct verdict draw_verdict(struct task *t) {
    struct drawing *d = t->drawing;
    if (d->useless)
        return (struct verdict){.what = VERDICT_REFUSE, .line = "failed", .why = d->over ? "the picture is too large" : "there is no picture in the answer"};
    struct verdict v = judge_drawing(&t->result, t->count > 0);
    if (v.what == VERDICT_REFUSE && v.may_be_bare && !d->bare) {
        d->bare = true;
        return (struct verdict){.what = VERDICT_AGAIN, .why = "this server knows fewer parameters"};
    }
    return v;
}

/* ── the paid call ─────────────────────────────────────────────────────────────────────────────────────────── */

static const char *nonce(struct task *t) {
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        abort();
    return arena_printf(t->mem, "%016" PRIx64, random);
}

struct word { const char *name, *value; };

/* What is asked, as JSON and as a form. */
static const struct word *words(struct task *t) {
    struct word *list = arena_alloc(t->mem, 6 * sizeof *list), *w = list;
    const struct drawing *d = t->drawing;
    *w++ = (struct word){"model", task_image_model(t)};
    *w++ = (struct word){"prompt", d->prompt};
    *w++ = (struct word){"size", d->size};
    *w++ = d->bare ? (struct word){"response_format", "b64_json"} : (struct word){"output_format", "png"};
    if (!d->bare && *setting_text("OPENAI_IMAGE_QUALITY"))
        *w++ = (struct word){"quality", setting_text("OPENAI_IMAGE_QUALITY")};
    return list;
}

static char *json_body(struct task *t) {
    CLEANUP(json_done) cJSON *o = cJSON_CreateObject();
    for (const struct word *w = words(t); w->name; w++)
        json_put_str(o, w->name, w->value);
    char *text = json_take_text(o);
    if (!text)
        abort();
    return text;
}

static void form_body(struct task *t) {
    multipart_done(&t->body);
    multipart_init(&t->body);
    for (const struct word *w = words(t); w->name; w++)
        multipart_field(&t->body, w->name, w->value);
    multipart_file(&t->body, "image", arena_printf(t->mem, "photo.%s", t->what.ext), t->what.mime, t->spool.fd, t->spool.len);
}

enum step_end step_draw(struct steps *s) {
    struct task *t = task_of(s);
    struct media *m = t->media;
    struct drawing *d = t->drawing;
    enum step_end end = task_interrupted(t);     /* the last moment before money is spent */
    if (end != STEP_NEXT)
        return end;
    store_begin(t);
    d->nonce = nonce(t);
    d->id = arena_printf(t->mem, "%s-%s", t->held.job, d->nonce);
    if (d->disk_full) {
        note(t, LOG_ERROR, "draw: no place for the picture");
        return task_nap(t, "draw", 10 * SECOND);
    }
    const char *plain[] = {m->authorization, "Content-Type: application/json", "Accept: application/json", NULL};
    struct http_request r = {
        .method = "POST", .url = arena_printf(t->mem, "%s/images/%s", m->openai_url, t->count ? "edits" : "generations"), .headers = plain,
        .max_body = ERROR_MAX, .idle_ms = m->idle_ms, .on_bytes = store_bytes, .on_done = on_answered, .bulk = true,
    };
    const char *form[] = {m->authorization, t->body.type, "Accept: application/json", NULL};
    if (t->count) {
        form_body(t);
        r.headers = form;
        r.body_read = ask_read_body;
        r.body_len = multipart_length(&t->body);
    } else {
        char *body = json_body(t);
        r.body = body;
        r.body_len = strlen(body);
        r.body_free = free;
    }
    metric_add(&requests_total, 1);
    note(t, LOG_DEBUG, "draw: try %" PRId64 " of %" PRId64, t->try, m->tries_max);
    task_say(t, DOING_DRAWING);
    ask_call(t, &r);
    return STEP_WAIT;
}

enum step_end step_judge_draw(struct steps *s) {
    struct task *t = task_of(s);
    struct drawing *d = t->drawing;
    if (!t->script && d->no_room && d->whole && !t->stop && !t->gone) {
        if (!t->napping)
            return task_nap(t, "judge_draw", SECOND);
        t->napping = d->no_room = false;
        store_go_on(t);
        return task_wait_again(t);
    }
    return ask_judge(t);
}

/* ── what became of it ─────────────────────────────────────────────────────────────────────────────────────── */

static void put(struct task *t, const char *name, const char *value) {
    struct pair *list = (struct pair *)t->end.fields;
    list[t->end.fields_count++] = (struct pair){name, value};
}

static void begin_end(struct task *t, const char *how) {
    const struct drawing *d = t->drawing;
    t->end = (struct commit){.next = "follow", .how = how, .rest = "", .call = t->call, .fields = arena_alloc(t->mem, FIELDS_MOST * sizeof(struct pair))};
    put(t, "response:drawn", d->drawn.result ? d->drawn.result : "");
    if (d->drawn.blob)
        book(t, &d->drawn);
    else if (d->useless || d->whole)
        book(t, &d->now);
}

enum step_end draw_settle(struct steps *s) {
    struct task *t = task_of(s);
    const struct drawn *made = &t->drawing->drawn;
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    begin_end(t, NULL);
    put(t, "blob", made->blob);
    put(t, "blob_type", made->type);
    put(t, "blob_bytes", arena_printf(t->mem, "%" PRId64, made->bytes));
    return steps_goto(s, "commit");
}

enum step_end draw_stop(struct steps *s) {
    struct task *t = task_of(s);
    struct drawing *d = t->drawing;
    t->napping = false;
    bool paying = t->http && t->asked;   /* what it will be billed nobody will tell us */
    task_hang_up(t);
    begin_end(t, HOW_STOPPED);
    if (paying && !t->end.events_count) {
        struct drawn drawn = likely(t);
        book(t, &drawn);
        t->usage.status = "cancelled";
    }
    store_stop(t);
    if (d->drawn.blob)
        store_drop(t, d->drawn.blob, d->drawn.bytes);
    return steps_goto(s, "commit");
}

enum step_end draw_give_up(struct steps *s) {
    struct task *t = task_of(s);
    const struct verdict *v = &t->verdict;
    bool dead = v->dead || !strcmp(v->line, "failed");
    note(t, dead || v->alert ? LOG_WARN : LOG_INFO, "give_up: %s (%s)", v->why, v->line);
    task_hang_up(t);
    begin_end(t, dead ? HOW_DEAD : HOW_REFUSED);
    t->end.line = v->line;
    t->end.about = dead || v->alert ? v->why : v->limit_mb ? arena_printf(t->mem, "%" PRId64, v->limit_mb) : "";
    t->end.alert = v->alert ? v->alert : dead ? "dead" : NULL;
    return steps_goto(s, "commit");
}

void draw_end(struct task *t) {
    if (!t->drawing)
        return;
    store_stop(t);
    sieve_done(&t->drawing->sieve);
    spool_close(&t->drawing->spool);
}
