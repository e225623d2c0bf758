#include "outbound/followed.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/utf8.h"

enum { FILES_IN_ROW = 5, SIZES_IN_ROW = 3 };

static void add(struct keyboard *k, struct telegram_message *m, const char *text, const char *does, const char *what) {
    int n = m->buttons_count;
    if (n == BUTTONS_MOST || (size_t)snprintf(k->datas[n], sizeof k->datas[n], "%s %s", does, what) >= sizeof k->datas[n])
        return;
    (void)snprintf(k->texts[n], sizeof k->texts[n], "%s", text);
    k->buttons[n] = (struct telegram_button){k->texts[n], k->datas[n]};
    m->buttons_count++;
}

static void add_files(const struct follow *f, struct keyboard *k, struct telegram_message *m) {
    m->buttons_in_row = FILES_IN_ROW;
    char text[DATA_MOST + 1], tag[DATA_MOST + 1];
    for (const char *at = f->files; *at; at += strspn(at, " ")) {
        int len = (int)strcspn(at, " ");
        snprintf(text, sizeof text, "%s %d", texts_fixed(f->lang, "button_drop"), m->buttons_count + 1);
        snprintf(tag, sizeof tag, "%.*s", len, at);
        add(k, m, text, f->library ? "unshelve" : "drop", tag);
        at += len;
    }
    if (f->library)
        add(k, m, texts_fixed(f->lang, "button_empty"), "unshelve", "-");
}

/* Each of OPENAI_IMAGE_SIZES by its shape; by its numbers as well where there are many. */
static void add_sizes(const struct follow *f, struct keyboard *k, struct telegram_message *m) {
    const char *all = setting_text("OPENAI_IMAGE_SIZES");
    bool many = false;
    int spaces = 0;
    for (const char *at = all; *at; at++)
        many |= *at == ' ' && ++spaces >= SIZES_IN_ROW;
    m->buttons_in_row = many ? 2 : SIZES_IN_ROW;
    for (const char *at = all; *at; at += strspn(at, " ")) {
        int len = (int)strcspn(at, " ");
        char *end, text[DATA_MOST + 1], what[DATA_MOST + 1];
        long width = strtol(at, &end, 10), height = strtol(end + 1, NULL, 10);
        const char *shape = texts_fixed(f->lang, width == height ? "button_square" : width < height ? "button_tall" : "button_wide");
        snprintf(text, sizeof text, many ? "%s %ld×%ld" : "%s", shape, width, height);
        snprintf(what, sizeof what, "%s %.*s", f->held.job, len, at);
        add(k, m, text, "size", what);
        at += len;
    }
}

/* `choice:<n>` = `<what the button says>|<what stands on it>` */
static void add_choices(const struct follow *f, struct keyboard *k, struct telegram_message *m) {
    char *const *choice = f->choices;
    for (; choice && *choice; choice++) {
        int n = m->buttons_count;
        size_t len = strcspn(*choice, "|");
        if (n == BUTTONS_MOST || !len || len > DATA_MOST || !(*choice)[len])
            continue;
        const char *words = *choice + len + 1;
        (void)snprintf(k->datas[n], sizeof k->datas[n], "%.*s", (int)len, *choice);
        (void)snprintf(k->texts[n], sizeof k->texts[n], "%.*s", (int)utf8_cut_bytes(words, strlen(words), DATA_MOST), words);
        k->buttons[n] = (struct telegram_button){k->texts[n], k->datas[n]};
        m->buttons_count++;
    }
}

static void add_roles(const struct follow *f, struct keyboard *k, struct telegram_message *m) {
    static const char *const roles[][2] = {{"button_user", "user"}, {"button_guest", "guest"}, {"button_block", "blocked"}};
    m->buttons_in_row = sizeof roles / sizeof *roles;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        char what[DATA_MOST + 1];
        snprintf(what, sizeof what, "%" PRId64 " %s", f->grants, roles[i][1]);
        add(k, m, texts_fixed(f->lang, roles[i][0]), "grant", what);
    }
}

/* Those that are wanted most; any other by /user. */
static void add_limits(const struct follow *f, struct keyboard *k, struct telegram_message *m) {
    static const char *const limits[][2] = {{"button_day_less", "0.50"}, {"button_day_more", "5"}, {"button_day_none", "none"}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        char what[DATA_MOST + 1];
        snprintf(what, sizeof what, "%" PRId64 " %s", f->grants, limits[i][1]);
        add(k, m, texts_fixed(f->lang, limits[i][0]), "limit", what);
    }
}

void buttons_put(const struct follow *f, struct keyboard *k, struct telegram_message *m) {
    m->buttons = k->buttons;
    m->buttons_in_row = 1;
    switch (f->button) {
    case BUTTON_NONE:
        break;
    case BUTTON_STOP:
        add(k, m, texts_fixed(f->lang, "button_stop"), "stop", f->held.job);
        break;
    case BUTTON_RETRY:
        add(k, m, texts_fixed(f->lang, "button_retry"), "retry", f->held.job);
        break;
    case BUTTON_FILES:
        add_files(f, k, m);
        break;
    case BUTTON_CHOICES:
        add_choices(f, k, m);
        break;
    case BUTTON_SIZES:
        add_sizes(f, k, m);
        break;
    case BUTTON_FORGET:
        add(k, m, texts_fixed(f->lang, "button_forget"), "forget", f->user);
        break;
    case BUTTON_GRANT:
        add_roles(f, k, m);
        break;
    case BUTTON_CARD:
        add_roles(f, k, m);
        add_limits(f, k, m);
        break;
    case BUTTON_PICTURE:
        m->buttons_in_row = 3;
        add(k, m, texts_fixed(f->lang, "button_again"), "again", f->held.job);
        add(k, m, texts_fixed(f->lang, "button_sizes"), "sizes", f->held.job);
        add(k, m, texts_fixed(f->lang, "button_file"), "asfile", f->held.job);
        break;
    }
}
