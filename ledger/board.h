/* What is asked that does not stand in the database, mostly by administrators: it is read from Redis by a few plain commands, on the loop, and answered
 * together with the prices in force. The table in board.c names each question and its commands. */
#ifndef LEDGER_BOARD_H
#define LEDGER_BOARD_H
#include <hiredis/hiredis.h>
#include "ledger/questions.h"
#include "proto/args.h"
#include "proto/fields.h"
#include "proto/prices.h"

enum { BOARD_COMMANDS = 16, BOARD_ROWS = 10 };

/* What one command answered; what it is not is empty. */
struct glance {
    struct fields *hash;                         /* of HGETALL */
    int64_t number;                              /* -1: none */
    char *text;                                  /* of INFO; NULL: none */
    struct board_row { char id[48]; struct fields *fields; } rows[BOARD_ROWS];     /* of XREVRANGE, the newest first */
    int rows_count;
};

struct board {                                   /* one question, while it is answered */
    const struct asked *asked;
    const struct prices *prices;
    struct glance glances[BOARD_COMMANDS];
    struct answer *answer;
};

struct board_question;
const struct board_question *board_find(const char *what);         /* NULL: it is not one of these */
/* Its n-th command, from 0, for who asks. False: there is no further one. */
bool board_command(const struct board_question *q, unsigned n, const char *prefix, int64_t user, struct args *ret);
void board_take(struct board *b, unsigned n, const redisReply *reply);
/* *ret is to be freed with answer_done(). Most of it is told to administrators alone. */
void board_answer(const struct board_question *q, struct board *b, struct answer *ret);
void board_done(struct board *b);

/* For those who answer. */
void board_say(struct board *b, const char *line, const char *about);      /* and the end of the line */
void board_gap(struct board *b);
bool board_offer(struct board *b, const char *words, const char *format, ...) __attribute__((format(printf, 3, 4)));   /* a button */

#endif
