"""What a kernel says about bytes; equal to the numbers in ``csrc/layout.h``."""

from typing import Final

VERDICT_OK: Final = 0
VERDICT_END: Final = 1
"""Nothing more, cleanly."""
VERDICT_TORN: Final = 2
"""The bytes stop before the item does."""
VERDICT_BAD_HEADER: Final = 3
"""No header of this file and this life of it stands here."""
VERDICT_BAD_TABLE: Final = 4
"""Lengths that contradict one another or a limit."""
VERDICT_BAD_CHECKSUM: Final = 5
VERDICT_UNKNOWN_FORMAT: Final = 6
"""A good header of a version, with a flag, kind or compression that this release does not know."""
VERDICT_TOO_LONG: Final = 7
"""The item is larger than the room given for it."""
VERDICT_WOULD_BLOCK: Final = 8
"""The bytes are not in the page cache."""
VERDICT_IO_ERROR: Final = 9
"""The system refused the read; ``errno`` tells why."""
