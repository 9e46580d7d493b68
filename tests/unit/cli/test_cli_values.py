"""What a user may type as a value."""

import pytest

from goutube.cli.values import parse_bytes, parse_start, parse_time
from goutube.routing import Start


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("1000003", 1000003),
        ("1_000", 1000),
        ("4KiB", 4096),
        ("4 kib", 4096),
        ("2MiB", 2 << 20),
        ("1GiB", 1 << 30),
        ("18446744073709551615", (1 << 64) - 1),
    ],
)
def test_byte_counts_are_read_with_their_units(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "KiB", "-1", "1.5MiB", "1KB", "1e3", "0x10", str(1 << 64)])
def test_other_byte_counts_are_refused_by_value(text):
    with pytest.raises(ValueError) as caught:
        parse_bytes(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "1700000000",
        "1700000000.0",
        "1700000000000",
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20",
        "2023-11-14 23:13:20+01:00",
    ],
)
def test_the_same_moment_in_every_spelling(text):
    assert parse_time(text) == 1_700_000_000_000


def test_milliseconds_survive():
    assert parse_time("1700000000.123") == 1_700_000_000_123
    assert parse_time("2023-11-14T22:13:20.123Z") == 1_700_000_000_123


@pytest.mark.parametrize("text", ["", "yesterday", "-5", "1969-12-31T00:00:00Z", "9" * 400])
def test_other_times_are_refused(text):
    with pytest.raises(ValueError):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("0", Start("offset", 0)),
        ("1MiB", Start("offset", 1 << 20)),
        ("-4KiB", Start("last_bytes", 4096)),
        ("earliest", Start("earliest")),
        ("LATEST", Start("latest")),
        ("@1700000000", Start("timestamp_ms", 1_700_000_000_000)),
    ],
)
def test_places_to_begin(text, start):
    assert parse_start(text) == start


@pytest.mark.parametrize("text", ["", "-", "--5", "first", "@", "@noon"])
def test_other_places_are_refused(text):
    with pytest.raises(ValueError):
        parse_start(text)
