/* Put before the C library: the n-th allocation fails, of one thread or of all the others, and what is
   allocated is counted. With PYTHONMALLOC=malloc that is every allocation of the interpreter, too. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);

static atomic_long live, left;
static atomic_int armed, fired, others;
static pthread_t asker;

static int fails(void) {
    if (!armed || (pthread_self() == asker) == others) return 0;
    if (atomic_fetch_sub(&left, 1) != 1) return 0;
    fired = 1;
    errno = ENOMEM;
    return 1;
}

static void *counted(void *made) {
    if (made) live++;
    return made;
}

void *malloc(size_t size) { return fails() ? NULL : counted(__libc_malloc(size)); }

void *calloc(size_t count, size_t size) {
    return fails() ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size) {
    if (fails()) return NULL;
    void *made = __libc_realloc(old, size);
    if (!old) counted(made);
    return made;
}

void free(void *old) {
    if (old) live--;
    __libc_free(old);
}

/* Let the n-th allocation from here on fail, from 1: this thread's, or that of any other one. */
void fail_allocation(long n, int of_others) {
    asker = pthread_self();
    others = of_others;
    left = n;
    fired = 0;
    armed = 1;
}

/* Let none fail any more; whether one did. */
int fail_no_allocation(void) {
    armed = 0;
    return fired;
}

long allocations_live(void) { return live; }
