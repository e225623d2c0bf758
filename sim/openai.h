/* openai: the Responses API and its neighbours under /v1. Routes are one table in openai.c; openai_images.c has pictures,
 * openai_media.c audio and files, openai_stores.c vector stores and containers. */
#ifndef SIM_OPENAI_H
#define SIM_OPENAI_H
#include <cjson/cJSON.h>

#include "sim/params.h"
#include "sim/response.h"

enum { RESPONSES_MAX = 300000, MODELS_MAX = 64 };

struct model {
    char *id, *shutdown;        /* shutdown: YYYY-MM-DD or NULL */
};

struct billed {
    int64_t responses;
    struct usage usage;
};

struct openai {
    struct map by_id;
    struct response **ring;     /* of RESPONSES_MAX */
    int64_t first, next, open;  /* n of the oldest kept, of the next; how many still run */
    struct plan plan;           /* the defaults */
    int64_t resume_max_ms, cache_min;
    bool strict_models, obfuscation;
    struct model models[MODELS_MAX];
    int models_len;
    struct billed billed;
    struct map billed_by_model; /* → struct billed * */
    int64_t transcriptions, seconds, images;
    struct map stores, containers;
    int64_t stores_made;        /* for their ids */
    int64_t requests;           /* for x-request-id */
};

struct oa_call {
    struct sim *sim;
    struct exch *x;
    cJSON *body;                /* NULL: not JSON */
    const char *id, *second;    /* the {id}s of the path, or NULL */
    const char *name;           /* as the log knows it: "POST /v1/responses" */
    int64_t logged_status;
};

struct openai *openai_new(void);
void openai_free(struct openai *o);
void openai_on_request(struct sim *sim, struct exch *x);    /* path begins with /v1/ */
const char *openai_set(struct openai *o, const cJSON *settings);    /* POST /control/model; NULL or what is wrong */
void openai_settings_to_json(const struct openai *o, struct buf *b);
struct response *openai_response(const struct openai *o, const char *id);
struct response *openai_response_at(const struct openai *o, int64_t n);

/* for stream.c */
void openai_settled(struct response *r);
void openai_begin_stream(struct sim *sim, struct exch *x);
void openai_answer(struct sim *sim, struct exch *x, int status, struct buf *b);     /* with the service's headers */

/* for the other openai_*.c: log the call, answer it */
void oa_result(struct oa_call *c, struct buf *b);
void oa_refuse(struct oa_call *c, int status, const char *message, const char *type, const char *param, const char *code);
bool oa_model_is_there(struct oa_call *c, const char *model);   /* false: refused */
void oa_transcribe(struct oa_call *c);
void oa_draw(struct oa_call *c);
void oa_redraw(struct oa_call *c);
void oa_file_add(struct oa_call *c);
void oa_file_list(struct oa_call *c);
void oa_file_get(struct oa_call *c);
void oa_file_content(struct oa_call *c);
void oa_file_delete(struct oa_call *c);
void oa_store_add(struct oa_call *c);
void oa_store_get(struct oa_call *c);
void oa_store_delete(struct oa_call *c);
void oa_store_file_add(struct oa_call *c);
void oa_store_file_list(struct oa_call *c);
void oa_store_file_get(struct oa_call *c);
void oa_store_file_delete(struct oa_call *c);
void oa_container_add(struct oa_call *c);
void oa_container_file_add(struct oa_call *c);
void oa_container_file_content(struct oa_call *c);
void oa_stores_done(struct openai *o);
/* What a test has hidden between `open` and ]] anywhere in a file: a comment in an Ogg, a title in an MP4, a line in anything. */
bool oa_hidden(const char *data, size_t len, const char *open, struct buf *ret);
#endif
