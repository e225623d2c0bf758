/* One entry of a stream: the five fields that every entry has, and the rest. */
#ifndef PROTO_ENTRY_H
#define PROTO_ENTRY_H
#include <hiredis/hiredis.h>
#include "proto/fields.h"

struct entry {
    const char *id;                                   /* borrowed from fields' owner, see entry_read */
    const char *kind, *job, *chat, *user, *conv;      /* conv: "" where there is none */
    int64_t at;                                       /* ms since 1970 */
    const struct fields *fields;                      /* all of it, borrowed */
};

/* Read [id, [name, value, …]] of XREADGROUP, XRANGE or our claim script. `fields` is a copy of its second element.
 * NULL: all is well and *ret_entry is set (its strings live as long as reply and fields); else why it makes no sense, in a few
 * words for the `dead` stream, and *ret_entry has at least its id. */
const char *entry_read(const redisReply *reply, const struct fields *fields, struct entry *ret_entry);

#endif
