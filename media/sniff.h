/* What a file is, by its bytes. What the client called it decides only between kinds of text, which look alike, and whether a
 * text pretends to be something else.
 *
 * Reads the front, the back and where the format leads it; texts, PDFs and old Office files are read once from end to end: not on
 * the loop. Everything comes from a stranger: no place in the file is believed before it was checked against its size. */
#ifndef MEDIA_SNIFF_H
#define MEDIA_SNIFF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum content {
    CONTENT_OTHER,               /* nothing that anybody here can use */
    CONTENT_EMPTY,               /* nothing, or not even three bytes */
    CONTENT_BROKEN,              /* it begins like something and does not go on like it */
    CONTENT_SOUND,               /* audio, or video with sound */
    CONTENT_SILENT,              /* video without */
    CONTENT_IMAGE,
    CONTENT_MOVING,              /* a picture that moves: GIF, WebP */
    CONTENT_DOCUMENT,            /* what the model reads as a file, texts among it */
    CONTENT_LOCKED,              /* a document behind a password */
    CONTENT_ARCHIVE
};

struct sniffed {
    enum content is;
    const char *ext, *mime;      /* of what it is, as OpenAI wants a file of that type to be called */
    const char *opening;         /* of a document: name of the words that an answer about it begins with */
    bool text;                   /* a document in plain text */
    bool pdf, gzip;
    int pages;                   /* of a PDF; 0: it does not say it openly */
    bool convert;                /* of sound: OpenAI does not take this container */
    int64_t duration_ms;         /* of sound; 0: it does not say */
};

struct source {
    int64_t size;
    int fd;                      /* -1: it is in memory */
    const char *data;
};

/* `name`: what the client called it, or NULL. */
struct sniffed sniff(const struct source *s, const char *name);

/* How many bytes of [at, at + len) there are; they are in `to`. */
size_t source_read(const struct source *s, int64_t at, void *to, size_t len);
bool source_has(const struct source *s, int64_t at, const void *bytes, size_t len);
/* Where `bytes` stand first in [from, to), or -1. */
int64_t source_find(const struct source *s, int64_t from, int64_t to, const void *bytes, size_t len);

/* One format each; they are asked when the first bytes have named it. */
struct sniffed sniff_pdf(const struct source *s);
struct sniffed sniff_zip(const struct source *s);
struct sniffed sniff_ole(const struct source *s);
struct sniffed sniff_text(const struct source *s, const char *name);      /* CONTENT_OTHER: it is none */
struct sniffed sniff_gif(const struct source *s);
struct sniffed sniff_png(const struct source *s);
struct sniffed sniff_jpeg(const struct source *s);
struct sniffed sniff_webp(const struct source *s);
struct sniffed sniff_mp4(const struct source *s);
struct sniffed sniff_matroska(const struct source *s);
struct sniffed sniff_ogg(const struct source *s);
struct sniffed sniff_wav(const struct source *s);
struct sniffed sniff_flac(const struct source *s);
struct sniffed sniff_mp3(const struct source *s);

static inline uint32_t sniff_le16(const unsigned char *p) { return p[0] | (uint32_t)p[1] << 8; }
static inline uint32_t sniff_le32(const unsigned char *p) { return sniff_le16(p) | sniff_le16(p + 2) << 16; }
static inline uint64_t sniff_le64(const unsigned char *p) { return sniff_le32(p) | (uint64_t)sniff_le32(p + 4) << 32; }
static inline uint32_t sniff_be32(const unsigned char *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }
static inline uint64_t sniff_be64(const unsigned char *p) { return (uint64_t)sniff_be32(p) << 32 | sniff_be32(p + 4); }

#endif
