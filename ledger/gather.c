#include "ledger/gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/spending.h"
#include "proto/money.h"
#include "services/utf8.h"

const char *const gathered_kinds[CHART_KINDS] = { "chat", "image", "transcription", "other" };

static void add_part(struct part *list, int *count, const char *name, const struct sum *sum) {
    char shown[sizeof list->name];
    snprintf(shown, sizeof shown, "%.*s", (int)utf8_cut_bytes(name, strlen(name), sizeof shown - 1), name);
    int i = 0;
    while (i < *count && strcmp(list[i].name, shown))
        i++;
    if (i == PARTS_MOST)
        snprintf(list[--i].name, sizeof list->name, "…");
    else if (i == *count)
        memcpy(list[(*count)++].name, shown, sizeof shown);
    list[i].calls += sum->calls;
    list[i].nusd += sum->nusd;
}

static void add(struct tally *t, const struct sum *sum) {
    t->calls += sum->calls;
    t->nusd += sum->nusd;
    add_part(t->kinds, &t->kinds_count, sum->kind, sum);
    add_part(t->models, &t->models_count, sum->model, sum);
}

static void add_to_day(struct gathered *g, const struct sum *sum) {
    int day = CHART_DAYS - 1, k = 0;
    while (day >= 0 && sum->at_ms < g->begins_ms[day])
        day--;
    while (k < CHART_KINDS - 1 && strcmp(sum->kind, gathered_kinds[k]))
        k++;
    if (day < 0)
        return;
    int64_t *all = &g->days[day][k];
    *all = sum->nusd > MONEY_MAX_NUSD - *all ? MONEY_MAX_NUSD : *all + sum->nusd;
}

static void on_quarter(const struct sum *sum, void *owner) {
    struct gathered *g = owner;
    add_to_day(g, sum);
    if (sum->at_ms >= g->today_ms)
        add(&g->today, sum);
    if (sum->at_ms >= g->week_ms)
        add(&g->week, sum);
    if (sum->at_ms >= g->month_ms)
        add(&g->month, sum);
}

static void on_sum(const struct sum *sum, void *owner) {
    add(owner, sum);
}

static int by_money(const void *one, const void *other) {
    const struct part *a = one, *b = other;
    return a->nusd != b->nusd ? (a->nusd < b->nusd ? 1 : -1) : strcmp(a->name, b->name);
}

static void sort(struct tally *t) {
    qsort(t->kinds, (size_t)t->kinds_count, sizeof *t->kinds, by_money);
    qsort(t->models, (size_t)t->models_count, sizeof *t->models, by_money);
}

static void find_days(struct gathered *g, int64_t now_ms) {
    struct span spans[SPANS];
    int months, n = spans_at(now_ms, spans, &months);
    g->today_ms = spans[0].from_ms;
    g->tomorrow_ms = spans[0].to_ms;
    g->month_ms = spans[n - months].from_ms;
    g->week_ms = days_before_ms(now_ms, WEEK_DAYS - 1);
    for (int i = 0; i < CHART_DAYS; i++)
        g->begins_ms[i] = days_before_ms(now_ms, CHART_DAYS - 1 - i);
}

int gather(struct sums *s, int64_t user, int64_t now_ms, struct gathered *ret, char problem[STORE_PROBLEM]) {
    memset(ret, 0, sizeof *ret);
    find_days(ret, now_ms);
    int64_t from_ms = ret->month_ms < ret->begins_ms[0] ? ret->month_ms : ret->begins_ms[0];
    int r = sums_quarters(s, user, from_ms, ret->tomorrow_ms, on_quarter, ret, problem);
    if (!r)
        r = sums_ever(s, user, on_sum, &ret->ever, problem);
    sort(&ret->month);
    sort(&ret->ever);
    return r;
}
