# Tables of streams, by id or by name; a part of streams.pyx.

cdef gt_key _id_of(const void *stream) noexcept:
    return gt_key(number=(<StreamState>stream).stream_id, text=NULL, size=0)


cdef gt_key _name_of(const void *stream) noexcept:
    return gt_key(
        number=0, text=(<StreamState>stream)._name, size=(<StreamState>stream)._name_bytes)


@cython.final
cdef class StreamMap:
    """Streams in the order in which they came, found by id or by name; a dict, but smaller."""

    cdef gt_lookup _map     # owns a reference to each stream
    cdef readonly bint by_name

    def __cinit__(self, *, bint by_name):
        self.by_name = by_name
        self._map.key_of = _name_of if by_name else _id_of
        self._map.hash_of = gt_name_hash

    def __dealloc__(self):
        cdef size_t number
        for number in range(self._map.used):
            Py_XDECREF(<PyObject *>self._map.objects[number])
        free(self._map.objects)

    def __len__(self):
        return self._map.count

    def __sizeof__(self):
        return object.__sizeof__(self) + gt_lookup_bytes(self._map.room, self._map.width)

    cdef Py_ssize_t _find(self, key) except -2:
        """The slot of a key; -1: it is not there, or can be nowhere."""
        cdef gt_key sought
        cdef Py_ssize_t size = 0
        sought.text = NULL
        sought.number = 0
        try:
            if self.by_name:
                if not isinstance(key, str):
                    raise TypeError(f"streams are found by name here, and {key!r} is none")
                sought.text = PyUnicode_AsUTF8AndSize(key, &size)
            else:
                if not isinstance(key, int):
                    raise TypeError(f"streams are found by id here, and {key!r} is none")
                sought.number = key
        except (OverflowError, UnicodeEncodeError):
            return -1
        sought.size = size
        return gt_lookup_find(&self._map, &sought)

    def __contains__(self, key):
        return self._find(key) >= 0

    def __getitem__(self, key):
        cdef Py_ssize_t slot = self._find(key)
        if slot < 0:
            raise KeyError(key)
        return <StreamState>gt_lookup_at(&self._map, slot)[0]

    def get(self, key):
        """The stream of a key; None where there is none."""
        cdef Py_ssize_t slot = self._find(key)
        return None if slot < 0 else <StreamState>gt_lookup_at(&self._map, slot)[0]

    def values(self):
        """The streams, as they are now."""
        cdef list streams = []  # in a comprehension Cython 3.3.1 drops what does not fit twice
        cdef size_t number
        for number in range(self._map.used):
            if self._map.objects[number] != NULL:
                streams.append(<StreamState>self._map.objects[number])
        return streams

    def __iter__(self):
        cdef list keys = self.values()
        cdef Py_ssize_t place
        for place in range(len(keys)):
            keys[place] = keys[place].name if self.by_name else keys[place].stream_id
        return iter(keys)

    def put(self, StreamState stream not None):
        """Take in a stream; in the place of the one with its key, if there is one."""
        cdef gt_key key
        cdef Py_ssize_t slot
        if stream._name == NULL:
            raise _never_made()
        key = self._map.key_of(<void *>stream)
        slot = gt_lookup_find(&self._map, &key)
        if slot < 0 and not gt_lookup_grow(&self._map):
            raise MemoryError
        Py_INCREF(stream)
        if slot < 0:
            gt_lookup_take(&self._map, <void *>stream)
        else:
            Py_XDECREF(<PyObject *>gt_lookup_replace(&self._map, slot, <void *>stream))

    def reserve(self, size_t count):
        """Make room for so many streams in all, at once and no more."""
        if count > self._map.room and not gt_lookup_move(&self._map, count):
            raise MemoryError

    def __delitem__(self, key):
        cdef Py_ssize_t slot = self._find(key)
        if slot < 0:
            raise KeyError(key)
        Py_XDECREF(<PyObject *>gt_lookup_remove(&self._map, slot))
