from typing_extensions import Buffer

def xxh64(data: Buffer, seed: int = 0) -> int:
    """XXH64 of a buffer."""

def murmur3(data: Buffer, seed: int = 0) -> int:
    """The low 64 bits of MurmurHash3_x64_128 of a buffer."""

def md5_64(data: Buffer) -> int:
    """The first 8 bytes of a buffer's MD5 digest (RFC 1321), as a little-endian number."""
