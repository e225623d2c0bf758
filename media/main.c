/* media: turns what people send into something the model can use: speech into words, pictures and documents into files that it reads;
 * and draws what they ask for.
 * An entry of a kind that it does not know leaves the stream for `dead`, with that reason. */
#include "media/task.h"
#include "proto/keys.h"
#include "services/clock.h"
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 96, DRAIN_TICK_MS = 200 };

static void on_tick(uv_timer_t *timer) {
    struct media *m = timer->data;
    if (m->draining_since_ms)
        task_drain(m);
}

static bool media_start(struct svc *s) {
    struct media *m = calloc(1, sizeof *m);
    if (!m || !(m->drain_timer = calloc(1, sizeof *m->drain_timer)))
        abort();
    m->svc = s;
    s->app = m;
    clock_zone(setting_text("TZ_NAME"));
    m->prices = price_file_open(s, NULL, NULL);
    if (!m->prices)
        return false;
    m->openai_url = strdup(setting_text("OPENAI_BASE_URL"));
    for (size_t len = strlen(m->openai_url); len && m->openai_url[len - 1] == '/'; len--)
        m->openai_url[len - 1] = 0;
    if (asprintf(&m->authorization, "Authorization: Bearer %s", setting_text("OPENAI_API_KEY")) < 0)
        abort();
    m->telegram_url = setting_text("TELEGRAM_API_URL");
    m->token = setting_text("BOT_TOKEN");
    m->model = setting_text("OPENAI_TRANSCRIBE_MODEL");
    m->image_model = setting_text("OPENAI_IMAGE_MODEL");
    m->local_files = setting_text("TELEGRAM_LOCAL_FILES")[0] == '1';
    m->bytes_most = setting_number("MAX_FILE_MB") << 20;
    m->tries_max = 1 + setting_number("OPENAI_MAX_RETRIES");
    m->attempts_max = setting_number("MAX_ATTEMPTS");
    m->idle_ms = (int)setting_number("OPENAI_TIMEOUT_SECONDS") * SECOND;
    m->ffmpeg = convert_find();
    struct http_options telegram = {.proxy = setting_text("TELEGRAM_PROXY"), .user_agent = "gpttg/" GPTTG_VERSION};
    struct http_options openai = {.proxy = setting_text("OPENAI_PROXY"), .user_agent = "gpttg/" GPTTG_VERSION};
    m->telegram = http_new(s->loop, &telegram);
    m->openai = http_new(s->loop, &openai);
    uv_timer_init(s->loop, m->drain_timer);
    m->drain_timer->data = m;
    uv_timer_start(m->drain_timer, on_tick, DRAIN_TICK_MS, DRAIN_TICK_MS);
    task_list_metrics();
    log_info(NULL, "%s hears, %s draws, files up to %d MB, %s", m->model, m->image_model, (int)setting_number("MAX_FILE_MB"),
             m->ffmpeg ? "ffmpeg converts" : "no ffmpeg: some kinds of audio and video will be refused");
    return true;
}

static unsigned media_slots(struct svc *s) {
    const struct media *m = s->app;
    return m->working < AT_ONCE ? AT_ONCE - m->working : 0;
}

static void media_on_entry(struct svc *s, const struct entry *e, int64_t takeovers) {
    task_begin(s->app, e, takeovers);
}

static void media_drain(struct svc *s) {
    struct media *m = s->app;
    m->draining_since_ms = clock_mono_ms();
    task_drain(m);
}

static void on_closed(uv_handle_t *timer) {
    free(timer);
}

static void media_stop(struct svc *s) {
    struct media *m = s->app;
    uv_close((uv_handle_t *)m->drain_timer, on_closed);
    http_free(m->telegram);
    http_free(m->openai);
    price_file_close(m->prices);
    free(m->openai_url);
    free(m->authorization);
    free(m->ffmpeg);
    free(m);
}

int main(int argc, char **argv) {
    static const char *const kinds[] = {KIND_VOICE, KIND_PHOTO, KIND_DOCUMENT, KIND_IMAGE, KIND_LIBRARY, KIND_MADE, KIND_FORGET, NULL};
    static const struct svc_spec media = {
        .name = "media", .about = "turns voice, pictures and documents into what the model can use", .bit = FOR_MEDIA,
        .stream = STREAM_MEDIA, .kinds = kinds, .start = media_start, .slots = media_slots, .on_entry = media_on_entry,
        .drain = media_drain, .stop = media_stop,
    };
    return svc_main(&media, argc, argv);
}
