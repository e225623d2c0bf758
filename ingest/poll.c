/*   ┌───────────────────────────────────────────────────────────────┐
 *   ▼                                                               │ offset = behind the last one
 *   getUpdates(offset) ──▶ read ──▶ accept, one script per update ──▶ all answered ──▶ confirm
 *
 * The offset is what confirms, so asking again is done only when Redis has everything. Scripts of a batch are sent together and
 * run in Telegram's order. After a crash the same updates come once more; accept knows their ids. */
#include "ingest/poll.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ingest/accept.h"
#include "ingest/caller.h"
#include "ingest/identity.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/metrics.h"

enum {
    BATCH_MOST = 100,
    POLL_S = 20,                 /* Telegram allows 50; the shorter, the sooner a connection is known to be dead */
    CONFLICT_AGAIN_MS = 5 * SECOND,
    CONFLICT_OLD_MS = 10 * 60 * SECOND, /* after so long a refusal is a new story */
    NONSENSE_MOST = 3,           /* so many unreadable answers may be an accident of the way */
    EMPTY_AGAIN_MS = 1 * SECOND  /* after an empty answer that came at once: a server that does not do long polling */
};

struct taken {                   /* one update of the batch on its way into Redis */
    struct poll *poll;
    struct accept *accept;
    int64_t id;
    bool refused;
};

struct poll {
    struct steps steps;
    struct svc *svc;
    struct caller to;            /* Telegram */
    int64_t offset, asked_ms;    /* 0: from the first unconfirmed one; when getUpdates was sent */
    int limit;                   /* how many at once: less after an answer that was too much */
    struct taken taken[BATCH_MOST];
    int taken_count, open, tries;
    int64_t batch_last;
    int nonsense, conflicts;
    int silences;                /* connections in a row that died without a word */
    int64_t conflict_ms;         /* the last refusal because of somebody else */
    bool wanted, runs;
};

static struct metric polls = { "polls_total", "Calls of getUpdates that were answered.", NULL, METRIC_COUNTER };
static struct metric poll_errors = { "poll_errors_total", "Calls of getUpdates that failed.", NULL, METRIC_COUNTER };
static struct metric conflicts = { "poll_conflicts_total", "Refusals because somebody else polls the same bot.", NULL, METRIC_COUNTER };
static struct metric skipped = { "updates_skipped_total", "Updates that could not be read and were left out.", NULL, METRIC_COUNTER };
static struct metric active = { "poll_active", "1 where the updates are fetched; 0 on stand-by.", NULL, METRIC_GAUGE };

static enum step_end ask_who_we_are(struct steps *s);
static enum step_end judge_who_we_are(struct steps *s);
static enum step_end ask_updates(struct steps *s);
static enum step_end judge_updates(struct steps *s);
static enum step_end accept_all(struct steps *s);
static enum step_end confirm(struct steps *s);
static enum step_end remove_webhook(struct steps *s);
static enum step_end judge_removal(struct steps *s);
static enum step_end rest(struct steps *s);

static const struct step poll_row[] = {
    { "ask_who_we_are",   ask_who_we_are   },   /* WAIT: getMe: a wrong token is said at once */
    { "judge_who_we_are", judge_who_we_are },
    { "ask_updates",      ask_updates      },   /* WAIT: getUpdates, twenty seconds when nothing happens */
    { "judge_updates",    judge_updates    },
    { "accept_all",       accept_all       },   /* WAIT: Redis has answered for each */
    { "confirm",          confirm          },   /* to ask_updates, behind them */
    { "remove_webhook",   remove_webhook   },   /* WAIT: deleteWebhook, when that is where updates go */
    { "judge_removal",    judge_removal    },
    { "rest",             rest             },   /* where a row goes that is told to stop */
    { 0 },
};

static struct poll *poll_of(struct steps *s) {
    return (struct poll *)((char *)s - offsetof(struct poll, steps));
}

/* ---- waiting ---- */

/* Somebody else wants the updates of this bot. Once is ordinary, when another of us has just taken over or a webhook is left from
 * earlier days; answers between two times are no peace. */
static void meet_rival(struct poll *p) {
    metric_add(&conflicts, 1);
    if (clock_mono_ms() - p->conflict_ms > CONFLICT_OLD_MS)
        p->conflicts = 0;
    p->conflict_ms = clock_mono_ms();
    if (++p->conflicts == 2)
        svc_alert(p->svc, "poll_conflict", "");
}

/* After anything but an answer: wait as long as it takes, then go on with that step. */
static enum step_end again(struct poll *p, const char *step) {
    const struct bot_answer *a = &p->to.answer;
    int64_t wait_ms = caller_failed(&p->to);
    metric_add(&poll_errors, 1);
    if (a->word == BOT_CONFLICT) {
        wait_ms += CONFLICT_AGAIN_MS;
        meet_rival(p);
    }
    p->silences = a->stalled ? p->silences + 1 : 0;
    if (a->stalled && p->to.failures == 1)
        wait_ms = 0; /* a connection died quietly: a new one will do */
    if (p->silences == 2)
        svc_alert(p->svc, "poll_silent", ""); /* … or will not */
    return steps_sleep(&p->steps, step, wait_ms);
}

static void all_is_well(struct poll *p) {
    p->silences = 0;
    caller_went_well(&p->to);
}

/* ---- the row ---- */

static enum step_end ask_who_we_are(struct steps *s) {
    return caller_ask(&poll_of(s)->to, "getMe", cJSON_CreateObject(), BOT_CALL_MS);
}

static enum step_end judge_who_we_are(struct steps *s) {
    struct poll *p = poll_of(s);
    if (p->to.answer.word != BOT_OK)
        return again(p, "ask_who_we_are");
    all_is_well(p);
    if (!identity_learn(p->to.answer.result))
        log_warn(NULL, "getMe gave no name of this bot: in groups it hears only replies and commands");
    log_info(NULL, "polling as @%s", identity_is_known() ? identity_username() : "?");
    return STEP_NEXT;
}

static enum step_end ask_updates(struct steps *s) {
    struct poll *p = poll_of(s);
    cJSON *params = cJSON_CreateObject();
    cJSON *kinds = cJSON_AddArrayToObject(params, "allowed_updates");
    for (int i = 0; route_wanted[i]; i++)
        cJSON_AddItemToArray(kinds, cJSON_CreateString(route_wanted[i]));
    json_put_i64(params, "offset", p->offset);
    json_put_i64(params, "limit", p->limit);
    json_put_i64(params, "timeout", POLL_S);
    p->asked_ms = clock_mono_ms();
    return caller_ask(&p->to, "getUpdates", params, POLL_S * SECOND + BOT_SLACK_MS);
}

/* An answer that is too long, or again and again unreadable: ask for less. When it is one update alone, leave that one out. */
static enum step_end ask_for_less(struct poll *p) {
    p->nonsense = 0;
    metric_add(&poll_errors, 1);
    if (p->limit > 1) {
        p->limit /= 2;
        log_warn(NULL, "%s: asking for %d at once", p->to.answer.why, p->limit);
        return steps_goto(&p->steps, "ask_updates");
    }
    int64_t id = 0;
    if (!update_id_in(p->to.answer.body, p->to.answer.body_len, &id))
        return again(p, "ask_updates"); /* nothing to hold on to */
    log_error(NULL, "update %" PRId64 " is left out: %s", id, p->to.answer.why);
    metric_add(&skipped, 1);
    accept_bury(p->svc->redis, p->svc->prefix, id, p->to.answer.why);
    p->offset = id + 1;
    return steps_goto(&p->steps, "ask_updates");
}

static enum step_end judge_updates(struct steps *s) {
    struct poll *p = poll_of(s);
    switch (p->to.answer.word) {
    case BOT_OK:
        break;
    case BOT_WEBHOOK:
        return steps_goto(s, "remove_webhook");
    case BOT_TOO_LARGE:
        return ask_for_less(p);
    case BOT_NONSENSE:
        return ++p->nonsense < NONSENSE_MOST ? again(p, "ask_updates") : ask_for_less(p);
    default:
        return again(p, "ask_updates");
    }
    all_is_well(p);
    metric_add(&polls, 1);
    p->nonsense = p->tries = 0;
    bool empty = !cJSON_IsArray(p->to.answer.result) || !cJSON_GetArraySize(p->to.answer.result);
    if (!empty)
        return STEP_NEXT;
    bool at_once = clock_mono_ms() - p->asked_ms < EMPTY_AGAIN_MS;
    return at_once ? steps_sleep(s, "ask_updates", EMPTY_AGAIN_MS) : steps_goto(s, "ask_updates");
}

static void on_accepted(bool accepted, void *owner) {
    struct taken *t = owner;
    t->accept = NULL;
    t->refused = !accepted;
    if (--t->poll->open == 0)
        steps_wake(&t->poll->steps);
}

static enum step_end accept_all(struct steps *s) {
    struct poll *p = poll_of(s);
    struct arena *mem = arena_new();
    const cJSON *item;
    p->taken_count = p->open = 0;
    p->batch_last = -1;
    cJSON_ArrayForEach(item, p->to.answer.result) {
        struct update u;
        if (p->taken_count == BATCH_MOST)
            break; /* more than was asked for: the rest comes again */
        if (update_read(mem, item, &u)) {
            metric_add(&skipped, 1);
            log_error(NULL, "an update without a usable id: passed by");
            continue;
        }
        struct taken *t = &p->taken[p->taken_count++];
        *t = (struct taken){ .poll = p, .id = u.id };
        p->batch_last = u.id; /* not the highest: numbering may begin anew */
        t->accept = accept_update(p->svc->redis, &u, on_accepted, t);
        p->open += t->accept != NULL;
    }
    arena_free(mem);
    return p->open ? STEP_WAIT : STEP_NEXT;
}

static enum step_end confirm(struct steps *s) {
    struct poll *p = poll_of(s);
    bool refused = false;
    for (int i = 0; i < p->taken_count; i++)
        refused |= p->taken[i].refused;
    if (refused && ++p->tries < setting_number("MAX_ATTEMPTS"))
        return steps_sleep(s, "accept_all", bot_api_backoff_ms(p->tries)); /* what was accepted is known by then */
    for (int i = 0; i < p->taken_count; i++)
        if (p->taken[i].refused)
            accept_bury(p->svc->redis, p->svc->prefix, p->taken[i].id, "Redis refused it: see ingest's log");
    if (p->batch_last < 0)
        return steps_sleep(s, "ask_updates", EMPTY_AGAIN_MS); /* nothing in it had an id: it will come again */
    p->offset = p->batch_last + 1;
    p->limit = p->limit * 2 < BATCH_MOST ? p->limit * 2 : BATCH_MOST;
    return steps_goto(s, "ask_updates");
}

static enum step_end remove_webhook(struct steps *s) {
    struct poll *p = poll_of(s);
    log_warn(NULL, "updates go to a webhook: removing it, because we poll");
    meet_rival(p);
    return caller_ask(&p->to, "deleteWebhook", cJSON_CreateObject(), BOT_CALL_MS);
}

static enum step_end judge_removal(struct steps *s) {
    struct poll *p = poll_of(s);
    return p->to.answer.word == BOT_OK ? steps_goto(s, "ask_updates") : again(p, "ask_updates");
}

static enum step_end rest(struct steps *s) {
    struct poll *p = poll_of(s);
    caller_hang_up(&p->to);
    for (int i = 0; i < p->taken_count; i++) {
        accept_forget(p->taken[i].accept);
        p->taken[i].accept = NULL;
    }
    p->open = 0;
    return STEP_END;
}

/* ---- beginning and end ---- */

static void begin(struct poll *p);

static void on_end(struct steps *s) {
    struct poll *p = poll_of(s);
    p->runs = false;
    metric_set(&active, 0);
    if (p->wanted) /* told to stop and to start again in the meantime */
        begin(p);
}

static void begin(struct poll *p) {
    p->runs = true;
    p->offset = 0; /* others may have polled since */
    p->limit = BATCH_MOST;
    p->to.failures = p->nonsense = p->conflicts = p->silences = p->taken_count = 0;
    p->to.said = BOT_OK;
    metric_set(&active, 1);
    steps_start(&p->steps, p->svc->runner, poll_row, on_end);
}

struct poll *poll_new(struct svc *s) {
    struct poll *p = alloc_zero(sizeof *p);
    p->svc = s;
    caller_init(&p->to, s, &p->steps);
    metrics_list((struct metric *const[]){ &active, &polls, &poll_errors, &conflicts, &skipped, NULL });
    return p;
}

void poll_start(struct poll *p) {
    p->wanted = true;
    if (!p->runs)
        begin(p);
}

void poll_stop(struct poll *p) {
    p->wanted = false;
    if (p->runs)
        steps_divert(&p->steps, "rest");
}

bool poll_is_over(const struct poll *p) {
    return !p->runs;
}

bool poll_is_healthy(const struct poll *p) {
    return !p->runs || p->to.failures < 5;
}

void poll_free(struct poll *p) {
    if (!p)
        return;
    caller_done(&p->to);
    free(p);
}
