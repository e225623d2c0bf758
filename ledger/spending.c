#include "ledger/spending.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledger/change.h"
#include "services/alloc.h"

enum { DAY_S = 86400, KEEP_DAY_S = 3 * DAY_S, KEEP_MONTH_S = 70 * DAY_S };

/* Local midnight of that date, which may be one that does not exist (month 13, day 0, an hour that DST skips): mktime knows. */
static int64_t midnight_ms(int year, int month, int day) {
    struct tm t = { .tm_year = year, .tm_mon = month, .tm_mday = day, .tm_isdst = -1 };
    return (int64_t)mktime(&t) * 1000;
}

static struct span day_of(const struct tm *t) {
    struct span s = { .keep_s = KEEP_DAY_S };
    (void)strftime(s.name, sizeof s.name, "%Y-%m-%d", t);     /* 10 bytes */
    s.from_ms = midnight_ms(t->tm_year, t->tm_mon, t->tm_mday);
    s.to_ms = midnight_ms(t->tm_year, t->tm_mon, t->tm_mday + 1);
    return s;
}

static struct span month_of(const struct tm *t) {
    struct span s = { .keep_s = KEEP_MONTH_S };
    (void)strftime(s.name, sizeof s.name, "%Y-%m", t);        /* 7 bytes */
    s.from_ms = midnight_ms(t->tm_year, t->tm_mon, 1);
    s.to_ms = midnight_ms(t->tm_year, t->tm_mon + 1, 1);
    return s;
}

int spans_at(int64_t wall_ms, struct span spans[SPANS], int *ret_months) {
    time_t now = (time_t)(wall_ms / 1000);
    struct tm today, yesterday;
    (void)localtime_r(&now, &today);                          /* cannot fail for a clock of this century */
    spans[0] = day_of(&today);
    now = (time_t)(spans[0].from_ms / 1000) - 1;
    (void)localtime_r(&now, &yesterday);
    spans[1] = day_of(&yesterday);
    spans[2] = month_of(&today);
    spans[3] = month_of(&yesterday);
    *ret_months = today.tm_mon == yesterday.tm_mon ? 1 : 2;
    return 2 + *ret_months;
}

int64_t days_before_ms(int64_t wall_ms, int days) {
    time_t now = (time_t)(wall_ms / 1000);
    struct tm today;
    (void)localtime_r(&now, &today);
    return midnight_ms(today.tm_year, today.tm_mon, today.tm_mday - days);
}

bool month_named(const char *name, struct span *ret) {
    int year, month;
    char rest;
    if (strlen(name) != 7 || strspn(name, "0123456789-") != 7 || sscanf(name, "%4d-%2d%c", &year, &month, &rest) != 2 || year < 1970 || month < 1 || month > 12)
        return false;
    struct tm t = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = 1 };
    *ret = month_of(&t);
    return true;
}

struct gathering { struct spending *s; const struct span *span; size_t size; };

static void add(struct gathering *g, const char *who, int64_t nusd) {
    if (!nusd)
        return;
    if (g->s->count == g->size) {
        g->size = g->size ? g->size * 2 : 64;
        g->s->list = alloc_again(g->s->list, g->size * sizeof *g->s->list);
    }
    struct spent *one = &g->s->list[g->s->count++];
    *one = (struct spent){ .nusd = nusd, .keep_s = g->span->keep_s };
    snprintf(one->period, sizeof one->period, "%s:%s", g->span->name, who);
}

static void on_user(int64_t user, int64_t nusd, void *owner) {
    char who[24];
    snprintf(who, sizeof who, "%" PRId64, user);
    add(owner, who, nusd);
}

int spending_read(struct store *store, int64_t wall_ms, struct spending *s) {
    struct span spans[SPANS];
    struct gathering g = { .s = s };
    *s = (struct spending){ 0 };
    int months, n = spans_at(wall_ms, spans, &months);
    for (int i = 0; i < n; i++) {
        g.span = &spans[i];
        int r = store_each_user_spent(store, spans[i].from_ms, spans[i].to_ms, on_user, &g);
        int64_t all = 0;
        if (!r && i >= n - months)
            r = store_all_spent(store, spans[i].from_ms, spans[i].to_ms, &all);
        if (r)
            return r;
        add(&g, "all", all);
    }
    return store_kept(store, &s->kept, &s->kept_count);
}

void spending_done(struct spending *s) {
    free(s->list);
    change_done(s->kept, s->kept_count);
    free(s->kept);
    *s = (struct spending){ 0 };
}
