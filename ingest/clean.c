#include "ingest/clean.h"
#include <stdlib.h>
#include <string.h>
#include "proto/json.h"
#include "services/utf8.h"

char *clean_text(struct arena *mem, const char *text, size_t max) {
    if (!text)
        text = "";
    size_t len;
    CLEANUP(text_done) char *whole = utf8_clean(text, strnlen(text, max + 4), &len);
    return arena_copy(mem, whole, utf8_cut_bytes(whole, len, max));
}

char *clean_line(struct arena *mem, const char *text, size_t max) {
    char *line = clean_text(mem, text, max);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            *c = ' ';
    return line;
}
