#include "proto/usage_event.h"
#include "proto/keys.h"
#include <inttypes.h>
#include <stdio.h>

void usage_event_args(struct args *a, const struct usage_event *e) {
    int count = args_hole(a), first = a->count;
    args_pair(a, "kind", KIND_USAGE);
    args_pair(a, "job", e->job);
    args_pair(a, "chat", e->chat);
    args_pair(a, "user", e->user);
    args_pair_int(a, "at", e->at);
    args_pair(a, "event", e->event);
    args_pair(a, "paid", e->paid);
    args_pair(a, "model", e->model);
    args_pair_int(a, "input_tokens", e->input_tokens);
    args_pair_int(a, "cached_tokens", e->cached_tokens);
    args_pair_int(a, "cache_write_tokens", e->cache_write_tokens);
    args_pair_int(a, "output_tokens", e->output_tokens);
    args_pair_int(a, "reasoning_tokens", e->reasoning_tokens);
    if (e->audio_ms) {
        char seconds[32];
        (void)snprintf(seconds, sizeof seconds, "%" PRId64 ".%03d", e->audio_ms / 1000, (int)(e->audio_ms % 1000));
        args_pair(a, "seconds", seconds);
    }
    if (e->images)
        args_pair_int(a, "images", e->images);
    if (e->tools && *e->tools)
        args_pair(a, "tools", e->tools);
    args_pair_int(a, "cost_nusd", e->cost_nusd);
    args_pair(a, "price_version", e->price_version);
    args_pair(a, "status", e->status);
    args_pair(a, "response", e->response);
    if (e->estimated)
        args_pair(a, "estimated", "1");
    if (e->unclear && *e->unclear)
        args_pair(a, "unclear", e->unclear);
    args_set_int(a, count, (a->count - first) / 2);
}
