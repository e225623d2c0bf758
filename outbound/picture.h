/* A picture that is shown instead of an answer in words. It stands in a part of its own, so that what stands there meanwhile (the
 * status line, the question for a size) is known from it and can be taken away when it is there.
 *
 *   part 0: words (no longer wanted) · part 1: the picture                    Redis ─▶ a spool on the disk ─▶ Telegram
 *
 * As a photo; as a document when that is asked for, when it is too large for a photo, or when Telegram takes it as none. */
#ifndef OUTBOUND_PICTURE_H
#define OUTBOUND_PICTURE_H
#include "outbound/telegram.h"
#include "proto/fields.h"
#include "services/multipart.h"
#include "services/spool.h"
#include "services/steps.h"

enum { PICTURE_PART = 1 };

struct follow;
struct picture {
    bool is;                             /* the final form is one */
    char *blob, *type, *caption, *name;   /* name: "": by its type */
    int64_t bytes;
    bool as_file, gone, refused;         /* gone: from Redis; refused: Telegram takes it in no form */
    bool opened, loaded;
    struct spool spool;
    struct multipart body;
};

/* Is this job's final form a picture? Then what it looks like. */
bool picture_compose(struct follow *f, const struct fields *job);
/* A line of ours below its caption, if it fits there. */
void picture_add_line(struct follow *f, const char *line);
/* The line instead of one that cannot be shown; "" there is none. */
const char *picture_line(const struct follow *f, const struct fields *job);
bool picture_stands(const struct follow *f);             /* in the chat */
/* What the final form still lacks. False: nothing. */
bool picture_lacks(const struct follow *f, enum telegram_method *ret_method, size_t *ret_part);
/* Telegram refused it like that. False: there is no other way to show it. */
bool picture_another_way(struct follow *f);
void picture_send(struct follow *f, const struct telegram_message *m);
void picture_done(struct follow *f);

/* steps */
enum step_end picture_load(struct steps *s);
enum step_end picture_loaded(struct steps *s);

#endif
