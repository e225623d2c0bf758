#include "ledger/questions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledger/broadcast.h"
#include "ledger/export.h"
#include "ledger/gather.h"
#include "ledger/spending.h"
#include "proto/money.h"
#include "services/clock.h"
#include "services/settings.h"
#include "services/utf8.h"

enum { SHOWN_MOST = 5, TOP_MOST = 5, LISTED_MOST = 20 };

/* What one question needs while it is answered. */
struct desk_work {
    struct sums *sums;
    const struct asked *asked;
    struct answer *answer;
    char *problem;
    int64_t user;                        /* whose sums: EVERYBODY for administrators */
    struct gathered spent;
    int found;                           /* people */
};

/* ---- words ---- */

static void say(struct desk_work *w, const char *line, const char *about) {
    (void)texts_line(w->asked->lang, line, about, &w->answer->text);       /* names of ours: a test looks for each */
    (void)buf_add_str(&w->answer->text, "\n");
}

static void gap(struct desk_work *w) {
    (void)buf_add_str(&w->answer->text, "\n");
}

static void say_sum(struct desk_work *w, const char *line, int64_t nusd, int64_t calls) {
    char sum[MONEY_TEXT], about[MONEY_TEXT + 32];
    snprintf(about, sizeof about, "%s (×%" PRId64 ")", money_print_usd(sum, nusd), calls);
    say(w, line, about);
}

/* ---- by kind and by model ---- */

static const char *kind_name(struct desk_work *w, const char *kind) {
    static const char *const known[] = { "chat", "image", "transcription", "correction", NULL };
    char line[32] = "paid_other";
    for (int i = 0; known[i]; i++)
        if (!strcmp(kind, known[i]))
            snprintf(line, sizeof line, "paid_%s", kind);
    return texts_fixed(w->asked->lang, line);
}

static void say_parts(struct desk_work *w, const char *title, const struct part *list, int count, bool are_kinds) {
    if (!count)
        return;
    gap(w);
    say(w, title, "");
    for (int i = 0; i < count && i < SHOWN_MOST; i++) {
        char sum[MONEY_TEXT];
        (void)buf_add_str(&w->answer->text, "• ");
        (void)buf_add_str(&w->answer->text, are_kinds ? kind_name(w, list[i].name) : *list[i].name ? list[i].name : "?");
        (void)buf_printf(&w->answer->text, ": %s (×%" PRId64 ")\n", money_print_usd(sum, list[i].nusd), list[i].calls);
    }
}

/* ---- budgets ---- */

static void say_left(struct desk_work *w, const char *line, int64_t limit, int64_t spent) {
    char left[MONEY_TEXT], all[MONEY_TEXT], about[2 * MONEY_TEXT + 8];
    if (limit < 0)
        return;
    snprintf(about, sizeof about, "%s / %s", money_print_usd(left, limit > spent ? limit - spent : 0), money_print_usd(all, limit));
    say(w, line, about);
}

/* A user's own limit, else everybody's; -1: none. */
static int64_t limit_of(int64_t own, const char *setting) {
    int64_t nusd;
    return own >= 0 ? own : setting_nusd(setting, &nusd) ? nusd : -1;
}

static int say_budgets(struct desk_work *w, int64_t today, int64_t month) {
    int64_t own_day, own_month;
    int r = sums_limits(w->sums, w->user, &own_day, &own_month, w->problem);
    if (r)
        return r;
    int64_t day_limit = limit_of(own_day, "USER_DAILY_BUDGET_USD"), month_limit = limit_of(own_month, "USER_MONTHLY_BUDGET_USD");
    if (day_limit >= 0 || month_limit >= 0)
        gap(w);
    say_left(w, "stats_left_day", day_limit, today);
    say_left(w, "stats_left_month", month_limit, month);
    return 0;
}

/* ---- the picture of the last days ---- */

static void name_day(char out[8], int64_t begins_ms) {
    struct tm day = { 0 };
    (void)clock_local(begins_ms / SECOND, &day);
    (void)strftime(out, 8, "%d.%m", &day);
}

/* Without a picture the text is an answer too: what cannot be drawn is left out. */
static void draw_days(struct desk_work *w, const char *title) {
    struct chart c = { .title = texts_fixed(w->asked->lang, title), .empty = texts_fixed(w->asked->lang, "chart_empty") };
    memcpy(c.nusd, w->spent.days, sizeof c.nusd);
    for (int i = 0; i < CHART_DAYS; i++)
        name_day(c.days[i], w->spent.begins_ms[i]);
    for (int k = 0; k < CHART_KINDS; k++)
        c.kinds[k] = kind_name(w, gathered_kinds[k]);
    w->answer->type = "image/png";
    snprintf(w->answer->name, sizeof w->answer->name, "spending.png");
    if (!spool_open(&w->answer->blob) && chart_draw(&c, &w->answer->blob))
        spool_close(&w->answer->blob);
}

/* ---- /stats: whoever asks, about himself ---- */

static int answer_stats(struct desk_work *w) {
    const struct gathered *g = &w->spent;
    w->user = w->asked->user;
    int r = gather(w->sums, w->user, w->asked->now_ms, &w->spent, w->problem);
    if (r)
        return r;
    say(w, "stats_title", "");
    gap(w);
    say_sum(w, "stats_today", g->today.nusd, g->today.calls);
    say_sum(w, "stats_month", g->month.nusd, g->month.calls);
    say_sum(w, "stats_ever", g->ever.nusd, g->ever.calls);
    const struct tally *shown = g->month.calls ? &g->month : &g->ever;
    say_parts(w, shown == &g->month ? "stats_kinds" : "stats_kinds_ever", shown->kinds, shown->kinds_count, true);
    say_parts(w, "stats_models", shown->models, shown->models_count, false);
    r = say_budgets(w, g->today.nusd, g->month.nusd);
    if (!r && g->ever.calls)
        draw_days(w, "chart_title");
    return r;
}

/* ---- /stat: an administrator, about everybody ---- */

static void on_spender(const struct spender *s, void *owner) {
    struct desk_work *w = owner;
    char sum[MONEY_TEXT], about[200];
    snprintf(about, sizeof about, "%.*s%s%" PRId64, (int)utf8_cut_bytes(s->name, strlen(s->name), 100), s->name, *s->name ? ", " : "", s->user);
    (void)buf_printf(&w->answer->text, "• %s: %s (×%" PRId64 ")\n", about, money_print_usd(sum, s->nusd), s->calls);
}

static void say_count(struct desk_work *w, const char *line, int64_t count) {
    char about[24];
    snprintf(about, sizeof about, "%" PRId64, count);
    say(w, line, about);
}

static void say_queues(struct desk_work *w) {
    const int64_t *n = w->asked->entries;
    char about[200];
    snprintf(about, sizeof about, "media %" PRId64 ", llm %" PRId64 ", outbound %" PRId64 ", ledger %" PRId64, n[0], n[1], n[2],
             n[3] > 0 ? n[3] - 1 : n[3]);       /* this question stands there still */
    say(w, "stat_queues", about);
    say_count(w, "stat_dead", n[4]);
}

static int answer_stat(struct desk_work *w) {
    const struct gathered *g = &w->spent;
    int64_t failed = 0;
    w->user = EVERYBODY;
    int r = gather(w->sums, w->user, w->asked->now_ms, &w->spent, w->problem);
    if (!r)
        r = sums_failed(w->sums, g->today_ms, g->tomorrow_ms, &failed, w->problem);
    if (r)
        return r;
    say(w, "stat_title", "");
    gap(w);
    say_sum(w, "stats_today", g->today.nusd, g->today.calls);
    say_sum(w, "stat_week", g->week.nusd, g->week.calls);
    say_sum(w, "stats_month", g->month.nusd, g->month.calls);
    say_sum(w, "stats_ever", g->ever.nusd, g->ever.calls);
    say_left(w, "stats_left_month", limit_of(-1, "GLOBAL_MONTHLY_BUDGET_USD"), g->month.nusd);
    say_parts(w, "stats_models", g->month.models, g->month.models_count, false);
    if (g->month.calls) {
        gap(w);
        say(w, "stat_top", "");
        r = sums_top(w->sums, g->month_ms, g->tomorrow_ms, TOP_MOST, on_spender, w, w->problem);
    }
    gap(w);
    say_count(w, "stat_failed", failed);
    say_queues(w);
    draw_days(w, "chart_title_all");
    return r;
}

/* ---- /export: an administrator, a month call by call ---- */

/* The month that was asked for; without one, this one. */
static bool month_of(struct desk_work *w, struct span *ret) {
    char name[16] = "";
    const char *text = w->asked->text;
    size_t len = strcspn(text, " \t\r\n");
    struct tm now = { 0 };
    (void)clock_local(w->asked->now_ms / SECOND, &now);
    if (!len)
        (void)strftime(name, sizeof name, "%Y-%m", &now);
    else if (len < sizeof name && !text[len])
        memcpy(name, text, len);
    return month_named(name, ret);
}

static int answer_export(struct desk_work *w) {
    struct answer *a = w->answer;
    struct span month;
    int64_t rows = 0;
    bool cut = false;
    if (!month_of(w, &month)) {
        answer_line(a, "export_month", "");
        return 0;
    }
    int r = spool_open(&a->blob);
    if (r) {
        snprintf(w->problem, STORE_PROBLEM, "there is no place for the table: %s", strerror(-r));
        return r;
    }
    r = export_month(w->sums, month.from_ms, month.to_ms, &a->blob, &rows, &cut, w->problem);
    if (r)
        return r;
    if (!rows) {
        spool_close(&a->blob);
        answer_line(a, "export_none", month.name);
        return 0;
    }
    char about[64];
    snprintf(about, sizeof about, "%s (×%" PRId64 ")", month.name, rows);
    say(w, "export_done", about);
    if (cut)
        say(w, "export_cut", "");
    a->type = "text/csv";
    snprintf(a->name, sizeof a->name, "usage-%s.csv", month.name);
    a->as_file = true;
    return 0;
}

/* ---- /user: an administrator, about somebody, or whom there is ---- */

static void say_name(struct desk_work *w, const struct person *p) {
    (void)buf_printf(&w->answer->text, "%.*s%s%" PRId64, (int)utf8_cut_bytes(p->name, strlen(p->name), 100), p->name, *p->name ? ", " : "", p->user);
}

static void on_listed(const struct person *p, void *owner) {
    struct desk_work *w = owner;
    (void)buf_add_str(&w->answer->text, "• ");
    say_name(w, p);
    (void)buf_printf(&w->answer->text, "%s%s\n", *p->role ? ": " : "", p->role);
    w->found++;
}

static void say_limit(struct desk_work *w, const char *line, int64_t nusd) {
    char limit[MONEY_TEXT];
    say(w, line, nusd < 0 ? "" : money_print_usd(limit, nusd));
}

/* The one he has chosen, also while that is not permitted and the bot's answers. */
static void say_model(struct desk_work *w, const char *model) {
    say(w, *model && !setting_has_model("USER_MODELS", model) ? "user_model_idle" : "user_model", model);
}

static void on_person(const struct person *p, void *owner) {
    struct desk_work *w = owner;
    say_name(w, p);
    gap(w);
    say(w, "user_role", p->role);
    say_limit(w, "user_day", p->day_nusd);
    say_limit(w, "user_month", p->month_nusd);
    say_model(w, p->model);
    w->found++;
}

static int answer_user_list(struct desk_work *w) {
    say(w, "user_list", "");
    int r = sums_people(w->sums, EVERYBODY, LISTED_MOST, on_listed, w, w->problem);
    if (!r && !w->found)
        answer_line(w->answer, "user_none", "");
    return r;
}

static int answer_user(struct desk_work *w) {
    w->user = strtoll(w->asked->text, NULL, 10);
    if (w->user <= 0)
        return answer_user_list(w);
    int r = sums_people(w->sums, w->user, 1, on_person, w, w->problem);
    if (!r && !w->found)
        on_person(&(struct person){ w->user, -1, -1, "", "", "" }, w);
    if (!r)
        r = gather(w->sums, w->user, w->asked->now_ms, &w->spent, w->problem);
    if (r)
        return r;
    gap(w);
    say_sum(w, "stats_today", w->spent.today.nusd, w->spent.today.calls);
    say_sum(w, "stats_month", w->spent.month.nusd, w->spent.month.calls);
    say_sum(w, "stats_ever", w->spent.ever.nusd, w->spent.ever.calls);
    return 0;
}

/* ---- /broadcast: to everybody ---- */

static int answer_broadcast(struct desk_work *w) {
    return broadcast_ask(w->sums, w->asked, w->answer, w->problem);
}

static int answer_decision(struct desk_work *w) {
    return broadcast_decide(w->sums, w->asked, w->answer, w->problem);
}

/* ---- the table ---- */

static const struct question {
    const char *what;
    bool counts, is_admins;
    int (*answer)(struct desk_work *w);
} questions[] = {
    { "stats", false, false, answer_stats },
    { "stat", true, true, answer_stat },
    { "export", false, true, answer_export },
    { "user", false, true, answer_user },
    { "broadcast", false, true, answer_broadcast },
    { "spread", false, true, answer_decision },
    { 0 },
};

static const struct question *find(const char *what) {
    const struct question *q = questions;
    while (q->what && strcmp(q->what, what))
        q++;
    return q->what ? q : NULL;
}

bool question_counts(const char *what) {
    const struct question *q = find(what);
    return q && q->counts;
}

int question_answer(struct sums *s, const struct asked *a, struct answer *ret, char problem[STORE_PROBLEM]) {
    const struct question *q = find(a->what);
    answer_begin(ret);
    if (!q || (q->is_admins && !a->is_admin)) {
        answer_line(ret, q ? "unknown_command" : "unknown", "");
        return 0;
    }
    struct desk_work w = { .sums = s, .asked = a, .answer = ret, .problem = problem };
    int r = q->answer(&w);
    answer_trim(ret);
    return r;
}

/* ---- answers ---- */

void answer_begin(struct answer *a) {
    *a = (struct answer){ .blob = SPOOL_CLOSED };
    buf_init(&a->text, ANSWER_MOST);
}

void answer_trim(struct answer *a) {
    while (a->text.len && a->text.data[a->text.len - 1] == '\n')
        a->text.data[--a->text.len] = 0;
}

bool answer_offer_list(struct answer *a, const char *words, const char *format, va_list list) {
    char data[CHOICE_DATA + 1];
    if (a->choices_count == ANSWER_CHOICES)
        return false;
    struct choice *c = &a->choices[a->choices_count];
    int len = vsnprintf(data, sizeof data, format, list);
    if (len < 0 || (size_t)len >= sizeof data || strchr(data, '|'))       /* more than a button may say */
        return false;
    snprintf(c->value, sizeof c->value, "%s|%s", data, words);
    snprintf(c->name, sizeof c->name, "choice:%d", a->choices_count++);
    return true;
}

bool answer_offer(struct answer *a, const char *words, const char *format, ...) {
    va_list list;
    va_start(list, format);
    bool offered = answer_offer_list(a, words, format, list);
    va_end(list);
    return offered;
}

void answer_line(struct answer *a, const char *line, const char *about) {
    a->line = line;
    snprintf(a->about, sizeof a->about, "%s", about);
}

void answer_markdown(const struct answer *a, struct buf *out) {
    const char *text = buf_cstr(&a->text);
    if (a->markdown) {
        (void)buf_add_str(out, a->markdown);
        (void)buf_add_str(out, "\n\n");
    }
    bool leads = true;                          /* nothing but digits in this line yet: "1." would begin a list, as would "-" */
    for (size_t i = 0; i < a->text.len; i++) {
        bool begins = !i || text[i - 1] == '\n';
        leads = begins || (leads && text[i - 1] >= '0' && text[i - 1] <= '9');
        if (strchr("\\`*_<>#~|$&\n", text[i]) || (begins && strchr("-+=", text[i])) || (leads && !begins && strchr(".)", text[i])))
            (void)buf_add(out, "\\", 1);        /* before the end of a line it keeps that */
        bool opens = text[i] == '[', closes = text[i] == ']';       /* with a backslash they would open a formula */
        (void)buf_add(out, opens ? "(" : closes ? ")" : text + i, 1);
    }
}

void answer_done(struct answer *a) {
    buf_done(&a->text);
    if (a->blob.fd >= 0)
        spool_close(&a->blob);
    *a = (struct answer){ .blob = SPOOL_CLOSED };
}
