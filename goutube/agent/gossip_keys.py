"""The gossip's keys while the cluster runs: changed for all at once, and kept for a restart."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from goutube.config import decode_key
from goutube.errors import ConfigError, InvalidArgumentError, UsageError
from goutube.membership import KeyAction, KeyAnswer, key_fingerprint
from goutube.observe import events, get_log

KEYRING_NAME: Final = "gossip.keyring"
_MODE: Final = 0o600

Ask = Callable[[KeyAction, bytes], "Future[tuple[KeyAnswer, ...]]"]


class KeyChanges:
    """What ``goutube cluster keys`` may do.

    Serf itself lets an operator seal with a key that some member lacks, which cuts that member off.
    Here all live members are asked first.

    Args:
        ask: puts a question about keys to every member.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def __call__(self, action: KeyAction, named: str) -> Sequence[KeyAnswer]:
        """List, install, use or remove a key, everywhere.

        Args:
            action: which of these.
            named: the key in base64, or the fingerprint of one that is installed; empty to list.

        Returns:
            What each member said, by name.

        Raises:
            InvalidArgumentError: ``named`` is no key, or no key of ours has the fingerprint.
            UsageError: it would cut off a member; the message says which one.
        """
        held = await self._put(KeyAction.LIST, b"")
        if action is KeyAction.LIST:
            return held
        key = _key_named(named, held)
        if action is not KeyAction.INSTALL:
            _check(action, key, held)
        return await self._put(action, key)

    async def _put(self, action: KeyAction, key: bytes) -> Sequence[KeyAnswer]:
        return await asyncio.wrap_future(self._ask(action, key))


def _key_named(named: str, held: Sequence[KeyAnswer]) -> bytes:
    for key in {key for answer in held for key in answer.keys}:
        if key_fingerprint(key) == named.lower():
            return key
    try:
        return decode_key(named)
    except ValueError:
        raise InvalidArgumentError(
            "this is neither the fingerprint of a key that some member holds nor a key: "
            "16, 24 or 32 bytes in base64 (head -c 32 /dev/urandom | base64 makes one)"
        ) from None


def _check(action: KeyAction, key: bytes, held: Sequence[KeyAnswer]) -> None:
    shown = key_fingerprint(key)
    for answer in held:
        if answer.fault:
            raise UsageError(
                f"{answer.member} does not tell which keys it holds ({answer.fault}), so this "
                "could cut it off; try again when it answers, or when it has left",
                member=answer.member,
            )
        if action is KeyAction.USE and key not in answer.keys:
            raise UsageError(
                f"{answer.member} does not hold the key {shown}; install it everywhere first",
                member=answer.member,
            )
        if action is KeyAction.REMOVE and answer.primary == key:
            raise UsageError(
                f"{answer.member} seals with the key {shown}; use another one everywhere first",
                member=answer.member,
            )


class KeyringFile:
    """The keys as an operator has changed them, in the data directory.

    They count as long as the setting is what it was when they were changed; who edits
    ``encrypt_keys`` means it.

    Args:
        directory: the data directory.
        configured: the keys of the setting, the one that seals first.
    """

    def __init__(self, directory: Path, configured: tuple[bytes, ...]) -> None:
        self._path = directory / KEYRING_NAME
        self._configured = configured
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="goutube-keyring")

    def read(self) -> tuple[bytes, ...]:
        """The keys to begin with.

        Raises:
            ConfigError: the file is there and cannot be read.
        """
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return self._configured
        except OSError as error:
            raise _unreadable(self._path, str(error.strerror)) from error
        try:
            content = json.loads(raw)
            keys = tuple(map(decode_key, content["keys"]))
            setting = str(content["setting"])
            if not keys:
                raise ValueError("no key would mean no encryption")  # noqa: TRY301
        except (ValueError, KeyError, TypeError):
            raise _unreadable(self._path, "it is damaged") from None
        if setting != _digest(self._configured):
            return self._configured
        get_log().info(events.GOSSIP_KEYS_KEPT, keys=len(keys), path=KEYRING_NAME)
        return keys

    def keep(self, keys: tuple[bytes, ...], then: Callable[[str], None]) -> None:
        """Write the keys down, on a thread: gossip must not wait for a disk.

        Args:
            keys: all, the one that seals first.
            then: told there when they are written; why they are not, or an empty text.
        """
        self._writer.submit(lambda: then(self._write(keys)))

    def close(self) -> None:
        """Wait until all is written."""
        self._writer.shutdown()

    def _write(self, keys: tuple[bytes, ...]) -> str:
        content = {
            "keys": [_encoded(key) for key in keys],
            "setting": _digest(self._configured),
        }
        fresh = self._path.with_suffix(".new")
        try:
            with suppress(FileNotFoundError):
                fresh.unlink()
            file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
            with os.fdopen(file, "w", encoding="ascii") as opened:
                json.dump(content, opened)
                opened.flush()
                os.fsync(opened.fileno())
            fresh.replace(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            reason = f"{error.strerror}; after a restart the keys of before count"
            get_log().error(events.GOSSIP_KEYS_LOST, path=KEYRING_NAME, reason=reason)
            return f"it did this, and cannot write it down: {reason}"
        return ""


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _digest(keys: tuple[bytes, ...]) -> str:
    return hashlib.sha256(b"".join(bytes((len(key),)) + key for key in keys)).hexdigest()


def _unreadable(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"the gossip keys in {path} cannot be read: {reason}. Restore the file; or remove it, and "
        "set encrypt_keys to the keys that the cluster uses now",
        setting="encrypt_keys",
    )
