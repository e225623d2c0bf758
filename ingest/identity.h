/* Who we are in Telegram: what getMe said last. A group's messages cannot be judged without it. */
#ifndef INGEST_IDENTITY_H
#define INGEST_IDENTITY_H
#include <stdbool.h>
#include <stdint.h>
#include "proto/json.h"

/* Take over the result of getMe. False: it has no id or no name. */
bool identity_learn(const cJSON *user);
bool identity_was_asked(void);           /* getMe has answered, whatever it said */
bool identity_is_known(void);
int64_t identity_id(void);               /* until getMe has answered: the one in BOT_TOKEN */
const char *identity_username(void);     /* without @; "" until it is known */

#endif
