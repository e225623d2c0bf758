#include "outbound/preview.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "outbound/followed.h"

enum { FADES_MS = 25 * SECOND };         /* of the thirty seconds that Telegram shows one */

/* A retry shows itself in the messages that it replaces. */
void preview_begin(struct follow *f) {
    const char *transport = setting_text("STREAM_TRANSPORT");
    f->preview.off = !strcmp(transport, "off");
    if (!strcmp(transport, "draft") && f->chat > 0 && !f->direct && !f->retry)
        f->preview.id = strtoll(f->held.job, NULL, 10);
}

bool preview_takes(const struct follow *f, size_t part) {
    return f->preview.id && !(part < f->count && f->bubbles[part].id);
}

bool preview_shows(const struct follow *f, const struct part *part) {
    return f->preview.hash == part->hash;
}

bool preview_has_words(const struct follow *f, size_t part) {
    return f->preview.has_words && f->preview.part == part;
}

int64_t preview_left_ms(const struct follow *f, int64_t now) {
    if (!f->preview.id || !f->preview.shown_at_ms)
        return LONG_MS;
    int64_t left = f->preview.shown_at_ms + FADES_MS - now;
    return left > 0 ? left : 0;
}

void preview_refresh(struct follow *f, int64_t now) {
    if (preview_left_ms(f, now) > 0)
        return;
    f->preview.hash = 0;
    f->dirty = true;
}

void preview_put_off(struct follow *f, int64_t ms) {
    f->preview.not_before_ms = clock_mono_ms() + ms;
}

void preview_shown(struct follow *f) {
    metric_add(&counted.drafts, 1);
    f->tries = 0;
    f->preview.hash = f->out_hash;
    f->preview.shown_at_ms = clock_mono_ms();
    f->preview.part = f->part;
    f->preview.has_words = !f->status;
    f->has_words = f->has_words || !f->status;
    preview_put_off(f, pace_edit_gap_ms(f->desk->pace, f->chat));
}

/* A pause is for drafts alone, as it would be for typing: messages, and above all the final one, need not wait for it. */
bool preview_judge(struct follow *f, const struct telegram_verdict *v) {
    int64_t wait = v->wait_ms;
    switch (v->what) {
    case TELEGRAM_GONE: case TELEGRAM_MUTE: case TELEGRAM_CLOSED:
        return false;
    case TELEGRAM_UNKNOWN: case TELEGRAM_NOT_SENT:
        wait = pace_backoff_ms(++f->tries, telegram_outage_ms(f->desk->telegram));
        break;
    case TELEGRAM_PAUSE:
        break;
    default:
        log_warn(&f->about, "drafts are not taken here, messages are edited: %s", v->why);
        f->preview.id = f->preview.shown_at_ms = 0;
        return true;
    }
    log_info(&f->about, "no draft for %" PRId64 " ms: %s", wait, v->why);
    preview_put_off(f, wait);
    return true;
}
