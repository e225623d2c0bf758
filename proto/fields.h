/* A flat list of names and values, as Redis gives it (a hash, a stream entry). One block of memory, its owner's. */
#ifndef PROTO_FIELDS_H
#define PROTO_FIELDS_H
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fields {
    int count;
    struct field { const char *name, *value; size_t value_len; } *list;   /* NUL-terminated copies */
};

/* Copy a reply that is an array of strings. NULL: it is not one, or has an odd length. Free with free(). */
struct fields *fields_copy(const redisReply *list);
const char *fields_get(const struct fields *f, const char *name);              /* NULL: not there */
const char *fields_str(const struct fields *f, const char *name);              /* "" when not there */
bool fields_int(const struct fields *f, const char *name, int64_t *ret_n);     /* false: not there or not a whole number */
int64_t fields_int_or(const struct fields *f, const char *name, int64_t otherwise);

#endif
