/* libcurl's multi interface turned by a libuv loop: sockets and timers, and nothing that knows HTTP.
 *
 * Nothing here may be called from libcurl's own callbacks (it does not bear being entered twice); ask curl_uv_inside(),
 * remember what is wanted, and do it in on_left, which is called each time libcurl has been left and its finished transfers
 * were reported. */
#ifndef SERVICES_CURL_UV_H
#define SERVICES_CURL_UV_H
#include <curl/curl.h>
#include <stdbool.h>
#include <uv.h>

struct curl_uv;

struct curl_uv_events {
    void (*on_done)(CURL *easy, CURLcode code, void *owner);     /* still added: the owner removes it */
    void (*on_left)(void *owner);
    void *owner;
};

struct curl_uv *curl_uv_new(uv_loop_t *loop, long max_idle_connections, const struct curl_uv_events *events);
/* No transfer may be left. Memory goes when the loop has turned. */
void curl_uv_free(struct curl_uv *cu);
void curl_uv_add(struct curl_uv *cu, CURL *easy);
void curl_uv_remove(struct curl_uv *cu, CURL *easy);
bool curl_uv_inside(const struct curl_uv *cu);

#endif
