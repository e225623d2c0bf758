/* map: text key to pointer. Open addressing; the map owns its keys, never its values. */
#ifndef SIM_MAP_H
#define SIM_MAP_H
#include <stddef.h>

struct map_slot {
    char *key;      /* NULL: never used; map_gone: was used */
    void *value;
};
struct map {
    struct map_slot *slots;
    size_t used, filled, cap;   /* filled counts removed ones too */
};

void *map_get(const struct map *m, const char *key);
void map_put(struct map *m, const char *key, void *value);
void *map_del(struct map *m, const char *key);      /* the value that was there, or NULL */
/* Walk: start with *at = 0; NULL at the end. Nothing may be added or removed meanwhile. */
const char *map_next(const struct map *m, size_t *at, void **ret_value);
void map_done(struct map *m);
#endif
