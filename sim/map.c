#include "sim/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sim/buf.h"

static char map_gone[1];    /* only its address counts */

static uint64_t hash(const char *s) {
    uint64_t h = 1469598103934665603u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h ^ (h >> 29);
}

static struct map_slot *find(const struct map *m, const char *key) {
    if (!m->cap)
        return NULL;
    for (size_t i = hash(key) & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *s = &m->slots[i];
        if (!s->key)
            return NULL;
        if (s->key != map_gone && !strcmp(s->key, key))
            return s;
    }
}

void *map_get(const struct map *m, const char *key) {
    struct map_slot *s = find(m, key);
    return s ? s->value : NULL;
}

static void insert(struct map *m, char *key, void *value) {
    size_t i = hash(key) & (m->cap - 1);
    while (m->slots[i].key)
        i = (i + 1) & (m->cap - 1);
    m->slots[i] = (struct map_slot){ key, value };
    m->used++;
    m->filled++;
}

void map_put(struct map *m, const char *key, void *value) {
    struct map_slot *s = find(m, key);
    if (s) {
        s->value = value;
        return;
    }
    if ((m->filled + 1) * 3 > m->cap * 2) {
        struct map old = *m;
        m->cap = 64;
        while (m->cap < (old.used + 1) * 3)
            m->cap *= 2;
        m->slots = xalloc(m->cap * sizeof *m->slots);
        m->used = m->filled = 0;
        for (size_t i = 0; i < old.cap; i++)
            if (old.slots[i].key && old.slots[i].key != map_gone)
                insert(m, old.slots[i].key, old.slots[i].value);
        free(old.slots);
    }
    insert(m, xdup(key), value);
}

void *map_del(struct map *m, const char *key) {
    struct map_slot *s = find(m, key);
    void *value;
    if (!s)
        return NULL;
    value = s->value;
    free(s->key);
    *s = (struct map_slot){ map_gone, NULL };
    m->used--;
    return value;
}

const char *map_next(const struct map *m, size_t *at, void **ret_value) {
    while (*at < m->cap) {
        struct map_slot *s = &m->slots[(*at)++];
        if (s->key && s->key != map_gone) {
            *ret_value = s->value;
            return s->key;
        }
    }
    return NULL;
}

void map_done(struct map *m) {
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].key != map_gone)
            free(m->slots[i].key);
    free(m->slots);
    *m = (struct map){0};
}
