/* How an answer looks before it is whole: STREAM_TRANSPORT.
 *
 *   edit    a message, edited while the text grows
 *   draft   in private chats a draft of Telegram's: no message yet, so nothing is left of it however we end; with a stop button of its
 *           own. It goes when a message of ours comes, and fades after half a minute unless it is shown again
 *   off     the answer comes when it is whole
 *
 * A draft shows the part that still grows; those before it are messages already, marked and sent as always, and so is the final form.
 * Its number is that of the question's update: ingest finds the answer by it when its button is pressed. */
#ifndef OUTBOUND_PREVIEW_H
#define OUTBOUND_PREVIEW_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct follow;
struct part;
struct telegram_verdict;

struct preview {
    bool off;                            /* nothing is shown of a text that grows */
    int64_t id;                          /* of our drafts; 0: messages are edited */
    uint64_t hash;                       /* of what the last one shows; 0: it is to be shown in any case */
    int64_t shown_at_ms;                 /* 0: none was */
    int64_t not_before_ms;
    bool has_words;                      /* not only a status line; of … */
    size_t part;
};

void preview_begin(struct follow *f);
/* Is this part, whose end is still written, shown as a draft? Not what stands there as a message. */
bool preview_takes(const struct follow *f, size_t part);
bool preview_shows(const struct follow *f, const struct part *part);
bool preview_has_words(const struct follow *f, size_t part);
int64_t preview_left_ms(const struct follow *f, int64_t now);    /* until it has to be shown again; LONG_MS: there is none */
void preview_refresh(struct follow *f, int64_t now);             /* if that time has come */
void preview_put_off(struct follow *f, int64_t ms);              /* no draft before that */
void preview_shown(struct follow *f);
/* Telegram did not take it. False: that is no matter of drafts. */
bool preview_judge(struct follow *f, const struct telegram_verdict *v);

#endif
