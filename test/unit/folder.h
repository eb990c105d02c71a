// Folders that a test makes, with nothing but files in them.
#pragma once
#include <dirent.h>
#include <unistd.h>

static inline void remove_folder(const char *path) {
    DIR *d = opendir(path);
    struct dirent *entry;
    while ((entry = readdir(d))) unlinkat(dirfd(d), entry->d_name, 0);
    closedir(d);
    rmdir(path);
}
