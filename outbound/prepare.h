/* What md4c is given instead of a model's own bytes.
 *
 *   raw ──clean──▶ valid UTF-8, no control characters ──hold, mend, close──▶ text for md4c + what is held back from it
 *
 * Formulas and addresses are held back, a sign standing in for each, since Markdown would eat their backslashes and
 * underscores. Emphasis that models write and CommonMark does not see (CJK without spaces, quotes inside of the stars) is mended by a sign
 * of no width. What a growing text leaves open is closed behind its end. All signs are noncharacters (U+FDD0…), which no
 * text can hold: cleaning takes them out. Inside of code they turn back into what was written, so a mistake made here about where code
 * begins costs nothing. */
#ifndef OUTBOUND_PREPARE_H
#define OUTBOUND_PREPARE_H
#include <stdbool.h>
#include <stddef.h>

enum held_kind { HELD_ADDRESS, HELD_FORMULA, HELD_DISPLAY };

struct held {
    enum held_kind kind;
    bool open;                   /* its end is not written yet */
    const char *raw;             /* as it was written: borrowed from the prepared */
    size_t raw_len;
    const char *body;            /* without its delimiters */
    size_t body_len;
};

struct prepared {
    char *clean;                 /* the source, cleaned */
    size_t clean_len;
    char *text;                  /* for md4c */
    size_t len;
    size_t visible;              /* what lies behind it only closes what is open: it has an effect or is nothing, but is never shown */
    struct held *held;
    size_t held_count, held_room;
};

/* Always succeeds; prepared_done(). In time and memory linear in len. */
void prepare(struct prepared *p, const char *raw, size_t len, bool growing);
void prepared_done(struct prepared *p);

/* The signs in a prepared text, one at a time. */
enum sign { SIGN_NONE, SIGN_HELD, SIGN_NOTHING, SIGN_TILDE };
/* What stands at the beginning of s (len > 0): SIGN_NONE and how many bytes to the next sign, or the sign and its length. */
enum sign prepared_sign(const struct prepared *p, const char *s, size_t len, size_t *ret_len, const struct held **ret_held);

#endif
