#include "ingest/fields.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "proto/keys.h"
#include "services/utf8.h"

struct pairs { struct args *args; int count; };

static void put(struct pairs *p, const char *name, const char *value) {
    args_pair(p->args, name, value);
    p->count++;
}

static void put_int(struct pairs *p, const char *name, int64_t value) {
    args_pair_int(p->args, name, value);
    p->count++;
}

static void put_if(struct pairs *p, const char *name, const char *value) {
    if (value && *value)
        put(p, name, value);
}

static bool is_part_of_album(const struct update *u) {
    return u->file.id && *u->album;
}

int fields_open_ms(const struct update *u, const struct route *r) {
    if (!route_asks(r) || strcmp(u->kind, "message"))
        return 0;
    if (is_part_of_album(u))
        return FIELDS_ALBUM_MS;
    return !u->file.id && utf8_units(u->text, strlen(u->text)) >= FIELDS_LONG_UNITS ? FIELDS_OPEN_MS : 0;
}

void fields_gather(const struct update *u, const struct route *r, char *ret_gather, size_t size) {
    *ret_gather = '\0';
    if (!route_asks(r) || strcmp(u->kind, "message"))
        return;
    if (is_part_of_album(u))
        snprintf(ret_gather, size, "album:%s", u->album);
    else if (!u->file.id)
        snprintf(ret_gather, size, "long:%" PRId64, u->user);
}

static void put_of_file(struct pairs *p, const char *what, const char *value) {
    char name[24];
    snprintf(name, sizeof name, "file:0%s", what);
    put_if(p, name, value);
}

static void put_file(struct pairs *p, const struct attachment *a) {
    if (!a)
        return;
    put(p, "files", "1");
    put_of_file(p, "", a->id);
    put_of_file(p, ":kind", a->kind);
    put_of_file(p, ":name", a->name);
    put_of_file(p, ":type", a->type);
    if (a->bytes)
        put_int(p, "file:0:bytes", a->bytes);
    if (a->seconds)
        put_int(p, "file:0:seconds", a->seconds);
}

/* What the question is about, besides its words. */
static void put_context(struct pairs *p, const struct update *u) {
    put_if(p, "reply", u->reply);
    if (*u->reply && u->replies_to_us)
        put(p, "reply_bot", "1");
    else if (*u->reply || *u->quote)
        put_if(p, "reply_name", u->reply_name);
    put_if(p, "quote", u->quote);
    put_if(p, "forward", u->forward);
}

static void put_question(struct pairs *p, const struct update *u, const struct route *r) {
    put(p, "kind", r->kind);
    put(p, "first", r->first);
    put(p, "text", r->text ? r->text : u->text);
    if (!r->text && u->said != u->text)
        put(p, "words", u->said);
    put_file(p, route_file(u, r));
    put_context(p, u);
    if (!strcmp(u->kind, "edited_message"))
        put(p, "edited", "1");
    if (!is_part_of_album(u) && fields_open_ms(u, r))
        put(p, "seam", utf8_units(u->text, strlen(u->text)) >= FIELDS_FULL_UNITS ? "" : "\n"); /* a line's end was cut away with it */
}

static void put_answer(struct pairs *p, const struct update *u, const struct route *r) {
    if (r->what || *r->set) {
        put(p, "kind", r->kind);
        put(p, "first", r->first);
        put_if(p, "what", r->what);
        put_if(p, "set:0", r->set);
        if (r->grants && !*r->set)
            put_int(p, "text", r->grants);
        else
            put_if(p, *r->set ? "about" : "text", r->text);
    } else {
        put(p, "kind", *u->callback ? KIND_PRESS : KIND_LINE);
    }
    put_if(p, "callback", u->callback);
    put_if(p, "line", r->line);
    put_if(p, "asks", r->asks);
    if (r->grants)
        put_int(p, "grants", r->grants);
    put_file(p, route_file(u, r));
    if (r->line && r->about)
        put_int(p, "about", r->about);
}

void fields_add(struct args *args, const struct update *u, const struct route *r, int64_t now_ms) {
    int count = args_hole(args);
    struct pairs p = { args, 0 };
    if (route_asks(r))
        put_question(&p, u, r);
    else
        put_answer(&p, u, r);
    put_int(&p, "chat", u->chat ? u->chat : u->user);
    put(&p, "chat_type", u->chat_type);
    put_int(&p, "user", u->user);
    if (route_is_admin(u))
        put(&p, "role", "admin");
    if (r->access)
        put(&p, "access", r->access);
    if (u->topic)
        put_int(&p, "topic", u->topic);
    put_int(&p, "update", u->id);
    put_int(&p, "message", u->message);
    put(&p, "lang", route_language(u));
    put(&p, "name", u->name);
    put_int(&p, "at", now_ms);
    put_int(&p, "asked", u->asked);
    put_int(&p, "v", 1);
    args_set_int(args, count, p.count);
}
