#include "services/spool.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not every file system knows files that never had a name. */
static int open_and_unlink(const char *folder) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/gpttg-XXXXXX", folder) >= (int)sizeof path)
        return -1;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);              /* ours, made a moment ago */
    return fd;
}

int spool_open(struct spool *s) {
    const char *folders[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
    int fd = -1;
    for (size_t i = 0; i < 3 && fd < 0; i++) {
        if (!folders[i] || !*folders[i])
            continue;
        fd = open(folders[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0)
            fd = open_and_unlink(folders[i]);
    }
    if (fd < 0)
        return -errno;
    *s = (struct spool){.fd = fd};
    return 0;
}

int spool_borrow(struct spool *s, const char *path) {
    struct stat is;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &is) < 0 || !S_ISREG(is.st_mode)) {
        close(fd);
        return -EINVAL;
    }
    *s = (struct spool){.fd = fd, .len = is.st_size};
    return 0;
}

void spool_close(struct spool *s) {
    if (s->fd >= 0)
        close(s->fd);
    *s = SPOOL_CLOSED;
}

int spool_add(struct spool *s, const char *data, size_t len) {
    while (len) {
        ssize_t n = pwrite(s->fd, data, len, s->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        s->len += n;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int spool_clear(struct spool *s) {
    s->len = 0;
    return ftruncate(s->fd, 0) < 0 ? -errno : 0;
}

int spool_measure(struct spool *s) {
    struct stat is;
    if (fstat(s->fd, &is) < 0)
        return -errno;
    s->len = is.st_size;
    return 0;
}
