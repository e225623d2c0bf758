/* What Telegram calls entities: where a text is bold, code, a link.
 *
 * Telegram's rules, which a list here keeps once it is tidy: offsets and lengths in UTF-16 units; sorted, the outer one
 * first; of two that touch the same text one holds the other; none is empty, none begins or ends with white space outside
 * of code; code and pre hold no other and are held by quotes only; quotes and links are not nested. */
#ifndef OUTBOUND_ENTITIES_H
#define OUTBOUND_ENTITIES_H
#include <stdbool.h>
#include <stddef.h>

struct cJSON;

enum entity_type {
    ENTITY_QUOTE,
    ENTITY_LONG_QUOTE,           /* shown folded until it is touched: "expandable" */
    ENTITY_RECORDS,              /* a table as records: plain for Telegram, one thing for a splitter, as if it were drawn */
    ENTITY_PRE,
    ENTITY_LINK,
    ENTITY_LINK_TO_COME,         /* of a growing text: its address is not written yet. Plain for Telegram, whole for a splitter */
    ENTITY_BOLD,
    ENTITY_ITALIC,
    ENTITY_STRIKETHROUGH,
    ENTITY_CODE,
};

struct entity {
    enum entity_type type;
    size_t offset, length;
    const char *detail;          /* PRE: the language, LINK: the address, else NULL. Borrowed: lives as long as what holds the list */
};

/* A list that grows. A zeroed struct is an empty one. */
struct entities {
    struct entity *list;
    size_t count, room;
};

void entities_done(struct entities *e);
struct entity *entities_add(struct entities *e, struct entity entity);     /* valid until the next one is added */

/* Make a list that counts bytes tidy: white space at the ends goes, empty ones go, of two that begin together the outer
 * one comes first. The list is in the order of their beginnings but for a few neighbours. *text is UTF-8. */
void entities_tidy(struct entities *e, const char *text, size_t len);
/* From bytes to UTF-16 units. Returns the units of the whole text. */
size_t entities_to_units(struct entity *list, size_t count, const char *text, size_t len);
/* Which quotes are long is a matter of the message they stand in. `open`: the text goes on, and a quote at its very end is
 * still being read, so it stays unfolded. */
void entities_fold_quotes(struct entity *list, size_t count, const char *text, size_t len, bool open);

/* NULL, or which rule a list in units breaks (for tests; a constant). */
const char *entities_fault(const struct entity *list, size_t count, const char *text, size_t len);

const char *entity_name(enum entity_type type);                  /* as the Bot API has it; NULL: not for Telegram */
bool entity_is_code(enum entity_type type);                      /* code or pre */
/* The Bot API's array; the caller deletes it. */
struct cJSON *entities_json(const struct entity *list, size_t count);

#endif
