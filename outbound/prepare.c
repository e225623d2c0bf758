#include "outbound/prepare.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <unistr.h>
#include "outbound/clean.h"
#include "services/alloc.h"
#include "services/buf.h"

/* U+FDD0 … U+FDD3 in UTF-8 */
#define HELD_BEGIN "\xEF\xB7\x90"
#define HELD_END "\xEF\xB7\x91"
#define NOTHING "\xEF\xB7\x92"
#define TILDE "\xEF\xB7\x93"
enum { SIGN_BYTES = 3 };

enum {
    CONTAINERS_MAX = 24,         /* markers before a line's text; md4c's time grows with their number times the lines behind */
    OPEN_MAX = 32,               /* marks open at once that we follow */
    FORMULA_MAX = 600, DISPLAY_MAX = 4000, ADDRESS_MAX = 2000,
    LINK_TEXT_MAX = 200,         /* behind so many bytes a bracket that is still open is a bracket */
    NO_TICKS = 32,               /* runs of so many backticks are no code to us */
};

/* ---- the walk through the source ---- */

struct walk {
    struct prepared *p;
    const char *s;               /* the clean source */
    size_t len, at;
    bool growing;
    struct buf out;
    size_t block_end;            /* where inline text that began before it ends at the latest; 0: not looked for yet */
    size_t blank;                /* the next blank line, seen from somewhere before it */
    uint32_t ticks_absent;       /* bit n: no run of n backticks between here and block_end */
    size_t no_paren_until, no_formula_until[3], no_end_until;
    struct { char c; size_t count, at; } open[OPEN_MAX];   /* emphasis, code and brackets, the outer ones first */
    size_t open_count;
    char fence;                  /* inside of a fence: its character */
    size_t fence_count;
    bool fence_quoted;
    size_t table_line, table_columns;                  /* of a table at hand: which line of it this is (0: none) */
    size_t table_head_end;       /* bytes of out behind its first line */
    char table_prefix[64];
    size_t table_prefix_len;
    bool table_ruled;            /* its rule has come: it is one */
    size_t body;                 /* where this line's text begins */
    bool behind_text;            /* the line before this one has text, and is of no table */
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c) {
    return is_digit(c) || is_letter(c);
}

static size_t run_of(const char *s, size_t len, size_t at, char c) {
    size_t n = 0;
    while (at + n < len && s[at + n] == c)
        n++;
    return n;
}

static size_t line_end(const struct walk *w, size_t at) {
    const char *end = at < w->len ? memchr(w->s + at, '\n', w->len - at) : NULL;
    return end ? (size_t)(end - w->s) : w->len;
}

static void put(struct walk *w, size_t from, size_t to) {
    (void)buf_add(&w->out, w->s + from, to - from);
}

static void put_str(struct walk *w, const char *s) {
    (void)buf_add_str(&w->out, s);
}

static void put_held(struct walk *w, struct held held) {
    struct prepared *p = w->p;
    if (p->held_count == p->held_room) {
        p->held_room = p->held_room ? p->held_room * 2 : 16;
        p->held = alloc_again(p->held, p->held_room * sizeof *p->held);
    }
    p->held[p->held_count] = held;
    (void)buf_printf(&w->out, HELD_BEGIN "%zu" HELD_END, p->held_count++);
}

/* ---- lines ---- */

/* Behind a list marker that begins at `at`; 0: there is none. */
static size_t behind_marker(const struct walk *w, size_t at, size_t end) {
    size_t i = at;
    if (i < end && (w->s[i] == '-' || w->s[i] == '*' || w->s[i] == '+')) {
        i++;
    } else {
        while (i < end && is_digit(w->s[i]) && i - at < 9)
            i++;
        if (i == at || i == end || (w->s[i] != '.' && w->s[i] != ')'))
            return 0;
        i++;
    }
    return i == end || is_blank(w->s[i]) ? i : 0;
}

/* Where a line's text begins, behind quote signs, list markers and blanks. *ret_markers: how many of them stand there. */
static size_t body_of(const struct walk *w, size_t at, size_t end, size_t *ret_markers, bool *ret_quoted) {
    *ret_markers = 0;
    *ret_quoted = false;
    while (true) {
        while (at < end && is_blank(w->s[at]))
            at++;
        size_t next = at < end && w->s[at] == '>' ? at + 1 : behind_marker(w, at, end);
        if (!next || *ret_markers > CONTAINERS_MAX)
            return at;
        *ret_quoted = *ret_quoted || w->s[at] == '>';
        ++*ret_markers;
        at = next;
    }
}

/* Does this line begin something new, so that no emphasis or code that began before it reaches into it? */
static bool line_begins_block(const struct walk *w, size_t at, size_t end) {
    while (at < end && is_blank(w->s[at]))
        at++;
    if (at == end)
        return true;
    char c = w->s[at];
    return c == '#' || c == '>' || c == '|' || (c == '`' && run_of(w->s, end, at, '`') >= 3) || (c == '~' && run_of(w->s, end, at, '~') >= 3) ||
           behind_marker(w, at, end);
}

static size_t block_end(struct walk *w) {
    if (w->block_end > w->at)
        return w->block_end < w->len ? w->block_end : w->len;
    size_t end = line_end(w, w->at);
    while (end < w->len && !line_begins_block(w, end + 1, line_end(w, end + 1)))
        end = line_end(w, end + 1);
    w->ticks_absent = 0;
    return w->block_end = end;
}

/* The end of the paragraph as formulas see it: a line that is empty but for blanks and quote signs. */
static size_t next_blank_line(struct walk *w, size_t at) {
    if (w->blank > at)
        return w->blank < w->len ? w->blank : w->len;
    size_t end = line_end(w, at);
    while (end < w->len) {
        size_t next = line_end(w, end + 1), i = end + 1;
        while (i < next && (is_blank(w->s[i]) || w->s[i] == '>'))
            i++;
        if (i == next)
            break;
        end = next;
    }
    return w->blank = end;
}

static void forget_open(struct walk *w) {
    w->open_count = 0;
}

/* ---- code ---- */

/* `at` is a run of backticks. Where the code it opens ends; 0: it opens none. *ret_run: its length. */
static size_t end_of_code(struct walk *w, size_t *ret_run) {
    size_t run = *ret_run = run_of(w->s, w->len, w->at, '`'), end = block_end(w);
    if (run >= NO_TICKS || w->ticks_absent >> run & 1)
        return 0;
    for (size_t i = w->at + run; i < end;) {
        const char *tick = memchr(w->s + i, '`', end - i);
        if (!tick)
            break;
        i = (size_t)(tick - w->s);
        size_t n = run_of(w->s, end, i, '`');
        if (n == run)
            return i + n;
        i += n;
    }
    w->ticks_absent |= 1u << run;
    return 0;
}

/* ---- formulas ---- */

static size_t plain_words(const char *s, size_t len) {
    size_t words = 0, letters = 0;
    bool command = false;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && (is_letter(s[i]) || (unsigned char)s[i] >= 0x80)) {
            letters++;
            continue;
        }
        words += letters >= 3 && !command;
        letters = 0;
        command = i < len && s[i] == '\\';
    }
    return words;
}

/* Would a reader take this for mathematics? Prices, shell variables and prose stand between dollar signs as well. */
static bool looks_like_formula(const char *s, size_t len) {
    size_t alnum = 0;
    bool command = false, strange = false, sign = false;
    for (size_t i = 0; i < len; i++) {
        command = command || (s[i] == '\\' && i + 1 < len && (is_letter(s[i + 1]) || strchr("{},;:!| \\", s[i + 1])));
        sign = sign || strchr("^_=+-<>/|", s[i]) || (unsigned char)s[i] >= 0x80;
        strange = strange || s[i] == '`';
        alnum += is_alnum(s[i]);
    }
    if (strange || !len)
        return false;
    if (command)
        return true;
    return plain_words(s, len) < 2 && (sign || alnum <= 3);
}

struct delimiters { const char *open, *close; enum held_kind kind; size_t max; };

/* Hold a formula with these delimiters that begins at `at`. False: there is none. */
static bool hold_formula(struct walk *w, const struct delimiters *d, size_t index) {
    size_t body = w->at + 2, limit = next_blank_line(w, w->at), end = body;
    if (w->at < w->no_formula_until[index])
        return false;
    while (end + 1 < limit && memcmp(w->s + end, d->close, 2)) {
        if (!memcmp(w->s + end, d->open, 2))
            return false; /* so that every byte is looked at once, however many of them open */
        end += w->s[end] == '\\' && end + 2 < limit ? 2 : 1;
    }
    bool closed = end + 1 < limit, open = !closed && w->growing && limit == w->len;
    if (!closed)
        w->no_formula_until[index] = limit;
    size_t to = closed ? end : limit;
    if ((!closed && !open) || to - body > d->max || (closed && !looks_like_formula(w->s + body, to - body)))
        return false;
    size_t raw_end = closed ? end + 2 : limit;
    put_held(w, (struct held){.kind = d->kind, .open = open, .raw = w->s + w->at, .raw_len = raw_end - w->at, .body = w->s + body, .body_len = to - body});
    w->at = raw_end;
    return true;
}

/* $…$ within a line. The dollar signs touch what is between them, no letter or digit touches them from outside. */
static bool hold_dollars(struct walk *w) {
    size_t body = w->at + 1, end = body, limit = w->len - body > FORMULA_MAX ? body + FORMULA_MAX : w->len;
    const char *line = memchr(w->s + body, '\n', limit - body);
    if (line)
        limit = (size_t)(line - w->s);
    if (body >= limit || is_blank(w->s[body]) || (w->at && (is_alnum(w->s[w->at - 1]) || w->s[w->at - 1] == '$')))
        return false;
    while (end < limit && w->s[end] != '$')
        end += w->s[end] == '\\' && end + 1 < limit ? 2 : 1;
    bool open = end >= limit && limit == w->len && w->growing;
    if (open) {
        end = limit;
        if (is_digit(w->s[body]) || !memchr(w->s + body, '\\', end - body) || !looks_like_formula(w->s + body, end - body))
            return false;
    } else if (end >= limit || is_blank(w->s[end - 1]) || (end + 1 < w->len && (is_alnum(w->s[end + 1]) || w->s[end + 1] == '$')) ||
               !looks_like_formula(w->s + body, end - body)) {
        return false;
    }
    size_t raw_end = open ? end : end + 1;
    put_held(w, (struct held){.kind = HELD_FORMULA, .open = open, .raw = w->s + w->at, .raw_len = raw_end - w->at, .body = w->s + body, .body_len = end - body});
    w->at = raw_end;
    return true;
}

static void hold_to(struct walk *w, enum held_kind kind, bool open, size_t end) {
    put_held(w, (struct held){.kind = kind, .open = open, .raw = w->s + w->at, .raw_len = end - w->at, .body = w->s + w->at, .body_len = end - w->at});
    w->at = end;
}

/* \begin{align} … \end{align} without anything around it. What it is goes with what it holds. */
static bool hold_environment(struct walk *w) {
    enum { NAME = 16, TRIES = 8 };
    static const char begin[] = "\\begin{", end[] = "\\end{";
    size_t name = w->at + sizeof begin - 1, n = 0, limit = next_blank_line(w, w->at);
    if (limit <= name || memcmp(w->s + w->at, begin, sizeof begin - 1) != 0)
        return false;
    while (name + n < limit && n < NAME && (is_letter(w->s[name + n]) || w->s[name + n] == '*'))
        n++;
    if (name + n == limit && w->growing && limit == w->len)
        return hold_to(w, HELD_DISPLAY, true, limit), true;
    if (!n || name + n >= limit || w->s[name + n] != '}' || w->at < w->no_end_until)
        return false;
    size_t at = name + n;
    for (int i = 0; i < TRIES; i++) {
        const char *found = memmem(w->s + at, limit - at, end, sizeof end - 1);
        if (!found) {
            if (w->growing && limit == w->len && limit - w->at <= DISPLAY_MAX)
                return hold_to(w, HELD_DISPLAY, true, limit), true;
            w->no_end_until = limit;
            return false;
        }
        at = (size_t)(found - w->s) + sizeof end - 1;
        if (limit - at > n && !memcmp(w->s + at, w->s + name, n) && w->s[at + n] == '}' && at + n + 1 - w->at <= DISPLAY_MAX)
            return hold_to(w, HELD_DISPLAY, false, at + n + 1), true;
    }
    return false;
}

static bool take_formula(struct walk *w) {
    static const struct delimiters pairs[] = {
        {"\\(", "\\)", HELD_FORMULA, FORMULA_MAX}, {"\\[", "\\]", HELD_DISPLAY, DISPLAY_MAX}, {"$$", "$$", HELD_DISPLAY, DISPLAY_MAX}};
    if (w->at + 1 < w->len)
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
            if (!memcmp(w->s + w->at, pairs[i].open, 2) && hold_formula(w, &pairs[i], i))
                return true;
    return w->s[w->at] == '$' ? hold_dollars(w) : hold_environment(w);
}

/* ---- addresses ---- */

static bool begins_with(const struct walk *w, size_t at, const char *prefix) {
    size_t n = strlen(prefix);
    return w->len - at >= n && !memcmp(w->s + at, prefix, n);
}

/* A bare address goes to the reader as it is; Telegram makes a link of it. Only what Markdown would see signs in is held. */
static bool take_address(struct walk *w) {
    if (w->at && (is_alnum(w->s[w->at - 1]) || w->s[w->at - 1] == '<' || w->s[w->at - 1] == '/'))
        return false;
    if (!begins_with(w, w->at, "http://") && !begins_with(w, w->at, "https://") && !begins_with(w, w->at, "www."))
        return false;
    size_t end = w->at, depth = 0;
    bool signs = false;
    for (; end < w->len && end - w->at < ADDRESS_MAX; end++) {
        char c = w->s[end];
        if ((unsigned char)c <= ' ' || strchr("<>\"`[]|*", c) || (c == ')' && !depth) || begins_with(w, end, "~~"))
            break;
        depth += c == '(';
        depth -= c == ')';
        signs = signs || strchr("_~&\\$", c);
    }
    while (end > w->at && strchr(".,;:!?'_", w->s[end - 1]))
        end--;
    if (signs)
        put_held(w, (struct held){.kind = HELD_ADDRESS, .raw = w->s + w->at, .raw_len = end - w->at, .body = w->s + w->at, .body_len = end - w->at});
    else
        put(w, w->at, end);
    w->at = end;
    return true;
}

/* ---- emphasis ---- */

enum side { SIDE_WHITE, SIDE_OPENING, SIDE_PUNCTUATION, SIDE_LETTER };

static enum side side_of(ucs4_t c) {
    if (c < 0x80) {
        if (c <= ' ')
            return SIDE_WHITE;
        if (is_alnum((char)c))
            return SIDE_LETTER;
        return strchr("([{\"'`<$\\", (int)c) ? SIDE_OPENING : SIDE_PUNCTUATION;
    }
    if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Ps | UC_CATEGORY_MASK_Pi))
        return SIDE_OPENING;
    if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_P | UC_CATEGORY_MASK_S))
        return SIDE_PUNCTUATION;
    return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Zs) ? SIDE_WHITE : SIDE_LETTER;
}

static enum side side_before(const struct walk *w, size_t at) {
    if (!at || w->s[at - 1] == '\n')
        return SIDE_WHITE;
    if (w->out.len >= SIGN_BYTES && !memcmp(w->out.data + w->out.len - SIGN_BYTES, HELD_END, SIGN_BYTES))
        return SIDE_LETTER;
    size_t n = 1;
    while (n < 4 && n < at && ((unsigned char)w->s[at - n] & 0xC0) == 0x80)
        n++;
    ucs4_t c;
    u8_mbtouc(&c, (const uint8_t *)w->s + at - n, n);
    return side_of(c);
}

static enum side side_behind(const struct walk *w, size_t at) {
    if (at >= w->len)
        return SIDE_WHITE;
    ucs4_t c;
    u8_mbtouc(&c, (const uint8_t *)w->s + at, w->len - at);
    return side_of(c);
}

static size_t find_open(const struct walk *w, char c, size_t count) {
    for (size_t i = w->open_count; i > 0; i--)
        if (w->open[i - 1].c == c && w->open[i - 1].count == count)
            return i;
    return 0;
}

static void push_open(struct walk *w, char c, size_t count) {
    if (w->open_count == OPEN_MAX)
        return;
    w->open[w->open_count].c = c;
    w->open[w->open_count].at = w->at;
    w->open[w->open_count++].count = count;
}

/* __init__.py and __len__() are names. */
static bool take_name(struct walk *w) {
    size_t i = w->at + 2;
    while (i < w->len && (is_alnum(w->s[i]) || (w->s[i] == '_' && w->s[i + 1] != '_')))
        i++;
    if (i == w->at + 2 || !begins_with(w, i, "__") || w->len - i < 4)
        return false;
    char next = w->s[i + 2];
    if (next != '(' && !(next == '.' && is_letter(w->s[i + 3])))
        return false;
    hold_to(w, HELD_ADDRESS, false, i + 2);
    return true;
}

/* "**Title: **text" means "**Title:** text": a run with the blank on its wrong side closes what was opened in its line, unless
 * the next run is what closes. */
static bool closes_behind_blank(const struct walk *w, size_t opener, char c, size_t count) {
    if (memchr(w->s + w->open[opener - 1].at, '\n', w->at - w->open[opener - 1].at))
        return false;
    for (size_t i = w->at + count; i < w->len && w->s[i] != '\n'; i++) /* not to the line's end each time: it may be far */
        if (w->s[i] == c && run_of(w->s, w->len, i, c) >= count)
            return is_blank(w->s[i - 1]);
    return true;
}

/* A run of stars, underscores or tildes: follow what it opens or closes, and mend what CommonMark would not see as either. */
static void take_emphasis(struct walk *w) {
    char c = w->s[w->at];
    size_t count = run_of(w->s, w->len, w->at, c), end = w->at + count;
    if (c == '~' && count != 2) { /* "~5 minutes, ~10 at most": about, not struck */
        for (size_t i = 0; i < count; i++)
            put_str(w, TILDE);
        w->at = end;
        return;
    }
    enum side before = side_before(w, w->at), behind = side_behind(w, end);
    if (c == '_' && count == 2 && before != SIDE_LETTER && take_name(w))
        return;
    if (c == '*' && w->at && is_digit(w->s[w->at - 1]) && end < w->len && is_digit(w->s[end]) && !find_open(w, c, count)) {
        hold_to(w, HELD_ADDRESS, false, end); /* 5*3*2 is no emphasis, nor is 2**3 */
        return;
    }
    bool left = behind != SIDE_WHITE && (behind == SIDE_LETTER || before != SIDE_LETTER);
    bool right = before != SIDE_WHITE && (before == SIDE_LETTER || behind != SIDE_LETTER);
    size_t opener = find_open(w, c, count);
    bool may_open = left && (c != '_' || !right || before != SIDE_LETTER);
    bool may_close = right && (c != '_' || !left || behind != SIDE_LETTER);
    if (c == '*' && count == 2 && opener && before == SIDE_WHITE && behind != SIDE_WHITE && w->out.len && w->out.data[w->out.len - 1] == ' ' &&
        closes_behind_blank(w, opener, c, count)) {
        w->out.data[w->out.len - 1] = '*';
        put_str(w, "* ");
        w->open_count = opener - 1;
        w->at = end;
        return;
    }
    bool mend_before = c == '*' && opener && !may_close && before == SIDE_PUNCTUATION && behind == SIDE_LETTER;
    mend_before = mend_before || (c == '*' && opener && !may_close && before == SIDE_OPENING && behind == SIDE_LETTER && strchr("\"'`$", w->s[w->at - 1]));
    bool mend_behind = c == '*' && !opener && !may_open && before == SIDE_LETTER && behind == SIDE_OPENING;
    if (mend_before)
        put_str(w, NOTHING);
    put(w, w->at, end);
    if (mend_behind)
        put_str(w, NOTHING);
    if (opener && (may_close || mend_before))
        w->open_count = opener - 1;
    else if (count <= 3 && (may_open || mend_behind))
        push_open(w, c, count);
    w->at = end;
}

/* ---- links ---- */

/* The address part of a link that begins with the parenthesis at `at`: behind its end; 0: it has none in this line. */
static size_t end_of_address(struct walk *w, size_t at) {
    if (at < w->no_paren_until)
        return 0;
    size_t i = at;
    for (size_t depth = 0; i < w->len && w->s[i] != '\n'; i++) {
        if (w->s[i] == '\\' && i + 1 < w->len && w->s[i + 1] != '\n') {
            i++;
        } else if (w->s[i] == '(') {
            depth++;
        } else if (w->s[i] == ')' && --depth == 0) {
            return i + 1;
        }
    }
    w->no_paren_until = i;
    return 0;
}

/* The signs in it are held back: md4c has been seen to end emphasis from before the link in its address. */
static void put_link_address(struct walk *w, size_t from, size_t to) {
    bool is_simple = true;
    for (size_t i = from; i < to; i++)
        is_simple = is_simple && !is_blank(w->s[i]);
    for (size_t i = from, n; is_simple && i < to; i += n) {
        n = strspn(w->s + i, "*_~");
        if (!n) {
            n = w->s[i] == '\\' && i + 1 < to ? 2 : 1;
            continue;
        }
        put(w, from, i);
        put_held(w, (struct held){.kind = HELD_ADDRESS, .raw = w->s + i, .raw_len = n, .body = w->s + i, .body_len = n});
        from = i + n;
    }
    put(w, from, to);
}

/* `[label]:` at the beginning of a line, and no address that anybody could follow behind it: a footnote, or a line like
 * "[note]: later". Markdown would take it for a definition, and show nothing of it. */
static bool only_looks_defined(const struct walk *w, size_t opener) {
    size_t begin = w->open[opener - 1].at, at = w->at + 2;
    if (begin != w->body || w->at + 1 >= w->len || w->s[w->at + 1] != ':')
        return false;
    while (at < w->len && is_blank(w->s[at]))
        at++;
    static const char *const fronts[] = {"http://", "https://", "<", "mailto:", "tg:"};
    bool is_address = at < w->len && w->s[at] == '\n';
    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++)
        is_address = is_address || begins_with(w, at, fronts[i]);
    return w->s[begin + 1] == '^' || !is_address;
}

/* A closing bracket. False: the source ends in the middle of the link's address, and so does the walk. */
static bool take_bracket(struct walk *w) {
    size_t opener = find_open(w, '[', 1);
    bool address = w->at + 1 < w->len && w->s[w->at + 1] == '(';
    bool at_end = w->at + 1 == w->len;
    size_t end = address && opener ? end_of_address(w, w->at + 1) : 0;
    if (w->growing && opener && !end && (at_end || (address && w->no_paren_until == w->len))) {
        w->at = w->len;
        return false;
    }
    bool defines_nothing = opener && only_looks_defined(w, opener);
    if (opener)
        w->open_count = opener - 1;
    if (end)
        put_link_address(w, w->at, end);
    else
        put(w, w->at, w->at + 1);
    if (defines_nothing)
        put_str(w, NOTHING);
    w->at = end ? end : w->at + 1;
    return true;
}

/* ---- inline text ---- */

static bool is_special(char c) {
    switch (c) {
    case '\\': case '`': case '$': case '*': case '_': case '~': case '[': case ']': case 'h': case 'w': case '\n':
        return true;
    default:
        return false;
    }
}

static void take_plain(struct walk *w, size_t count) {
    put(w, w->at, w->at + count);
    w->at += count;
}

static void take_special(struct walk *w) {
    size_t run;
    switch (w->s[w->at]) {
    case '\\':
        if (!take_formula(w))
            take_plain(w, w->at + 1 < w->len && w->s[w->at + 1] != '\n' && (unsigned char)w->s[w->at + 1] < 0x80 ? 2 : 1);
        return;
    case '$':
        if (!take_formula(w))
            take_plain(w, 1);
        return;
    case '`': {
        size_t end = end_of_code(w, &run);
        if (!end && w->growing && block_end(w) == w->len && run < NO_TICKS)
            push_open(w, '`', run);
        take_plain(w, end ? end - w->at : !end && w->growing && block_end(w) == w->len ? w->len - w->at : run);
        return;
    }
    case '*': case '_': case '~':
        take_emphasis(w);
        return;
    case '[':
        push_open(w, '[', 1);
        take_plain(w, 1);
        return;
    case ']':
        (void)take_bracket(w);
        return;
    default:
        if (!take_address(w))
            take_plain(w, 1);
    }
}

static void take_line_text(struct walk *w) {
    while (w->at < w->len && w->s[w->at] != '\n') {
        size_t from = w->at;
        while (w->at < w->len && !is_special(w->s[w->at]))
            w->at++;
        put(w, from, w->at);
        if (w->at < w->len && w->s[w->at] != '\n')
            take_special(w);
    }
}

/* ---- what a growing text ends with ---- */

/* Marks at the very end say nothing yet: they may open, close, or be half of their run. If they close, what they close is closed
 * behind the end anyway. */
static size_t without_last_marks(const struct walk *w) {
    size_t end = w->len;
    while (end > w->at && strchr("*_~`\\[", w->s[end - 1]))
        end--;
    if (end < w->len && w->s[end] == '[' && end > w->at && w->s[end - 1] == '!')
        end--;
    return end;
}

/* A last line that is nothing but the beginning of something: a bullet, a heading's signs, a rule, a task's box. */
static bool only_begins(const struct walk *w, size_t at) {
    size_t i = at;
    while (i < w->len && strchr(" \t>-+*=_#|~`:", w->s[i]))
        i++;
    if (i < w->len && w->s[i] == '[' && w->len - i <= 3 && i > at && is_blank(w->s[i - 1])) /* [ ] after a bullet */
        i += i + 1 == w->len ? 1 : strchr(" xX", w->s[i + 1]) ? (i + 2 == w->len ? 2 : w->s[i + 2] == ']' ? 3 : 0) : 0;
    return i == w->len;
}

/* The rule below a table's head, which has not come yet. */
static void put_table_rule(struct walk *w) {
    if (!w->out.len || w->out.data[w->out.len - 1] != '\n')
        put_str(w, "\n");
    (void)buf_add(&w->out, w->table_prefix, w->table_prefix_len);
    for (size_t i = 0; i < w->table_columns; i++)
        put_str(w, "|---");
    put_str(w, "|");
}

static void close_what_is_open(struct walk *w) {
    for (size_t i = w->open_count; i > 0; i--) {
        if (w->open[i - 1].c == '[') {
            if (w->len - w->open[i - 1].at < LINK_TEXT_MAX)
                put_str(w, "](x:)");
            continue;
        }
        for (size_t n = 0; n < w->open[i - 1].count; n++)
            (void)buf_add(&w->out, &w->open[i - 1].c, 1);
    }
}

static void end_growing(struct walk *w) {
    while (w->out.len && is_blank(w->out.data[w->out.len - 1]))
        w->out.len--; /* what closes must touch what it closes */
    w->p->visible = w->out.len;
    if (w->fence)
        return;
    if (w->table_line != 2)
        close_what_is_open(w);
    if (w->table_line == 2) { /* the rule itself may be half of one */
        w->out.len = w->p->visible = w->table_head_end;
        w->table_line = 1;
    }
    if (w->table_line == 1 && w->table_columns)
        put_table_rule(w);
}

/* ---- lines again ---- */

static size_t count_columns(const struct walk *w, size_t at, size_t end) {
    size_t columns = 0;
    bool in_cell = false;
    for (size_t i = at; i < end; i++) {
        if (w->s[i] == '\\') {
            in_cell = true;
            i++;
        } else if (w->s[i] == '|') {
            in_cell = false;
        } else if (!is_blank(w->s[i]) && !in_cell) {
            in_cell = true;
            columns++;
        }
    }
    return columns;
}

/* Is this line's text the rule below a table's head, or the beginning of it? *ret_whole: all of its columns are there. */
static bool is_table_rule(const struct walk *w, size_t at, size_t end, bool *ret_whole) {
    for (size_t i = at; i < end; i++)
        if (!strchr("|:- \t", w->s[i]))
            return false;
    *ret_whole = count_columns(w, at, end) >= w->table_columns;
    return true;
}

/* md4c 0.4 wants three dashes in each column of a rule; models and everybody else are content with one. */
static bool take_table_rule(struct walk *w, size_t body, size_t end) {
    bool pipe = false, dash = false;
    for (size_t i = body; i < end; i++) {
        if (!strchr("|:- \t", w->s[i]))
            return false;
        pipe = pipe || w->s[i] == '|';
        dash = dash || w->s[i] == '-';
    }
    if (!pipe || !dash)
        return false;
    while (w->at < end) {
        size_t run = run_of(w->s, end, w->at, '-');
        put(w, w->at, w->at + (run ? run : 1));
        if (run && run < 3)
            put_str(w, run == 1 ? "--" : "-");
        w->at += run ? run : 1;
    }
    return true;
}

/* A blank line within the same quotes and lists. */
static void put_table_gap(struct walk *w) {
    (void)buf_add(&w->out, w->table_prefix, w->table_prefix_len);
    put_str(w, "\n");
}

/* Is the line behind this one a table's rule, or may it be one when it is written? */
static bool rule_follows(const struct walk *w, size_t end) {
    size_t next = end + 1, next_end = next < w->len ? line_end(w, next) : 0, markers;
    bool quoted, whole;
    if (next >= w->len)
        return w->growing;
    size_t body = body_of(w, next, next_end, &markers, &quoted);
    if (body == next_end || !is_table_rule(w, body, next_end, &whole) || !memchr(w->s + body, '|', next_end - body))
        return false;
    return whole ? memchr(w->s + body, '-', next_end - body) != NULL : w->growing && next_end == w->len;
}

/* Does no list begin in this line? */
static bool continues(const struct walk *w, size_t line, size_t body) {
    while (line < body && (w->s[line] == '>' || is_blank(w->s[line])))
        line++;
    return line == body;
}

static void begin_table(struct walk *w, size_t line, size_t body, size_t end) {
    w->table_line = 1;
    w->table_ruled = false;
    w->table_columns = count_columns(w, body, end);
    w->table_prefix_len = body - line < sizeof w->table_prefix ? body - line : 0;
    for (size_t i = 0; i < w->table_prefix_len; i++)
        w->table_prefix[i] = w->s[line + i] == '>' ? '>' : ' ';
    if (w->behind_text && continues(w, line, body) && w->table_columns > 1 && rule_follows(w, end))
        put_table_gap(w); /* right below other text md4c would see no table */
}

static void follow_table(struct walk *w, size_t line, size_t body, size_t end) {
    bool whole;
    if (body == end || w->s[body] != '|') {
        bool is_other = memchr(w->s + body, '|', end - body) || line_begins_block(w, body, end) || !continues(w, line, body);
        if (w->table_line == 3 && w->table_ruled && !is_other)
            put_table_gap(w); /* text right below a table is no row of it */
        w->table_line = 0;
    } else if (!w->table_line) {
        begin_table(w, line, body, end);
    } else if (w->table_line == 1 && is_table_rule(w, body, end, &whole) && !whole && end == w->len) {
        w->table_line = 2; /* and no further line comes */
    } else {
        w->table_ruled = w->table_ruled || (w->table_line == 1 && is_table_rule(w, body, end, &whole) && whole);
        w->table_line = 3;
    }
}

/* A line inside of a fence, or one that opens it. True: it was taken. */
static bool take_fence_line(struct walk *w, size_t line, size_t body, size_t end, bool quoted, size_t markers) {
    char c = body < end ? w->s[body] : 0;
    size_t run = c == '`' || c == '~' ? run_of(w->s, end, body, c) : 0;
    if (w->fence && w->fence_quoted && !quoted)
        w->fence = 0;
    if (w->fence) {
        size_t rest = body + run;
        while (rest < end && is_blank(w->s[rest]))
            rest++;
        if (c == w->fence && run >= w->fence_count && rest == end && markers <= (w->fence_quoted ? 1 : 0)) {
            w->fence = 0;
        } else if (w->growing && end == w->len && c == w->fence && rest == end) {
            w->len = line; /* half of the fence that closes */
            return true;
        }
        return true;
    }
    if (run < 3 || (c == '`' && memchr(w->s + body + run, '`', end - body - run)))
        return false;
    w->fence = c;
    w->fence_count = run;
    w->fence_quoted = quoted;
    return true;
}

static void take_line(struct walk *w) {
    size_t line = w->at, end = line_end(w, line), markers;
    bool quoted;
    size_t body = body_of(w, line, end, &markers, &quoted);
    if (take_fence_line(w, line, body, end, quoted, markers)) {
        end = end < w->len ? end : w->len;
        put(w, line, end);
        w->at = end;
        w->table_line = 0;
        w->behind_text = false;
        forget_open(w);
        return;
    }
    if (w->growing && end == w->len) {
        bool whole, rule = w->table_line == 1 && body < end && is_table_rule(w, body, end, &whole);
        if (!rule) {
            w->len = only_begins(w, line) ? line : without_last_marks(w);
            end = w->len;
            body = body < end ? body : end;
        }
    }
    if (markers || body == end || line_begins_block(w, body, end))
        forget_open(w);
    if (end > line || w->len > line)
        follow_table(w, line, body, end);
    w->behind_text = body < end && !w->table_line;
    w->body = body;
    put(w, line, body);
    if (markers > CONTAINERS_MAX)
        put_str(w, NOTHING); /* the rest of the markers is text */
    w->at = body;
    if (!take_table_rule(w, body, end))
        take_line_text(w);
    if (w->table_line == 1)
        w->table_head_end = w->out.len;
}

void prepare(struct prepared *p, const char *raw, size_t len, bool growing) {
    *p = (struct prepared){0};
    p->clean = clean_text(raw, len, &p->clean_len);
    struct walk w = {.p = p, .s = p->clean, .len = p->clean_len, .growing = growing};
    buf_init(&w.out, p->clean_len * 12 + 1024);
    while (growing && w.len && (is_blank(w.s[w.len - 1]) || w.s[w.len - 1] == '\n'))
        w.len--;
    while (w.at < w.len) {
        if (w.s[w.at] == '\n')
            take_plain(&w, 1);
        if (w.at < w.len)
            take_line(&w);
    }
    p->visible = w.out.len;
    if (growing)
        end_growing(&w);
    p->len = w.out.len;
    p->text = buf_take(&w.out);
}

void prepared_done(struct prepared *p) {
    free(p->clean);
    free(p->text);
    free(p->held);
    *p = (struct prepared){0};
}

/* ---- signs ---- */

enum sign prepared_sign(const struct prepared *p, const char *s, size_t len, size_t *ret_len, const struct held **ret_held) {
    for (size_t i = 0;; i++) {
        const char *lead = i < len ? memchr(s + i, 0xEF, len - i) : NULL;
        i = lead ? (size_t)(lead - s) : len;
        if (i < len && (len - i < SIGN_BYTES || !is_noncharacter(s + i)))
            continue;
        if (i > 0 || len == 0) {
            *ret_len = i;
            return SIGN_NONE;
        }
        break;
    }
    *ret_len = SIGN_BYTES;
    if (!memcmp(s, TILDE, SIGN_BYTES))
        return SIGN_TILDE;
    size_t index = 0, at = SIGN_BYTES;
    if (memcmp(s, HELD_BEGIN, SIGN_BYTES))
        return SIGN_NOTHING;
    for (; at < len && is_digit(s[at]) && at < SIGN_BYTES + 9; at++)
        index = index * 10 + (size_t)(s[at] - '0');
    if (len - at < SIGN_BYTES || memcmp(s + at, HELD_END, SIGN_BYTES) || index >= p->held_count)
        return SIGN_NOTHING; /* cannot be: no sign is ever cut */
    *ret_len = at + SIGN_BYTES;
    *ret_held = &p->held[index];
    return SIGN_HELD;
}
