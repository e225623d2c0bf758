#include "ledger/dead.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/clock.h"

static void list(struct board *b) {
    const struct glance *dead = &b->glances[0];
    int64_t all = b->glances[1].number;
    char about[32];
    snprintf(about, sizeof about, "%" PRId64, all);
    if (!dead->rows_count) {
        answer_line(b->answer, "dead_none", "");
        return;
    }
    board_say(b, "dead_title", about);
    for (int i = 0; i < dead->rows_count; i++) {
        const struct board_row *row = &dead->rows[i];
        int64_t minutes = (b->asked->now_ms - strtoll(row->id, NULL, 10)) / (60 * SECOND);
        char words[32];
        snprintf(about, sizeof about, "%" PRId64, minutes < 120 ? minutes : minutes < 2880 ? minutes / 60 : minutes / 1440);
        (void)buf_printf(&b->answer->text, "%d. %.20s, %.24s: %.160s, ", i + 1, fields_str(row->fields, "kind"), fields_str(row->fields, "user"),
                         fields_str(row->fields, "reason"));
        board_say(b, minutes < 120 ? "ago_minutes" : minutes < 2880 ? "ago_hours" : "ago_days", about);
        if (i < 5) {
            snprintf(words, sizeof words, "🔄 %d", i + 1);
            (void)board_offer(b, words, "dead replay %s", row->id);
            snprintf(words, sizeof words, "🗑 %d", i + 1);
            (void)board_offer(b, words, "dead drop %s", row->id);
        }
    }
    (void)board_offer(b, texts_fixed(b->asked->lang, "button_empty"), "dead drop all");
}

/* By its number in the list, or by its id, as the buttons have it. NULL: it cannot be one. */
static const char *id_of(const struct board *b, const char *word) {
    const struct glance *dead = &b->glances[0];
    size_t digits = strspn(word, "0123456789");
    if (digits && word[digits] == '-' && word[digits + 1] && !word[digits + 1 + strspn(word + digits + 1, "0123456789")])
        return word;
    int number = digits && digits <= 2 && !word[digits] ? atoi(word) : 0;
    return number >= 1 && number <= dead->rows_count ? dead->rows[number - 1].id : NULL;
}

void dead_answer(struct board *b) {
    char what[16] = "", which[48] = "", more[2] = "";
    int words = sscanf(b->asked->text, "%15s %47s %1s", what, which, more);
    bool drops = !strcmp(what, "drop"), replays = !strcmp(what, "replay");
    if (words <= 0) {
        list(b);
        return;
    }
    bool all = drops && !strcmp(which, "all");
    const char *id = all ? "" : id_of(b, which);
    if (words != 2 || !(drops || replays))
        answer_line(b->answer, "dead_usage", "");
    else if (!id)
        answer_line(b->answer, "dead_gone", "");
    else
        snprintf(b->answer->revive, sizeof b->answer->revive, "%s %s", all ? "all" : what, id);
}
