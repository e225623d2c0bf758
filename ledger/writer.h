/* The one writer of the ledger: takes events out of the stream, stores them, and only then acknowledges them.
 *
 *   stream `ledger` ──▶ waiting ──▶ batch of up to 500 ──▶ store (a thread) ──▶ settle (one script: acknowledged, deleted)
 *                                        ▲ │
 *                                        └─┘ disk full, disk ill: the same batch again; nothing new is read meanwhile
 *
 * Of several ledgers the one with the lease reads, the others stand by. A batch that is stored twice, by whomever, is stored
 * once: event ids see to that. So the lease decides who reads, not who may write, and what is in hand when it is lost
 * is finished all the same.
 * Questions and changes (kinds `ask` and `set`) go on to the desk (desk.h) when their batch is stored.
 * While Redis hears that one batch is done, the next one is stored. Between batches the writer looks whether Redis has lost its spend counters, and makes them again. */
#ifndef LEDGER_WRITER_H
#define LEDGER_WRITER_H
#include <stdbool.h>
#include <stdio.h>
#include "services/svc.h"

struct writer;

/* NULL: DB_PATH cannot be written (said in one line); else it lives until writer_free(). */
struct writer *writer_new(struct svc *s);
void writer_free(struct writer *w);                  /* only when writer_is_over() */

unsigned writer_room(const struct writer *w);        /* how many more events may come */
void writer_take(struct writer *w, const struct entry *e);
void writer_on_redis(struct writer *w, bool up);
void writer_drain(struct writer *w);                 /* store and settle what is in hand; what cannot be stored stays pending */
bool writer_is_over(const struct writer *w);
bool writer_is_healthy(const struct writer *w);

#endif
