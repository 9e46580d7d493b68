"""What an operator may do with the gossip's keys, and what a restart finds of it."""

import asyncio
import base64
import json
import stat
from concurrent.futures import Future
from unittest.mock import Mock

import pytest

from goutube.agent import gossip_keys
from goutube.agent.gossip_keys import KEYRING_NAME, KeyChanges, KeyringFile
from goutube.errors import ConfigError, InvalidArgumentError, UsageError
from goutube.membership import KeyAction, KeyAnswer, key_fingerprint

OLD, NEW = bytes(range(32)), bytes(range(100, 116))


def text(key):
    return base64.b64encode(key).decode()


def holds(name, *keys, **fields):
    return KeyAnswer(name, answered=True, keys=keys, primary=keys[0] if keys else b"", **fields)


def change(held, action, named):
    """Ask for a change while the members hold what ``held`` says; what was asked of them."""
    asked = []

    def ask(asked_action, key):
        asked.append((asked_action, key))
        told = Future()
        told.set_result(held)
        return told

    asyncio.run(KeyChanges(ask)(action, named))
    return asked[1:]


def test_a_key_is_named_by_itself_or_by_its_fingerprint():
    held = (holds("a", OLD, NEW), holds("b", OLD, NEW))
    assert change(held, KeyAction.USE, text(NEW)) == [(KeyAction.USE, NEW)]
    assert change(held, KeyAction.USE, key_fingerprint(NEW).upper()) == [(KeyAction.USE, NEW)]
    assert change(held, KeyAction.LIST, "") == []
    with pytest.raises(InvalidArgumentError, match="neither the fingerprint") as caught:
        change(held, KeyAction.USE, "bm90IGEga2V5")
    assert "bm90IGEga2V5" not in str(caught.value)


@pytest.mark.parametrize(
    ("held", "action", "named", "told"),
    [
        ((holds("a", OLD, NEW), holds("b", OLD)), KeyAction.USE, NEW, "b does not hold"),
        ((holds("a", OLD, NEW), holds("b", NEW, OLD)), KeyAction.REMOVE, NEW, "b seals with"),
        ((holds("a", OLD, NEW), KeyAnswer("b", answered=False, fault="no answer")),
         KeyAction.USE, NEW, r"b does not tell .*no answer"),
    ],
)  # fmt: skip
def test_a_change_that_would_cut_off_a_member_is_refused_by_its_name(held, action, named, told):
    with pytest.raises(UsageError, match=told):
        change(held, action, text(named))


def test_a_new_key_is_installed_even_where_somebody_keeps_silent():
    held = (holds("a", OLD), KeyAnswer("b", answered=False, fault="no answer"))
    assert change(held, KeyAction.INSTALL, text(NEW)) == [(KeyAction.INSTALL, NEW)]


def kept(folder, configured, keys):
    file = KeyringFile(folder, configured)
    faults = []
    file.keep(keys, faults.append)
    file.close()
    return faults


def test_changed_keys_count_after_a_restart_until_the_setting_is_edited(tmp_path):
    assert KeyringFile(tmp_path, (OLD,)).read() == (OLD,)
    assert kept(tmp_path, (OLD,), (OLD, NEW)) == [""]
    kept(tmp_path, (OLD,), (NEW,))
    assert KeyringFile(tmp_path, (OLD,)).read() == (NEW,)
    assert KeyringFile(tmp_path, (NEW, OLD)).read() == (NEW, OLD)
    assert stat.S_IMODE((tmp_path / KEYRING_NAME).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEYRING_NAME]


def test_keys_that_cannot_be_written_down_are_told_as_such(tmp_path):
    (fault,) = kept(tmp_path / "gone", (OLD,), (NEW,))
    assert "cannot write it down: No such file or directory" in fault


DAMAGES = {
    "cut": lambda raw: raw[: len(raw) // 2],
    "empty": lambda _raw: b"",
    "other JSON": lambda _raw: b"[]",
    "no text": lambda _raw: b"\xff\xfe",
    "no keys": lambda raw: json.dumps({**json.loads(raw), "keys": []}).encode(),
    "no key": lambda raw: json.dumps({**json.loads(raw), "keys": ["AAAA"]}).encode(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_ends_the_start_and_never_the_encryption(tmp_path, damage):
    kept(tmp_path, (OLD,), (NEW,))
    path = tmp_path / KEYRING_NAME
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ConfigError, match=r"gossip\.keyring cannot be read.*encrypt_keys"):
        KeyringFile(tmp_path, (OLD,)).read()


def test_keys_that_cannot_be_written_are_told_in_the_log(tmp_path, monkeypatch):
    log = Mock()
    monkeypatch.setattr(gossip_keys, "get_log", lambda: log)
    kept(tmp_path / "missing", (OLD,), (NEW,))
    assert log.error.call_args.args == ("gossip_keys_lost",)
    assert "keys of before count" in log.error.call_args.kwargs["reason"]
    assert text(NEW) not in str(log.mock_calls)
