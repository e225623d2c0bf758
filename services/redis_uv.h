/* hiredis under libuv: tells hiredis when its socket may be read or written. Our own, because the adapter that comes with
 * hiredis 0.14 swallows errors: libuv reports a refused or reset connection as a negative status and stops the handle, and
 * whoever ignores that hears of neither, ever. */
#ifndef SERVICES_REDIS_UV_H
#define SERVICES_REDIS_UV_H
#include <hiredis/async.h>
#include <uv.h>

/* For a fresh context, before its callbacks are set. 0 or a negative errno, and then the context is the caller's to free. */
int redis_uv_attach(redisAsyncContext *ac, uv_loop_t *loop);

#endif
