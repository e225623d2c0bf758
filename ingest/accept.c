#include "ingest/accept.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ingest/album.h"
#include "ingest/fields.h"
#include "proto/commit.h"
#include "proto/keys.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/log.h"
#include "services/metrics.h"
#include "services/settings.h"

struct accept {
    struct redis_call *call;
    char job[64], chat[24];
    enum fate fate;
    int64_t asked;
    accept_done_fn *done;
    void *owner;
};

/* ---- figures ---- */

#define FATE(word) { "updates_total", "Updates of Telegram, by what became of them.", "fate=\"" word "\"", METRIC_COUNTER }
static struct metric fates[FATES] = {
    FATE("asked"), FATE("overheard"), FATE("told"), FATE("stopped"), FATE("forgot"), FATE("repeated"), FATE("listed"), FATE("library"), FATE("chosen"), FATE("pressed"), FATE("gone"),
    FATE("back"), FATE("moved"), FATE("refused"), FATE("ignored"), FATE("passed")
};
static struct metric failed = FATE("failed"), buried = FATE("dead");

/* What the scripts answer where it came otherwise than the route meant. */
static struct special { const char *word, *means; struct metric metric; } specials[] = {
    { "dup", "seen before", FATE("again") },
    { "full", "too many wait in this conversation", FATE("full") },
    { "joined", "a further part of the question before it", FATE("joined") },
    { "same", "an edit that changes no answer", FATE("same") },
    { "old", "an edit of an older question", FATE("old") },
    { "busy", "nothing is repeated while an answer is being made", FATE("busy") },
    { "idle", "there is nothing to stop", FATE("idle") },
    { "none", "there is nothing of the kind", FATE("none") },
    { "refused", "that user may not", FATE("not_allowed") },
    { "fast", "too many questions in a minute", FATE("fast") },
    { "denied", "the button is another one's", FATE("denied") },
};
enum { SPECIALS = sizeof specials / sizeof *specials };
static struct histogram lag = { "update_lag_seconds", "From Telegram's time of a message, in whole seconds, to its job." };

void accept_list_metrics(void) {
    for (int i = 0; i < FATES; i++)
        metrics_list((struct metric *const[]){ &fates[i], NULL });
    for (int i = 0; i < SPECIALS; i++)
        metrics_list((struct metric *const[]){ &specials[i].metric, NULL });
    metrics_list((struct metric *const[]){ &failed, &buried, NULL });
}

/* By what they are: as many counters as there are kinds and contents, each made when it is first seen. */
static void count_kind(const struct update *u) {
    static struct known { struct metric metric; char label[80]; struct known *next; } *all;
    char label[80];
    snprintf(label, sizeof label, "kind=\"%s%s%s\"", u->kind, *u->content ? "/" : "", u->content);
    struct known *k = all;
    while (k && strcmp(k->label, label))
        k = k->next;
    if (!k) {
        k = alloc_zero(sizeof *k);
        snprintf(k->label, sizeof k->label, "%s", label);
        k->metric = (struct metric){ "update_kinds_total", "Updates of Telegram, by what they are.", k->label, METRIC_COUNTER };
        k->next = all;
        all = k;
    }
    metric_add(&k->metric, 1);
}

/* ---- what Redis answers ---- */

static void done(struct accept *a, bool accepted) {
    accept_done_fn *tell = a->done;
    void *owner = a->owner;
    free(a);
    tell(accepted, owner);
}

static struct special *special_of(const char *word) {
    for (int i = 0; i < SPECIALS; i++)
        if (!strcmp(word, specials[i].word))
            return &specials[i];
    return NULL;
}

static void count_lag(const struct accept *a) {
    int64_t ms = clock_wall_ms() - a->asked * SECOND;
    if (a->asked)
        histogram_add(&lag, ms > 0 ? ms : 0);
}

static void on_answer(const redisReply *reply, void *owner) {
    struct accept *a = owner;
    const struct log_subject about = { a->job, a->chat };
    const char *word = answer_word(reply);
    if (!*word || reply->type == REDIS_REPLY_ERROR) {
        metric_add(&failed, 1);
        log_error(&about, "accept: Redis refused it: %s", reply->type == REDIS_REPLY_ERROR ? reply->str : "no sensible answer");
        done(a, false);
        return;
    }
    struct special *special = special_of(word);
    if (special && !strcmp(word, "idle") && a->fate != FATE_STOP)
        special = NULL;          /* to forget, or to be gone, nothing has to run */
    metric_add(special ? &special->metric : &fates[a->fate], 1);
    if (!special && a->fate == FATE_JOIN)
        log_debug(&about, "accept: %s", route_word(a->fate)); /* a group may talk all day */
    else
        log_info(&about, "accept: %s", special ? special->means : route_word(a->fate));
    if (!special && a->fate != FATE_JOIN)
        count_lag(a);
    done(a, true);
}

/* ---- what it is asked ---- */

/* Conversation: a chat, or a topic of it; a group's members may have one each. */
static void conversation_of(const struct update *u, char *ret_conv, size_t size) {
    bool is_group = !strcmp(u->chat_type, "group") || !strcmp(u->chat_type, "supergroup");
    bool is_said = strcmp(u->kind, "my_chat_member");
    if (is_group && is_said && !strcmp(setting_text("GROUP_CONTEXT"), "user"))
        snprintf(ret_conv, size, "%" PRId64 ":%" PRId64 ":%" PRId64, u->chat, u->topic, u->user);
    else if (u->topic)
        snprintf(ret_conv, size, "%" PRId64 ":%" PRId64, u->chat, u->topic);
    else
        snprintf(ret_conv, size, "%" PRId64, u->chat);
}

/* update, job, conv: what all of them but one begin with. */
static void add_head(struct args *args, const struct update *u, const char *job, const char *conv) {
    args_int(args, u->id);
    args_str(args, job);
    args_str(args, conv);
}

static enum script ask_accept(struct args *args, const struct update *u, const struct route *r) {
    bool asks = route_asks(r), edits = !strcmp(u->kind, "edited_message");
    char gather[UPDATE_ID_MAX + 16];
    fields_gather(u, r, gather, sizeof gather);
    args_int(args, r->fate == FATE_JOIN ? -1 : setting_number("LANE_MAX"));
    args_str(args, gather);
    args_int(args, fields_open_ms(u, r));
    args_str(args, asks && edits ? "edit" : "");
    return SCRIPT_ACCEPT;
}

static enum script ask_control(struct args *args, const struct update *u, const struct route *r) {
    static const char *const whats[FATES] = {
        [FATE_STOP] = STOP_USER, [FATE_NEW] = STOP_NEW, [FATE_GONE] = STOP_GONE, [FATE_BACK] = "back",
    };
    args_str(args, r->what ? r->what : whats[r->fate]);
    args_str(args, r->what ? "" : u->target);
    return SCRIPT_CONTROL;
}

static enum script ask(struct args *args, const struct update *u, const struct route *r, const char *job, int64_t now_ms) {
    char conv[80];
    conversation_of(u, conv, sizeof conv);
    enum script script;
    switch (r->fate) {
    case FATE_MOVE:
        args_int(args, u->moved_from);
        args_int(args, u->moved_to);
        return SCRIPT_MIGRATE;
    case FATE_STOP: case FATE_NEW: case FATE_GONE: case FATE_BACK:
        add_head(args, u, job, conv);
        script = ask_control(args, u, r);
        break;
    case FATE_RETRY:
        add_head(args, u, job, conv);
        args_str(args, u->target);
        script = SCRIPT_RETRY;
        break;
    case FATE_CHOOSE:
        add_head(args, u, job, conv);
        args_str(args, u->content);
        args_str(args, u->target);
        args_str(args, u->choice);
        args_int(args, setting_number("LANE_MAX"));
        script = SCRIPT_CHOOSE;
        break;
    case FATE_FILES: case FATE_LIBRARY:
        add_head(args, u, job, conv);
        args_str(args, u->target);
        script = SCRIPT_FILES;
        break;
    default:
        add_head(args, u, job, route_asks(r) ? conv : "");
        script = ask_accept(args, u, r);
    }
    fields_add(args, u, r, now_ms);
    if (script == SCRIPT_ACCEPT || script == SCRIPT_RETRY || script == SCRIPT_CHOOSE) {
        args_int(args, setting_number("USER_RATE_PER_MIN"));
        args_str(args, setting_text("USER_MODELS"));
    }
    if (r->fate == FATE_LIBRARY)
        args_str(args, "library");
    return script;
}

/* ---- one update ---- */

static struct route fate_of(const struct update *u) {
    struct route r = route_of(u);
    bool speaks = r.fate == FATE_LINE || r.fate == FATE_REFUSE;
    if (speaks && *u->album && !album_speaks(u->chat, u->album, u->id))
        r = (struct route){ FATE_IGNORE };
    return r;
}

struct accept *accept_update(struct redis *redis, const struct update *u, accept_done_fn *tell, void *owner) {
    struct route r = fate_of(u);
    count_kind(u);
    if (r.fate == FATE_IGNORE || r.fate == FATE_PASS) {
        metric_add(&fates[r.fate], 1);
        log_debug(NULL, "update %" PRId64 " (%s %s): %s", u->id, u->kind, u->content, route_word(r.fate));
        return NULL;
    }
    int64_t now_ms = clock_wall_ms();
    struct accept *a = alloc_zero(sizeof *a);
    a->fate = r.fate;
    a->asked = u->asked;
    a->done = tell;
    a->owner = owner;
    snprintf(a->job, sizeof a->job, "%" PRId64 "-%" PRId64, u->id, now_ms);
    snprintf(a->chat, sizeof a->chat, "%" PRId64, u->chat);
    struct args args = { 0 };
    enum script script = ask(&args, u, &r, a->job, now_ms);
    a->call = redis_script(redis, script, &args, on_answer, a);
    return a;
}

void accept_forget(struct accept *a) {
    if (!a)
        return;
    redis_forget(a->call);
    free(a);
}

void accept_bury(struct redis *redis, const char *prefix, int64_t update, const char *reason) {
    char key[300];
    snprintf(key, sizeof key, "%s%s", prefix, STREAM_DEAD);
    struct args args = { 0 };
    args_str(&args, "XADD");
    args_str(&args, key);
    args_str(&args, "MAXLEN");
    args_str(&args, "~");
    args_int(&args, 10000); /* as bury.lua keeps of nonsense */
    args_str(&args, "*");
    args_pair(&args, "kind", "update");
    args_pair_int(&args, "job", update);
    args_pair(&args, "chat", "");
    args_pair(&args, "user", "");
    args_pair_int(&args, "at", clock_wall_ms());
    args_pair(&args, "reason", reason);
    metric_add(&buried, 1);
    redis_command(redis, &args, NULL, NULL);
}
