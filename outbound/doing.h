/* What is being done for an answer, and how that is shown while there are no new words. */
#ifndef OUTBOUND_DOING_H
#define OUTBOUND_DOING_H
#include "outbound/followed.h"

/* A look has told what is being done. True: that is news. */
bool doing_take(struct follow *f, const char *word);
/* The line that says so; under words that stand there: NULL when they are all there is to be seen. */
const char *doing_line(const struct follow *f);
const char *doing_under_words(const struct follow *f);
/* For sendChatAction; NULL: typing. */
const char *doing_action(const struct follow *f);

#endif
