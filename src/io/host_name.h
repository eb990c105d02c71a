// The host's name, for the static membership id of an instance.
#pragma once
#include <stddef.h>

// Always ends in a zero; "localhost" when the kernel does not say.
void host_name(char *out, size_t size);
