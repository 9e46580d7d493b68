/* Put before the C library: of every write at a position at most a part is done, as a kernel may do it,
   and every third one is interrupted before it begins; so is every third fdatasync. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_uint calls;

static int interrupted(void) {
    if (atomic_fetch_add(&calls, 1) % 3) return 0;
    errno = EINTR;
    return 1;
}

/* Tell the test that a write was cut short. */
static void tell(void) {
    static atomic_flag told = ATOMIC_FLAG_INIT;
    const char *path = getenv("SHORT_WRITES_TOLD");
    if (path && !atomic_flag_test_and_set(&told)) close(open(path, O_CREAT | O_WRONLY, 0600));
}

static ssize_t put(int fd, const struct iovec *parts, int count, off_t position) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    if (interrupted()) return -1;
    for (int i = 0; i < count; i++) {
        size_t length = parts[i].iov_len;
        if (!length) continue;
        if (length > 1) tell();
        return real(fd, parts[i].iov_base, length > 1 ? length - length / 3 : length, position);
    }
    return 0;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t position) {
    return put(fd, parts, count, position);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t position) {
    return put(fd, parts, count, position);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return interrupted() ? -1 : real(fd);
}
