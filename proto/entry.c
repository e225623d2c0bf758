#include "proto/entry.h"
#include <string.h>

const char *entry_read(const redisReply *reply, const struct fields *fields, struct entry *ret_entry) {
    *ret_entry = (struct entry){.id = reply->element[0]->str, .conv = "", .fields = fields};
    if (!fields)
        return "its fields cannot be read";
    ret_entry->kind = fields_get(fields, "kind");
    ret_entry->job = fields_get(fields, "job");
    ret_entry->chat = fields_get(fields, "chat");
    ret_entry->user = fields_get(fields, "user");
    ret_entry->conv = fields_str(fields, "conv");
    if (!ret_entry->kind || !*ret_entry->kind)
        return "it has no kind";
    if (!ret_entry->job || !*ret_entry->job)
        return "it has no job";
    if (!ret_entry->chat)
        return "it has no chat";
    if (!ret_entry->user)
        return "it has no user";
    if (!fields_int(fields, "at", &ret_entry->at))
        return "it has no time (at, in ms)";
    return NULL;
}
