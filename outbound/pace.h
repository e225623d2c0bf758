/* When may a message go out?
 *
 * The script `pace` decides for all outbound processes together: a bucket for the bot, one per chat, and the pauses that
 * Telegram asked for. Here is what stands before it: a row of those who want to send, let through little faster than the bot's
 * own rate, so that ten thousand answers that wait for Telegram do not all ask Redis at once. And the lengths of our waits. */
#ifndef OUTBOUND_PACE_H
#define OUTBOUND_PACE_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "proto/args.h"

enum { PACE_PARK_MS = 5000, PACE_MOST_MS = 60000 };      /* from when on a wait is spent in `later`; the longest back-off */

struct pace;
struct pace_turn {                       /* embed it, zeroed */
    void (*on_turn)(struct pace_turn *t);
    bool waits;
    struct pace_row *row;                /* private from here */
    struct pace_turn *next, *prev;
};

struct pace *pace_new(uv_loop_t *loop, int64_t rate_all, int64_t rate_chat, int64_t edit_ms);
void pace_free(struct pace *p);          /* nobody may wait; memory goes when the loop has turned */

/* Take a place in the row, final answers before first words. True: our turn is now; else on_turn comes, once. `again`: was let
 * through before and stands in front now. */
bool pace_enter(struct pace *p, struct pace_turn *t, bool urgent, bool again);
void pace_leave(struct pace *p, struct pace_turn *t);    /* safe when not waiting */
bool pace_is_crowded(const struct pace *p);              /* others wait: what may be left out is left out */
/* Typing is the first thing to leave out: no more of it in a second than the bot may send messages. True: go, it is counted. */
bool pace_may_type(struct pace *p);
/* No pacing of our own at all, and no pause that we know of: the script need not be asked. */
bool pace_is_off(const struct pace *p);
/* Telegram refused `chat` for wait_ms. Answers for how long everybody is to be silent, 0 as a rule: three chats refused within two
 * seconds, in which it took nothing from us, are no matter of these chats. */
int64_t pace_refused(struct pace *p, int64_t chat, int64_t wait_ms);
void pace_taken(struct pace *p);                         /* it took a message */

/* The script's arguments. `skippable`: an edit that may be left out. Groups (chat < 0) are allowed 20 messages a minute. */
void pace_args(const struct pace *p, struct args *a, int64_t chat, bool skippable);
int64_t pace_edit_gap_ms(const struct pace *p, int64_t chat);        /* between two edits of a growing answer */
/* How long to wait after the `tries`th failure in a row, while Telegram has given no good answer to anybody for `outage_ms`. */
int64_t pace_backoff_ms(int tries, int64_t outage_ms);

#endif
