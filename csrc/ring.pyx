"""The hash ring: tokens of nodes, owners of keys, walks, differences."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from csrc.md5 cimport gt_md5_init
from csrc.ring cimport (
    GT_HASH_MD5, GT_HASH_MURMUR3, GT_HASH_XXH64, gt_ring, gt_ring_difference,
    gt_ring_fill_buckets, gt_ring_find, gt_ring_find_many, gt_ring_key, gt_ring_lookup_many,
    gt_ring_moves, gt_ring_owners_known, gt_ring_position, gt_ring_positions,
    gt_ring_token_name, gt_ring_walk)

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    Py_ssize_t PySequence_Fast_GET_SIZE(object sequence)
    PyObject **PySequence_Fast_ITEMS(object sequence)

cdef extern from *:
    int __builtin_clzll(unsigned long long value) noexcept nogil
    void __builtin_prefetch(const void *memory) noexcept nogil

gt_md5_init()

HASH_MD5 = GT_HASH_MD5
HASH_MURMUR3 = GT_HASH_MURMUR3
HASH_XXH64 = GT_HASH_XXH64

cdef enum:
    CHUNK = 512         # keys that are looked at before the first of them is hashed
    AHEAD = 24          # keys whose objects are asked for before they are looked at
    LINE_BYTES = 64     # a short str is a header of 48 bytes and its characters
    NOGIL_KEYS = 512    # from here on a search lets other threads run meanwhile
    NUMBER_BYTES = 11   # "-" and any 32-bit number
    TOKENS_MAX = 0x7fffffff


cdef inline int _take_key(object key, gt_ring_key *taken) except -1:
    cdef Py_ssize_t size
    if PyUnicode_Check(key):
        taken.p = <const uint8_t *>PyUnicode_AsUTF8AndSize(key, &size)
        taken.n = size
    elif PyBytes_Check(key):
        taken.p = <const uint8_t *>PyBytes_AS_STRING(key)
        taken.n = PyBytes_GET_SIZE(key)
    else:
        raise TypeError(f"a key must be str or bytes, and {key!r} is {type(key).__name__}")
    return 0


def fill_tokens(int function, bytes name not None, uint64_t[::1] out not None):
    """Hash ``name-0``, ``name-1`` ... into ``out``."""
    cdef Py_ssize_t i, count = out.shape[0], size = PyBytes_GET_SIZE(name)
    cdef Py_ssize_t stride = size + NUMBER_BYTES
    cdef const char *start = PyBytes_AS_STRING(name)
    if not 0 < count <= TOKENS_MAX:
        raise ValueError(f"room for {count} tokens; a node has from 1 to {TOKENS_MAX}")
    cdef gt_ring_key *keys = <gt_ring_key *>PyMem_RawMalloc(count * (sizeof(gt_ring_key) + stride))
    if keys == NULL:
        raise MemoryError
    cdef char *text = <char *>(keys + count)
    with nogil:
        for i in range(count):
            keys[i].p = <const uint8_t *>text
            keys[i].n = gt_ring_token_name(start, size, <uint32_t>i, text)
            text += stride
        gt_ring_positions(function, keys, count, &out[0])
    PyMem_RawFree(keys)


cdef class TokenTable:
    """Rising tokens, who owns them, and where keys fall."""

    cdef const uint64_t[::1] _tokens
    cdef const int32_t[::1] _owners
    cdef const uint32_t[::1] _buckets
    cdef tuple _names
    cdef object _call
    cdef int _function
    cdef gt_ring _ring

    def __init__(
        self, tuple names not None, const uint64_t[::1] tokens not None,
        const int32_t[::1] owners not None, uint32_t[::1] buckets not None, function,
    ):
        cdef size_t count = tokens.shape[0], width = buckets.shape[0]
        cdef int bits = 63 - __builtin_clzll(width | 1)
        if self._names is not None:
            raise ValueError("a ring does not change; make a new one")
        if count == 0 or count > TOKENS_MAX or count != <size_t>owners.shape[0]:
            raise ValueError(f"{count} tokens and {owners.shape[0]} owners")
        if bits == 0 or width != (1ull << bits) + 1:
            raise ValueError(f"{width} buckets: not a power of two and one more")
        if not gt_ring_owners_known(&owners[0], count, len(names)):
            raise ValueError(f"an owner is none of the {len(names)} names")
        with nogil:
            gt_ring_fill_buckets(&tokens[0], count, 64 - bits, &buckets[0])
        self._tokens = tokens
        self._owners = owners
        self._buckets = buckets
        self._ring.tokens = &tokens[0]
        self._ring.owners = &owners[0]
        self._ring.buckets = &buckets[0]
        self._ring.count = count
        self._ring.shift = 64 - bits
        self._function = -1 if callable(function) else function
        self._call = function
        self._names = names

    cdef int _check(self, Py_ssize_t count, Py_ssize_t room) except -1:
        if self._names is None:
            raise ValueError("the ring was never made: call its class")
        if count != room:
            raise ValueError(f"{count} keys, and room for {room}")
        return 0

    def lookup(self, key):
        """The node that owns a key: of the first token clockwise at or after the key's hash."""
        cdef gt_ring_key taken
        cdef uint64_t position
        self._check(0, 0)
        _take_key(key, &taken)
        if self._function < 0:
            position = self._call(taken.p[:taken.n])
        else:
            position = gt_ring_position(self._function, taken.p, taken.n)
        return self._names[self._owners[gt_ring_find(&self._ring, position)]]

    def _find_keys(
        self, keys not None, uint64_t[::1] positions not None, int32_t[::1] out not None,
    ):
        """The owners of a list or tuple of keys, by number; ``positions`` is room to work in.

        Keys are hashed with the GIL, as far as they are: letting it go would take a reference to
        each, and going over cold objects once more costs more than hashing them. The search goes
        without it.
        """
        if not isinstance(keys, (list, tuple)):
            raise TypeError(f"keys must be a list or a tuple, and are {type(keys).__name__}")
        cdef gt_ring_key taken[CHUNK]
        cdef Py_ssize_t i, done = 0, count = PySequence_Fast_GET_SIZE(keys)
        cdef PyObject **items = PySequence_Fast_ITEMS(keys)
        cdef const char *ahead
        self._check(count, out.shape[0])
        self._check(count, positions.shape[0])
        while done < count:
            for i in range(min(count - done, CHUNK)):
                if done + i + AHEAD < count:
                    ahead = <const char *>items[done + i + AHEAD]
                    __builtin_prefetch(ahead)
                    __builtin_prefetch(ahead + LINE_BYTES)
                _take_key(<object>items[done + i], taken + i)
            gt_ring_positions(self._function, taken, min(count - done, CHUNK), &positions[done])
            done += CHUNK
        self._find_positions(positions, out)

    def _find_packed(self, const uint8_t[:, ::1] rows not None, int32_t[::1] out not None):
        """The owners of keys of one width, by number; zeros at a key's end are not part of it."""
        cdef gt_ring_key taken[CHUNK]
        cdef Py_ssize_t i, part, done = 0, count = rows.shape[0]
        self._check(count, out.shape[0])
        with nogil:
            while done < count:
                part = min(count - done, CHUNK)
                for i in range(part):
                    taken[i].p = &rows[done + i, 0]
                    taken[i].n = rows.shape[1]
                    while taken[i].n and taken[i].p[taken[i].n - 1] == 0:
                        taken[i].n -= 1
                gt_ring_lookup_many(&self._ring, self._function, taken, part, &out[done])
                done += part

    def _find_positions(
        self, const uint64_t[::1] positions not None, int32_t[::1] out not None,
    ):
        """The owners of positions, by number."""
        cdef size_t count = out.shape[0]
        self._check(positions.shape[0], count)
        if count and count < NOGIL_KEYS:
            gt_ring_find_many(&self._ring, &positions[0], count, &out[0])
        elif count:
            with nogil:
                gt_ring_find_many(&self._ring, &positions[0], count, &out[0])

    def _walk(
        self, const uint64_t[::1] positions not None, int32_t[::1] marks not None,
        int32_t[:, ::1] out not None,
    ):
        """The first distinct owners clockwise from each position, one row each, by number.

        ``marks`` has a zero for each name. A row that no more owners are left for stays as it was.
        """
        cdef Py_ssize_t i
        self._check(positions.shape[0], out.shape[0])
        if marks.shape[0] != len(self._names):
            raise ValueError(f"{marks.shape[0]} marks for {len(self._names)} names")
        if out.shape[0] and out.shape[1]:
            with nogil:
                for i in range(out.shape[0]):
                    gt_ring_walk(
                        &self._ring, positions[i], &marks[0], <int32_t>i + 1, &out[i, 0],
                        out.shape[1])


def find_moves(
    TokenTable before not None, TokenTable after not None, const int32_t[::1] same not None,
    uint64_t[::1] starts not None, uint64_t[::1] ends not None, int32_t[::1] sources not None,
    int32_t[::1] targets not None,
):
    """The arcs whose owner differs between two rings; how many there are."""
    cdef gt_ring_moves moves
    before._check(same.shape[0], len(before._names))
    after._check(0, 0)
    if not (<size_t>starts.shape[0] >= before._ring.count + after._ring.count
            and starts.shape[0] == ends.shape[0] == sources.shape[0] == targets.shape[0]):
        raise ValueError(f"room for {starts.shape[0]} arcs is too little or uneven")
    moves.starts = &starts[0]
    moves.ends = &ends[0]
    moves.sources = &sources[0]
    moves.targets = &targets[0]
    with nogil:
        gt_ring_difference(&before._ring, &after._ring, &same[0], &moves)
    return moves.count
