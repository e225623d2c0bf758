/* What the HTTP side alone can bear: getUpdates, POST /v1/responses as a stream, sendMessage, with libcurl and nothing else.
 *
 *     ceiling_http PORT TOKEN KEY SECONDS
 *
 * The simulator's users ask (POST /control/users), so each answer that is sent brings the next question. Texts are passed on as
 * they stand in JSON, escapes and all: nothing is parsed that need not be. */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>


struct call {
    CURL *easy;
    enum { POLL, ASK, SEND } what;
    long chat;
    char *in, *out;             /* what comes, what goes */
    size_t in_len, in_size;
    struct call *free_next;
};

static CURLM *multi;
static struct call *unused;
static struct curl_slist *plain, *authorized;
static char telegram[200], openai[100];
static long turns, offset;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const char *why) {
    fprintf(stderr, "ceiling_http: %s: %s\n", what, why);
    exit(1);
}

static size_t on_body(char *data, size_t size, size_t count, void *owner) {
    struct call *c = owner;
    size_t len = size * count;
    while (c->in_len + len + 1 > c->in_size) {
        c->in_size = c->in_size ? 2 * c->in_size : 16384;
        c->in = realloc(c->in, c->in_size);
        if (!c->in)
            die("body", "out of memory");
    }
    memcpy(c->in + c->in_len, data, len);
    c->in_len += len;
    c->in[c->in_len] = 0;
    return len;
}

/* `body` is the call's from now on. */
static void start(int what, long chat, const char *url, char *body) {
    struct call *c = unused;
    if (c)
        unused = c->free_next;
    else
        c = calloc(1, sizeof *c);
    if (!c->easy) {
        c->easy = curl_easy_init();
        curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
        curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
        curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
    }
    free(c->out);
    c->what = what;
    c->chat = chat;
    c->out = body;
    c->in_len = 0;
    curl_easy_setopt(c->easy, CURLOPT_URL, url);
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, what == ASK ? authorized : plain);
    curl_multi_add_handle(multi, c->easy);
}

__attribute__((format(printf, 1, 2)))
static char *text_of(const char *format, ...) {
    char *body = NULL;
    va_list rest;
    va_start(rest, format);
    if (vasprintf(&body, format, rest) < 0)
        die("request", "out of memory");
    va_end(rest);
    return body;
}

static void poll_updates(void) {
    char url[300];
    snprintf(url, sizeof url, "%s/getUpdates", telegram);
    start(POLL, 0, url, text_of("{\"offset\":%ld,\"limit\":100,\"timeout\":30,\"allowed_updates\":[\"message\"]}", offset));
}

/* The JSON string behind `key`, as it stands there. */
static const char *string_at(const char *in, const char *key, size_t *ret_len) {
    const char *at = strstr(in, key), *end;
    if (!at)
        return NULL;
    at += strlen(key);
    for (end = at; *end && *end != '"'; end++)
        end += *end == '\\' && end[1];
    *ret_len = (size_t)(end - at);
    return at;
}

static void on_updates(struct call *c) {
    const char *at = c->in_len ? c->in : "";
    while ((at = strstr(at, "\"update_id\":"))) {
        size_t len;
        const char *chat, *text;
        offset = strtol(at + 12, NULL, 10) + 1;
        at += 12;
        chat = strstr(at, "\"chat\":{\"id\":");
        text = string_at(at, "\"text\":\"", &len);
        if (!chat || !text)
            continue;
        start(ASK, strtol(chat + 13, NULL, 10), openai,
              text_of("{\"model\":\"gpt-6.1-terra\",\"instructions\":\"Be brief.\",\"stream\":true,\"store\":true,\"background\":true,"
                      "\"metadata\":{\"job\":\"%ld\"},\"stream_options\":{\"include_obfuscation\":false},"
                      "\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"%.*s\"}]}]}", offset, (int)len, text));
    }
    poll_updates();
}

static void on_answer(struct call *c) {
    char url[300];
    size_t len = 0;
    const char *done = c->in_len ? strstr(c->in, "response.output_text.done") : NULL;
    const char *text = done ? string_at(done, "\"text\":\"", &len) : NULL;
    if (!text)
        die("POST /v1/responses", "no answer");
    snprintf(url, sizeof url, "%s/sendMessage", telegram);
    start(SEND, c->chat, url, text_of("{\"chat_id\":%ld,\"text\":\"%.*s\"}", c->chat, (int)len, text));
}

static void on_done(struct call *c, CURLcode code) {
    long status = 0;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status != 200)
        die("a call failed", code != CURLE_OK ? curl_easy_strerror(code) : c->in);
    curl_multi_remove_handle(multi, c->easy);
    if (c->what == POLL)
        on_updates(c);
    else if (c->what == ASK)
        on_answer(c);
    else
        turns++;
    c->free_next = unused;
    unused = c;
}

int main(int argc, char **argv) {
    char authorization[300];
    int running, left;
    if (argc != 5)
        die("usage", "ceiling_http PORT TOKEN KEY SECONDS");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi = curl_multi_init();
    snprintf(telegram, sizeof telegram, "http://127.0.0.1:%s/bot%s", argv[1], argv[2]);
    snprintf(openai, sizeof openai, "http://127.0.0.1:%s/v1/responses", argv[1]);
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", argv[3]);
    plain = curl_slist_append(plain, "Content-Type: application/json");
    authorized = curl_slist_append(authorized, "Content-Type: application/json");
    authorized = curl_slist_append(authorized, authorization);
    poll_updates();
    double from = now_s(), until = from + atof(argv[4]);
    while (now_s() < until) {
        curl_multi_perform(multi, &running);
        for (CURLMsg *m; (m = curl_multi_info_read(multi, &left));) {
            struct call *c = NULL;
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&c);
            on_done(c, m->data.result);
        }
        curl_multi_poll(multi, NULL, 0, 100, NULL);
    }
    printf("{\"turns\":%ld,\"seconds\":%.3f}\n", turns, now_s() - from);
    return 0;                   /* what is open ends with the process */
}
