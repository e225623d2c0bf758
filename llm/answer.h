/* One answer, from the entry on stream `llm` to the commit that hands it to whoever shows it. */
#ifndef LLM_ANSWER_H
#define LLM_ANSWER_H
#include "llm/budget.h"
#include "llm/events.h"
#include "llm/judge.h"
#include "llm/llm.h"
#include "llm/marks.h"
#include "llm/request.h"
#include "llm/sse.h"
#include "services/arena.h"

enum { INPUTS_MOST = 20 };               /* Telegram's albums have ten */
enum { TEXT_MAX = 512 * 1024 };          /* of an answer, in bytes; what comes after that is dropped */

struct answer {
    struct steps steps;
    struct llm *llm;
    struct answer *next, *prev;          /* llm->answers */
    struct held held;
    struct arena *mem;                   /* dies with the answer */
    struct log_subject about;

    /* what was asked, and the dialogue so far */
    const char *user;
    struct fields *job, *chat;
    const char *context, *question;      /* what the model is told about it; its words */
    const char *previous;                /* head of the chain, "" none */
    struct turn turns[TURNS_KEPT];
    int turns_count;
    struct input inputs[INPUTS_MOST];
    int inputs_count;
    size_t prelude;                      /* bytes of text:<job> that stand before this answer: what was heard, an opening word */
    const char *beside;                  /* line that is said behind the answer; NULL none */
    int chain_lost;                      /* 1: its turns go in as input; 2: not even these, they are too long */

    /* the paid call */
    const char *call;
    int64_t try, tries_max;              /* number of the next request of this call, over all restarts; of the last that it may have */
    int64_t unreached;                   /* requests in a row that were not even sent */
    struct period periods[PERIODS];
    int64_t counted, asked;              /* try of the last request that begin counted, of the last one that was made; 0: none */
    bool limited, sent;                  /* a budget is in force; a stopped request had left us */
    struct estimate estimate;
    const char *library;                 /* vector store to be searched; "" none, or it is gone */
    struct tools tools;                  /* what this request may offer */
    struct begun begun;
    int64_t reserved_nusd, output_asked; /* output_asked: max_output_tokens of the last request; 0: none */
    unsigned without;
    const char *response_id;             /* "" : not known yet */
    const char *lost;                    /* a response that is of no use: the next begin forgets it */
    bool recorded, beaten;               /* its id is in the job; another one was first */
    struct response response;            /* how it ended */
    bool over;
    const char *error_code;              /* of an error event; NULL none */
    int polls, cuts, held_ups;           /* held_ups: begins in a row that others' reservations were in the way of */
    int64_t polling_since_ms;

    /* what the row waits for */
    struct redis_call *script;
    struct http_call *http;
    struct http_result result;           /* its body moved here */
    bool answered, napping;              /* the HTTP call is done; the row sleeps and may be woken */
    struct verdict verdict;

    /* the stream */
    struct sse sse;
    bool reading;                        /* the HTTP call under way is a stream, if its server streams */
    bool streaming;                      /* bytes of a stream of events have come */
    struct buf plain;                    /* a body that is no stream of events */
    struct buf text, refusal;
    struct marks marks;                  /* of the text */
    struct tool_calls heard;             /* calls of tools that ended, as the stream tells */
    int64_t sequence;                    /* last one seen; -1 none */
    int64_t item, aside;                 /* item of the output that speaks; the one that is commentary and no answer; -1 none */

    const char *doing;                   /* what was said to be done last, and since how many bytes of text; "" nothing */
    size_t doing_at;

    /* the voice: text so far → text:<job> */
    struct redis_call *saying;
    size_t said;
    bool said_is_sure;                   /* false after a takeover: others have spoken before us */
    int64_t said_at_ms;

    const char *whole;                   /* what text:<job> is to be in the end; lives in mem, text or response */
    size_t whole_len;

    const char *stop;                    /* why, or NULL */
    int64_t cancel_until_ms;             /* nobody waits longer for what a cancelled response has used; 0: not cancelling */
    bool cancelled, wasted;              /* OpenAI has heard of it; it is nobody's answer */
    bool gone;                           /* the entry is not ours any more */
    struct commit end;
    struct usage_event usage;
};

void answer_list_metrics(void);          /* so that zeros are seen */
/* An entry of stream `llm` is in our hands: begin its row. Copies what it needs. */
void answer_begin(struct llm *llm, const struct entry *e);
/* We are leaving: give back what somebody else can go on with; late, everything. Asked again until nothing is in hand. */
void answer_drain(struct llm *llm);

/* stream.c: the bytes of a response become text, an id and an end. */
void stream_begin(struct answer *a, bool from_start);
void stream_bytes(const char *data, size_t len, void *answer);
void stream_end(struct answer *a);       /* the connection has ended */
void stream_done(struct answer *a);      /* frees */

/* voice.c: what was heard is said, a few times a second. */
void voice_start(struct llm *llm);
void voice_stop(struct llm *llm);
void voice_heard(struct answer *a);      /* there is more text */
void voice_doing(struct answer *a, const char *tool);    /* a tool is at work, by its name in the API */

/* answer.c, for stream.c and voice.c */
void answer_created(struct answer *a, const char *response_id);
void answer_not_ours(struct answer *a);
void answer_wake(struct answer *a);      /* the awaited end is there */
struct ticket answer_ticket(const struct answer *a);

#endif
