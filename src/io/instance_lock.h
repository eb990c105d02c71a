// Numbers the instances of one flow on one host, so that each has a static membership id of its own (KIP-345) that it
// gets again after a restart.
//
// A number is a file locked with flock(): the kernel lets go of it when the process ends, however it ends.
#pragma once
#include "base/error.h"
#include "io/system.h"

struct instance_lock {
    int fd;
    unsigned number;  // 0 .. INSTANCES_OF_HOST_MAX - 1
};

// Takes the lowest free number for `name` among the files of `directory`. Hold it until the process ends.
// Errors: ERROR_CONFIG (the directory, a file's rights), ERROR_LIMIT when all numbers are taken.
MUST_USE struct error instance_lock_take(const struct system_calls *sys, const char *directory, const char *name,
                                         struct instance_lock *lock);
void instance_lock_release(const struct system_calls *sys, struct instance_lock *lock);

const char *instance_lock_directory(void);  // TMPDIR, or the system's directory for temporary files
