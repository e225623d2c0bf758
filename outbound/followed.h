/* The inside of following: one struct, and who does what with it.
 *
 *   follow.c   the row, what looks and take tell, the ways out
 *   compose.c  what the whole answer looks like
 *   choose.c   what is to be done now: type, say that we think, show a part, the final form
 *   doing.c    what is being done while there are no words
 *   show.c     one part: its turn, its mark, the call, what came of it
 *   buttons.c  what stands under a message
 *   preview.c  drafts, where they show what grows instead of messages that are edited
 *   picture.c  what is different when the answer is a picture
 *   whole.c    the file behind an answer of too many messages
 *   desk.c     all that are followed: beginning, end, drain
 *   press.c    pressed buttons, which are answered beside all that */
#ifndef OUTBOUND_FOLLOWED_H
#define OUTBOUND_FOLLOWED_H
#include "outbound/follow.h"
#include "outbound/listing.h"
#include "outbound/pace.h"
#include "outbound/parts.h"
#include "outbound/picture.h"
#include "outbound/preview.h"
#include "outbound/telegram.h"
#include "outbound/whole.h"
#include "proto/commit.h"
#include "proto/doing.h"
#include "proto/json.h"
#include "services/clock.h"
#include "services/metrics.h"
#include "services/texts.h"

enum {
    TEXT_MOST = 1024 * 1024,             /* of an answer, in bytes; twice what llm lets through */
    PARTS_MOST = 1024,
    TYPING_AFTER_MS = 300,               /* who answers at once need not say that he types */
    STATUS_AFTER_MS = 3 * SECOND,
    RETRY_STATUS_AFTER_MS = 700,         /* who pressed a button sees sooner that something happens */
    ODD_MS = SECOND,                     /* until we try again what should not have failed */
    UNTRUSTED_MS = 500,
    DIRECT_ROWS = 1024,
    LONG_MS = 3600 * SECOND              /* waits that something else ends */
};

/* Under the last message: to stop what grows, to ask again for what did not come whole. */
enum button {
    BUTTON_NONE, BUTTON_STOP, BUTTON_RETRY, BUTTON_FILES, BUTTON_SIZES, BUTTON_CHOICES, BUTTON_PICTURE, BUTTON_GRANT, BUTTON_CARD, BUTTON_FORGET
};

/* One message of the answer, as it stands in the chat. */
struct bubble {
    int64_t id;                          /* 0: there is none */
    uint64_t hash;                       /* of what it shows, its button too; 0: not known */
    bool marked;                         /* the job says `S`: it may have been sent */
    bool unsent;                         /* … but it certainly was not */
    bool is_file;                        /* with the whole answer in it: never edited */
};

/* The answer of the script under way, as far as any of the steps wants to know. */
struct reply {
    char word[16], second[40], error[100];
    int64_t n;
    enum commit_answer commit;
    struct fields *job;                  /* of take */
    char *text;
    size_t text_len;
};

struct follow {
    struct steps steps;                  /* first */
    struct held held;
    struct desk *desk;
    struct follow *next, *prev;          /* desk->first */
    struct follow *behind;               /* direct: the next one in its row of desk->rows */
    bool direct;
    struct log_subject about;
    char *kind, *chat_name, *user;       /* one allocation */
    bool taken_over;

    /* what was asked */
    int64_t chat, topic, parks;
    int64_t reply_to;                    /* the question: in groups, and in private when something has come in between */
    int64_t question;                    /* in private, until that is decided: before the first message is sent; 0: it is */
    bool draws;                          /* a picture is made, and no answer written */
    bool retry;                          /* its messages show an older answer, which this one replaces */
    enum texts_lang lang;
    enum telegram_keys keys;

    /* what became of it: from looks, and from take */
    bool known;                          /* taken: looks are believed from here on */
    bool live, lost, gone, gone_told;    /* the token is ours, the entry is not ours any more, nobody is there */
    bool closed, mute;                   /* … in this topic; somebody is there, but we may not write */
    bool stop_known, stopping;           /* asked to stop when the work was done already: … and not looked at yet */
    int64_t draft;
    struct buf text;
    bool dirty;                          /* there may be something to show */
    bool looked_early;
    char doing[DOING_MOST];              /* what is being done for it, as the job says; see doing.h */
    int64_t began_ms, words_at_ms, live_at_ms;

    /* how it ends, once it is live */
    bool final;
    char *how;
    struct parts plan;                   /* the whole answer as it is shown */
    enum button last_button;             /* under its last part */
    char **choices;                      /* BUTTON_CHOICES: one block, NULL-terminated; NULL: none */
    char *files;                         /* BUTTON_FILES: what its buttons call the files, with blanks between */
    bool library;                        /* … of its user's library */
    int64_t grants;                      /* BUTTON_GRANT, BUTTON_CARD: whom its buttons give a role; 0: nobody */
    struct picture picture;
    struct whole whole;                  /* in a file, when it has too many parts */
    bool refused;                        /* Telegram takes it in no form */
    char *refusal;

    /* the chat */
    struct bubble *bubbles;
    size_t count;
    bool has_words;                      /* not only a status line */
    bool grown;                          /* an edit was refused: what stands there stays as it is until the final form */
    struct preview preview;              /* what is shown of a text that grows, where that is no message */
    size_t late_part;                    /* whose edit may still come over a final one … */
    int64_t late_until_ms;               /* … until then; 0: none */

    /* what is done now */
    enum telegram_method method;
    size_t part;
    char *out;                           /* text of the part */
    size_t out_len;
    cJSON *out_entities;                 /* over it; NULL: none */
    bool out_is_link;                    /* and nothing else: its page may be shown */
    uint64_t out_hash;                   /* of what it is meant to show, also when it is sent in its plainest form */
    enum button button;
    bool status;                         /* it is the status line */
    const char *mark_to;                 /* what the part is to be marked with, in mark_id or a literal */
    char mark_from[24], mark_id[24];
    bool bare, plain;                    /* the next send is without entities; is the plainest form */
    bool unpaced;                        /* the script need not be asked */

    /* what is waited for */
    bool idle;                           /* in a rest that a look may end */
    struct redis_call *script;
    struct reply reply;
    struct pace_turn turn;
    struct telegram_call call, typing;
    struct { int64_t chat, topic; } called;      /* where the last call went: while it is out, typing may learn that they are gone */
    bool answered, again;
    int tries;
    int64_t not_before_ms, show_at_ms, typing_at_ms, status_at_ms, look_at_ms;
};

struct desk {
    struct svc *svc;
    struct telegram *telegram;
    struct pace *pace;
    struct follow *first;
    struct press *presses;
    unsigned count;
    struct follow *rows[DIRECT_ROWS];    /* direct jobs as they came, by a hash of their chat */
    uv_timer_t drain;
};

extern struct outbound_counted {
    struct metric sends, edits, drafts, skipped, ambiguous, parks, undeliverable, jobs, alerts, following;
    struct histogram final_delay;
} counted;

static inline struct follow *follow_of(struct steps *s) {
    return (struct follow *)s;
}

/* follow.c */
extern const struct step follow_row[];
void follow_on_look(struct held *h, const struct look *look);
void follow_wake_idle(struct follow *f);                           /* there is news: end its rest, if it has one */
enum step_end follow_rest(struct follow *f, int64_t ms);           /* choose anew after ms, or as soon as there is news */
enum step_end follow_wait_again(struct follow *f);                 /* what this step stands behind is still under way */
enum step_end follow_script(struct follow *f, enum script script, struct args *a);     /* its answer: f->reply, in the next step */
enum step_end follow_script_failed(struct follow *f, const char *step);                /* an error that waiting does not mend: again */
void follow_forget_reply(struct follow *f);
struct bubble *follow_bubble(struct follow *f, size_t part);       /* valid until the next call */
/* How the job notes which message it is: its id, with a minus for a file. */
void bubble_read(struct bubble *b, const char *note);
void bubble_note(const struct bubble *b, char *ret_note, size_t size);

/* compose.c */
void compose(struct follow *f);                                    /* from f->reply.job and f->text; sets how it ends */

/* choose.c */
enum step_end choose(struct steps *s);
/* What the final form still lacks. False: nothing, it is all there. */
bool choose_lacks(const struct follow *f, enum telegram_method *ret_method, size_t *ret_part);

/* show.c: steps, in their order, and what others need of it */
enum step_end show_wait_turn(struct steps *s);
enum step_end show_ask_pace(struct steps *s);
enum step_end show_paced(struct steps *s);
enum step_end show_wait_place(struct steps *s);
enum step_end show_mark_part(struct steps *s);
enum step_end show_call(struct steps *s);
enum step_end show_judge(struct steps *s);
enum step_end show_keep_mark(struct steps *s);
enum step_end show_kept(struct steps *s);
enum step_end show_take_back(struct steps *s);
enum step_end show_taken_back(struct steps *s);
enum step_end show_run_mark(struct follow *f, const char *from, const char *to);        /* of part f->part */
void show_pause_chat(struct follow *f, int64_t wait_ms);           /* nobody is to bother it for so long */
void show_move(struct follow *f, int64_t to);

/* buttons.c */
enum { DATA_MOST = 64, BUTTONS_MOST = LISTING_MOST + 1 };        /* bytes that a button may say */
struct keyboard {
    struct telegram_button buttons[BUTTONS_MOST];
    char texts[BUTTONS_MOST][DATA_MOST + 1], datas[BUTTONS_MOST][DATA_MOST + 1];
};
/* Fills in m's buttons, which borrow from *k. */
void buttons_put(const struct follow *f, struct keyboard *k, struct telegram_message *m);

/* press.c */
void press_begin(struct desk *d, const struct entry *e);
void press_drain(struct desk *d);                                  /* who waits for another try is given back */

/* desk.c */
void desk_count(struct desk *d, int change);                       /* one more in hand, or one less */
void desk_let_go(struct steps *s);                                 /* on_end of the row */
bool desk_has_earlier(const struct follow *f);                     /* another direct job of its chat came first; its end wakes this one */

#endif
