/* A line is read in two parts: the field's name, of which eight bytes tell all we need to know, then its value, which goes
 * straight to where it belongs. So no line is ever collected, however long it is. */
#include "llm/sse.h"
#include <string.h>

enum part { PART_NAME, PART_DATA, PART_EVENT, PART_IGNORED };
enum { KEPT_BYTES = 4096 };              /* what an idle parser may hold on to */

void sse_init(struct sse *s, size_t event_max, sse_event_fn *on_event, void *owner) {
    *s = (struct sse){ .event_max = event_max, .on_event = on_event, .owner = owner };
    buf_init(&s->data, event_max);
}

void sse_done(struct sse *s) {
    buf_done(&s->data);
    s->over = true;
}

static void add_data(struct sse *s, const char *bytes, size_t len) {
    if (s->too_large || buf_add(&s->data, bytes, len))
        return;
    s->too_large = true; /* said at once: its end may never come */
    s->on_event(s->name, NULL, 0, s->owner);
}

static void add_name(struct sse *s, const char *bytes, size_t len) {
    size_t room = sizeof s->name - 1 - s->name_len;
    size_t n = len < room ? len : room; /* no name we know is that long: cut, it is still unknown */
    memcpy(s->name + s->name_len, bytes, n);
    s->name_len += (unsigned char)n;
    s->name[s->name_len] = '\0';
}

static bool field_is(const struct sse *s, const char *name) {
    return s->field_len == strlen(name) && !memcmp(s->field, name, s->field_len);
}

/* The name of the field is known: where does its value go? */
static void begin_value(struct sse *s) {
    if (field_is(s, "data")) {
        if (s->has_data)
            add_data(s, "\n", 1);
        s->has_data = true;
        s->part = PART_DATA;
    } else if (field_is(s, "event")) {
        s->name_len = 0;
        s->name[0] = '\0';
        s->part = PART_EVENT;
    } else {
        s->part = PART_IGNORED;
    }
}

static void add_field_byte(struct sse *s, char byte) {
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    if (s->field_len < sizeof s->field)
        s->field[s->field_len++] = byte;
    if (!s->begun && s->field_len == 3 && !memcmp(s->field, byte_order_mark, 3)) {
        s->field_len = 0;
        s->begun = true;
    }
}

/* Some bytes of a line, none of them its end. */
static void read_piece(struct sse *s, const char *bytes, size_t len) {
    while (len && s->part == PART_NAME) {
        if (*bytes == ':') {
            begin_value(s);
            s->behind_colon = true;
        } else {
            add_field_byte(s, *bytes);
        }
        bytes++;
        len--;
    }
    if (len && s->behind_colon) {
        s->behind_colon = false;
        if (*bytes == ' ') {
            bytes++;
            len--;
        }
    }
    if (s->part == PART_DATA)
        add_data(s, bytes, len);
    else if (s->part == PART_EVENT)
        add_name(s, bytes, len);
}

static void end_event(struct sse *s) {
    if (s->has_data && !s->too_large) {
        if (s->data.len == 6 && !memcmp(s->data.data, "[DONE]", 6))
            s->over = true;
        else
            s->on_event(s->name, buf_cstr(&s->data), s->data.len, s->owner);
    }
    s->has_data = s->too_large = false;
    s->name_len = 0;
    s->name[0] = '\0';
    if (s->data.cap > KEPT_BYTES) {
        buf_done(&s->data);
        buf_init(&s->data, s->event_max);
    } else {
        buf_clear(&s->data);
    }
}

static void end_line(struct sse *s) {
    bool empty = s->part == PART_NAME && !s->field_len;
    if (s->part == PART_NAME && !empty)
        begin_value(s); /* a field without a colon has an empty value */
    if (empty)
        end_event(s);
    s->part = PART_NAME;
    s->field_len = 0;
    s->behind_colon = false;
    s->begun = true;
}

void sse_push(struct sse *s, const char *bytes, size_t len) {
    const char *end = bytes + len;
    while (bytes < end && !s->over) {
        if (s->behind_cr) {
            s->behind_cr = false;
            if (*bytes == '\n') {
                bytes++;
                continue;
            }
        }
        const char *stop = bytes;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        read_piece(s, bytes, (size_t)(stop - bytes));
        if (stop < end) {
            s->behind_cr = *stop == '\r';
            end_line(s);
            stop++;
        }
        bytes = stop;
    }
}

void sse_end(struct sse *s) {
    if (s->over)
        return;
    if (s->part != PART_NAME || s->field_len)
        end_line(s);
    end_event(s);
    s->over = true;
}
