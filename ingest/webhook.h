/* The webhook: Telegram's calls, or rather those of whoever ends TLS in front of us, over plain HTTP on WEBHOOK_LISTEN. It stands
 * beside poll.h: what it brings goes through accept.h too. Every ingest serves it, whoever has the lease; who has it also tells
 * Telegram where to deliver (registrar.h). */
#ifndef INGEST_WEBHOOK_H
#define INGEST_WEBHOOK_H
#include "services/svc.h"

enum { WEBHOOK_SECRET_SIZE = 257, WEBHOOK_CONNECTIONS = 100 /* what Telegram may open; its own bound */ };

struct webhook;
/* Serves at once, or as soon as the address is free. Until Redis is there it asks to come again later. */
struct webhook *webhook_new(struct svc *s);
void webhook_on_redis(struct webhook *w, bool up);
void webhook_drain(struct webhook *w);               /* no new connections; what has come is answered */
bool webhook_is_idle(const struct webhook *w);       /* nothing is left to answer */
bool webhook_is_healthy(const struct webhook *w);    /* it listens */
void webhook_free(struct webhook *w);                /* NULL is fine; memory goes when the loop has turned */

/* WEBHOOK_SECRET, or where it is empty one that is made from BOT_TOKEN: the same in every ingest, and nobody can guess it. */
void webhook_secret(char ret_secret[WEBHOOK_SECRET_SIZE]);
/* The part of a URL that is asked for: "/hook" of https://bot.example.org/hook, "/" where there is none. */
const char *webhook_path(const char *url);

#endif
