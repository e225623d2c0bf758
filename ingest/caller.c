#include "ingest/caller.h"
#include "services/clock.h"
#include "services/log.h"

void caller_init(struct caller *c, struct svc *s, struct steps *steps) {
    *c = (struct caller){ .steps = steps, .svc = s, .api = bot_api_new(s->loop), .said = BOT_OK };
}

void caller_done(struct caller *c) {
    bot_answer_done(&c->answer);
    bot_api_free(c->api);
}

static void on_called(struct http_result *result, void *owner) {
    struct caller *c = owner;
    c->call = NULL;
    bot_api_read(result, &c->answer);
    steps_wake(c->steps);
}

enum step_end caller_ask(struct caller *c, const char *method, cJSON *params, int silence_ms) {
    bot_answer_done(&c->answer);
    c->call = bot_api_call(c->api, method, params, silence_ms, on_called, c);
    return STEP_WAIT;
}

void caller_hang_up(struct caller *c) {
    http_cancel(c->call);
    c->call = NULL;
}

static void say(struct caller *c) {
    const struct bot_answer *a = &c->answer;
    if (c->said == a->word)
        return;
    c->said = a->word;
    if (a->word == BOT_TOKEN) {
        log_error(NULL, "Telegram does not accept BOT_TOKEN (%s): asking again every %d s", a->why, BOT_TOKEN_AGAIN_MS / SECOND);
        svc_alert(c->svc, "telegram_token", ""); /* heard when it was only this call, or when the token is good again */
    } else if (a->word == BOT_OK) {
        log_info(NULL, "Telegram answers again");
    } else {
        log_warn(NULL, "%s: %s", c->steps->now, a->why);
    }
}

int64_t caller_failed(struct caller *c) {
    const struct bot_answer *a = &c->answer;
    int64_t wait_ms = bot_api_backoff_ms(++c->failures);
    if (a->word != BOT_FAILED || c->failures > 1)
        say(c);
    if (a->word == BOT_TOKEN)
        wait_ms = BOT_TOKEN_AGAIN_MS;
    return a->wait_ms > wait_ms ? a->wait_ms : wait_ms;
}

void caller_went_well(struct caller *c) {
    c->failures = 0;
    if (c->said != BOT_OK)
        say(c);
}
