/* The cases of tests/golden: what a model wrote, and what Telegram is to show.
 *
 *     === a title            (or: === a title (growing), for a text that is still being written)
 *     Markdown
 *     --- text
 *     what is shown
 *     --- entities
 *     bold 0 4
 *     text_link 5 3 https://example.org
 *
 * The last line break of source and text belongs to the format. */
#ifndef TESTS_UNIT_GOLDEN_H
#define TESTS_UNIT_GOLDEN_H
#include <stdbool.h>
#include <stddef.h>

struct golden {
    char *title, *source, *text, *entities;
    bool growing;
    const char *file;            /* its name, without the folder */
};

struct goldens {
    struct golden *list;
    size_t count;
    char **files;
    size_t files_count;
};

void goldens_read(struct goldens *g, const char *folder);
void goldens_done(struct goldens *g);

#endif
