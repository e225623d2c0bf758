#include "outbound/telegram.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/cleanup.h"
#include "proto/json.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/log.h"
#include "services/metrics.h"
#include "services/multipart.h"

static const char *const method_names[TELEGRAM_METHODS] = {"sendMessage", "editMessageText", "deleteMessage",
                                                           "sendChatAction", "answerCallbackQuery", "sendPhoto", "sendDocument",
                                                           "sendMessageDraft"};

static struct metric calls[] = {
    {.name = "telegram_calls_total", .help = "Calls to the Bot API.", .label = "method=\"sendMessage\""},
    {.name = "telegram_calls_total", .help = "Calls to the Bot API.", .label = "method=\"editMessageText\""},
    {.name = "telegram_calls_total", .help = "Calls to the Bot API.", .label = "method=\"deleteMessage\""},
    {.name = "telegram_calls_total", .help = "Calls to the Bot API.", .label = "method=\"sendChatAction\""},
    {.name = "telegram_calls_total", .help = "Calls to the Bot API.", .label = "method=\"answerCallbackQuery\""},
    {.name = "telegram_calls_total", .help = "Calls to the Bot API.", .label = "method=\"sendPhoto\""},
    {.name = "telegram_calls_total", .help = "Calls to the Bot API.", .label = "method=\"sendDocument\""},
    {.name = "telegram_calls_total", .help = "Calls to the Bot API.", .label = "method=\"sendMessageDraft\""},
};
#define ANSWER(word) {.name = "telegram_answers_total", .help = "What its answers meant.", .label = "was=\"" word "\""}
static struct metric answers[] = {
    [TELEGRAM_OK] = ANSWER("ok"),           [TELEGRAM_PAUSE] = ANSWER("429"),
    [TELEGRAM_NOT_SENT] = ANSWER("not_sent"), [TELEGRAM_UNKNOWN] = ANSWER("unknown"),
    [TELEGRAM_MISSING] = ANSWER("missing"), [TELEGRAM_FIXED] = ANSWER("fixed"), [TELEGRAM_NO_TOPIC] = ANSWER("no_topic"),
    [TELEGRAM_NO_REPLY] = ANSWER("no_reply"),
    [TELEGRAM_MOVED] = ANSWER("moved"),     [TELEGRAM_GONE] = ANSWER("gone"), [TELEGRAM_MUTE] = ANSWER("mute"), [TELEGRAM_CLOSED] = ANSWER("closed"),
    [TELEGRAM_LOCKED_OUT] = ANSWER("locked_out"), [TELEGRAM_REFUSED] = ANSWER("refused"),
};

bool telegram_sends(enum telegram_method method) {
    return method == TELEGRAM_SEND || method == TELEGRAM_PHOTO || method == TELEGRAM_DOCUMENT;
}

const char *telegram_word(enum telegram_what what) {
    static const char *const words[] = {"shown", "asked to pause", "could not be reached", "the outcome is not known",
                                        "the message is gone", "the message cannot be edited", "the topic is gone",
                                        "what it replies to is gone", "the group has a new id", "nobody is there", "the bot may not write there", "the topic is closed",
                                        "the token is refused", "refused"};
    return words[what];
}

/* --- what an answer means --- */

static bool says(const char *description, const char *const *phrases) {
    for (; *phrases; phrases++)
        if (strcasestr(description, *phrases))
            return true;
    return false;
}

/* We are in the chat and may not write there. */
static bool is_mute(const char *description) {
    static const char *const mute[] = {"not enough rights to send", "have no rights to send", "need administrator rights",
                                       "CHAT_WRITE_FORBIDDEN", "CHAT_RESTRICTED", "CHAT_SEND_PLAIN_FORBIDDEN", NULL};
    return says(description, mute);
}

/* A 400 is told apart by its words alone: they are matched by what has stayed the same over the years. */
static enum telegram_what judge_bad_request(enum telegram_method method, const char *description) {
    static const char *const same[] = {"message is not modified", "MESSAGE_NOT_MODIFIED", NULL};
    static const char *const missing[] = {"message to edit not found",  "message to delete not found",
                                          "message can't be deleted", "MESSAGE_ID_INVALID", "message not found", NULL};
    static const char *const topic[] = {"thread not found", "TOPIC_DELETED", "TOPIC_ID_INVALID", NULL};
    static const char *const reply[] = {"replied not found", "reply message not found", "REPLY_MESSAGE_ID_INVALID", NULL};
    static const char *const gone[] = {"chat not found",  "PEER_ID_INVALID",     "USER_IS_BLOCKED",            "INPUT_USER_DEACTIVATED",
                                       "user not found",  "user is deactivated", "group chat was deactivated", "CHANNEL_PRIVATE",
                                       "bot was kicked",  "bot was blocked",     NULL};
    static const char *const no_files[] = {"rights to send photos", "rights to send documents", "SEND_PHOTOS_FORBIDDEN", "SEND_DOCS_FORBIDDEN",
                                           "SEND_MEDIA_FORBIDDEN", NULL};
    if (method == TELEGRAM_EDIT && says(description, same))
        return TELEGRAM_OK;
    if (method == TELEGRAM_EDIT && strcasestr(description, "message can't be edited"))
        return TELEGRAM_FIXED;
    if ((method == TELEGRAM_EDIT || method == TELEGRAM_DELETE) && says(description, missing))
        return method == TELEGRAM_EDIT ? TELEGRAM_MISSING : TELEGRAM_OK;
    if (says(description, topic))
        return TELEGRAM_NO_TOPIC;
    if (strcasestr(description, "TOPIC_CLOSED"))
        return TELEGRAM_CLOSED;
    if (telegram_sends(method) && says(description, reply))
        return TELEGRAM_NO_REPLY;
    if (telegram_sends(method) && method != TELEGRAM_SEND && says(description, no_files))
        return TELEGRAM_REFUSED;         /* words may be sent there all the same */
    return is_mute(description) ? TELEGRAM_MUTE : says(description, gone) ? TELEGRAM_GONE : TELEGRAM_REFUSED;
}

enum { PAUSE_MOST_S = 7 * 24 * 3600 };   /* what a broken answer may make us wait */

/* A wait that only the words tell: slow mode, and floods that come as something else than 429. */
static bool wait_in_words(const char *description, int64_t *ret_s) {
    static const char *const fronts[] = {"SLOWMODE_WAIT_", "FLOOD_WAIT_", "Too Many Requests: retry after ", NULL};
    for (int i = 0; fronts[i]; i++) {
        const char *at = strcasestr(description, fronts[i]);
        if (!at)
            continue;
        at += strlen(fronts[i]);
        *ret_s = *at >= '0' && *at <= '9' ? strtoll(at, NULL, 10) : 1; /* saturates: bounded by the caller */
        return true;
    }
    return false;
}

static int64_t pause_of(const struct http_result *r, const cJSON *parameters, const char *description) {
    int64_t s;
    if ((json_get_i64(parameters, "retry_after", &s) && s >= 0) || wait_in_words(description, &s))
        return (s < PAUSE_MOST_S ? s : PAUSE_MOST_S) * SECOND;
    if (r->retry_after_ms >= 0)
        return r->retry_after_ms < (int64_t)PAUSE_MOST_S * SECOND ? r->retry_after_ms : (int64_t)PAUSE_MOST_S * SECOND;
    return SECOND;
}

/* Said that it is done: is it, and as what? */
static enum telegram_what judge_success(enum telegram_method method, const cJSON *answer, int64_t *ret_id) {
    bool ok = false;
    if (!json_get_bool(answer, "ok", &ok) || !ok)
        return TELEGRAM_UNKNOWN;
    if (!telegram_sends(method))
        return TELEGRAM_OK;
    int64_t id;
    if (!json_get_i64(json_get_obj(answer, "result"), "message_id", &id) || id <= 0)
        return TELEGRAM_UNKNOWN;
    *ret_id = id;
    return TELEGRAM_OK;
}

static struct telegram_verdict judge_answer(enum telegram_method method, const struct http_result *r) {
    struct telegram_verdict v = {.what = TELEGRAM_UNKNOWN, .status = r->status};
    CLEANUP(json_done) cJSON *answer = r->too_large ? NULL : json_parse(buf_cstr(&r->body), r->body.len);
    const cJSON *parameters = json_get_obj(answer, "parameters");
    const char *description = json_get_str(answer, "description");
    int64_t ignored;
    if (!description)
        description = "";
    switch (r->status) {
    case 200: v.what = judge_success(method, answer, &v.message_id); break;
    case 400:
        v.what = json_get_i64(parameters, "migrate_to_chat_id", &v.moved_to) ? TELEGRAM_MOVED
                 : wait_in_words(description, &ignored) ? TELEGRAM_PAUSE
                 : answer ? judge_bad_request(method, description) : TELEGRAM_UNKNOWN;
        break;
    case 401: case 404:                  /* a server older than drafts does not find them */
        v.what = r->status == 404 && method == TELEGRAM_DRAFT ? TELEGRAM_REFUSED : TELEGRAM_LOCKED_OUT;
        break;
    case 403:                            /* a page of some box on the way is no word of Telegram's */
        v.what = !answer ? TELEGRAM_UNKNOWN : is_mute(description) ? TELEGRAM_MUTE : TELEGRAM_GONE;
        break;
    case 413: v.what = TELEGRAM_REFUSED; break;
    case 420: case 429: v.what = TELEGRAM_PAUSE; break;
    default: break;                      /* 5xx, and whatever stands between us: may have been executed */
    }
    if (v.what == TELEGRAM_PAUSE)
        v.wait_ms = pause_of(r, parameters, description);
    if (v.what != TELEGRAM_OK)
        snprintf(v.why, sizeof v.why, "status %d %s", r->status, *description ? description : answer ? "" : "with no JSON in it");
    return v;
}

struct telegram_verdict telegram_judge(enum telegram_method method, const struct http_result *r) {
    struct telegram_verdict v = {.what = TELEGRAM_UNKNOWN};
    switch (r->fate) {
    case HTTP_ANSWERED: return judge_answer(method, r);
    case HTTP_NOT_SENT: v.what = TELEGRAM_NOT_SENT; break;
    case HTTP_UNKNOWN: v.may_come_late = true; break;
    }
    snprintf(v.why, sizeof v.why, "%s", r->reason);
    return v;
}

/* --- what is said --- */

static void put_row(cJSON *rows, const char *a, const char *b) {
    cJSON *row = cJSON_CreateArray();
    for (int i = 0; i < 2; i++) {
        if (!(i ? b : a))
            continue;
        cJSON *key = cJSON_CreateObject();
        (void)json_put_str(key, "text", i ? b : a);
        cJSON_AddItemToArray(row, key);
    }
    cJSON_AddItemToArray(rows, row);
}

static void put_keys(cJSON *o, bool admin) {
    cJSON *markup = cJSON_AddObjectToObject(o, "reply_markup");
    cJSON *rows = cJSON_AddArrayToObject(markup, "keyboard");
    put_row(rows, "/help", "/img");
    put_row(rows, "/stats", "/reset");
    if (admin)
        put_row(rows, "/stat", NULL);
    (void)json_put_bool(markup, "resize_keyboard", true);
}

static bool put_buttons(cJSON *o, const struct telegram_message *m) {
    cJSON *rows = cJSON_AddArrayToObject(cJSON_AddObjectToObject(o, "reply_markup"), "inline_keyboard"), *row = NULL;
    bool ok = true;
    for (int i = 0; i < m->buttons_count; i++) {
        if (m->buttons_in_row < 2 || i % m->buttons_in_row == 0)
            cJSON_AddItemToArray(rows, row = cJSON_CreateArray());
        cJSON *button = cJSON_CreateObject();
        ok = ok && json_put_str(button, "text", m->buttons[i].text) && json_put_str(button, "callback_data", m->buttons[i].data);
        cJSON_AddItemToArray(row, button);
    }
    return ok;
}

static bool put_text(cJSON *o, const char *name, const struct telegram_message *m) {
    CLEANUP(text_done) char *text = alloc_copy(m->text, m->text_len);
    return json_put_str(o, name, text);
}

static void put_call_for_answer(cJSON *o) {
    cJSON *markup = cJSON_AddObjectToObject(o, "reply_markup");
    (void)json_put_bool(markup, "force_reply", true);
    (void)json_put_bool(markup, "selective", true);
}

static bool put_message(cJSON *o, enum telegram_method method, const struct telegram_message *m) {
    bool is_file = telegram_sends(method) && method != TELEGRAM_SEND;
    bool ok = (is_file && !m->text_len) || put_text(o, is_file ? "caption" : "text", m);
    if (m->entities)
        ok = ok && cJSON_AddItemReferenceToObject(o, is_file ? "caption_entities" : "entities", m->entities);
    if (!is_file && !m->preview)
        ok = ok && json_put_bool(cJSON_AddObjectToObject(o, "link_preview_options"), "is_disabled", true);
    if (telegram_sends(method) && m->reply_to) {
        cJSON *reply = cJSON_AddObjectToObject(o, "reply_parameters");
        ok = ok && json_put_i64(reply, "message_id", m->reply_to) && json_put_bool(reply, "allow_sending_without_reply", true);
    }
    if (m->buttons_count)
        ok = ok && put_buttons(o, m);
    else if (method == TELEGRAM_SEND && m->keys == TELEGRAM_KEYS_ANSWER)
        put_call_for_answer(o);
    else if (method == TELEGRAM_SEND && m->keys)
        put_keys(o, m->keys == TELEGRAM_KEYS_ADMIN);
    return ok;
}

static bool put_draft(cJSON *o, const struct telegram_message *m) {
    bool ok = json_put_i64(o, "draft_id", m->draft) && put_text(o, "text", m) && json_put_bool(o, "can_stop", true) && json_put_bool(o, "keep_on_stop", true);
    return ok && (!m->entities || cJSON_AddItemReferenceToObject(o, "entities", m->entities));
}

static bool put_all(cJSON *o, enum telegram_method method, const struct telegram_message *m) {
    if (method == TELEGRAM_PRESS)
        return json_put_str(o, "callback_query_id", m->callback) && (!m->text || put_text(o, "text", m));
    bool ok = json_put_i64(o, "chat_id", m->chat);
    if (m->topic && (telegram_sends(method) || method == TELEGRAM_TYPING || method == TELEGRAM_DRAFT))
        ok = ok && json_put_i64(o, "message_thread_id", m->topic);
    if (method == TELEGRAM_EDIT || method == TELEGRAM_DELETE)
        ok = ok && json_put_i64(o, "message_id", m->id);
    if (method == TELEGRAM_TYPING)
        ok = ok && json_put_str(o, "action", m->action ? m->action : "typing");
    if (telegram_sends(method) || method == TELEGRAM_EDIT)
        ok = ok && put_message(o, method, m);
    if (method == TELEGRAM_DRAFT)
        ok = ok && put_draft(o, m);
    return ok;
}

char *telegram_body(enum telegram_method method, const struct telegram_message *m) {
    CLEANUP(json_done) cJSON *o = cJSON_CreateObject();
    char *body = put_all(o, method, m) ? json_take_text(o) : NULL;
    if (!body)
        abort(); /* memory is out: the entry is still in its stream */
    return body;
}

void telegram_form(enum telegram_method method, const struct telegram_message *m, struct multipart *to) {
    CLEANUP(json_done) cJSON *o = cJSON_CreateObject();
    if (!put_all(o, method, m))
        abort(); /* likewise */
    const cJSON *member;
    cJSON_ArrayForEach(member, o) {
        CLEANUP(text_done) char *text = cJSON_IsString(member) ? NULL : cJSON_PrintUnformatted(member);
        multipart_field(to, member->string, text ? text : member->valuestring);
    }
}

/* --- places and calls --- */

struct row { struct telegram_call *first, *last; };

struct telegram {
    struct http *http;
    char *urls[TELEGRAM_METHODS];
    struct row urgent, others;
    unsigned places;                     /* taken */
    int64_t failing_since_ms;            /* 0: not failing */
    int64_t locked_out_said_ms;
};

struct telegram *telegram_new(uv_loop_t *loop, const char *api_url, const char *token, const char *proxy) {
    struct telegram *t = alloc_zero(sizeof *t);
    for (int i = 0; i < TELEGRAM_METHODS; i++)
        if (asprintf(&t->urls[i], "%s/bot%s/%s", api_url, token, method_names[i]) < 0)
            abort();
    t->http = http_new(loop, &(struct http_options){.proxy = proxy, .max_connections = TELEGRAM_IN_FLIGHT + TELEGRAM_PRESSES,
                                                    .user_agent = "gpttg/" GPTTG_VERSION});
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        metric_add(&calls[i], 0);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        metric_add(&answers[i], 0);
    return t;
}

void telegram_free(struct telegram *t) {
    if (!t)
        return;
    http_free(t->http);
    for (int i = 0; i < TELEGRAM_METHODS; i++)
        free(t->urls[i]);
    free(t);
}

bool telegram_has_room(const struct telegram *t) {
    return t->places < TELEGRAM_IN_FLIGHT - TELEGRAM_RESERVED && !t->urgent.first && !t->others.first;
}

static void leave_row(struct telegram_call *c) {
    struct row *r = c->in->urgent.first == c || c->in->urgent.last == c ? &c->in->urgent : &c->in->others;
    if (c->prev)
        c->prev->next = c->next;
    else if (r->first == c)
        r->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else if (r->last == c)
        r->last = c->prev;
    c->next = c->prev = NULL;
    c->waits = false;
}

static void take_place(struct telegram_call *c) {
    c->has_place = true;
    c->in->places++;
}

static unsigned places_for(bool urgent) {
    return urgent ? TELEGRAM_IN_FLIGHT : TELEGRAM_IN_FLIGHT - TELEGRAM_RESERVED;
}

static void give_place_back(struct telegram_call *c) {
    struct telegram *t = c->in;
    c->has_place = false;
    t->places--;
    struct telegram_call *next = t->urgent.first ? t->urgent.first : t->others.first;
    if (!next || t->places >= places_for(next == t->urgent.first))
        return;
    leave_row(next);
    take_place(next);
    next->on_turn(next);
}

bool telegram_enter(struct telegram *t, struct telegram_call *c, bool urgent) {
    c->in = t;
    struct row *r = urgent ? &t->urgent : &t->others;
    if (t->places < places_for(urgent) && !t->urgent.first && !r->first) {
        take_place(c);
        return true;
    }
    c->prev = r->last;
    *(r->last ? &r->last->next : &r->first) = c;
    r->last = c;
    c->waits = true;
    return false;
}

/* Whether Telegram as a whole is in trouble: what it says of one chat is no trouble. */
static void note_health(struct telegram *t, const struct telegram_verdict *v) {
    bool bad = v->what == TELEGRAM_NOT_SENT || v->what == TELEGRAM_UNKNOWN || v->what == TELEGRAM_LOCKED_OUT;
    int64_t now = clock_mono_ms();
    if (!bad)
        t->failing_since_ms = 0;
    else if (!t->failing_since_ms)
        t->failing_since_ms = now;
    if (v->what != TELEGRAM_LOCKED_OUT || (t->locked_out_said_ms && now - t->locked_out_said_ms < 60 * SECOND))
        return;
    t->locked_out_said_ms = now;
    log_error(NULL, "Telegram does not accept the token (%s): nothing can be shown until BOT_TOKEN is right", v->why);
}

int64_t telegram_outage_ms(const struct telegram *t) {
    return t->failing_since_ms ? clock_mono_ms() - t->failing_since_ms : 0;
}

static void on_answer(struct http_result *result, void *owner) {
    struct telegram_call *c = owner;
    c->http = NULL;
    c->verdict = telegram_judge(c->method, result);
    metric_add(&answers[c->verdict.what], 1);
    note_health(c->in, &c->verdict);
    if (c->has_place)
        give_place_back(c);
    c->on_done(c);
}

static void begin_call(struct telegram *t, struct telegram_call *c, enum telegram_method method) {
    c->in = t;
    if (!c->has_place && method != TELEGRAM_PRESS)
        take_place(c);
    c->method = method;
    c->began_ms = clock_mono_ms();
    metric_add(&calls[method], 1);
}

static size_t read_form(char *to, size_t room, void *owner) {
    return multipart_read(((struct telegram_call *)owner)->form, to, room);
}

void telegram_upload(struct telegram *t, struct telegram_call *c, enum telegram_method method, struct multipart *form) {
    const char *headers[] = {form->type, NULL};
    begin_call(t, c, method);
    c->form = form;
    c->http = http_start(t->http, &(struct http_request){
                                      .method = "POST",
                                      .url = t->urls[method],
                                      .headers = headers,
                                      .body_read = read_form,
                                      .body_len = multipart_length(form),
                                      .max_body = TELEGRAM_MAX_ANSWER,
                                      .deadline_ms = TELEGRAM_UPLOAD_MS,
                                      .bulk = true,
                                      .on_done = on_answer,
                                      .owner = c,
                                  });
}

void telegram_start(struct telegram *t, struct telegram_call *c, enum telegram_method method, char *body, int deadline_ms) {
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    begin_call(t, c, method);
    c->http = http_start(t->http, &(struct http_request){
                                      .method = "POST",
                                      .url = t->urls[method],
                                      .headers = headers,
                                      .body = body,
                                      .body_len = strlen(body),
                                      .body_free = free,
                                      .max_body = TELEGRAM_MAX_ANSWER,
                                      .deadline_ms = deadline_ms,
                                      .on_done = on_answer,
                                      .owner = c,
                                  });
}

void telegram_leave(struct telegram_call *c) {
    if (c->waits)
        leave_row(c);
    http_cancel(c->http);
    c->http = NULL;
    if (c->has_place)
        give_place_back(c);
}

bool telegram_is_calling(const struct telegram_call *c) {
    return c->http != NULL;
}
