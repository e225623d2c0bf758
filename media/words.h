/* The words around files: their names on the way to OpenAI, and what stands before an answer about them. */
#ifndef MEDIA_WORDS_H
#define MEDIA_WORDS_H
#include <stddef.h>
#include "services/buf.h"
#include "services/texts.h"

enum { NAME_MAX_BYTES = 160 };

/* A file name out of what the client called it: no folders, nothing that ends a header or hides, not long, with that extension
 * whatever it had. `fallback` where nothing is left. `tag` (may be "") goes in front of the extension: it makes the name ours alone. */
void words_file_name(const char *claimed, const char *fallback, const char *tag, const char *ext, char ret_name[static NAME_MAX_BYTES]);
/* Ten characters that only this file of this job has. */
void words_tag(const char *job, int n, char ret_tag[static 12]);

/* «You said», as Markdown, with an empty line behind it. A long one is a block quote. */
void words_heard(enum texts_lang lang, const char *transcript, struct buf *out);

#endif
