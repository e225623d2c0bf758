/* Which addresses Telegram takes for a link. */
#ifndef OUTBOUND_ADDRESS_H
#define OUTBOUND_ADDRESS_H
#include <stdbool.h>
#include <stddef.h>

enum { ADDRESS_MAX_BYTES = 2048 };

/* http, https (with a host that has a dot, or is IPv6), tg, ton. Anything else in a text_link is dropped or refused. */
bool address_is_usable(const char *s, size_t len);
/* Where Telegram would put a slash into a usable address that has no path (https://example.org); past len: nowhere. */
size_t address_lacks_slash(const char *s, size_t len);

#endif
