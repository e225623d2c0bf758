/* params: the arguments of a call, from any of the four forms the Bot API takes (query, urlencoded, JSON, multipart).
 * They end up in one cJSON object; texts of forms stay texts, and the getters convert. */
#ifndef SIM_PARAMS_H
#define SIM_PARAMS_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/http.h"

enum { PARAM_FILES_MAX = 12, PARAM_PARSED_MAX = 16 };

struct param_file {
    char *field, *name, *ctype;
    const char *data;           /* into the request's body */
    size_t len;
};
struct params {
    cJSON *obj;
    struct param_file files[PARAM_FILES_MAX];
    int files_len;
    cJSON *parsed[PARAM_PARSED_MAX];    /* JSON that came as text in a form field */
    int parsed_len;
    char scratch[32];
};

/* False when the body is not what its Content-Type says; params_done is due in any case. */
bool params_read(struct params *p, const struct http *h);
void params_done(struct params *p);
const char *param_str(struct params *p, const char *name);              /* also of numbers; NULL when absent */
bool param_i64(struct params *p, const char *name, int64_t *ret_value); /* false: absent or no number */
bool param_bool(struct params *p, const char *name);
const cJSON *param_json(struct params *p, const char *name);            /* NULL: absent, or text that is no JSON */
const struct param_file *param_file(const struct params *p, const char *field);

/* The whole text must be one JSON value (white space may follow). */
cJSON *json_read(const char *s, size_t n);
bool json_number(const cJSON *v, int64_t *ret_value);        /* a number, or a text that is one */
bool json_i64(const cJSON *o, const char *name, int64_t *ret_value);
const char *json_str(const cJSON *o, const char *name);     /* NULL when it is not a string */
void query_get(const char *query, const char *name, char *ret_value, size_t cap);   /* "" when absent */
bool query_i64(const char *query, const char *name, int64_t *ret_value);
#endif
