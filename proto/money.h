/* Money as whole numbers: an amount is an int64 of nano-dollars (1 USD = 1 000 000 000), named …_nusd. No floating point.
 *
 * No amount is larger than MONEY_MAX_NUSD (nine million dollars): that is below 2^53, so that it survives Lua, JSON and
 * everything else on its way that counts in doubles. */
#ifndef PROTO_MONEY_H
#define PROTO_MONEY_H
#include <stdint.h>

#define NUSD_PER_USD INT64_C(1000000000)
#define MONEY_MAX_NUSD (INT64_C(9000000) * NUSD_PER_USD)
#define MONEY_TEXT 48                 /* room for any amount as text, with its NUL */

/* A decimal as people write it ("5", "0.002", ".5") times 10^decimals, exactly. `decimals` is 0 to 18.
 * Returns 0; -EINVAL when it is not a plain decimal (empty, a sign, white space, an exponent, "5."), -ERANGE when
 * it does not fit: too large for an int64, or a digit other than 0 behind the last decimal we keep. */
int money_parse_scaled(const char *text, int decimals, int64_t *ret_scaled);
/* The same, and "1e-05" too: for numbers that a program wrote into a JSON file. */
int money_parse_number(const char *text, int decimals, int64_t *ret_scaled);
/* Dollars as a decimal to nano-dollars. As above; more than MONEY_MAX_NUSD is -ERANGE. */
int money_parse(const char *usd, int64_t *ret_nusd);

/* Nano-dollars as dollars: "12", "0.000075", "-0.5". Returns out. */
char *money_print(char out[MONEY_TEXT], int64_t nusd);
/* The same with exactly `decimals` places (0 to 9), rounded half up (amounts below zero: away from zero). Returns out. */
char *money_print_rounded(char out[MONEY_TEXT], int64_t nusd, int decimals);
/* As people read it: "$12.34", "-$0.50"; small amounts with as many places as they need to be seen. Returns out. */
char *money_print_usd(char out[MONEY_TEXT], int64_t nusd);

#endif
