#include "ingest/attachment.h"
#include <string.h>
#include "ingest/clean.h"
#include "proto/keys.h"
#include "services/settings.h"

enum { ID_MAX = 256, NAME_MAX_BYTES = 256, TYPE_MAX = 128 };

static int64_t positive(const cJSON *o, const char *name) {
    int64_t n;
    return json_get_i64(o, name, &n) && n > 0 ? n : 0;
}

static int64_t area_of(const cJSON *size) {
    enum { SIDE_MOST = 1000 * 1000 };    /* whoever says more is joking */
    int64_t width = positive(size, "width"), height = positive(size, "height");
    return (width < SIDE_MOST ? width : SIDE_MOST) * (height < SIDE_MOST ? height : SIDE_MOST);
}

/* They come in ascending order, but who knows. One that does not say its size is taken for small. */
static const cJSON *best_size(const cJSON *sizes) {
    int64_t most = setting_number("MAX_FILE_MB") << 20, best_area = -1;
    const cJSON *best = NULL, *size;
    cJSON_ArrayForEach(size, sizes) {
        int64_t bytes = positive(size, "file_size"), area = area_of(size);
        bool fits = !most || bytes <= most;
        if (fits && json_get_str(size, "file_id") && area >= best_area) {
            best_area = area;
            best = size;
        }
    }
    return best ? best : cJSON_GetArrayItem(sizes, 0);   /* too large, even the smallest: media says so */
}

static const cJSON *photo_of(const cJSON *message) {
    const cJSON *sizes = json_get_arr(message, "photo");
    return best_size(sizes ? sizes : json_get_arr(json_get_obj(message, "live_photo"), "photo"));
}

bool attachment_moves(const cJSON *message) {
    const cJSON *sticker = json_get_obj(message, "sticker");
    bool animated = false, video = false;
    (void)json_get_bool(sticker, "is_animated", &animated);      /* stay false */
    (void)json_get_bool(sticker, "is_video", &video);
    return animated || video;
}

/* An id goes into a URL and a field: nothing but what Telegram makes them of. */
static bool is_id(const char *id) {
    size_t len = id ? strnlen(id, ID_MAX + 1) : 0;
    return len && len <= ID_MAX && strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}

bool attachment_read(struct arena *mem, const cJSON *message, const char *content, struct attachment *ret) {
    static const char *const kinds[] = { "voice", "audio", "video_note", "video", "document", "sticker", "animation", NULL };
    *ret = (struct attachment){ 0 };
    bool is_photo = !strcmp(content, "photo") || !strcmp(content, "live_photo");
    const char *const *kind = kinds;
    while (*kind && strcmp(*kind, content))
        kind++;
    if (!is_photo && !*kind)
        return false;
    const cJSON *file = is_photo ? photo_of(message) : json_get_obj(message, *kind);
    const char *id = json_get_str(file, "file_id");
    if (!is_id(id) || (*kind && !strcmp(*kind, "sticker") && attachment_moves(message)))
        return false;
    *ret = (struct attachment){ .id = arena_str(mem, id), .kind = is_photo ? "photo" : *kind,
        .name = clean_line(mem, json_get_str(file, "file_name"), NAME_MAX_BYTES), .type = clean_line(mem, json_get_str(file, "mime_type"), TYPE_MAX),
        .bytes = positive(file, "file_size"), .seconds = positive(file, "duration") };
    return true;
}

const char *attachment_job(const struct attachment *a) {
    if (!strcmp(a->kind, "photo") || !strcmp(a->kind, "sticker"))
        return KIND_PHOTO;
    return !strcmp(a->kind, "document") || !strcmp(a->kind, "animation") ? KIND_DOCUMENT : KIND_VOICE;
}
