from typing import Final

from typing_extensions import Buffer

CPU_PATH: Final[str]
"""How CRC-32C is computed: ``portable``, ``sse42``, ``pclmul``, ``avx2``, ``vpclmul``, ``armv8``."""

def crc32c(data: Buffer, value: int = 0) -> int:
    """CRC-32C (Castagnoli, RFC 3720 B.4) of a buffer, going on from ``value``."""
