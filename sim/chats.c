#include "sim/chats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/people.h"
#include "sim/text.h"
#include "sim/webhook.h"

struct telegram *telegram_new(void) {
    struct telegram *t = xalloc(sizeof *t);
    t->fifo = xalloc(MESSAGES_MAX * sizeof *t->fifo);
    t->chat_per_s = 1;
    t->chat_burst = 3;
    t->global_per_s = 30;
    t->group_per_min = 20;
    t->callback_ms = 150000;
    t->webhook_timeout_ms = t->webhook_cap_ms = 60000;
    t->webhook_first_ms = 200;
    return t;
}

static void message_free(struct message *m) {
    free(m->text);
    free(m->entities);
    free(m->markup);
    free(m->keyboard);
    free(m->first_text);
    free(m->extra);
    free(m->from);
    free(m);
}

static void chat_free(struct chat *c) {
    size_t at = 0;
    void *v;
    while (map_next(&c->members, &at, &v))
        free(v);
    map_done(&c->members);
    free(c->keyboard);
    free(c->draft.text);
    free(c->draft.entities);
    free(c->type);
    free(c->title);
    free(c->username);
    free(c->language);
    free(c->question);
    free(c->awaited);
    free(c->messages);
    free(c);
}

static void on_timer_closed(uv_handle_t *h) {
    free(h);
}

void update_free(struct update *u) {
    free(u->json);
    free(u);
}

static void bot_free(struct bot *bot) {
    size_t at = 0;
    void *v;
    webhook_free(bot->webhook);
    while (map_next(&bot->chats, &at, &v))
        chat_free(v);
    map_done(&bot->chats);
    for (at = 0; map_next(&bot->commands, &at, &v);)
        free(v);
    map_done(&bot->commands);
    for (size_t i = bot->updates_begin; i < bot->updates_len; i++)
        update_free(bot->updates[i]);
    for (int64_t i = bot->delivered_begin; i < bot->delivered_end; i++)
        update_free(bot->delivered[i % DELIVERED_MAX]);
    free(bot->updates);
    free(bot->allowed);
    free(bot->token);
    uv_close((uv_handle_t *)bot->poll_timer, on_timer_closed);
    free(bot);
}

void telegram_free(struct telegram *t) {
    if (!t)
        return;
    for (int64_t i = t->fifo_begin; i < t->fifo_end; i++)
        message_free(t->fifo[i % MESSAGES_MAX]);
    free(t->fifo);
    for (struct bot *b = t->bots, *next; b; b = next) {
        next = b->next;
        bot_free(b);
    }
    presses_free(t);
    free(t);
}

static struct bot *bot_new(struct sim *sim) {
    struct bot *bot = xalloc(sizeof *bot), **end = &sim->telegram->bots;
    bot->sim = sim;
    bot->next_update_id = 823456001;
    bot->poll_timer = xalloc(sizeof *bot->poll_timer);
    uv_timer_init(sim->loop, bot->poll_timer);
    bot->poll_timer->data = bot;
    while (*end)
        end = &(*end)->next;
    *end = bot;
    return bot;
}

struct bot *bot_find(struct sim *sim, const char *token, bool make) {
    char *colon;
    int64_t id = strtoll(token, &colon, 10);
    struct bot *bot;
    if (id <= 0 || *token < '0' || *token > '9' || (*colon && *colon != ':'))
        return NULL;
    if (*colon && (!colon[1] || (*sim->bot_token && strcmp(token, sim->bot_token))))
        return NULL;
    for (bot = sim->telegram->bots; bot; bot = bot->next) {
        if (bot->id == 0 && make) {                 /* updates wait for the first bot that shows up */
            bot->id = id;
            break;
        }
        if (bot->id == id)
            break;
    }
    if (!bot && !make)
        return NULL;
    if (!bot) {
        bot = bot_new(sim);
        bot->id = id;
    }
    if (*colon && !bot->token)
        bot->token = xdup(token);
    return *colon && strcmp(bot->token, token) ? NULL : bot;
}

struct bot *bot_default(struct sim *sim) {
    if (sim->telegram->bots)
        return sim->telegram->bots;
    return *sim->bot_token ? bot_find(sim, sim->bot_token, true) : bot_new(sim);
}

/* ---- chats ---- */

static const char *key_of(int64_t id, char room[24]) {
    snprintf(room, 24, "%lld", (long long)id);
    return room;
}

struct chat *chat_find(struct bot *bot, int64_t id) {
    char room[24];
    return map_get(&bot->chats, key_of(id, room));
}

struct chat *chat_make(struct bot *bot, int64_t id) {
    char room[24];
    struct chat *c = chat_find(bot, id);
    if (c)
        return c;
    c = xalloc(sizeof *c);
    c->bot = bot;
    c->id = id;
    c->type = xdup(id > 0 ? "private" : "supergroup");
    c->title = xdup(id > 0 ? "User" : "Group");
    map_put(&bot->chats, key_of(id, room), c);
    return c;
}

void chat_set(char **field, const char *value) {
    if (!value)
        return;
    free(*field);
    *field = xdup(value);
}

int chat_thread(const struct chat *c, int64_t thread) {
    for (int i = 0; i < c->threads_len; i++)
        if (c->threads[i] == thread)
            return i;
    return -1;
}

void chat_add_thread(struct chat *c, int64_t thread) {
    if (thread && chat_thread(c, thread) < 0 && c->threads_len < THREADS_MAX)
        c->threads[c->threads_len++] = thread;
}

void chat_del_thread(struct chat *c, int64_t thread) {
    int at = chat_thread(c, thread);
    if (at < 0)
        return;
    c->threads_len--;
    memmove(c->threads + at, c->threads + at + 1, (size_t)(c->threads_len - at) * sizeof *c->threads);
    memmove(c->closed + at, c->closed + at + 1, (size_t)(c->threads_len - at) * sizeof *c->closed);
    c->closed[c->threads_len] = false;
    for (size_t i = c->begin; i < c->len; i++)
        if (c->messages[i]->thread == thread)
            message_delete(c->messages[i]);
}

void chat_changed(struct chat *c) {
    c->version++;
    c->bot->sim->changed = true;
}

/* ---- messages ---- */

/* The place of the first message with an id not below `id`. */
static size_t place_of(const struct chat *c, int64_t id) {
    size_t low = c->begin, high = c->len;
    if (c->len > c->begin && c->messages[c->len - 1]->id < id)
        return c->len;                              /* the usual case: it is the newest */
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c->messages[mid]->id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct message *message_find(struct chat *c, int64_t id) {
    size_t at = place_of(c, id);
    return at < c->len && c->messages[at]->id == id && !c->messages[at]->deleted ? c->messages[at] : NULL;
}

static void forget_oldest(struct telegram *t) {
    struct message *m = t->fifo[t->fifo_begin++ % MESSAGES_MAX];
    struct chat *c = m->chat;
    size_t at = place_of(c, m->id);
    while (at < c->len && c->messages[at] != m)
        at++;
    memmove(c->messages + c->begin + 1, c->messages + c->begin, (at - c->begin) * sizeof *c->messages);
    c->begin++;
    message_free(m);
}

struct message *message_add(struct chat *c, int64_t id, bool from_bot, const char *text) {
    struct telegram *t = c->bot->sim->telegram;
    struct message *m = xalloc(sizeof *m);
    size_t at;
    if (!id)
        id = c->bot->last_message_id + 1;
    if (id > c->bot->last_message_id)
        c->bot->last_message_id = id;
    m->id = id;
    m->chat = c;
    m->from_bot = from_bot;
    m->date_ms = sim_now_ms();
    m->kind = "text";
    m->text = xdup(text);
    if (t->fifo_end - t->fifo_begin == MESSAGES_MAX)
        forget_oldest(t);
    t->fifo[t->fifo_end++ % MESSAGES_MAX] = m;
    if (c->len == c->cap) {
        if (c->begin > c->cap / 2) {
            memmove(c->messages, c->messages + c->begin, (c->len - c->begin) * sizeof *c->messages);
            c->len -= c->begin;
            c->begin = 0;
        } else {
            c->cap = c->cap ? c->cap * 2 : 8;
            c->messages = realloc(c->messages, c->cap * sizeof *c->messages);
            if (!c->messages)
                abort();
        }
    }
    at = place_of(c, id);
    memmove(c->messages + at + 1, c->messages + at, (c->len - at) * sizeof *c->messages);
    c->messages[at] = m;
    c->len++;
    c->bot_messages += from_bot;
    chat_changed(c);
    return m;
}

void message_delete(struct message *m) {
    if (m->deleted)
        return;
    m->deleted = true;
    m->chat->bot_messages -= m->from_bot;
    chat_changed(m->chat);
}

/* ---- as JSON ---- */

void bot_to_json(const struct bot *bot, struct buf *b) {
    buf_str(b, "{\"id\":");
    buf_i64(b, bot->id);
    buf_str(b, ",\"is_bot\":true,\"first_name\":\"Helper\",\"username\":\"" BOT_USERNAME "\"}");
}

void chat_to_json(const struct chat *c, struct buf *b) {
    buf_str(b, "{\"id\":");
    buf_i64(b, c->id);
    buf_str(b, c->id > 0 ? ",\"first_name\":" : ",\"title\":");
    buf_json_str(b, c->title);
    if (c->username) {
        buf_str(b, ",\"username\":");
        buf_json_str(b, c->username);
    }
    buf_str(b, ",\"type\":");
    buf_json_str(b, c->type);
    if (c->id < 0 && c->threads_len)
        buf_str(b, ",\"is_forum\":true");
    buf_str(b, "}");
}

/* In a forum whatever answers nothing answers the message that made the topic. */
static void topic_begin(const struct message *m, struct buf *b) {
    buf_fmt(b, ",\"reply_to_message\":{\"message_id\":%lld,\"from\":{\"id\":1000,\"is_bot\":false,\"first_name\":\"User\"},\"chat\":", (long long)m->thread);
    chat_to_json(m->chat, b);
    buf_fmt(b, ",\"date\":%lld,\"message_thread_id\":%lld,\"is_topic_message\":true,\"forum_topic_created\":{\"name\":\"Topic %lld\",\"icon_color\":7322096}}",
            (long long)(m->date_ms / 1000 - 60), (long long)m->thread, (long long)m->thread);
}

void message_to_json(const struct message *m, struct buf *b, bool with_reply) {
    bool is_text = !strcmp(m->kind, "text");
    struct message *reply = with_reply && m->reply_to ? message_find(m->chat, m->reply_to) : NULL;
    buf_str(b, "{\"message_id\":");
    buf_i64(b, m->id);
    if (!m->from || *m->from) {     /* nobody has written what stands in a channel */
        buf_str(b, ",\"from\":");
        if (m->from)
            buf_str(b, m->from);
        else
            bot_to_json(m->chat->bot, b);
    }
    buf_str(b, ",\"chat\":");
    chat_to_json(m->chat, b);
    buf_str(b, ",\"date\":");
    buf_i64(b, m->date_ms / 1000);
    if (m->edit_ms) {
        buf_str(b, ",\"edit_date\":");
        buf_i64(b, m->edit_ms / 1000);
    }
    if (m->thread) {
        buf_str(b, ",\"message_thread_id\":");
        buf_i64(b, m->thread);
        buf_str(b, ",\"is_topic_message\":true");
    }
    if (reply) {
        buf_str(b, ",\"reply_to_message\":");
        message_to_json(reply, b, false);
    } else if (with_reply && m->thread && m->chat->id < 0) {
        topic_begin(m, b);
    }
    if (m->extra)
        buf_str(b, m->extra);
    if (m->text && (is_text || *m->text)) {
        buf_str(b, is_text ? ",\"text\":" : ",\"caption\":");
        buf_json_str(b, m->text);
    }
    if (m->entities) {
        buf_str(b, is_text ? ",\"entities\":" : ",\"caption_entities\":");
        buf_str(b, m->entities);
    }
    if (m->markup) {
        buf_str(b, ",\"reply_markup\":");
        buf_str(b, m->markup);
    }
    buf_str(b, "}");
}
