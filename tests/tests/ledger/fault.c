/* Loaded before libc into a process under test: makes writes and syncs of the ledger's files fail, or writes them down.
 *
 * FAULT_FILE   part of the path of the files that are meant
 * FAULT_AT     the first call that fails, counted from 1 over writes and syncs
 * FAULT_COUNT  how many calls fail
 * FAULT_ERRNO  with which error
 * FAULT_LOG    a file to which every write, cut and sync is written down instead, for a replay
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long calls;
static int log_fd = -2;

static int path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, size - 1);
    if (n < 0) return 0;
    path[n] = 0;
    const char *part = getenv("FAULT_FILE");
    if (getenv("FAULT_LOG") && strstr(path, "-journal")) return 0;
    return part && strstr(path, part) && !strstr(path, "-shm") && !strstr(path, "-lock") && !strstr(path, "-next") && !strstr(path, "-owners");
}

static int fails(void) {
    const char *at = getenv("FAULT_AT"), *count = getenv("FAULT_COUNT"), *error = getenv("FAULT_ERRNO");
    if (!at || !count || !error) return 0;
    long call = __sync_add_and_fetch(&calls, 1);
    if (call < atol(at) || call >= atol(at) + atol(count)) return 0;
    errno = atoi(error);
    return 1;
}

static void put(char kind, const char *path, int64_t offset, const void *bytes, uint32_t size) {
    const char *name = getenv("FAULT_LOG");
    if (!name) return;
    if (log_fd == -2) log_fd = open(name, O_WRONLY | O_CREAT | O_APPEND, 0644);
    uint8_t is_wal = strstr(path, "-wal") != NULL;
    char head[14];
    head[0] = kind;
    head[1] = (char)is_wal;
    memcpy(head + 2, &offset, 8);
    memcpy(head + 10, &size, 4);
    static ssize_t (*plain)(int, const void *, size_t);
    if (!plain) plain = dlsym(RTLD_NEXT, "write");
    char *whole = malloc(14 + size);
    memcpy(whole, head, 14);
    if (size) memcpy(whole + 14, bytes, size);
    if (plain(log_fd, whole, 14 + size) < 0) abort();
    free(whole);
}

static ssize_t write_at(const char *name, int fd, const void *bytes, size_t size, off_t offset) {
    typedef ssize_t (*call)(int, const void *, size_t, off_t);
    call real = (call)dlsym(RTLD_NEXT, name);
    char path[4096];
    if (path_of(fd, path, sizeof path)) {
        if (fails()) return -1;
        put('w', path, offset, bytes, (uint32_t)size);
    }
    return real(fd, bytes, size, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) { return write_at("pwrite", fd, bytes, size, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t offset) { return write_at("pwrite64", fd, bytes, size, offset); }

static int sync_of(const char *name, int fd) {
    typedef int (*call)(int);
    call real = (call)dlsym(RTLD_NEXT, name);
    char path[4096];
    if (path_of(fd, path, sizeof path)) {
        if (fails()) return -1;
        int done = real(fd);
        put('s', path, 0, NULL, 0);
        return done;
    }
    return real(fd);
}

int fsync(int fd) { return sync_of("fsync", fd); }
int fdatasync(int fd) { return sync_of("fdatasync", fd); }

static int cut(const char *name, int fd, off_t size) {
    typedef int (*call)(int, off_t);
    call real = (call)dlsym(RTLD_NEXT, name);
    char path[4096];
    if (path_of(fd, path, sizeof path)) put('c', path, size, NULL, 0);
    return real(fd, size);
}

int ftruncate(int fd, off_t size) { return cut("ftruncate", fd, size); }
int ftruncate64(int fd, off_t size) { return cut("ftruncate64", fd, size); }
