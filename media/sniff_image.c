/* Pictures: whole or cut off, still or moving. */
#include "media/sniff.h"
#include <string.h>

static struct sniffed image(enum content is, const char *ext, const char *mime) {
    return (struct sniffed){.is = is, .ext = ext, .mime = mime};
}

struct sniffed sniff_png(const struct source *s) {
    unsigned char chunk[8];
    for (int64_t at = 8; source_read(s, at, chunk, sizeof chunk) == sizeof chunk; at += 12 + (int64_t)sniff_be32(chunk))
        if (!memcmp(chunk + 4, "IEND", 4))
            return image(CONTENT_IMAGE, "png", "image/png");
    return image(CONTENT_BROKEN, "png", "image/png");
}

/* Segments up to the picture itself; in that, FF D9 is its end and nothing else. What stands behind (a film, on some phones) is
 * no business of ours, and a preview within a segment is skipped with it. */
struct sniffed sniff_jpeg(const struct source *s) {
    unsigned char segment[4];
    for (int64_t at = 2; source_read(s, at, segment, sizeof segment) == sizeof segment && segment[0] == 0xff;) {
        if (segment[1] == 0xff) {        /* filling */
            at++;
            continue;
        }
        int64_t len = (int64_t)segment[2] << 8 | segment[3];
        at += 2 + len;
        if (segment[1] == 0xda && source_find(s, at, s->size, "\xff\xd9", 2) >= 0)
            return image(CONTENT_IMAGE, "jpg", "image/jpeg");
        if (segment[1] == 0xda || len < 2)
            break;
    }
    return image(CONTENT_BROKEN, "jpg", "image/jpeg");
}

struct sniffed sniff_webp(const struct source *s) {
    unsigned char head[21] = {0};
    size_t len = source_read(s, 0, head, sizeof head);
    if (len < sizeof head || (int64_t)sniff_le32(head + 4) + 8 > s->size + 1)
        return image(CONTENT_BROKEN, "webp", "image/webp");
    bool moving = !memcmp(head + 12, "VP8X", 4) && (head[20] & 2);
    return image(moving ? CONTENT_MOVING : CONTENT_IMAGE, "webp", "image/webp");
}

/* Behind a row of sub-blocks, each with its length in front; -1: the file ends within. */
static int64_t skip_blocks(const struct source *s, int64_t at) {
    unsigned char len;
    do {
        if (source_read(s, at, &len, 1) != 1)
            return -1;
        at += 1 + len;
    } while (len);
    return at;
}

static int64_t colours(unsigned char flags) {
    return flags & 0x80 ? 3 * (2 << (flags & 7)) : 0;
}

struct sniffed sniff_gif(const struct source *s) {
    unsigned char b[10];
    int pictures = 0;
    if (source_read(s, 10, b, 1) != 1)
        return image(CONTENT_BROKEN, "gif", "image/gif");
    int64_t at = 13 + colours(b[0]);
    while (at > 0 && pictures < 2 && source_read(s, at, b, 1) == 1) {
        if (b[0] == 0x21) {              /* an extension */
            at = skip_blocks(s, at + 2);
        } else if (b[0] == 0x2c && source_read(s, at, b, 10) == 10) {
            at = skip_blocks(s, at + 11 + colours(b[9]));
            pictures += at > 0;
        } else {
            break;                       /* its end, or nonsense where some programs forget it */
        }
    }
    return image(pictures > 1 ? CONTENT_MOVING : pictures == 1 && at > 0 ? CONTENT_IMAGE : CONTENT_BROKEN, "gif", "image/gif");
}
