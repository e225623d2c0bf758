/* /status and /limits: is everybody there, what waits and since when, how large everything is; what OpenAI allows. */
#ifndef LEDGER_STATUS_H
#define LEDGER_STATUS_H
#include "ledger/board.h"

/* The glances of /status, in the order of its commands. */
enum { STATUS_WORKERS, STATUS_VERSIONS, STATUS_LENGTHS, STATUS_OLDEST = STATUS_LENGTHS + 4, STATUS_BUSY = STATUS_OLDEST + 4, STATUS_LATER,
       STATUS_MEMORY, STATUS_SERVER, STATUS_DEAD };
void status_answer(struct board *b);
void status_limits(struct board *b);

#endif
