#include "outbound/parts.h"
#include <stdlib.h>
#include <string.h>
#include "outbound/clean.h"
#include "outbound/entities.h"
#include "proto/cleanup.h"
#include "services/alloc.h"
#include "services/arena.h"
#include "services/utf8.h"

static const char gap[] = "\n\n";        /* between the answer and a line of ours */
enum { GAP = sizeof gap - 1 };

/* FNV-1a: no adversary gains from a collision, he sees an edit less. */
static uint64_t hash_more(uint64_t hash, const void *data, size_t len) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static uint64_t hash_of(const struct part *part) {
    uint64_t hash = hash_more(14695981039346656037u, part->text, part->len);
    for (size_t i = 0; i < part->count; i++) {
        const struct entity *e = &part->entities[i];
        if (!entity_name(e->type))
            continue;                    /* Telegram does not see it */
        uint64_t numbers[] = {e->type, e->offset, e->length};
        hash = hash_more(hash, numbers, sizeof numbers);
        hash = hash_more(hash, e->detail, e->detail ? strlen(e->detail) : 0);
    }
    return hash ? hash : 1;
}

struct part part_plain(const char *text) {
    struct part part = {.text = text, .len = strlen(text), .units = utf8_units(text, strlen(text))};
    part.hash = hash_of(&part);
    return part;
}

bool part_is_link(const struct part *part) {
    if (part->count == 1 && part->entities[0].type == ENTITY_LINK)
        return part->entities[0].length == part->units;
    bool is_address = !strncmp(part->text, "https://", 8) || !strncmp(part->text, "http://", 7);
    return is_address && !part->count && !memchr(part->text, ' ', part->len) && !memchr(part->text, '\n', part->len);
}

static void add(struct parts *p, struct part part) {
    if (p->count == p->room) {
        p->room = p->room ? p->room * 2 : 1;
        p->list = alloc_again(p->list, p->room * sizeof *p->list);
    }
    part.hash = hash_of(&part);
    p->list[p->count++] = part;
}

static void put_front(struct rendered *r, const char *front) {
    size_t len = strlen(front) + GAP, units = utf8_units(front, strlen(front)) + GAP;
    char *text = alloc_zero(len + r->len + 1);
    memcpy(text, front, len - GAP);
    memcpy(text + len - GAP, gap, GAP);
    memcpy(text + len, r->text, r->len);
    free(r->text);
    r->text = text;
    r->len += len;
    r->units += units;
    for (size_t i = 0; i < r->count; i++) {
        r->entities[i].offset += units;
        r->places[i].offset += len;
    }
}

void parts_render(struct parts *p, const char *raw, size_t len, bool growing, const char *front) {
    parts_done(p);
    p->mem = arena_new();
    markdown_render(raw, len, &(struct markdown_options){.growing = growing}, &p->whole);
    if (*front)
        put_front(&p->whole, front);
    split_rendered(&p->whole, MESSAGE_MAX_UNITS, MESSAGE_MAX_ENTITIES, &p->pieces);
    for (size_t i = 0; i < p->pieces.count; i++) {
        const struct piece *piece = &p->pieces.list[i];
        add(p, (struct part){piece->text, piece->len, piece->units, piece->entities, piece->count, 0, false});
    }
}

void parts_keep(struct parts *p, size_t count) {
    if (p->count > count)
        p->count = count;
}

/* False: it does not fit into the last part. */
static bool is_joined(struct parts *p, const char *between, const char *text) {
    struct part *last = p->count ? &p->list[p->count - 1] : NULL;
    if (!last || last->units + strlen(between) + utf8_units(text, strlen(text)) > MESSAGE_MAX_UNITS)
        return false;
    last->text = arena_printf(p->mem, "%s%s%s", last->text, between, text);
    last->len = strlen(last->text);
    last->units = utf8_units(last->text, last->len);
    last->hash = hash_of(last);
    return true;
}

void parts_add_line(struct parts *p, const char *line, size_t len) {
    size_t clean_len;
    CLEANUP(text_done) char *clean = clean_text(line, len, &clean_len);
    if (is_joined(p, gap, clean))
        return;
    struct pieces pieces;
    split_rendered(&(struct rendered){.text = clean, .len = clean_len}, MESSAGE_MAX_UNITS, MESSAGE_MAX_ENTITIES, &pieces);
    for (size_t i = 0; i < pieces.count; i++)
        add(p, part_plain(arena_str(p->mem, pieces.list[i].text)));
    pieces_done(&pieces);
}

void parts_add_mark(struct parts *p, const char *mark) {
    (void)is_joined(p, "", mark);        /* a full message is marked by the one that follows */
}

void parts_add_file(struct parts *p, const char *caption) {
    struct part part = part_plain(arena_str(p->mem, caption));
    part.is_file = true;
    add(p, part);
}

void parts_done(struct parts *p) {
    free(p->list);
    pieces_done(&p->pieces);
    rendered_done(&p->whole);
    arena_free(p->mem);
    *p = (struct parts){0};
}

/* White space and everything that has no ink, as ranges of code points. */
static bool is_inkless(unsigned c) {
    static const struct { unsigned from, to; } ranges[] = {
        {0x00, 0x20},     {0x7F, 0xA0},     {0xAD, 0xAD},     {0x34F, 0x34F},   {0x61C, 0x61C},     {0x115F, 0x1160},
        {0x1680, 0x1680}, {0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x2000, 0x200F}, {0x2028, 0x202F},   {0x205F, 0x206F},
        {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},
        {0xFFF9, 0xFFFB}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i].from && c <= ranges[i].to)
            return true;
    return false;
}

bool parts_blank(const char *s, size_t len) {
    for (size_t i = 0; i < len;) {
        unsigned char lead = (unsigned char)s[i];
        size_t n = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        if (n > len - i)
            return false; /* not valid, and so not ours to call blank */
        unsigned c = n == 1 ? lead : lead & (0x7Fu >> n);
        for (size_t k = 1; k < n; k++)
            c = c << 6 | ((unsigned char)s[i + k] & 0x3F);
        if (!is_inkless(c))
            return false;
        i += n;
    }
    return true;
}
