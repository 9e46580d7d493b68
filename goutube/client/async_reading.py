"""What the asyncio client's reads give: a generator that a cancelled wait does not end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from typing_extensions import override

_Answer = TypeVar("_Answer")
_Item = TypeVar("_Item")
BeginAnswers = Callable[[], AsyncGenerator[_Answer, None]]
"""Begins to ask, from where the read's cursor stands."""


class Reading(AsyncGenerator[_Item, None], Generic[_Answer, _Item]):
    """The items of a read's answers.

    A wait for the next item may be cancelled, as by a timeout: the one after it goes on behind the
    last item that was given. A plain generator would be over, and look like the end of the stream.

    Args:
        answers: begins a call; again, after a cancelled wait.
        items: what one answer holds.
    """

    def __init__(
        self,
        answers: BeginAnswers[_Answer],
        items: Callable[[_Answer], Iterable[_Item]],
    ) -> None:
        self._answers = answers
        self._items = items
        self._values = self._run()
        self._cancelled = False

    @override
    def __anext__(self) -> Coroutine[Any, Any, _Item]:
        """The next item."""
        if self._cancelled:
            self._cancelled = False
            self._values = self._run()
        return self._values.__anext__()

    @override
    def asend(self, value: None, /) -> Coroutine[Any, Any, _Item]:
        """The next item."""
        return self.__anext__()

    @override
    def athrow(self, *error: Any) -> Coroutine[Any, Any, _Item]:
        """End with an error that is raised where the generator stands."""
        return self._values.athrow(*error)

    @override
    def aclose(self) -> Coroutine[Any, Any, None]:
        """End the call; nothing follows."""
        self._cancelled = False
        return self._values.aclose()

    async def _run(self) -> AsyncGenerator[_Item, None]:
        try:
            async with aclosing(self._answers()) as answers:
                async for answer in answers:
                    for item in self._items(answer):
                        yield item
        except asyncio.CancelledError:
            self._cancelled = True
            raise
