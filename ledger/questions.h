/* What the ledger can be asked (field `what` of an entry `ask`), and how it answers. The answers are plain text with line ends, with
 * a picture or a file where one says more. They block: for a thread. */
#ifndef LEDGER_QUESTIONS_H
#define LEDGER_QUESTIONS_H
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include "ledger/sums.h"
#include "services/buf.h"
#include "services/spool.h"
#include "services/texts.h"

enum { ANSWER_MOST = 4096, ASKED_STREAMS = 5, ANSWER_CHOICES = 16, CHOICE_DATA = 64 };

struct asked {
    const char *job, *what, *text;   /* `text`: what was written behind the command; borrowed */
    int64_t user, now_ms, took_ms;
    enum texts_lang lang;
    bool is_admin;
    int64_t entries[ASKED_STREAMS];  /* of media, llm, outbound, ledger, dead; -1: not known. Only where question_counts() */
};

struct answer {
    const char *line; char about[200];   /* a line of the texts table instead of all else */
    struct buf text;                     /* at most ANSWER_MOST */
    struct spool blob;                   /* fd < 0: none */
    const char *type; char name[48];     /* of the blob; as_file: it is a document, and nothing is said without it */
    bool as_file;
    struct choice { char name[16], value[CHOICE_DATA + 420]; } choices[ANSWER_CHOICES];      /* buttons: fields choice:<n> of the job */
    int choices_count;
    char broadcast[CHOICE_DATA]; int64_t total;      /* not "": script broadcast answers: "send <id>" to so many, "stop <id>", "drop <id>" */
    const char *markdown;                /* NULL, or what stands before the text, formatted; borrowed from the question */
    char revive[72];                     /* not "": script revive answers: "replay <id>", "drop <id>", "all " */
    char wish[300];                      /* not "": it is to be changed so (set:0), and `line` is said when it is */
};

/* Does that question want asked.entries? */
bool question_counts(const char *what);
/* 0, or a negative errno and a line in problem: nothing was answered, ask again. answer_done() in both cases. */
int question_answer(struct sums *s, const struct asked *a, struct answer *ret, char problem[STORE_PROBLEM]);

void answer_begin(struct answer *a);
bool answer_offer(struct answer *a, const char *words, const char *format, ...) __attribute__((format(printf, 3, 4)));   /* a button; false: no room */
bool answer_offer_list(struct answer *a, const char *words, const char *format, va_list list) __attribute__((format(printf, 3, 0)));
void answer_trim(struct answer *a);      /* the empty lines at its end */
void answer_line(struct answer *a, const char *line, const char *about);
/* The text as Markdown that shows just that. `out` has room for eight times ANSWER_MOST. */
void answer_markdown(const struct answer *a, struct buf *out);
void answer_done(struct answer *a);

#endif
