#include "outbound/entities.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"
#include "services/utf8.h"

void entities_done(struct entities *e) {
    free(e->list);
    *e = (struct entities){0};
}

struct entity *entities_add(struct entities *e, struct entity entity) {
    if (e->count == e->room) {
        e->room = e->room ? e->room * 2 : 16;
        e->list = alloc_again(e->list, e->room * sizeof *e->list);
    }
    e->list[e->count] = entity;
    return &e->list[e->count++];
}

const char *entity_name(enum entity_type type) {
    switch (type) {
    case ENTITY_QUOTE:         return "blockquote";
    case ENTITY_LONG_QUOTE:    return "expandable_blockquote";
    case ENTITY_PRE:           return "pre";
    case ENTITY_LINK:          return "text_link";
    case ENTITY_BOLD:          return "bold";
    case ENTITY_ITALIC:        return "italic";
    case ENTITY_STRIKETHROUGH: return "strikethrough";
    case ENTITY_CODE:          return "code";
    case ENTITY_RECORDS:
    case ENTITY_LINK_TO_COME:  break;
    }
    return NULL;
}

bool entity_is_code(enum entity_type type) {
    return type == ENTITY_PRE || type == ENTITY_CODE;
}

static bool is_quote(enum entity_type type) {
    return type == ENTITY_QUOTE || type == ENTITY_LONG_QUOTE;
}

static bool is_white(char c) {
    return c == ' ' || c == '\n';
}

/* So that a quote holds all of the code in it, the blanks at its ends too. */
static void widen(struct entity *quote, size_t from, size_t to) {
    size_t end = quote->offset + quote->length > to ? quote->offset + quote->length : to;
    quote->offset = quote->offset < from ? quote->offset : from;
    quote->length = end - quote->offset;
}

static bool comes_later(const struct entity *a, const struct entity *b) {
    if (a->offset != b->offset)
        return a->offset > b->offset;
    return a->length != b->length ? a->length < b->length : a->type > b->type; /* quotes outermost, whatever they hold */
}

/* None reaches out of one that begins before it. In order already; those that are open at any place are few, being of different kinds. */
static void clip(struct entity *list, size_t count) {
    enum { OPEN_MAX = 16 };
    size_t ends[OPEN_MAX], depth = 0;
    for (size_t i = 0; i < count; i++) {
        while (depth && ends[depth - 1] <= list[i].offset)
            depth--;
        size_t end = list[i].offset + list[i].length;
        if (depth && end > ends[depth - 1])
            end = ends[depth - 1];
        list[i].length = end - list[i].offset;
        if (depth < OPEN_MAX)
            ends[depth++] = end;
    }
}

void entities_tidy(struct entities *e, const char *text, size_t len) {
    size_t kept = 0, quote = 0, quote_end = 0; /* the last quote: its place in the list, and where it ended before */
    for (size_t i = 0; i < e->count; i++) {
        struct entity one = e->list[i];
        size_t from = one.offset, to = one.offset + one.length < len ? one.offset + one.length : len, end = to;
        while (from < end && is_white(text[from]))
            from++;
        while (end > from && is_white(text[end - 1]))
            end--;
        if (end <= from)
            continue;
        if (entity_is_code(one.type)) {
            from = one.offset;
            if (from < quote_end)
                widen(&e->list[quote], from, to);
            end = to;
        } else if (is_quote(one.type)) {
            quote = kept;
            quote_end = to;
        }
        one.offset = from;
        one.length = end - from;
        size_t place = kept++;
        for (; place && comes_later(&e->list[place - 1], &one); place--)
            e->list[place] = e->list[place - 1];
        e->list[place] = one;
    }
    e->count = kept;
    clip(e->list, kept);
}

/* Units before each STRIDE-th byte, so that any byte's offset is a short walk away: ends do not come in order. */
enum { STRIDE = 64 };

static size_t units_at(const size_t *marks, const char *text, size_t at) {
    size_t mark = at / STRIDE;
    return marks[mark] + utf8_units(text + mark * STRIDE, at - mark * STRIDE);
}

size_t entities_to_units(struct entity *list, size_t count, const char *text, size_t len) {
    if (!count)
        return utf8_units(text, len);
    size_t *marks = alloc_zero((len / STRIDE + 1) * sizeof *marks);
    for (size_t i = 1; i <= len / STRIDE; i++)
        marks[i] = marks[i - 1] + utf8_units(text + (i - 1) * STRIDE, STRIDE);
    for (size_t i = 0; i < count; i++) {
        size_t from = units_at(marks, text, list[i].offset);
        list[i].length = units_at(marks, text, list[i].offset + list[i].length) - from;
        list[i].offset = from;
    }
    size_t units = units_at(marks, text, len);
    free(marks);
    return units;
}

/* ---- quotes ---- */

enum { LONG_QUOTE_UNITS = 400, LONG_QUOTE_LINES = 6 };

void entities_fold_quotes(struct entity *list, size_t count, const char *text, size_t len, bool open) {
    size_t at = 0, units = 0; /* quotes come in order and do not overlap: one walk through the text */
    for (size_t i = 0; i < count; i++) {
        if (!is_quote(list[i].type))
            continue;
        for (; at < len && units < list[i].offset; at++)
            units += utf8_units(text + at, 1);
        size_t lines = 1, end = list[i].offset + list[i].length;
        for (; at < len && units < end; at++) {
            units += utf8_units(text + at, 1);
            lines += text[at] == '\n';
        }
        while (at < len && ((unsigned char)text[at] & 0xC0) == 0x80)
            at++;
        bool is_long = list[i].length > LONG_QUOTE_UNITS || lines > LONG_QUOTE_LINES;
        list[i].type = is_long && !(open && at == len) ? ENTITY_LONG_QUOTE : ENTITY_QUOTE;
    }
}

/* ---- what must hold ---- */

/* The byte at which a unit offset lies; len + 1 when it is outside or inside a pair of units. */
static size_t byte_at(const char *text, size_t len, size_t offset) {
    size_t units = 0, at = 0;
    for (; at < len; at++) {
        bool starts = ((unsigned char)text[at] & 0xC0) != 0x80;
        if (starts && units >= offset)
            break;
        units += utf8_units(text + at, 1);
    }
    return units == offset ? at : len + 1;
}

static const char *fault_of_pair(const struct entity *outer, const struct entity *inner) {
    if (outer->offset > inner->offset || (outer->offset == inner->offset && outer->length < inner->length))
        return "not sorted";
    if (outer->offset + outer->length <= inner->offset)
        return NULL;
    if (outer->offset + outer->length < inner->offset + inner->length)
        return "two overlap";
    if (outer->type == inner->type)
        return "one of its own kind inside";
    if (entity_is_code(outer->type))
        return "code holds another";
    if (entity_is_code(inner->type) && !is_quote(outer->type) && outer->type != ENTITY_RECORDS)
        return "code in another than a quote";
    if (is_quote(inner->type))
        return "a quote in another";
    bool outer_link = outer->type == ENTITY_LINK || outer->type == ENTITY_LINK_TO_COME;
    bool inner_link = inner->type == ENTITY_LINK || inner->type == ENTITY_LINK_TO_COME;
    return outer_link && inner_link ? "a link in a link" : NULL;
}

static bool has_code_at(const struct entity *list, size_t count, size_t offset, bool at_its_end) {
    for (size_t i = 0; i < count; i++)
        if (entity_is_code(list[i].type) && list[i].offset + (at_its_end ? list[i].length : 0) == offset)
            return true;
    return false;
}

const char *entities_fault(const struct entity *list, size_t count, const char *text, size_t len) {
    enum { DEEP = 16 };
    const struct entity *open[DEEP];
    size_t depth = 0;
    for (size_t i = 0; i < count; i++) {
        const struct entity *one = &list[i];
        if (!one->length)
            return "empty";
        size_t from = byte_at(text, len, one->offset), to = byte_at(text, len, one->offset + one->length);
        if (from > len || to > len)
            return "outside of the text or inside a character";
        if (!entity_is_code(one->type) && ((is_white(text[from]) && !has_code_at(list + i, count - i, one->offset, false)) ||
                                           (is_white(text[to - 1]) && !has_code_at(list + i, count - i, one->offset + one->length, true))))
            return "white space at an end";
        if (one->type == ENTITY_LINK && !(one->detail && *one->detail))
            return "a link to nowhere";
        while (depth && open[depth - 1]->offset + open[depth - 1]->length <= one->offset)
            depth--;
        if (i && list[i - 1].offset > one->offset)
            return "not sorted";
        for (size_t k = 0; k < depth; k++) {
            const char *fault = fault_of_pair(open[k], one);
            if (fault)
                return fault;
        }
        if (depth == DEEP)
            return "too deep";
        open[depth++] = one;
    }
    return NULL;
}

/* ---- JSON ---- */

static cJSON *entity_json(const struct entity *one, const char *name) {
    cJSON *o = cJSON_CreateObject();
    bool whole = cJSON_AddStringToObject(o, "type", name) && cJSON_AddNumberToObject(o, "offset", (double)one->offset) &&
                 cJSON_AddNumberToObject(o, "length", (double)one->length);
    if (one->detail && one->type == ENTITY_LINK)
        whole = whole && cJSON_AddStringToObject(o, "url", one->detail);
    if (one->detail && one->type == ENTITY_PRE)
        whole = whole && cJSON_AddStringToObject(o, "language", one->detail);
    if (!whole)
        abort(); /* out of memory, as everywhere */
    return o;
}

cJSON *entities_json(const struct entity *list, size_t count) {
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        const char *name = entity_name(list[i].type);
        if (name)
            cJSON_AddItemToArray(array, entity_json(&list[i], name));
    }
    return array;
}
