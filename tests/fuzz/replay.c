/* Runs a fuzz target over files, so that its corpus is also a plain test: replay_<name> FILE-OR-DIRECTORY... */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/fuzz/fuzz.h"

static int replay_file(const char *path) {
    enum { INPUT_MAX = 1 << 24 };
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 1;
    }
    uint8_t *data = malloc(INPUT_MAX);
    size_t len = fread(data, 1, INPUT_MAX, f);
    fclose(f);
    data = realloc(data, len ? len : 1); /* so that a sanitizer sees a read behind the end */
    LLVMFuzzerTestOneInput(data, len);
    free(data);
    return 0;
}

static int replay(const char *path) {
    DIR *dir = opendir(path);
    if (!dir)
        return replay_file(path);
    int failed = 0, count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        failed |= replay_file(file);
        count++;
    }
    closedir(dir);
    return failed || !count;
}

int main(int argc, char **argv) {
    int failed = argc < 2;
    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i]);
    return failed;
}
