/* outbound: shows answers in Telegram while they grow, and ends their jobs. Everything about it is in follow.h. */
#include "outbound/follow.h"
#include "proto/keys.h"

static bool outbound_start(struct svc *s) {
    s->app = desk_new(s);
    return true;
}

static unsigned outbound_slots(struct svc *s) {
    return desk_room(s->app);
}

static void outbound_entry(struct svc *s, const struct entry *e, int64_t takeovers) {
    desk_begin(s->app, e, takeovers);
}

static void outbound_drain(struct svc *s) {
    desk_drain(s->app);
}

static bool outbound_idle(struct svc *s) {
    return desk_is_empty(s->app) && queue_in_hand(s->queue) == 0;
}

static void outbound_stop(struct svc *s) {
    desk_free(s->app);
}

int main(int argc, char **argv) {
    static const char *const kinds[] = {KIND_FOLLOW, KIND_LINE, KIND_ALERT, KIND_PRESS, NULL};
    static const struct svc_spec outbound = {
        .name = "outbound",
        .about = "shows answers in Telegram while they grow",
        .bit = FOR_OUTBOUND,
        .stream = STREAM_OUTBOUND,
        .kinds = kinds,
        .start = outbound_start,
        .slots = outbound_slots,
        .on_entry = outbound_entry,
        .drain = outbound_drain,
        .idle = outbound_idle,
        .stop = outbound_stop,
    };
    return svc_main(&outbound, argc, argv);
}
