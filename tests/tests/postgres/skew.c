/* Loaded before libc into a process under test: its clock is off by as many milliseconds as the first eight bytes of the
 * file SKEW_FILE say at that moment. Only the time of day is: a clock that counts on is left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static volatile int64_t *skew_ms;

__attribute__((constructor)) static void start(void) {
    const char *name = getenv("SKEW_FILE");
    int fd = name ? open(name, O_RDONLY) : -1;
    if (fd < 0) return;
    void *page = mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) skew_ms = page;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(clock, time);
    if (done == 0 && skew_ms && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = time->tv_nsec + *skew_ms % 1000 * 1000000;
        int64_t more = ns < 0 ? -1 : ns / 1000000000;
        time->tv_sec += *skew_ms / 1000 + more;
        time->tv_nsec = ns - more * 1000000000;
    }
    return done;
}
