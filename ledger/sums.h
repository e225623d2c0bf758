/* The ledger's file, only read: what was spent, by whom and for what. A connection of its own, beside the writer's; calls block. */
#ifndef LEDGER_SUMS_H
#define LEDGER_SUMS_H
#include "ledger/change.h"
#include "ledger/store.h"

#define EVERYBODY INT64_MIN

struct sums;
/* 0, or a negative errno and a line in problem; all others below likewise. */
int sums_open(const char *path, struct sums **ret, char problem[STORE_PROBLEM]);
void sums_close(struct sums *s);                     /* NULL is fine */

struct sum { const char *kind, *model; int64_t at_ms, calls, nusd; };      /* borrowed while the callback runs */
typedef void sum_fn(const struct sum *sum, void *owner);
/* Of one user or of EVERYBODY, of all time: a callback for each kind and model. */
int sums_ever(struct sums *s, int64_t user, sum_fn *each, void *owner, char problem[STORE_PROBLEM]);
/* In [from_ms, to_ms): one for each quarter of an hour, kind and model, in the order of time. */
int sums_quarters(struct sums *s, int64_t user, int64_t from_ms, int64_t to_ms, sum_fn *each, void *owner, char problem[STORE_PROBLEM]);

/* Who spent most, at most `most` of them, the first first. */
struct spender { int64_t user, calls, nusd; const char *name; };
typedef void spender_fn(const struct spender *spender, void *owner);
int sums_top(struct sums *s, int64_t from_ms, int64_t to_ms, int most, spender_fn *each, void *owner, char problem[STORE_PROBLEM]);

int sums_failed(struct sums *s, int64_t from_ms, int64_t to_ms, int64_t *ret_calls, char problem[STORE_PROBLEM]);
/* The limits that an administrator has set a user; -1: none of his own. */
int sums_limits(struct sums *s, int64_t user, int64_t *ret_day, int64_t *ret_month, char problem[STORE_PROBLEM]);
/* A user, or the `most` newest ones with EVERYBODY; budgets: -1: none of his own. */
struct person { int64_t user, day_nusd, month_nusd; const char *name, *role, *model; };
typedef void person_fn(const struct person *person, void *owner);
int sums_people(struct sums *s, int64_t user, int most, person_fn *each, void *owner, char problem[STORE_PROBLEM]);
/* Those above `after` who have asked something in private, ascending. False from the callback ends it. */
struct correspondent { int64_t user; const char *role; };
typedef bool correspondent_fn(const struct correspondent *c, void *owner);
int sums_correspondents(struct sums *s, int64_t after, correspondent_fn *each, void *owner, char problem[STORE_PROBLEM]);
/* What the fields of a change are by now. */
int sums_look(struct sums *s, const struct change *c, struct kept ret_kept[CHANGES_MOST], char problem[STORE_PROBLEM]);

/* Each paid call in [from_ms, to_ms), in the order of time. False from the callback ends it. */
struct paid {
    int64_t at_ms, user, chat, input_tokens, cached_tokens, output_tokens, images, nusd;
    double seconds;
    const char *name, *kind, *model, *tools, *status, *event;
    bool estimated;
};
typedef bool paid_fn(const struct paid *paid, void *owner);
int sums_paid(struct sums *s, int64_t from_ms, int64_t to_ms, paid_fn *each, void *owner, char problem[STORE_PROBLEM]);

#endif
