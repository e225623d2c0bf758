#include "media/sniff.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { HEAD = 1024, PIECE = 64 * 1024 };

size_t source_read(const struct source *s, int64_t at, void *to, size_t len) {
    if (at < 0 || at >= s->size)
        return 0;
    if ((int64_t)len > s->size - at)
        len = (size_t)(s->size - at);
    if (s->fd < 0) {
        memcpy(to, s->data + at, len);
        return len;
    }
    size_t got = 0;
    while (got < len) {
        ssize_t n = pread(s->fd, (char *)to + got, len - got, at + (int64_t)got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

bool source_has(const struct source *s, int64_t at, const void *bytes, size_t len) {
    char there[64];
    return len <= sizeof there && source_read(s, at, there, len) == len && !memcmp(there, bytes, len);
}

int64_t source_find(const struct source *s, int64_t from, int64_t to, const void *bytes, size_t len) {
    static _Thread_local char piece[PIECE];
    if (from < 0)
        from = 0;
    for (int64_t at = from; at < to;) {
        size_t want = to - at < PIECE ? (size_t)(to - at) : PIECE, got = source_read(s, at, piece, want);
        const char *found = got >= len ? memmem(piece, got, bytes, len) : NULL;
        if (found)
            return at + (found - piece);
        if (got < want || got < len || at + (int64_t)got >= to)
            return -1;
        at += (int64_t)(got - len + 1);
    }
    return -1;
}

/* ── what the first bytes say ──────────────────────────────────────────────────────────────────────────────── */

static const struct magic {
    int at;
    const char *bytes;
    size_t len;
    struct sniffed (*look)(const struct source *s);      /* closer; NULL: `is` is all there is to say */
    enum content is;
    const char *ext, *mime;
} magics[] = {
#define MAGIC(at, text) at, text, sizeof text - 1
#define CONVERTED(name, type) NULL, CONTENT_SOUND, name, type
    {MAGIC(0, "\x89PNG\r\n\x1a\n"), sniff_png},
    {MAGIC(0, "\xff\xd8\xff"), sniff_jpeg},
    {MAGIC(0, "GIF87a"), sniff_gif},
    {MAGIC(0, "GIF89a"), sniff_gif},
    {MAGIC(8, "WEBP"), sniff_webp},
    {MAGIC(8, "WAVE"), sniff_wav},
    {MAGIC(4, "ftyp"), sniff_mp4},
    {MAGIC(0, "\x1a\x45\xdf\xa3"), sniff_matroska},
    {MAGIC(0, "OggS\0"), sniff_ogg},
    {MAGIC(0, "fLaC"), sniff_flac},
    {MAGIC(0, "ID3"), sniff_mp3},
    {MAGIC(0, "\x00\x00\x01\xba"), NULL, CONTENT_SOUND, "mpeg", "video/mpeg"},
    {MAGIC(8, "AVI "), CONVERTED("avi", "video/x-msvideo")},
    {MAGIC(0, "#!AMR"), CONVERTED("amr", "audio/amr")},
    {MAGIC(0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11"), CONVERTED("wma", "video/x-ms-asf")},
    {MAGIC(0, "FLV\x01"), CONVERTED("flv", "video/x-flv")},
    {MAGIC(0, "caff\0\1"), CONVERTED("caf", "audio/x-caf")},
    {MAGIC(8, "AIFF"), CONVERTED("aiff", "audio/aiff")},
    {MAGIC(8, "AIFC"), CONVERTED("aiff", "audio/aiff")},
    {MAGIC(4, "moov"), CONVERTED("mov", "video/quicktime")},
    {MAGIC(0, "%PDF-"), sniff_pdf},
    {MAGIC(0, "PK\x03\x04"), sniff_zip},
    {MAGIC(0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), sniff_ole},
    {MAGIC(0, "PK\x05\x06"), NULL, CONTENT_ARCHIVE},
    {MAGIC(0, "Rar!\x1a\x07"), NULL, CONTENT_ARCHIVE},
    {MAGIC(0, "7z\xbc\xaf\x27\x1c"), NULL, CONTENT_ARCHIVE},
    {MAGIC(0, "\x1f\x8b"), NULL, CONTENT_ARCHIVE, "gz"},
    {MAGIC(0, "BZh"), NULL, CONTENT_ARCHIVE},
    {MAGIC(0, "\xfd" "7zXZ"), NULL, CONTENT_ARCHIVE},
    {MAGIC(0, "\x28\xb5\x2f\xfd"), NULL, CONTENT_ARCHIVE},
    {MAGIC(257, "ustar"), NULL, CONTENT_ARCHIVE},
    {MAGIC(0, "MSCF"), NULL, CONTENT_ARCHIVE},
#undef CONVERTED
#undef MAGIC
};

/* RIFF and FORM name what they hold behind their length, and MP4 behind a short one; other files may have those letters there by chance. */
static bool in_its_frame(const struct magic *m, const unsigned char *head) {
    if (m->at == 4)
        return head[0] == 0;
    return m->at != 8 || !memcmp(head, m->bytes[0] == 'A' && m->bytes[1] == 'I' ? "FORM" : "RIFF", 4);
}

/* Bare MPEG frames, and the AAC that looks like them; nothing but a sync pattern names these. */
static struct sniffed look_at_frames(const struct source *s, const unsigned char *head) {
    if (head[0] != 0xff || (head[1] & 0xe0) != 0xe0)
        return (struct sniffed){0};
    if ((head[1] & 0xf6) == 0xf0)
        return (struct sniffed){.is = CONTENT_SOUND, .ext = "aac", .mime = "audio/aac", .convert = true};
    return sniff_mp3(s);
}

struct sniffed sniff(const struct source *s, const char *name) {
    unsigned char head[HEAD] = {0};
    size_t len = source_read(s, 0, head, sizeof head);
    if (len < 3)
        return (struct sniffed){.is = CONTENT_EMPTY, .ext = "", .mime = ""};
    struct sniffed found = {0};
    const struct magic *m = magics, *end = magics + sizeof magics / sizeof *magics;
    while (m < end && !(len >= (size_t)m->at + m->len && !memcmp(head + m->at, m->bytes, m->len) && in_its_frame(m, head)))
        m++;
    if (m < end && m->look)
        found = m->look(s);
    else if (m < end)
        found = (struct sniffed){.is = m->is, .ext = m->ext, .mime = m->mime, .convert = m->is == CONTENT_SOUND && strcmp(m->ext, "mpeg") != 0,
            .gzip = m->ext && !strcmp(m->ext, "gz")};
    else
        found = look_at_frames(s, head);
    bool is_sure = found.is != CONTENT_OTHER && found.is != CONTENT_BROKEN && found.is != CONTENT_ARCHIVE;
    if (!is_sure && !found.pdf) {        /* some signatures are letters: a text may begin with them */
        struct sniffed text = sniff_text(s, name);
        if (text.is != CONTENT_OTHER)
            found = text;
        else if (m == end && memmem(head, len, "%PDF-", 5))      /* something may stand in front of it */
            found = sniff_pdf(s);
    }
    if (!found.ext)
        found.ext = "";
    if (!found.mime)
        found.mime = "application/octet-stream";
    return found;
}
