/* webhook: updates are brought to the bot, as the Bot API server does it.
 *
 *     updates_push ─▶ queue of its chat ─▶ ready ─▶ one of max_connections posts ─▶ 2xx: gone, the chat's next is ready
 *                          ▲                                    └▶ else, or silence: waits (doubling, or Retry-After), then ready
 *                          └──────────────────────────────────────────────┘
 *
 * One chat has one update in flight; others go on meanwhile. Button presses and changes of members have queues of their own, by user:
 * they may overtake messages. Until it is delivered an update is in the bot's list, where getUpdates finds it later on. */
#ifndef SIM_WEBHOOK_H
#define SIM_WEBHOOK_H
#include "sim/chats.h"

struct webhook;

struct webhook_to {
    const char *url, *secret;   /* secret "": none */
    int max_connections;
};

/* All that is pending is delivered from now on. An https address is only kept: nothing is brought there. */
struct webhook *webhook_new(struct bot *bot, const struct webhook_to *to);
void webhook_free(struct webhook *w);
bool webhook_is(const struct webhook *w, const struct webhook_to *to);
void webhook_add(struct webhook *w, struct update *u);
void webhook_info(const struct webhook *w, struct buf *b);     /* members of a WebhookInfo, each with a comma in front */
const char *webhook_url(const struct webhook *w);
#endif
