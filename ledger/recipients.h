/* Whom a message to everybody is for: who has asked the bot something in private and may talk to it now. Out of the ledger's file; calls block. */
#ifndef LEDGER_RECIPIENTS_H
#define LEDGER_RECIPIENTS_H
#include "ledger/sums.h"

/* 0, or a negative errno and a line in problem. */
int recipients_count(struct sums *s, int64_t *ret_count, char problem[STORE_PROBLEM]);
/* The next ones above `after`, ascending, at most `most`. *ret_last: nobody comes behind these. */
int recipients_next(struct sums *s, int64_t after, int most, int64_t *ret_users, int *ret_count, bool *ret_last, char problem[STORE_PROBLEM]);

#endif
