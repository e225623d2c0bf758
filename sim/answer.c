#include "sim/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/params.h"
#include "sim/text.h"

enum { QUOTE_CHARS = 60 };
#define NUMBER_MAX 100000000

static const struct number {
    const char *name;
    size_t at;
} numbers[] = {
    { "deltas",     offsetof(struct plan, deltas) },
    { "delta_ms",   offsetof(struct plan, delta_ms) },
    { "first_ms",   offsetof(struct plan, first_ms) },
    { "queue_ms",   offsetof(struct plan, queue_ms) },
    { "words",      offsetof(struct plan, words) },
    { "reasoning",  offsetof(struct plan, reasoning) },
    { "fail_after", offsetof(struct plan, fail_after) },
    { "search",     offsetof(struct plan, search) },
    { "lookup",     offsetof(struct plan, lookup) },
    { "compute",    offsetof(struct plan, compute) },
    { "tool_ms",    offsetof(struct plan, tool_ms) },
};
static const struct flag {
    const char *name;
    size_t at;
} flags[] = {
    { "refuse",    offsetof(struct plan, refuse) },
    { "empty",     offsetof(struct plan, empty) },
    { "keepalive", offsetof(struct plan, keepalive) },
    { "late",      offsetof(struct plan, late) },
    { "marks",     offsetof(struct plan, marks) },
};
static const char *const ends[] = { "completed", "incomplete", "filter", "failed", "error" };
enum { NUMBERS = sizeof numbers / sizeof *numbers, FLAGS = sizeof flags / sizeof *flags, ENDS = sizeof ends / sizeof *ends };

int64_t answer_tokens(size_t bytes) {
    return (int64_t)(bytes + 3) / 4;
}

static bool set_number(struct plan *plan, const char *name, int64_t v) {
    for (int i = 0; i < NUMBERS; i++)
        if (!strcmp(numbers[i].name, name)) {
            memcpy((char *)plan + numbers[i].at, &v, sizeof v);
            return v >= 0 && v <= NUMBER_MAX;
        }
    return false;
}

static bool set_flag(struct plan *plan, const char *name, bool v) {
    for (int i = 0; i < FLAGS; i++)
        if (!strcmp(flags[i].name, name)) {
            memcpy((char *)plan + flags[i].at, &v, sizeof v);
            return true;
        }
    return false;
}

static bool set_text(struct plan *plan, const char *name, const char *v) {
    if (!strcmp(name, "code")) {
        snprintf(plan->code, sizeof plan->code, "%s", v);
        return true;
    }
    if (!strcmp(name, "status"))
        for (int i = 0; i < ENDS; i++)
            if (!strcmp(ends[i], v)) {
                plan->end = (unsigned)i;
                return true;
            }
    return false;
}

bool answer_set_plan(const cJSON *o, struct plan *plan) {
    const cJSON *i;
    cJSON_ArrayForEach(i, o) {
        struct plan probe = *plan;
        int64_t v;
        for (int k = 0; k < NUMBERS; k++)
            if (!strcmp(numbers[k].name, i->string) && (!json_number(i, &v) || !set_number(&probe, i->string, v)))
                return false;
        if (cJSON_IsBool(i))
            set_flag(&probe, i->string, cJSON_IsTrue(i));   /* other members are not ours */
        if (!strcmp(i->string, "status") || !strcmp(i->string, "code"))
            if (!cJSON_IsString(i) || !set_text(&probe, i->string, i->valuestring))
                return false;
        *plan = probe;
    }
    return true;
}

void answer_plan_to_json(const struct plan *plan, struct buf *b) {
    for (int i = 0; i < NUMBERS; i++) {
        int64_t v;
        memcpy(&v, (const char *)plan + numbers[i].at, sizeof v);
        buf_fmt(b, "\"%s\":%lld,", numbers[i].name, (long long)v);
    }
    for (int i = 0; i < FLAGS; i++) {
        bool v;
        memcpy(&v, (const char *)plan + flags[i].at, sizeof v);
        buf_fmt(b, "\"%s\":%s,", flags[i].name, v ? "true" : "false");
    }
    buf_fmt(b, "\"status\":\"%s\",\"code\":", ends[plan->end]);
    buf_json_str(b, plan->code);
    buf_str(b, ",");
}

/* One block without its brackets. False: these are no directives, so they stay in the text. */
static bool read_block(const char *s, size_t n, struct plan *plan, char **ret_say) {
    struct plan probe = *plan;
    bool any = false;
    size_t i = 0;
    while (i < n) {
        char word[80], *eq, *end;
        size_t len = strcspn(s + i, " ]"), k = 0;
        if (s[i] == ' ') {
            i++;
            continue;
        }
        if (n - i > 4 && !memcmp(s + i, "say=", 4)) {
            free(*ret_say);
            *ret_say = xndup(s + i + 4, n - i - 4);
            any = true;
            break;
        }
        if (len > n - i)
            len = n - i;
        k = len < sizeof word - 1 ? len : sizeof word - 1;
        memcpy(word, s + i, k);
        word[k] = 0;
        i += len + (len == 0);
        eq = strchr(word, '=');
        if (eq)
            *eq++ = 0;
        if (!eq ? !set_flag(&probe, word, true) : !set_text(&probe, word, eq) && !(set_number(&probe, word, strtoll(eq, &end, 10)) && end > eq && !*end))
            return false;
        any = true;
    }
    if (any)
        *plan = probe;
    return any;
}

char *answer_read_directives(const char *text, struct plan *plan, char **ret_say) {
    struct buf b = {0};
    const char *open;
    *ret_say = NULL;
    buf_str(&b, "");
    while ((open = strstr(text, "[["))) {
        const char *close = strstr(open, "]]");
        if (!close)
            break;
        buf_add(&b, text, (size_t)(open - text));
        if (!read_block(open + 2, (size_t)(close - open - 2), plan, ret_say))
            buf_add(&b, open, (size_t)(close + 2 - open));
        text = close + 2;
    }
    buf_str(&b, text);
    return buf_take(&b);
}

/* The question as it is quoted: white space collapsed, cut to its first characters. */
static void quote(struct buf *b, const char *question) {
    struct buf flat = {0};
    bool gap = false;
    for (const char *s = question; *s; s++) {
        if (strchr(" \t\r\n", *s)) {
            gap = flat.n > 0;
            continue;
        }
        if (gap)
            buf_add(&flat, " ", 1);
        gap = false;
        buf_add(&flat, s, 1);
    }
    buf_add(b, flat.p, flat.p ? text_prefix(flat.p, flat.n, QUOTE_CHARS) : 0);
    buf_done(&flat);
}

char *answer_text(const char *question, const char *say, const struct plan *plan, int images, int files) {
    struct buf b = {0};
    int64_t words = plan->words ? plan->words : plan->deltas > 8 ? plan->deltas : 8;
    if (say)
        return xdup(say);
    buf_str(&b, "Answer to «");
    quote(&b, question);
    buf_str(&b, "»");
    if (images)
        buf_fmt(&b, " with %d image%s", images, images == 1 ? "" : "s");
    if (files)
        buf_fmt(&b, " with %d file%s", files, files == 1 ? "" : "s");
    buf_str(&b, ":");
    for (int64_t i = 1; i <= words; i++) {
        buf_str(&b, " w");
        buf_i64(&b, i);
    }
    return buf_take(&b);
}
