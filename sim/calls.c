#include "sim/calls.h"

#include <stdlib.h>
#include <string.h>

#include "sim/params.h"
#include "sim/text.h"

struct calls {
    struct call ring[CALLS_MAX];
    int64_t first, next;        /* seqs; the ring holds first … next-1 */
    size_t bytes;
};

struct calls *calls_new(void) {
    struct calls *c = xalloc(sizeof *c);
    c->first = c->next = 1;
    return c;
}

static void drop_first(struct calls *c) {
    struct call *k = &c->ring[c->first++ % CALLS_MAX];
    c->bytes -= k->bytes;
    free(k->method);
    free(k->error);
    free(k->params);
    *k = (struct call){0};
}

void calls_free(struct calls *c) {
    if (!c)
        return;
    while (c->first < c->next)
        drop_first(c);
    free(c);
}

/* What was refused may be no JSON at all, or no UTF-8; then it is shown as a text. */
static bool is_printable(const char *params, size_t len, int status) {
    cJSON *o;
    if (!text_is_utf8(params, len))
        return false;
    if (status < 400)
        return true;                /* it was parsed, or made here */
    o = json_read(params, len);
    cJSON_Delete(o);
    return o != NULL;
}

void calls_add(struct sim *sim, const char *side, const char *method, int64_t chat, int status, const char *error, int64_t fault,
               const char *params, size_t params_len) {
    struct calls *c = sim->calls;
    struct call *k;
    char name[128];
    int n = 0;
    while (c->next - c->first >= CALLS_MAX || (c->bytes > CALLS_BYTES_MAX && c->first < c->next))
        drop_first(c);
    k = &c->ring[c->next % CALLS_MAX];
    *k = (struct call){ .seq = c->next++, .at_ms = sim_now_ms(), .chat = chat, .fault = fault, .status = status, .side = side,
                        .method = xdup(method), .error = xdup(error) };
    if (params && (params_len > CALL_PARAMS_MAX || !is_printable(params, params_len, status))) {
        struct buf b = {0};
        buf_str(&b, params_len > CALL_PARAMS_MAX ? "{\"truncated\":" : "{\"broken\":");
        buf_json(&b, params, params_len > CALL_PARAMS_MAX ? CALL_PARAMS_MAX : params_len);
        buf_str(&b, "}");
        k->bytes = b.n;
        k->params = buf_take(&b);
    } else if (params) {
        k->params = xndup(params, params_len);
        k->bytes = params_len;
    }
    k->bytes += 64;
    c->bytes += k->bytes;

    memcpy(name, side, strlen(side) + 1);       /* two constants: "telegram", "openai" */
    n = (int)strlen(name);
    name[n++] = '.';
    for (; *method && n < 100; method++)
        name[n++] = *method;
    name[n] = 0;
    sim_count(sim, name, 1);
    if (status >= 400) {
        name[n++] = '.';
        name[n++] = (char)('0' + status / 100 % 10);
        name[n++] = (char)('0' + status / 10 % 10);
        name[n++] = (char)('0' + status % 10);
        name[n] = 0;
        sim_count(sim, name, 1);
    }
}

int64_t calls_last(const struct calls *c) {
    return c->next - 1;
}

int64_t calls_dropped(const struct calls *c) {
    return c->first - 1;
}

const struct call *calls_at(const struct calls *c, int64_t seq) {
    return seq >= c->first && seq < c->next ? &c->ring[seq % CALLS_MAX] : NULL;
}
