/* The commander: one ordered list of what was asked.
 *
 *   redis_script() ──▶ unsent ──pump──▶ sent ──answer──▶ done
 *                        ▲ ▲              │
 *                        │ └──connection lost (all of them, in order)
 *                        └──timer── waiting ◀── LOADING, OOM … (this one alone)
 *
 * `unsent` is ordered by seq, the order of asking; `sent` by the order of sending, in which the answers come.
 * After each connect the server is looked at (redis_fit.h) and the scripts are loaded; only then is anything sent. */
#include "services/redis.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"
#include "services/clock.h"
#include "services/listener.h"
#include "services/log.h"
#include "services/metrics.h"
#include "services/redis_conn.h"
#include "services/redis_fit.h"
#include "services/redis_private.h"

enum { MINUTE = 60 * SECOND, WAIT_MIN_MS = 50, WAIT_MAX_MS = 2000 };

static struct metric resent = {"redis_commands_resent_total", "commands sent again on a new connection", NULL, METRIC_COUNTER};
static struct metric unsaid = {"redis_refused_total", "commands Redis refused for now (loading, out of memory, busy)", NULL, METRIC_COUNTER};

struct redis_call {
    struct redis_call *next, *prev;
    struct redis *redis;
    redis_done_fn *done;
    void *owner;
    struct args args;
    int script;                             /* enum script, or -1: a plain command */
    bool by_text;                           /* the server did not know the script: EVAL */
    unsigned refusals;
    uint64_t seq;
    size_t bytes;
    int64_t sent_ms, due_ms;                /* due: when it has been waiting */
};

struct calls { struct redis_call *first, *last; };

struct watcher {
    struct watcher *next;
    redis_change_fn *on_change;             /* NULL: unwatched, swept at the end */
    void *owner;
};

struct redis {
    uv_loop_t *loop;
    struct redis_options o;
    struct redis_address address;
    const struct redis_tuning *tuning;
    char *prefix, *name;
    struct conn *conn;
    struct listener *listener;
    uv_timer_t timer;                       /* the next of those that wait */
    bool up, closing;
    struct calls unsent, sent, waiting;     /* waiting: by due_ms */
    unsigned outstanding, sent_count;
    size_t sent_bytes;
    uint64_t seq;
    int64_t proved_ms;                      /* when the last answered command was sent */
    struct watcher *watchers;
    const char **words;                     /* of the command that is being sent */
    size_t *lens;
    int words_size;
    /* After each connect: */
    int setup_left, setup_script;
    char *info, *fsync;
    char sha[SCRIPT_COUNT][41];             /* "" when it could not be loaded: EVAL then */
    char unfit[160];
    int64_t unfit_ms;
    const char *warned[8];
    int64_t refused_ms[16];                 /* when each kind of refusal was last said */
};

static char info_tag, fsync_tag, load_tag;

/* ---- lists ---- */

static void take_out(struct calls *list, struct redis_call *call) {
    *(call->prev ? &call->prev->next : &list->first) = call->next;
    *(call->next ? &call->next->prev : &list->last) = call->prev;
    call->next = call->prev = NULL;
}

static void put_behind(struct calls *list, struct redis_call *at, struct redis_call *call) {  /* at NULL: first */
    call->prev = at;
    call->next = at ? at->next : list->first;
    *(call->prev ? &call->prev->next : &list->first) = call;
    *(call->next ? &call->next->prev : &list->last) = call;
}

/* Back among the unsent, at its old place. They are nearly always the oldest, so look from the front. */
static void put_back(struct redis *r, struct redis_call *call) {
    struct redis_call *at = NULL;
    for (struct redis_call *i = r->unsent.first; i && i->seq < call->seq; i = i->next)
        at = i;
    put_behind(&r->unsent, at, call);
}

static void call_free(struct redis_call *call) {
    args_done(&call->args);
    free(call);
}

/* ---- sending ---- */

static void word(struct redis *r, int *count, const char *text, size_t len, size_t *bytes) {
    if (*count == r->words_size) {
        r->words_size = r->words_size ? r->words_size * 2 : 32;
        r->words = alloc_again(r->words, (size_t)r->words_size * sizeof *r->words);
        r->lens = alloc_again(r->lens, (size_t)r->words_size * sizeof *r->lens);
    }
    r->words[*count] = text;
    r->lens[(*count)++] = len;
    *bytes += len + 16; /* and its length line */
}

static bool send_call(struct redis *r, struct redis_call *call) {
    int count = 0;
    size_t bytes = 0;
    if (call->script >= 0) {
        bool by_text = call->by_text || !r->sha[call->script][0];
        const char *which = by_text ? scripts[call->script].text : r->sha[call->script];
        word(r, &count, by_text ? "EVAL" : "EVALSHA", by_text ? 4 : 7, &bytes);
        word(r, &count, which, strlen(which), &bytes);
        word(r, &count, "1", 1, &bytes);
        word(r, &count, r->prefix, strlen(r->prefix), &bytes);
    }
    for (int i = 0; i < call->args.count; i++) {
        size_t len;
        const char *text = args_at(&call->args, i, &len);
        word(r, &count, text, len, &bytes);
    }
    if (!conn_send(r->conn, count, r->words, r->lens, call))
        return false;
    if (call->sent_ms)
        metric_add(&resent, 1);
    call->sent_ms = clock_mono_ms();
    call->bytes = bytes;
    r->sent_bytes += bytes;
    r->sent_count++;
    return true;
}

/* Hand over what may go. hiredis has no bound of its own, and moves all that is left at each partial write. */
static void pump(struct redis *r) {
    while (r->up && r->unsent.first && r->sent_count < r->tuning->most_commands &&
           (r->sent_bytes < r->tuning->most_bytes || r->sent_count == 0)) {
        struct redis_call *call = r->unsent.first;
        if (!send_call(r, call))
            return; /* dying: on_lost is on its way */
        take_out(&r->unsent, call);
        put_behind(&r->sent, r->sent.last, call);
    }
}

static struct redis_call *ask(struct redis *r, int script, struct args *args, redis_done_fn *done, void *owner) {
    struct redis_call *call = alloc_zero(sizeof *call);
    call->redis = r;
    call->script = script;
    call->args = *args;
    args_init(args);
    call->done = done;
    call->owner = owner;
    call->seq = ++r->seq;
    put_behind(&r->unsent, r->unsent.last, call);
    r->outstanding++;
    pump(r);
    return call;
}

struct redis_call *redis_script(struct redis *r, enum script script, struct args *args, redis_done_fn *done, void *owner) {
    return ask(r, (int)script, args, done, owner);
}

struct redis_call *redis_command(struct redis *r, struct args *args, redis_done_fn *done, void *owner) {
    return ask(r, -1, args, done, owner);
}

void redis_forget(struct redis_call *call) {
    if (call)
        call->done = NULL;
}

/* ---- refused for now ---- */

static void wait_for_due(struct redis *r);

static void on_due(uv_timer_t *timer) {
    struct redis *r = timer->data;
    int64_t now = clock_mono_ms();
    for (struct redis_call *call; (call = r->waiting.first) && call->due_ms <= now;) {
        take_out(&r->waiting, call);
        put_back(r, call);
    }
    wait_for_due(r);
    pump(r);
}

static void wait_for_due(struct redis *r) {
    int64_t now = clock_mono_ms();
    if (r->waiting.first && !r->closing)
        uv_timer_start(&r->timer, on_due, (uint64_t)(r->waiting.first->due_ms > now ? r->waiting.first->due_ms - now : 0) + 1, 0);
}

/* Which refusal is it? All of them are given before a command has done anything. -1: an error for the caller. */
static int refusal(const redisReply *reply) {
    static const char *const kinds[] = {"LOADING", "BUSY", "MISCONF", "OOM", "READONLY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN",
                                        "NOREPLICAS", "NOAUTH"};
    if (reply->type != REDIS_REPLY_ERROR)
        return -1;
    size_t len = strcspn(reply->str, " ");
    for (int i = 0; i < (int)(sizeof kinds / sizeof *kinds); i++)
        if (strlen(kinds[i]) == len && strncmp(reply->str, kinds[i], len) == 0)
            return i;
    return -1;
}

static void wait_and_repeat(struct redis *r, struct redis_call *call, int kind, const redisReply *reply) {
    int64_t now = clock_mono_ms();
    int64_t wait = WAIT_MIN_MS << (call->refusals < 6 ? call->refusals : 6);
    metric_add(&unsaid, 1);
    if (!r->refused_ms[kind] || now - r->refused_ms[kind] >= MINUTE) {
        r->refused_ms[kind] = now;
        log_warn(NULL, "redis: %.200s; asking again until it changes", reply->str);
    }
    call->refusals++;
    call->due_ms = now + (wait < WAIT_MAX_MS ? wait : WAIT_MAX_MS);
    struct redis_call *at = r->waiting.last; /* nearly always the last */
    while (at && at->due_ms > call->due_ms)
        at = at->prev;
    put_behind(&r->waiting, at, call);
    wait_for_due(r);
    if (strncmp(reply->str, "READONLY", 8) == 0 || strncmp(reply->str, "NOAUTH", 6) == 0)
        conn_break(r->conn, reply->str); /* the name may belong to another server by now */
}

/* ---- answers ---- */

static void on_answer(struct redis *r, struct redis_call *call, const redisReply *reply) {
    take_out(&r->sent, call);
    r->sent_count--;
    r->sent_bytes -= call->bytes;
    if (call->sent_ms > r->proved_ms)
        r->proved_ms = call->sent_ms;
    int kind = refusal(reply);
    if (kind >= 0) {
        wait_and_repeat(r, call, kind, reply);
    } else if (reply->type == REDIS_REPLY_ERROR && call->script >= 0 && !call->by_text && strncmp(reply->str, "NOSCRIPT", 8) == 0) {
        call->by_text = true;
        put_back(r, call);
    } else {
        r->outstanding--;
        if (call->done)
            call->done(reply, call->owner);
        call_free(call);
    }
    if (!r->closing)
        pump(r);
}

/* ---- up and down ---- */

static void tell(struct redis *r, bool up) {
    for (struct watcher *w = r->watchers, *next; w; w = next) {
        next = w->next;
        if (w->on_change)
            w->on_change(up, w->owner);
    }
    if (up && r->o.on_up)
        r->o.on_up(r->o.owner);
    if (!up && r->o.on_down)
        r->o.on_down(r->o.owner);
}

static void warn_once(struct redis *r, const char *warning) {
    size_t i = 0;
    while (i + 1 < sizeof r->warned / sizeof *r->warned && r->warned[i] && strcmp(r->warned[i], warning) != 0)
        i++;
    if (!r->warned[i])
        log_warn(NULL, "redis: %s", warning);
    r->warned[i] = warning; /* constants of redis_fit.c */
}

static void refuse_to_work(struct redis *r, const char *why) {
    int64_t now = clock_mono_ms();
    bool news = strcmp(r->unfit, why) != 0 || now - r->unfit_ms >= MINUTE;
    snprintf(r->unfit, sizeof r->unfit, "%s", why);
    conn_break(r->conn, r->unfit);
    if (news) {
        r->unfit_ms = now;
        if (r->o.on_unfit)
            r->o.on_unfit(r->unfit, r->o.owner);
    }
}

static void setup_over(struct redis *r) {
    struct redis_fit fit = redis_judge(r->info, r->fsync);
    if (fit.loading) {
        conn_break(r->conn, "Redis is loading its data");
        return;
    }
    if (fit.unfit[0]) {
        refuse_to_work(r, fit.unfit);
        return;
    }
    for (int i = 0; fit.warnings[i]; i++)
        warn_once(r, fit.warnings[i]);
    r->unfit[0] = '\0';
    r->up = true;
    log_info(NULL, "redis: connected");
    pump(r);
    tell(r, true);
}

static char *string_of(const redisReply *reply) {
    return reply->type == REDIS_REPLY_STRING ? alloc_copy(reply->str, reply->len) : NULL;
}

static void on_setup(struct redis *r, const redisReply *reply, const void *tag) {
    int kind = refusal(reply);
    if (kind >= 0) {
        conn_break(r->conn, reply->str);
        return;
    }
    if (tag == &info_tag) {
        r->info = string_of(reply);
    } else if (tag == &fsync_tag) {
        if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
            r->fsync = string_of(reply->element[1]);
    } else {
        char *sha = r->sha[r->setup_script++];
        sha[0] = '\0';
        if (reply->type == REDIS_REPLY_STRING && reply->len == 40)
            memcpy(sha, reply->str, 41);
    }
    if (--r->setup_left == 0)
        setup_over(r);
}

static void on_open(void *owner) {
    struct redis *r = owner;
    free(r->info);
    free(r->fsync);
    r->info = r->fsync = NULL;
    r->setup_script = 0;
    r->setup_left = 2 + SCRIPT_COUNT;
    conn_say(r->conn, &info_tag, 1, "INFO");
    conn_say(r->conn, &fsync_tag, 3, "CONFIG", "GET", "appendfsync");
    for (int i = 0; i < SCRIPT_COUNT; i++)
        conn_say(r->conn, &load_tag, 3, "SCRIPT", "LOAD", scripts[i].text);
}

static void on_reply(const redisReply *reply, void *tag, void *owner) {
    struct redis *r = owner;
    if (tag == &info_tag || tag == &fsync_tag || tag == &load_tag)
        on_setup(r, reply, tag);
    else
        on_answer(r, tag, reply);
}

static void on_lost(void *owner) {
    struct redis *r = owner;
    bool was_up = r->up;
    r->up = false;
    for (struct redis_call *call; (call = r->sent.last);) { /* from the end, so that each goes to the front */
        take_out(&r->sent, call);
        put_back(r, call);
    }
    r->sent_count = 0;
    r->sent_bytes = 0;
    if (was_up)
        tell(r, false);
}

/* ---- life ---- */

struct redis *redis_new(uv_loop_t *loop, const struct redis_options *options) {
    struct redis *r = alloc_zero(sizeof *r);
    r->loop = loop;
    r->o = *options;
    r->o.url = r->o.prefix = r->o.name = NULL; /* borrowed for this call only */
    r->tuning = options->tuning ? options->tuning : &redis_usual;
    if (redis_url_parse(options->url, &r->address) != 0)
        abort(); /* the settings have checked it */
    r->prefix = alloc_copy(options->prefix, strlen(options->prefix));
    r->name = alloc_copy(options->name, strlen(options->name));
    metrics_list((struct metric *const[]){&resent, &unsaid, NULL});
    uv_timer_init(loop, &r->timer);
    r->timer.data = r;
    r->conn = conn_new(&(struct conn_options){
        .loop = loop, .address = &r->address, .tuning = r->tuning, .name = r->name, .role = "commander", .loud = true,
        .on_open = on_open, .on_lost = on_lost, .on_reply = on_reply, .owner = r,
    });
    return r;
}

static void on_closed(uv_handle_t *timer) {
    struct redis *r = timer->data;
    redis_address_done(&r->address);
    while (r->watchers) {
        struct watcher *w = r->watchers;
        r->watchers = w->next;
        free(w);
    }
    free(r->prefix);
    free(r->name);
    free(r->words);
    free(r->lens);
    free(r->info);
    free(r->fsync);
    free(r);
}

static void free_calls(struct calls *list) {
    for (struct redis_call *call; (call = list->first);) {
        take_out(list, call);
        call_free(call);
    }
}

void redis_free(struct redis *r) {
    if (!r)
        return;
    r->closing = true;
    r->up = false;
    conn_free(r->conn);
    listener_free(r->listener);
    free_calls(&r->unsent);
    free_calls(&r->sent);
    free_calls(&r->waiting);
    uv_close((uv_handle_t *)&r->timer, on_closed);
}

bool redis_is_up(const struct redis *r) {
    return r->up;
}

int64_t redis_age_ms(const struct redis *r) {
    int64_t pinged = conn_proved_ms(r->conn), proved = pinged > r->proved_ms ? pinged : r->proved_ms;
    return proved ? clock_mono_ms() - proved : INT64_MAX;
}

unsigned redis_outstanding(const struct redis *r) {
    return r->outstanding;
}

void redis_watch(struct redis *r, redis_change_fn *on_change, void *owner) {
    struct watcher *w = alloc_zero(sizeof *w);
    w->on_change = on_change;
    w->owner = owner;
    w->next = r->watchers;
    r->watchers = w;
}

void redis_unwatch(struct redis *r, redis_change_fn *on_change, void *owner) {
    for (struct watcher *w = r->watchers; w; w = w->next)
        if (w->on_change == on_change && w->owner == owner)
            w->on_change = NULL;
}

/* ---- for listener.c and reader.c ---- */

void redis_listen(struct redis *r, const char *channel, redis_message_fn *on_message, void *owner) {
    if (!r->listener)
        r->listener = listener_new(r);
    listener_add(r->listener, channel, on_message, owner);
}

void redis_unlisten(struct redis *r, const char *channel, void *owner) {
    if (r->listener)
        listener_remove(r->listener, channel, owner);
}

uv_loop_t *redis_loop(const struct redis *r) {
    return r->loop;
}

struct conn_options redis_conn_options(const struct redis *r) {
    return (struct conn_options){.loop = r->loop, .address = &r->address, .tuning = r->tuning, .name = r->name};
}

char *redis_key(const struct redis *r, const char *name) {
    size_t before = strlen(r->prefix), len = strlen(name);
    char *key = alloc_zero(before + len + 1);
    memcpy(key, r->prefix, before);
    memcpy(key + before, name, len);
    return key;
}
