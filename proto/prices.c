#include "proto/prices.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/money.h"

#define FILE_MAX ((size_t)4 << 20)
#define NAME_MAX_LEN 128
#define TIERS_MAX 8
#define PLACES 12                              /* a price is kept in pico-dollars (10^-12 USD) … */
#define PRICE_MAX (INT64_C(9000000) * INT64_C(1000000000000))     /* … and is at most nine million dollars */
#define AMOUNT_MAX INT64_C(1000000000000)      /* tokens, milliseconds, pictures of one call: more is nonsense */
#define UNSET (-1)

/* Sums are exact because they are kept in one unit that every price is a whole number of: a 3·10^9th of a nano-dollar.
 * Prices are pico-dollars per million tokens (· 3), per 60 000 ms (· 50), per piece (· 3 000 000).
 * The largest sum, of pictures and sixteen tools: 17 · PIECES_MAX · PRICE_MAX · 3·10^6 < 5·10^34, far inside __int128. */
#define PARTS_PER_NUSD INT64_C(3000000000)
#define PARTS_PER_TOKEN 3
#define PARTS_PER_MS 50
#define PARTS_PER_PIECE 3000000
#define PIECES_MAX INT64_C(100000000)
typedef __int128 parts;

struct token_prices { int64_t input, cached_input, cache_write, output; };      /* UNSET where nothing is said */
struct tier { int64_t over; struct token_prices prices; };
struct tool { char *name; int64_t price; };
struct picture { char *quality, *size; int64_t price; };                         /* size NULL: of any size */

struct model {
    char *name;
    struct tier tiers[1 + TIERS_MAX];          /* ascending; [0] is the entry itself, over -1 */
    int tier_count;
    int64_t per_minute, per_image;
    int64_t image_input, audio_input;          /* per token, of pictures and of sound that go in; UNSET: like any other */
    struct picture *pictures;                  /* then per_image is the dearest of them */
    int picture_count;
    struct tool *tools;
    int tool_count;
    char shutdown[11];
    char **abilities;
    int ability_count;
};

struct prices {
    struct model *models;                      /* sorted by name */
    size_t model_count;
    struct model fallback;                     /* its token prices, per_minute and per_image are all set */
    char version[13];
    char remark[PRICES_PROBLEM];
};

/* ---- reading ---- */

/* Where we are in the file, and where the complaint goes. */
struct reader {
    struct prices *p;
    char *problem;
    char place[3 * NAME_MAX_LEN];
};

static void *must(void *memory) {
    if (!memory)
        abort();
    return memory;
}

/* Text of a stranger, fit for a log line: no control characters, no bytes that are not ASCII, not long. */
static void quote(const char *text, char out[64]) {
    size_t n = 0;
    for (; text[n] && n < 40; n++)
        out[n] = text[n] >= ' ' && text[n] < 0x7f ? text[n] : '?';
    snprintf(out + n, 64 - n, "%s", text[n] ? "..." : "");
}

__attribute__((format(printf, 2, 3)))
static int complain(struct reader *r, const char *format, ...) {
    char what[200];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(r->problem, PRICES_PROBLEM, "%.180s: %s", r->place, what);
    return -EINVAL;
}

/* Go one name deeper; the returned length takes it back with leave(). */
static size_t enter(struct reader *r, const char *name) {
    size_t len = strlen(r->place);
    char shown[64];
    quote(name, shown);
    snprintf(r->place + len, sizeof r->place - len, "%s%s", len ? "." : "", shown);
    return len;
}

static void leave(struct reader *r, size_t len) {
    r->place[len] = 0;
}

/* The first key that nobody reads is kept for one warning. */
static void remark_unknown(struct reader *r, const char *key) {
    if (r->p->remark[0])
        return;
    size_t len = enter(r, key);
    snprintf(r->p->remark, sizeof r->p->remark, "%.180s: not a name we know, passed over", r->place);
    leave(r, len);
}

/* cJSON keeps numbers as doubles, and 0.1 is none. So numbers are given to it as strings that begin with this byte. */
#define NUMBER_MARK '\x01'

static char *numbers_as_strings(const char *text, size_t len, size_t *ret_len) {
    char *out = must(malloc(4 * len + 1));
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        if (text[i] == '"') {
            do {
                if (text[i] == '\\' && i + 1 < len)
                    out[n++] = text[i++];
                out[n++] = text[i++];
            } while (i < len && text[i] != '"');
            if (i < len)
                out[n++] = text[i++];
        } else if (text[i] == '-' || (text[i] >= '0' && text[i] <= '9')) {
            out[n++] = '"';
            out[n++] = NUMBER_MARK;
            while (i < len && text[i] && strchr("+-.eE0123456789", text[i]))
                out[n++] = text[i++];
            out[n++] = '"';
        } else {
            out[n++] = text[i++];
        }
    }
    *ret_len = n;
    return out;
}

static bool is_number(const cJSON *item) {
    return cJSON_IsString(item) && item->valuestring[0] == NUMBER_MARK;
}

static bool is_text(const cJSON *item) {
    return cJSON_IsString(item) && !is_number(item);
}

static int parse_decimal(const cJSON *item, int places, int64_t *ret) {
    if (is_number(item))
        return money_parse_number(item->valuestring + 1, places, ret);
    return is_text(item) ? money_parse_scaled(item->valuestring, places, ret) : -EINVAL;
}

static void show(const cJSON *item, char out[64]) {
    if (is_number(item))
        quote(item->valuestring + 1, out);
    else if (cJSON_IsString(item))
        quote(item->valuestring, out);
    else
        quote(cJSON_IsObject(item) ? "{...}" : cJSON_IsArray(item) ? "[...]" : cJSON_IsNull(item) ? "null" : "true or false", out);
}

static int read_price(struct reader *r, const cJSON *item, const char *unit, int64_t *price) {
    char shown[64];
    show(item, shown);
    if (*price != UNSET)
        return complain(r, "given twice");
    int64_t value;
    int bad = parse_decimal(item, PLACES, &value);
    if (bad == -EINVAL)
        return complain(r, "expected %s as a decimal such as \"0.25\", got %s", unit, shown);
    if (bad || value > PRICE_MAX)
        return complain(r, "expected %s, at most 9000000 and of at most %d decimals, got %s", unit, PLACES, shown);
    *price = value;
    return 0;
}

/* 1: it was one of the four token prices and is read. 0: it is something else. */
static int read_token_price(struct reader *r, const cJSON *item, struct token_prices *prices) {
    int64_t *price = !strcmp(item->string, "input") ? &prices->input
                   : !strcmp(item->string, "cached_input") ? &prices->cached_input
                   : !strcmp(item->string, "cache_write") ? &prices->cache_write
                   : !strcmp(item->string, "output") ? &prices->output : NULL;
    if (!price)
        return 0;
    int bad = read_price(r, item, "USD per million tokens", price);
    return bad < 0 ? bad : 1;
}

static int read_tier(struct reader *r, const cJSON *item, struct model *m) {
    if (!cJSON_IsObject(item))
        return complain(r, "expected an object such as {\"over\": 272000, \"input\": \"2\", \"output\": \"7.5\"}");
    if (m->tier_count > TIERS_MAX)
        return complain(r, "expected at most %d tiers", TIERS_MAX);
    struct tier t = { UNSET, { UNSET, UNSET, UNSET, UNSET } };
    const cJSON *field;
    cJSON_ArrayForEach(field, item) {
        size_t back = enter(r, field->string);
        int got = read_token_price(r, field, &t.prices);
        if (got < 0)
            return got;
        if (!strcmp(field->string, "over")) {
            if (parse_decimal(field, 0, &t.over) || t.over > AMOUNT_MAX)
                return complain(r, "expected a number of input tokens");
            got = 1;
        }
        leave(r, back);
        if (!got)
            remark_unknown(r, field->string);
    }
    if (t.over == UNSET)
        return complain(r, "expected \"over\", the number of input tokens that it begins after");
    if (t.over <= m->tiers[m->tier_count - 1].over)
        return complain(r, "expected tiers in the order of \"over\"");
    m->tiers[m->tier_count++] = t;
    return 0;
}

static int read_tiers(struct reader *r, const cJSON *item, struct model *m) {
    if (!cJSON_IsArray(item))
        return complain(r, "expected a list of tiers");
    if (m->tier_count > 1)
        return complain(r, "given twice");
    int i = 0;
    const cJSON *tier;
    cJSON_ArrayForEach(tier, item) {
        char number[32];
        snprintf(number, sizeof number, "%d", i++);
        size_t back = enter(r, number);
        int bad = read_tier(r, tier, m);
        if (bad < 0)
            return bad;
        leave(r, back);
    }
    return 0;
}

static int read_tools(struct reader *r, const cJSON *item, struct model *m) {
    if (!cJSON_IsObject(item))
        return complain(r, "expected an object of USD per call, by the tool's name");
    if (m->tools)
        return complain(r, "given twice");
    m->tools = must(calloc((size_t)cJSON_GetArraySize(item) + 1, sizeof *m->tools));
    const cJSON *tool;
    cJSON_ArrayForEach(tool, item) {
        size_t back = enter(r, tool->string);
        for (int i = 0; i < m->tool_count; i++)
            if (!strcmp(m->tools[i].name, tool->string))
                return complain(r, "given twice");
        int64_t price = UNSET;
        int bad = read_price(r, tool, "USD per call", &price);
        if (bad < 0)
            return bad;
        m->tools[m->tool_count++] = (struct tool){ must(strdup(tool->string)), price };
        leave(r, back);
    }
    return 0;
}

static int read_picture(struct reader *r, const cJSON *item, struct model *m, const char *quality, const char *size) {
    int64_t price = UNSET;
    for (int i = 0; i < m->picture_count; i++)
        if (!strcmp(m->pictures[i].quality, quality) && (!size || !m->pictures[i].size || !strcmp(m->pictures[i].size, size)))
            return complain(r, "given twice");
    int bad = read_price(r, item, "USD per image", &price);
    if (bad < 0)
        return bad;
    m->pictures = must(realloc(m->pictures, ((size_t)m->picture_count + 1) * sizeof *m->pictures));
    m->pictures[m->picture_count++] = (struct picture){ must(strdup(quality)), size ? must(strdup(size)) : NULL, price };
    m->per_image = price > m->per_image ? price : m->per_image;
    return 0;
}

static int read_sizes(struct reader *r, const cJSON *sizes, struct model *m) {
    const cJSON *size;
    cJSON_ArrayForEach(size, sizes) {
        size_t back = enter(r, size->string);
        int bad = read_picture(r, size, m, sizes->string, size->string);
        if (bad < 0)
            return bad;
        leave(r, back);
    }
    return 0;
}

/* One price, or one for each quality, or for each size of a quality. */
static int read_pictures(struct reader *r, const cJSON *item, struct model *m) {
    if (!cJSON_IsObject(item))
        return read_price(r, item, "USD per image", &m->per_image);
    if (m->per_image != UNSET)
        return complain(r, "given twice");
    const cJSON *quality;
    cJSON_ArrayForEach(quality, item) {
        size_t back = enter(r, quality->string);
        int bad = cJSON_IsObject(quality) ? read_sizes(r, quality, m) : read_picture(r, quality, m, quality->string, NULL);
        if (bad < 0)
            return bad;
        leave(r, back);
    }
    return m->picture_count ? 0 : complain(r, "expected USD per image, or an object of them by quality, and by size");
}

static bool is_date(const char *s) {
    static const char form[] = "dddd-dd-dd";
    for (int i = 0; i < 10; i++)
        if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
            return false;
    int month = (s[5] - '0') * 10 + s[6] - '0', day = (s[8] - '0') * 10 + s[9] - '0';
    return !s[10] && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static int read_shutdown(struct reader *r, const cJSON *item, struct model *m) {
    if (cJSON_IsNull(item))
        return 0;
    if (!is_text(item) || !is_date(item->valuestring))
        return complain(r, "expected a date such as \"2027-01-14\"");
    memcpy(m->shutdown, item->valuestring, sizeof m->shutdown);
    return 0;
}

static int read_abilities(struct reader *r, const cJSON *item, struct model *m) {
    if (!cJSON_IsArray(item))
        return complain(r, "expected a list of words such as [\"text\", \"vision\"]");
    if (m->abilities)
        return complain(r, "given twice");
    m->abilities = must(calloc((size_t)cJSON_GetArraySize(item) + 1, sizeof *m->abilities));
    const cJSON *word;
    cJSON_ArrayForEach(word, item) {
        if (!is_text(word) || !word->valuestring[0])
            return complain(r, "expected a list of words such as [\"text\", \"vision\"]");
        m->abilities[m->ability_count++] = must(strdup(word->valuestring));
    }
    return 0;
}

static void init_model(struct model *m) {
    *m = (struct model){ .tiers = { { UNSET, { UNSET, UNSET, UNSET, UNSET } } }, .tier_count = 1, .per_minute = UNSET, .per_image = UNSET,
                         .image_input = UNSET, .audio_input = UNSET };
}

static int read_field(struct reader *r, const cJSON *item, struct model *m, bool *ret_known) {
    int got = read_token_price(r, item, &m->tiers[0].prices);
    if (got)
        return got < 0 ? got : 0;
    if (!strcmp(item->string, "tiers"))
        return read_tiers(r, item, m);
    if (!strcmp(item->string, "per_minute"))
        return read_price(r, item, "USD per minute", &m->per_minute);
    if (!strcmp(item->string, "per_image"))
        return read_pictures(r, item, m);
    if (!strcmp(item->string, "image_input"))
        return read_price(r, item, "USD per million tokens", &m->image_input);
    if (!strcmp(item->string, "audio_input"))
        return read_price(r, item, "USD per million tokens", &m->audio_input);
    if (!strcmp(item->string, "tools"))
        return read_tools(r, item, m);
    if (!strcmp(item->string, "shutdown"))
        return read_shutdown(r, item, m);
    if (!strcmp(item->string, "abilities"))
        return read_abilities(r, item, m);
    *ret_known = false;
    return 0;
}

/* Whoever sells input sells output: what is missing of the two comes from the fallback, and for a tier from its entry. */
static void fill_gaps(struct model *m, const struct token_prices *fallback) {
    struct token_prices *t = &m->tiers[0].prices;
    bool sells_tokens = t->input != UNSET || t->cached_input != UNSET || t->cache_write != UNSET || t->output != UNSET;
    if (!sells_tokens && m->tier_count == 1)
        return;
    for (int i = 0; i < m->tier_count; i++) {
        const struct token_prices *from = i ? &m->tiers[0].prices : fallback;
        t = &m->tiers[i].prices;
        if (t->input == UNSET)
            t->input = from->input;
        if (t->output == UNSET)
            t->output = from->output;
        if (t->cached_input == UNSET)
            t->cached_input = t->input;
        if (t->cache_write == UNSET)
            t->cache_write = t->input;
    }
}

static int read_model(struct reader *r, const cJSON *item, struct model *m) {
    if (!item->string[0] || strlen(item->string) > NAME_MAX_LEN)
        return complain(r, "expected a model's name of 1 to %d bytes", NAME_MAX_LEN);
    if (!cJSON_IsObject(item))
        return complain(r, "expected an object of prices");
    m->name = must(strdup(item->string));
    const cJSON *field;
    cJSON_ArrayForEach(field, item) {
        bool known = true;
        size_t back = enter(r, field->string);
        int bad = read_field(r, field, m, &known);
        if (bad < 0)
            return bad;
        leave(r, back);
        if (!known)
            remark_unknown(r, field->string);
    }
    fill_gaps(m, &r->p->fallback.tiers[0].prices);
    return 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct model *)a)->name, ((const struct model *)b)->name);
}

static int read_models(struct reader *r, const cJSON *models) {
    struct prices *p = r->p;
    p->models = must(calloc((size_t)cJSON_GetArraySize(models) + 1, sizeof *p->models));
    const cJSON *item;
    cJSON_ArrayForEach(item, models) {
        size_t back = enter(r, item->string);
        init_model(&p->models[p->model_count]);
        int bad = read_model(r, item, &p->models[p->model_count++]);
        if (bad < 0)
            return bad;
        leave(r, back);
    }
    qsort(p->models, p->model_count, sizeof *p->models, by_name);
    for (size_t i = 1; i < p->model_count; i++)
        if (!strcmp(p->models[i - 1].name, p->models[i].name)) {
            enter(r, p->models[i].name);
            return complain(r, "given twice");
        }
    return 0;
}

static int read_root(struct reader *r, const cJSON *root) {
    snprintf(r->place, sizeof r->place, "%s", "the file");
    if (!cJSON_IsObject(root))
        return complain(r, "expected an object with \"models\"");
    const cJSON *models = NULL, *item;
    cJSON_ArrayForEach(item, root) {
        r->place[0] = 0;
        if (strcmp(item->string, "models")) {
            remark_unknown(r, item->string);
            continue;
        }
        enter(r, "models");
        if (models)
            return complain(r, "given twice");
        if (!cJSON_IsObject(item))
            return complain(r, "expected an object of models by their names");
        models = item;
    }
    snprintf(r->place, sizeof r->place, "%s", models ? "models" : "the file");
    return models ? read_models(r, models) : complain(r, "expected \"models\", an object of models by their names");
}

/* Line and column of the place where the JSON stops making sense; NULL: it makes sense. */
static cJSON *parse_json(const char *text, size_t len, const char **ret_stop) {
    const char *end = text;
    cJSON *root = cJSON_ParseWithLengthOpts(text, len, &end, 0);
    while (root && end < text + len && strchr(" \t\r\n", *end) && *end)
        end++;
    if (root && end == text + len)
        return root;
    cJSON_Delete(root);
    *ret_stop = end;
    return NULL;
}

static int complain_of_json(struct reader *r, const char *text, const char *stop) {
    int line = 1, column = 1;
    for (const char *s = text; s < stop; s++)
        column = *s == '\n' ? (line++, 1) : column + 1;
    snprintf(r->place, sizeof r->place, "line %d, column %d", line, column);
    return complain(r, "expected JSON");
}

static int read_file_text(struct reader *r, const char *text, size_t len) {
    const char *stop = NULL;
    cJSON *root = parse_json(text, len, &stop);      /* the text as it is, for the place of a mistake … */
    if (!root)
        return complain_of_json(r, text, stop);
    cJSON_Delete(root);
    size_t marked_len;
    char *marked = numbers_as_strings(text, len, &marked_len);
    root = parse_json(marked, marked_len, &stop);    /* … and with its numbers kept, for the values */
    free(marked);
    int bad = root ? read_root(r, root) : complain_of_json(r, text, text);
    cJSON_Delete(root);
    return bad;
}

/* FNV-1a: names a version of a file among the few its owner has written; nobody attacks it. */
static void name_version(const char *text, size_t len, char out[13]) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
    snprintf(out, 13, "%012" PRIx64, h >> 16);
}

static int read_fallback_price(struct reader *r, const char *name, const char *text, const char *standard, int places, int64_t *ret) {
    snprintf(r->place, sizeof r->place, "%s", name);
    int64_t value;
    char shown[64];
    quote(text ? text : standard, shown);
    int bad = money_parse_scaled(text ? text : standard, places, &value);
    if (bad == -EINVAL)
        return complain(r, "expected USD as a decimal such as %s, got \"%s\"", standard, shown);
    if (bad || value > PRICE_MAX)
        return complain(r, "expected USD, at most 9000 and of at most 9 decimals, got \"%s\"", shown);
    *ret = value;
    return 0;
}

static int read_fallback(struct reader *r, const struct price_texts *texts) {
    static const struct price_texts none;
    texts = texts ? texts : &none;
    struct model *m = &r->p->fallback;
    init_model(m);
    int64_t token;
    int bad = read_fallback_price(r, "OPENAI_PRICE_PER_1K_TOKENS", texts->per_1k_tokens, "0.002", PLACES + 3, &token);
    if (!bad)
        bad = read_fallback_price(r, "WHISPER_PRICE", texts->whisper_per_minute, "0.006", PLACES, &m->per_minute);
    if (!bad)
        bad = read_fallback_price(r, "DALLE_PRICE", texts->dalle_per_image, "0.040", PLACES, &m->per_image);
    if (!bad)      /* 10^-15 USD per thousand is 10^-12 per million */
        m->tiers[0].prices = (struct token_prices){ token, token, token, token };
    return bad;
}

int prices_load(const char *text, size_t len, const struct price_texts *fallback, struct prices **ret, char problem[PRICES_PROBLEM]) {
    struct reader r = { .p = must(calloc(1, sizeof *r.p)), .problem = problem };
    snprintf(r.p->version, sizeof r.p->version, "%s", PRICES_VERSION_FALLBACK);
    int bad = read_fallback(&r, fallback);
    if (!bad && text) {
        r.place[0] = 0;
        if (len > FILE_MAX) {
            snprintf(r.place, sizeof r.place, "%s", "the file");
            bad = complain(&r, "expected at most %zu bytes", FILE_MAX);
        } else {
            bad = read_file_text(&r, text, len);
        }
        name_version(text, len, r.p->version);
    }
    if (bad) {
        prices_free(r.p);
        return bad;
    }
    *ret = r.p;
    return 0;
}

static int read_whole(const char *path, char **ret_text, size_t *ret_len) {
    FILE *f = fopen(path, "re");
    if (!f)
        return -errno;
    char *text = must(malloc(FILE_MAX + 1));
    errno = 0;
    size_t len = fread(text, 1, FILE_MAX + 1, f);
    int bad = !ferror(f) ? 0 : errno ? -errno : -EIO;      /* a directory opens, but does not read */
    fclose(f);
    if (bad) {
        free(text);
        return bad;
    }
    *ret_text = text;
    *ret_len = len;
    return 0;
}

int prices_load_file(const char *path, const struct price_texts *fallback, struct prices **ret, char problem[PRICES_PROBLEM]) {
    char *text = NULL, inner[PRICES_PROBLEM];
    size_t len = 0;
    int bad = read_whole(path, &text, &len);
    if (bad) {
        snprintf(problem, PRICES_PROBLEM, "%.180s: expected a readable prices file: %s", path, strerror(-bad));
        return bad;
    }
    bad = prices_load(text, len, fallback, ret, inner);
    free(text);
    if (bad)
        snprintf(problem, PRICES_PROBLEM, "%.150s: %.240s", path, inner);
    return bad;
}

static void done_model(struct model *m) {
    for (int i = 0; i < m->tool_count; i++)
        free(m->tools[i].name);
    for (int i = 0; i < m->ability_count; i++)
        free(m->abilities[i]);
    for (int i = 0; i < m->picture_count; i++) {
        free(m->pictures[i].quality);
        free(m->pictures[i].size);
    }
    free(m->pictures);
    free(m->tools);
    free(m->abilities);
    free(m->name);
}

void prices_free(struct prices *p) {
    if (!p)
        return;
    for (size_t i = 0; i < p->model_count; i++)
        done_model(&p->models[i]);
    free(p->models);
    free(p);
}

/* ---- asking ---- */

static const struct model *find_exact(const struct prices *p, const char *name, size_t len) {
    size_t low = 0, high = p->model_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        const char *candidate = p->models[mid].name;
        int order = strncmp(candidate, name, len);
        if (!order)
            order = candidate[len] != 0;          /* longer than what is asked for: behind it */
        if (!order)
            return &p->models[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static const struct model *find(const struct prices *p, const char *name) {
    if (!name)
        return NULL;
    size_t len = strlen(name);
    const struct model *m = find_exact(p, name, len);
    if (!m && len > 11 && name[len - 11] == '-' && is_date(name + len - 10))
        m = find_exact(p, name, len - 11);
    return m;
}

const char *prices_remark(const struct prices *p) {
    return p->remark[0] ? p->remark : NULL;
}

bool prices_known(const struct prices *p, const char *model) {
    return find(p, model) != NULL;
}

static bool has_token_prices(const struct model *m) {
    return m && m->tiers[0].prices.input != UNSET;
}

bool prices_is_by_token(const struct prices *p, const char *model) {
    return has_token_prices(find(p, model));
}

const char *prices_name(const struct prices *p, size_t n) {
    return n < p->model_count ? p->models[n].name : NULL;
}

/* An entry may say only what a model can, or when it ends: its price is nobody's then. */
static bool has_prices(const struct model *m) {
    return has_token_prices(m) || m->per_minute != UNSET || m->per_image != UNSET || m->picture_count;
}

const char *prices_version(const struct prices *p, const char *model) {
    const struct model *m = find(p, model);
    return m && has_prices(m) ? p->version : PRICES_VERSION_FALLBACK;
}

const char *prices_shutdown(const struct prices *p, const char *model) {
    const struct model *m = find(p, model);
    return m && m->shutdown[0] ? m->shutdown : NULL;
}

bool prices_able(const struct prices *p, const char *model, const char *ability) {
    const struct model *m = find(p, model);
    for (int i = 0; m && i < m->ability_count; i++)
        if (!strcmp(m->abilities[i], ability))
            return true;
    return false;
}

static int64_t clamp(int64_t n, int64_t most) {
    return n < 0 ? 0 : n > most ? most : n;
}

static parts cost_of_tokens(const struct model *m, const struct usage *u) {
    int64_t input = clamp(u->input_tokens, AMOUNT_MAX);
    int64_t cached = clamp(u->cached_tokens, input);
    int64_t written = clamp(u->cache_write_tokens, input - cached);
    int64_t output = clamp(u->output_tokens, AMOUNT_MAX);
    int i = m->tier_count - 1;
    while (input <= m->tiers[i].over)             /* tier 0 is over -1: it always ends there */
        i--;
    struct token_prices t = m->tiers[i].prices;
    int64_t seen = m->image_input == UNSET ? 0 : clamp(u->image_tokens, input - cached - written);
    int64_t heard = m->audio_input == UNSET ? 0 : clamp(u->audio_tokens, input - cached - written - seen);
    return ((parts)(input - cached - written - seen - heard) * t.input + (parts)seen * m->image_input + (parts)heard * m->audio_input + (parts)cached * t.cached_input +
            (parts)written * t.cache_write + (parts)output * t.output) * PARTS_PER_TOKEN;
}

/* What is not in the list costs as much as the dearest that is: of that quality, else of all. */
static int64_t price_of_picture(const struct model *m, const struct usage *u) {
    int64_t dearest = UNSET;
    for (int i = 0; i < m->picture_count; i++) {
        const struct picture *p = &m->pictures[i];
        if (!u->image_quality || strcmp(p->quality, u->image_quality))
            continue;
        if (!p->size || (u->image_size && !strcmp(p->size, u->image_size)))
            return p->price;
        dearest = p->price > dearest ? p->price : dearest;
    }
    return dearest == UNSET ? m->per_image : dearest;
}

static parts cost_of_images(const struct model *m, const struct usage *u) {
    return (parts)clamp(u->images, PIECES_MAX) * price_of_picture(m, u) * PARTS_PER_PIECE;
}

static parts cost_of_audio(const struct model *m, const struct usage *u) {
    return (parts)clamp(u->audio_ms, AMOUNT_MAX) * m->per_minute * PARTS_PER_MS;
}

static int64_t price_of_tool(const struct model *m, const char *tool) {
    for (int i = 0; m && i < m->tool_count; i++)
        if (!strcmp(m->tools[i].name, tool))
            return m->tools[i].price;
    return 0;
}

static parts cost_of_tools(const struct model *m, const struct usage *u) {
    parts sum = 0;
    for (int i = 0; i < PRICES_TOOLS; i++)
        if (u->tools[i].name)
            sum += (parts)clamp(u->tools[i].calls, PIECES_MAX) * price_of_tool(m, u->tools[i].name) * PARTS_PER_PIECE;
    return sum;
}

static int64_t to_nusd(parts sum, int64_t round) {
    parts nusd = (sum + round) / PARTS_PER_NUSD;
    return nusd > MONEY_MAX_NUSD ? MONEY_MAX_NUSD : (int64_t)nusd;
}

static int64_t round_half_up(parts sum) {
    return to_nusd(sum, PARTS_PER_NUSD / 2);
}

static int64_t round_up(parts sum) {
    return to_nusd(sum, PARTS_PER_NUSD - 1);
}

int64_t prices_cost(const struct prices *p, const char *model, const struct usage *u) {
    const struct model *m = find(p, model);
    bool tokens = u->input_tokens > 0 || u->output_tokens > 0, images = u->images > 0, audio = u->audio_ms > 0;
    parts sum = tokens && has_token_prices(m) ? cost_of_tokens(m, u)
              : images && m && m->per_image != UNSET ? cost_of_images(m, u)
              : audio && m && m->per_minute != UNSET ? cost_of_audio(m, u)
              : images ? cost_of_images(&p->fallback, u)
              : audio ? cost_of_audio(&p->fallback, u)
              : cost_of_tokens(&p->fallback, u);
    return round_half_up(sum + cost_of_tools(m, u));
}

static int64_t max(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* The dearest token of each direction in a call of at most so much input: a shorter one may fall into a lower, dearer tier. */
static void worst_prices(const struct prices *p, const char *model, int64_t input, int64_t *ret_input, int64_t *ret_output) {
    const struct model *m = find(p, model);
    if (!has_token_prices(m))
        m = &p->fallback;
    *ret_input = *ret_output = 0;
    for (int i = 0; i < m->tier_count && input > m->tiers[i].over; i++) {
        struct token_prices t = m->tiers[i].prices;
        *ret_input = max(*ret_input, max(t.input, max(t.cached_input, t.cache_write)));
        *ret_output = max(*ret_output, t.output);
    }
}

int64_t prices_upper_bound(const struct prices *p, const char *model, int64_t input_tokens, int64_t output_tokens) {
    int64_t input = clamp(input_tokens, AMOUNT_MAX), output = clamp(output_tokens, AMOUNT_MAX), input_price, output_price;
    worst_prices(p, model, input, &input_price, &output_price);
    return round_up(((parts)input * input_price + (parts)output * output_price) * PARTS_PER_TOKEN);
}

int64_t prices_output_paid_for(const struct prices *p, const char *model, int64_t input_tokens, int64_t nusd_left) {
    int64_t input = clamp(input_tokens, AMOUNT_MAX), input_price, output_price;
    worst_prices(p, model, input, &input_price, &output_price);
    parts left = (parts)clamp(nusd_left, MONEY_MAX_NUSD) * PARTS_PER_NUSD - (parts)input * input_price * PARTS_PER_TOKEN;
    if (left < 0)
        return 0;
    if (!output_price)
        return INT64_MAX;
    parts n = left / ((parts)output_price * PARTS_PER_TOKEN);
    return n > AMOUNT_MAX ? AMOUNT_MAX : (int64_t)n;
}

int64_t prices_tool_fee(const struct prices *p, const char *model, const char *tool) {
    return round_up((parts)price_of_tool(find(p, model), tool) * PARTS_PER_PIECE);
}
