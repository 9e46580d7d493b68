def map_file(fd: int, size: int) -> memoryview:
    """The first ``size`` bytes of a file in memory, read-only, as long as a view of them is in use.

    No descriptor is kept: the file may be closed, but must not be shortened.

    Raises:
        OSError: the file cannot be mapped.
        ValueError: ``size`` is not positive.
    """

def give_back_memory() -> None:
    """Give the system back the memory that was freed, also between what is in use.

    For when much has been: it takes a time that grows with the heap. Does nothing where the C library
    has no such call.
    """
