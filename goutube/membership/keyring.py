"""AES-GCM envelopes and the ring of keys that open them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from goutube.errors import ConfigError, InvalidArgumentError, WireFormatError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_BLOCK_BYTES: Final = 16
_PADDED: Final = 0
_PLAIN: Final = 1
OVERHEAD_BYTES: Final = 1 + NONCE_BYTES + _TAG_BYTES
KEY_BYTES: Final = (16, 24, 32)


class Keyring:
    """Gossip keys: the first one seals, each may open.

    Args:
        keys: of 16, 24 or 32 bytes; none of them twice.

    Raises:
        ConfigError: a key has another length.
    """

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        for key in keys:
            if len(key) not in KEY_BYTES:
                raise ConfigError(f"a gossip key has {len(key)} bytes; 16, 24 or 32 are allowed")
        self._ciphers = {key: _cipher(key) for key in keys}

    @property
    def keys(self) -> tuple[bytes, ...]:
        """All keys, the one that seals first."""
        return tuple(self._ciphers)

    def __bool__(self) -> bool:
        return bool(self._ciphers)

    def add(self, key: bytes) -> None:
        """Open with this key from now on, too."""
        if len(key) not in KEY_BYTES:
            raise InvalidArgumentError(
                f"a gossip key has {len(key)} bytes; 16, 24 or 32 are allowed"
            )
        self._ciphers.setdefault(key, _cipher(key))

    def use(self, key: bytes) -> None:
        """Seal with this key from now on.

        Raises:
            InvalidArgumentError: it was not added before.
        """
        if key not in self._ciphers:
            raise InvalidArgumentError("Requested key is not in the keyring")
        cipher = self._ciphers.pop(key)
        self._ciphers = {key: cipher, **self._ciphers}

    def remove(self, key: bytes) -> None:
        """Open nothing with this key any more; removing one that is not there is fine.

        Raises:
            InvalidArgumentError: it is the one that seals.
        """
        if key == next(iter(self._ciphers), None):
            raise InvalidArgumentError("Removing the primary key is not allowed")
        self._ciphers.pop(key, None)

    def seal(self, plain: bytes, nonce: bytes, bound: bytes = b"") -> bytes:
        """An envelope.

        Args:
            plain: what it is to hold.
            bound: is not in it, but who opens it must name the same.
            nonce: 12 bytes that were never used with this key.
        """
        cipher = next(iter(self._ciphers.values()))
        return bytes((_PLAIN,)) + nonce + cipher.encrypt(nonce, plain, bound or None)

    def open(self, envelope: bytes, bound: bytes = b"") -> bytes:
        """What an envelope holds.

        Raises:
            WireFormatError: it is none, was changed, or no key of ours sealed it.
        """
        if len(envelope) < OVERHEAD_BYTES or envelope[0] not in (_PADDED, _PLAIN):
            raise WireFormatError("not an envelope of AES-GCM", fault="not-encrypted")
        nonce, sealed = envelope[1 : 1 + NONCE_BYTES], envelope[1 + NONCE_BYTES :]
        for cipher in self._ciphers.values():
            plain = _decrypted(cipher, nonce, sealed, bound)
            if plain is None:
                continue
            return plain if envelope[0] == _PLAIN else _unpadded(plain)
        raise WireFormatError("no key of ours opens the envelope", fault="no-key")


def _cipher(key: bytes) -> AESGCM:
    # Heavy, and needed by those alone who encrypt.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(key)


def _decrypted(cipher: AESGCM, nonce: bytes, sealed: bytes, bound: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

    try:
        return cipher.decrypt(nonce, sealed, bound or None)
    except InvalidTag:
        return None


def _unpadded(plain: bytes) -> bytes:
    length = plain[-1] if plain else 0
    if not 0 < length <= _BLOCK_BYTES or plain[-length:] != bytes((length,)) * length:
        raise WireFormatError("the padding of an envelope is wrong", fault="not-encrypted")
    return plain[:-length]
