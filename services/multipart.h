/* A multipart/form-data body with one large file in it, which is read from its descriptor while it goes out:
 *
 *   multipart_init · multipart_field … · multipart_file · (headers: multipart_type; body_len: multipart_length; body_read: multipart_read) */
#ifndef SERVICES_MULTIPART_H
#define SERVICES_MULTIPART_H
#include <stdint.h>
#include "services/buf.h"

struct multipart {
    char boundary[40];
    char type[100];              /* the header line: "Content-Type: multipart/form-data; boundary=…" */
    struct buf front, back;      /* what stands before and behind the file */
    int fd;                      /* borrowed */
    int64_t file_len, at;
};

void multipart_init(struct multipart *m);                       /* a new random boundary */
void multipart_done(struct multipart *m);                       /* a zeroed struct is fine */
void multipart_field(struct multipart *m, const char *name, const char *value);
/* The last part. `filename` is UTF-8 without control characters. */
void multipart_file(struct multipart *m, const char *name, const char *filename, const char *type, int fd, int64_t len);
size_t multipart_length(const struct multipart *m);
void multipart_rewind(struct multipart *m);                     /* for another request with the same body */
/* The next bytes; 0 at the end, or when the file is shorter than it was said to be. */
size_t multipart_read(struct multipart *m, char *to, size_t room);

#endif
