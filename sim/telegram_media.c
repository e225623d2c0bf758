#include "sim/telegram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/faults.h"
#include "sim/files.h"

enum { CAPTION_MAX = 1024 };
#define DOWNLOAD_MAX ((size_t)20971520)
#define PHOTO_MAX ((size_t)10 * 1024 * 1024)
#define UPLOAD_MAX ((size_t)50 * 1024 * 1024)

static const struct media {
    const char *method, *field, *members;       /* members: beside those of a file; NULL: a list of sizes */
    bool named, typed, timed;                   /* has file_name, mime_type, duration */
    const char *name, *ctype;                   /* of a file that a user makes */
} media[] = {
    { "sendPhoto",     "photo",      NULL, false, false, false, "photo.jpg", "image/jpeg" },
    { "sendDocument",  "document",   "", true, true, false, "notes.txt", "text/plain" },
    { "sendAudio",     "audio",      "", true, true, true, "song.mp3", "audio/mpeg" },
    { "sendVoice",     "voice",      "", false, true, true, "voice.oga", "audio/ogg" },
    { "sendVideo",     "video",      ",\"width\":320,\"height\":240", true, true, true, "clip.mp4", "video/mp4" },
    { "sendAnimation", "animation",  ",\"width\":320,\"height\":240", true, true, true, "fun.mp4", "video/mp4" },
    { "sendVideoNote", "video_note", ",\"length\":240", false, false, true, "round.mp4", "video/mp4" },
    { "sendSticker",   "sticker",    ",\"type\":\"regular\",\"width\":512,\"height\":512,\"is_animated\":false,\"is_video\":false,\"emoji\":\"\xf0\x9f\x91\x8d\"", false, false, false, "s.webp", "image/webp" },
};

static const struct media *media_of(const char *kind) {
    for (size_t i = 0; i < sizeof media / sizeof *media; i++)
        if (!strcmp(media[i].field, kind))
            return &media[i];
    return NULL;
}

bool media_is(const char *kind) {
    return media_of(kind);
}

struct file *media_file(struct sim *sim, const char *kind, const char *name, const char *ctype, size_t bytes) {
    const struct media *m = media_of(kind);
    return m ? files_add(sim, "AwACAgIAAxk", name ? name : m->name, ctype ? ctype : m->ctype, NULL, bytes) : NULL;
}

static void file_members(struct buf *b, const struct file *f) {
    buf_str(b, "{\"file_id\":");
    buf_json_str(b, f->id);
    buf_fmt(b, ",\"file_unique_id\":\"AQAD%lld\",\"file_size\":%zu", (long long)f->n, f->len);
}

/* The file an argument means: an upload, attach://name, a known file_id, or a URL. NULL: refused. */
static const struct file *given_file(struct tg_call *t, const char *field) {
    const struct param_file *up = param_file(&t->p, field);
    const char *value = param_str(&t->p, field);
    const struct file *known;
    if (!up && value && !strncmp(value, "attach://", 9))
        up = param_file(&t->p, value + 9);
    if (up) {
        if (!up->len)
            tg_refuse(t, 400, "Bad Request: file must be non-empty");
        else if (up->len > (strcmp(field, "photo") ? UPLOAD_MAX : PHOTO_MAX))
            tg_refuse(t, 413, "Request Entity Too Large");
        else
            return files_add(t->sim, "BQACAgIAAxk", up->name, up->ctype, up->data, up->len);
        return NULL;
    }
    if (!value || !*value) {
        char text[64];
        snprintf(text, sizeof text, "Bad Request: there is no %s in the request", field);
        tg_refuse(t, 400, text);
        return NULL;
    }
    if (!strncmp(value, "http://", 7) || !strncmp(value, "https://", 8))
        return files_add(t->sim, "BQACAgIAAxk", value, NULL, NULL, 1000);       /* nothing is fetched */
    known = files_find(t->sim->files, value);
    if (!known)
        tg_refuse(t, 400, "Bad Request: wrong remote file identifier specified: Wrong string length");
    return known;
}

static void typed_file(struct buf *b, const struct media *kind, const struct file *f) {
    file_members(b, f);
    if (kind->named) {
        buf_str(b, ",\"file_name\":");
        buf_json_str(b, f->name);
    }
    if (kind->typed) {
        buf_str(b, ",\"mime_type\":");
        buf_json_str(b, f->ctype);
    }
    if (kind->timed)
        buf_fmt(b, ",\"duration\":%zu", (f->len + 1999) / 2000);
    buf_str(b, kind->members);
    buf_str(b, "}");
}

const char *media_to_json(struct sim *sim, const char *name, const struct file *f, struct buf *b) {
    const struct media *kind = media_of(name);
    if (!kind)
        return NULL;
    buf_fmt(b, ",\"%s\":", kind->field);
    if (!kind->members) {
        struct buf large = {0};
        file_members(&large, f);
        buf_str(b, "[");
        file_members(b, files_add(sim, "AgACAgIAAxk", f->name, f->ctype, NULL, f->len / 8 + 1));    /* f may be gone now */
        buf_fmt(b, ",\"width\":90,\"height\":90},%s,\"width\":1024,\"height\":1024}]", large.p);
        buf_done(&large);
        return kind->field;
    }
    typed_file(b, kind, f);
    if (!strcmp(kind->field, "animation")) {    /* for clients that know no animations */
        buf_str(b, ",\"document\":");
        typed_file(b, media_of("document"), f);
    }
    return kind->field;
}

void tg_send_media(struct tg_call *t) {
    const struct media *kind = media;
    struct chat *c = tg_chat(t, true);
    const struct file *f;
    struct message *m;
    struct buf b = {0};
    char *text, *entities;
    while (strcmp(kind->method, t->method))
        kind++;
    if (!c || !(f = given_file(t, kind->field)) || !tg_text(t, "caption", "caption_entities", CAPTION_MAX, true, &text, &entities))
        return;
    m = tg_send(t, c, text, entities);
    free(text);
    if (!m) {
        free(entities);
        return;
    }
    m->kind = media_to_json(t->sim, kind->field, f, &b);
    m->extra = buf_take(&b);
    message_to_json(m, &b, true);
    tg_result(t, &b);
}

/* Where a file is downloaded from: files/<n>.<extension>, so that the name tells nothing but the type. */
static void file_path(const struct file *f, char *room, size_t cap) {
    const char *dot = strrchr(f->name, '.');
    snprintf(room, cap, "documents/file_%lld%.10s", (long long)f->n, dot ? dot : "");
}

void tg_get_file(struct tg_call *t) {
    const char *id = param_str(&t->p, "file_id");
    const struct file *f = id ? files_find(t->sim->files, id) : NULL;
    struct buf b = {0};
    char path[64];
    if (!f) {
        tg_refuse(t, 400, id && *id ? "Bad Request: wrong file_id or the file is temporarily unavailable" : "Bad Request: file_id not specified");
    } else if (f->len > DOWNLOAD_MAX) {
        tg_refuse(t, 400, "Bad Request: file is too big");
    } else {
        file_path(f, path, sizeof path);
        file_members(&b, f);
        buf_str(&b, ",\"file_path\":");
        buf_json_str(&b, path);
        buf_str(&b, "}");
        tg_result(t, &b);
    }
}

void telegram_download(struct sim *sim, struct exch *x) {
    const char *token = x->http->path + 9, *slash = strchr(token, '/'), *under;
    struct bot *bot;
    const struct file *f = NULL;
    char text[128], path[64];
    struct fault_call call = { .telegram = true, .method = "download", .path = x->http->path };
    if (faults_hit(sim, x, &call))
        return;
    snprintf(text, sizeof text, "%.*s", slash ? (int)(slash - token) : 0, token);
    bot = bot_find(sim, text, true);
    under = slash ? strrchr(slash, '_') : NULL;
    if (bot && under)
        f = files_at(sim->files, strtoll(under + 1, NULL, 10));
    if (f) {
        file_path(f, path, sizeof path);
        f = strcmp(path, slash + 1) ? NULL : f;
    }
    sim_count(sim, f ? "telegram.download" : "telegram.download.404", 1);
    const char *range = f ? http_header(x->http, "Range") : NULL;
    long long from = 0;
    if (range && sscanf(range, "bytes=%lld-", &from) == 1 && from > 0) {        /* as Telegram's servers do it */
        char headers[120];
        if (from >= (long long)f->len) {
            exch_answer(x, 416, "text/plain", NULL, "", 0);
            return;
        }
        snprintf(headers, sizeof headers, "Content-Range: bytes %lld-%zu/%zu\r\n", from, f->len - 1, f->len);
        sim_count(sim, "telegram.download.206", 1);
        char *zeros = f->data ? NULL : xalloc(f->len);
        exch_answer(x, 206, "application/octet-stream", headers, (f->data ? f->data : zeros) + from, f->len - (size_t)from);
        free(zeros);
        return;
    }
    if (!f) {
        static const char not_found[] = "{\"ok\":false,\"error_code\":404,\"description\":\"Not Found\"}";
        exch_answer(x, 404, "application/json", NULL, not_found, sizeof not_found - 1);
    } else if (f->data) {
        exch_answer(x, 200, "application/octet-stream", NULL, f->data, f->len);
    } else {
        char *zeros = xalloc(f->len);
        exch_answer(x, 200, "application/octet-stream", NULL, zeros, f->len);
        free(zeros);
    }
}
