#include "services/blob.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "services/alloc.h"

enum { PIECE = BLOB_PIECE, BLOBS_MOST = 1000 };
#define BLOBS_BYTES_MOST ((int64_t)256 * 1024 * 1024)

static int64_t read_piece(const struct spool *from, int64_t at, char *to) {
    int64_t left = from->len - at, len = 0;
    while (len < left && len < PIECE) {
        ssize_t n = pread(from->fd, to + len, (size_t)(left < PIECE ? left - len : PIECE - len), (off_t)(at + len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;       /* it has become shorter */
        len += n;
    }
    return len;
}

int64_t blob_piece(struct args *a, const char *name, const struct spool *from, int64_t had) {
    char *bytes = alloc_zero(PIECE);
    int64_t len = read_piece(from, had, bytes);
    if (len > 0) {
        args_str(a, "add");
        args_str(a, name);
        args_int(a, had);
        args_add(a, bytes, (size_t)len);
        args_int(a, BLOBS_BYTES_MOST);
        args_int(a, BLOBS_MOST);
    }
    free(bytes);
    return len;
}

void blob_drop(struct args *a, const char *name, int64_t bytes) {
    args_str(a, "drop");
    args_str(a, name);
    args_int(a, bytes);
}
