#include "llm/cite.h"
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "llm/marks.h"
#include "proto/cleanup.h"
#include "proto/json.h"
#include "services/alloc.h"
#include "services/utf8.h"

enum { NOTES_MOST = 100, URL_MOST = 1000, TITLE_UNITS = 80, ID_MOST = 128 };

/* Where a number goes: instead of [from, to) of the text, or between two characters. */
struct place { size_t from, to; int source; };

static const char *word(const cJSON *o, const char *name) {
    const char *s = json_get_str(o, name);
    return s ? s : "";
}

/* ── what is noted ─────────────────────────────────────────────────────────────────────────────────────────── */

/* An address that may stand in Markdown; NULL: it is none for Telegram. What tells OpenAI's own visits goes. */
static char *clean_url(const char *url) {
    static const char visit[] = "utm_source=openai";
    size_t len = strlen(url);
    if ((strncasecmp(url, "https://", 8) && strncasecmp(url, "http://", 7)) || len > URL_MOST)
        return NULL;
    size_t tail = sizeof visit - 1;
    if (len > tail && !strcmp(url + len - tail, visit) && strchr("?&", url[len - tail - 1]))
        len -= tail + 1;
    struct buf out;
    buf_init(&out, 3 * URL_MOST + 1);    /* cannot be passed */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)url[i];
        if (c <= ' ' || c == 0x7F || strchr("<>()[]\\\"`*$|", c))
            (void)buf_printf(&out, "%%%02X", c);
        else
            (void)buf_add(&out, url + i, 1);
    }
    return buf_take(&out);
}

/* A title in one line, in which nothing is Markdown. */
static char *clean_title(const char *title) {
    static const struct { char c; const char *instead; } signs[] = {
        {'[', "("}, {']', ")"}, {'<', "‹"}, {'>', "›"}, {'`', "\\`"}, {'*', "\\*"}, {'\\', ""}, {'$', "＄"}, {'~', "\\~"}, {'|', "/"},
        {'&', "&amp;"}, {'_', "\\_"},
    };
    struct buf out;
    buf_init(&out, 8 * TITLE_UNITS * 4);
    size_t len = utf8_fit(title, strlen(title), TITLE_UNITS);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)title[i];
        const char *instead = c < ' ' || c == 0x7F ? " " : NULL;
        for (size_t k = 0; k < sizeof signs / sizeof *signs && !instead; k++)
            if ((char)c == signs[k].c)
                instead = signs[k].instead;
        if (instead)
            (void)buf_add_str(&out, instead);
        else
            (void)buf_add(&out, title + i, 1);
    }
    if (title[len])
        (void)buf_add_str(&out, "…");
    return buf_take(&out);
}

static bool is_blank(const char *s) {
    return s[strspn(s, " ")] == 0;
}

/* Its number, from 0; -1: there are too many already. Takes both strings. */
static int add_source(struct cites *c, char *url, char *title) {
    int i = 0;
    while (i < c->count && (url ? !c->sources[i].url || strcmp(c->sources[i].url, url) : c->sources[i].url || strcmp(c->sources[i].title, title)))
        i++;
    if (i == c->count && i < SOURCES_MOST) {
        c->sources[c->count++] = (struct source){url, title};
        return i;
    }
    free(url);
    free(title);
    return i < c->count ? i : -1;
}

static int add_url(struct cites *c, const cJSON *note) {
    char *url = clean_url(word(note, "url"));
    if (!url)
        return -1;
    char *title = clean_title(word(note, "title"));
    if (is_blank(title)) {
        const char *host = strstr(url, "://") + 3;
        char *name = alloc_copy(host, strcspn(host, "/?#"));
        free(title);
        title = clean_title(*name ? name : url);
        free(name);
    }
    return add_source(c, url, title);
}

static void add_file(struct cites *c, const cJSON *note) {
    char *name = clean_title(word(note, "filename"));
    if (is_blank(name))
        free(name);
    else
        (void)add_source(c, NULL, name);
}

static bool is_id(const char *id) {
    static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t len = strspn(id, fit);
    return len && !id[len] && len <= ID_MOST;
}

/* A name for a file in a chat: no path, no line. */
static char *clean_name(const char *name) {
    const char *slash = strrchr(name, '/');
    name = slash ? slash + 1 : name;
    char *copy = alloc_copy(name, utf8_cut_bytes(name, strlen(name), NAME_MOST));
    for (char *s = copy; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7F || *s == '\\')
            *s = '_';
    if (!is_blank(copy))
        return copy;
    free(copy);
    return alloc_copy("file", 4);
}

static void add_made(struct cites *c, const cJSON *note) {
    const char *container = word(note, "container_id"), *file = word(note, "file_id");
    if (c->made_count == MADE_MOST || !is_id(container) || !is_id(file))
        return;
    for (int i = 0; i < c->made_count; i++)
        if (!strcmp(c->made[i].container, container) && !strcmp(c->made[i].file, file))
            return;
    c->made[c->made_count++] = (struct made){alloc_copy(container, strlen(container)), alloc_copy(file, strlen(file)), clean_name(word(note, "filename"))};
}

/* ── where it belongs ──────────────────────────────────────────────────────────────────────────────────────── */

/* The byte at which code point, or UTF-16 unit, number n begins; SIZE_MAX: there is none. */
static size_t byte_of(const char *text, int64_t n, bool units) {
    int64_t at = 0;
    size_t i = 0;
    for (; at < n && text[i]; i++) {
        while (((unsigned char)text[i + 1] & 0xC0) == 0x80)
            i++;
        at += 1 + (units && i >= 3 && ((unsigned char)text[i - 3] & 0xF8) == 0xF0);
    }
    return at == n ? i : SIZE_MAX;
}

/* `([host](address))`, or without the outer brackets. */
static bool is_link(const char *s, size_t len, const char *url) {
    size_t open = len > 2 && s[0] == '(' ? 1 : 0;
    const char *to = memmem(s, len, "](", 2);
    return len > 4 && s[open] == '[' && s[len - 1] == ')' && s[len - 1 - open] == ')' && !memchr(s, '\n', len) && to && *url &&
           (size_t)(s + len - to - 2) > strlen(url) && !strncmp(to + 2, url, strlen(url));
}

static bool stands(const char *text, size_t from, size_t to, const char *url) {
    return is_link(text + from, to - from, url) || marks_is(text + from, to - from);
}

/* Behind a word, in running text: not in code, not in an address. */
static bool word_ends(const char *text, size_t at) {
    if (!at || isspace((unsigned char)text[at - 1]) || (text[at] && !isspace((unsigned char)text[at]) && !strchr(".,;:!?", text[at])))
        return false;
    bool code = false, address = false;
    for (size_t i = 0; i < at; i++) {
        code ^= text[i] == '`';
        address = text[i] == ')' || isspace((unsigned char)text[i]) ? false : address || (i && text[i] == '(' && text[i - 1] == ']');
        address = address || (text[i] == ':' && !strncmp(text + i, "://", 3));
    }
    return !code && !address;
}

static bool find_place(const char *text, const cJSON *note, struct place *ret) {
    int64_t start = -1, end = -1;
    const char *url = word(note, "url");
    if (!json_get_i64(note, "start_index", &start) || !json_get_i64(note, "end_index", &end) || start < 0 || end <= start || end > INT32_MAX)
        return false;
    for (int way = 0; way < 4; way++) {  /* code points or UTF-16 units, and the end is behind the last one, or it is the last one */
        size_t from = byte_of(text, start, way & 1), to = byte_of(text, end + (way >> 1), way & 1);
        if (from != SIZE_MAX && to != SIZE_MAX && stands(text, from, to, url)) {
            ret->from = from;
            ret->to = to;
            return true;
        }
    }
    size_t to = byte_of(text, end, false);
    if (to == SIZE_MAX || !word_ends(text, to))
        return false;
    ret->from = ret->to = to;
    return true;
}

static int by_place(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return x->to != y->to ? (x->to < y->to ? -1 : 1) : x->source - y->source;
}

static size_t read_notes(struct cites *c, const char *text, const cJSON *annotations, struct place places[NOTES_MOST]) {
    size_t count = 0, seen = 0;
    const cJSON *note;
    cJSON_ArrayForEach(note, annotations) {
        const char *type = word(note, "type");
        if (seen++ == NOTES_MOST)
            break;
        if (!strcmp(type, "file_citation"))
            add_file(c, note);
        else if (!strcmp(type, "container_file_citation"))
            add_made(c, note);
        else if (!strcmp(type, "url_citation")) {
            struct place p = {.source = add_url(c, note)};
            if (p.source >= 0 && find_place(text, note, &p))
                places[count++] = p;
        }
    }
    qsort(places, count, sizeof *places, by_place);
    return count;
}

/* Text between places; the marks in it go. All of these cannot fail: the buffer is as long as it has to be. */
static void add_text(struct buf *out, const char *text, size_t len) {
    struct marks marks = {0};
    (void)marks_feed(&marks, text, len, out);
    (void)marks_end(&marks, out);
}

void cites_add_part(struct cites *c, const char *text, const cJSON *annotations, struct buf *out) {
    struct place places[NOTES_MOST];
    size_t count = read_notes(c, text, annotations, places), at = 0;
    for (size_t i = 0; i < count; i++) {
        const struct place *p = &places[i], *before = i ? p - 1 : NULL;
        bool same = before && before->from == p->from && before->to == p->to;
        if ((same && before->source == p->source) || (!same && p->from < at))
            continue;
        if (!same) {
            add_text(out, text + at, p->from - at);
            at = p->to;
        }
        if (out->len && p->from == p->to && !same)
            (void)buf_add_str(out, " ");
        (void)buf_printf(out, "[[%d](%s)]", p->source + 1, c->sources[p->source].url);
    }
    add_text(out, text + at, strlen(text + at));
}

/* ── the list ──────────────────────────────────────────────────────────────────────────────────────────────── */

char *cites_list(const struct cites *c) {
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);        /* SOURCES_MOST lines */
    for (int i = 0; i < c->count; i++) {
        const struct source *s = &c->sources[i];
        if (s->url)
            (void)buf_printf(&out, "%d. [%s](%s)\n", i + 1, s->title, s->url);
        else
            (void)buf_printf(&out, "%d. %s\n", i + 1, s->title);
    }
    return buf_take(&out);
}

void cites_done(struct cites *c) {
    for (int i = 0; i < c->count; i++) {
        free(c->sources[i].url);
        free(c->sources[i].title);
    }
    for (int i = 0; i < c->made_count; i++) {
        free(c->made[i].container);
        free(c->made[i].file);
        free(c->made[i].name);
    }
    *c = (struct cites){0};
}
