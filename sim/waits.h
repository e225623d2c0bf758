/* waits: GET /control/wait, parked until its value is there. Looked at once per turn of the loop, when anything changed. */
#ifndef SIM_WAITS_H
#define SIM_WAITS_H
#include "sim/sim.h"

struct waits *waits_new(struct sim *sim);
void waits_stop(struct waits *w);               /* everybody is told "not yet" */
void waits_free(struct waits *w);
void waits_on_request(struct sim *sim, struct exch *x);
#endif
