/* Memory that dies with its job: allocate here, free all of it at once. */
#ifndef SERVICES_ARENA_H
#define SERVICES_ARENA_H
#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);                     /* NULL is fine */
void *arena_alloc(struct arena *a, size_t size);      /* zeroed, aligned for anything; aborts when memory is out */
char *arena_copy(struct arena *a, const char *data, size_t len);   /* NUL-terminated */
char *arena_str(struct arena *a, const char *s);      /* NULL stays NULL */
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3), nonnull(2)));

#endif
