/* Chunks in a list, the newest first; allocation moves a mark through the newest. Chunks double from 1 kB to 64 kB, so a
 * small job stays small; what does not fit a chunk gets one of its own. */
#include "services/arena.h"
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"

enum { CHUNK_MIN = 1024, CHUNK_MAX = 64 * 1024 };

struct chunk {
    struct chunk *older;
    size_t used, size;
    alignas(max_align_t) char bytes[];
};

struct arena {
    struct chunk *newest;
    size_t next_size;
};

struct arena *arena_new(void) {
    struct arena *a = alloc_zero(sizeof *a);
    a->next_size = CHUNK_MIN;
    return a;
}

void arena_free(struct arena *a) {
    if (!a)
        return;
    for (struct chunk *c = a->newest, *older; c; c = older) {
        older = c->older;
        free(c);
    }
    free(a);
}

static struct chunk *chunk_new(size_t size) {
    struct chunk *c = alloc_zero(sizeof *c + size);
    c->size = size;
    return c;
}

void *arena_alloc(struct arena *a, size_t size) {
    if (size > SIZE_MAX / 2)
        abort();
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct chunk *c = a->newest;
    if (size > a->next_size / 2 && !(c && c->size - c->used >= size)) {
        struct chunk *own = chunk_new(size); /* goes behind the newest, whose rest stays in use */
        own->used = size;
        if (c) {
            own->older = c->older;
            c->older = own;
        } else {
            a->newest = own;
        }
        return own->bytes;
    }
    if (!c || c->size - c->used < size) {
        c = chunk_new(a->next_size);
        c->older = a->newest;
        a->newest = c;
        if (a->next_size < CHUNK_MAX)
            a->next_size *= 2;
    }
    void *p = c->bytes + c->used;
    c->used += size;
    return p;
}

char *arena_copy(struct arena *a, const char *data, size_t len) {
    char *copy = arena_alloc(a, len + 1);
    if (len)
        memcpy(copy, data, len);
    return copy;
}

char *arena_str(struct arena *a, const char *s) {
    return s ? arena_copy(a, s, strlen(s)) : NULL;
}

char *arena_printf(struct arena *a, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        abort(); /* only a broken format or a text past 2 GB */
    char *text = arena_alloc(a, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}
