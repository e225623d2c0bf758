#include "ledger/broadcast.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledger/recipients.h"

static void offer(struct answer *a, enum texts_lang lang, const char *line, const char *about, const char *verb, const char *job) {
    struct buf words;
    buf_init(&words, 4 * TEXTS_MAX_UNITS);
    (void)texts_line(lang, line, about, &words);           /* a name of ours: a test looks for each */
    (void)answer_offer(a, buf_cstr(&words), "broadcast %s %s", verb, job);
    buf_done(&words);
}

int broadcast_ask(struct sums *s, const struct asked *a, struct answer *ret, char problem[STORE_PROBLEM]) {
    int64_t count;
    char about[24];
    if (!strcmp(a->text, "stop")) {
        snprintf(ret->broadcast, sizeof ret->broadcast, "stop");
        return 0;
    }
    int r = *a->text ? recipients_count(s, &count, problem) : 0;
    if (!*a->text || r || !count) {
        answer_line(ret, *a->text ? "broadcast_nobody" : "broadcast_usage", "");
        return r;
    }
    snprintf(about, sizeof about, "%" PRId64, count);
    (void)texts_line(a->lang, "broadcast_ask", about, &ret->text);
    ret->markdown = a->text;
    offer(ret, a->lang, "button_send", about, "send", a->job);
    offer(ret, a->lang, "button_not", "", "drop", a->job);
    return 0;
}

int broadcast_decide(struct sums *s, const struct asked *a, struct answer *ret, char problem[STORE_PROBLEM]) {
    char verb[8] = "", id[CHOICE_DATA] = "", more[2] = "";
    int words = sscanf(a->text, "%7s %63s %1s", verb, id, more);
    if (words != 2 || (strcmp(verb, "send") && strcmp(verb, "drop") && strcmp(verb, "stop"))) {
        answer_line(ret, "broadcast_old", "");
        return 0;
    }
    snprintf(ret->broadcast, sizeof ret->broadcast, "%s %s", verb, id);
    return strcmp(verb, "send") ? 0 : recipients_count(s, &ret->total, problem);
}
