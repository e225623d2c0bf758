/* A look into a JSON object without building it. A stream is mostly events of which one or two members matter, and trees were
 * half of what an answer cost. It takes well-formed objects for what they are; whatever it is in doubt about, it says so, and the
 * caller reads it in full. */
#ifndef LLM_PEEK_H
#define LLM_PEEK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cjson/cJSON.h>

struct peek { const char *at; size_t len; };        /* a value as it stands in the text, which it borrows from; at NULL: absent */

/* The values of these members of the object that `text` is: the first of each name. False: no object, or not as simple as it
 * should be (a name with an escape, bytes behind the end): nothing is known. */
bool peek_members(struct peek text, const char *const *names, int count, struct peek *ret_values);
bool peek_is(struct peek value, const char *string);                /* exactly this string, without escapes */
bool peek_i64(struct peek value, int64_t *ret_value);               /* false: not just a few digits */
bool peek_is_null(struct peek value);                               /* also when it is absent */
/* A string as a value of its own, for cJSON_Delete(). NULL: no string, or no valid UTF-8. */
cJSON *peek_string(struct peek value);

#endif
