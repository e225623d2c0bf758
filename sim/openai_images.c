/* Pictures: real ones, small, and larger on request. What they are of stands in a text chunk, so that a test can tell them apart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/openai.h"

#define INVALID "invalid_request_error"
enum { SIDE = 64, BYTES_MAX = 64 * 1024 * 1024 };

static uint32_t crc_of(const unsigned char *p, size_t n) {
    uint32_t crc = 0xFFFFFFFF;
    static uint32_t table[256];
    for (uint32_t i = 0; i < 256 && !table[255]; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xEDB88320 ^ c >> 1 : c >> 1;
        table[i] = c;
    }
    while (n--)
        crc = table[(crc ^ *p++) & 0xFF] ^ crc >> 8;
    return ~crc;
}

static void put32(struct buf *b, uint32_t v) {
    unsigned char bytes[4] = { (unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v };
    buf_add(b, bytes, 4);
}

static void chunk(struct buf *b, const char *type, const void *data, size_t n) {
    size_t from;
    put32(b, (uint32_t)n);
    from = b->n;
    buf_add(b, type, 4);
    buf_add(b, data, n);
    put32(b, crc_of((const unsigned char *)b->p + from, n + 4));
}

/* One colour out of the words, as an uncompressed grey picture. */
static void pixels(struct buf *b, unsigned char grey) {
    unsigned char row[1 + SIDE], size[4] = { (unsigned char)(sizeof row * SIDE), (unsigned char)(sizeof row * SIDE >> 8) };
    uint32_t s1 = 1, s2 = 0;
    struct buf z = {0};
    memset(row, grey, sizeof row);
    row[0] = 0;
    size[2] = (unsigned char)~size[0];
    size[3] = (unsigned char)~size[1];
    buf_add(&z, "\x78\x01\x01", 3);
    buf_add(&z, size, 4);
    for (int y = 0; y < SIDE; y++) {
        buf_add(&z, row, sizeof row);
        for (size_t x = 0; x < sizeof row; x++) {
            s1 = (s1 + row[x]) % 65521;
            s2 = (s2 + s1) % 65521;
        }
    }
    put32(&z, s2 << 16 | s1);
    chunk(b, "IDAT", z.p, z.n);
    buf_done(&z);
}

static void draw(const char *words, size_t bytes, struct buf *b) {
    static const unsigned char header[13] = { 0, 0, 0, SIDE, 0, 0, 0, SIDE, 8, 0, 0, 0, 0 };
    struct buf text = {0};
    buf_add(b, "\x89PNG\r\n\x1a\n", 8);
    chunk(b, "IHDR", header, sizeof header);
    buf_add(&text, "Comment", 8);
    buf_str(&text, words);
    chunk(b, "tEXt", text.p, text.n);
    pixels(b, (unsigned char)crc_of((const unsigned char *)words, strlen(words)));
    if (bytes > b->n + 24) {
        size_t n = bytes - b->n - 24;
        unsigned char *noise = xalloc(n);
        for (size_t i = 0; i < n; i++)
            noise[i] = (unsigned char)(i * 2654435761u >> 13);
        chunk(b, "paDd", noise, n);
        free(noise);
    }
    chunk(b, "IEND", "", 0);
    buf_done(&text);
}

static void add_base64(struct buf *b, const unsigned char *p, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char piece[4];
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        piece[0] = digits[v >> 18];
        piece[1] = digits[v >> 12 & 63];
        piece[2] = i + 1 < n ? digits[v >> 6 & 63] : '=';
        piece[3] = i + 2 < n ? digits[v & 63] : '=';
        buf_add(b, piece, 4);
    }
}

/* given: bytes of the picture that is changed; 0: there is none */
static void answer(struct oa_call *c, const char *prompt, const char *model, const char *size, const char *quality, int64_t n, size_t given) {
    struct buf b = {0};
    const char *bytes;
    int64_t in, out;
    if (!prompt || !*prompt) {
        oa_refuse(c, 400, "Missing required parameter: 'prompt'.", INVALID, "prompt", "missing_required_parameter");
        return;
    }
    if (n < 1 || n > 10) {
        oa_refuse(c, 400, "Invalid 'n': integer out of range. Expected a value between 1 and 10.", INVALID, "n", "integer_out_of_range");
        return;
    }
    if (model && !oa_model_is_there(c, model))
        return;
    if (strstr(prompt, "[[forbidden]]")) {
        oa_refuse(c, 400, "Your request was rejected by the safety system.", "image_generation_user_error", NULL, "moderation_blocked");
        return;
    }
    bytes = strstr(prompt, "[[bytes=");
    in = answer_tokens(strlen(prompt)) + (given ? 1000 : 0);
    out = 1056 * n;
    buf_fmt(&b, "{\"created\":%lld,\"background\":\"opaque\",\"data\":[", (long long)(sim_now_ms() / 1000));
    for (int64_t i = 0; i < n; i++) {
        struct buf png = {0}, words = {0};
        size_t most = bytes ? (size_t)strtoull(bytes + 8, NULL, 10) : 0;
        c->sim->openai->images++;
        buf_fmt(&words, "picture %lld, %s", (long long)c->sim->openai->images, size && *size ? size : "auto");
        if (given)
            buf_fmt(&words, ", made of %zu bytes", given);
        buf_fmt(&words, ": %s", prompt);
        draw(words.p, most < BYTES_MAX ? most : BYTES_MAX, &png);
        buf_str(&b, i ? ",{\"b64_json\":\"" : "{\"b64_json\":\"");
        add_base64(&b, (const unsigned char *)png.p, png.n);
        buf_str(&b, "\"}");
        buf_done(&png);
        buf_done(&words);
    }
    buf_str(&b, "],\"output_format\":\"png\",\"quality\":");
    buf_json_str(&b, quality && strcmp(quality, "auto") ? quality : "medium");
    buf_str(&b, ",\"size\":");
    buf_json_str(&b, size && strcmp(size, "auto") ? size : "1024x1024");
    buf_fmt(&b, ",\"usage\":{\"input_tokens\":%lld,\"input_tokens_details\":{\"text_tokens\":%lld,\"image_tokens\":%d},\"output_tokens\":%lld,"
                "\"output_tokens_details\":{\"image_tokens\":%lld,\"text_tokens\":0},\"total_tokens\":%lld}}", (long long)in, (long long)(in - (given ? 1000 : 0)),
            given ? 1000 : 0, (long long)out, (long long)out, (long long)(in + out));
    oa_result(c, &b);
}

void oa_draw(struct oa_call *c) {
    int64_t n = 1;
    (void)json_i64(c->body, "n", &n);           /* absent: one */
    answer(c, json_str(c->body, "prompt"), json_str(c->body, "model"), json_str(c->body, "size"), json_str(c->body, "quality"), n, 0);
}

void oa_redraw(struct oa_call *c) {
    struct params p;
    const struct param_file *image;
    int64_t n = 1;
    if (!params_read(&p, c->x->http)) {
        oa_refuse(c, 400, "Could not parse multipart form", INVALID, NULL, NULL);
    } else if (!(image = param_file(&p, "image")) && !(image = param_file(&p, "image[]"))) {
        oa_refuse(c, 400, "Missing required parameter: 'image'.", INVALID, "image", "missing_required_parameter");
    } else {
        (void)param_i64(&p, "n", &n);
        answer(c, param_str(&p, "prompt"), param_str(&p, "model"), param_str(&p, "size"), param_str(&p, "quality"), n, image->len);
    }
    params_done(&p);
}
