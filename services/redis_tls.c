#include "services/redis_tls.h"
#ifdef HAVE_REDIS_TLS
#include <arpa/inet.h>
#include <hiredis/hiredis_ssl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

bool redis_tls_begin(redisAsyncContext *ac, const char *host) {
    unsigned char binary[sizeof(struct in6_addr)];
    bool numeric = inet_pton(AF_INET, host, binary) == 1 || inet_pton(AF_INET6, host, binary) == 1;
    /* A context per connection: there are three, they break seldom, and so no state is shared between them. The session
     * keeps its context alive. */
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context)
        return false;
    SSL *session = NULL;
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) && SSL_CTX_set_default_verify_paths(context)) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER); /* hiredis moves its buffer */
        session = SSL_new(context);
    }
    SSL_CTX_free(context);
    if (!session)
        return false;
    bool named = numeric ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1
                         : SSL_set1_host(session, host) == 1 && SSL_set_tlsext_host_name(session, host) == 1;
    ERR_clear_error(); /* SSL_get_error() takes another connection's old error for ours */
    if (named && redisInitiateSSL(&ac->c, session) == REDIS_OK)
        return true; /* now the session is hiredis's */
    SSL_free(session);
    return false;
}

const char *redis_tls_why(void) {
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return why;
}
#else
bool redis_tls_begin(redisAsyncContext *ac, const char *host) {
    return false;
}

const char *redis_tls_why(void) {
    return NULL;
}
#endif
