#include "llm/catalog.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/json.h"
#include "services/alloc.h"
#include "services/clock.h"

enum { LOOK_MS = 60 * SECOND, KEPT_S = 3600, LIST_MOST = 4 << 20, DEADLINE_MS = 30 * SECOND, NAME_MOST = 200 };

struct catalog {
    struct llm *llm;
    uv_timer_t *timer;
    struct redis_call *turn;
    struct http_call *http;
};

/* ---- the list ---- */

static bool is_word(const char *s, size_t most) {
    size_t len = s ? strlen(s) : 0;
    if (!len || len > most)
        return false;
    for (size_t i = 0; i < len; i++)
        if (s[i] < '!' || s[i] > '~')
            return false;
    return true;
}

static bool is_date(const char *s) {
    int year, month, day, end = 0;
    return s && sscanf(s, "%4d-%2d-%2d%n", &year, &month, &day, &end) == 3 && end == 10 && !s[10];
}

int catalog_read(const char *text, size_t len, struct args *ret) {
    CLEANUP(json_done) cJSON *list = json_parse(text, len);
    const cJSON *item, *data = json_get_arr(list, "data");
    int count = 0, hole = -1;
    cJSON_ArrayForEach(item, data) {
        const char *id = json_get_str(item, "id"), *shutdown = json_get_str(item, "shutdown_date"), *owner = json_get_str(item, "owned_by");
        int64_t created = 0;
        if (count == CATALOG_MOST || !is_word(id, NAME_MOST))
            continue;
        (void)json_get_i64(item, "created", &created);
        char about[160];
        snprintf(about, sizeof about, "%" PRId64 " %s %s", created, is_date(shutdown) ? shutdown : "-", is_word(owner, 100) ? owner : "-");
        if (hole < 0)
            hole = args_hole(ret);
        args_pair(ret, id, about);
        count++;
    }
    if (count)
        args_set_int(ret, hole, count);
    return count;
}

/* ---- asking for it ---- */

static void on_list(struct http_result *r, void *owner) {
    struct catalog *c = owner;
    struct args args = {0};
    c->http = NULL;
    int count = r->fate == HTTP_ANSWERED && r->status == 200 && !r->too_large && r->body.data ? catalog_read(r->body.data, r->body.len, &args) : 0;
    if (count)
        (void)redis_script(c->llm->svc->redis, SCRIPT_CATALOG, &args, NULL, NULL);
    else
        log_info(NULL, "no list of models: %s (HTTP %d)", r->fate == HTTP_ANSWERED ? "the server has none" : r->reason, r->status);
    args_done(&args);
}

static void ask(struct catalog *c) {
    char url[2048];
    snprintf(url, sizeof url, "%s/models", c->llm->base_url);
    const char *headers[] = {c->llm->authorization, "Accept: application/json", NULL};
    struct http_request r = {.method = "GET", .url = url, .headers = headers, .max_body = LIST_MOST, .deadline_ms = DEADLINE_MS, .on_done = on_list, .owner = c};
    c->http = http_start(c->llm->http, &r);
}

static void on_turn(const redisReply *reply, void *owner) {
    struct catalog *c = owner;
    c->turn = NULL;
    if (reply->type == REDIS_REPLY_STATUS && !c->http && !c->llm->svc->draining)      /* nil: somebody has it, or has just asked */
        ask(c);
}

static void take_turn(uv_timer_t *timer) {
    struct catalog *c = timer->data;
    if (c->turn || c->http || !redis_is_up(c->llm->svc->redis))
        return;
    char key[300];
    struct args args = {0};
    snprintf(key, sizeof key, "%smodels:asked", c->llm->svc->prefix);
    args_str(&args, "SET");
    args_str(&args, key);
    args_str(&args, c->llm->svc->worker);
    args_str(&args, "NX");
    args_str(&args, "EX");
    args_int(&args, KEPT_S);
    c->turn = redis_command(c->llm->svc->redis, &args, on_turn, c);
}

static void on_redis(bool up, void *owner) {
    struct catalog *c = owner;
    if (up)
        uv_timer_start(c->timer, take_turn, 0, LOOK_MS);
}

/* ---- life ---- */

struct catalog *catalog_new(struct llm *llm) {
    struct catalog *c = alloc_zero(sizeof *c);
    c->llm = llm;
    c->timer = alloc_zero(sizeof *c->timer);
    uv_timer_init(llm->svc->loop, c->timer);
    c->timer->data = c;
    uv_unref((uv_handle_t *)c->timer);
    redis_watch(llm->svc->redis, on_redis, c);
    return c;
}

static void on_closed(uv_handle_t *timer) {
    free(timer);
}

void catalog_free(struct catalog *c) {
    if (!c)
        return;
    redis_unwatch(c->llm->svc->redis, on_redis, c);
    redis_forget(c->turn);
    http_cancel(c->http);
    uv_close((uv_handle_t *)c->timer, on_closed);
    free(c);
}
