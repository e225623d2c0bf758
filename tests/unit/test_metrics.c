#include <string.h>
#include "services/metrics.h"
#include "tests/unit/unit.h"

static struct metric ok = { "calls_total", "Calls.", "status=\"200\"", METRIC_COUNTER };
static struct metric late = { "calls_total", "Calls.", "status=\"429\"", METRIC_COUNTER };
static struct metric level = { "level", "A level.", NULL, METRIC_GAUGE };
static struct histogram waits = { .name = "wait_seconds", .help = "Waits." };

static char *printed(struct buf *b) {
    buf_init(b, 1 << 20);
    metrics_print(b);
    return b->data;
}

static void zeros_are_seen_once_they_are_listed(void **state) {
    struct buf b;
    metrics_list((struct metric *const[]){ &ok, &level, NULL });
    metrics_list((struct metric *const[]){ &ok, NULL }); /* twice is once */
    assert_string_equal(printed(&b), "# HELP gpttg_calls_total Calls.\n# TYPE gpttg_calls_total counter\n"
                                     "gpttg_calls_total{status=\"200\"} 0\n"
                                     "# HELP gpttg_level A level.\n# TYPE gpttg_level gauge\ngpttg_level 0\n");
    buf_done(&b);
}

static void metrics_of_one_name_stand_under_one_head(void **state) {
    struct buf b;
    metric_add(&ok, 2);
    metric_add(&late, 1); /* registered last, and with another name between */
    metric_set(&level, 0.25);
    metric_add(&ok, 1000000);
    assert_string_equal(printed(&b), "# HELP gpttg_calls_total Calls.\n# TYPE gpttg_calls_total counter\n"
                                     "gpttg_calls_total{status=\"200\"} 1000002\ngpttg_calls_total{status=\"429\"} 1\n"
                                     "# HELP gpttg_level A level.\n# TYPE gpttg_level gauge\ngpttg_level 0.25\n");
    buf_done(&b);
}

static void a_histogram_counts_up_to_its_bounds(void **state) {
    struct buf b;
    histogram_add(&waits, 0);
    histogram_add(&waits, 1);      /* a bound belongs to its bucket */
    histogram_add(&waits, 3);
    histogram_add(&waits, 120000);
    histogram_add(&waits, 999999);
    const char *text = strstr(printed(&b), "# HELP gpttg_wait_seconds");
    assert_non_null(text);
    assert_non_null(strstr(text, "# TYPE gpttg_wait_seconds histogram\ngpttg_wait_seconds_bucket{le=\"0.001\"} 2\n"));
    assert_non_null(strstr(text, "{le=\"0.002\"} 2\ngpttg_wait_seconds_bucket{le=\"0.005\"} 3\n"));
    assert_non_null(strstr(text, "{le=\"60\"} 3\ngpttg_wait_seconds_bucket{le=\"120\"} 4\n"
                                 "gpttg_wait_seconds_bucket{le=\"+Inf\"} 5\ngpttg_wait_seconds_sum 1120.003\n"
                                 "gpttg_wait_seconds_count 5\n"));
    buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_are_seen_once_they_are_listed),
        cmocka_unit_test(metrics_of_one_name_stand_under_one_head),
        cmocka_unit_test(a_histogram_counts_up_to_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
