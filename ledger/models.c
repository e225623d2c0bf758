#include "ledger/models.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/money.h"
#include "services/alloc.h"
#include "services/clock.h"
#include "services/settings.h"

enum { IN_MENU = 8, LINE_MOST = 300, NAME_MOST = 200 };
enum { LISTED, SETTINGS_NOW, USER_NOW };                          /* which glance is which: as the table of questions has them */

static const struct kind {
    const char *setting, *ability, *title, *done;
    const char *words;                           /* by which it is called behind /setmodel; the first is the buttons' */
    const char *guess;                           /* parts of the names of such models, where the prices file does not know them */
} kinds[MODEL_KINDS] = {
    { "OPENAI_MODEL", "text", "models_chat", "setmodel_chat", "chat text", "" },
    { "OPENAI_IMAGE_MODEL", "image", "models_image", "setmodel_image", "image img picture", "image dall-e" },
    { "OPENAI_TRANSCRIBE_MODEL", "transcription", "models_voice", "setmodel_voice", "voice audio speech", "transcribe whisper" },
};
#define NO_JOB "embedding tts moderation realtime sora audio search-preview davinci babbage"

struct known { const char *name; int64_t created; int kind; };

/* ---- words ---- */

static bool is_word_of(const char *word, size_t len, const char *words) {
    for (const char *at = words; *at; at += strspn(at, " ")) {
        size_t one = strcspn(at, " ");
        if (one == len && !memcmp(at, word, len))
            return true;
        at += one;
    }
    return false;
}

static bool has_part(const char *name, const char *parts) {
    for (const char *at = parts; *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        if (memmem(name, strlen(name), at, len))
            return true;
        at += len;
    }
    return false;
}

/* ---- what is known of a model ---- */

/* What it can do, by the prices file, or else by its name; -1: none of our jobs. */
static int kind_of(const struct prices *p, const char *model) {
    if (prices_known(p, model)) {
        for (int k = 0; k < MODEL_KINDS; k++)
            if (prices_able(p, model, kinds[k].ability))
                return k;
        return -1;
    }
    for (int k = 1; k < MODEL_KINDS; k++)
        if (has_part(model, kinds[k].guess))
            return k;
    return has_part(model, NO_JOB) ? -1 : 0;
}

const char *models_in_use(int kind, const struct fields *settings) {
    const char *set = settings ? fields_str(settings, kinds[kind].setting) : "";
    return *set ? set : setting_text(kinds[kind].setting);
}

bool models_shutdown(const struct prices *p, const struct fields *list, const char *model, char ret[11]) {
    const char *listed = list ? fields_str(list, model) : "", *priced = prices_shutdown(p, model);
    char date[11] = "";
    if (sscanf(listed, "%*s %10[0-9-]", date) == 1 && strlen(date) == 10) {
        memcpy(ret, date, sizeof date);
        return true;
    }
    if (priced)
        snprintf(ret, 11, "%.10s", priced);
    return priced;
}

static bool is_over(const char *date, int64_t now_ms) {
    char today[16];
    time_t now = now_ms / SECOND;
    struct tm day;
    (void)strftime(today, sizeof today, "%Y-%m-%d", gmtime_r(&now, &day));
    return strcmp(date, today) <= 0;
}

static bool is_shut(const struct board *b, const char *model) {
    char date[11];
    return models_shutdown(b->prices, b->glances[LISTED].hash, model, date) && is_over(date, b->asked->now_ms);
}

static bool has_list(const struct board *b) {
    return b->glances[LISTED].hash && b->glances[LISTED].hash->count;
}

/* A fixed state of a model, gpt-x-2026-01-31: it can be chosen by its name, but no list is longer for it. */
static bool is_snapshot(const char *model) {
    size_t len = strlen(model);
    return len > 11 && model[len - 11] == '-' && strspn(model + len - 10, "0123456789-") == 10;
}

/* "$1.00 / $5.00": a million tokens in and out; or for a minute, or for a picture. "": no price is known. */
static void price_words(const struct prices *p, const char *model, char out[LINE_MOST]) {
    enum { TOKENS = 100000 };                    /* below the tiers of the longest questions */
    char in[MONEY_TEXT], made[MONEY_TEXT];
    struct usage input = { .input_tokens = TOKENS }, output = { .output_tokens = TOKENS }, minute = { .audio_ms = 60 * SECOND }, picture = { .images = 1 };
    int kind = kind_of(p, model);
    *out = 0;
    if (!prices_known(p, model))
        return;
    int64_t in_nusd = prices_cost(p, model, &input), out_nusd = prices_cost(p, model, &output);
    const struct usage *piece = kind == 2 ? &minute : &picture;
    if (kind == 0 || prices_is_by_token(p, model))
        snprintf(out, LINE_MOST, "%s / %s", money_print_usd(in, 10 * in_nusd), money_print_usd(made, 10 * out_nusd));
    else
        snprintf(out, LINE_MOST, "%s", money_print_usd(in, prices_cost(p, model, piece)));
}

/* ---- the list ---- */

static int by_age(const void *one, const void *other) {
    const struct known *a = one, *b = other;
    if (a->created != b->created)
        return a->created < b->created ? 1 : -1;
    return strcmp(b->name, a->name);
}

/* Those of a kind that can be chosen, the newest first; the caller frees. */
static struct known *collect(const struct board *b, int kind, int *ret_count) {
    const struct fields *list = b->glances[LISTED].hash;
    size_t priced = 0;
    while (prices_name(b->prices, priced))
        priced++;
    struct known *all = alloc_zero((priced + (list ? (size_t)list->count : 0) + 1) * sizeof *all);
    int count = 0;
    for (size_t i = 0; i < priced; i++) {
        const char *name = prices_name(b->prices, i);
        if (!has_list(b) && kind_of(b->prices, name) == kind && !is_shut(b, name))
            all[count++] = (struct known){ name, 0, kind };
    }
    for (int i = 0; has_list(b) && i < list->count; i++) {
        const char *name = list->list[i].name;
        if (kind_of(b->prices, name) == kind && !is_snapshot(name) && !is_shut(b, name))
            all[count++] = (struct known){ name, strtoll(list->list[i].value, NULL, 10), kind };
    }
    qsort(all, (size_t)count, sizeof *all, by_age);
    *ret_count = count;
    return all;
}

static void abilities(const struct prices *p, const char *model, struct buf *out) {
    static const char *const signs[][2] = { { "vision", "👁" }, { "files", "📄" }, { "tools", "🛠" }, { "reasoning", "💭" } };
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (prices_able(p, model, signs[i][0]))
            (void)buf_add_str(out, signs[i][1]);
}

static bool list_one(struct board *b, const char *model, bool used) {
    char price[LINE_MOST], date[11];
    struct buf line;
    buf_init(&line, 2 * LINE_MOST + NAME_MOST);
    price_words(b->prices, model, price);
    (void)buf_printf(&line, "%s %.*s%s%s ", used ? "✅" : "•", NAME_MOST, model, *price ? ": " : "", price);
    abilities(b->prices, model, &line);
    if (models_shutdown(b->prices, b->glances[LISTED].hash, model, date)) {
        (void)buf_add_str(&line, " ");
        (void)texts_line(b->asked->lang, is_over(date, b->asked->now_ms) ? "models_shut" : "models_until", date, &line);
    }
    (void)buf_add_str(&line, "\n");
    bool fits = b->answer->text.len + line.len + LINE_MOST < b->answer->text.max;
    if (fits)
        (void)buf_add(&b->answer->text, line.data, line.len);
    buf_done(&line);
    return fits;
}

static void list_kind(struct board *b, int kind) {
    const char *used = models_in_use(kind, b->glances[SETTINGS_NOW].hash);
    int count;
    struct known *all = collect(b, kind, &count);
    board_gap(b);
    board_say(b, kinds[kind].title, "");
    bool fits = list_one(b, used, true);
    for (int i = 0; i < count && fits; i++)
        if (strcmp(all[i].name, used) != 0)
            fits = list_one(b, all[i].name, false);
    if (!fits)
        (void)buf_add_str(&b->answer->text, "…\n");
    free(all);
}

void models_list(struct board *b) {
    board_say(b, "models_title", "");
    for (int k = MODEL_KINDS - 1; k >= 0; k--)   /* the longest list last: it is what does not fit when there are too many */
        list_kind(b, k);
    board_gap(b);
    board_say(b, has_list(b) ? "models_change" : "models_no_list", "");
}

/* ---- prices of those in use ---- */

void models_prices(struct board *b) {
    board_say(b, "pricing_title", "");
    for (int k = 0; k < MODEL_KINDS; k++) {
        const char *model = models_in_use(k, b->glances[SETTINGS_NOW].hash);
        char price[LINE_MOST], sum[MONEY_TEXT];
        static const char *const tools[] = { "web_search", "file_search", "code_interpreter" };
        struct usage cached = { .input_tokens = 100000, .cached_tokens = 100000 };
        price_words(b->prices, model, price);
        board_gap(b);
        board_say(b, kinds[k].title, "");
        (void)buf_printf(&b->answer->text, "%.*s: %s\n", NAME_MOST, model, *price ? price : texts_fixed(b->asked->lang, "pricing_general"));
        if (k == 0 && *price)
            board_say(b, "pricing_cached", money_print_usd(sum, 10 * prices_cost(b->prices, model, &cached)));
        for (size_t i = 0; k == 0 && i < sizeof tools / sizeof *tools; i++) {
            int64_t fee = prices_tool_fee(b->prices, model, tools[i]);
            if (fee)
                (void)buf_printf(&b->answer->text, "%s: %s\n", tools[i], money_print_usd(sum, fee));
        }
        (void)buf_printf(&b->answer->text, "(%s)\n", prices_version(b->prices, model));
    }
}

/* ---- a choice ---- */

/* A button for one: "✅ gpt-6-luna · $0.10 / $0.50 👁🛠". A name that is too long for it can be written. */
static void offer_one(struct board *b, const char *model, bool used, const char *says) {
    char price[LINE_MOST];
    struct buf words;
    buf_init(&words, 2 * LINE_MOST);
    price_words(b->prices, model, price);
    (void)buf_printf(&words, "%s%.40s%s%.40s ", used ? "✅ " : "", model, *price ? " · " : "", price);
    abilities(b->prices, model, &words);
    if (words.data[words.len - 1] == ' ')
        words.data[--words.len] = 0;
    (void)board_offer(b, buf_cstr(&words), "%s %s", says, model);
    buf_done(&words);
}

/* A page of the list, and ways to those beside it. `says`: what its buttons begin with. */
static void offer_page(struct board *b, const struct known *all, int count, int page, const char *used, const char *says) {
    int pages = count ? (count + IN_MENU - 1) / IN_MENU : 1;
    page = page < pages ? page : pages - 1;
    for (int i = page * IN_MENU; i < count && i < (page + 1) * IN_MENU; i++)
        offer_one(b, all[i].name, !strcmp(all[i].name, used), says);
    if (page > 0)
        (void)board_offer(b, "«", "%s %d", says, page - 1);
    if (page + 1 < pages)
        (void)board_offer(b, "»", "%s %d", says, page + 1);
}

static void menu(struct board *b, int kind, int page) {
    const char *used = models_in_use(kind, b->glances[SETTINGS_NOW].hash), *word = kinds[kind].words;
    char says[32];
    int count;
    struct known *all = collect(b, kind, &count);
    snprintf(says, sizeof says, "model %.*s", (int)strcspn(word, " "), word);
    board_say(b, "setmodel_menu", "");
    board_say(b, kinds[kind].title, "");
    (void)list_one(b, used, true);
    offer_page(b, all, count, page, used, says);
    for (int k = 0; k < MODEL_KINDS; k++)
        if (k != kind)
            (void)board_offer(b, texts_fixed(b->asked->lang, kinds[k].title), "model %.*s 0", (int)strcspn(kinds[k].words, " "), kinds[k].words);
    free(all);
}

/* "gpt-6-luna, $0.10 / $0.50"; false: no price is known. */
static bool with_price(const struct board *b, const char *model, char out[LINE_MOST + NAME_MOST]) {
    char price[LINE_MOST];
    price_words(b->prices, model, price);
    snprintf(out, LINE_MOST + NAME_MOST, "%s%s%s", model, *price ? ", " : "", price);
    return *price;
}

static void wish(struct board *b, int kind, const char *model) {
    char about[LINE_MOST + NAME_MOST];
    const char *line = kinds[kind].done;
    snprintf(b->answer->wish, sizeof b->answer->wish, "settings %s%s%s", kinds[kind].setting, *model ? " " : "", model);
    if (!with_price(b, *model ? model : setting_text(kinds[kind].setting), about))
        line = "setmodel_unpriced";
    if (*model && !has_list(b) && !prices_known(b->prices, model))
        line = "setmodel_unchecked";
    answer_line(b->answer, line, about);
}

/* Does that model exist, live, and do this job? */
static void choose(struct board *b, int kind, const char *model) {
    bool known = prices_known(b->prices, model) || (has_list(b) && fields_get(b->glances[LISTED].hash, model));
    if (kind < 0)
        kind = kind_of(b->prices, model);
    if (!known && has_list(b))
        answer_line(b->answer, "setmodel_unknown", model);
    else if (is_shut(b, model))
        answer_line(b->answer, "setmodel_shut", model);
    else if (kind < 0 || (known && kind_of(b->prices, model) != kind))
        answer_line(b->answer, "setmodel_unable", model);
    else
        wish(b, kind, model);
}

static bool is_page(const char *word) {
    return *word && strlen(word) <= 3 && !word[strspn(word, "0123456789")];
}

void models_choose(struct board *b) {
    char first[NAME_MOST + 1] = "", second[NAME_MOST + 1] = "", more[2] = "";
    int words = sscanf(b->asked->text, "%200s %200s %1s", first, second, more), kind = -1;
    for (int k = 0; k < MODEL_KINDS && words > 0; k++)
        if (is_word_of(first, strlen(first), kinds[k].words))
            kind = k;
    const char *model = kind < 0 ? first : second;
    if (words > 2 || (kind < 0 && words > 1))
        answer_line(b->answer, "setmodel_usage", "");
    else if (!*model || is_page(model))
        menu(b, kind < 0 ? 0 : kind, *model ? atoi(model) : 0);
    else if (!strcmp(model, "default"))
        wish(b, kind < 0 ? 0 : kind, "");
    else
        choose(b, kind, model);
}

/* ---- a user's own ---- */

/* NULL, or the name of the text that says why nobody can have it. Where OpenAI has no list, the word of USER_MODELS is enough. */
static const char *objection(const struct board *b, const char *model) {
    bool by_name = strcmp(setting_text("USER_MODELS"), "all") != 0;
    bool is_there = has_list(b) ? fields_get(b->glances[LISTED].hash, model) != NULL : by_name || prices_known(b->prices, model);
    if (!setting_has_model("USER_MODELS", model) || (!by_name && is_there && !prices_known(b->prices, model)))
        return "model_not_allowed";              /* `all` is not meant for what nobody knows the price of */
    if (!is_there)
        return "model_unknown";
    if (is_shut(b, model))
        return "setmodel_shut";
    return kind_of(b->prices, model) == 0 ? NULL : "model_unable";
}

static struct known *collect_priced(const struct board *b, int *ret_count) {
    int count, kept = 0;
    struct known *all = collect(b, 0, &count);
    for (int i = 0; i < count; i++)
        if (prices_known(b->prices, all[i].name))
            all[kept++] = all[i];
    *ret_count = kept;
    return all;
}

/* Those that a user can choose: as USER_MODELS has them, or with `all` as /models has them; the caller frees. */
static struct known *collect_own(const struct board *b, int *ret_count) {
    const char *named = setting_text("USER_MODELS");
    if (!strcmp(named, "all"))
        return collect_priced(b, ret_count);
    size_t most = 1;
    for (const char *c = named; *c; c++)
        most += *c == ',';
    struct known *all = alloc_zero(most * sizeof *all + strlen(named) + 1);
    int count = 0;
    for (char *name = strcpy((char *)(all + most), named), *rest; name; name = rest) {      /* the names live behind the list of them */
        rest = strchr(name, ',');
        if (rest)
            *rest++ = 0;
        if (!objection(b, name))
            all[count++] = (struct known){ name, 0, 0 };
    }
    *ret_count = count;
    return all;
}

static void menu_of_own(struct board *b, int page) {
    const struct fields *user = b->glances[USER_NOW].hash;
    const char *own = user ? fields_str(user, "model") : "", *bots = models_in_use(0, b->glances[SETTINGS_NOW].hash);
    bool in_force = *own && setting_has_model("USER_MODELS", own);         /* as accept.lua has it */
    char words[LINE_MOST];
    int count;
    struct known *all = collect_own(b, &count);
    board_say(b, "model_menu", "");
    (void)list_one(b, in_force ? own : bots, true);
    if (*own && !in_force)
        board_say(b, "model_withdrawn", own);
    else if (in_force && objection(b, own))
        board_say(b, "model_over", own);
    board_gap(b);
    board_say(b, "model_signs", "");
    offer_page(b, all, count, page, in_force ? own : bots, "own");
    snprintf(words, sizeof words, "default · %.40s", bots);
    (void)board_offer(b, words, "own default");
    free(all);
}

/* What is chosen already need not be written once more. */
static void wish_own(struct board *b, const char *model) {
    char about[LINE_MOST + NAME_MOST];
    const struct fields *user = b->glances[USER_NOW].hash;
    if (strcmp(user ? fields_str(user, "model") : "", model) != 0)
        snprintf(b->answer->wish, sizeof b->answer->wish, "user:%" PRId64 " model%s%s", b->asked->user, *model ? " " : "", model);
    (void)with_price(b, *model ? model : models_in_use(0, b->glances[SETTINGS_NOW].hash), about);      /* without one it says so by having none */
    answer_line(b->answer, *model ? "model_set" : "model_default", about);
}

void models_choose_own(struct board *b) {
    char name[NAME_MOST + 1] = "", more[2] = "";
    int words = sscanf(b->asked->text, "%200s %1s", name, more);
    const char *why = NULL;
    if (!setting_is_set("USER_MODELS"))
        answer_line(b->answer, "model_off", "");
    else if (words > 1)
        answer_line(b->answer, "model_usage", "");
    else if (!*name || is_page(name))
        menu_of_own(b, atoi(name));
    else if (!strcmp(name, "default"))
        wish_own(b, "");
    else if ((why = objection(b, name)) != NULL)
        answer_line(b->answer, why, name);
    else
        wish_own(b, name);
}
