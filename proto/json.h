/* cJSON without its traps: whole texts only, exact integers, no NULL surprises.
 *
 * A reader asks for a field and its type; a field that is missing, of another type, or asked of something that is no object
 * (NULL included) is simply not there. Text is passed through as bytes: what came from a stranger still needs a look by
 * utf8_valid() or utf8_clean() before it is sent anywhere. */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/cleanup.h"

/* Read one JSON text; only white space may stand around it. NULL when it is none (or nests deeper than 1000).
 * What C strings or UTF-8 cannot hold, \u0000 and half a surrogate pair, arrives as U+FFFD: cJSON would cut the string
 * at the first and refuse the whole text for the second. The caller frees with cJSON_Delete() or CLEANUP(json_done). */
cJSON *json_parse(const char *text, size_t len);
void json_done(cJSON **o);

/* An integer of at most 53 bits, which is what Telegram promises and a double holds exactly; everything else is refused. */
bool json_get_i64(const cJSON *o, const char *name, int64_t *ret_value);
bool json_get_bool(const cJSON *o, const char *name, bool *ret_value);
const char *json_get_str(const cJSON *o, const char *name);      /* borrowed from o; NULL: not there */
const cJSON *json_get_obj(const cJSON *o, const char *name);     /* likewise */
const cJSON *json_get_arr(const cJSON *o, const char *name);     /* likewise; walk it with cJSON_ArrayForEach, which takes NULL */

/* Add a field. False when memory is out or o is NULL; and for a NULL string, which has no place in what we send. */
bool json_put_i64(cJSON *o, const char *name, int64_t value);
bool json_put_str(cJSON *o, const char *name, const char *value);
bool json_put_bool(cJSON *o, const char *name, bool value);

/* The text of o without white space, for the caller to free(); o itself stays his too. NULL when memory is out. */
char *json_take_text(const cJSON *o);

#endif
