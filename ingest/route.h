/* What becomes of an update: one table, asked in one place. */
#ifndef INGEST_ROUTE_H
#define INGEST_ROUTE_H
#include "ingest/people.h"
#include "ingest/update.h"

enum fate {
    FATE_ASK,            /* a question: a job in the conversation's lane */
    FATE_JOIN,           /* not said to us, but it may be a further part of a long question */
    FATE_LINE,           /* one line at once: a direct job */
    FATE_STOP,           /* stop the running answer */
    FATE_NEW,            /* forget the dialogue and what waits */
    FATE_RETRY,          /* the last question again */
    FATE_FILES,          /* what was uploaded: the list, or one of them deleted */
    FATE_LIBRARY,        /* likewise, of the library */
    FATE_CHOOSE,         /* a button under a picture, or a size for one */
    FATE_PRESS,          /* a button that does nothing (any more): only the press is answered */
    FATE_GONE,           /* we were blocked, or removed from the group */
    FATE_BACK,           /* we may speak there again */
    FATE_MOVE,           /* a group has become a supergroup: its conversations go with it */
    FATE_REFUSE,         /* nobody may in that group: one line */
    FATE_IGNORE,         /* words of bots, service messages, and what makes no sense */
    FATE_PASS,           /* not said to us */
    FATES
};

struct route {
    enum fate fate;
    const char *kind, *first;    /* FATE_ASK, FATE_JOIN: kind of work, stream of its first stage */
    const char *line;            /* FATE_LINE, FATE_REFUSE, FATE_PRESS: name of a text; NULL: none */
    int64_t about;               /* its detail: an id; 0: none */
    const char *what;            /* FATE_LINE: what the ledger is asked, which answers it */
    char set[PEOPLE_SET_MOST];   /* FATE_LINE: what the ledger is to set instead */
    int64_t grants;              /* the user whom that, or the answer's buttons, give a role; 0: nobody */
    const char *text;            /* FATE_ASK, and with `what`: what is asked, where that is not the whole text */
    const char *asks;            /* FATE_LINE: it asks for this, and what is said next answers it */
    const char *access;          /* NULL: the settings let him in; else what they say, unless an administrator has given him a role:
                                    "closed"; "ask": the administrators are asked; "quiet": no, and nothing is said */
};

/* The kinds of updates that we ask Telegram for. NULL-terminated. */
extern const char *const route_wanted[];

struct route route_of(const struct update *u);
bool route_is_listed(const struct update *u);    /* for a test: the table names its kind and its content */
bool route_asks(const struct route *r);          /* a question, or a part of one; everything else is answered at once */
const char *route_word(enum fate fate);          /* for log and metrics */
/* Which of the bot's languages to answer in: "ru" or "en". */
const char *route_language(const struct update *u);
bool route_is_admin(const struct update *u);
/* The file that goes with what is asked: its own, or the one of the message that it answers. NULL: none does. */
const struct attachment *route_file(const struct update *u, const struct route *r);

#endif
