/* sim: what the modules share. One struct sim, passed to everybody; no globals.
 *
 *     main → app ─┬─ telegram ── updates, chats          the Bot API
 *                 ├─ openai ──── stream, answer, media   the Responses API
 *                 └─ control ─── faults, waits, views    what tests say and ask
 *            all of it on server (HTTP), calls (the log of what was executed), counters */
#ifndef SIM_SIM_H
#define SIM_SIM_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "sim/buf.h"
#include "sim/map.h"
#include "sim/server.h"

struct calls;
struct faults;
struct telegram;
struct openai;
struct files;
struct waits;

struct sim {
    uv_loop_t *loop;
    struct server *server;
    const char *bot_token, *openai_key;     /* empty: any */
    const char *model;                      /* JSON as of POST /control/model, empty: the defaults */
    int log_level;                          /* 0 error … 3 debug */
    struct map counters;                    /* name → int64_t * */
    struct calls *calls;
    struct faults *faults;
    struct telegram *telegram;
    struct openai *openai;
    struct files *files;
    struct waits *waits;
    uint64_t boot;                          /* random: ids of two runs never meet */
    bool changed;                           /* since the waits were looked at */
};

int app_open(struct sim *sim, const char *listen);  /* 0, or a negative libuv error after one line on stderr */
void app_close(struct sim *sim);            /* begins to close; the loop then runs empty */
void app_free(struct sim *sim);
void app_reset(struct sim *sim);            /* POST /control/reset */
void app_on_request(void *ctx, struct exch *x);

int64_t sim_now_ms(void);                   /* since 1970 */
void sim_log(const struct sim *sim, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void sim_count(struct sim *sim, const char *name, int64_t by);
int64_t sim_counter(const struct sim *sim, const char *name);

/* Answers with JSON; the buffer is emptied and freed. */
void answer_json(struct exch *x, int status, const char *headers, struct buf *b);
#endif
