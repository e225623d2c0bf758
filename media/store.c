#include "media/draw.h"
#include "proto/commit.h"
#include <string.h>
#include "services/blob.h"

enum {
    PICTURE_MOST = 20 * 1024 * 1024,
    REST_MOST = 256 * 1024               /* of the answer, beside the picture */
};

static bool on_picture(const char *data, size_t len, void *owner) {
    struct drawing *d = ((struct task *)owner)->drawing;
    if (d->spool.len + (int64_t)len > PICTURE_MOST) {
        d->over = true;
        return false;
    }
    d->disk_full = spool_add(&d->spool, data, len) != 0;
    return !d->disk_full;
}

void store_begin(struct task *t) {
    struct drawing *d = t->drawing;
    store_stop(t);
    sieve_done(&d->sieve);
    sieve_init(&d->sieve, REST_MOST, on_picture, t);
    d->over = d->no_room = d->whole = d->useless = false;
    d->now = (struct drawn){0};
    d->disk_full = d->spool.fd < 0 ? spool_open(&d->spool) != 0 : spool_clear(&d->spool) != 0;
}

void store_bytes(const char *data, size_t len, void *owner) {
    struct task *t = owner;
    if (sieve_add(&t->drawing->sieve, data, len)) {
        store_go_on(t);
        return;
    }
    task_hang_up(t);                     /* no more of that */
    draw_broke_off(t);
}

/* ── into Redis ────────────────────────────────────────────────────────────────────────────────────────────── */

static void no_room(struct task *t, const char *because, const char *why) {
    struct drawing *d = t->drawing;
    d->no_room = true;
    note(t, LOG_WARN, "draw: no room for the picture in Redis%s%s", because, why);
    if (d->whole)
        steps_wake(&t->steps);           /* it tries again a little later */
}

static void on_piece(const redisReply *reply, void *owner) {
    struct task *t = owner;
    struct drawing *d = t->drawing;
    d->piece = NULL;
    if (!strcmp(answer_word(reply), "ok") && reply->type != REDIS_REPLY_ERROR) {
        d->stored += (int64_t)d->piece_len;
        store_go_on(t);
        return;
    }
    bool refused = reply->type == REDIS_REPLY_ERROR;
    no_room(t, refused ? ": " : "", refused ? reply->str : "");
}

void store_go_on(struct task *t) {
    struct drawing *d = t->drawing;
    int64_t left = d->spool.len - d->stored;
    if (d->piece || d->no_room || (left < BLOB_PIECE && !d->whole))
        return;
    if (!left) {
        draw_stored(t);
        return;
    }
    struct args args = {0};
    int64_t len = blob_piece(&args, d->id, &d->spool, d->stored);
    if (len <= 0) {
        no_room(t, ": the disk is ill", "");
        return;
    }
    d->piece_len = (size_t)len;
    d->piece = redis_script(t->media->svc->redis, SCRIPT_BLOB, &args, on_piece, t);
}

void store_drop(struct task *t, const char *blob, int64_t bytes) {
    struct args args = {0};
    blob_drop(&args, blob, bytes);
    (void)redis_script(t->media->svc->redis, SCRIPT_BLOB, &args, NULL, NULL);
}

void store_stop(struct task *t) {
    struct drawing *d = t->drawing;
    if (d->piece) {                      /* it may still arrive: it goes after it, over the same connection */
        redis_forget(d->piece);
        d->piece = NULL;
        store_drop(t, d->id, d->stored + (int64_t)d->piece_len);
    }
    if (d->id && d->stored)
        store_drop(t, d->id, d->stored);
    d->id = NULL;
    d->stored = 0;
}
