/* Whatever strangers are called and have written: what the model is told is valid text whose every line is ours, or marked as theirs. */
#include <string.h>
#include "llm/context.h"
#include "services/utf8.h"
#include "tests/fuzz/fuzz.h"

static const char *const names[] = {"asked", "name", "forward", "reply", "reply_name", "quote", "reply_bot", "edited"};
enum { NAMES = sizeof names / sizeof *names };

static bool begins(const char *line, const char *with) {
    return !strncmp(line, with, strlen(with));
}

static void check_line(const char *line, const char *end) {
    static const char *const ours[] = {"Time: ", "Edited: ", "From: \"", "Forwarded from: \"", "Forwarded: ", "Answers your message",
        "Answers a message", "Marked in it:"};
    bool known = false, theirs = begins(line, "> ");
    int marks = 0;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        known = known || begins(line, ours[i]);
    CHECK(known || theirs);
    for (; line < end; line++) {
        CHECK((unsigned char)*line >= ' ' || (theirs && *line == '\t'));
        marks += *line == '"';
    }
    CHECK(theirs || marks == 0 || marks == 2);
}

static void check(const char *context) {
    CHECK(utf8_valid(context, strlen(context)) && strlen(context) < 40000);
    if (!*context)
        return;
    CHECK(begins(context, "[About the message below") && strchr(context, '\n'));
    for (const char *line = strchr(context, '\n'); line; line = strchr(line + 1, '\n'))
        check_line(line + 1, strchrnul(line + 1, '\n'));
}

/* The first byte says which fields there are; their values follow, each up to a NUL. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (!len)
        return 0;
    char *values = calloc(1, len + NAMES + 1);
    memcpy(values, data + 1, len - 1);
    struct field list[NAMES + 1] = {{"chat", "-1", 2}};
    struct fields job = {.count = 1, .list = list};
    const char *at = values;
    for (int i = 0; i < NAMES; i++) {
        if (data[0] & 1 << i)
            list[job.count++] = (struct field){names[i], at, strlen(at)};
        if (at < values + len)
            at += strlen(at) + 1;
    }
    struct arena *mem = arena_new();
    check(context_of(mem, &job, "UTC"));
    arena_free(mem);
    free(values);
    return 0;
}
