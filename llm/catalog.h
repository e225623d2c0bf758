/* What models there are, as OpenAI's own list has it: asked for once an hour by one llm of all, and kept in the hash `models`. A server
 * that has no such list is asked again the next hour; without one the administrators choose by the prices file alone. */
#ifndef LLM_CATALOG_H
#define LLM_CATALOG_H
#include "proto/args.h"
#include "llm/llm.h"

enum { CATALOG_MOST = 500 };

struct catalog *catalog_new(struct llm *llm);
void catalog_free(struct catalog *c);                /* NULL is fine */
/* The list as arguments of script catalog. How many models it has; 0: it is none, and nothing was added. */
int catalog_read(const char *text, size_t len, struct args *ret);

#endif
