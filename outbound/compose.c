/* The final form: text, line, or both; whether it says that it is late, or was cut; which button stands under it. */
#include "outbound/followed.h"
#include <stdlib.h>
#include <string.h>
#include "outbound/listing.h"
#include "proto/cleanup.h"
#include "proto/keys.h"
#include "proto/money.h"
#include "services/alloc.h"

enum { LATE_MS = 600 * SECOND, KEPT_MS = 25 * 3600 * SECOND, LINE_MOST = 16384 };

static void add_line(struct follow *f, const char *name, const char *about, struct buf *out) {
    if (!texts_line(f->lang, name, about, out))
        log_error(&f->about, "there is no line called %s: something else was said", name);
}

/* ms since 1970 when the first response that stands was born; 0: there is none. */
static int64_t first_born_ms(const struct fields *job) {
    int64_t first = 0;
    for (int i = 0; i < job->count; i++) {
        int64_t born = strncmp(job->list[i].name, "born:", 5) ? 0 : strtoll(job->list[i].value, NULL, 10);
        if (born > 0 && (!first || born < first))
            first = born;
    }
    return first;
}

/* `part:<name>` tells whoever shows the job after us. It stands there before the next part is marked. */
static void remember(struct follow *f, const char *name, size_t what) {
    struct args a = {0};
    args_str(&a, f->held.entry);
    args_str(&a, f->held.job);
    args_str(&a, f->desk->svc->worker);
    args_str(&a, name);
    args_str(&a, "");
    args_int(&a, (int64_t)what);
    redis_script(f->desk->svc->redis, SCRIPT_MARK, &a, NULL, NULL);
}

static bool stands_in_chat(const struct follow *f) {
    if (f->preview.shown_at_ms)
        return true;
    for (size_t i = 0; i < f->count && !f->retry; i++)
        if (f->bubbles[i].id || f->bubbles[i].marked)
            return true;
    return false;
}

/* Somebody waited for long, and not for the model's thoughts: it was asked late, or nothing of the answer could be shown until now.
 * (Of an answer in the making something is shown after three seconds.) Decided once: `part:late` tells the next one who shows it. */
static bool is_late(struct follow *f) {
    const struct fields *job = f->reply.job;
    int64_t asked = fields_int_or(job, "asked", 0) * SECOND, born = first_born_ms(job);
    if (f->direct || asked <= 0)
        return false;
    if (*fields_str(job, "part:late"))
        return true;
    int64_t waited = born ? born - asked : 0, until_now = stands_in_chat(f) ? 0 : clock_wall_ms() - asked;
    waited = until_now > waited ? until_now : waited;
    if (waited <= LATE_MS || waited > KEPT_MS)   /* Telegram keeps no update for longer: it is its clock, or ours, that is wrong */
        return false;
    remember(f, "late", 1);
    return true;
}

/* What was cut off or did not come may be asked for again; not after /new: that dialogue is forgotten. */
static bool may_be_retried(const struct follow *f, const char *how, const char *line) {
    static const char *const lines[] = {"incomplete_length", "incomplete_filter", "failed", "quota", "key", "empty", NULL};
    const char *stop = fields_str(f->reply.job, "stop");
    if (f->direct || !strcmp(stop, STOP_NEW) || !strcmp(stop, STOP_GONE))
        return false;
    bool may = !strcmp(how, HOW_STOPPED);
    for (int i = 0; lines[i] && !may; i++)
        may = !strcmp(line, lines[i]);
    return may;
}

static void put(char **place, const char *word) {
    free(*place);
    *place = alloc_copy(word, strlen(word));
}

/* How many parts of the answer stand in the chat, from its beginning on. A status line is none, nor what a retry is to replace: of that
 * we know only ourselves what has been replaced. */
static size_t standing(const struct follow *f) {
    bool knows = !f->taken_over && !f->parks;
    size_t n = 0;
    while (n < f->plan.count && n < f->count && f->bubbles[n].id && (!f->retry || !knows || f->bubbles[n].hash))
        n++;
    if (preview_has_words(f, n))         /* as a draft */
        n++;
    return f->has_words || !knows ? n : 0;
}

/* Asked to stop when the whole answer was there but not yet in the chat: how much of it is kept? Decided once, as above. */
static bool is_cut(struct follow *f, const char *how, size_t *ret_parts) {
    const char *stop = fields_str(f->reply.job, "stop"), *cut = fields_str(f->reply.job, "part:cut");
    enum telegram_method method;
    size_t part;
    if (strcmp(how, HOW_DONE) || (strcmp(stop, STOP_USER) && strcmp(stop, STOP_NEW)))
        return false;
    if (!*cut && !(f->picture.is ? !picture_stands(f) : choose_lacks(f, &method, &part)))
        return false;
    *ret_parts = *cut ? strtoul(cut, NULL, 10) : standing(f);
    if (!*cut && f->preview.has_words && *ret_parts >= f->plan.count)
        return false;                    /* he has seen to its end what he stopped */
    if (!*cut)
        remember(f, "cut", *ret_parts);
    return true;
}

/* Keeps the first parts, and says below them that this was it. */
static void cut(struct follow *f, size_t parts) {
    CLEANUP(buf_done) struct buf line;
    buf_init(&line, LINE_MOST);
    add_line(f, "stopped", "", &line);
    parts_keep(&f->plan, parts);
    parts_add_line(&f->plan, buf_cstr(&line), line.len);
    f->picture.is = false;
    put(&f->how, HOW_STOPPED);
    f->last_button = may_be_retried(f, HOW_STOPPED, "stopped") ? BUTTON_RETRY : BUTTON_NONE;
}

/* What the model wrote; above it, where that is so, that it is late. */
static void render(struct follow *f, bool is_whole) {
    const char *text = f->text.data ? f->text.data : "";
    parts_render(&f->plan, text, f->text.len, false, "");
    if (!is_whole || !f->plan.count || !is_late(f))
        return;
    CLEANUP(buf_done) struct buf late;
    buf_init(&late, LINE_MOST);
    add_line(f, "late", "", &late);
    if (fields_int_or(f->reply.job, "prelude", 0))       /* what was heard, or is about what, comes first */
        parts_add_line(&f->plan, buf_cstr(&late), late.len);
    else
        parts_render(&f->plan, text, f->text.len, false, buf_cstr(&late));
}

/* Below an answer, where SHOW_COST says so. Not in groups: what it costs is nobody else's. */
static void add_cost(struct follow *f, const struct fields *job, struct buf *lines) {
    int64_t cost = fields_int_or(job, "cost", 0);
    char about[MONEY_TEXT];
    CLEANUP(buf_done) struct buf line;
    buf_init(&line, LINE_MOST);
    if (f->direct || f->chat < 0 || cost <= 0 || strcmp(setting_text("SHOW_COST"), "1"))
        return;
    add_line(f, "answer_cost", money_print_usd(about, cost), &line);
    if (f->picture.is) {
        picture_add_line(f, buf_cstr(&line));
    } else if (f->plan.count) {
        (void)buf_add_str(lines, lines->len ? "\n" : "");
        (void)buf_add(lines, line.data, line.len);
    }
}

/* The buttons that the answer of a direct job brings. One block of memory. */
static char **choices_of(const struct fields *job) {
    char name[16];
    size_t count = 0, bytes = 0;
    for (const char *value; count < BUTTONS_MOST; count++, bytes += strlen(value) + 1) {
        snprintf(name, sizeof name, "choice:%zu", count);
        value = fields_get(job, name);
        if (!value)
            break;
    }
    if (!count)
        return NULL;
    char **list = alloc_zero((count + 1) * sizeof *list + bytes), *at = (char *)(list + count + 1);
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "choice:%zu", i);
        list[i] = strcpy(at, fields_str(job, name));
        at += strlen(at) + 1;
    }
    return list;
}

void compose(struct follow *f) {
    const struct fields *job = f->reply.job;
    const char *line = fields_str(job, "line"), *about = fields_str(job, "about"), *how = fields_str(job, "how");
    line = *line ? line : picture_line(f, job);
    bool is_picture = picture_compose(f, job);
    how = *how ? how : HOW_DONE;
    render(f, !strcmp(how, HOW_DONE));
    bool forgotten = !strcmp(how, HOW_STOPPED) && !strcmp(fields_str(job, "stop"), STOP_NEW);       /* that it is was said */
    bool silent = !f->plan.count && (forgotten || *fields_str(job, "spread"));                    /* or what went to everybody says nothing */
    if (!*line && !strcmp(how, HOW_STOPPED) && !silent)
        line = "stopped";
    if (!*line && !f->plan.count && !is_picture && !silent) {
        log_error(&f->about, "neither an answer nor a line instead of it");
        line = "empty";
    }
    if (!f->whole.refused && *fields_str(job, "part:whole"))
        f->whole.refused = true;
    else if (f->whole.refused && !*fields_str(job, "part:whole"))
        remember(f, "whole", 1);
    bool in_file = whole_is_needed(f);
    CLEANUP(buf_done) struct buf lines;
    buf_init(&lines, LINE_MOST);
    if (*line)
        add_line(f, line, about, &lines);
    if (*fields_str(job, "unmade"))
        add_line(f, "file_not_had", fields_str(job, "unmade"), &lines);
    free(f->files);
    f->files = listing_add(job, f->lang, &lines);
    f->library = !strcmp(line, "library");
    free(f->choices);
    f->choices = f->direct ? choices_of(job) : NULL;
    add_cost(f, job, &lines);
    if (lines.len)
        parts_add_line(&f->plan, buf_cstr(&lines), lines.len);
    if (in_file)
        whole_add(f);
    parts_keep(&f->plan, PARTS_MOST);
    f->grants = f->direct ? fields_int_or(job, "grants", 0) : 0;
    f->last_button = f->choices                    ? BUTTON_CHOICES
                     : f->files                      ? BUTTON_FILES
                     : f->grants                 ? (*line ? BUTTON_GRANT : BUTTON_CARD)
                     : !strcmp(line, "forget_ask") ? BUTTON_FORGET
                     : !strcmp(line, "ask_size") ? BUTTON_SIZES
                     : is_picture                ? (f->direct ? BUTTON_NONE : BUTTON_PICTURE)
                     : may_be_retried(f, how, line) ? BUTTON_RETRY : BUTTON_NONE;
    put(&f->how, how);
    size_t kept;
    if (is_cut(f, how, &kept))
        cut(f, kept);
}
