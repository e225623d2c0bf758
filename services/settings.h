/* The settings: one table for the whole project (settings_table.c), out of which come parsing, --help, --check-config, the one
 * clear line with exit 78, and the test that the documents agree. Values come from the environment alone; an empty one is none. */
#ifndef SERVICES_SETTINGS_H
#define SERVICES_SETTINGS_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum service_bit { FOR_INGEST = 1, FOR_LLM = 2, FOR_MEDIA = 4, FOR_LEDGER = 8, FOR_OUTBOUND = 16, FOR_ALL = 31 };

enum setting_type {
    SET_TEXT, SET_SECRET,            /* valid UTF-8; a secret is given to log_secret() and never shown */
    SET_NUMBER,                      /* whole, within bounds */
    SET_USD,                         /* decimal, not negative */
    SET_IDS,                         /* comma-separated ids of users (most < 0: of groups), or `*` where the fallback is `*` */
    SET_URL,                         /* http or https; without its trailing slashes afterwards */
    SET_PROXY, SET_REDIS_URL, SET_LISTEN /* host:port */, SET_PATH,
    SET_PRICES,                      /* a good prices file when set; the fallback may be missing: then it is empty */
    SET_ZONE, SET_CHOICE,
    SET_MODELS                       /* names of models with commas, or `all`; without blanks afterwards */
};

struct setting {
    const char *name, *fallback;     /* fallback NULL: none (empty) */
    enum setting_type type;
    unsigned used_by, needed_by;     /* enum service_bit */
    int64_t least, most;             /* SET_NUMBER: bounds. SET_USD: most is the decimals that are kept. SET_IDS: most < 0, they are negative */
    const char *choices;             /* SET_CHOICE: "on off auto" */
    const char *form, *expected;     /* SET_TEXT, SET_SECRET: a POSIX extended regex for the whole value, and the same in words */
    const char *meaning;             /* one sentence */
};
extern const struct setting settings_table[];         /* ends with name NULL */

/* Read and check all settings of that service. 0, or 78 with exactly one line on `err` naming the variable and what it expects. */
int settings_read(enum service_bit service, FILE *err);
void settings_help(enum service_bit service, const char *program, FILE *out);
/* "ingest", …: the program is called gpttg-<that>. */
const char *settings_service(enum service_bit service);

/* After settings_read(). Asking for a name that is not in the table, that this service does not use, or by another type, is a
 * programming error (assert). */
const char *setting_text(const char *name);           /* of any type; "" when empty */
bool setting_is_set(const char *name);                /* not empty */
int64_t setting_number(const char *name);             /* 0 when empty */
/* Nano-dollars of a SET_USD; false when empty. (The three price variables may be finer than that: see proto/prices.h.) */
bool setting_nusd(const char *name, int64_t *ret_nusd);
/* SET_IDS: is `id` in it (`*` has everybody)? */
bool setting_has_id(const char *name, int64_t id);
int setting_ids(const char *name, const int64_t **ret_ids);    /* 0 for empty and for `*` */
/* SET_MODELS: is that one named (`all` names every one)? */
bool setting_has_model(const char *name, const char *model);

/* The prices of PRICES_FILE over the three price variables. NULL after an error line; what nobody reads in the file is warned of. */
struct prices;
struct prices *settings_prices(void);
/* The same of a file that may have changed since: NULL and a line in problem (of PRICES_PROBLEM bytes), nothing is logged. */
struct prices *settings_prices_again(char *problem);

#endif
