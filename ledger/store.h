/* The ledger's SQLite file: batches of events in, sums of money out.
 *
 * An event is a flat stream entry of kind `usage`: one paid call, under an id that is the same however often it is sent
 * (event=<job>:<call>), so that storing it again changes nothing. Money has no dead letter: whatever an event with an id
 * holds is kept word for word in `events`, and a number that makes no sense counts as 0 (a cost: is computed anew) in its
 * row of `usage`, which names it in `unclear`.
 *
 * Entries of kind `ask` and `set` (proto/README.md) pass through in their order; see change.h for what is stored of them.
 *
 * A batch is one transaction, on disk when store_batch() returns 0. Every other answer means that nothing of it was stored
 * and that the same batch may be tried again.
 *
 * Calls block. A store is used by one thread at a time, but by any (uv_queue_work); only store_interrupt() may come from
 * another one meanwhile. */
#ifndef LEDGER_STORE_H
#define LEDGER_STORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/commit.h"
#include "proto/fields.h"
#include "proto/prices.h"

#define STORE_PROBLEM 400

struct store;

/* Could DB_PATH be opened? Looks, and leaves no trace: for --check-config. 0, or a negative errno and a line in problem. */
int store_try(const char *path, char problem[STORE_PROBLEM]);
/* Is the disk that DB_PATH is on read-only? No mistake in the settings: a disk that had errors is mounted so, and mended. */
bool store_disk_is_read_only(const char *path);
/* Open DB_PATH; made from schema.sql when it is missing or empty (and its folder, one level).
 * Returns 0, or a negative errno and one clear line in problem that begins with "DB_PATH": not to be written there, full,
 * not a database of ours, made by a newer version, damaged. */
int store_open(const char *path, struct store **ret, char problem[STORE_PROBLEM]);
void store_close(struct store *s);                   /* NULL is fine; checkpoints */

/* SQLite's quick look over the whole file; seconds for millions of rows. 0, or a negative errno and a line in problem. */
int store_check(struct store *s, char problem[STORE_PROBLEM]);
/* From another thread: what runs now ends soon, with -EINTR. Not while the store is being closed. */
void store_interrupt(struct store *s);

enum store_fate {
    STORE_NEW,              /* stored. why: the unclear fields, for one warning, or "" */
    STORE_REPEATED,         /* it has been stored before */
    STORE_ASKED,            /* a question, or a change that is stored now: the desk is to answer it */
    STORE_UNUSABLE          /* not an event: for the `dead` stream. why: the reason */
};
struct store_outcome {
    enum store_fate fate;
    bool unpriced;          /* billed by the fallback prices */
    int64_t cost_nusd, at;  /* of the row, unless it is unusable */
    char why[120];
};

/* Store n events; outcomes[i] tells what became of events[i], and is only to be used after 0.
 * An event without a usable cost_nusd is billed by `prices`.
 * Returns 0; -ENOSPC the disk is full; -EBUSY somebody else writes; -EINTR; or another negative errno (-EIO, -EROFS, -EBADMSG:
 * close, open and try again): after each of them nothing was stored. problem gets one line. */
int store_batch(struct store *s, const struct prices *prices, const struct fields *const *events, size_t n,
                struct store_outcome *outcomes, char problem[STORE_PROBLEM]);

/* What was spent in [from_ms, to_ms): by one user, by everybody, and by each user who spent anything (a callback each, which
 * must not use the store). Saturates at ±MONEY_MAX_NUSD. 0 or a negative errno. */
int store_user_spent(struct store *s, int64_t user, int64_t from_ms, int64_t to_ms, int64_t *ret_nusd);
int store_all_spent(struct store *s, int64_t from_ms, int64_t to_ms, int64_t *ret_nusd);
int store_each_user_spent(struct store *s, int64_t from_ms, int64_t to_ms, void (*each)(int64_t user, int64_t nusd, void *owner),
                          void *owner);

/* All that is set of the bot and its users, for the caller to change_done() and free(). 0 or a negative errno. */
int store_kept(struct store *s, struct kept **ret_kept, size_t *ret_count);
/* Forget who this user (> 0) was: his rows become those of *ret_as, below 0; 0: he has none. Sums stay. To be done when nothing of
 * his is on its way any more; what is booked later is under his own id again. 0 or a negative errno and a line in problem. */
int store_forget(struct store *s, int64_t user, int64_t *ret_as, char problem[STORE_PROBLEM]);
/* Delete a piece of the raw events from before that time; their rows of usage stay. *ret_over: the whole table has been gone through,
 * and the next call begins anew. 0 or a negative errno and a line in problem. */
int store_purge(struct store *s, int64_t before_ms, int64_t *ret_gone, bool *ret_over, char problem[STORE_PROBLEM]);

#endif
