#include "outbound/split.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "outbound/entities.h"
#include "outbound/markdown.h"
#include "outbound/parts.h"
#include "services/alloc.h"
#include "services/arena.h"
#include "services/utf8.h"

/* All in bytes of the whole; units come back with the finished pieces. */
struct splitter {
    const struct rendered *whole;
    size_t max_units, max_entities;
    size_t at;                   /* where the next piece begins */
    struct entities open;        /* entities that began before it and reach into it */
    size_t next;                 /* the first that begins in it or later */
};

static size_t end_of(const struct entity *e) {
    return e->offset + e->length;
}

static bool is_white(char c) {
    return c == ' ' || c == '\n';
}

static bool is_link(const struct entity *e) {
    return e->type == ENTITY_LINK || e->type == ENTITY_LINK_TO_COME;
}

/* Where this piece must end at the latest. */
static size_t find_limit(const struct splitter *s) {
    const struct rendered *w = s->whole;
    size_t end = s->at + utf8_fit(w->text + s->at, w->len - s->at, s->max_units);
    size_t too_many = s->next + (s->max_entities > s->open.count ? s->max_entities - s->open.count : 0);
    if (too_many >= w->count || w->places[too_many].offset >= end)
        return end;
    size_t before = w->places[too_many].offset;
    if (before <= s->at)
        return end;              /* more entities at one place than a message may have: cannot be */
    return s->at + utf8_fit(w->text + s->at, w->len - s->at, utf8_units(w->text + s->at, before - s->at));
}

/* ---- where to cut ---- */

/* How good a place is, best last. */
enum cut { CUT_NONE, CUT_WORD, CUT_SENTENCE, CUT_CODE_LINE, CUT_CODE_BLANK_LINE, CUT_LINE, CUT_PARAGRAPH };

/* The entities around the places that are looked at, which come in order. */
struct context {
    const struct entity *list;
    size_t count, next;
    const struct entity *block, *link;       /* the last ones that began before the place, or NULL; records are like code */
};

/* What is better left whole. Code within records does not matter: the records do. */
static bool is_block(const struct entity *e) {
    return e->type == ENTITY_PRE || e->type == ENTITY_RECORDS;
}

static void look_from(struct context *c, const struct entity *e) {
    if (is_block(e))
        c->block = e;
    else if (is_link(e))
        c->link = e;
}

static void move_context(struct context *c, size_t at) {
    for (; c->next < c->count && c->list[c->next].offset < at; c->next++)
        look_from(c, &c->list[c->next]);
}

static bool is_inside(const struct entity *e, size_t at) {
    return e && e->offset < at && at < end_of(e);
}

/* Where white space outside of code that would end at `end` ends: before a block of code, whose own blanks are not ours. */
static size_t before_code(const struct context *c, size_t end) {
    for (size_t i = c->next; i < c->count && c->list[i].offset < end; i++)
        if (entity_is_code(c->list[i].type))
            return c->list[i].offset;
    return end;
}

/* What the white space at `at` separates. *ret_end: where what follows begins; in code, its line keeps its indentation. */
static enum cut judge_gap(const struct rendered *w, const struct context *c, size_t at, size_t *ret_end) {
    bool in_block = is_inside(c->block, at), in_code = in_block && c->block->type == ENTITY_PRE;
    size_t end = at, behind_line = at, lines = 0, limit = w->len;
    if (in_code)
        limit = end_of(c->block);
    for (; end < limit && is_white(w->text[end]); end++)
        if (w->text[end] == '\n') {
            lines++;
            behind_line = end + 1;
        }
    if (!in_code)
        end = before_code(c, end);
    *ret_end = in_code && lines ? behind_line : end;
    if (in_block)
        return lines > 1 ? CUT_CODE_BLANK_LINE : lines ? CUT_CODE_LINE : CUT_WORD;
    return lines > 1 ? CUT_PARAGRAPH : lines ? CUT_LINE : utf8_sentence_ends(w->text, at) ? CUT_SENTENCE : CUT_WORD;
}

/* Half of the window, in units. */
static size_t find_half(const struct splitter *s, size_t end) {
    const char *text = s->whole->text;
    size_t units = utf8_units(text + s->at, end - s->at) / 2, at = s->at;
    for (size_t seen = 0; at < end && seen < units; at++)
        seen += utf8_units(text + at, 1);
    return at > s->at ? at : s->at + 1;
}

/* The end of the piece that begins at s->at and must end at `limit`. *ret_next: where the next one begins. */
static size_t find_cut(const struct splitter *s, size_t limit, size_t *ret_next) {
    const struct rendered *w = s->whole;
    struct context c = {.list = w->places, .count = w->count, .next = s->next};
    for (size_t i = 0; i < s->open.count; i++)
        look_from(&c, &s->open.list[i]);
    enum cut best = CUT_NONE;
    size_t cut = limit;
    *ret_next = limit;
    for (size_t at = find_half(s, limit); at <= limit; at++) {
        if (!is_white(w->text[at]) || is_white(w->text[at - 1]))
            continue;
        move_context(&c, at);
        size_t end;
        enum cut gap = is_inside(c.link, at) ? CUT_NONE : judge_gap(w, &c, at, &end);
        if (gap != CUT_NONE && gap >= best) {
            best = gap;
            cut = at;
            *ret_next = end;
        }
    }
    if (best != CUT_NONE)
        return cut;
    move_context(&c, limit);
    if (is_inside(c.link, limit) && c.link->offset > s->at)
        *ret_next = cut = c.link->offset;
    return cut;
}

/* ---- pieces ---- */

static void add_clipped(struct entities *list, const struct entity *e, size_t from, size_t to) {
    size_t begin = e->offset > from ? e->offset : from, end = end_of(e) < to ? end_of(e) : to;
    if (end > begin)
        entities_add(list, (struct entity){e->type, begin - from, end - begin, e->detail});
}

static struct piece *new_piece(struct pieces *p) {
    if (p->count == p->room) {
        p->room = p->room ? p->room * 2 : 4;
        p->list = alloc_again(p->list, p->room * sizeof *p->list);
    }
    return &p->list[p->count++];
}

static void add_piece(const struct splitter *s, size_t end, bool last, struct pieces *ret) {
    const struct rendered *w = s->whole;
    while (end > s->at && is_white(w->text[end - 1]))
        end--;
    size_t len = end - s->at;
    if (parts_blank(w->text + s->at, len))
        return;
    const char *text = arena_copy(ret->mem, w->text + s->at, len);
    struct entities list = {0};
    for (size_t i = 0; i < s->open.count; i++)
        add_clipped(&list, &s->open.list[i], s->at, end);
    for (size_t i = s->next; i < w->count && w->places[i].offset < end; i++)
        add_clipped(&list, &w->places[i], s->at, end);
    entities_tidy(&list, text, len);
    struct piece piece = {.text = text, .len = len, .count = list.count};
    piece.units = entities_to_units(list.list, list.count, text, len);
    entities_fold_quotes(list.list, list.count, text, len, last && w->growing);
    struct entity *kept = arena_alloc(ret->mem, (list.count + 1) * sizeof *kept);
    if (list.count)
        memcpy(kept, list.list, list.count * sizeof *kept);
    piece.entities = kept;
    *new_piece(ret) = piece;
    entities_done(&list);
}

static void go_on_at(struct splitter *s, size_t at) {
    size_t open = 0;
    for (size_t i = 0; i < s->open.count; i++)
        if (end_of(&s->open.list[i]) > at)
            s->open.list[open++] = s->open.list[i];
    s->open.count = open;
    for (; s->next < s->whole->count && s->whole->places[s->next].offset < at; s->next++)
        if (end_of(&s->whole->places[s->next]) > at)
            entities_add(&s->open, s->whole->places[s->next]);
    s->at = at;
}

void split_rendered(const struct rendered *whole, size_t max_units, size_t max_entities, struct pieces *ret) {
    *ret = (struct pieces){.mem = arena_new()};
    struct splitter s = {.whole = whole, .max_units = max_units, .max_entities = max_entities};
    while (s.at < whole->len) {
        size_t limit = find_limit(&s), next = limit;
        bool last = limit == whole->len;
        size_t cut = last ? limit : find_cut(&s, limit, &next);
        add_piece(&s, cut, last, ret);
        go_on_at(&s, next);
    }
    entities_done(&s.open);
}

void pieces_done(struct pieces *p) {
    free(p->list);
    arena_free(p->mem);
    *p = (struct pieces){0};
}
