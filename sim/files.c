#include "sim/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct files {
    struct map by_id;
    struct file *ring[FILES_MAX];
    int64_t first, next, next_with_data;
    size_t bytes;
};

struct files *files_new(void) {
    struct files *f = xalloc(sizeof *f);
    f->first = f->next = f->next_with_data = 1;
    return f;
}

static void file_free(struct file *i) {
    free(i->id);
    free(i->name);
    free(i->ctype);
    free(i->purpose);
    free(i->container);
    free(i->data);
    free(i);
}

void files_free(struct files *f) {
    if (!f)
        return;
    for (int64_t n = f->first; n < f->next; n++)
        file_free(f->ring[n % FILES_MAX]);
    map_done(&f->by_id);
    free(f);
}

struct file *files_at(const struct files *f, int64_t n) {
    return n >= f->first && n < f->next ? f->ring[n % FILES_MAX] : NULL;
}

int64_t files_last(const struct files *f) {
    return f->next - 1;
}

struct file *files_add(struct sim *sim, const char *id_prefix, const char *name, const char *ctype, const char *data, size_t len) {
    struct files *f = sim->files;
    struct file *i = xalloc(sizeof *i);
    char id[80];
    if (f->next - f->first == FILES_MAX) {
        struct file *old = f->ring[f->first++ % FILES_MAX];
        map_del(&f->by_id, old->id);
        f->bytes -= old->data ? old->len : 0;
        file_free(old);
    }
    while (data && f->bytes + len > FILES_BYTES_MAX && f->next_with_data < f->next) {
        struct file *old = files_at(f, f->next_with_data++);
        if (old && old->data) {
            f->bytes -= old->len;
            free(old->data);
            old->data = NULL;
        }
    }
    i->n = f->next;
    snprintf(id, sizeof id, "%s%08llx%06lld", id_prefix, (unsigned long long)(sim->boot & 0xffffffff), (long long)i->n);
    i->id = xdup(id);
    i->name = xdup(name ? name : "file.bin");
    i->ctype = xdup(ctype ? ctype : "application/octet-stream");
    i->data = data ? xndup(data, len) : NULL;
    i->len = len;
    i->created_s = sim_now_ms() / 1000;
    f->bytes += data ? len : 0;
    f->ring[f->next++ % FILES_MAX] = i;
    map_put(&f->by_id, i->id, i);
    return i;
}

struct file *files_find(const struct files *f, const char *id) {
    struct file *i = map_get(&f->by_id, id);
    return i && !i->deleted && (!i->expires_s || i->expires_s > sim_now_ms() / 1000) ? i : NULL;
}
