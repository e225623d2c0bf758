/* Calls to the Bot API, and one judgement of each answer.
 *
 *   telegram_enter ──▶ a place among the calls in flight (or on_turn, later) ──▶ telegram_start ──▶ on_done, with the verdict
 *
 * At most TELEGRAM_IN_FLIGHT at a time, over reused connections. Who must send waits for a place, final answers before first
 * words, each in the order in which they came; what may be left out (typing, an edit of a text that still grows) asks
 * telegram_has_room() and is left out. The last TELEGRAM_RESERVED places are for final answers alone, so that none of them waits
 * for edits that hang. A place is given back by itself when the call is done. The answer to a press needs none. */
#ifndef OUTBOUND_TELEGRAM_H
#define OUTBOUND_TELEGRAM_H
#include <stdbool.h>
#include <stdint.h>
#include "services/http.h"

enum { TELEGRAM_IN_FLIGHT = 64, TELEGRAM_RESERVED = 16, TELEGRAM_PRESSES = 16 };
enum { TELEGRAM_UPLOAD_MS = 90000, TELEGRAM_SEND_MS = 10000, TELEGRAM_EDIT_MS = 5000, TELEGRAM_PRESS_MS = 5000, TELEGRAM_MAX_ANSWER = 256 * 1024 };

enum telegram_method { TELEGRAM_SEND, TELEGRAM_EDIT, TELEGRAM_DELETE, TELEGRAM_TYPING, TELEGRAM_PRESS, TELEGRAM_PHOTO, TELEGRAM_DOCUMENT, TELEGRAM_DRAFT, TELEGRAM_METHODS };
bool telegram_sends(enum telegram_method method);        /* it makes a new message */

enum telegram_what {
    TELEGRAM_OK,         /* it is as we wanted it; of a send: message_id is set */
    TELEGRAM_PAUSE,      /* 429, or slow mode: not before wait_ms; certainly not executed */
    TELEGRAM_NOT_SENT,   /* Telegram has not seen it: again after a back-off */
    TELEGRAM_UNKNOWN,    /* it may have been executed: the same, and a send counts as ambiguous */
    TELEGRAM_MISSING,    /* the message to edit is not there any more */
    TELEGRAM_FIXED,      /* it is there, and cannot be edited any more */
    TELEGRAM_NO_TOPIC,   /* the topic is gone: without it */
    TELEGRAM_NO_REPLY,   /* what it replies to is gone: without that */
    TELEGRAM_MOVED,      /* the group has the new id moved_to */
    TELEGRAM_GONE,       /* nobody is there: blocked, deleted, kicked */
    TELEGRAM_MUTE,       /* they are there, and we may not write */
    TELEGRAM_CLOSED,     /* nobody may write in this topic, while its chat is open */
    TELEGRAM_LOCKED_OUT, /* the token is not accepted */
    TELEGRAM_REFUSED     /* this text as it is will never be taken */
};

struct telegram_verdict {
    enum telegram_what what;
    int status;                          /* of HTTP; 0: none came */
    int64_t wait_ms, message_id, moved_to;
    bool may_come_late;                  /* nobody answered: it may still be executed */
    char why[160];                       /* for a log line; "" when all is well */
};
/* What an answer means; the only place that reads one. */
struct telegram_verdict telegram_judge(enum telegram_method method, const struct http_result *r);
const char *telegram_word(enum telegram_what what);

enum telegram_keys { TELEGRAM_KEYS_NONE, TELEGRAM_KEYS_USER, TELEGRAM_KEYS_ADMIN, TELEGRAM_KEYS_ANSWER /* an answer is waited for */ };
struct telegram_button { const char *text, *data; };     /* what it shows, and what its press says: at most 64 bytes */
struct telegram_message {
    int64_t chat, topic, id;             /* topic 0: none; id: of the message to edit or delete */
    int64_t reply_to;                    /* id of the message that a sent one answers; 0: none */
    const char *text; size_t text_len;   /* valid UTF-8; of a file: its caption */
    bool preview;                        /* of the page that its link leads to */
    struct cJSON *entities;              /* over the text, for the Bot API; NULL: none. Never parse_mode */
    enum telegram_keys keys;             /* the reply keyboard that comes with a greeting */
    const struct telegram_button *buttons;       /* under it, so many in a row; an edit without any takes away those that are there */
    int buttons_count, buttons_in_row;
    int64_t draft;                       /* number of a draft */
    const char *action;                  /* what we are said to do; NULL: typing */
    const char *callback;                /* id of the press that is answered; text may be NULL */
};
char *telegram_body(enum telegram_method method, const struct telegram_message *m);     /* JSON; the caller frees */
struct multipart;
void telegram_form(enum telegram_method method, const struct telegram_message *m, struct multipart *to);      /* the same as a form's fields */

struct telegram;
struct telegram_call {                   /* embed it, zeroed; the two callbacks set; one call at a time */
    void (*on_turn)(struct telegram_call *c);
    void (*on_done)(struct telegram_call *c);
    struct telegram_verdict verdict;     /* set when on_done is called */
    int64_t began_ms;                    /* by the monotonic clock */
    enum telegram_method method;
    bool waits, has_place;               /* private from here */
    struct http_call *http;
    struct multipart *form;
    struct telegram *in;
    struct telegram_call *next, *prev;
};

struct telegram *telegram_new(uv_loop_t *loop, const char *api_url, const char *token, const char *proxy);
void telegram_free(struct telegram *t);                  /* after all calls were left */
bool telegram_has_room(const struct telegram *t);
/* True: a place is ours now; else on_turn comes, once. `urgent`: a final answer. */
bool telegram_enter(struct telegram *t, struct telegram_call *c, bool urgent);
/* Needs a place (or room, for what may be left out). Takes `body`, which was malloc'ed. */
void telegram_start(struct telegram *t, struct telegram_call *c, enum telegram_method method, char *body, int deadline_ms);
/* The same with a file: `form` stays the caller's, until on_done. */
void telegram_upload(struct telegram *t, struct telegram_call *c, enum telegram_method method, struct multipart *form);
/* The owner goes away, or does not want his place: no callback will come. In any state; safe when idle. */
void telegram_leave(struct telegram_call *c);
bool telegram_is_calling(const struct telegram_call *c);
/* ms for which Telegram has failed everybody; 0: its last answer was a good one. */
int64_t telegram_outage_ms(const struct telegram *t);

#endif
