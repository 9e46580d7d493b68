"""LZW's writing half, straight from its description: what stock agents send."""

from __future__ import annotations


def compress(data: bytes) -> bytes:
    """Greedy longest match; the table is cleared when code 4095 is reached."""
    out: list[tuple[int, int]] = [(256, 9)]
    table: dict[bytes, int] = {bytes([value]): value for value in range(256)}
    hi, width = 257, 9
    match = b""

    def emit(code: int) -> bool:
        nonlocal hi, width, table
        out.append((code, width))
        hi += 1
        if hi == 1 << width:
            width += 1
        if hi == 4095:
            out.append((256, width))
            table = {bytes([value]): value for value in range(256)}
            hi, width = 257, 9
            return True
        return False

    for value in data:
        longer = match + bytes([value])
        if longer in table:
            match = longer
            continue
        if not emit(table[match]):
            table[longer] = hi
        match = bytes([value])
    if match:
        emit(table[match])
    out.append((257, width))
    bits = "".join(format(code, f"0{width}b")[::-1] for code, width in out)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))
