/* ledger: writes every paid call into SQLite, once. The work is in writer.h, the file in store.h. */
#include <sysexits.h>

#include "ledger/backup.h"
#include "ledger/store.h"
#include "ledger/writer.h"
#include "proto/keys.h"

static int ledger_check(FILE *err) {
    char problem[STORE_PROBLEM];
    if (!store_try(setting_text("DB_PATH"), problem) || store_disk_is_read_only(setting_text("DB_PATH")))
        return 0;
    (void)fprintf(err, "gpttg-ledger: %s\n", problem); /* nobody can be told that stderr is gone */
    return EX_CONFIG;
}

static bool ledger_start(struct svc *s) {
    s->app = writer_new(s);
    return s->app;
}

static void ledger_redis(struct svc *s, bool up) {
    writer_on_redis(s->app, up);
}

static unsigned ledger_slots(struct svc *s) {
    return writer_room(s->app);
}

static void ledger_entry(struct svc *s, const struct entry *e, int64_t takeovers) {
    writer_take(s->app, e);
}

static void ledger_drain(struct svc *s) {
    writer_drain(s->app);
}

static bool ledger_idle(struct svc *s) {
    return writer_is_over(s->app);
}

static void ledger_stop(struct svc *s) {
    writer_free(s->app);
}

static bool ledger_healthy(struct svc *s) {
    return writer_is_healthy(s->app);
}

int main(int argc, char **argv) {
    static const struct svc_flag flags[] = {
        { "--backup", "copies DB_PATH, which may be in use, to FILE", backup_flag },
        { "--restore", "puts a copy of FILE in the place of DB_PATH, which must not be in use", backup_restore_flag },
        { 0 },
    };
    static const struct svc_spec ledger = {
        .name = "ledger",
        .about = "writes every paid call into SQLite, once",
        .bit = FOR_LEDGER,
        .stream = STREAM_LEDGER,
        .batches = true,
        .check = ledger_check,
        .start = ledger_start,
        .on_redis = ledger_redis,
        .slots = ledger_slots,
        .on_entry = ledger_entry,
        .drain = ledger_drain,
        .idle = ledger_idle,
        .stop = ledger_stop,
        .healthy = ledger_healthy,
        .flags = flags,
    };
    return svc_main(&ledger, argc, argv);
}
