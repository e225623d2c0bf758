#include "services/settings.h"
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "proto/cleanup.h"
#include "proto/money.h"
#include "proto/prices.h"
#include "services/alloc.h"
#include "services/log.h"
#include "services/redis.h"
#include "services/utf8.h"

enum { SETTINGS_MOST = 64, SHOWN_BYTES = 60, EXPECTED_BYTES = 500, MODELS_MOST = 50, MODEL_BYTES = 200 };

static struct {
    enum service_bit service;
    struct value {
        char *text;              /* never NULL once read */
        int64_t number;
        int64_t *ids;
        int id_count;
    } values[SETTINGS_MOST];     /* beside settings_table */
} the_settings;

/* ---- checking one value: true, or false and *expected says in words what would be right ---- */

static bool matches(const char *form, const char *text) {
    char whole[200];
    int len = snprintf(whole, sizeof whole, "^(%s)$", form);
    assert(len > 0 && (size_t)len < sizeof whole);
    regex_t regex;
    int bad = regcomp(&regex, whole, REG_EXTENDED | REG_NOSUB);
    assert(!bad); /* a typing mistake in the table */
    bool ok = !regexec(&regex, text, 0, NULL, 0);
    regfree(&regex);
    return ok;
}

static bool check_text(const struct setting *s, struct value *v, char *expected) {
    snprintf(expected, EXPECTED_BYTES, "%s", s->expected ? s->expected : "text in UTF-8");
    return utf8_valid(v->text, strlen(v->text)) && (!s->form || matches(s->form, v->text));
}

/* Digits only; false when there are none, others, or too many. */
static bool read_whole(const char *text, size_t len, int64_t *ret) {
    int64_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]) || n > (INT64_MAX - 9) / 10)
            return false;
        n = n * 10 + (text[i] - '0');
    }
    if (!len)
        return false;
    *ret = n;
    return true;
}

static bool check_number(const struct setting *s, struct value *v, char *expected) {
    snprintf(expected, EXPECTED_BYTES, "a whole number from %lld to %lld", (long long)s->least, (long long)s->most);
    return read_whole(v->text, strlen(v->text), &v->number) && v->number >= s->least && v->number <= s->most;
}

static bool check_usd(const struct setting *s, struct value *v, char *expected) {
    int64_t scaled;
    snprintf(expected, EXPECTED_BYTES, "USD as a decimal of at least 0, such as 0.25 (%d decimals at most)", (int)s->most);
    return s->most == 9 ? !money_parse(v->text, &scaled) : !money_parse_scaled(v->text, (int)s->most, &scaled);
}

static bool is_everybody(const struct setting *s, const char *text) {
    return s->fallback && !strcmp(s->fallback, "*") && !strcmp(text, "*");
}

static bool check_ids(const struct setting *s, struct value *v, char *expected) {
    static const int64_t most = INT64_C(1) << 52; /* Telegram's promise for its ids */
    bool groups = s->most < 0;
    snprintf(expected, EXPECTED_BYTES, "%sTelegram %s ids, separated by commas", s->fallback ? "* or " : "", groups ? "group" : "user");
    if (is_everybody(s, v->text))
        return true;
    for (const char *at = v->text;; at++) {
        at += strspn(at, " ");
        size_t len = strcspn(at, ", ");
        size_t sign = groups && *at == '-';      /* a group's id is negative */
        int64_t id;
        if ((groups && !sign) || !read_whole(at + sign, len - sign, &id) || id < 1 || id > most)
            return false;
        v->ids = alloc_again(v->ids, ((size_t)v->id_count + 1) * sizeof *v->ids);
        v->ids[v->id_count++] = groups ? -id : id;
        at += len;
        at += strspn(at, " ");
        if (!*at)
            return true;
        if (*at != ',')
            return false;
    }
}

/* host or host:port or [v6]:port, up to `end`. To listen at, the port is needed, and 0 is any free one. */
static bool is_authority(const char *at, const char *end, bool listen) {
    const char *host = at, *colon;
    if (at < end && *at == '[') {
        const char *close = memchr(at, ']', (size_t)(end - at));
        if (!close || close == at + 1 || strspn(at + 1, "0123456789abcdefABCDEF:.%") < (size_t)(close - at - 1))
            return false;
        colon = close + 1;
    } else {
        colon = at;
        while (colon < end && (isalnum((unsigned char)*colon) || strchr("-._", *colon)))
            colon++;
        if (colon == host)
            return false;
    }
    if (colon == end)
        return !listen;
    int64_t port;
    return *colon == ':' && read_whole(colon + 1, (size_t)(end - colon - 1), &port) && port <= 65535 && (port || listen);
}

/* scheme://[user:pass@]host[:port][/path], nothing behind it: paths are appended to it. */
static bool is_url(const char *url, const char *const *schemes) {
    const char *at = strstr(url, "://");
    if (!at)
        return false;
    while (*schemes && (strlen(*schemes) != (size_t)(at - url) || strncmp(url, *schemes, strlen(*schemes))))
        schemes++;
    if (!*schemes)
        return false;
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c >= 0x7F || strchr("?#\"<>\\^`{|}", *c))
            return false;
    at += 3;
    const char *end = at + strcspn(at, "/");
    const char *sign = memrchr(at, '@', (size_t)(end - at));
    return is_authority(sign ? sign + 1 : at, end, false);
}

/* What stands between "://" and "@" is for nobody's eyes. */
static void hide_password(const char *url) {
    const char *at = strstr(url, "://");
    const char *sign = at ? memrchr(at, '@', strcspn(at + 3, "/") + 3) : NULL;
    if (!sign)
        return;
    CLEANUP(text_done) char *userinfo = alloc_copy(at + 3, (size_t)(sign - at - 3));
    log_secret(userinfo);
    const char *colon = strchr(userinfo, ':');
    log_secret(colon ? colon + 1 : NULL);
}

static bool check_url(const struct setting *s, struct value *v, char *expected) {
    static const char *const schemes[] = { "http", "https", NULL };
    snprintf(expected, EXPECTED_BYTES, "a URL such as %s", s->fallback ? s->fallback : "https://bot.example.org/hook");
    if (!is_url(v->text, schemes))
        return false;
    hide_password(v->text);
    for (size_t len = strlen(v->text); v->text[len - 1] == '/'; len--)
        v->text[len - 1] = '\0';
    return true;
}

static bool check_proxy(const struct setting *s, struct value *v, char *expected) {
    static const char *const schemes[] = { "http", "https", "socks5", "socks5h", NULL };
    snprintf(expected, EXPECTED_BYTES, "a proxy as http://, https:// or socks5://[user:pass@]host:port");
    if (!is_url(v->text, schemes))
        return false;
    hide_password(v->text);
    return true;
}

static bool check_redis_url(const struct setting *s, struct value *v, char *expected) {
    struct redis_address address = { 0 };
    int bad = redis_url_parse(v->text, &address);
    snprintf(expected, EXPECTED_BYTES, "%s", bad == -ENOTSUP
        ? "redis:// or unix://, because the hiredis of this machine has no TLS"
        : "redis://[user:pass@]host:port/db or unix:///path?db=N");
    if (bad)
        return false;
    log_secret(address.password);
    hide_password(v->text); /* as written, with its percent-escapes */
    redis_address_done(&address);
    return true;
}

static bool check_listen(const struct setting *s, struct value *v, char *expected) {
    snprintf(expected, EXPECTED_BYTES, "host:port, such as 127.0.0.1:9100");
    return is_authority(v->text, v->text + strlen(v->text), true);
}

static bool check_path(const struct setting *s, struct value *v, char *expected) {
    snprintf(expected, EXPECTED_BYTES, "the path of a file");
    for (const char *c = v->text; *c; c++)
        if ((unsigned char)*c < ' ')
            return false;
    return v->text[strlen(v->text) - 1] != '/';
}

static bool check_prices(const struct setting *s, struct value *v, char *expected) {
    const char *given = getenv(s->name);
    if ((!given || !*given) && access(v->text, F_OK) && errno == ENOENT) {
        *v->text = '\0'; /* nobody asked for it: the three price variables will do */
        return true;
    }
    struct prices *prices = NULL;
    char problem[PRICES_PROBLEM] = "";
    int bad = prices_load_file(v->text, NULL, &prices, problem);
    snprintf(expected, EXPECTED_BYTES, "a good prices file (%s)", bad && !*problem ? strerror(-bad) : problem);
    prices_free(prices);
    return !bad;
}

static bool check_zone(const struct setting *s, struct value *v, char *expected) {
    snprintf(expected, EXPECTED_BYTES, "a time zone of the package tzdata, such as Europe/Moscow");
    if (!matches("[A-Za-z0-9][A-Za-z0-9_+/-]{0,99}", v->text)) /* no dots: no way out of the folder */
        return false;
    const char *folder = getenv("TZDIR");
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", folder && *folder ? folder : "/usr/share/zoneinfo", v->text);
    FILE *file = fopen(path, "re");
    char magic[4] = "";
    bool ok = file && fread(magic, 1, 4, file) == 4 && !memcmp(magic, "TZif", 4);
    if (file)
        (void)fclose(file); /* it was only read */
    return ok;
}

static bool check_choice(const struct setting *s, struct value *v, char *expected) {
    int used = snprintf(expected, EXPECTED_BYTES, "one of");
    bool found = false;
    for (const char *at = s->choices; *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        found |= strlen(v->text) == len && !strncmp(v->text, at, len);
        used += snprintf(expected + used, EXPECTED_BYTES - (size_t)used, " %.*s%s", (int)len, at, at[len] ? "," : "");
        at += len;
    }
    return found;
}

/* One name of the list, which ends at a comma. `all` and `default` are words of ours: the former stands alone, the latter is no model. */
static bool is_model(const char *name, size_t len) {
    bool is_ours = (len == 3 && !memcmp(name, "all", 3)) || (len == 7 && !memcmp(name, "default", 7));
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] >= 0x7F)
            return false;
    return len > 0 && len <= MODEL_BYTES && !is_ours;
}

/* Those around the commas; one within a name stays. */
static void drop_blanks(char *list) {
    char *to = list;
    for (const char *at = list; *at; at++) {
        const char *next = at + strspn(at, " ");
        bool within = to > list && to[-1] != ',' && *next && *next != ',';
        if (*at != ' ' || within)
            *to++ = *at;
    }
    *to = '\0';
}

static bool check_models(const struct setting *s, struct value *v, char *expected) {
    snprintf(expected, EXPECTED_BYTES, "all, or up to %d names of models, separated by commas", MODELS_MOST);
    drop_blanks(v->text);
    if (!strcmp(v->text, "all"))
        return true;
    int count = 0;
    for (const char *at = v->text;; at++) {
        size_t len = strcspn(at, ",");
        if (!is_model(at, len) || ++count > MODELS_MOST)
            return false;
        at += len;
        if (!*at)
            return true;
    }
}

static bool check(const struct setting *s, struct value *v, char *expected) {
    switch (s->type) {
    case SET_TEXT:
    case SET_SECRET:    return check_text(s, v, expected);
    case SET_NUMBER:    return check_number(s, v, expected);
    case SET_USD:       return check_usd(s, v, expected);
    case SET_IDS:       return check_ids(s, v, expected);
    case SET_URL:       return check_url(s, v, expected);
    case SET_PROXY:     return check_proxy(s, v, expected);
    case SET_REDIS_URL: return check_redis_url(s, v, expected);
    case SET_LISTEN:    return check_listen(s, v, expected);
    case SET_PATH:      return check_path(s, v, expected);
    case SET_PRICES:    return check_prices(s, v, expected);
    case SET_ZONE:      return check_zone(s, v, expected);
    case SET_CHOICE:    return check_choice(s, v, expected);
    case SET_MODELS:    return check_models(s, v, expected);
    }
    assert(!"a type of the table without a check");
    return false;
}

/* ---- reading all of them ---- */

const char *settings_service(enum service_bit service) {
    switch (service) {
    case FOR_INGEST:   return "ingest";
    case FOR_LLM:      return "llm";
    case FOR_MEDIA:    return "media";
    case FOR_LEDGER:   return "ledger";
    case FOR_OUTBOUND: return "outbound";
    case FOR_ALL:      break;
    }
    assert(!"one service at a time");
    return "";
}

/* The value as far as it may be seen: one line, not too long, nothing that could hold a password. */
static void complain(enum service_bit service, const struct setting *s, const char *text, const char *expected, FILE *err) {
    char line[EXPECTED_BYTES + 200];
    bool hidden = s->type == SET_SECRET || strchr(text, '@') || !utf8_valid(text, strlen(text));
    size_t shown = utf8_cut_bytes(text, strlen(text), SHOWN_BYTES);
    if (!*text)
        snprintf(line, sizeof line, "%s is missing: expected %s", s->name, expected);
    else if (hidden)
        snprintf(line, sizeof line, "%s is malformed: expected %s", s->name, expected);
    else
        snprintf(line, sizeof line, "%s is \"%.*s%s\": expected %s", s->name, (int)shown, text, text[shown] ? "…" : "", expected);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            *c = '.';
    (void)fprintf(err, "gpttg-%s: %s\n", settings_service(service), line); /* nobody can be told that stderr is gone */
}

static void forget_all(void) {
    for (int i = 0; i < SETTINGS_MOST; i++) {
        free(the_settings.values[i].text);
        free(the_settings.values[i].ids);
        the_settings.values[i] = (struct value){ 0 };
    }
}

int settings_read(enum service_bit service, FILE *err) {
    forget_all();
    the_settings.service = service;
    for (int i = 0; settings_table[i].name; i++) {
        assert(i < SETTINGS_MOST);
        const struct setting *s = &settings_table[i];
        struct value *v = &the_settings.values[i];
        if (!(s->used_by & service))
            continue;
        const char *given = getenv(s->name);
        const char *text = given && *given ? given : s->fallback ? s->fallback : "";
        v->text = alloc_copy(text, strlen(text));
        char expected[EXPECTED_BYTES] = "";
        bool good = *text ? check(s, v, expected) : !(s->needed_by & service);
        if (!good) {
            if (!*text)
                (void)check(s, v, expected); /* for its words alone */
            complain(service, s, text, expected, err);
            return EX_CONFIG;
        }
        if (s->type == SET_SECRET)
            log_secret(v->text);
    }
    return 0;
}

/* ---- --help ---- */

static int columns(const char *text) {
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

void settings_help(enum service_bit service, const char *program, FILE *out) {
    int name_width = 0, fallback_width = 0;
    for (const struct setting *s = settings_table; s->name; s++) {
        if (!(s->used_by & service))
            continue;
        const char *fallback = s->needed_by & service ? "required" : s->fallback ? s->fallback : "";
        name_width = columns(s->name) > name_width ? columns(s->name) : name_width;
        fallback_width = columns(fallback) > fallback_width ? columns(fallback) : fallback_width;
    }
    (void)fprintf(out, "%s is configured by environment variables (name, default, meaning):\n\n", program); /* as above */
    for (const struct setting *s = settings_table; s->name; s++) {
        if (!(s->used_by & service))
            continue;
        const char *fallback = s->needed_by & service ? "required" : s->fallback ? s->fallback : "";
        (void)fprintf(out, "  %-*s  %s%*s  %s", name_width, s->name, fallback, fallback_width - columns(fallback), "", s->meaning);
        if (s->type == SET_NUMBER)
            (void)fprintf(out, " (%lld to %lld)", (long long)s->least, (long long)s->most);
        if (s->type == SET_CHOICE)
            (void)fprintf(out, " (%s)", s->choices);
        (void)fprintf(out, "\n");
    }
}

/* ---- asking ---- */

static int index_of(const char *name) {
    int i = 0;
    while (settings_table[i].name && strcmp(settings_table[i].name, name))
        i++;
    assert(settings_table[i].name);                               /* no such setting */
    assert(settings_table[i].used_by & the_settings.service);     /* the table says that this service does not use it */
    return i;
}

const char *setting_text(const char *name) {
    return the_settings.values[index_of(name)].text;
}

bool setting_is_set(const char *name) {
    return *setting_text(name);
}

int64_t setting_number(const char *name) {
    int i = index_of(name);
    assert(settings_table[i].type == SET_NUMBER);
    return the_settings.values[i].number;
}

bool setting_nusd(const char *name, int64_t *ret_nusd) {
    int i = index_of(name);
    assert(settings_table[i].type == SET_USD);
    return !money_parse(the_settings.values[i].text, ret_nusd);
}

bool setting_has_id(const char *name, int64_t id) {
    int i = index_of(name);
    assert(settings_table[i].type == SET_IDS);
    const struct value *v = &the_settings.values[i];
    if (is_everybody(&settings_table[i], v->text))
        return true;
    for (int k = 0; k < v->id_count; k++)
        if (v->ids[k] == id)
            return true;
    return false;
}

int setting_ids(const char *name, const int64_t **ret_ids) {
    int i = index_of(name);
    assert(settings_table[i].type == SET_IDS);
    *ret_ids = the_settings.values[i].ids;
    return the_settings.values[i].id_count;
}

bool setting_has_model(const char *name, const char *model) {
    int i = index_of(name);
    assert(settings_table[i].type == SET_MODELS);
    const char *at = the_settings.values[i].text;
    if (!strcmp(at, "all"))
        return true;
    for (; *at; at += strspn(at, ",")) {
        size_t len = strcspn(at, ",");
        if (strlen(model) == len && !memcmp(at, model, len))
            return true;
        at += len;
    }
    return false;
}

struct prices *settings_prices_again(char *problem) {
    struct price_texts texts = {setting_text("OPENAI_PRICE_PER_1K_TOKENS"), setting_text("WHISPER_PRICE"), setting_text("DALLE_PRICE")};
    const char *path = setting_text("PRICES_FILE");
    struct prices *prices = NULL;
    int bad = *path ? prices_load_file(path, &texts, &prices, problem) : prices_load(NULL, 0, &texts, &prices, problem);
    return bad ? NULL : prices;
}

struct prices *settings_prices(void) {
    char problem[PRICES_PROBLEM] = "";
    struct prices *prices = settings_prices_again(problem);
    if (!prices)                         /* it was good when the settings were read a moment ago */
        log_error(NULL, "prices: %s", problem);
    else if (prices_remark(prices))
        log_warn(NULL, "prices: %s", prices_remark(prices));
    return prices;
}
