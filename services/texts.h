/* Every line that the bot itself says, in one table, in Russian and English: what llm, ingest and alerts name is put into
 * words here and nowhere else, and so are the menus. A line is one message of at most TEXTS_MAX_UNITS, with no internals in it;
 * the help, whose name begins so, lists all there is, and may be longer. */
#ifndef SERVICES_TEXTS_H
#define SERVICES_TEXTS_H
#include <stdbool.h>
#include <stddef.h>
#include "services/buf.h"

enum { TEXTS_MAX_UNITS = 300, TEXTS_HELP_UNITS = 1500 };

enum texts_lang { TEXTS_RU, TEXTS_EN, TEXTS_LANGS };
/* "en" is English, everything else Russian. */
enum texts_lang texts_lang(const char *code);

/* Append the line of that name to `out`, with `about` as its detail (NULL, "" and "0": none; cut where the line would grow too
 * long). False: no such line; a sensible one was appended instead, and the caller says so in the log. */
bool texts_line(enum texts_lang lang, const char *name, const char *about, struct buf *out);
/* The same for a line without a detail that the code itself names. */
const char *texts_fixed(enum texts_lang lang, const char *name);

/* For the test that the table is complete: names by index, NULL behind the last. */
const char *texts_name(size_t i);

#endif
