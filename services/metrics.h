/* Figures for Prometheus. A metric is a static object of the module that counts it; registering it is naming it once.
 * Only the loop's thread counts. Several metrics of one name differ by their label, and carry the same help and type. */
#ifndef SERVICES_METRICS_H
#define SERVICES_METRICS_H
#include <stdbool.h>
#include <stdint.h>
#include "services/buf.h"

struct metric {
    const char *name, *help;         /* name without the gpttg_ in front; counters end in _total, spans in _seconds */
    const char *label;               /* "status=\"429\"" or NULL */
    enum { METRIC_COUNTER, METRIC_GAUGE } type;
    double value;
    struct metric *next;             /* private */
    bool listed;
};
struct histogram {                   /* seconds, fixed bounds from 1 ms to 120 s */
    const char *name, *help;
    uint64_t buckets[18], count;
    double sum;
    struct histogram *next;
    bool listed;
};
void metric_add(struct metric *m, double n);          /* registers it at the first call */
void metric_set(struct metric *m, double n);
void histogram_add(struct histogram *h, int64_t ms);
void metrics_list(struct metric *const *all);         /* register early, so that zeros are seen; NULL-terminated */
void metrics_print(struct buf *out);                  /* text format 0.0.4 */

#endif
