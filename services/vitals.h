/* How the process itself is doing: memory, lag of the loop, log lines, what it holds, how far Redis is, and how much work
 * waits in its stream. The modules count what happens in them; this is what belongs to none of them. */
#ifndef SERVICES_VITALS_H
#define SERVICES_VITALS_H
#include <uv.h>

struct svc;
struct vitals;

/* `stream`: whose length is asked of Redis every ten seconds; NULL: what belongs to no service (dead, later, busy). */
struct vitals *vitals_new(struct svc *s, const char *stream);
void vitals_ask(struct vitals *v);           /* from now on: somebody reads the figures that cost a command */
void vitals_refresh(void *v);                /* before they are printed */
void vitals_free(struct vitals *v);          /* NULL is fine; memory goes when the loop has turned */

#endif
