/* Where a file's bytes wait: in a file without a name, so that nothing is left of it however we end. */
#ifndef SERVICES_SPOOL_H
#define SERVICES_SPOOL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spool {
    int fd;                      /* -1: closed */
    int64_t len;
};
#define SPOOL_CLOSED ((struct spool){.fd = -1})

/* In TMPDIR, else /var/tmp, else /tmp: the first that takes it. 0, or a negative errno. */
int spool_open(struct spool *s);
/* A file of somebody else's instead, only to be read: a local Bot API server's. It must be a regular file. */
int spool_borrow(struct spool *s, const char *path);
void spool_close(struct spool *s);
/* Append. 0, or a negative errno. The page cache takes it: that is not waited for on the disk. */
int spool_add(struct spool *s, const char *data, size_t len);
int spool_clear(struct spool *s);
/* Another process wrote: see how long it is now. */
int spool_measure(struct spool *s);

#endif
