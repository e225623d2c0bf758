#include "services/multipart.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { FRAME_MAX = 64 * 1024 };

void multipart_init(struct multipart *m) {
    unsigned char random[15];
    memset(m, 0, sizeof *m);
    if (getrandom(random, sizeof random, 0) != sizeof random)
        abort();
    size_t at = (size_t)snprintf(m->boundary, sizeof m->boundary, "gpttg-");
    for (size_t i = 0; i < sizeof random; i++)
        at += (size_t)snprintf(m->boundary + at, sizeof m->boundary - at, "%02x", random[i]);
    (void)snprintf(m->type, sizeof m->type, "Content-Type: multipart/form-data; boundary=%s", m->boundary);
    buf_init(&m->front, FRAME_MAX);
    buf_init(&m->back, FRAME_MAX);
    m->fd = -1;
}

void multipart_done(struct multipart *m) {
    buf_done(&m->front);
    buf_done(&m->back);
}

/* As browsers do it: the three characters that would end the value. */
static void add_quoted(struct buf *b, const char *text) {
    for (; *text; text++)
        (void)(*text == '"'    ? buf_add_str(b, "%22")
               : *text == '\r' ? buf_add_str(b, "%0D")
               : *text == '\n' ? buf_add_str(b, "%0A")
                               : buf_add(b, text, 1));
}

static void begin_part(struct multipart *m, const char *name) {
    (void)buf_printf(&m->front, "--%s\r\nContent-Disposition: form-data; name=\"", m->boundary);
    add_quoted(&m->front, name);
    (void)buf_add_str(&m->front, "\"");
}

void multipart_field(struct multipart *m, const char *name, const char *value) {
    begin_part(m, name);
    (void)buf_printf(&m->front, "\r\n\r\n%s\r\n", value);
}

void multipart_file(struct multipart *m, const char *name, const char *filename, const char *type, int fd, int64_t len) {
    begin_part(m, name);
    (void)buf_add_str(&m->front, "; filename=\"");
    add_quoted(&m->front, filename);
    (void)buf_printf(&m->front, "\"\r\nContent-Type: %s\r\n\r\n", type);
    (void)buf_printf(&m->back, "\r\n--%s--\r\n", m->boundary);
    m->fd = fd;
    m->file_len = len;
}

size_t multipart_length(const struct multipart *m) {
    return m->front.len + (size_t)m->file_len + m->back.len;
}

void multipart_rewind(struct multipart *m) {
    m->at = 0;
}

static size_t from_memory(const struct buf *b, int64_t at, char *to, size_t room) {
    size_t n = b->len - (size_t)at;
    if (n > room)
        n = room;
    memcpy(to, b->data + at, n);
    return n;
}

size_t multipart_read(struct multipart *m, char *to, size_t room) {
    int64_t front = (int64_t)m->front.len, behind = front + m->file_len;
    size_t n;
    if (m->at < front) {
        n = from_memory(&m->front, m->at, to, room);
    } else if (m->at < behind) {
        ssize_t got;
        if ((int64_t)room > behind - m->at)
            room = (size_t)(behind - m->at);
        do
            got = pread(m->fd, to, room, m->at - front); /* written a moment ago: it is in the page cache */
        while (got < 0 && errno == EINTR);
        n = got > 0 ? (size_t)got : 0;
    } else if (m->at < (int64_t)multipart_length(m)) {
        n = from_memory(&m->back, m->at - behind, to, room);
    } else {
        n = 0;
    }
    m->at += (int64_t)n;
    return n;
}
