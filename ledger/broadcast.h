/* /broadcast: what an administrator is shown before a message goes to everybody, and what he decides by its buttons. It is sent by spread.h. */
#ifndef LEDGER_BROADCAST_H
#define LEDGER_BROADCAST_H
#include "ledger/questions.h"

/* Both as question_answer(). */
int broadcast_ask(struct sums *s, const struct asked *a, struct answer *ret, char problem[STORE_PROBLEM]);
int broadcast_decide(struct sums *s, const struct asked *a, struct answer *ret, char problem[STORE_PROBLEM]);     /* "send <id>", "drop <id>", "stop <id>" */

#endif
