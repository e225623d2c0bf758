/* http: a push parser for HTTP/1.0 and 1.1 requests. Bytes may come in any pieces; it copies what it needs.
 *
 *     HEAD → (LENGTH | CHUNK_SIZE ⇄ CHUNK_DATA → TRAILER) → DONE        any → BAD
 *
 * One parser reads one request after the other: http_again() when the answer is out. Bodies are collected whole. */
#ifndef SIM_HTTP_H
#define SIM_HTTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/buf.h"

enum { HTTP_HEAD_MAX = 64 * 1024, HTTP_HEADERS_MAX = 100 };
#define HTTP_BODY_MAX ((size_t)600 * 1024 * 1024)

struct http_header {
    const char *name, *value;   /* into head */
};

struct http {
    enum http_state { HTTP_HEAD, HTTP_LENGTH, HTTP_CHUNK_SIZE, HTTP_CHUNK_DATA, HTTP_CHUNK_END, HTTP_TRAILER, HTTP_DONE, HTTP_BAD } state;
    struct buf head, body;
    char line[32];              /* of a chunk size, or a trailer's begin */
    size_t line_len;
    size_t want;                /* body bytes still to come in this state */
    int bad_status;             /* in HTTP_BAD: what to answer */

    /* valid from the end of the head on */
    const char *method, *path, *query;  /* path without query, not decoded; query without '?', never NULL */
    struct http_header headers[HTTP_HEADERS_MAX];
    int headers_len;
    bool keep_alive, expects_continue, http_1_0;
};

/* Takes bytes until the request is whole or bad; returns how many it took. */
size_t http_feed(struct http *h, const char *data, size_t n);
const char *http_header(const struct http *h, const char *name);    /* NULL when absent */
void http_again(struct http *h);
void http_done(struct http *h);
#endif
