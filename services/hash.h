/* A hash for tables in memory; its values are kept nowhere. */
#ifndef SERVICES_HASH_H
#define SERVICES_HASH_H
#include <stdint.h>

static inline uint32_t hash_text(const char *text) {
    uint32_t hash = 2166136261u;         /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

#endif
