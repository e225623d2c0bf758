/* The arguments of one script or command, copied as they are added. */
#ifndef PROTO_ARGS_H
#define PROTO_ARGS_H
#include <stddef.h>
#include <stdint.h>

struct args {
    int count;
    struct arg { size_t at, len; } *list;    /* places in data */
    char *data;
    size_t used, size;
    int list_size;
};

void args_init(struct args *a);                       /* a zeroed struct is fine too */
void args_done(struct args *a);
void args_add(struct args *a, const char *data, size_t len);
void args_str(struct args *a, const char *s);         /* NULL counts as "" */
void args_int(struct args *a, int64_t n);
void args_pair(struct args *a, const char *name, const char *value);
void args_pair_int(struct args *a, const char *name, int64_t value);
const char *args_at(const struct args *a, int i, size_t *ret_len);   /* NUL-terminated; valid until the next args_add */
/* Reserve an argument whose value is known later (a count): returns its index for args_set_int. At most 20 digits. */
int args_hole(struct args *a);
void args_set_int(struct args *a, int i, int64_t n);

#endif
