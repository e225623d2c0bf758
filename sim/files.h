/* files: what was uploaded to either side, kept by id. Contents are kept up to a bound, then the oldest lose theirs. */
#ifndef SIM_FILES_H
#define SIM_FILES_H
#include <stddef.h>
#include <stdint.h>

#include "sim/sim.h"

enum { FILES_MAX = 20000 };
#define FILES_BYTES_MAX ((size_t)1024 * 1024 * 1024)

struct file {
    char *id, *name, *ctype, *purpose;
    char *container;            /* of what the model made there, or NULL */
    char *data;                 /* NULL: only a size, or dropped for the bound */
    size_t len;
    int64_t created_s, expires_s;       /* 0: never */
    int deleted;
    int64_t n;
};

struct files *files_new(void);
void files_free(struct files *f);
/* A new file with an id of the given prefix. data may be NULL: it has a size only (downloads give zeros). */
struct file *files_add(struct sim *sim, const char *id_prefix, const char *name, const char *ctype, const char *data, size_t len);
struct file *files_find(const struct files *f, const char *id);     /* NULL also when it was deleted */
struct file *files_at(const struct files *f, int64_t n);            /* the n-th from 1 on, NULL when gone */
int64_t files_last(const struct files *f);
#endif
