"""Memory from the system and back to it: files in it, and what nobody uses any more."""

import os

from cpython.buffer cimport PyBuffer_FillInfo
from libc.errno cimport errno
from posix.mman cimport MAP_FAILED, MAP_SHARED, PROT_READ, mmap, munmap

cdef extern from *:
    """
    #if defined(__GLIBC__)
    #include <malloc.h>
    static void gt_give_back(void) { malloc_trim(0); }
    #else
    static void gt_give_back(void) {}  /* others do so on their own, or cannot be asked */
    #endif
    """
    void gt_give_back() noexcept nogil


cdef class _Mapping:
    """Owns a range of mapped memory as long as a view of it is in use."""

    cdef void *start
    cdef Py_ssize_t size

    def __dealloc__(self):
        if self.start is not NULL:
            munmap(self.start, self.size)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.start, self.size, 1, flags)


def map_file(int fd, Py_ssize_t size):
    """See mapping.pyi; ``mmap.mmap`` would keep a descriptor of its own open."""
    cdef _Mapping mapping = _Mapping.__new__(_Mapping)
    if size <= 0:
        raise ValueError(f"{size} bytes cannot be mapped")
    cdef void *start = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0)
    if start == MAP_FAILED:
        raise OSError(errno, os.strerror(errno))
    mapping.start = start
    mapping.size = size
    return memoryview(mapping)


def give_back_memory():
    """See mapping.pyi; the C library would keep what was freed between what is in use."""
    with nogil:
        gt_give_back()
