/* llm: takes questions from stream `llm`, asks the model, hands answers to whoever shows them. */
#include "llm/answer.h"
#include "llm/catalog.h"
#include "proto/keys.h"
#include "services/clock.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* api.openai.com, and its regions: eu.api.openai.com. */
static bool is_openai(const char *url) {
    static const char name[] = "api.openai.com";
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t len = strcspn(host, ":/?#"), tail = sizeof name - 1;
    return len >= tail && !strncasecmp(host + len - tail, name, tail) && (len == tail || host[len - tail - 1] == '.');
}

static bool wants_background(const char *base_url) {
    const char *setting = setting_text("OPENAI_BACKGROUND");
    return !strcmp(setting, "on") || (!strcmp(setting, "auto") && is_openai(base_url));
}

static bool llm_start(struct svc *s) {
    struct llm *llm = calloc(1, sizeof *llm);
    if (!llm)
        abort();
    llm->svc = s;
    s->app = llm;
    llm->zone = setting_text("TZ_NAME");
    clock_zone(llm->zone);
    llm->prices = price_file_open(s, NULL, NULL);
    if (!llm->prices)
        return false;
    llm->base_url = strdup(setting_text("OPENAI_BASE_URL"));
    for (size_t len = strlen(llm->base_url); len && llm->base_url[len - 1] == '/'; len--)
        llm->base_url[len - 1] = 0;
    llm->secret = setting_text("OPENAI_API_KEY");
    if (asprintf(&llm->authorization, "Authorization: Bearer %s", llm->secret) < 0)
        abort();
    llm->headers[0] = llm->authorization;
    llm->headers[1] = "Content-Type: application/json";
    llm->headers[2] = "Accept: text/event-stream, application/json";
    llm->model = setting_text("OPENAI_MODEL");
    llm->instructions = setting_text("SYSTEM_PROMPT");
    llm->background = wants_background(llm->base_url);
    llm->tries_max = 1 + setting_number("OPENAI_MAX_RETRIES");
    if (setting_is_set("OPENAI_MAX_OUTPUT_TOKENS"))
        llm->output_most = setting_number("OPENAI_MAX_OUTPUT_TOKENS") > OUTPUT_LEAST ? setting_number("OPENAI_MAX_OUTPUT_TOKENS") : OUTPUT_LEAST;
    llm->compact_threshold = setting_number("COMPACT_THRESHOLD_TOKENS");
    llm->idle_ms = (int)setting_number("OPENAI_TIMEOUT_SECONDS") * SECOND;
    llm->web_search = !strcmp(setting_text("WEB_SEARCH"), "auto");
    llm->code_interpreter = !strcmp(setting_text("CODE_INTERPRETER"), "auto");
    llm->concurrency = (unsigned)setting_number("LLM_CONCURRENCY");
    struct http_options options = {.proxy = setting_text("OPENAI_PROXY"), .user_agent = "gpttg/" GPTTG_VERSION};
    llm->http = http_new(s->loop, &options);
    voice_start(llm);
    llm->catalog = s->alone ? NULL : catalog_new(llm);
    answer_list_metrics();
    log_info(NULL, "model %s at %s, %s, prices %s", llm->model, llm->base_url,
             llm->background ? "in background mode: an answer survives this process" : "in plain mode", prices_version(price_file_now(llm->prices), llm->model));
    return true;
}

static unsigned llm_slots(struct svc *s) {
    const struct llm *llm = s->app;
    return llm->answering < llm->concurrency ? llm->concurrency - llm->answering : 0;
}

static void llm_on_entry(struct svc *s, const struct entry *e, int64_t takeovers) {
    (void)takeovers;                     /* running alone from the second one on is the queue's business */
    answer_begin(s->app, e);
}

static void llm_drain(struct svc *s) {
    struct llm *llm = s->app;
    llm->draining_since_ms = clock_mono_ms();
    answer_drain(llm);
}

static void llm_stop(struct svc *s) {
    struct llm *llm = s->app;
    voice_stop(llm);
    catalog_free(llm->catalog);
    http_free(llm->http);
    price_file_close(llm->prices);
    free(llm->base_url);
    free(llm->authorization);
    free(llm);
}

int main(int argc, char **argv) {
    static const char *const kinds[] = {KIND_TEXT, KIND_VOICE, KIND_PHOTO, KIND_DOCUMENT, NULL};
    static const struct svc_spec llm = {
        .name = "llm", .about = "asks the model and says what it answers", .bit = FOR_LLM, .stream = STREAM_LLM, .kinds = kinds,
        .start = llm_start, .slots = llm_slots, .on_entry = llm_on_entry, .drain = llm_drain, .stop = llm_stop,
    };
    return svc_main(&llm, argc, argv);
}
