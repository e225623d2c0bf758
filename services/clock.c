#include "services/clock.h"
#include <stdlib.h>
#include <time.h>

static bool stands_still;
static int64_t still_wall_ms, still_mono_ms;

static int64_t read_ms(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t); /* cannot fail for these two clocks */
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void) {
    return stands_still ? still_wall_ms : read_ms(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void) {
    return stands_still ? still_mono_ms : read_ms(CLOCK_MONOTONIC);
}

void clock_set(int64_t wall_ms, int64_t mono_ms) {
    still_wall_ms = wall_ms;
    still_mono_ms = mono_ms;
    stands_still = true;
}

void clock_unset(void) {
    stands_still = false;
}

void clock_zone(const char *name) {
    (void)setenv("TZ", name, 1);         /* fails only for a variable's name with '=' in it */
    tzset();
}

bool clock_local(int64_t seconds, struct tm *ret_time) {
    static const int64_t year_10000 = INT64_C(253402214400);        /* a day before, for the zones ahead */
    time_t t = (time_t)seconds;
    return seconds >= 0 && seconds < year_10000 && localtime_r(&t, ret_time);
}
