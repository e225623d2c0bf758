/* The life of one followed job, from dispatch to its end in the chat; and of a direct one, which is only its end.
 *
 *   first words, edits … while the model works          its final form, once the token is ours
 *   ┌──────────────────────────────────────┐            ┌─────────────────────────────────────┐
 *   take ─ look, look … typing, status, parts ── done ── take ─ edit, send, delete parts ─ commit end
 *
 * One call in flight per message, so no late edit can follow the final one. Before a send the part is marked in the job's
 * hash, after it the message id stands there: whoever goes on after us knows what is in the chat, and the one thing he
 * cannot know, whether a marked part was sent, he sends again (protocol.md 9 and 10). */
#ifndef OUTBOUND_FOLLOW_H
#define OUTBOUND_FOLLOW_H
#include "services/svc.h"

struct desk;                                 /* what the jobs of one process share: Telegram, pace, their list */
struct desk *desk_new(struct svc *s);
void desk_free(struct desk *d);              /* nothing may be followed any more */
unsigned desk_room(const struct desk *d);    /* how many more jobs may be followed */
bool desk_is_empty(const struct desk *d);
void desk_drain(struct desk *d);             /* give back what is followed; calls in flight may finish, for five seconds */

/* An entry of any kind that outbound reads. */
void desk_begin(struct desk *d, const struct entry *e, int64_t takeovers);

#endif
