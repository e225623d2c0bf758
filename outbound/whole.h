/* An answer of more than MAX_ANSWER_PARTS messages: the first of them, and behind them the whole as the model wrote it, in a file.
 *
 *   part 0 … MAX−1: words · (a line of ours) · the last part: answer.md, made of text:<job>
 *
 * The file is a part like the others: marked, sent, its message id kept; only that id stands in the job with a minus, since such a
 * message is never edited into words. Where no file is taken, the answer comes in as many messages as it needs. */
#ifndef OUTBOUND_WHOLE_H
#define OUTBOUND_WHOLE_H
#include <stdbool.h>
#include "outbound/telegram.h"
#include "services/multipart.h"
#include "services/spool.h"
#include "services/steps.h"

struct follow;
struct whole {
    bool refused;                        /* Telegram takes no file there */
    bool opened;
    struct spool spool;
    struct multipart body;
};

/* Shortens the plan, of which so far only the words are there. False: they are few enough. */
bool whole_is_needed(struct follow *f);
void whole_add(struct follow *f);                        /* the last part of the plan */
int whole_load(struct follow *f);                        /* 0, or a negative errno: there is no place for it */
void whole_send(struct follow *f, const struct telegram_message *m);
void whole_done(struct follow *f);

#endif
