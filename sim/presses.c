#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/control.h"
#include "sim/params.h"
#include "sim/people.h"
#include "sim/updates.h"

static void press_free(struct press *p) {
    free(p->id);
    free(p->data);
    free(p->text);
    free(p->url);
    free(p);
}

void presses_free(struct telegram *t) {
    for (int64_t n = t->presses_begin; n < t->presses_end; n++)
        press_free(t->presses[n % PRESSES_MAX]);
    map_done(&t->presses_by_id);
}

struct press *presses_add(struct sim *sim, const char *id, int64_t chat, int64_t message_id, int64_t user, const char *data) {
    struct telegram *t = sim->telegram;
    struct press *p = xalloc(sizeof *p);
    if (t->presses_end - t->presses_begin == PRESSES_MAX) {
        struct press *old = t->presses[t->presses_begin++ % PRESSES_MAX];
        if (map_get(&t->presses_by_id, old->id) == old)
            map_del(&t->presses_by_id, old->id);
        press_free(old);
    }
    *p = (struct press){ .n = t->presses_end + 1, .chat = chat, .message_id = message_id, .user = user, .at_ms = sim_now_ms(), .id = xdup(id), .data = xdup(data) };
    t->presses[t->presses_end++ % PRESSES_MAX] = p;
    map_put(&t->presses_by_id, id, p);
    return p;
}

struct press *presses_open(struct sim *sim, const char *id) {
    struct press *p = map_get(&sim->telegram->presses_by_id, id);
    if (p && !p->answered_ms && sim_now_ms() - p->at_ms <= sim->telegram->callback_ms)
        return p;
    if (p) {
        p->refused++;
        sim->changed = true;
    }
    return NULL;
}

/* ---- pressing ---- */

static void press(struct exch *x, struct chat *c, const struct message *m, const char *data, const cJSON *o) {
    struct sim *sim = c->bot->sim;
    struct buf b = {0};
    char id[32];
    int64_t update;
    snprintf(id, sizeof id, "21527735980%08lld", (long long)sim->telegram->presses_end + 1);
    (void)presses_add(sim, id, c->id, m->id, people_user_of(c, o), data);
    buf_fmt(&b, "\"callback_query\":{\"id\":\"%s\",\"from\":", id);
    people_user_to_json(&b, c, o);
    buf_str(&b, ",\"message\":");
    message_to_json(m, &b, true);
    buf_str(&b, ",\"chat_instance\":\"-4411223344556677889\",\"data\":");
    buf_json_str(&b, data);
    buf_str(&b, "}");
    update = updates_push(c->bot, 0, "callback_query", b.p);
    b.n = 0;
    buf_fmt(&b, "{\"update_id\":%lld,\"callback_id\":\"%s\",\"message_id\":%lld,\"data\":", (long long)update, id, (long long)m->id);
    buf_json_str(&b, data);
    buf_str(&b, "}");
    answer_json(x, 200, NULL, &b);
}

/* The chat that is meant, and the message when message_id names one. NULL: refused. */
static struct chat *place(struct sim *sim, struct exch *x, const cJSON *o, struct message **ret_message, bool *ret_named) {
    struct bot *bot = control_bot(sim, x, o);
    int64_t chat_id = 0, message_id;
    struct chat *c;
    if (!bot)
        return NULL;
    (void)json_i64(o, "chat", &chat_id);        /* absent: not found below */
    c = chat_find(bot, chat_id);
    *ret_named = json_i64(o, "message_id", &message_id);
    *ret_message = c && *ret_named ? message_find(c, message_id) : NULL;
    if (c && (*ret_message || !*ret_named))
        return c;
    control_refuse(x, c ? "no such message in this chat" : "chat: no such chat");
    return NULL;
}

void presses_post_callback(struct sim *sim, struct exch *x, const cJSON *o) {
    bool named;
    struct message *m;
    struct chat *c = place(sim, x, o, &m, &named);
    if (!c)
        return;
    if (!m || !json_str(o, "data"))
        control_refuse(x, m ? "data: missing" : "message_id: missing");
    else
        press(x, c, m, json_str(o, "data"), o);
}

/* The callback_data of the button with that text (equal, or containing it) or that data (equal, or beginning with it): the caller's.
 * NULL: no such button. */
static char *find_button(const struct message *m, const char *text, const char *data) {
    cJSON *markup = m->markup ? json_read(m->markup, strlen(m->markup)) : NULL, *row, *button;
    char *found = NULL;
    for (int equal = 1; equal >= 0; equal--)
        cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(markup, "inline_keyboard"))
            cJSON_ArrayForEach(button, row) {
                const char *t = json_str(button, "text"), *d = json_str(button, "callback_data");
                bool hit = text ? (equal ? !strcmp(t, text) : strstr(t, text) != NULL) : d && (equal ? !strcmp(d, data) : !strncmp(d, data, strlen(data)));
                if (hit && d && !found)
                    found = xdup(d);
            }
    cJSON_Delete(markup);
    return found;
}

/* A key of the reply keyboard that stands: its whole text, the caller's. */
static char *find_key(const struct chat *c, const char *text) {
    cJSON *markup = c->keyboard ? json_read(c->keyboard, strlen(c->keyboard)) : NULL, *row, *key;
    char *found = NULL;
    for (int equal = 1; equal >= 0; equal--)
        cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(markup, "keyboard"))
            cJSON_ArrayForEach(key, row) {
                const char *t = cJSON_IsString(key) ? key->valuestring : json_str(key, "text");
                if (t && !found && (equal ? !strcmp(t, text) : strstr(t, text) != NULL))
                    found = xdup(t);
            }
    cJSON_Delete(markup);
    return found;
}

static void press_key(struct exch *x, struct chat *c, const char *text, const cJSON *o) {
    const char *once = strstr(c->keyboard, "\"one_time_keyboard\":true");
    int64_t update, message;
    struct buf b = {0};
    cJSON *said = cJSON_Duplicate(o, true);
    cJSON_DeleteItemFromObjectCaseSensitive(said, "message_id");
    (void)people_say(c->bot, said, text, &update, &message);    /* it has all it needs */
    cJSON_Delete(said);
    if (once) {
        free(c->keyboard);
        c->keyboard = NULL;
    }
    buf_fmt(&b, "{\"update_id\":%lld,\"message_id\":%lld,\"text\":", (long long)update, (long long)message);
    buf_json_str(&b, text);
    buf_str(&b, "}");
    answer_json(x, 200, NULL, &b);
}

void presses_post_press(struct sim *sim, struct exch *x, const cJSON *o) {
    const char *text = json_str(o, "text"), *data = json_str(o, "data");
    bool named;
    struct message *m;
    char *found = NULL;
    struct chat *c = place(sim, x, o, &m, &named);
    if (!c)
        return;
    if (!text == !data) {
        control_refuse(x, "text or data: which button");
        return;
    }
    if (named)
        found = find_button(m, text, data);
    for (size_t i = c->len; !named && !found && i > c->begin; i--) {
        m = c->messages[i - 1];
        found = m->from_bot && !m->deleted ? find_button(m, text, data) : NULL;
    }
    if (found) {
        press(x, c, m, found, o);
    } else if (!named && text && (found = find_key(c, text))) {
        press_key(x, c, found, o);
    } else {
        control_refuse(x, "no such button stands there");
    }
    free(found);
}

/* ---- looking ---- */

void presses_view(struct sim *sim, struct exch *x) {
    const struct telegram *t = sim->telegram;
    const char *q = x->http->query;
    int64_t chat = 0, since = 0;
    struct buf b = {0};
    (void)query_i64(q, "chat", &chat);          /* absent: all */
    (void)query_i64(q, "since", &since);
    buf_str(&b, "{\"presses\":[");
    for (int64_t n = t->presses_begin; n < t->presses_end; n++) {
        const struct press *p = t->presses[n % PRESSES_MAX];
        if (p->n <= since || (chat && p->chat != chat))
            continue;
        buf_fmt(&b, "%s{\"n\":%lld,\"chat\":%lld,\"message_id\":%lld,\"user\":%lld,\"at_ms\":%lld,\"answered\":%s,\"answered_ms\":%lld,\"alert\":%s,\"refused\":%d,\"id\":",
                b.p[b.n - 1] == '[' ? "" : ",", (long long)p->n, (long long)p->chat, (long long)p->message_id, (long long)p->user, (long long)p->at_ms,
                p->answered_ms ? "true" : "false", (long long)p->answered_ms, p->alert ? "true" : "false", p->refused);
        buf_json_str(&b, p->id);
        buf_str(&b, ",\"data\":");
        buf_json_str(&b, p->data);
        buf_str(&b, ",\"text\":");
        buf_json_str(&b, p->text);
        buf_str(&b, ",\"url\":");
        buf_json_str(&b, p->url);
        buf_str(&b, "}");
    }
    buf_fmt(&b, "],\"last\":%lld}", (long long)t->presses_end);
    answer_json(x, 200, NULL, &b);
}
