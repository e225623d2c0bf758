/* /models, /setmodel and /pricing: the models that OpenAI's list and the prices file know, which of them are in use, and a change of that;
 * and /model: likewise for one user, about his own, as far as USER_MODELS permits. */
#ifndef LEDGER_MODELS_H
#define LEDGER_MODELS_H
#include "ledger/board.h"

enum { MODEL_KINDS = 3 };                        /* that answer, that draw, that hear */

void models_list(struct board *b);
void models_choose(struct board *b);             /* the change is asked for as answer.wish, or it is said why not */
void models_choose_own(struct board *b);         /* likewise, for whoever asks */
void models_prices(struct board *b);

/* The model in use of that kind: out of the hash `settings` (may be NULL), else the environment's. Borrowed. */
const char *models_in_use(int kind, const struct fields *settings);
/* "2027-01-14" in *ret; false: nobody says that it is to be shut down. `list`: the hash `models`, may be NULL. */
bool models_shutdown(const struct prices *p, const struct fields *list, const char *model, char ret[11]);

#endif
