/* What listener.c, reader.c and the queue know of a redis. */
#ifndef SERVICES_REDIS_PRIVATE_H
#define SERVICES_REDIS_PRIVATE_H
#include "services/redis_conn.h"

uv_loop_t *redis_loop(const struct redis *r);
struct conn_options redis_conn_options(const struct redis *r);         /* the common part: where, how, who */
char *redis_key(const struct redis *r, const char *name);              /* prefix and name; the caller frees */

#endif
