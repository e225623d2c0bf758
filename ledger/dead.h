/* /dead: what was given up, the newest ten; each can be asked once more or dropped, by a button or by its number. */
#ifndef LEDGER_DEAD_H
#define LEDGER_DEAD_H
#include "ledger/board.h"

void dead_answer(struct board *b);       /* what is to be done is answer.revive: script revive does it */

#endif
