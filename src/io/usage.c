// Resource figures from getrusage().
#include "io/usage.h"

#include "base/limits.h"

static int64_t microseconds(struct timeval t) {
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

struct usage usage_read(const struct system_calls *sys) {
    struct rusage r;
    if (sys->getrusage(RUSAGE_SELF, &r) < 0) return (struct usage){0};
    return (struct usage){microseconds(r.ru_utime), microseconds(r.ru_stime), (int64_t)r.ru_maxrss * KiB};
}
