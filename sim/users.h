/* users: people who read an answer and ask the next question at once. For the benchmarks: the time from a question, which is
 * an update from then on, to its whole answer is taken here, in microseconds, where no polling blurs it. */
#ifndef SIM_USERS_H
#define SIM_USERS_H
#include <cjson/cJSON.h>

#include "sim/chats.h"

/* POST /control/users: {"first":CHAT,"count":N,"turns":T,"text":"…"}. NULL, or what is wrong with it. */
const char *users_start(struct sim *sim, struct bot *bot, const cJSON *o);
/* The bot's words stand in the chat. */
void users_read(struct chat *c, const char *text);
/* The spans since number `since` as JSON. */
void users_to_json(const struct sim *sim, int64_t since, struct buf *b);
#endif
