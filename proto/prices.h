/* What a call costs: the prices file, read when it changes, asked often.
 *
 * The file is data (prices.json; the contract's "Prices file"):
 *
 *   { "models": { "gpt-6.1-terra": {
 *       "input": "1", "cached_input": "0.05", "cache_write": "1.25", "output": "5",     USD per million tokens
 *       "tiers": [ { "over": 272000, "input": "2", "cached_input": "0.10", "cache_write": "2.5", "output": "7.5" } ],
 *       "image_input": "8",                       of those, a token of a picture that goes in; missing: like any other
 *       "audio_input": "6",                       likewise of sound
 *       "per_minute": "0.006",  "per_image": "0.04",  "tools": { "web_search": "0.01" },    USD each
 *       "shutdown": "2027-01-14",  "abilities": [ "text", "vision" ] } } }
 *
 * per_image may also be an object by quality, and in it by size: { "low": "0.01", "high": { "1024x1024": "0.13" } }; what is
 * not in it costs as much as the dearest that is.
 *
 * Prices are decimals, as strings or as numbers; both are kept exactly (twelve places). A tier replaces the token prices
 * of the whole call once its input is longer than `over`. A missing cached_input or cache_write is the input price next to
 * it; a missing input or output is that of OPENAI_PRICE_PER_1K_TOKENS, in a tier that of its entry.
 *
 * How a call is billed. A model is found by its name, or, for a snapshot (family-YYYY-MM-DD), by its family. Then, for each
 * call, the first that applies:
 *   tokens were reported and the entry has token prices     cached, written and other input, output (reasoning is part of it)
 *   pictures were made and the entry has per_image          per picture
 *   audio was heard and the entry has per_minute            per minute, pro rata by the millisecond
 *   the three prices of the environment: pictures by DALLE_PRICE, else audio by WHISPER_PRICE, else every token, cached
 *   or not, by OPENAI_PRICE_PER_1K_TOKENS
 * and the fees of the tools that were called, where the entry has one. So nothing is free because a line is missing; free is
 * what says 0. One call is rounded half up to a nano-dollar, once.
 *
 * A loaded struct prices never changes: threads may share it. */
#ifndef PROTO_PRICES_H
#define PROTO_PRICES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRICES_PROBLEM 400            /* room for any problem line */
#define PRICES_TOOLS 16               /* different tools in one call */
#define PRICES_VERSION_FALLBACK "fallback"

struct prices;

/* The three prices of the environment, as written there; NULL: the contract's default. */
struct price_texts {
    const char *per_1k_tokens;        /* OPENAI_PRICE_PER_1K_TOKENS */
    const char *whisper_per_minute;   /* WHISPER_PRICE */
    const char *dalle_per_image;      /* DALLE_PRICE */
};

/* What one call used. Anything may be nonsense: less than 0 counts as 0, cached and written tokens are cut to the input
 * they are part of, absurd amounts saturate. */
struct usage {
    int64_t input_tokens;             /* all of them: cached and written ones are part of it */
    int64_t cached_tokens, cache_write_tokens;
    int64_t output_tokens;            /* reasoning is part of it */
    int64_t reasoning_tokens;         /* for the record */
    int64_t audio_ms;
    int64_t images;
    struct usage_tool { const char *name; int64_t calls; } tools[PRICES_TOOLS];     /* names borrowed; NULL: unused */
    int64_t image_tokens, audio_tokens;       /* of pictures and sound that went in; part of the input as well */
    const char *image_quality, *image_size;   /* of the pictures that were made; borrowed; NULL: not known */
};

/* Read the text of a prices file; text NULL: only the fallback prices. Nothing of the text is kept.
 * Returns 0, or -EINVAL with one line in problem: which place, and what is expected there (the file's name is the caller's to add). */
int prices_load(const char *text, size_t len, const struct price_texts *fallback, struct prices **ret, char problem[PRICES_PROBLEM]);
/* The same from a file; the line then begins with its path. A negative errno when it cannot be read. */
int prices_load_file(const char *path, const struct price_texts *fallback, struct prices **ret, char problem[PRICES_PROBLEM]);
void prices_free(struct prices *p);                  /* NULL is fine */
/* One line about keys of the file that nobody reads (a typing error?), or NULL: worth one warning. Lives as long as p. */
const char *prices_remark(const struct prices *p);

/* Does the file know this model, under its own name or its family's? */
bool prices_known(const struct prices *p, const char *model);
/* Does its entry have prices of tokens? */
bool prices_is_by_token(const struct prices *p, const char *model);
/* Name of the n-th model of the file, from 0; NULL behind the last. Lives as long as p. */
const char *prices_name(const struct prices *p, size_t n);
/* What to write beside a cost: twelve hex digits that change with the file, or "fallback" for a model it does not know. Lives as long as p. */
const char *prices_version(const struct prices *p, const char *model);
/* "2027-01-14", or NULL: none is known. Lives as long as p. */
const char *prices_shutdown(const struct prices *p, const char *model);
bool prices_able(const struct prices *p, const char *model, const char *ability);

/* The cost of a call that was made, 0 to MONEY_MAX_NUSD. */
int64_t prices_cost(const struct prices *p, const char *model, const struct usage *u);
/* No call with at most these tokens costs more than this, whatever was cached, written or reasoned (tool fees come on top:
 * see prices_tool_fee). For holds. */
int64_t prices_upper_bound(const struct prices *p, const char *model, int64_t input_tokens, int64_t output_tokens);
/* How many output tokens the money pays for once the input is paid: the largest n with
 * prices_upper_bound(p, model, input_tokens, n) <= nusd_left. 0: not even the input is covered, or nothing beyond it.
 * INT64_MAX: output is free. */
int64_t prices_output_paid_for(const struct prices *p, const char *model, int64_t input_tokens, int64_t nusd_left);
/* One call of that tool, rounded up; 0 where no fee is known. */
int64_t prices_tool_fee(const struct prices *p, const char *model, const char *tool);

#endif
