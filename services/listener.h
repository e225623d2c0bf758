/* The listener: Pub/Sub on a connection of its own, made when the first channel is asked for. Private to redis.c. */
#ifndef SERVICES_LISTENER_H
#define SERVICES_LISTENER_H
#include "services/redis.h"

struct listener;
struct listener *listener_new(struct redis *r);
void listener_free(struct listener *l);
void listener_add(struct listener *l, const char *channel, redis_message_fn *on_message, void *owner);
void listener_remove(struct listener *l, const char *channel, void *owner);

#endif
