"""Pages of the list of streams."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

from goutube.node.commands import ListPage, ListStreams
from goutube.node.streams import Stream, stream_info

_name_of = attrgetter("name")


def list_page(streams: Sequence[Stream], command: ListStreams) -> ListPage:
    """The page that is asked for of all streams, which are sorted by name."""
    first = bisect_left(streams, command.prefix, key=_name_of)
    if command.after:
        first = max(first, bisect_right(streams, command.after, key=_name_of))
    page = [
        stream
        for stream in streams[first : first + command.page_size + 1]
        if stream.name.startswith(command.prefix)
    ]
    infos = [stream_info(stream) for stream in page[: command.page_size]]
    return ListPage(infos, len(page) > command.page_size)
