/* Texts look alike: here the name the client gave is what tells a table from a program. */
#include "media/sniff.h"
#include "services/utf8.h"
#include <string.h>
#include <strings.h>

static const struct suffix { const char *ext, *opening; } suffixes[] = {
    /* those that OpenAI takes; shared/apis.md §2.7 */
    {"txt", "doc_text"},  {"md", "doc_text"},   {"markdown", "doc_text"}, {"log", "doc_text"}, {"srt", "doc_text"},  {"vtt", "doc_text"},
    {"eml", "doc_text"},  {"ics", "doc_text"},  {"vcf", "doc_text"},      {"tex", "doc_text"}, {"rst", "doc_text"},
    {"csv", "doc_table"}, {"tsv", "doc_table"}, {"iif", "doc_table"},
    {"json", "doc_code"}, {"html", "doc_code"}, {"htm", "doc_code"},      {"xml", "doc_code"}, {"yaml", "doc_code"}, {"yml", "doc_code"},
    {"c", "doc_code"},    {"h", "doc_code"},    {"cpp", "doc_code"},      {"cc", "doc_code"},  {"hpp", "doc_code"},  {"cs", "doc_code"},
    {"py", "doc_code"},   {"js", "doc_code"},   {"ts", "doc_code"},       {"java", "doc_code"}, {"go", "doc_code"},  {"rs", "doc_code"},
    {"rb", "doc_code"},   {"php", "doc_code"},  {"sh", "doc_code"},       {"sql", "doc_code"}, {"css", "doc_code"},  {"swift", "doc_code"},
    {"kt", "doc_code"},   {"pl", "doc_code"},   {"r", "doc_code"},        {"lua", "doc_code"}, {"diff", "doc_code"}, {"patch", "doc_code"},
};
/* A text with such a name is not what it says. */
static const char *const others[] = {"pdf", "doc", "docx", "dot", "odt", "rtf", "pages", "ppt", "pptx", "pps", "key", "xls", "xlsx", "png", "jpg",
    "jpeg", "webp", "gif", "heic", "mp3", "mp4", "m4a", "ogg", "oga", "opus", "wav", "webm", "flac", "avi", "mov", "mkv", "zip", "rar", "7z", "exe",
    NULL};

static const char *extension(const char *name) {
    const char *dot = name ? strrchr(name, '.') : NULL;
    return dot && dot != name ? dot + 1 : "";
}

static bool is_wide(const unsigned char *head, size_t len) {
    return len >= 4 && ((head[0] == 0xff && head[1] == 0xfe) || (head[0] == 0xfe && head[1] == 0xff) || !memcmp(head, "\0\0\xfe\xff", 4));
}

/* Valid UTF-8 from end to end, without what no text has. */
static bool is_utf8(const struct source *s) {
    static _Thread_local char piece[64 * 1024];
    int64_t at = 0, odd = 0;
    while (at < s->size) {
        size_t got = source_read(s, at, piece, sizeof piece);
        if (got == 0)
            return false;
        size_t tail = at + (int64_t)got < s->size ? utf8_tail(piece, got) : 0, whole = got - tail;
        if (whole == 0 || memchr(piece, 0, whole) || !utf8_valid(piece, whole))
            return false;
        for (size_t i = 0; i < whole; i++) {
            unsigned char c = (unsigned char)piece[i];
            odd += (c < 0x20 && !strchr("\t\n\v\f\r\b\x1b", c)) || c == 0x7f;
        }
        at += (int64_t)whole;
    }
    return odd * 200 <= s->size;
}

struct sniffed sniff_text(const struct source *s, const char *name) {
    unsigned char head[4] = {0};
    size_t len = source_read(s, 0, head, sizeof head);
    if (!is_wide(head, len) && !is_utf8(s))
        return (struct sniffed){0};
    const char *ext = extension(name);
    if (source_has(s, 0, "{\\rtf", 5))
        return (struct sniffed){.is = CONTENT_DOCUMENT, .ext = "rtf", .mime = "application/rtf", .opening = "doc_word"};
    for (const char *const *o = others; *o; o++)
        if (!strcasecmp(*o, ext))
            return (struct sniffed){.is = CONTENT_BROKEN};
    struct sniffed text = {.is = CONTENT_DOCUMENT, .ext = "txt", .mime = "text/plain", .opening = "doc_text", .text = true};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (!strcasecmp(suffixes[i].ext, ext)) {
            text.ext = suffixes[i].ext;
            text.opening = suffixes[i].opening;
        }
    return text;
}
