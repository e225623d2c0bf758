#include "ledger/item.h"

#include <stdlib.h>
#include <string.h>

#include "services/alloc.h"

static struct fields *copy_fields(const struct fields *f) {
    if (!f)
        return NULL;
    size_t bytes = sizeof *f + (size_t)f->count * sizeof *f->list;
    for (int i = 0; i < f->count; i++)
        bytes += strlen(f->list[i].name) + 1 + f->list[i].value_len + 1;
    struct fields *copy = alloc_zero(bytes);
    copy->count = f->count;
    copy->list = (struct field *)(copy + 1);
    char *place = (char *)(copy->list + f->count);
    for (int i = 0; i < f->count; i++) {
        size_t name_len = strlen(f->list[i].name) + 1;
        memcpy(place, f->list[i].name, name_len);
        memcpy(place + name_len, f->list[i].value, f->list[i].value_len + 1);
        copy->list[i] = (struct field){ place, place + name_len, f->list[i].value_len };
        place += name_len + f->list[i].value_len + 1;
    }
    return copy;
}

void item_free(struct item *item) {
    if (!item)
        return;
    queue_drop(&item->held);
    free(item->id);
    free(item->fields);
    free(item);
}

struct item *item_new(const struct entry *e) {
    struct item *item = alloc_zero(sizeof *item);
    item->id = alloc_copy(e->id, strlen(e->id));
    item->fields = copy_fields(e->fields);
    item->held.text_known = -1;
    return item;
}
