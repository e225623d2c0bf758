#include "services/redis_fit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of "name:value\r\n" in INFO, "" when it is not there. */
static const char *find(const char *info, const char *name, char *out, size_t size) {
    size_t len = strlen(name);
    out[0] = '\0';
    for (const char *line = info; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            snprintf(out, size, "%.*s", (int)strcspn(line + len + 1, "\r\n"), line + len + 1);
            break;
        }
    return out;
}

struct redis_fit redis_judge(const char *info, const char *fsync) {
    struct redis_fit fit = {0};
    char value[64];
    int warnings = 0;
    if (!info) {
        fit.warnings[0] = "INFO is not allowed to us, so nothing is known about eviction and persistence";
        return fit;
    }
    fit.loading = strcmp(find(info, "loading", value, sizeof value), "1") == 0;
    find(info, "redis_version", value, sizeof value); /* Valkey says what it is compatible with */
    if (value[0] && atoi(value) < 7)
        snprintf(fit.unfit, sizeof fit.unfit, "Redis %s is too old, 7.0 is needed", value);
    find(info, "maxmemory_policy", value, sizeof value);
    if (value[0] && strcmp(value, "noeviction") != 0)
        snprintf(fit.unfit, sizeof fit.unfit, "Redis evicts keys (maxmemory-policy %s): a queue needs noeviction", value);
    if (strcmp(find(info, "aof_enabled", value, sizeof value), "0") == 0)
        fit.warnings[warnings++] = "appendonly is off: what Redis holds does not survive its crash";
    else if (fsync && strcmp(fsync, "always") != 0)
        fit.warnings[warnings++] = "appendfsync is not 'always': the last second may not survive a crash";
    if (strcmp(find(info, "maxmemory", value, sizeof value), "0") == 0)
        fit.warnings[warnings++] = "maxmemory is not set: Redis may grow until the machine is out of memory";
    return fit;
}
