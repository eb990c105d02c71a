// Numbers the instances of one flow on one host, so that each has a static membership id of its own (KIP-345) that it
// gets again after a restart.
//
// A number is a file locked with flock(): the kernel lets go of it when the process ends, however it ends. That says
// nothing of another user, container or host of the same name, each with a file, and a number 0, of its own. So the
// file holds a token, drawn when it was made: whoever had the same number and token had this file, and has ended.
#pragma once
#include "base/error.h"
#include "io/system.h"

#include <stdint.h>

struct instance_lock {
    int fd;
    unsigned number;  // 0 .. INSTANCES_OF_HOST_MAX - 1
    uint64_t token;
};

// Takes the lowest free number for `name` among the files of `directory`. Hold it until the process ends.
// Errors: ERROR_CONFIG (the directory, a file's rights, a full disk), ERROR_LIMIT when all numbers are taken.
MUST_USE struct error instance_lock_take(const struct system_calls *sys, const char *directory, const char *name,
                                         struct instance_lock *lock);
void instance_lock_release(const struct system_calls *sys, struct instance_lock *lock);

const char *instance_lock_directory(void);  // TMPDIR, or the system's directory for temporary files
