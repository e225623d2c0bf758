#include "ledger/event.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/keys.h"
#include "proto/money.h"
#include "services/utf8.h"

#define ID_MAX_LEN 500
#define TEXT_MAX_LEN 200
#define AMOUNT_MAX INT64_C(1000000000000)           /* tokens, pictures: more is nonsense */
#define AT_MAX INT64_C(253402300799999)             /* the last millisecond of the year 9999 */
#define VALUE_MAX_LEN 4096
#define FIELDS_MAX 100

/* The field names, each found once per event. */
enum name {
    KIND, EVENT, JOB, CHAT, USER, AT, PAID, MODEL, INPUT, CACHED, WRITTEN, OUTPUT, REASONING, SECONDS, IMAGES, TOOLS, COST,
    PRICE_VERSION, ESTIMATED, STATUS, RESPONSE, UNCLEAR, NAMES
};
static const char *const names[NAMES] = {
    "kind", "event", "job", "chat", "user", "at", "paid", "model", "input_tokens", "cached_tokens", "cache_write_tokens",
    "output_tokens", "reasoning_tokens", "seconds", "images", "tools", "cost_nusd", "price_version", "estimated", "status", "response", "unclear"
};

struct reader {
    const struct field *found[NAMES];               /* NULL: not there */
    struct event *event;
};

static void find_fields(const struct fields *f, struct reader *r) {
    for (int i = 0; i < f->count; i++)
        for (int n = 0; n < NAMES; n++)
            if (!r->found[n] && !strcmp(f->list[i].name, names[n])) {
                r->found[n] = &f->list[i];
                break;
            }
}

static void unclear(struct reader *r, enum name n) {
    char *list = r->event->unclear;
    size_t len = strlen(list);
    if (len + 1 + strlen(names[n]) < sizeof r->event->unclear)
        snprintf(list + len, sizeof r->event->unclear - len, "%s%s", len ? "," : "", names[n]);
}

static bool is_text(const struct field *f) {
    return !memchr(f->value, 0, f->value_len) && utf8_valid(f->value, f->value_len);
}

static struct event_text read_text(struct reader *r, enum name n) {
    const struct field *f = r->found[n];
    if (!f)
        return (struct event_text){ "", 0 };
    if (!is_text(f)) {
        unclear(r, n);
        return (struct event_text){ "", 0 };
    }
    if (f->value_len <= TEXT_MAX_LEN)
        return (struct event_text){ f->value, f->value_len };
    unclear(r, n);
    return (struct event_text){ f->value, utf8_cut_bytes(f->value, f->value_len, TEXT_MAX_LEN) };
}

static bool parse_int(const struct field *f, int64_t *ret) {
    const char *digits = f->value + (f->value[0] == '-');
    int64_t n;
    if (strlen(f->value) != f->value_len || money_parse_scaled(digits, 0, &n) || strchr(digits, '.'))
        return false;
    *ret = digits > f->value ? -n : n;
    return true;
}

/* A whole number from least to most; 0 and unclear when it is none. Missing or empty is simply 0. */
static int64_t read_int(struct reader *r, enum name n, int64_t least, int64_t most) {
    const struct field *f = r->found[n];
    int64_t value = 0;
    if (!f || !f->value_len)
        return 0;
    if (parse_int(f, &value) && value >= least && value <= most)
        return value;
    unclear(r, n);
    return 0;
}

static int64_t read_amount(struct reader *r, enum name n) {
    return read_int(r, n, 0, AMOUNT_MAX);
}

/* Whoever wrote it may have had a double in hand: 7.439999999999999 is cut behind its ninth place. */
static int64_t read_seconds_as_ms(struct reader *r) {
    const struct field *f = r->found[SECONDS];
    if (!f || !f->value_len)
        return 0;
    char text[64] = "";
    int64_t ns = INT64_MAX;
    if (f->value_len < sizeof text)
        memcpy(text, f->value, strlen(f->value) == f->value_len ? f->value_len : 0);
    char *point = strchr(text, '.');
    if (point && strlen(point) > 10 && strspn(point + 1, "0123456789") == strlen(point + 1))
        point[10] = 0;
    if (!money_parse_number(text, 9, &ns) && ns <= INT64_MAX - 500000)
        return (ns + 500000) / 1000000;
    unclear(r, SECONDS);
    return 0;
}

/* "web_search=2,file_search=1" */
static void read_tools(struct reader *r) {
    struct event *e = r->event;
    e->tools = read_text(r, TOOLS);
    if (e->tools.len >= sizeof e->tool_names)
        return;
    memcpy(e->tool_names, e->tools.data, e->tools.len);
    int count = 0;
    char *rest = NULL;
    for (char *one = strtok_r(e->tool_names, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
        char *equals = strchr(one, '=');
        int64_t calls;
        if (!equals || count == PRICES_TOOLS || money_parse_scaled(equals + 1, 0, &calls)) {
            unclear(r, TOOLS);
            return;
        }
        *equals = 0;
        e->used.tools[count++] = (struct usage_tool){ one, calls };
    }
}

/* "input_tokens,output_tokens": names of ours that somebody before us could make no sense of. */
static void read_unclear(struct reader *r) {
    struct event_text said = read_text(r, UNCLEAR);
    for (int n = 0; n < NAMES; n++) {
        size_t len = strlen(names[n]);
        for (size_t at = 0; at < said.len;) {
            const char *comma = memchr(said.data + at, ',', said.len - at);
            size_t word = comma ? (size_t)(comma - said.data) - at : said.len - at;
            if (word == len && !memcmp(said.data + at, names[n], len))
                unclear(r, (enum name)n);
            at += word + 1;
        }
    }
}

/* What is part of something else cannot be more than that. It stands as it was reported; its price is that of the whole at most. */
static void doubt(struct reader *r) {
    const struct usage *u = &r->event->used;
    bool is_odd[NAMES] = { [CACHED] = u->cached_tokens > u->input_tokens, [REASONING] = u->reasoning_tokens > u->output_tokens,
                           [WRITTEN] = u->cache_write_tokens > u->input_tokens - u->cached_tokens && u->cached_tokens <= u->input_tokens };
    for (int n = 0; n < NAMES; n++)
        if (is_odd[n] && !strstr(r->event->unclear, names[n]))
            unclear(r, (enum name)n);
}

static struct event_text text_of(const char *s) {
    return (struct event_text){ s, strlen(s) };
}

static bool read_cost(struct reader *r) {
    const struct field *f = r->found[COST];
    if (!f || !f->value_len)
        return false;
    bool correction = !strcmp(r->event->kind.data, "correction");
    int64_t cost;
    if (!parse_int(f, &cost) || cost > MONEY_MAX_NUSD || cost < (correction ? -MONEY_MAX_NUSD : 0)) {
        unclear(r, COST);
        return false;
    }
    r->event->cost_nusd = cost;
    r->event->price_version = read_text(r, PRICE_VERSION);
    return true;
}

static void compute_cost(struct reader *r, const struct prices *prices) {
    struct event *e = r->event;
    char model[TEXT_MAX_LEN + 1];
    memcpy(model, e->model.data, e->model.len);
    model[e->model.len] = 0;
    e->cost_nusd = prices_cost(prices, model, &e->used);
    e->price_version = text_of(prices_version(prices, model));
}

/* The id is the job's and then the call's; one that is made differently is a call as a whole. */
static struct event_text call_of(const struct event *e) {
    if (e->job.len && e->id.len > e->job.len + 1 && e->id.data[e->job.len] == ':' && !memcmp(e->id.data, e->job.data, e->job.len))
        return (struct event_text){ e->id.data + e->job.len + 1, e->id.len - e->job.len - 1 };
    return e->id;
}

const char *event_read(const struct fields *f, const struct prices *prices, int64_t now_ms, struct event *ret) {
    struct reader r = { .event = ret };
    *ret = (struct event){ 0 };
    find_fields(f, &r);
    if (!r.found[KIND] || strcmp(r.found[KIND]->value, KIND_USAGE))
        return r.found[KIND] ? "unknown kind" : "no kind";
    const struct field *id = r.found[EVENT];
    if (!id || !id->value_len)
        return "no event id";
    if (id->value_len > ID_MAX_LEN || !is_text(id))
        return "an event id that is no short text";
    ret->id = (struct event_text){ id->value, id->value_len };

    ret->job = read_text(&r, JOB);
    ret->call = call_of(ret);
    ret->kind = read_text(&r, PAID);
    if (!ret->kind.len) {
        unclear(&r, PAID);
        ret->kind = text_of("other");
    }
    ret->model = read_text(&r, MODEL);
    ret->status = read_text(&r, STATUS);
    ret->response = read_text(&r, RESPONSE);
    ret->user = read_int(&r, USER, INT64_MIN + 1, INT64_MAX);
    ret->chat = read_int(&r, CHAT, INT64_MIN + 1, INT64_MAX);
    ret->at = read_int(&r, AT, 1, AT_MAX);
    if (!ret->at)
        ret->at = now_ms;
    ret->used.input_tokens = read_amount(&r, INPUT);
    ret->used.cached_tokens = read_amount(&r, CACHED);
    ret->used.cache_write_tokens = read_amount(&r, WRITTEN);
    ret->used.output_tokens = read_amount(&r, OUTPUT);
    ret->used.reasoning_tokens = read_amount(&r, REASONING);
    ret->used.images = read_amount(&r, IMAGES);
    ret->used.audio_ms = read_seconds_as_ms(&r);
    ret->estimated = read_int(&r, ESTIMATED, 0, 1);
    read_tools(&r);
    read_unclear(&r);
    doubt(&r);
    if (!read_cost(&r))
        compute_cost(&r, prices);
    return NULL;
}

/* ---- the raw row ---- */

/* Pieces of a few bytes are gathered here: this runs for every event, and buf_add() looks for room each time. */
struct pen {
    struct buf *out;
    size_t len;
    bool fits;
    char page[2048];
};

static void flush(struct pen *p) {
    p->fits = buf_add(p->out, p->page, p->len) && p->fits;
    p->len = 0;
}

static void put(struct pen *p, const char *s, size_t len) {
    if (len > sizeof p->page - p->len)
        flush(p);
    if (len > sizeof p->page) {
        p->fits = buf_add(p->out, s, len) && p->fits;
        return;
    }
    memcpy(p->page + p->len, s, len);
    p->len += len;
}

static size_t plain_len(const char *s, size_t len) {
    size_t i = 0;
    while (i < len && s[i] >= ' ' && s[i] < 0x7f && s[i] != '"' && s[i] != '\\')
        i++;
    return i;
}

static void put_escaped(struct pen *p, const char *s, size_t len) {
    char *clean = utf8_clean(s, len, &len), escaped[8];
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)clean[i];
        if (c < ' ')
            put(p, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", c));
        else if (c == '"' || c == '\\')
            put(p, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\%c", c));
        else
            put(p, clean + i, 1);
    }
    free(clean);
}

static void put_string(struct pen *p, const char *s, size_t len) {
    bool cut = len > VALUE_MAX_LEN;
    if (cut)
        len = VALUE_MAX_LEN;
    put(p, "\"", 1);
    if (plain_len(s, len) == len)
        put(p, s, len);
    else
        put_escaped(p, s, len);
    if (cut)
        put(p, "…", strlen("…"));
    put(p, "\"", 1);
}

void event_to_json(const struct fields *f, struct buf *out) {
    struct pen p;
    p.out = out;
    p.len = 0;
    p.fits = true;
    put(&p, "{", 1);
    for (int i = 0; i < f->count && i < FIELDS_MAX; i++) {
        if (i)
            put(&p, ",", 1);
        put_string(&p, f->list[i].name, strlen(f->list[i].name));
        put(&p, ":", 1);
        put_string(&p, f->list[i].value, f->list[i].value_len);
    }
    put(&p, "}", 1);
    flush(&p);
    assert(p.fits);     /* FIELDS_MAX · 2 · (6 · VALUE_MAX_LEN + 6) < EVENT_JSON_MAX */
}
