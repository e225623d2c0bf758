#include "outbound/whole.h"
#include "outbound/followed.h"
#include "proto/cleanup.h"

enum { CAPTION_MOST = 1024 };

bool whole_is_needed(struct follow *f) {
    size_t most = (size_t)setting_number("MAX_ANSWER_PARTS");
    if (f->plan.count <= most || f->whole.refused)
        return false;
    parts_keep(&f->plan, most);
    return true;
}

void whole_add(struct follow *f) {
    CLEANUP(buf_done) struct buf caption;
    buf_init(&caption, CAPTION_MOST);
    (void)texts_line(f->lang, "answer_whole", "", &caption);       /* false: it says something else */
    parts_add_file(&f->plan, buf_cstr(&caption));
}

int whole_load(struct follow *f) {
    struct whole *w = &f->whole;
    int r = w->opened ? spool_clear(&w->spool) : spool_open(&w->spool);
    if (r < 0)
        return r;
    w->opened = true;
    return spool_add(&w->spool, f->text.data, f->text.len);
}

void whole_send(struct follow *f, const struct telegram_message *m) {
    struct whole *w = &f->whole;
    multipart_done(&w->body);
    multipart_init(&w->body);
    telegram_form(f->method, m, &w->body);
    multipart_file(&w->body, "document", "answer.md", "text/markdown", w->spool.fd, w->spool.len);
    telegram_upload(f->desk->telegram, &f->call, f->method, &w->body);
}

void whole_done(struct follow *f) {
    if (f->whole.opened)
        spool_close(&f->whole.spool);
    multipart_done(&f->whole.body);
}
