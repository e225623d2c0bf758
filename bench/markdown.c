/* What rendering and splitting an answer costs: bench_markdown [FILE...], else an answer of 4 KB like a model's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "outbound/markdown.h"
#include "outbound/split.h"
#include "services/buf.h"

enum { ANSWER = 4096, MOST = 1 << 22 };

static const char section[] =
    "## A step that has a title\n\nThis is a **paragraph** with *emphasis*, `code()`, a [link](https://example.org/path?x=1) and some words more, so that it "
    "is as long as paragraphs are. The cost is $5 or ~10 %, and \\( a^2 + b^2 = c^2 \\) holds.\n\n"
    "1. **First:** do this\n   - with `that`\n   - and *those*\n2. **Second:** do more\n\n"
    "```python\ndef f(x: int) -> int:\n    \"\"\"Twice.\"\"\"\n    return x * 2\n```\n\n"
    "| Name | Value | Note |\n|------|------:|------|\n| a | 1 | first |\n| b | 22 | second |\n\n"
    "> A quote of one line — «с русским текстом» и эмодзи 🎉.\n\n";

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void once(const char *text, size_t len, bool growing) {
    struct markdown_options options = {.growing = growing};
    struct rendered r;
    struct pieces p;
    markdown_render(text, len, &options, &r);
    split_rendered(&r, MESSAGE_MAX_UNITS, MESSAGE_MAX_ENTITIES, &p);
    pieces_done(&p);
    rendered_done(&r);
}

/* The best of many: what it costs when nobody else wants the processor. */
static void measure(const char *name, const char *text, size_t len) {
    double best = 1e9, total = 0, until = now_ms() + 1000;
    int runs = 0;
    while (now_ms() < until) {
        double begun = now_ms();
        once(text, len, runs % 2);
        double took = now_ms() - begun;
        best = took < best ? took : best;
        total += took;
        runs++;
    }
    printf("%-24s %8zu bytes  best %8.4f ms  mean %8.4f ms  %6.1f MB/s\n", name, len, best, total / runs, (double)len / best / 1e3);
}

int main(int argc, char **argv) {
    struct buf answer;
    buf_init(&answer, MOST);
    while (answer.len < ANSWER)
        (void)buf_add_str(&answer, section);
    if (argc < 2)
        measure("an answer of 4 KB", answer.data, ANSWER);
    while (answer.len < ANSWER * 64)
        (void)buf_add_str(&answer, section);
    if (argc < 2)
        measure("an answer of 256 KB", answer.data, ANSWER * 64);
    buf_done(&answer);
    char *text = malloc(MOST);
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        if (!f || !text)
            return 1;
        measure(argv[i], text, fread(text, 1, MOST, f));
        fclose(f);
    }
    free(text);
    return 0;
}
