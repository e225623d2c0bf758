/* An entry that the ledger has in hand. */
#ifndef LEDGER_ITEM_H
#define LEDGER_ITEM_H
#include "proto/fields.h"
#include "services/queue.h"

/* The queue's hold on it and our copy of its fields. */
struct item {
    struct held held;
    char *id;
    struct fields *fields;                      /* NULL: they could not be read */
    struct item *next;
};

struct item *item_new(const struct entry *e);
void item_free(struct item *item);              /* NULL is fine; lets go of it */

#endif
