/* The picture of the last days: it is drawn whatever the sums are. CHART_OUT=<folder> keeps the pictures for people to look at. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ledger/chart.h"
#include "proto/money.h"
#include "tests/unit/unit.h"

static struct chart empty_chart(void) {
    struct chart c = { .title = "Ваши расходы за 30 дней", .empty = "За это время расходов не было",
                       .kinds = { "Ответы", "Картинки", "Распознавание речи", "Прочее" } };
    for (int d = 0; d < CHART_DAYS; d++)
        snprintf(c.days[d], sizeof c.days[d], "%02d.11", d + 1);
    return c;
}

static void keep(const char *name, const struct spool *s) {
    const char *folder = getenv("CHART_OUT");
    if (!folder)
        return;
    char path[400], *bytes = malloc((size_t)s->len);
    snprintf(path, sizeof path, "%s/%s.png", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(pread(s->fd, bytes, (size_t)s->len, 0), s->len);
    assert_int_equal(fwrite(bytes, 1, (size_t)s->len, f), s->len);
    fclose(f);
    free(bytes);
}

/* It is a PNG of the right size, and small enough for a photo. */
static void is_drawn(const char *name, const struct chart *c) {
    static const unsigned char head[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 4, 56, 0, 0, 3, 192 };
    unsigned char got[sizeof head];
    struct spool s = SPOOL_CLOSED;
    assert_int_equal(spool_open(&s), 0);
    assert_int_equal(chart_draw(c, &s), 0);
    assert_int_equal(pread(s.fd, got, sizeof got, 0), sizeof got);
    assert_memory_equal(got, head, sizeof head);
    assert_in_range(s.len, 5000, 400000);
    keep(name, &s);
    spool_close(&s);
}

static void a_month_of_all_kinds_is_drawn(void **state) {
    struct chart c = empty_chart();
    for (int d = 0; d < CHART_DAYS; d++)
        for (int k = 0; k < CHART_KINDS; k++)
            c.nusd[d][k] = (d * 7919 + k * 104729) % 13 * (NUSD_PER_USD / 17) / (k + 1);
    is_drawn("month", &c);
}

static void nothing_one_day_and_what_is_below_zero_are_drawn(void **state) {
    struct chart c = empty_chart();
    is_drawn("empty", &c);
    c.nusd[CHART_DAYS - 1][0] = 1234567;
    is_drawn("one", &c);
    c.nusd[3][1] = -5 * NUSD_PER_USD;
    is_drawn("below", &c);
}

static void tiny_and_huge_sums_are_drawn(void **state) {
    struct chart c = empty_chart();
    c.nusd[0][0] = 1;
    is_drawn("tiny", &c);
    for (int d = 0; d < CHART_DAYS; d++)
        c.nusd[d][d % 3] = d * MONEY_MAX_NUSD / CHART_DAYS;
    is_drawn("huge", &c);
    for (int d = 0; d < CHART_DAYS; d++)
        for (int k = 0; k < CHART_KINDS; k++)
            c.nusd[d][k] = MONEY_MAX_NUSD;
    is_drawn("most", &c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_month_of_all_kinds_is_drawn),
        cmocka_unit_test(nothing_one_day_and_what_is_below_zero_are_drawn),
        cmocka_unit_test(tiny_and_huge_sums_are_drawn),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    chart_done();
    return failed;
}
