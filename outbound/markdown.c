#include "outbound/markdown.h"
#include <md4c.h>
#include <stdlib.h>
#include <string.h>
#include "outbound/address.h"
#include "outbound/entities.h"
#include "outbound/latex.h"
#include "outbound/prepare.h"
#include "outbound/references.h"
#include "outbound/tables.h"
#include "services/alloc.h"
#include "services/arena.h"
#include "services/buf.h"
#include "services/utf8.h"

enum {
    LISTS_MAX = 12,              /* levels that are indented; deeper ones stand with the last of them */
    INDENT = 4,                  /* blanks per level: narrow in a proportional face */
    TAB = 4,
    LANGUAGE_MAX = 32,
    NO_ENTITY = -1,
};

struct cell {
    size_t at, len;              /* bytes of out, while the table is read */
    size_t first_entity, end_entity;
};

struct list_level {
    bool ordered;
    unsigned long number;
    char delimiter;
};

/* One rendering. Entities count bytes until it ends. */
struct render {
    const struct prepared *in;
    const struct markdown_options *options;
    struct arena *mem;
    struct buf out;
    struct entities entities;
    bool overflow;
    size_t events, events_max, attributes, attributes_max;

    /* where a block begins */
    bool block_begins;           /* nothing of the block has been shown */
    bool same_paragraph;         /* it is what follows a formula in a block of code: there is no blank line, however far its line reaches */
    size_t gap;                  /* lines to leave before it at least: 1, or 2 for a blank one */
    struct list_level lists[LISTS_MAX];
    size_t list_depth;
    bool marker_due;             /* the item's bullet or number comes before its first text */
    const char *task;            /* its box, or NULL */
    size_t quote_depth, quote_lists;         /* list levels around the outermost one: a quote is a block, and is not indented */
    long quote;                  /* the open entity, or NO_ENTITY */

    /* inside of a block */
    long bold, italic, strike;   /* open entities */
    size_t bold_depth, italic_depth, strike_depth;
    size_t code_depth;
    bool behind_break;           /* <br>, whose blanks are nothing to see */
    bool code_due;               /* a span of code whose text has not come */
    long link, pre, code;
    size_t link_depth;           /* links and images */
    size_t link_start;
    bool link_begun;
    const char *address;         /* of the link, whether usable or not; borrowed from mem */
    bool is_pre, pre_fenced, heading;
    size_t pre_start;
    struct buf pre_lead;         /* blanks that came before its first text from the source */
    const char *language;
    size_t floor;                /* entities end here at the latest: what is before it is not taken back */

    /* a table */
    bool is_table;
    size_t table_start, table_entities, columns, cells_count, cells_room;
    struct cell *cells;
    enum table_align *aligns;
    const char *table_source;
    bool table_links;
};

static void put(struct render *r, const char *s, size_t len) {
    if (!buf_add(&r->out, s, len))
        r->overflow = true;
}

static void put_str(struct render *r, const char *s) {
    put(r, s, strlen(s));
}

/* ---- entities that are open ---- */

static long open_entity(struct render *r, enum entity_type type, const char *detail) {
    entities_add(&r->entities, (struct entity){.type = type, .offset = r->out.len, .detail = detail});
    r->floor = r->out.len;       /* nor does one begin behind the end */
    return (long)r->entities.count - 1;
}

static void close_entity(struct render *r, long *which) {
    if (*which != NO_ENTITY) {
        r->entities.list[*which].length = r->out.len - r->entities.list[*which].offset;
        r->floor = r->out.len;
    }
    *which = NO_ENTITY;
}

static const char *with_slash(struct render *r, const char *address) {
    size_t len = strlen(address), at = address_lacks_slash(address, len);
    return at > len ? address : arena_printf(r->mem, "%.*s/%s", (int)at, address, address + at);
}

/* Spans open with their first text, so that no line break or bullet before it gets into them. */
static void open_spans(struct render *r) {
    if (r->link_depth && !r->link_begun) {
        r->link_begun = true;
        r->link_start = r->out.len;
        if (!strcmp(r->address, "x:"))
            r->link = open_entity(r, ENTITY_LINK_TO_COME, NULL);
        else if (address_is_usable(r->address, strlen(r->address)))
            r->link = open_entity(r, ENTITY_LINK, with_slash(r, r->address));
    }
    if (r->code_depth)
        return;
    if (r->bold_depth && r->bold == NO_ENTITY)
        r->bold = open_entity(r, ENTITY_BOLD, NULL);
    if (r->italic_depth && r->italic == NO_ENTITY)
        r->italic = open_entity(r, ENTITY_ITALIC, NULL);
    if (r->strike_depth && r->strike == NO_ENTITY)
        r->strike = open_entity(r, ENTITY_STRIKETHROUGH, NULL);
}

static void close_styles(struct render *r) {
    close_entity(r, &r->bold);
    close_entity(r, &r->italic);
    close_entity(r, &r->strike);
}

/* ---- where blocks begin ---- */

static bool is_in_source(const struct render *r, const char *s) {
    return s >= r->in->text && s < r->in->text + r->in->len;
}

static const char *line_start(const struct render *r, const char *at) {
    while (at > r->in->text && at[-1] != '\n')
        at--;
    return at;
}

static bool line_is_blank(const char *from, const char *to) {
    while (from < to && (*from == ' ' || *from == '\t' || *from == '>'))
        from++;
    return from >= to;
}

static bool line_is_fence(const char *from, const char *to) {
    while (to - from >= 3) {
        if (!memcmp(from, "```", 3) || !memcmp(from, "~~~", 3))
            return true;
        from++;
    }
    return false;
}

/* Is there a blank line before the block whose text begins at `at`? */
static bool blank_before(const struct render *r, const char *at) {
    const char *line = line_start(r, at);
    if (r->pre_fenced) /* its text begins behind the fence, perhaps behind blank lines of code */
        while (line > r->in->text) {
            const char *end = line - 1;
            line = line_start(r, end);
            if (line_is_fence(line, end))
                break;
            if (!line_is_blank(line, end))
                return false;
        }
    return line > r->in->text && line_is_blank(line_start(r, line - 1), line - 1);
}

static void drop_white_at_end(struct render *r) {
    while (r->out.len > r->floor && (r->out.data[r->out.len - 1] == ' ' || r->out.data[r->out.len - 1] == '\n'))
        r->out.len--;
}

static void put_indent(struct render *r, size_t levels) {
    levels -= r->quote_depth && levels >= r->quote_lists ? r->quote_lists : 0;
    if (levels > LISTS_MAX)
        levels = LISTS_MAX;
    for (size_t i = 0; i < levels; i++)
        put_str(r, "    ");
    for (size_t i = 1; i < r->quote_depth && i < LISTS_MAX; i++)
        put_str(r, "> ");
}

static struct list_level *level_of(struct render *r, size_t depth) {
    return &r->lists[depth <= LISTS_MAX ? depth - 1 : LISTS_MAX - 1];
}

static void put_marker(struct render *r) {
    static const char *const bullets[] = { "• ", "◦ ", "▪ " };
    struct list_level *level = level_of(r, r->list_depth);
    r->marker_due = false;
    if (r->task)
        put_str(r, r->task);
    else if (!level->ordered)
        put_str(r, bullets[r->list_depth < 3 ? r->list_depth - 1 : 2]);
    else if (!buf_printf(&r->out, "%lu%c ", level->number, level->delimiter))
        r->overflow = true;
    r->task = NULL;
}

/* Before the first text of a block: the lines that part it from what stands above, its indentation, its marker.
 * `source` is where it comes from, if known. */
static void begin_block(struct render *r, const char *source) {
    if (!r->block_begins)
        return;
    bool blank = r->gap > 1 || (source && !r->same_paragraph && is_in_source(r, source) && blank_before(r, source));
    r->block_begins = r->same_paragraph = false;
    drop_white_at_end(r);        /* a bullet without a text, a line break that nothing followed */
    if (r->out.len) {
        put_str(r, blank ? "\n\n" : "\n");
    }
    r->gap = 1;
    if (r->quote_depth && r->quote == NO_ENTITY)
        r->quote = open_entity(r, ENTITY_QUOTE, NULL);
    if (r->is_pre && !r->marker_due)
        return;                  /* a block of its own, that no blanks can shift */
    put_indent(r, r->list_depth - (r->marker_due && r->list_depth ? 1 : 0));
    if (r->marker_due)
        put_marker(r);
    if (r->is_pre)
        put_str(r, "\n");
}

static void put_line_break(struct render *r) {
    if (r->is_table) {
        if (r->out.len && r->out.data[r->out.len - 1] != ' ')
            put_str(r, " ");
        return;
    }
    while (r->out.len > r->floor && r->out.data[r->out.len - 1] == ' ')
        r->out.len--;
    put_str(r, "\n");
    put_indent(r, r->list_depth);
}

/* ---- text ---- */

static bool is_hidden(const struct render *r, const char *s) {
    return s >= r->in->text + r->in->visible && s < r->in->text + r->in->len;
}

static void put_code(struct render *r, const char *s, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\t' && r->is_pre) {
            size_t column = 0;
            while (column < r->out.len - r->pre_start && r->out.data[r->out.len - 1 - column] != '\n' && column < 256)
                column++;
            put(r, "    ", TAB - column % TAB);
        } else if (s[i] == '\\' && r->is_table && i + 1 < len && s[i + 1] == '|') {
            continue;            /* GitHub's rule: a cell's pipe is escaped in code, too */
        } else {
            put(r, s + i, 1);
        }
    }
}

/* Code holds nothing, and nothing but a quote holds it: bold ends before it and begins anew behind it. A link, though, is more
 * than code, and its code is plain. */
static void begin_code(struct render *r, enum entity_type type, const char *language, long *ret_which) {
    *ret_which = NO_ENTITY;
    if (r->link_depth || r->is_table || r->is_pre)
        return;
    close_styles(r);
    r->code_depth++;
    *ret_which = open_entity(r, type, language);
}

static void end_code(struct render *r, long *which) {
    if (*which != NO_ENTITY)
        r->code_depth--;
    close_entity(r, which);
}

static void put_lines(struct render *r, const char *s, size_t len) {
    for (const char *end = s + len; s < end;) {
        const char *line = memchr(s, '\n', (size_t)(end - s));
        put(r, s, (size_t)((line ? line : end) - s));
        if (!line)
            break;
        put_line_break(r);
        s = line + 1;
    }
}

static bool is_at_line_start(const struct render *r) {
    size_t at = r->out.len;
    while (at && r->out.data[at - 1] == ' ')
        at--;
    return !at || r->out.data[at - 1] == '\n';
}

/* A formula in words, or as code: in a block of it, if it has its lines for itself (`last`: no text follows it in its line). */
static void put_formula(struct render *r, const struct held *held, bool last) {
    struct buf text;
    buf_init(&text, 16384);
    bool readable = latex_to_text(held->body, held->body_len, held->open, &text);
    const char *body = held->body;
    size_t len = held->body_len;
    while (len && (*body == ' ' || *body == '\n'))
        body++, len--;
    while (len && (body[len - 1] == ' ' || body[len - 1] == '\n'))
        len--;
    long which;
    if (readable) {
        put_lines(r, buf_cstr(&text), text.len);
    } else if (held->kind == HELD_DISPLAY && len && last && is_at_line_start(r) && !r->link_depth && !r->is_table && !r->heading) {
        begin_code(r, ENTITY_PRE, "latex", &which);
        put(r, body, len);
        end_code(r, &which);
        r->block_begins = r->same_paragraph = true;
    } else if (len) {
        begin_code(r, ENTITY_CODE, NULL, &which);
        for (size_t i = 0; i < len; i++)
            put(r, body[i] == '\n' ? " " : body + i, 1);
        end_code(r, &which);
        open_spans(r);
    }
    buf_done(&text);
}

/* Text of the source, its signs turned back: into what they stand for, or, in code, into what was written. */
static void put_source(struct render *r, const char *s, size_t len, bool code) {
    while (len && !r->overflow) {
        size_t n;
        const struct held *held = NULL;
        switch (prepared_sign(r->in, s, len, &n, &held)) {
        case SIGN_NONE:
            if (code)
                put_code(r, s, n);
            else
                put(r, s, n);
            break;
        case SIGN_HELD:
            if (code || held->kind == HELD_ADDRESS)
                put_code(r, held->raw, held->raw_len);
            else
                put_formula(r, held, n == len);
            break;
        case SIGN_TILDE:
            put_str(r, "~");
            break;
        case SIGN_NOTHING:
            break;
        }
        s += n;
        len -= n;
    }
}

static void put_entity(struct render *r, const char *s, size_t len) {
    char number[REFERENCE_BYTES] = "";
    const char *text = reference_text(s, len, number);
    if (text)
        put_str(r, text);
    else
        put(r, s, len);
}

static bool is_br(const char *s, size_t len) {
    static const char *const forms[] = { "<br>", "<br/>", "<br />", "<BR>", "</br>" };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strlen(forms[i]) == len && !memcmp(forms[i], s, len))
            return true;
    return false;
}

/* Some Markdown says much with little: cells that are missing, an address that is written once and used often. */
static bool is_out_of_proportion(struct render *r) {
    return r->overflow || ++r->events > r->events_max || r->attributes > r->attributes_max;
}

/* The first text of a code block. False: nothing but blanks so far, of which none knows where they come from. */
static bool begin_pre(struct render *r, const char *s, size_t len) {
    if (!is_in_source(r, s)) {
        if (!buf_add(&r->pre_lead, s, len))
            r->overflow = true;
        return false;
    }
    begin_block(r, s);
    r->pre_start = r->out.len;
    r->pre = open_entity(r, ENTITY_PRE, r->language);
    const char *line = r->pre_lead.len ? memrchr(r->pre_lead.data, '\n', r->pre_lead.len) : NULL;
    put_str(r, line ? line + 1 : buf_cstr(&r->pre_lead)); /* blank lines before it are left out */
    return true;
}

/* In a monospaced block nobody can follow one. */
static bool has_address(const char *s, size_t len) {
    return memmem(s, len, "https://", 8) || memmem(s, len, "http://", 7);
}

static int on_text(MD_TEXTTYPE type, const MD_CHAR *s, MD_SIZE size, void *owner) {
    struct render *r = owner;
    size_t len = size, from;
    if (is_out_of_proportion(r))
        return 1;
    if (is_hidden(r, s) || !len)
        return 0;
    bool is_break = type == MD_TEXT_BR || type == MD_TEXT_SOFTBR || (type == MD_TEXT_HTML && is_br(s, len));
    if (is_break) {              /* before any span opens: the blanks in front of it go */
        r->behind_break = type == MD_TEXT_HTML;
        if (r->is_table || !r->block_begins)
            put_line_break(r);
        return r->overflow;
    }
    while (r->behind_break && type == MD_TEXT_NORMAL && len && *s == ' ') {
        s++;
        len--;
    }
    if (!len)
        return 0;
    r->behind_break = false;
    if (r->is_table && !r->table_source && is_in_source(r, s))
        r->table_source = s;
    if (r->is_pre && r->pre == NO_ENTITY && !begin_pre(r, s, len))
        return r->overflow;
    if (!r->is_table)
        begin_block(r, s);
    open_spans(r);
    switch (type) {
    case MD_TEXT_CODE:
        if (r->code_due)
            begin_code(r, ENTITY_CODE, NULL, &r->code);
        r->code_due = false;
        put_source(r, s, len, true);
        break;
    case MD_TEXT_HTML:
        if (len == 1 && *s == '\n')
            put_line_break(r);
        else
            put_source(r, s, len, true);
        break;
    case MD_TEXT_ENTITY:
        put_entity(r, s, len);
        break;
    case MD_TEXT_NULLCHAR:
        break;
    default:
        from = r->out.len;
        put_source(r, s, len, false);
        r->table_links = r->table_links || (r->is_table && has_address(buf_cstr(&r->out) + from, r->out.len - from));
        break;
    }
    return r->overflow;
}

/* ---- spans ---- */

static char *attribute_text(struct render *r, const MD_ATTRIBUTE *a) {
    struct buf text;
    buf_init(&text, 4 * ADDRESS_MAX_BYTES);
    if (a->size > text.max)
        return arena_str(r->mem, "");
    for (size_t i = 0; a->text && a->substr_offsets[i] < a->size; i++) {
        const char *s = a->text + a->substr_offsets[i];
        size_t len = a->substr_offsets[i + 1] - a->substr_offsets[i];
        char number[REFERENCE_BYTES] = "";
        const char *named = a->substr_types[i] == MD_TEXT_ENTITY ? reference_text(s, len, number) : NULL;
        if (named) {
            (void)buf_add_str(&text, named);
            continue;
        }
        while (len) {
            size_t n;
            const struct held *held = NULL;
            enum sign sign = prepared_sign(r->in, s, len, &n, &held);
            if (sign == SIGN_NONE)
                (void)buf_add(&text, s, n);
            else if (sign == SIGN_HELD)
                (void)buf_add(&text, held->raw, held->raw_len);
            else if (sign == SIGN_TILDE)
                (void)buf_add_str(&text, "~");
            s += n;
            len -= n;
        }
    }
    char *copy = arena_copy(r->mem, buf_cstr(&text), text.len);
    buf_done(&text);
    return copy;
}

static void leave_style(struct render *r, size_t *depth, long *which) {
    if (*depth && --*depth == 0)
        close_entity(r, which);
}

static void enter_link(struct render *r, const MD_ATTRIBUTE *address, const MD_ATTRIBUTE *title) {
    r->attributes += address->size + title->size;
    if (r->link_depth++)
        return;                  /* an image in a link: the link holds */
    r->address = attribute_text(r, address);
    r->link_begun = false;
    r->table_links = r->table_links || (r->is_table && address_is_usable(r->address, strlen(r->address)));
}

static bool text_is_address(const char *s, size_t len, const char *address) {
    size_t n = strlen(address);
    return n == len && !memcmp(s, address, len);
}

static void leave_link(struct render *r) {
    if (!r->link_depth || --r->link_depth)
        return;
    if (!r->link_begun) { /* an image without a description */
        if (address_is_usable(r->address, strlen(r->address))) {
            if (!r->is_table)
                begin_block(r, NULL);
            open_spans(r);       /* of the styles around it; depth is 0, so of no link */
            put_str(r, r->address);
        }
        return;
    }
    const char *text = buf_cstr(&r->out) + r->link_start;
    size_t len = r->out.len - r->link_start;
    bool is_mail = !strncmp(r->address, "mailto:", 7);
    if (r->link != NO_ENTITY && text_is_address(text, len, r->address)) {
        r->entities.list[r->link].length = 0; /* Telegram makes its own */
        r->link = NO_ENTITY;
    } else if (is_mail && !text_is_address(text, len, r->address + 7) && !text_is_address(text, len, r->address)) {
        put_str(r, " (");
        put_str(r, r->address + 7);
        put_str(r, ")");
    }
    close_entity(r, &r->link);
}

/* No span reaches out of its block. md4c has been seen to enter one in broken links and never leave it. */
static void end_spans(struct render *r) {
    r->bold_depth = r->italic_depth = r->strike_depth = r->link_depth = 0;
    r->code_due = r->behind_break = false;
    close_styles(r);
    close_entity(r, &r->link);
}

static int on_enter_span(MD_SPANTYPE type, void *detail, void *owner) {
    struct render *r = owner;
    if (is_out_of_proportion(r))
        return 1;
    switch (type) {
    case MD_SPAN_STRONG:
        r->bold_depth++;
        break;
    case MD_SPAN_EM:
        r->italic_depth++;
        break;
    case MD_SPAN_DEL:
        r->strike_depth++;
        break;
    case MD_SPAN_CODE:
        r->code_due = true;
        break;
    case MD_SPAN_A:
        enter_link(r, &((MD_SPAN_A_DETAIL *)detail)->href, &((MD_SPAN_A_DETAIL *)detail)->title);
        break;
    case MD_SPAN_IMG:
        enter_link(r, &((MD_SPAN_IMG_DETAIL *)detail)->src, &((MD_SPAN_IMG_DETAIL *)detail)->title);
        break;
    default:
        break;
    }
    return 0;
}

static int on_leave_span(MD_SPANTYPE type, void *detail, void *owner) {
    struct render *r = owner;
    switch (type) {
    case MD_SPAN_STRONG:
        leave_style(r, &r->bold_depth, &r->bold);
        break;
    case MD_SPAN_EM:
        leave_style(r, &r->italic_depth, &r->italic);
        break;
    case MD_SPAN_DEL:
        leave_style(r, &r->strike_depth, &r->strike);
        break;
    case MD_SPAN_CODE:
        r->code_due = false;
        end_code(r, &r->code);
        break;
    case MD_SPAN_A:
    case MD_SPAN_IMG:
        leave_link(r);
        break;
    default:
        break;
    }
    return r->overflow;
}

/* ---- tables ---- */

static void enter_table(struct render *r, const MD_BLOCK_TABLE_DETAIL *detail) {
    if (r->marker_due)
        begin_block(r, NULL);
    r->is_table = true;
    r->table_links = false;
    r->table_source = NULL;
    r->table_start = r->out.len;
    r->table_entities = r->entities.count;
    r->columns = detail->col_count;
    r->cells_count = 0;
    free(r->aligns);
    r->aligns = alloc_zero((r->columns + 1) * sizeof *r->aligns);
}

static void enter_cell(struct render *r, const MD_BLOCK_TD_DETAIL *detail) {
    if (r->cells_count == r->cells_room) {
        r->cells_room = r->cells_room ? r->cells_room * 2 : 32;
        r->cells = alloc_again(r->cells, r->cells_room * sizeof *r->cells);
    }
    if (r->cells_count < r->columns)
        r->aligns[r->cells_count] = detail->align == MD_ALIGN_RIGHT ? TABLE_RIGHT : detail->align == MD_ALIGN_CENTER ? TABLE_CENTER : TABLE_LEFT;
    r->cells[r->cells_count++] = (struct cell){.at = r->out.len, .first_entity = r->entities.count};
}

static void leave_cell(struct render *r) {
    struct cell *cell = &r->cells[r->cells_count - 1];
    cell->len = r->out.len - cell->at;
    while (cell->len && r->out.data[cell->at + cell->len - 1] == ' ')
        cell->len--;
    while (cell->len && r->out.data[cell->at] == ' ') {
        cell->at++;
        cell->len--;
    }
    cell->end_entity = r->entities.count;
}

/* What the cells held, taken off the output. */
struct taken {
    char *text;
    struct entity *entities;
    const struct cell *cells;
    size_t columns, rows;
};

static void put_cell(struct render *r, const struct taken *t, size_t row, size_t column, bool title) {
    const struct cell *cell = &t->cells[row * t->columns + column];
    size_t from = r->out.len;
    long bold = NO_ENTITY;
    bool code = false;
    for (size_t i = cell->first_entity; i < cell->end_entity; i++)
        code = code || entity_is_code(t->entities[i].type);
    if (title && !code)
        bold = open_entity(r, ENTITY_BOLD, NULL);
    for (size_t i = cell->first_entity; i < cell->end_entity; i++) {
        struct entity one = t->entities[i];
        size_t end = one.offset + one.length < cell->at + cell->len ? one.offset + one.length : cell->at + cell->len;
        if (one.offset < cell->at)
            one.offset = cell->at;
        if (end <= one.offset || (bold != NO_ENTITY && one.type == ENTITY_BOLD))
            continue;
        one.length = end - one.offset;
        one.offset = one.offset - cell->at + from;
        entities_add(&r->entities, one);
    }
    put(r, t->text + cell->at, cell->len);
    close_entity(r, &bold);
    r->floor = r->out.len;
}

static bool cell_is_empty(const struct taken *t, size_t row, size_t column) {
    return !t->cells[row * t->columns + column].len;
}

/* A table that is too wide, or has links: a record of lines for each row, titled by its first column. */
static void put_records(struct render *r, const struct taken *t) {
    long records = NO_ENTITY;
    for (size_t row = t->rows > 1 ? 1 : 0; row < t->rows && !r->overflow; row++) {
        bool list = t->columns == 1 || t->rows == 1, begun = false;
        for (size_t column = 0; column < t->columns && !r->overflow; column++) {
            if (cell_is_empty(t, row, column))
                continue;
            if (!begun) {
                r->block_begins = true;
                r->gap = row > 1 && !list ? 2 : 1;
                begin_block(r, row <= 1 ? r->table_source : NULL);
                if (records == NO_ENTITY)
                    records = open_entity(r, ENTITY_RECORDS, NULL);
            } else {
                put_line_break(r);
            }
            begun = true;
            if (column || list)
                put_str(r, "• ");
            if (column && t->rows > 1 && !cell_is_empty(t, 0, column)) {
                put(r, t->text + t->cells[column].at, t->cells[column].len);
                put_str(r, ": ");
            }
            put_cell(r, t, row, column, column == 0 && !list);
        }
    }
    close_entity(r, &records);
}

static bool put_drawing(struct render *r, const struct taken *t) {
    struct table_cell *cells = alloc_zero(r->cells_count * sizeof *cells + 1);
    for (size_t i = 0; i < r->cells_count; i++)
        cells[i] = (struct table_cell){t->text + t->cells[i].at, t->cells[i].len};
    struct table table = {.columns = t->columns, .rows = t->rows, .cells = cells, .aligns = r->aligns};
    struct buf drawn;
    buf_init(&drawn, r->out.max);
    bool fits = table_draw(&table, r->options->table_width ? r->options->table_width : TABLE_WIDTH, &drawn);
    if (fits) {
        r->is_pre = true;
        begin_block(r, r->table_source);
        r->is_pre = false;
        long pre = open_entity(r, ENTITY_PRE, NULL);
        put(r, buf_cstr(&drawn), drawn.len);
        close_entity(r, &pre);
    }
    buf_done(&drawn);
    free(cells);
    return fits;
}

static void leave_table(struct render *r) {
    r->is_table = false;
    r->block_begins = true;
    if (!r->columns || r->cells_count < r->columns)
        return;
    size_t len = r->out.len - r->table_start, count = r->entities.count - r->table_entities;
    for (size_t i = 0; i < r->cells_count; i++) {
        r->cells[i].at -= r->table_start;
        r->cells[i].first_entity -= r->table_entities;
        r->cells[i].end_entity -= r->table_entities;
    }
    struct taken t = {.cells = r->cells, .columns = r->columns, .rows = r->cells_count / r->columns};
    t.text = alloc_copy(r->out.data ? r->out.data + r->table_start : "", len);
    t.entities = alloc_zero(count * sizeof *t.entities + 1);
    for (size_t i = 0; i < count; i++) {
        t.entities[i] = r->entities.list[r->table_entities + i];
        t.entities[i].offset -= r->table_start;
    }
    r->out.len = r->table_start;
    r->entities.count = r->table_entities;
    if (r->floor > r->out.len)
        r->floor = r->out.len;
    if (r->table_links || !put_drawing(r, &t))
        put_records(r, &t);
    free(t.text);
    free(t.entities);
    r->block_begins = true;
}

/* ---- blocks ---- */

static void enter_list(struct render *r, bool ordered, unsigned long start, char delimiter) {
    if (r->marker_due)
        begin_block(r, NULL);    /* a list right in an item: the item's own marker stands alone */
    r->list_depth++;
    *level_of(r, r->list_depth) = (struct list_level){ordered, start, delimiter};
    r->block_begins = true;
}

static void enter_item(struct render *r, const MD_BLOCK_LI_DETAIL *detail) {
    r->marker_due = true;
    r->task = !detail->is_task ? NULL : detail->task_mark == ' ' ? "☐ " : "☑ ";
    r->block_begins = true;
}

static void leave_item(struct render *r) {
    if (r->marker_due)
        begin_block(r, NULL);
    level_of(r, r->list_depth)->number++;
    r->block_begins = true;
}

static const char *language_of(struct render *r, const MD_ATTRIBUTE *lang) {
    const char *name = attribute_text(r, lang);
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+#-_.", name[i]))
            return NULL;
    return n && n <= LANGUAGE_MAX ? name : NULL;
}

static void enter_code_block(struct render *r, const MD_BLOCK_CODE_DETAIL *detail) {
    r->block_begins = true;
    r->is_pre = true;
    r->pre_fenced = detail->fence_char != 0;
    r->language = language_of(r, &detail->lang);
    buf_clear(&r->pre_lead);
}

static void leave_code_block(struct render *r) {
    if (r->pre != NO_ENTITY) {
        while (r->out.len > r->pre_start && (r->out.data[r->out.len - 1] == '\n' || r->out.data[r->out.len - 1] == ' '))
            r->out.len--;
        close_entity(r, &r->pre);
    }
    r->is_pre = r->pre_fenced = false;
    r->block_begins = true;
}

static void put_rule(struct render *r) {
    r->block_begins = true;
    r->gap = 2;
    begin_block(r, NULL);
    put_str(r, "──────────");
    r->block_begins = true;
    r->gap = 2;
}

static void enter_heading(struct render *r) {
    r->block_begins = true;
    if (!r->marker_due)
        r->gap = 2;
    r->heading = true;
    r->bold_depth++;
}

static void enter_quote(struct render *r) {
    if (r->marker_due)
        begin_block(r, NULL);
    if (!r->quote_depth++)
        r->quote_lists = r->list_depth;
    r->block_begins = true;
}

static void leave_quote(struct render *r) {
    if (--r->quote_depth == 0)
        close_entity(r, &r->quote);
    r->block_begins = true;
}

static int on_enter_block(MD_BLOCKTYPE type, void *detail, void *owner) {
    struct render *r = owner;
    end_spans(r);
    r->same_paragraph = false;
    if (is_out_of_proportion(r))
        return 1;
    switch (type) {
    case MD_BLOCK_DOC:
    case MD_BLOCK_THEAD:
    case MD_BLOCK_TBODY:
    case MD_BLOCK_TR:
        break;
    case MD_BLOCK_QUOTE:
        enter_quote(r);
        break;
    case MD_BLOCK_UL:
        enter_list(r, false, 0, 0);
        break;
    case MD_BLOCK_OL:
        enter_list(r, true, ((MD_BLOCK_OL_DETAIL *)detail)->start, ((MD_BLOCK_OL_DETAIL *)detail)->mark_delimiter);
        break;
    case MD_BLOCK_LI:
        enter_item(r, detail);
        break;
    case MD_BLOCK_HR:
        put_rule(r);
        break;
    case MD_BLOCK_H:
        enter_heading(r);
        break;
    case MD_BLOCK_CODE:
        enter_code_block(r, detail);
        break;
    case MD_BLOCK_HTML:
    case MD_BLOCK_P:
        r->block_begins = true;
        break;
    case MD_BLOCK_TABLE:
        enter_table(r, detail);
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        enter_cell(r, detail);
        break;
    }
    return r->overflow;
}

static int on_leave_block(MD_BLOCKTYPE type, void *detail, void *owner) {
    struct render *r = owner;
    end_spans(r);
    r->same_paragraph = false;
    switch (type) {
    case MD_BLOCK_QUOTE:
        leave_quote(r);
        break;
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        r->list_depth--;
        break;
    case MD_BLOCK_LI:
        leave_item(r);
        break;
    case MD_BLOCK_H:
        r->heading = false;
        break;
    case MD_BLOCK_CODE:
        leave_code_block(r);
        break;
    case MD_BLOCK_TABLE:
        leave_table(r);
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        leave_cell(r);
        break;
    default:
        break;
    }
    return r->overflow;
}

/* ---- the whole ---- */

static bool starts_with_code(const struct render *r, size_t at) {
    for (size_t i = 0; i < r->entities.count && r->entities.list[i].offset <= at; i++)
        if (entity_is_code(r->entities.list[i].type) && r->entities.list[i].length)
            return true;
    return false;
}

/* White space at either end of a message is taken off by Telegram, but for code's at the beginning. */
static void trim(struct render *r) {
    size_t lead = 0;
    r->floor = 0;
    drop_white_at_end(r);
    while (lead < r->out.len && (r->out.data[lead] == ' ' || r->out.data[lead] == '\n') && !starts_with_code(r, lead))
        lead++;
    if (!lead)
        return;
    buf_drop(&r->out, lead);
    for (size_t i = 0; i < r->entities.count; i++) {
        struct entity *one = &r->entities.list[i];
        size_t end = one->offset + one->length > lead ? one->offset + one->length - lead : 0;
        one->offset = one->offset > lead ? one->offset - lead : 0;
        one->length = end > one->offset ? end - one->offset : 0;
    }
}

static void finish(struct render *r, struct rendered *ret) {
    for (size_t i = 0; i < r->out.len; i++)
        if (r->out.data[i] == '\t')
            r->out.data[i] = ' ';
    trim(r);
    ret->len = r->out.len;
    ret->text = buf_take(&r->out);
    ret->text[ret->len] = '\0';
    entities_tidy(&r->entities, ret->text, ret->len);
    ret->places = (struct entity *)(void *)alloc_copy(r->entities.list, r->entities.count * sizeof *ret->places);
    ret->units = entities_to_units(r->entities.list, r->entities.count, ret->text, ret->len);
    entities_fold_quotes(r->entities.list, r->entities.count, ret->text, ret->len, ret->growing);
    ret->entities = r->entities.list;
    ret->count = r->entities.count;
    r->entities = (struct entities){0};
}

static void show_plain(struct render *r, struct rendered *ret) {
    buf_clear(&r->out);
    r->entities.count = 0;
    (void)buf_add(&r->out, r->in->clean, r->in->clean_len);
    ret->plain = true;
    finish(r, ret);
}

void markdown_render(const char *raw, size_t len, const struct markdown_options *options, struct rendered *ret) {
    static const struct markdown_options usual = {0};
    static const MD_PARSER parser = {
        .flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS,
        .enter_block = on_enter_block, .leave_block = on_leave_block, .enter_span = on_enter_span, .leave_span = on_leave_span, .text = on_text,
    };
    options = options ? options : &usual;
    struct prepared in;
    prepare(&in, raw, len, options->growing);
    *ret = (struct rendered){.growing = options->growing, .mem = arena_new()};
    struct render r = {
        .in = &in, .options = options, .mem = ret->mem, .block_begins = true, .gap = 1, .quote = NO_ENTITY, .bold = NO_ENTITY,
        .italic = NO_ENTITY, .strike = NO_ENTITY, .link = NO_ENTITY, .pre = NO_ENTITY, .code = NO_ENTITY, .events_max = in.len * 8 + 1024, .attributes_max = in.len * 16 + 262144,
    };
    buf_init(&r.out, in.clean_len * 16 + 65536);
    buf_init(&r.pre_lead, in.clean_len + 64);
    if (md_parse(in.text, (MD_SIZE)in.len, &parser, &r) || r.overflow)
        show_plain(&r, ret);
    else
        finish(&r, ret);
    free(r.cells);
    free(r.aligns);
    buf_done(&r.pre_lead);
    buf_done(&r.out);
    entities_done(&r.entities);
    prepared_done(&in);
}

void rendered_done(struct rendered *r) {
    free(r->text);
    free(r->entities);
    free(r->places);
    arena_free(r->mem);
    *r = (struct rendered){0};
}
