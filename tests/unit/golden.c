#include "tests/unit/golden.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/alloc.h"

static char *read_file(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        abort();
    }
    char *text = alloc_zero(1 << 20);
    size_t len = fread(text, 1, (1 << 20) - 1, f);
    text[len] = '\0';
    fclose(f);
    return text;
}

/* The lines from *at to the one that begins with `until`, which is left to read. */
static char *read_lines(const char **at, const char *until) {
    const char *from = *at, *line = from;
    while (*line && strncmp(line, until, strlen(until)) != 0) {
        const char *end = strchr(line, '\n');
        line = end ? end + 1 : line + strlen(line);
    }
    *at = line;
    size_t len = (size_t)(line - from);
    return alloc_copy(from, len ? len - 1 : 0);
}

static const char *behind_line(const char *at) {
    const char *end = strchr(at, '\n');
    return end ? end + 1 : at + strlen(at);
}

static void read_case(struct golden *c, const char **at) {
    static const char growing[] = " (growing)";
    const char *end = behind_line(*at);
    c->title = alloc_copy(*at + 4, (size_t)(end - *at) - 5);
    size_t n = strlen(c->title), g = strlen(growing);
    c->growing = n > g && !strcmp(c->title + n - g, growing);
    *at = end;
    c->source = read_lines(at, "--- text");
    *at = behind_line(*at);
    c->text = read_lines(at, "--- entities");
    *at = behind_line(*at);
    c->entities = read_lines(at, "=== ");
    n = strlen(c->entities);
    while (n && c->entities[n - 1] == '\n')
        c->entities[--n] = '\0';
}

static int is_case_file(const struct dirent *d) {
    size_t n = strlen(d->d_name);
    return n > 4 && !strcmp(d->d_name + n - 4, ".txt");
}

void goldens_read(struct goldens *g, const char *folder) {
    struct dirent **names;
    int count = scandir(folder, &names, is_case_file, alphasort);
    *g = (struct goldens){0};
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        g->files = alloc_again(g->files, (g->files_count + 1) * sizeof *g->files);
        g->files[g->files_count++] = alloc_copy(names[i]->d_name, strlen(names[i]->d_name));
        char *text = read_file(path);
        for (const char *at = text; !strncmp(at, "=== ", 4);) {
            g->list = alloc_again(g->list, (g->count + 1) * sizeof *g->list);
            g->list[g->count] = (struct golden){.file = g->files[g->files_count - 1]};
            read_case(&g->list[g->count++], &at);
        }
        free(text);
        free(names[i]);
    }
    free(names);
}

void goldens_done(struct goldens *g) {
    for (size_t i = 0; i < g->count; i++) {
        free(g->list[i].title);
        free(g->list[i].source);
        free(g->list[i].text);
        free(g->list[i].entities);
    }
    for (size_t i = 0; i < g->files_count; i++)
        free(g->files[i]);
    free(g->files);
    free(g->list);
    *g = (struct goldens){0};
}
