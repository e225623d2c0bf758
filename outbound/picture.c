#include "outbound/picture.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "outbound/followed.h"
#include "proto/keys.h"
#include "services/alloc.h"
#include "services/utf8.h"

enum { PIECE = 128 * 1024, PHOTO_MOST = 10 * 1024 * 1024, CAPTION_MOST_UNITS = 1024, NO_DISK_MS = 10 * SECOND };

/* --- what it looks like --- */

static char *caption_of(const char *prompt) {
    static const char cut[] = "…";
    size_t len = strlen(prompt), fits = utf8_fit(prompt, len, CAPTION_MOST_UNITS);
    if (fits == len)
        return alloc_copy(prompt, len);
    fits = utf8_fit(prompt, len, CAPTION_MOST_UNITS - 1);
    char *caption = alloc_zero(fits + sizeof cut);
    memcpy(caption, prompt, fits);
    memcpy(caption + fits, cut, sizeof cut);
    return caption;
}

static void put(char **place, const char *word) {
    free(*place);
    *place = alloc_copy(word, strlen(word));
}

bool picture_compose(struct follow *f, const struct fields *job) {
    struct picture *p = &f->picture;
    p->is = *fields_str(job, "blob") && !*fields_str(job, "line") && strcmp(fields_str(job, "how"), HOW_STOPPED) && !p->gone && !p->refused;
    if (!p->is)
        return false;
    put(&p->blob, fields_str(job, "blob"));
    put(&p->type, fields_str(job, "blob_type"));
    put(&p->name, fields_str(job, "blob_name"));
    free(p->caption);
    p->caption = caption_of(fields_str(job, "text"));
    p->bytes = fields_int_or(job, "blob_bytes", 0);
    p->as_file = p->as_file || !strcmp(fields_str(job, "as"), "file") || p->bytes > PHOTO_MOST;
    return true;
}

void picture_add_line(struct follow *f, const char *line) {
    char *caption = f->picture.caption;
    size_t had = strlen(caption), more = strlen(line);
    if (utf8_units(caption, had) + 2 + utf8_units(line, more) > CAPTION_MOST_UNITS)
        return;
    caption = alloc_again(caption, had + 2 + more + 1);
    memcpy(caption + had, "\n\n", 2);
    memcpy(caption + had + 2, line, more + 1);
    f->picture.caption = caption;
}

const char *picture_line(const struct follow *f, const struct fields *job) {
    if (!*fields_str(job, "blob"))
        return "";
    return f->picture.gone ? "picture_gone" : f->picture.refused ? "picture_refused" : "";
}

bool picture_stands(const struct follow *f) {
    return f->count > PICTURE_PART && f->bubbles[PICTURE_PART].id;
}

bool picture_lacks(const struct follow *f, enum telegram_method *ret_method, size_t *ret_part) {
    *ret_part = PICTURE_PART;
    *ret_method = f->picture.as_file ? TELEGRAM_DOCUMENT : TELEGRAM_PHOTO;
    if (!picture_stands(f))
        return true;
    *ret_method = TELEGRAM_DELETE;
    for (size_t i = 0; i < f->count; i++) {
        *ret_part = i;
        if (i != PICTURE_PART && f->bubbles[i].id)
            return true;
    }
    return false;
}

bool picture_another_way(struct follow *f) {
    bool was_photo = !f->picture.as_file;
    f->picture.as_file = true;
    f->picture.refused = !was_photo;
    return was_photo;
}

/* --- its bytes --- */

static void on_piece(const redisReply *reply, void *owner) {
    struct follow *f = owner;
    struct picture *p = &f->picture;
    f->script = NULL;
    if (reply->type != REDIS_REPLY_STRING) {
        log_error(&f->about, "load_picture: %s", reply->type == REDIS_REPLY_ERROR ? reply->str : "no bytes");
        p->gone = true;
    } else if (spool_add(&p->spool, reply->str, (size_t)reply->len)) {
        spool_close(&p->spool);
        p->opened = false;
    } else if (reply->len < PIECE) {
        p->gone = p->spool.len != p->bytes || !p->bytes;
        p->loaded = !p->gone;
    }
    steps_wake(&f->steps);
}

enum step_end picture_load(struct steps *s) {
    struct follow *f = follow_of(s);
    struct picture *p = &f->picture;
    if (!p->opened && spool_open(&p->spool)) {
        log_error(&f->about, "load_picture: no place for the picture");
        return follow_rest(f, NO_DISK_MS);
    }
    p->opened = true;
    char key[400];
    snprintf(key, sizeof key, "%sblob:%s", setting_text("KEY_PREFIX"), p->blob);
    struct args a = {0};
    args_str(&a, "GETRANGE");
    args_str(&a, key);
    args_int(&a, p->spool.len);
    args_int(&a, p->spool.len + PIECE - 1);
    f->script = redis_command(f->desk->svc->redis, &a, on_piece, f);
    return STEP_WAIT;
}

enum step_end picture_loaded(struct steps *s) {
    struct follow *f = follow_of(s);
    struct picture *p = &f->picture;
    if (f->script)
        return follow_wait_again(f);
    if (!p->opened) {
        log_error(&f->about, "load_picture: no room for the picture");
        return follow_rest(f, NO_DISK_MS);
    }
    if (p->gone) {
        log_warn(&f->about, "the picture is not in Redis any more");
        return steps_goto(s, "take");    /* it ends in words */
    }
    return steps_goto(s, p->loaded ? "choose" : "load_picture");
}

void picture_send(struct follow *f, const struct telegram_message *m) {
    struct picture *p = &f->picture;
    bool photo = f->method == TELEGRAM_PHOTO;
    const char *slash = strchr(p->type, '/');
    char name[64];
    if (*p->name)
        snprintf(name, sizeof name, "%s", p->name);
    else
        snprintf(name, sizeof name, "picture.%s", slash && strlen(slash) < 10 ? slash + 1 : "png");
    multipart_done(&p->body);
    multipart_init(&p->body);
    telegram_form(f->method, m, &p->body);
    multipart_file(&p->body, photo ? "photo" : "document", name, p->type, p->spool.fd, p->spool.len);
    telegram_upload(f->desk->telegram, &f->call, f->method, &p->body);
}

void picture_done(struct follow *f) {
    struct picture *p = &f->picture;
    if (p->opened)
        spool_close(&p->spool);
    multipart_done(&p->body);
    free(p->blob);
    free(p->type);
    free(p->name);
    free(p->caption);
}
