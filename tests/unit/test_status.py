"""Errors as gRPC statuses: the table is total, its codes are real, and it reads back."""

from __future__ import annotations

import grpc
import pytest

from goutube import errors
from goutube.api import status
from goutube.errors import GoutubeError

CLASSES = sorted(
    (
        item
        for item in vars(errors).values()
        if isinstance(item, type) and issubclass(item, GoutubeError)
    ),
    key=lambda item: item.__name__,
)


def test_the_table_is_total():
    """Every error class has a code, and nothing else has one."""
    assert set(status.CODES) == set(CLASSES)
    assert {item.reason for item in CLASSES} == {item.reason for item in status.CODES}


@pytest.mark.parametrize("error_class", CLASSES, ids=lambda item: item.__name__)
def test_an_error_comes_back_as_itself(error_class):
    """Class, message and fields survive the wire; no error travels as UNKNOWN or OK."""
    code, message, trailers = status.to_rpc(error_class("the café is closed", offset=7, name="a"))
    assert code in set(grpc.StatusCode) - {grpc.StatusCode.UNKNOWN, grpc.StatusCode.OK}
    back = status.from_rpc(code, message, trailers)
    assert type(back) is error_class
    assert back.message == "the café is closed"
    assert back.fields == {"offset": "7", "name": "a"}
    assert status.class_of(error_class.reason) is error_class


@pytest.mark.parametrize("code", set(grpc.StatusCode) - {grpc.StatusCode.OK})
def test_a_bare_code_is_understood(code):
    """A status that gRPC itself or a proxy made becomes an error that says so."""
    error = status.from_rpc(code, "", [("other", "text"), (status.DETAILS_KEY, b"\xff\xff")])
    assert code.name in error.message
    assert error.fields["code"] == code.name


def test_retrying_follows_the_code():
    """UNAVAILABLE from gRPC itself may be tried again, a wrong argument may not."""
    assert status.from_rpc(grpc.StatusCode.UNAVAILABLE, "", ()).retry
    assert not status.from_rpc(grpc.StatusCode.INVALID_ARGUMENT, "", ()).retry


def test_a_foreign_domain_is_not_ours():
    """Another server's ErrorInfo with a reason of ours is not taken for ours."""
    _, _, ((key, value),) = status.to_rpc(errors.StreamSealedError("sealed"))
    foreign = value.replace(b"goutube", b"another")
    back = status.from_rpc(grpc.StatusCode.NOT_FOUND, "gone", [(key, foreign)])
    assert type(back) is errors.StreamNotFoundError


def test_what_trailers_cannot_hold_is_cut():
    """A long message and a lone surrogate still make trailers, well under 8 KiB."""
    error = errors.InvalidArgumentError("\udcff" + "x" * 9000, name="\udcff")
    code, message, ((_, value),) = status.to_rpc(error)
    assert len(message.encode()) + len(value) < 6000
    assert status.from_rpc(code, message, [(status.DETAILS_KEY, value)]).fields["name"] == "\\udcff"
