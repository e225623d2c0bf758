/* TLS towards Redis, where hiredis was built with it (1.0 and later, with hiredis_ssl). Without, redis_url_parse() refuses
 * rediss:// and nobody comes here. */
#ifndef SERVICES_REDIS_TLS_H
#define SERVICES_REDIS_TLS_H
#include <hiredis/async.h>
#include <stdbool.h>

/* On a context that is being connected. The certificate must be valid for `host` by the machine's trust store
 * (or SSL_CERT_FILE's). False: ac->c.errstr may say why. */
bool redis_tls_begin(redisAsyncContext *ac, const char *host);
/* Why TLS has just failed, or NULL: it has not. A constant; forgotten by asking. hiredis says no more than "Success". */
const char *redis_tls_why(void);

#endif
