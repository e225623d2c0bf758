/* Documents that are no plain text: PDF, and the two containers that Office has used. */
#include "media/sniff.h"
#include <string.h>

/* ── PDF ───────────────────────────────────────────────────────────────────────────────────────────────────── */

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == 0;
}

/* "/Encrypt 12 0 R" or "/Encrypt <<": the key of a trailer, and not a word in a text. */
static bool names_a_key(const struct source *s, int64_t at) {
    char text[40];
    size_t len = source_read(s, at, text, sizeof text), i = 0;
    while (i < len && is_space(text[i]))
        i++;
    if (i + 1 < len && text[i] == '<')
        return text[i + 1] == '<';
    for (int number = 0; number < 2; number++) {
        size_t from = i;
        while (i < len && text[i] >= '0' && text[i] <= '9')
            i++;
        if (i == from)
            return false;
        while (i < len && is_space(text[i]))
            i++;
    }
    return i < len && text[i] == 'R';
}

static bool is_encrypted(const struct source *s) {
    static const char word[] = "/Encrypt";
    int64_t at = 0;
    for (int found = 0; found < 100 && (at = source_find(s, at, s->size, word, sizeof word - 1)) >= 0; found++) {
        at += (int64_t)sizeof word - 1;
        if (names_a_key(s, at))
            return true;
    }
    return false;
}

/* The root of the tree of pages counts them all, and no branch counts more. */
static int count_pages(const struct source *s) {
    enum { BRANCHES_MOST = 2000, PAGES_MOST = 100000 };
    static const char word[] = "/Count ";
    int64_t at = 0;
    int most = 0;
    for (int found = 0; found < BRANCHES_MOST && (at = source_find(s, at, s->size, word, sizeof word - 1)) >= 0; found++) {
        char text[8];
        at += (int64_t)sizeof word - 1;
        size_t len = source_read(s, at, text, sizeof text);
        int n = 0;
        for (size_t i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++)
            n = n * 10 + (text[i] - '0');
        if (n > most)
            most = n;
    }
    return most < PAGES_MOST ? most : PAGES_MOST;
}

struct sniffed sniff_pdf(const struct source *s) {
    enum { TAIL = 16 * 1024 };           /* where its end is looked for: some things are appended to PDFs */
    struct sniffed pdf = {.is = CONTENT_DOCUMENT, .ext = "pdf", .mime = "application/pdf", .opening = "doc_pdf", .pdf = true};
    bool ends = source_find(s, s->size - TAIL, s->size, "startxref", 9) >= 0 || source_find(s, s->size - TAIL, s->size, "%%EOF", 5) >= 0;
    if (!ends || source_find(s, 0, s->size, " obj", 4) < 0)
        pdf.is = CONTENT_BROKEN;
    else if (is_encrypted(s))
        pdf.is = CONTENT_LOCKED;
    else
        pdf.pages = count_pages(s);
    return pdf;
}

/* ── ZIP: Office since 2007, OpenDocument, Apple's ─────────────────────────────────────────────────────────── */

static const struct office { const char *front, *ext, *mime, *opening; } offices[] = {
    {"word/", "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "doc_word"},
    {"xl/", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "doc_table"},
    {"ppt/", "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", "doc_slides"},
    {"Index/Tables/", "", NULL, NULL},               /* Numbers, which OpenAI does not take; its other entries are those of Pages */
    {"Index/Slide", "key", "application/vnd.apple.keynote", "doc_slides"},
    {"Index/Document.iwa", "pages", "application/vnd.apple.pages", "doc_word"},
};

static struct sniffed document(const struct office *o) {
    if (!*o->ext)
        return (struct sniffed){0};
    return (struct sniffed){.is = CONTENT_DOCUMENT, .ext = o->ext, .mime = o->mime, .opening = o->opening};
}

/* OpenDocument (and EPUB) say what they are in an entry that is the first, named so, and not compressed. */
static bool says_its_type(const struct source *s, struct sniffed *ret) {
    static const char text[] = "application/vnd.oasis.opendocument.text";
    unsigned char head[30];
    if (source_read(s, 0, head, sizeof head) < sizeof head || !source_has(s, 30, "mimetype", 8) || sniff_le16(head + 26) != 8)
        return false;
    int64_t at = 38 + (int64_t)sniff_le16(head + 28);
    *ret = (struct sniffed){0};
    if (source_has(s, at, text, sizeof text - 1))
        *ret = (struct sniffed){.is = CONTENT_DOCUMENT, .ext = "odt", .mime = text, .opening = "doc_word"};
    return true;
}

/* Where the directory is, and how many entries it has. */
static bool find_directory(const struct source *s, int64_t *ret_at, int *ret_count) {
    unsigned char end[22];
    int64_t at = -1;
    for (int64_t from = s->size - 65557, next; (next = source_find(s, from, s->size, "PK\x05\x06", 4)) >= 0; from = next + 1)
        at = next;                       /* the last one */
    if (at < 0 || source_read(s, at, end, sizeof end) < sizeof end)
        return false;
    *ret_count = (int)sniff_le16(end + 10);
    *ret_at = sniff_le32(end + 16);
    return *ret_at < at;
}

struct sniffed sniff_zip(const struct source *s) {
    enum { ENTRIES_MOST = 5000 };
    struct sniffed found = {.is = CONTENT_ARCHIVE};
    int64_t at = 0;
    int count = 0, best = -1;
    bool opens_as_document = source_has(s, 30, "[Content_Types].xml", 19) || source_has(s, 30, "mimetype", 8) || source_has(s, 30, "_rels/", 6);
    if (!find_directory(s, &at, &count))
        return (struct sniffed){.is = opens_as_document ? CONTENT_BROKEN : CONTENT_ARCHIVE};
    if (says_its_type(s, &found))
        return found;
    for (int i = 0; i < count && i < ENTRIES_MOST; i++) {
        unsigned char entry[46];
        char name[32] = "";
        if (source_read(s, at, entry, sizeof entry) < sizeof entry || memcmp(entry, "PK\x01\x02", 4))
            return (struct sniffed){.is = opens_as_document ? CONTENT_BROKEN : CONTENT_ARCHIVE};
        size_t len = sniff_le16(entry + 28);
        size_t kept = source_read(s, at + 46, name, len < sizeof name ? len : sizeof name - 1);
        name[kept] = 0;
        for (int o = 0; o < (int)(sizeof offices / sizeof *offices); o++)
            if (!strncmp(name, offices[o].front, strlen(offices[o].front)) && (best < 0 || o < best))
                best = o;
        at += 46 + (int64_t)len + sniff_le16(entry + 30) + sniff_le16(entry + 32);
    }
    return best >= 0 ? document(&offices[best]) : (struct sniffed){.is = CONTENT_ARCHIVE};
}

/* ── OLE: Office until 2003, and today's behind a password ─────────────────────────────────────────────────── */

static const struct old_office { const char *stream; struct sniffed is; } old_offices[] = {
    {"EncryptedPackage", {.is = CONTENT_LOCKED}},
    {"WordDocument", {.is = CONTENT_DOCUMENT, .ext = "doc", .mime = "application/msword", .opening = "doc_word"}},
    {"PowerPoint Document", {.is = CONTENT_DOCUMENT, .ext = "ppt", .mime = "application/vnd.ms-powerpoint", .opening = "doc_slides"}},
    {"Workbook", {.is = CONTENT_DOCUMENT, .ext = "xls", .mime = "application/vnd.ms-excel", .opening = "doc_table"}},
    {"Book", {.is = CONTENT_DOCUMENT, .ext = "xls", .mime = "application/vnd.ms-excel", .opening = "doc_table"}},
};

/* An entry of the directory: 64 bytes of name in UTF-16, then how many of them count, with the NUL. */
static bool is_named(const unsigned char *entry, const char *name) {
    size_t len = strlen(name);
    if (sniff_le16(entry + 64) != 2 * (len + 1))
        return false;
    for (size_t i = 0; i <= len; i++)
        if (entry[2 * i] != (unsigned char)name[i] || entry[2 * i + 1])
            return false;
    return true;
}

struct sniffed sniff_ole(const struct source *s) {
    enum { ENTRY = 128, AT_ONCE = 256 };
    static _Thread_local unsigned char piece[ENTRY * AT_ONCE];
    int best = -1;
    for (int64_t at = 512; at < s->size; at += (int64_t)sizeof piece) {      /* the directory may lie anywhere, at a multiple of 128 */
        size_t got = source_read(s, at, piece, sizeof piece);
        for (size_t i = 0; i + ENTRY <= got; i += ENTRY)
            for (int o = 0; o < (int)(sizeof old_offices / sizeof *old_offices); o++)
                if ((best < 0 || o < best) && is_named(piece + i, old_offices[o].stream))
                    best = o;
    }
    return best >= 0 ? old_offices[best].is : (struct sniffed){0};
}
