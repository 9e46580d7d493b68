def map_file(fd: int, size: int) -> memoryview:
    """The first ``size`` bytes of a file in memory, read-only, as long as a view of them is in use.

    No descriptor is kept: the file may be closed, but must not be shortened.

    Raises:
        OSError: the file cannot be mapped.
        ValueError: ``size`` is not positive.
    """
