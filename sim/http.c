#include "sim/http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void set_bad(struct http *h, int status) {
    h->state = HTTP_BAD;
    h->bad_status = status;
    h->keep_alive = false;
}

const char *http_header(const struct http *h, const char *name) {
    for (int i = 0; i < h->headers_len; i++)
        if (!strcasecmp(h->headers[i].name, name))
            return h->headers[i].value;
    return NULL;
}

static bool has_token(const char *list, const char *token) {
    size_t n = strlen(token);
    while (list && *list) {
        list += strspn(list, " \t,");
        if (!strncasecmp(list, token, n) && strchr(" \t,;", list[n]))
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

/* Splits the request line and the headers in place; false when they make no sense. */
static bool split_head(struct http *h) {
    char *line = h->head.p, *end, *sp;
    char *version;
    h->headers_len = 0;
    while (*line == '\r' || *line == '\n')
        line++;
    end = strchr(line, '\n');
    if (!end)
        return false;
    *end = 0;
    if (end > line && end[-1] == '\r')
        end[-1] = 0;
    sp = strchr(line, ' ');
    if (!sp || sp == line)
        return false;
    *sp++ = 0;
    h->method = line;
    h->path = sp;
    version = strchr(sp, ' ');
    if (!version || *sp != '/')
        return false;
    *version++ = 0;
    if (strcmp(version, "HTTP/1.1") && strcmp(version, "HTTP/1.0"))
        return false;
    h->http_1_0 = version[7] == '0';
    h->query = "";
    sp = strchr(sp, '?');
    if (sp) {
        *sp = 0;
        h->query = sp + 1;
    }
    for (line = end + 1; *line && *line != '\r' && *line != '\n'; line = end + 1) {
        char *colon, *value, *tail;
        end = strchr(line, '\n');
        if (!end)
            return false;
        *end = 0;
        colon = strchr(line, ':');
        if (!colon || colon == line || colon[-1] == ' ' || h->headers_len == HTTP_HEADERS_MAX)
            return false;
        *colon = 0;
        value = colon + 1 + strspn(colon + 1, " \t");
        tail = value + strlen(value);
        while (tail > value && strchr(" \t\r", tail[-1]))
            *--tail = 0;
        h->headers[h->headers_len++] = (struct http_header){ line, value };
    }
    return true;
}

static void end_of_head(struct http *h) {
    const char *length, *coding, *connection;
    if (memchr(h->head.p, 0, h->head.n) || !split_head(h)) {
        set_bad(h, 400);
        return;
    }
    connection = http_header(h, "Connection");
    h->keep_alive = h->http_1_0 ? has_token(connection, "keep-alive") : !has_token(connection, "close");
    h->expects_continue = has_token(http_header(h, "Expect"), "100-continue");
    length = http_header(h, "Content-Length");
    coding = http_header(h, "Transfer-Encoding");
    if (coding) {
        if (length || !has_token(coding, "chunked"))
            set_bad(h, coding && !length ? 501 : 400);
        else
            h->state = HTTP_CHUNK_SIZE;
        return;
    }
    h->want = 0;
    if (length) {
        char *end;
        if (*length < '0' || *length > '9') {
            set_bad(h, 400);
            return;
        }
        h->want = strtoull(length, &end, 10);
        if (*end) {
            set_bad(h, 400);
            return;
        }
        if (h->want > HTTP_BODY_MAX) {
            set_bad(h, 413);
            return;
        }
    }
    h->state = h->want ? HTTP_LENGTH : HTTP_DONE;
}

/* Looks for the empty line. Bytes after it are left to the body. */
static size_t feed_head(struct http *h, const char *data, size_t n) {
    size_t taken = 0;
    while (taken < n) {
        const char *nl = memchr(data + taken, '\n', n - taken);
        size_t piece = nl ? (size_t)(nl - data) + 1 - taken : n - taken;
        if (h->head.n + piece > HTTP_HEAD_MAX) {
            set_bad(h, 431);
            return n;
        }
        buf_add(&h->head, data + taken, piece);
        taken += piece;
        if (nl) {
            size_t at = h->head.n - 1;  /* of the last \n */
            if (at && h->head.p[at - 1] == '\r')
                at--;
            if (at == 0) {
                h->head.n = 0;          /* empty lines before a request are allowed */
                continue;
            }
            if (h->head.p[at - 1] == '\n') {
                end_of_head(h);
                return taken;
            }
        }
    }
    return taken;
}

/* One CRLF-ended line of the chunked framing; true when it is whole (in h->line, cut to its room). */
static bool feed_line(struct http *h, const char *data, size_t n, size_t *taken) {
    while (*taken < n) {
        char c = data[(*taken)++];
        if (c == '\n') {
            if (h->line_len && h->line[h->line_len - 1] == '\r')
                h->line_len--;
            h->line[h->line_len] = 0;
            h->line_len = 0;
            return true;
        }
        if (h->line_len < sizeof h->line - 1)
            h->line[h->line_len++] = c;
    }
    return false;
}

size_t http_feed(struct http *h, const char *data, size_t n) {
    size_t taken = 0;
    while (h->state != HTTP_DONE && h->state != HTTP_BAD && taken < n) {
        switch (h->state) {
        case HTTP_HEAD:
            taken += feed_head(h, data + taken, n - taken);
            break;
        case HTTP_LENGTH:
        case HTTP_CHUNK_DATA: {
            size_t piece = n - taken < h->want ? n - taken : h->want;
            buf_add(&h->body, data + taken, piece);
            taken += piece;
            h->want -= piece;
            if (!h->want)
                h->state = h->state == HTTP_LENGTH ? HTTP_DONE : HTTP_CHUNK_END;
            break;
        }
        case HTTP_CHUNK_SIZE:
            if (feed_line(h, data, n, &taken)) {
                char *end;
                h->want = strtoull(h->line, &end, 16);
                if (end == h->line || !strchr("; \t", *end) || h->line[0] == '-')
                    set_bad(h, 400);
                else if (h->want > HTTP_BODY_MAX || h->body.n + h->want > HTTP_BODY_MAX)
                    set_bad(h, 413);
                else
                    h->state = h->want ? HTTP_CHUNK_DATA : HTTP_TRAILER;
            }
            break;
        case HTTP_CHUNK_END:
            if (feed_line(h, data, n, &taken)) {
                if (h->line[0])
                    set_bad(h, 400);
                else
                    h->state = HTTP_CHUNK_SIZE;
            }
            break;
        case HTTP_TRAILER:
            if (feed_line(h, data, n, &taken) && !h->line[0])
                h->state = HTTP_DONE;
            break;
        case HTTP_DONE:
        case HTTP_BAD:
            break;
        }
    }
    return taken;
}

void http_again(struct http *h) {
    h->state = HTTP_HEAD;
    h->head.n = h->body.n = h->line_len = h->want = 0;
    h->headers_len = 0;
    h->expects_continue = false;
    if (h->body.cap > 256 * 1024)
        buf_done(&h->body);
}

void http_done(struct http *h) {
    buf_done(&h->head);
    buf_done(&h->body);
}
