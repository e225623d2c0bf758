#include "services/metrics.h"
#include <assert.h>
#include <string.h>

/* All that was registered, in that order. Only the loop's thread counts. */
static struct {
    struct metric *metrics, **last_metric;
    struct histogram *histograms, **last_histogram;
} the_list;

static const int64_t bounds_ms[] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 120000 };
enum { BOUNDS = sizeof bounds_ms / sizeof *bounds_ms };
_Static_assert(BOUNDS + 1 == sizeof((struct histogram){ 0 }.buckets) / sizeof(uint64_t), "one bucket for each bound and one for the rest");

static void list(struct metric *m) {
    if (m->listed)
        return;
    if (!the_list.last_metric)
        the_list.last_metric = &the_list.metrics;
    m->listed = true;
    m->next = NULL;
    *the_list.last_metric = m;
    the_list.last_metric = &m->next;
}

void metric_add(struct metric *m, double n) {
    list(m);
    m->value += n;
}

void metric_set(struct metric *m, double n) {
    list(m);
    m->value = n;
}

void metrics_list(struct metric *const *all) {
    for (; *all; all++)
        list(*all);
}

void histogram_add(struct histogram *h, int64_t ms) {
    if (!h->listed) {
        if (!the_list.last_histogram)
            the_list.last_histogram = &the_list.histograms;
        h->listed = true;
        h->next = NULL;
        *the_list.last_histogram = h;
        the_list.last_histogram = &h->next;
    }
    int i = 0;
    while (i < BOUNDS && ms > bounds_ms[i])
        i++;
    h->buckets[i]++;
    h->count++;
    h->sum += (double)ms / 1000;
}

/* Whole numbers as such: a scraper reads 1e+06 too, a person does not. */
static void print_value(struct buf *out, double value) {
    if (value > -1e15 && value < 1e15 && (double)(int64_t)value == value)
        buf_printf(out, "%.0f\n", value);
    else
        buf_printf(out, "%.9g\n", value);
}

static void print_head(struct buf *out, const char *name, const char *help, const char *type) {
    buf_printf(out, "# HELP gpttg_%s %s\n# TYPE gpttg_%s %s\n", name, help, name, type);
}

/* Everything of one name stands together under one head: the format wants it so. */
static void print_family(struct buf *out, const struct metric *first) {
    for (const struct metric *m = the_list.metrics; m != first; m = m->next)
        if (!strcmp(m->name, first->name))
            return; /* printed with that one */
    print_head(out, first->name, first->help, first->type == METRIC_COUNTER ? "counter" : "gauge");
    for (const struct metric *m = first; m; m = m->next) {
        if (strcmp(m->name, first->name))
            continue;
        if (m->label)
            buf_printf(out, "gpttg_%s{%s} ", m->name, m->label);
        else
            buf_printf(out, "gpttg_%s ", m->name);
        print_value(out, m->value);
    }
}

static void print_histogram(struct buf *out, const struct histogram *h) {
    print_head(out, h->name, h->help, "histogram");
    uint64_t below = 0;
    for (int i = 0; i < BOUNDS; i++) {
        below += h->buckets[i];
        buf_printf(out, "gpttg_%s_bucket{le=\"%g\"} %llu\n", h->name, (double)bounds_ms[i] / 1000, (unsigned long long)below);
    }
    buf_printf(out, "gpttg_%s_bucket{le=\"+Inf\"} %llu\n", h->name, (unsigned long long)h->count);
    buf_printf(out, "gpttg_%s_sum ", h->name);
    print_value(out, h->sum);
    buf_printf(out, "gpttg_%s_count %llu\n", h->name, (unsigned long long)h->count);
}

void metrics_print(struct buf *out) {
    for (const struct metric *m = the_list.metrics; m; m = m->next)
        print_family(out, m);
    for (const struct histogram *h = the_list.histograms; h; h = h->next)
        print_histogram(out, h);
}
