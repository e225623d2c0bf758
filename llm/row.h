/* The steps of an answer, and what they share. Private to answer.c (the row), call.c and outcome.c. */
#ifndef LLM_ROW_H
#define LLM_ROW_H
#include "llm/answer.h"

/* In the order of the row. answer.c: */
enum step_end step_take(struct steps *s);
enum step_end step_plan(struct steps *s);
enum step_end step_begin(struct steps *s);
enum step_end step_judge_begin(struct steps *s);
enum step_end step_pause_call(struct steps *s);
enum step_end step_parked(struct steps *s);
enum step_end step_hush(struct steps *s);
enum step_end step_commit(struct steps *s);
enum step_end step_committed(struct steps *s);
enum step_end step_hand_back(struct steps *s);
enum step_end step_let_go(struct steps *s);
/* call.c: */
enum step_end step_ask(struct steps *s);
enum step_end step_judge_answer(struct steps *s);
enum step_end step_attach(struct steps *s);
enum step_end step_judge_attach(struct steps *s);
enum step_end step_look_up(struct steps *s);
enum step_end step_judge_look_up(struct steps *s);
enum step_end step_stop(struct steps *s);
enum step_end step_cancel(struct steps *s);
enum step_end step_judge_cancel(struct steps *s);
enum step_end step_waste(struct steps *s);
enum step_end step_wasted(struct steps *s);
/* outcome.c: */
enum step_end step_settle(struct steps *s);
enum step_end step_stopped(struct steps *s);
enum step_end step_give_up(struct steps *s);

struct answer *answer_of(struct steps *s);
/* Where every wait ends: is the world still as it was? STEP_NEXT: yes. */
enum step_end answer_interrupted(struct answer *a);
enum step_end answer_wait_again(struct answer *a);      /* what this step stands behind is still under way */
enum step_end answer_nap(struct answer *a, const char *then, int64_t ms);
/* Give up, with that line for the user; alert (may be NULL) and why are for the administrators. */
enum step_end answer_refuse(struct answer *a, const char *line, const char *alert, const char *why);
/* The model that the job was accepted with, else the environment's. */
const char *answer_model(const struct answer *a);
const char *answer_own_model(const struct answer *a);      /* "" unless its user has chosen it */
unsigned answer_without(const struct answer *a);          /* what its model does not take: enum optional_parameter */
bool answer_in_background(const struct answer *a);        /* it outlives this process */
struct request answer_request_of(const struct answer *a, int64_t max_output);

/* call.c: end the HTTP call under way, if there is one. */
void answer_hang_up(struct answer *a);
/* Do what a->verdict says about a request of ours, or about the response that came of it. */
enum step_end answer_follow_verdict(struct answer *a);
void answer_tell_breaker(struct answer *a, bool failed);
void call_list_metrics(void);

/* outcome.c */
void answer_book_waste(struct answer *a, const struct response *r);
void answer_put_text(struct answer *a);
void outcome_list_metrics(void);

#define note(a, level, ...) log_line(level, &(a)->about, __VA_ARGS__)

#endif
