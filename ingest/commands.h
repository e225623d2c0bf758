/* The commands: one table, out of which come what is done, the menus at Telegram, and the test that /help tells the truth. */
#ifndef INGEST_COMMANDS_H
#define INGEST_COMMANDS_H
#include "ingest/route.h"

enum { IN_PRIVATE = 1, IN_GROUPS = 2, IN_BOTH = 3 };

struct command {
    const char *names;           /* "cancel stop": the first is the one of the menus, the others say the same */
    const char *words;           /* whole texts in which people say it, too; "" none */
    bool admin;                  /* administrators' own: to everybody else it does not exist */
    unsigned where;              /* IN_… */
    struct route route;
    const char *menu;            /* name of the text beside it in a menu; NULL: in no menu */
    const char *needs;           /* the setting without which it does not exist; NULL: none */
    const char *missed;          /* name of the text that an administrator is told then */
};

/* In the order in which menus show them; ends with names NULL. */
extern const struct command commands[];
bool command_is_off(const struct command *c);    /* what it needs is not set */
bool command_is_for(const struct command *c, bool admin, unsigned where);

/* What a text calls, when it begins with a command: `/name`, `/name@bot`. Borrowed from it. */
struct called { const char *name, *bot; size_t name_len, bot_len; };
bool command_read(const char *text, struct called *ret_called);
const struct command *command_named(const char *name, size_t len);      /* NULL: there is none of that name */
const struct command *command_meant(const char *text);                  /* by a plain word that is the whole text; NULL: none */

#endif
