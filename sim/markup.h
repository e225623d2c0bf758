/* markup: parse_mode HTML and MarkdownV2 as Telegram reads them, into plain text and entities in UTF-16 units.
 * Legacy Markdown is left alone: nothing new uses it. */
#ifndef SIM_MARKUP_H
#define SIM_MARKUP_H
#include <cjson/cJSON.h>

/* The plain text, the caller's, and its entities in *ret_entities (an array, the caller's). NULL: *ret_error says what is wrong,
 * as the service words it, the caller's. */
char *markup_html(const char *s, cJSON **ret_entities, char **ret_error);
char *markup_v2(const char *s, cJSON **ret_entities, char **ret_error);
#endif
