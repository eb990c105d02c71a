// The files behind the numbers of instances.
#include "io/instance_lock.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

const char *instance_lock_directory(void) {
    const char *directory = getenv("TMPDIR");
    return directory && *directory ? directory : P_tmpdir;
}

// Answers 0, EWOULDBLOCK when another process has the file, or another error number.
static int lock_file(const struct system_calls *sys, const char *path, int *fd) {
    // The directory is everybody's: a link somebody put there is not followed.
    *fd = sys->open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0) return errno;
    int result;
    do result = sys->flock(*fd, LOCK_EX | LOCK_NB);
    while (result < 0 && errno == EINTR);
    if (result == 0) return 0;
    int code = errno;
    sys->close(*fd);
    *fd = -1;
    return code;
}

// Answers 0 or an error number. A file that is new, or that a full disk left too short, gets what it lacks.
static int take_token(const struct system_calls *sys, int fd, uint64_t *token) {
    uint8_t bytes[sizeof *token];
    ssize_t there = sys->read(fd, bytes, sizeof bytes);
    if (there < 0) return errno;
    size_t missing = sizeof bytes - (size_t)there;
    if (missing > 0 && sys->getrandom(bytes + there, missing, 0) != (ssize_t)missing) return errno;
    if (missing > 0 && sys->write(fd, bytes + there, missing) < 0) return errno;
    *token = load_be64(bytes);
    return 0;
}

// Answers 0, EWOULDBLOCK when another process has the file, or another error number.
static int take_file(const struct system_calls *sys, const char *path, struct instance_lock *lock) {
    int code = lock_file(sys, path, &lock->fd);
    if (code == 0) {
        code = take_token(sys, lock->fd, &lock->token);
        if (code != 0) sys->close(lock->fd);
    }
    return code;
}

struct error instance_lock_take(const struct system_calls *sys, const char *directory, const char *name,
                                struct instance_lock *lock) {
    char path[PATH_SIZE_MAX];
    for (unsigned number = 0; number < INSTANCES_OF_HOST_MAX; number++) {
        int length = snprintf(path, sizeof path, "%s/odraz-%u-%016" PRIx64 "-%u.lock", directory, (unsigned)geteuid(),
                              hash_bytes(name, strlen(name)), number);
        if (length < 0 || (size_t)length >= sizeof path)
            return error_make(ERROR_LIMIT, 0, "instance lock", "%.80s...: the path is too long", directory);
        int code = take_file(sys, path, lock);
        lock->number = number;
        if (code == 0) return error_none();
        if (code != EWOULDBLOCK)
            return error_make(ERROR_CONFIG, code, "instance lock",
                              "cannot lock %.90s: %s (set TMPDIR or instance.id)", path, strerror(code));
    }
    return error_make(ERROR_LIMIT, 0, "instance lock", "%d instances run on this host already (set instance.id)",
                      INSTANCES_OF_HOST_MAX);
}

void instance_lock_release(const struct system_calls *sys, struct instance_lock *lock) {
    sys->close(lock->fd);
    lock->fd = -1;
}
