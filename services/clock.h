/* The time, settable by tests. Wall time is for people and records; everything that measures a span uses the monotonic one. */
#ifndef SERVICES_CLOCK_H
#define SERVICES_CLOCK_H
#include <stdbool.h>
#include <stdint.h>

struct tm;

#define SECOND 1000

int64_t clock_wall_ms(void);                            /* milliseconds since 1970 */
int64_t clock_mono_ms(void);                            /* milliseconds since some fixed moment of this boot */
void clock_set(int64_t wall_ms, int64_t mono_ms);       /* from now on the clock stands still at these */
void clock_unset(void);                                 /* back to the machine's clock */

void clock_zone(const char *name);                      /* TZ_NAME: whose days and hours these are, in the whole process */
bool clock_local(int64_t seconds, struct tm *ret_time); /* false: no year that people write */

#endif
