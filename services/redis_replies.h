/* Replies of Redis in one piece of memory each. hiredis takes two allocations for every string of a list, and a job's fields are
 * forty strings: they were a fifth of what a turn cost. For RESP2, and read-only, as replies are. */
#ifndef SERVICES_REDIS_REPLIES_H
#define SERVICES_REDIS_REPLIES_H
#include <hiredis/hiredis.h>

/* For the reader of a fresh context: reader->fn. */
extern redisReplyObjectFunctions redis_replies;

#endif
