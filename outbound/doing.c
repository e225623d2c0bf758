#include "outbound/doing.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/doing.h"

/* Words are those of the scripts and of the texts. */
static const struct kind {
    const char *word, *action;
} kinds[] = {
    {DOING_DOWNLOADING, NULL},
    {DOING_TRANSCRIBING, "record_voice"},
    {DOING_UPLOADING, "upload_document"},
    {DOING_DRAWING, "upload_photo"},
    {DOING_SEARCHING, NULL},
    {DOING_READING, NULL},
    {DOING_COMPUTING, NULL},
    {DOING_THINKING, NULL},
};

static const struct kind *kind_of(const char *doing) {
    size_t len = strcspn(doing, " ");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].word) == len && !memcmp(kinds[i].word, doing, len))
            return &kinds[i];
    return NULL;
}

/* `<word> <bytes>`: it is being done since the text had so many; more of it means that it is over. */
static const struct kind *current(const struct follow *f) {
    const char *since = strchr(f->doing, ' ');
    return since && strtoull(since, NULL, 10) == f->text.len ? kind_of(f->doing) : NULL;
}

bool doing_take(struct follow *f, const char *word) {
    if (!strncmp(f->doing, word, sizeof f->doing - 1))
        return false;
    snprintf(f->doing, sizeof f->doing, "%s", word);
    return true;
}

const char *doing_line(const struct follow *f) {
    const struct kind *k = current(f);
    return texts_fixed(f->lang, f->draws ? DOING_DRAWING : k ? k->word : DOING_THINKING);
}

const char *doing_under_words(const struct follow *f) {
    const struct kind *k = current(f);
    return k ? texts_fixed(f->lang, k->word) : NULL;
}

const char *doing_action(const struct follow *f) {
    const struct kind *k = current(f);
    return f->draws ? "upload_photo" : k ? k->action : NULL;
}
