#include "llm/learned.h"

#include <string.h>

/* -1: nothing is known of it. Names are compared as far as they are kept. */
static int place_of(const struct learned *l, const char *model) {
    for (int i = 0; i < LEARNED_MOST; i++)
        if (l->list[i].without && !strncmp(l->list[i].model, model, LEARNED_NAME - 1))
            return i;
    return -1;
}

unsigned learned_of(const struct learned *l, const char *model) {
    int at = place_of(l, model);
    return at < 0 ? 0 : l->list[at].without;
}

void learned_add(struct learned *l, const char *model, unsigned without) {
    int at = place_of(l, model);
    if (at < 0) {
        at = (int)(l->next++ % LEARNED_MOST);
        l->list[at].without = 0;
        strncpy(l->list[at].model, model, LEARNED_NAME - 1);       /* the last byte stays 0 */
    }
    l->list[at].without |= without;
}
