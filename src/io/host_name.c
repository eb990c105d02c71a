// The host's name.
#include "io/host_name.h"

#include <stdio.h>
#include <unistd.h>

void host_name(char *out, size_t size) {
    if (gethostname(out, size) != 0 || out[0] == 0) snprintf(out, size, "localhost");
    out[size - 1] = 0;
}
