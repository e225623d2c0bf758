#include "services/price_file.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "services/alloc.h"
#include "services/clock.h"
#include "services/metrics.h"

enum { LOOK_MS = 5 * SECOND };

/* What tells one state of a file from another. */
struct sight { struct timespec changed; off_t size; ino_t inode; };

struct price_file {
    struct svc *svc;
    struct prices *now;
    bool (*busy)(void *owner);
    void *owner;
    struct sight seen;
    uv_timer_t timer;
    uv_signal_t hup;
    int handles;
};

static struct metric read_anew = {"prices_reloads_total", "Times that changed prices were read.", "fate=\"in_force\"", METRIC_COUNTER},
    refused = {"prices_reloads_total", "Times that changed prices were read.", "fate=\"refused\"", METRIC_COUNTER};

/* A file that is not there looks like nothing. */
static struct sight look_at(const char *path) {
    struct stat is;
    if (!*path || stat(path, &is))
        return (struct sight){{0}};
    return (struct sight){is.st_mtim, is.st_size, is.st_ino};
}

static bool is_same(const struct sight *a, const struct sight *b) {
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec && a->size == b->size && a->inode == b->inode;
}

static void read_again(struct price_file *f) {
    char problem[PRICES_PROBLEM] = "";
    struct prices *fresh = settings_prices_again(problem);
    if (!fresh) {
        metric_add(&refused, 1);
        log_error(NULL, "prices: the old ones stay in force: %s", problem);
        svc_alert(f->svc, "prices", problem);
        return;
    }
    if (prices_remark(fresh))
        log_warn(NULL, "prices: %s", prices_remark(fresh));
    metric_add(&read_anew, 1);
    prices_free(f->now);
    f->now = fresh;
    log_info(NULL, "prices: %s has changed and is in force", setting_text("PRICES_FILE"));
}

static void look(struct price_file *f) {
    if (f->busy && f->busy(f->owner))
        return; /* at the next look */
    struct sight is = look_at(setting_text("PRICES_FILE"));
    if (is_same(&is, &f->seen))
        return;
    f->seen = is;
    read_again(f);
}

static void on_time(uv_timer_t *timer) {
    look(timer->data);
}

static void on_hup(uv_signal_t *hup, int signum) {
    look(hup->data);
}

struct price_file *price_file_open(struct svc *s, bool (*busy)(void *owner), void *owner) {
    struct sight before = look_at(setting_text("PRICES_FILE"));
    struct prices *now = settings_prices();
    if (!now)
        return NULL;
    struct price_file *f = alloc_zero(sizeof *f);
    *f = (struct price_file){.svc = s, .now = now, .busy = busy, .owner = owner, .seen = before, .handles = 2};
    metrics_list((struct metric *const[]){&read_anew, &refused, NULL});
    uv_timer_init(s->loop, &f->timer);
    uv_signal_init(s->loop, &f->hup);
    f->timer.data = f->hup.data = f;
    uv_timer_start(&f->timer, on_time, LOOK_MS, LOOK_MS);
    uv_signal_start(&f->hup, on_hup, SIGHUP);
    uv_unref((uv_handle_t *)&f->timer); /* a look at a file is no reason to keep the loop running */
    uv_unref((uv_handle_t *)&f->hup);
    return f;
}

static void on_closed(uv_handle_t *handle) {
    struct price_file *f = handle->data;
    if (--f->handles == 0)
        free(f);
}

void price_file_close(struct price_file *f) {
    if (!f)
        return;
    prices_free(f->now);
    f->now = NULL;
    uv_close((uv_handle_t *)&f->timer, on_closed);
    uv_close((uv_handle_t *)&f->hup, on_closed);
}

const struct prices *price_file_now(const struct price_file *f) {
    return f->now;
}
