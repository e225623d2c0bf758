/* Optional parameters that OpenAI, or a server like it, has refused for a model: its next requests go without them. Of another model
 * that says nothing. Kept while the process lives; one of many models forgets what was learned longest ago, and learns it again. */
#ifndef LLM_LEARNED_H
#define LLM_LEARNED_H

enum { LEARNED_MOST = 16, LEARNED_NAME = 128 };
struct learned {                         /* zero it first */
    struct { char model[LEARNED_NAME]; unsigned without; } list[LEARNED_MOST];
    unsigned next;
};

unsigned learned_of(const struct learned *l, const char *model);       /* enum optional_parameter */
void learned_add(struct learned *l, const char *model, unsigned without);

#endif
