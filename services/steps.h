/* Work that waits, as a row of steps: the row is the table of contents, the functions below it follow in the same order.
 *
 * A step returns what happens next. After STEP_WAIT the row stands still until steps_wake() (or the timer of steps_sleep());
 * a wake only puts it on the ready list, so the next step runs in the loop's next turn and never inside the waker's callback.
 * A row that was woken while it did not wait remembers that: the following STEP_WAIT goes on at once. So no wake is lost, and
 * a step behind a wait looks at what it waited for before it believes it. (A sleep forgets earlier wakes: it is a minimum.)
 * The row ends (STEP_END, or past its last line) in exactly one function: on_end, which frees the owner. */
#ifndef SERVICES_STEPS_H
#define SERVICES_STEPS_H
#include <stdbool.h>
#include <uv.h>

struct steps;
enum step_end {
    STEP_NEXT,          /* go on with the next line now */
    STEP_WAIT,          /* go on with the next line when woken */
    STEP_GOTO,          /* only as the value of steps_goto() and steps_sleep() */
    STEP_END            /* the row is over: on_end */
};
struct step {
    const char *name;
    enum step_end (*run)(struct steps *s);
};

struct steps_runner;                 /* one per loop */
struct steps_runner *steps_runner_new(uv_loop_t *loop);
void steps_runner_free(struct steps_runner *r);      /* no row may be left; NULL is fine. Memory goes when the loop has turned */
unsigned steps_running(const struct steps_runner *r);

struct steps {                       /* embed it in the job; zero it first */
    struct steps_runner *runner;
    const struct step *row;
    void (*on_end)(struct steps *s);
    const char *now;                 /* name of the step that runs or waits: for log lines */
    int next;                        /* private from here */
    bool ready, woken, running, diverted, over;
    struct steps *ready_next;
    uv_timer_t *timer;
};

/* Begin with the first line in the loop's next turn. `row` and the runner outlive the row. */
void steps_start(struct steps *s, struct steps_runner *r, const struct step *row, void (*on_end)(struct steps *s));
/* From any callback, as often as one likes, until on_end was called. */
void steps_wake(struct steps *s);
/* Go on with the step of that name (asserted to be in the row) in the loop's next turn. */
enum step_end steps_goto(struct steps *s, const char *name);
/* Wait ms, or until somebody wakes the row, then go on with that step (NULL: the next line). */
enum step_end steps_sleep(struct steps *s, const char *name, int64_t ms);
/* Put an end to a row that waits: the next thing that runs is the step of that name. For drain and stop. From inside one of the
 * row's own steps it overrules what that step returns, except STEP_END. Wakes from before are forgotten. */
void steps_divert(struct steps *s, const char *name);

/* Called right before each step; NULL: nobody listens. For tests that kill a process at a named step (see svc.c). */
extern void (*steps_hook)(const char *name);

#endif
