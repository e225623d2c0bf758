/* Files as small as they can be, each of them whole, cut off, and called something else. (Files by real tools: tests/e2e/test_media.py.) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "media/sniff.h"
#include "tests/unit/unit.h"

static char data[512 * 1024];
static size_t len;

static void none(void) {
    len = 0;
}

static void put(const void *bytes, size_t n) {
    assert_true(len + n <= sizeof data);
    memcpy(data + len, bytes, n);
    len += n;
}
#define PUT(text) put(text, sizeof text - 1)

static void put_le(uint32_t n, int bytes) {
    for (int i = 0; i < bytes; i++)
        put((char[]){(char)(n >> 8 * i)}, 1);
}

static void put_be(uint32_t n) {
    for (int i = 3; i >= 0; i--)
        put((char[]){(char)(n >> 8 * i)}, 1);
}

static struct sniffed seen(const char *name) {
    struct source s = {.size = (int64_t)len, .fd = -1, .data = data};
    struct sniffed in_memory = sniff(&s, name);
    FILE *f = tmpfile();                 /* from a file it must be the same */
    assert_int_equal(fwrite(data, 1, len, f), len);
    fflush(f);
    struct source on_disk = {.size = (int64_t)len, .fd = fileno(f)};
    struct sniffed again = sniff(&on_disk, name);
    fclose(f);
    assert_int_equal(in_memory.is, again.is);
    assert_string_equal(in_memory.ext, again.ext);
    assert_string_equal(in_memory.mime, again.mime);
    if (in_memory.is == CONTENT_DOCUMENT)
        assert_non_null(in_memory.opening);
    return in_memory;
}

static void expect(enum content is, const char *ext) {
    struct sniffed s = seen(NULL);
    assert_int_equal(s.is, is);
    if (ext)
        assert_string_equal(s.ext, ext);
}

/* What was put is that; without its second half it is that. */
static void whole_and_half(enum content whole, const char *ext, enum content half) {
    expect(whole, ext);
    len /= 2;
    expect(half, NULL);
    none();
}

/* ── pictures ──────────────────────────────────────────────────────────────────────────────────────────────── */

static void put_gif(int pictures) {
    PUT("GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0");
    PUT("\x21\xf9\x04\0\0\0\0\0");
    for (int i = 0; i < pictures; i++)
        PUT("\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0");
    PUT(";");
}

static void put_webp(const char *chunk, char flags) {
    PUT("RIFF");
    put_le(30, 4);
    PUT("WEBP");
    put(chunk, 4);
    put_le(18, 4);
    put(&flags, 1);
    put("................", 17);
}

static void pictures(void **state) {
    PUT("\x89PNG\r\n\x1a\n");
    put_be(3), PUT("IHDRabccrc."), put_be(0), PUT("IENDcrc.");
    whole_and_half(CONTENT_IMAGE, "png", CONTENT_BROKEN);
    PUT("\xff\xd8\xff\xe0\0\x06" "\xff\xd9..\xff\xda\0\x04..data\xff\xd9 a film");
    expect(CONTENT_IMAGE, "jpg");
    len -= 9;
    expect(CONTENT_BROKEN, NULL);        /* the end of the preview is not the end */
    none();
    put_gif(1);
    whole_and_half(CONTENT_IMAGE, "gif", CONTENT_BROKEN);
    put_gif(2);
    expect(CONTENT_MOVING, "gif");
    none();
    put_webp("VP8 ", 2);
    whole_and_half(CONTENT_IMAGE, "webp", CONTENT_BROKEN);
    put_webp("VP8X", 2);
    expect(CONTENT_MOVING, "webp");
    none();
    put_webp("VP8X", 0x10);
    expect(CONTENT_IMAGE, "webp");
    none();
    PUT("BM\x46\0\0\0\0\0\0\0\x36\0\0\0");
    expect(CONTENT_OTHER, "");
    none();
    put_be(24), PUT("ftypheic\0\0\0\0mif1heic");
    expect(CONTENT_OTHER, "");
    none();
}

/* ── sound ─────────────────────────────────────────────────────────────────────────────────────────────────── */

static void put_mp4(const char *brand, const char *handler) {
    put_be(16), PUT("ftyp"), put(brand, 4), put_be(0);
    put_be(8 + 28 + 8 + 8 + 20), PUT("moov");
    put_be(28), PUT("mvhd"), put_be(0), put_be(0), put_be(0), put_be(1000), put_be(2500);
    put_be(8 + 8 + 8 + 12), PUT("trak");
    put_be(8 + 8 + 12), PUT("mdia");
    put_be(20), PUT("hdlr"), put_be(0), put_be(0), put(handler, 4);
}

static void films(void **state) {
    put_mp4("isom", "soun");
    assert_int_equal(seen(NULL).duration_ms, 2500);
    assert_false(seen(NULL).convert);
    expect(CONTENT_SOUND, "m4a");
    len -= 20;
    expect(CONTENT_BROKEN, NULL);
    none();
    put_mp4("mp42", "vide");
    expect(CONTENT_SILENT, NULL);
    none();
    put_mp4("qt  ", "soun");
    assert_true(seen(NULL).convert);
    none();
    PUT("\x1a\x45\xdf\xa3....B\x82\x84webm........V_VP9.....A_OPUS....");
    expect(CONTENT_SOUND, "webm");
    none();
    PUT("\x1a\x45\xdf\xa3....B\x82\x88matroska....V_MPEG4....A_AAC....");
    assert_true(seen(NULL).convert);
    none();
    PUT("\x1a\x45\xdf\xa3....B\x82\x84webm........V_VP9................");
    expect(CONTENT_SILENT, "webm");
    none();
    PUT("RIFF....AVI LIST............");
    assert_true(seen(NULL).convert);
    expect(CONTENT_SOUND, "avi");
    none();
}

static void sounds(void **state) {
    PUT("OggS\0\x02\0\0\0\0\0\0\0\0serinumbcrc.\x01\x13OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0");
    PUT("OggS\0\x04"), put_le(48000 * 3, 4), put_le(0, 4), PUT("serinumbcrc.\x01\x01x");
    expect(CONTENT_SOUND, "ogg");
    assert_int_equal(seen("voice.pdf").duration_ms, 3000);
    none();
    PUT("RIFF"), put_le(36, 4), PUT("WAVEfmt "), put_le(16, 4), put_le(1, 2), put_le(1, 2), put_le(8000, 4), put_le(16000, 4), put_le(2, 2), put_le(16, 2);
    PUT("data"), put_le(31956, 4);
    len = 32000;
    expect(CONTENT_SOUND, "wav");
    assert_int_equal(seen(NULL).duration_ms, 2000);
    none();
    memset(data, 0, 2000);
    PUT("ID3\x04\0\0\0\0\0\x0a.........." "\xff\xfb\x90\x64");
    len = 16020;
    expect(CONTENT_SOUND, "mp3");
    assert_int_equal(seen(NULL).duration_ms, 1000);
    none();
    PUT("\xff\xf3\x48\xc4................");
    expect(CONTENT_SOUND, "mp3");
    none();
    PUT("\xff\xf1\x50\x80................");
    expect(CONTENT_SOUND, "aac");
    assert_true(seen(NULL).convert);
    none();
    PUT("fLaC\0\0\0\x22" "........" "\0\0" "\x0a\xc4\x42\xf0\0\x01\x58\x88" "................");
    expect(CONTENT_SOUND, "flac");
    assert_int_equal(seen(NULL).duration_ms, 2000);
    none();
    PUT("#!AMR\n....");
    assert_true(seen(NULL).convert);
    none();
    PUT("\x1f\x8b\x08\0....");
    assert_true(seen(NULL).gzip);
    expect(CONTENT_ARCHIVE, NULL);
    none();
}

/* ── documents ─────────────────────────────────────────────────────────────────────────────────────────────── */

static void put_pdf(const char *trailer) {
    PUT("%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n");
    put(trailer, strlen(trailer));
    PUT("\nstartxref\n9\n%%EOF\n");
}

static void pdfs(void **state) {
    put_pdf("<< /Root 1 0 R >>");
    whole_and_half(CONTENT_DOCUMENT, "pdf", CONTENT_BROKEN);
    assert_true(len == 0);
    put_pdf("<< /Count 12 >> << /Count 3 >> << /Root 1 0 R >>");
    assert_int_equal(seen(NULL).pages, 12);
    none();
    put_pdf("<< /Root 1 0 R /Encrypt 2 0 R >>");
    expect(CONTENT_LOCKED, "pdf");
    assert_true(seen(NULL).pdf);
    none();
    put_pdf("<< /Root 1 0 R /Encrypt\r\n<< /V 4 >> >>");
    expect(CONTENT_LOCKED, "pdf");
    none();
    put_pdf("<< /Root 1 0 R /EncryptMetadata false /Title (/Encrypt me) >>");
    expect(CONTENT_DOCUMENT, "pdf");
    none();
    PUT("junk in front \xff\n");
    put_pdf("<< /Root 1 0 R >>");
    assert_string_equal(seen("a.txt").ext, "pdf");
    none();
    PUT("%PDF-1.7 and nothing");
    expect(CONTENT_BROKEN, "pdf");
    none();
}

struct entry { const char *name, *text; };

static void put_zip(const struct entry *entries) {
    size_t at[8];
    int n = 0;
    for (; entries[n].name; n++) {
        at[n] = len;
        PUT("PK\x03\x04\x14\0\0\0\0\0\0\0\0\0crc."), put_le((uint32_t)strlen(entries[n].text), 4), put_le((uint32_t)strlen(entries[n].text), 4);
        put_le((uint32_t)strlen(entries[n].name), 2), put_le(0, 2), put(entries[n].name, strlen(entries[n].name)), put(entries[n].text, strlen(entries[n].text));
    }
    size_t directory = len;
    for (int i = 0; i < n; i++) {
        PUT("PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0crc."), put_le(0, 4), put_le(0, 4), put_le((uint32_t)strlen(entries[i].name), 2), put_le(0, 2);
        put_le(0, 2), put_le(0, 2), put_le(0, 2), put_le(0, 4), put_le((uint32_t)at[i], 4), put(entries[i].name, strlen(entries[i].name));
    }
    size_t size = len - directory;
    PUT("PK\x05\x06\0\0\0\0"), put_le((uint32_t)n, 2), put_le((uint32_t)n, 2), put_le((uint32_t)size, 4), put_le((uint32_t)directory, 4), put_le(0, 2);
}

static void zips(void **state) {
    put_zip((struct entry[]){{"[Content_Types].xml", "<a/>"}, {"_rels/.rels", "r"}, {"word/document.xml", "<w/>"}, {0}});
    whole_and_half(CONTENT_DOCUMENT, "docx", CONTENT_BROKEN);
    put_zip((struct entry[]){{"xl/workbook.xml", "x"}, {"[Content_Types].xml", "<a/>"}, {0}});
    expect(CONTENT_DOCUMENT, "xlsx");
    none();
    put_zip((struct entry[]){{"[Content_Types].xml", "<a/>"}, {"ppt/presentation.xml", "x"}, {"ppt/embeddings/word/", ""}, {0}});
    expect(CONTENT_DOCUMENT, "pptx");
    none();
    put_zip((struct entry[]){{"mimetype", "application/vnd.oasis.opendocument.text"}, {"content.xml", "x"}, {0}});
    expect(CONTENT_DOCUMENT, "odt");
    none();
    put_zip((struct entry[]){{"mimetype", "application/vnd.oasis.opendocument.spreadsheet"}, {"content.xml", "x"}, {0}});
    expect(CONTENT_OTHER, "");
    none();
    put_zip((struct entry[]){{"Index/Document.iwa", "x"}, {"Index/Slide-1.iwa", "x"}, {0}});
    expect(CONTENT_DOCUMENT, "key");
    none();
    put_zip((struct entry[]){{"Index/Document.iwa", "x"}, {"Index/Tables/DataList.iwa", "x"}, {0}});
    expect(CONTENT_OTHER, "");
    none();
    put_zip((struct entry[]){{"holiday.jpg", "x"}, {"notes.txt", "x"}, {0}});
    whole_and_half(CONTENT_ARCHIVE, "", CONTENT_ARCHIVE);
}

static void put_ole(const char *stream) {
    PUT("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    memset(data + len, 0, 4096);
    len = 1024 + 128;
    for (size_t i = 0; i < strlen(stream); i++)
        data[1024 + 2 * i] = stream[i];
    data[1024 + 64] = (char)(2 * strlen(stream) + 2);
    len = 2048;
}

static void old_offices(void **state) {
    static const char *const streams[][2] = {{"WordDocument", "doc"}, {"Workbook", "xls"}, {"Book", "xls"}, {"PowerPoint Document", "ppt"}};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        put_ole(streams[i][0]);
        expect(CONTENT_DOCUMENT, streams[i][1]);
        none();
    }
    put_ole("EncryptedPackage");
    expect(CONTENT_LOCKED, NULL);
    assert_false(seen(NULL).pdf);
    none();
    put_ole("Something");
    expect(CONTENT_OTHER, NULL);
    none();
}

static void texts(void **state) {
    PUT("Привет, мир!\n");
    expect(CONTENT_DOCUMENT, "txt");
    assert_true(seen(NULL).text);
    assert_string_equal(seen("notes.md").ext, "md");
    assert_string_equal(seen("прайс.CSV").opening, "doc_table");
    assert_string_equal(seen("main.c").opening, "doc_code");
    assert_string_equal(seen("what.ever").ext, "txt");
    assert_string_equal(seen(".c").ext, "txt");
    assert_int_equal(seen("report.pdf").is, CONTENT_BROKEN);
    assert_int_equal(seen("photo.JPG").is, CONTENT_BROKEN);
    none();
    PUT("\xef\xbb\xbfwith a mark");
    expect(CONTENT_DOCUMENT, "txt");
    none();
    PUT("\xff\xfeH\0i\0!\0");
    expect(CONTENT_DOCUMENT, "txt");
    none();
    PUT("\xcf\xf0\xe8\xe2\xe5\xf2");         /* windows-1251 */
    expect(CONTENT_OTHER, "");
    none();
    PUT("text\0with a hole");
    expect(CONTENT_OTHER, "");
    none();
    PUT("{\\rtf1\\ansi hello}");
    expect(CONTENT_DOCUMENT, "rtf");
    none();
    PUT("\x7f" "ELF\x02\x01\x01\0\0\0");
    expect(CONTENT_OTHER, "");
    none();
    while (len < 300 * 1024)             /* characters lie across the pieces it is read in */
        PUT("ы€😀");
    expect(CONTENT_DOCUMENT, "txt");
    data[200 * 1024] = (char)0xff;
    expect(CONTENT_OTHER, "");
    none();
}

static void texts_may_begin_like_something_else(void **state) {
    static const char *const texts[] = {"caffeine is a drug\n", "The moov atom\n", "ID3 is a tag\n", "BZh is how it begins\n", "GIF89a is a format\n",
        "MSCF\n", "magic: \"%PDF-1.4\" 1 0 obj startxref\n", "Rar! and more\n", "1234ftyp\n", "RIFFraff WEBP\n", "FORM of a WAVE\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put(texts[i], strlen(texts[i]));
        expect(CONTENT_DOCUMENT, "txt");
        none();
    }
}

static void next_to_nothing(void **state) {
    expect(CONTENT_EMPTY, "");
    PUT("a");
    expect(CONTENT_EMPTY, "");
    PUT("b");
    expect(CONTENT_EMPTY, "");
    none();
    PUT("\xff\xd8\xff");
    expect(CONTENT_BROKEN, NULL);
    none();
    PUT("GIF89a");
    assert_int_equal(seen("a.gif").is, CONTENT_BROKEN);
    none();
    PUT("PK\x03\x04");
    expect(CONTENT_ARCHIVE, NULL);
    none();
}

static void what_is_looked_for_is_found_across_pieces(void **state) {
    memset(data, 'x', 200000);
    struct source s = {.size = 200000, .fd = -1, .data = data};
    for (int64_t at = 65530; at < 65540; at++) {
        memcpy(data + at, "needle", 6);
        assert_int_equal(source_find(&s, 0, s.size, "needle", 6), at);
        assert_int_equal(source_find(&s, at, s.size, "needle", 6), at);
        assert_int_equal(source_find(&s, at + 1, s.size, "needle", 6), -1);
        assert_int_equal(source_find(&s, 0, at + 5, "needle", 6), -1);
        memset(data + at, 'x', 6);
    }
    assert_int_equal(source_find(&s, -100, s.size, "needle", 6), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures),
        cmocka_unit_test(films),
        cmocka_unit_test(sounds),
        cmocka_unit_test(pdfs),
        cmocka_unit_test(zips),
        cmocka_unit_test(old_offices),
        cmocka_unit_test(texts),
        cmocka_unit_test(texts_may_begin_like_something_else),
        cmocka_unit_test(next_to_nothing),
        cmocka_unit_test(what_is_looked_for_is_found_across_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
