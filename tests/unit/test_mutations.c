/* Every sample of Telegram's updates, thousands of times with something changed in it: types, numbers, names, bytes. Whatever
 * comes out of that is read and decided, or is no JSON at all. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ingest/route.h"
#include "services/settings.h"
#include "tests/unit/unit.h"

enum { UPDATES = 20000, CHANGES_MOST = 4, NODES_MOST = 4000, FILE_MOST = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len); /* fuzz_update.c: what must hold of anything that was read */

static uint64_t seed = 0x9E3779B97F4A7C15;

static size_t below(size_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

/* ---- one change ---- */

static cJSON *nodes[NODES_MOST];
static size_t node_count;

static void collect(cJSON *o) {
    for (; o; o = o->next) {
        if (node_count < NODES_MOST)
            nodes[node_count++] = o;
        collect(o->child);
    }
}

static cJSON *long_text(void) {
    static char text[20001];
    static const char *const letters[] = { "x", "\xd1\x8f", "\xf0\x9f\x91\x8b", "\xff", "/", " " };
    const char *letter = letters[below(6)];
    size_t times = below(sizeof text / strlen(letter));
    *text = '\0';
    for (size_t i = 0, at = 0; i < times; i++, at += strlen(letter))
        strcpy(text + at, letter);
    return cJSON_CreateString(text);
}

static cJSON *deep(void) {
    cJSON *o = cJSON_CreateObject();
    for (int i = 0; i < 200; i++) {
        cJSON *outer = below(2) ? cJSON_CreateObject() : cJSON_CreateArray();
        if (cJSON_IsObject(outer))
            cJSON_AddItemToObject(outer, "message", o);
        else
            cJSON_AddItemToArray(outer, o);
        o = outer;
    }
    return o;
}

static cJSON *something_else(void) {
    static const double numbers[] = { 0, -1, 1.5, 1e308, -1e308, 9007199254740993., 4503599627370496., -1001234567890., 2147483648., 99, 1087968824 };
    static const char *const texts[] = {
        "", "\xff\xfe", "a\xc3", "\xed\xa0\xbd", "stop 12-34", "retry 1", "/reset", "/stat@Helper_bot", "kicked", "private", "supergroup", "channel",
        "mention", "@helper_bot", "\x01\x02\n", "member", "true", "1e9", "text_mention", "bot_command"
    };
    switch (below(9)) {
    case 0: return cJSON_CreateNull();
    case 1: return cJSON_CreateBool(below(2));
    case 2: case 3: return cJSON_CreateNumber(numbers[below(sizeof numbers / sizeof *numbers)]);
    case 4: case 5: return cJSON_CreateString(texts[below(sizeof texts / sizeof *texts)]);
    case 6: return long_text();
    case 7: return below(2) ? cJSON_CreateArray() : cJSON_CreateObject();
    default: return below(8) ? cJSON_CreateRaw("12345678901234567890123") : deep();
    }
}

/* A node takes over what another one holds, and keeps its name and place. */
static void become(cJSON *node, cJSON *other) {
    cJSON_Delete(node->child);
    free(node->valuestring);
    node->type = other->type;
    node->child = other->child;
    node->valuestring = other->valuestring;
    node->valueint = other->valueint;
    node->valuedouble = other->valuedouble;
    other->child = NULL;
    other->valuestring = NULL;
    cJSON_Delete(other);
}

static void rename_node(cJSON *node) {
    static const char *const names[] = { "chat", "from", "id", "text", "message", "callback_query", "my_chat_member", "reply_to_message", "sender_chat",
                                         "entities", "caption", "migrate_to_chat_id", "edited_message", "is_bot", "" };
    if (!node->string)
        return;
    free(node->string);
    node->string = strdup(names[below(sizeof names / sizeof *names)]);
}

static void change(cJSON *json) {
    node_count = 0;
    collect(json->child);
    if (!node_count)
        return;
    cJSON *node = nodes[below(node_count)];
    switch (below(5)) {
    case 0:
        rename_node(node); /* as good as removed */
        break;
    case 1:
        become(node, cJSON_Duplicate(nodes[below(node_count)], 1));
        break;
    default:
        become(node, something_else());
    }
}

/* ---- one update ---- */

static struct { int fates[FATES], nonsense; } figures;

static void judge(const char *text, size_t len) {
    LLVMFuzzerTestOneInput((const uint8_t *)text, len);
    struct arena *mem = arena_new();
    CLEANUP(json_done) cJSON *json = json_parse(text, len);
    struct update u;
    if (!json || update_read(mem, json, &u)) {
        figures.nonsense++; /* it goes to `dead` */
    } else {
        struct route r = route_of(&u);
        assert_in_range(r.fate, 0, FATES - 1);
        figures.fates[r.fate]++;
    }
    arena_free(mem);
}

static void mutate(const char *sample) {
    cJSON *json = json_parse(sample, strlen(sample));
    if (!json) {
        judge(sample, strlen(sample));
        return;
    }
    for (size_t n = 1 + below(CHANGES_MOST); n; n--)
        change(json);
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    assert_non_null(text);
    size_t len = strlen(text);
    for (size_t n = below(8) ? 0 : 1 + below(CHANGES_MOST); n && len; n--) /* and some of its bytes */
        text[below(len)] = (char)below(256);
    judge(text, below(32) ? len : below(len + 1));
    free(text);
}

/* ---- all of them ---- */

static char *samples[1000];
static size_t sample_count;

static void read_folder(const char *folder) {
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL && sample_count < 1000;) {
        char path[1000];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = *entry->d_name == '.' ? NULL : fopen(path, "re");
        if (!file)
            continue;
        char *text = calloc(1, FILE_MOST + 1);
        assert_int_equal(fread(text, 1, FILE_MOST, file) > 0, 1);
        (void)fclose(file); /* it was only read */
        samples[sample_count++] = text;
    }
    if (dir)
        closedir(dir);
}

static void changed_updates_are_read_and_decided(void **state) {
    memset(&figures, 0, sizeof figures);
    for (int i = 0; i < UPDATES; i++)
        mutate(samples[(size_t)i % sample_count]);
    int decided = 0;
    for (int i = 0; i < FATES; i++) {
        print_message("%8d %s\n", figures.fates[i], route_word((enum fate)i));
        decided += figures.fates[i];
    }
    print_message("%8d nonsense\n", figures.nonsense);
    assert_int_equal(decided + figures.nonsense, UPDATES);
    assert_true(decided > UPDATES / 4);
}

static void samples_as_they_are_have_their_fates(void **state) {
    for (size_t i = 0; i < sample_count; i++)
        judge(samples[i], strlen(samples[i]));
}

static int read_samples(void **state) {
    read_folder(CORPUS);
    read_folder(SAMPLES); /* where the machine has them */
    return sample_count ? 0 : -1;
}

static int forget_samples(void **state) {
    for (size_t i = 0; i < sample_count; i++)
        free(samples[i]);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_as_they_are_have_their_fates),
        cmocka_unit_test(changed_updates_are_read_and_decided),
    };
    return cmocka_run_group_tests(tests, read_samples, forget_samples);
}
