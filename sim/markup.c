#include "sim/markup.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/buf.h"
#include "sim/text.h"

enum { DEPTH_MAX = 64, ENTITIES_MAX = 256 };     /* more than are ever kept */

struct open {
    char tag[24];               /* as it is closed: a tag's name, or a Markdown mark */
    const char *type;           /* of the entity; NULL: gives none */
    size_t at;                  /* UTF-16 offset in the text so far */
    size_t byte;                /* in the source, for errors */
    char *extra_name, *extra;   /* url, language, custom_emoji_id */
};

struct parse {
    struct buf text;
    size_t units;               /* UTF-16 length of text */
    struct open stack[DEPTH_MAX];
    int depth;
    struct found {
        struct open open;
        size_t length;
    } found[ENTITIES_MAX];
    int found_len;
    char *error;
};

static void add(struct parse *p, const char *s, size_t n) {
    buf_add(&p->text, s, n);
    p->units += text_utf16(s, n);
}

static void fail(struct parse *p, const char *what, size_t byte, const char *detail) {
    struct buf b = {0};
    if (p->error)
        return;
    buf_fmt(&b, "Bad Request: can't parse entities: %s", what);
    if (byte != (size_t)-1)
        buf_fmt(&b, " at byte offset %zu%s", byte, detail);
    p->error = buf_take(&b);
}

static void push(struct parse *p, const char *tag, const char *type, size_t byte, const char *extra_name, const char *extra, size_t extra_len) {
    struct open *o;
    if (p->depth == DEPTH_MAX) {
        fail(p, "Too deep nesting", byte, "");
        return;
    }
    o = &p->stack[p->depth++];
    *o = (struct open){ .type = type, .at = p->units, .byte = byte, .extra_name = xdup(extra_name), .extra = extra_name ? xndup(extra, extra_len) : NULL };
    snprintf(o->tag, sizeof o->tag, "%s", tag);
}

static void forget(struct open *o) {
    free(o->extra_name);
    free(o->extra);
}

/* Ends the innermost open thing. */
static void pop(struct parse *p) {
    struct open *o = &p->stack[--p->depth];
    if (o->type && p->units > o->at && p->found_len < ENTITIES_MAX)
        p->found[p->found_len++] = (struct found){ *o, p->units - o->at };
    else
        forget(o);
}

/* By place; the outer one of two that begin together first, as in the service's answers. */
static int compare(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    if (x->open.at != y->open.at)
        return x->open.at < y->open.at ? -1 : 1;
    return x->length > y->length ? -1 : x->length < y->length;
}

static char *finish(struct parse *p, cJSON **ret_entities, char **ret_error) {
    cJSON *all = cJSON_CreateArray();
    while (p->depth)
        pop(p);
    qsort(p->found, (size_t)p->found_len, sizeof *p->found, compare);
    for (int i = 0; i < p->found_len; i++) {
        const struct found *f = &p->found[i];
        cJSON *e = cJSON_CreateObject();
        cJSON_AddStringToObject(e, "type", f->open.type);
        cJSON_AddNumberToObject(e, "offset", (double)f->open.at);
        cJSON_AddNumberToObject(e, "length", (double)f->length);
        if (f->open.extra_name)
            cJSON_AddStringToObject(e, f->open.extra_name, f->open.extra);
        cJSON_AddItemToArray(all, e);
        forget(&p->found[i].open);
    }
    if (p->error) {
        cJSON_Delete(all);
        buf_done(&p->text);
        *ret_error = p->error;
        return NULL;
    }
    *ret_entities = all;
    return buf_take(&p->text);
}

/* ---- HTML ---- */

static const struct tag {
    const char *name, *type;
} tags[] = {
    { "b", "bold" }, { "strong", "bold" }, { "i", "italic" }, { "em", "italic" }, { "u", "underline" }, { "ins", "underline" },
    { "s", "strikethrough" }, { "strike", "strikethrough" }, { "del", "strikethrough" }, { "tg-spoiler", "spoiler" }, { "span", "spoiler" },
    { "a", "text_link" }, { "code", "code" }, { "pre", "pre" }, { "blockquote", "blockquote" }, { "tg-emoji", "custom_emoji" },
};

/* The value of an attribute in the inside of a tag; NULL when it has none. */
static const char *attribute(const char *inside, size_t n, const char *name, size_t *ret_len) {
    size_t len = strlen(name);
    for (size_t i = 1; i + len < n; i++) {
        char quote;
        size_t end;
        if (!isspace((unsigned char)inside[i - 1]) || strncasecmp(inside + i, name, len) || inside[i + len] != '=')
            continue;
        i += len + 1;
        quote = i < n && (inside[i] == '"' || inside[i] == '\'') ? inside[i] : 0;
        i += quote != 0;
        for (end = i; end < n && (quote ? inside[end] != quote : !isspace((unsigned char)inside[end])); end++)
            ;
        *ret_len = end - i;
        return inside + i;
    }
    return NULL;
}

static void open_tag(struct parse *p, const char *name, const char *inside, size_t n, size_t byte) {
    const char *type = NULL, *value;
    char what[64];
    size_t len = 0;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (!strcmp(tags[i].name, name))
            type = tags[i].type;
    if (!type) {
        snprintf(what, sizeof what, "Unsupported start tag \"%.30s\"", name);
        fail(p, what, byte, "");
        return;
    }
    if (!strcmp(name, "a")) {
        value = attribute(inside, n, "href", &len);
        push(p, name, value && len ? type : NULL, byte, value ? "url" : NULL, value, len);
    } else if (!strcmp(name, "tg-emoji")) {
        value = attribute(inside, n, "emoji-id", &len);
        push(p, name, type, byte, value ? "custom_emoji_id" : NULL, value, len);
    } else if (!strcmp(name, "span") && !((value = attribute(inside, n, "class", &len)) && len == 10 && !memcmp(value, "tg-spoiler", 10))) {
        fail(p, "Tag \"span\" must have class \"tg-spoiler\"", byte, "");
    } else if (!strcmp(name, "blockquote")) {
        push(p, name, n >= 21 && memmem(inside, n, " expandable", 11) ? "expandable_blockquote" : type, byte, NULL, NULL, 0);
    } else if (!strcmp(name, "code") && p->depth && !strcmp(p->stack[p->depth - 1].tag, "pre") && p->stack[p->depth - 1].at == p->units
               && (value = attribute(inside, n, "class", &len)) && len > 9 && !memcmp(value, "language-", 9)) {
        struct open *pre = &p->stack[p->depth - 1];         /* <pre><code class="language-c">: one entity */
        free(pre->extra_name);
        free(pre->extra);
        pre->extra_name = xdup("language");
        pre->extra = xndup(value + 9, len - 9);
        push(p, name, NULL, byte, NULL, NULL, 0);
    } else {
        push(p, name, type, byte, NULL, NULL, 0);
    }
}

static size_t character(struct parse *p, const char *s) {
    static const struct { const char *name, *text; } named[] = { { "&lt;", "<" }, { "&gt;", ">" }, { "&amp;", "&" }, { "&quot;", "\"" } };
    char *end, utf8[4];
    long code;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (!strncmp(s, named[i].name, strlen(named[i].name))) {
            add(p, named[i].text, 1);
            return strlen(named[i].name);
        }
    if (s[1] == '#') {
        bool hex = s[2] == 'x' || s[2] == 'X';
        code = strtol(s + 2 + hex, &end, hex ? 16 : 10);
        if (end > s + 2 + hex && code > 0 && code < 0x110000 && (code < 0xd800 || code > 0xdfff)) {
            size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
            for (size_t i = n; i-- > 1; code >>= 6)
                utf8[i] = (char)(0x80 | (code & 0x3f));
            utf8[0] = (char)(n == 1 ? code : (0xf00 >> n & 0xff) | code);
            add(p, utf8, n);
            return (size_t)(end - s) + (*end == ';');
        }
    }
    add(p, "&", 1);
    return 1;
}

char *markup_html(const char *s, cJSON **ret_entities, char **ret_error) {
    struct parse p = {0};
    const char *begin = s;
    buf_str(&p.text, "");
    while (*s && !p.error) {
        const char *end;
        char name[24], what[128];
        size_t n, byte = (size_t)(s - begin);
        if (*s == '&') {
            s += character(&p, s);
            continue;
        }
        if (*s != '<') {
            n = strcspn(s, "<&");
            add(&p, s, n);
            s += n;
            continue;
        }
        end = strchr(s, '>');
        if (!end) {
            fail(&p, "Unclosed start tag", byte, "");
            break;
        }
        s++;
        n = strcspn(s + (*s == '/'), " \n\t>");
        snprintf(name, sizeof name, "%.*s", (int)n, s + (*s == '/'));
        for (char *c = name; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        if (*s != '/') {
            open_tag(&p, name, s, (size_t)(end - s), byte);
        } else if (!p.depth) {
            fail(&p, "Unexpected end tag", byte, "");
        } else if (*name && strcmp(name, p.stack[p.depth - 1].tag)) {
            snprintf(what, sizeof what, ", expected \"</%s>\", found \"</%s>\"", p.stack[p.depth - 1].tag, name);
            fail(&p, "Unmatched end tag", byte, what);
        } else {
            pop(&p);
        }
        s = end + 1;
    }
    if (p.depth && !p.error) {
        char what[64];
        snprintf(what, sizeof what, "Can't find end tag corresponding to start tag \"%s\"", p.stack[p.depth - 1].tag);
        fail(&p, what, (size_t)-1, "");
    }
    return finish(&p, ret_entities, ret_error);
}

/* ---- MarkdownV2 ---- */

static const struct mark {
    const char *mark, *type, *name;
} marks[] = {                   /* longer ones first */
    { "__", "underline", "Underline" }, { "||", "spoiler", "Spoiler" }, { "*", "bold", "Bold" }, { "_", "italic", "Italic" }, { "~", "strikethrough", "Strikethrough" },
};

static const char *mark_name(const char *tag) {
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (!strcmp(marks[i].mark, tag))
            return marks[i].name;
    return *tag == '[' ? "TextUrl" : *tag == '>' ? "BlockQuote" : "Code";
}

static const char *code_block(struct parse *p, const char *s, size_t byte) {
    bool pre = !strncmp(s, "```", 3);
    const char *mark = pre ? "```" : "`";
    size_t len = strlen(mark), language;
    s += len;
    language = pre ? strcspn(s, "\n` ") : 0;
    if (pre && language && s[language] == '\n')
        push(p, mark, "pre", byte, "language", s, language);
    else
        push(p, mark, pre ? "pre" : "code", byte, NULL, NULL, 0);
    if (pre && s[language] == '\n')
        s += language + 1;
    while (*s && strncmp(s, mark, len)) {
        if (*s == '\\' && s[1] > 0 && s[1] < 127)
            s++;
        add(p, s, 1);
        s++;
    }
    if (!*s) {
        fail(p, pre ? "Can't find end of Pre entity" : "Can't find end of Code entity", byte, "");
        return s;
    }
    pop(p);
    return s + len;
}

/* ](url) behind the text of a link. */
static const char *link_end(struct parse *p, const char *s, size_t byte) {
    struct open *o = &p->stack[p->depth - 1];
    struct buf url = {0};
    buf_str(&url, "");
    if (s[1] != '(') {
        fail(p, "Can't find end of a URL", byte, "");
        return s + 1;
    }
    for (s += 2; *s && *s != ')'; s++) {
        if (*s == '\\' && s[1])
            s++;
        buf_add(&url, s, 1);
    }
    if (!*s)
        fail(p, "Can't find end of a URL", byte, "");
    free(o->extra);
    o->extra = buf_take(&url);
    pop(p);
    return *s ? s + 1 : s;
}

char *markup_v2(const char *s, cJSON **ret_entities, char **ret_error) {
    struct parse p = {0};
    const char *begin = s;
    char what[120];
    buf_str(&p.text, "");
    while (*s && !p.error) {
        const struct mark *m = NULL;
        size_t byte = (size_t)(s - begin);
        bool line_begin = s == begin || s[-1] == '\n';
        for (size_t i = 0; i < sizeof marks / sizeof *marks && !m; i++)
            if (!strncmp(s, marks[i].mark, strlen(marks[i].mark)))
                m = &marks[i];
        if (*s == '\\' && s[1] > 0 && s[1] < 127) {
            add(&p, s + 1, 1);
            s += 2;
        } else if (*s == '`') {
            s = code_block(&p, s, byte);
        } else if (m) {
            if (p.depth && !strcmp(p.stack[p.depth - 1].tag, m->mark))
                pop(&p);
            else
                push(&p, m->mark, m->type, byte, NULL, NULL, 0);
            s += strlen(m->mark);
        } else if (*s == '[') {
            push(&p, "[", "text_link", byte, "url", "", 0);
            s++;
        } else if (*s == ']' && p.depth && p.stack[p.depth - 1].tag[0] == '[') {
            s = link_end(&p, s, byte);
        } else if (*s == '>' && line_begin) {
            if (!(p.depth && p.stack[p.depth - 1].tag[0] == '>'))
                push(&p, ">", "blockquote", byte, NULL, NULL, 0);
            s++;
        } else if (strchr("[]()>#+-=|{}.!", *s)) {
            snprintf(what, sizeof what, "Character '%c' is reserved and must be escaped with the preceding '\\'", *s);
            fail(&p, what, (size_t)-1, "");
        } else {
            if (*s == '\n' && s[1] != '>' && p.depth && p.stack[p.depth - 1].tag[0] == '>')
                pop(&p);
            add(&p, s, 1);
            s++;
        }
    }
    if (p.depth && p.stack[p.depth - 1].tag[0] == '>' && !p.error)
        pop(&p);
    if (p.depth && !p.error) {
        snprintf(what, sizeof what, "Can't find end of %s entity", mark_name(p.stack[p.depth - 1].tag));
        fail(&p, what, p.stack[p.depth - 1].byte, "");
    }
    return finish(&p, ret_entities, ret_error);
}
