/* faults: what shall go wrong, asked for by POST /control/fault, and how often it did.
 *
 * Telegram and OpenAI ask faults_hit() once per call, before they execute it. The answer is one of three:
 * nothing; the call is over (answered, reset, parked: it is not executed); go on, and the exchange carries a tap that will
 * spoil the answer when it is written. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/sim.h"

struct fault_call {             /* what a fault may be matched against */
    bool telegram;
    const char *method;         /* Bot API method, or HTTP verb */
    const char *path;
    const char *text;           /* may be NULL */
    int64_t chat, bot;          /* 0: none */
    bool stream;
};

struct faults *faults_new(void);
void faults_free(struct faults *f);
/* Returns the new fault's id, or 0 and what is wrong in *ret_error (a constant). */
int64_t faults_add(struct faults *f, const cJSON *spec, const char **ret_error);
bool faults_remove(struct faults *f, int64_t id);   /* id 0: all; false: no such fault */
bool faults_hit(struct sim *sim, struct exch *x, const struct fault_call *call);    /* true: the call is over */
int64_t faults_fired(const struct faults *f, int64_t id);   /* also of removed ones; -1: never was */
void faults_to_json(const struct faults *f, struct buf *b);
#endif
