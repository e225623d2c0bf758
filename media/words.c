#include "media/words.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/cleanup.h"
#include "services/hash.h"
#include "services/utf8.h"

enum { STEM_MAX = 100, LONG_UNITS = 600 };

void words_tag(const char *job, int n, char ret_tag[static 12]) {
    char text[200];
    (void)snprintf(text, sizeof text, "%s/%d", job, n);
    uint32_t first = hash_text(text);
    (void)snprintf(text, sizeof text, "%d/%s", n, job);
    (void)snprintf(ret_tag, 12, "%08x%02x", first, hash_text(text) & 255);
}

static bool may_stand(unsigned char c) {
    return c >= 0x20 && c != 0x7f && !strchr("\"\\<>|:*?;%&$`'", c);
}

void words_file_name(const char *claimed, const char *fallback, const char *tag, const char *ext, char ret_name[static NAME_MAX_BYTES]) {
    const char *base = claimed ? claimed : "";
    for (const char *p = base; *p; p++)
        if (*p == '/' || *p == '\\')
            base = p + 1;
    size_t len, kept = 0;
    CLEANUP(text_done) char *stem = utf8_clean(base, strlen(base), &len);
    char *dot = strrchr(stem, '.');
    if (dot && dot != stem && strlen(dot) <= 12)
        *dot = 0;
    for (size_t i = 0; stem[i]; i++)
        if (may_stand((unsigned char)stem[i]) && (kept || !strchr(". ", stem[i])))
            stem[kept++] = stem[i];
    kept = utf8_cut_bytes(stem, kept, STEM_MAX);
    while (kept && strchr(". ", stem[kept - 1]))
        kept--;
    stem[kept] = 0;
    (void)snprintf(ret_name, NAME_MAX_BYTES, "%s%s%s.%s", kept ? stem : fallback, *tag ? "-" : "", tag, ext);
}

/* What Markdown would take for its own. */
static void add_escaped(struct buf *out, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (strchr("\\`*_[]<>~|$", text[i]))
            (void)buf_add(out, "\\", 1);
        (void)buf_add(out, text + i, 1);
    }
}

void words_heard(enum texts_lang lang, const char *transcript, struct buf *out) {
    size_t len = strlen(transcript);
    bool is_long = utf8_units(transcript, len) >= LONG_UNITS;
    (void)buf_printf(out, "%s%s: «", is_long ? "> " : "", texts_fixed(lang, "said"));      /* a long quote folds */
    while (*transcript) {
        size_t line = strcspn(transcript, "\r\n");
        add_escaped(out, transcript, line);
        transcript += line;
        size_t breaks = strspn(transcript, "\r\n");
        transcript += breaks;
        if (breaks && *transcript)
            (void)buf_add_str(out, " ");
    }
    (void)buf_add_str(out, "»\n\n");
}
