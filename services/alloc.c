#include "services/alloc.h"
#include <stdlib.h>
#include <string.h>

static void *or_abort(void *p) {
    if (!p)
        abort();
    return p;
}

void *alloc_zero(size_t size) {
    return or_abort(calloc(1, size ? size : 1));
}

void *alloc_again(void *p, size_t size) {
    return or_abort(realloc(p, size ? size : 1));
}

char *alloc_copy(const void *data, size_t len) {
    char *copy = or_abort(malloc(len + 1));
    if (len)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}
