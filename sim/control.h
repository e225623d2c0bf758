/* control: what tests say to the simulator and ask of it; sim/README.md is its reference. people.h has what users do,
 * control.c all other changes, views.c shows things. */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H
#include <cjson/cJSON.h>

#include "sim/chats.h"

void control_on_request(struct sim *sim, struct exch *x);      /* path begins with /control/ */
void control_refuse(struct exch *x, const char *why);
void control_ok(struct exch *x);
/* The bot that ?bot= names, or the default one; NULL: no such bot, and the exchange was answered. */
struct bot *control_bot(struct sim *sim, struct exch *x, const cJSON *body);
void control_flag(const cJSON *o, const char *name, bool *flag);   /* set when it is given */

void view_chat(struct sim *sim, struct exch *x);
void view_chats(struct sim *sim, struct exch *x);
void view_calls(struct sim *sim, struct exch *x);
void view_responses(struct sim *sim, struct exch *x);
void view_response(struct sim *sim, struct exch *x);
void view_billed(struct sim *sim, struct exch *x);
void view_counters(struct sim *sim, struct exch *x);
#endif
