/* Containers of sound and film: is there sound in it, how long is it (for a reservation: near is good enough), and does OpenAI take it? */
#include "media/sniff.h"
#include <string.h>

static struct sniffed sound(const char *ext, const char *mime, int64_t duration_ms, bool convert) {
    enum { LONGEST_MS = 24 * 3600 * 1000 };      /* what says more is not believed */
    return (struct sniffed){.is = CONTENT_SOUND, .ext = ext, .mime = mime, .convert = convert,
        .duration_ms = duration_ms > 0 && duration_ms <= LONGEST_MS ? duration_ms : 0};
}

static int64_t ms_of(uint64_t units, uint64_t per_second) {
    return per_second && units < UINT64_MAX / 1000 ? (int64_t)(units * 1000 / per_second) : 0;
}

/* ── MP4 and its relatives ─────────────────────────────────────────────────────────────────────────────────── */

struct film { bool has_sound, has_picture; int64_t duration_ms; int boxes; };

static void look_into(const struct source *s, int64_t from, int64_t to, int depth, struct film *f);

static void look_at_box(const struct source *s, const unsigned char *type, int64_t from, int64_t to, int depth, struct film *f) {
    unsigned char b[32] = {0};
    if (!memcmp(type, "moov", 4) || !memcmp(type, "trak", 4) || !memcmp(type, "mdia", 4)) {
        if (depth < 4)
            look_into(s, from, to, depth + 1, f);
    } else if (!memcmp(type, "hdlr", 4)) {
        (void)source_read(s, from, b, 12);
        f->has_sound |= !memcmp(b + 8, "soun", 4);
        f->has_picture |= !memcmp(b + 8, "vide", 4);
    } else if (!memcmp(type, "mvhd", 4)) {
        (void)source_read(s, from, b, sizeof b);
        f->duration_ms = b[0] == 1 ? ms_of(sniff_be64(b + 24), sniff_be32(b + 20)) : ms_of(sniff_be32(b + 16), sniff_be32(b + 12));
    }
}

static void look_into(const struct source *s, int64_t from, int64_t to, int depth, struct film *f) {
    enum { BOXES_MOST = 20000 };
    unsigned char head[16];
    while (from + 8 <= to && source_read(s, from, head, 8) == 8 && f->boxes++ < BOXES_MOST) {
        int64_t size = sniff_be32(head), front = 8;
        if (size == 1 && source_read(s, from, head, 16) == 16) {
            uint64_t large = sniff_be64(head + 8);
            if (large > (uint64_t)s->size)
                return;
            size = (int64_t)large;
            front = 16;
        } else if (size == 0) {
            size = to - from;
        }
        if (size < front || size > to - from)
            return;
        look_at_box(s, head + 4, from + front, from + size, depth, f);
        from += size;
    }
}

struct sniffed sniff_mp4(const struct source *s) {
    static const char *const pictures[] = {"heic", "heix", "hevc", "mif1", "msf1", "avif", "avis", NULL};
    char brand[5] = "";
    (void)source_read(s, 8, brand, 4);
    for (const char *const *p = pictures; *p; p++)
        if (!strcmp(brand, *p))
            return (struct sniffed){0};
    struct film f = {0};
    look_into(s, 0, s->size, 0, &f);
    if (!f.has_sound)
        return (struct sniffed){.is = f.has_picture ? CONTENT_SILENT : CONTENT_BROKEN, .ext = "mp4", .mime = "video/mp4"};
    if (!strcmp(brand, "qt  ") || !strncmp(brand, "3g", 2))
        return sound(brand[0] == 'q' ? "mov" : "3gp", "video/quicktime", f.duration_ms, true);
    return f.has_picture ? sound("mp4", "video/mp4", f.duration_ms, false) : sound("m4a", "audio/mp4", f.duration_ms, false);
}

/* ── WebM and Matroska ─────────────────────────────────────────────────────────────────────────────────────── */

static bool names_one_of(const struct source *s, const char *const *codecs) {
    enum { FRONT = 64 * 1024 };          /* the tracks come before the pictures */
    for (; *codecs; codecs++)
        if (source_find(s, 0, FRONT, *codecs, strlen(*codecs)) >= 0)
            return true;
    return false;
}

struct sniffed sniff_matroska(const struct source *s) {
    static const char *const voices[] = {"A_OPUS", "A_VORBIS", "A_AAC", "A_MPEG/", "A_FLAC", "A_AC3", "A_EAC3", "A_PCM/", "A_DTS", "A_MS/ACM", NULL};
    static const char *const pictures[] = {"V_VP8", "V_VP9", "V_AV1", "V_MPEG", "V_MS/VFW", NULL};
    bool is_webm = source_find(s, 0, 64, "webm", 4) >= 0;
    if (!names_one_of(s, voices))
        return (struct sniffed){.is = names_one_of(s, pictures) ? CONTENT_SILENT : CONTENT_BROKEN, .ext = "webm", .mime = "video/webm"};
    return sound(is_webm ? "webm" : "mkv", is_webm ? "video/webm" : "video/x-matroska", 0, !is_webm);
}

/* ── sound alone ───────────────────────────────────────────────────────────────────────────────────────────── */

/* The last page tells up to which sample it goes. */
static uint64_t ogg_samples(const struct source *s) {
    enum { TAIL = 66 * 1024 };           /* a page is never longer */
    unsigned char page[14];
    uint64_t samples = 0;
    for (int64_t at = s->size - TAIL; (at = source_find(s, at, s->size, "OggS", 4)) >= 0; at++)
        if (source_read(s, at, page, sizeof page) == sizeof page && sniff_le64(page + 6) != UINT64_MAX)
            samples = sniff_le64(page + 6);
    return samples;
}

struct sniffed sniff_ogg(const struct source *s) {
    unsigned char head[128] = {0};
    size_t len = source_read(s, 0, head, sizeof head);
    if (len < 32)
        return (struct sniffed){.is = CONTENT_BROKEN};
    uint64_t rate = 0;
    const unsigned char *p;
    if (memmem(head, len, "OpusHead", 8))
        rate = 48000;
    else if ((p = memmem(head, 64, "\x01vorbis", 7)))
        rate = sniff_le32(p + 12);
    else if ((p = memmem(head, 64, "Speex   ", 8)))
        rate = sniff_le32(p + 36);
    return sound("ogg", "audio/ogg", ms_of(ogg_samples(s), rate), false);
}

struct sniffed sniff_wav(const struct source *s) {
    unsigned char head[36] = {0};
    if (source_read(s, 0, head, sizeof head) < sizeof head)
        return (struct sniffed){.is = CONTENT_BROKEN};
    uint64_t per_second = memcmp(head + 12, "fmt ", 4) ? 0 : sniff_le32(head + 28);
    return sound("wav", "audio/wav", ms_of((uint64_t)s->size, per_second), false);
}

struct sniffed sniff_flac(const struct source *s) {
    unsigned char head[26] = {0};
    if (source_read(s, 0, head, sizeof head) < sizeof head)
        return (struct sniffed){.is = CONTENT_BROKEN};
    uint64_t rate = (uint64_t)head[18] << 12 | (uint64_t)head[19] << 4 | head[20] >> 4;
    uint64_t samples = (uint64_t)(head[21] & 15) << 32 | sniff_be32(head + 22);
    return sound("flac", "audio/flac", ms_of(samples, rate), false);
}

/* Kilobits per second of layer III and II of MPEG 1, and of both of MPEG 2. */
static const int mp3_kbits[3][16] = {
    {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0},
    {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0},
    {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0},
};

/* Of the frame there, or 0: it is none. */
static int mp3_frame(const struct source *s, int64_t at) {
    unsigned char h[4];
    if (source_read(s, at, h, 4) != 4 || h[0] != 0xff || (h[1] & 0xe0) != 0xe0)
        return 0;
    int version = h[1] >> 3 & 3, layer = h[1] >> 1 & 3;
    if (version == 1 || (layer != 1 && layer != 2) || (h[2] >> 2 & 3) == 3)
        return 0;
    return mp3_kbits[version != 3 ? 2 : layer == 1 ? 0 : 1][h[2] >> 4];
}

/* Where frames differ in size the first one counts them all. */
static int64_t mp3_counted_ms(const struct source *s, int64_t at) {
    static const int rates[3] = {44100, 48000, 32000};
    unsigned char h[4], count[8];
    int64_t tag = source_find(s, at, at + 200, "Xing", 4);
    if (tag < 0)
        tag = source_find(s, at, at + 200, "Info", 4);
    if (tag < 0 || source_read(s, at, h, 4) != 4 || source_read(s, tag + 4, count, 8) != 8 || !(count[3] & 1))
        return 0;
    int version = h[1] >> 3 & 3, rate = rates[(h[2] >> 2 & 3) % 3] >> (version == 3 ? 0 : version == 2 ? 1 : 2);
    return ms_of((uint64_t)sniff_be32(count + 4) * (version == 3 ? 1152 : 576), (uint64_t)rate);
}

struct sniffed sniff_mp3(const struct source *s) {
    unsigned char tag[10] = {0};
    int64_t at = 0;
    bool tagged = source_has(s, 0, "ID3", 3) && source_read(s, 0, tag, sizeof tag) == sizeof tag;
    if (tagged)
        at = 10 + ((int64_t)(tag[6] & 127) << 21 | (int64_t)(tag[7] & 127) << 14 | (int64_t)(tag[8] & 127) << 7 | (tag[9] & 127));
    int kbits = mp3_frame(s, at);
    if (tagged && tag[3] > 4)            /* "ID3 is …" */
        tagged = false;
    if (!kbits && !tagged)
        return (struct sniffed){0};
    if (tagged && at >= s->size)
        return (struct sniffed){.is = CONTENT_BROKEN};
    int64_t counted = kbits ? mp3_counted_ms(s, at) : 0;
    return sound("mp3", "audio/mpeg", counted ? counted : kbits ? (s->size - at) * 8 / kbits : 0, false);
}
