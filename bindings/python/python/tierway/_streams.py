"""Answers piece by piece, blocking and asynchronous, and how native work is waited for in an event loop."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Generic, Iterator, List, Optional, TypeVar

from ._errors import TierwayError
from ._native import Stream as NativeStream

if TYPE_CHECKING:
    from .answers import Delta, Response
    from .chat import ChatCompletion, ChatCompletionChunk, Model

# Every call's end: at DEBUG what it cost, at WARNING that it failed. Never what was asked or answered.
_LOG = logging.getLogger("tierway")

Piece = TypeVar("Piece", covariant=True)
Whole = TypeVar("Whole", covariant=True)


# The classes of answers are made when the first is read: an import of the package is quick.
def completion(text: str) -> "ChatCompletion":
    from .chat import ChatCompletion

    return ChatCompletion.read(json.loads(text))


def chunk(text: str) -> "ChatCompletionChunk":
    from .chat import ChatCompletionChunk

    return ChatCompletionChunk.read(json.loads(text))


def response(text: str) -> "Response":
    from .answers import Response

    return Response.read(json.loads(text))


def delta(text: str) -> "Delta":
    from .answers import read_delta

    return read_delta(json.loads(text))


def models(text: str) -> "List[Model]":
    from .chat import Model

    return [Model.read(line) for line in json.loads(text)]


def log_answer(account: Any) -> None:
    """`account` is a response, or what a completion has under `tierway`."""
    if _LOG.isEnabledFor(logging.DEBUG):
        _LOG.debug("%s at %s answered for %s", account.route.model, account.route.endpoint, account.cost)


def failed(error: TierwayError) -> TierwayError:
    """Logs a failure on its way to the caller."""
    _LOG.warning("%s at %s: status %s, %d attempts", error.code, error.provider, error.status, len(error.attempts))
    return error


class Stream(Generic[Piece, Whole]):
    """An answer piece by piece. Use it in a `with`, or read it to its end; else it is closed when it is collected."""

    def __init__(self, native: NativeStream, piece: Callable[[str], Piece], whole: Callable[[str], Whole]) -> None:
        self._native = native
        self._piece = piece
        self._whole = whole

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        try:
            text = self._native.next()
        except TierwayError as error:
            raise failed(error)
        if text is None:
            raise StopIteration
        return self._piece(text)

    @property
    def response(self) -> Optional[Whole]:
        """The whole answer, after the last piece."""
        text = self._native.response()
        return None if text is None else self._whole(text)

    def close(self) -> None:
        """Cancels the call; what was delivered is settled."""
        self._native.close()

    def __enter__(self) -> "Stream[Piece, Whole]":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class AsyncStream(Generic[Piece, Whole]):
    """An answer piece by piece, for `async for`."""

    def __init__(self, native: NativeStream, piece: Callable[[str], Piece], whole: Callable[[str], Whole]) -> None:
        self._native = native
        self._piece = piece
        self._whole = whole

    def __aiter__(self) -> AsyncIterator[Piece]:
        return self

    async def __anext__(self) -> Piece:
        try:
            text = await run(self._native.start_next)
        except TierwayError as error:
            raise failed(error)
        if text is None:
            raise StopAsyncIteration
        return self._piece(text)

    @property
    def response(self) -> Optional[Whole]:
        """The whole answer, after the last piece."""
        text = self._native.response()
        return None if text is None else self._whole(text)

    async def close(self) -> None:
        """Cancels the call; what was delivered is settled."""
        self._native.close()

    async def __aenter__(self) -> "AsyncStream[Piece, Whole]":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._native.close()


def _settle(future: Any, value: Any, error: Optional[BaseException]) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


async def run(start: Callable[[Callable[[Any, Optional[BaseException]], None]], Any]) -> Any:
    """Starts native work and waits for it in the running loop; cancelling the task cancels the work."""
    import asyncio

    loop = asyncio.get_running_loop()
    future: Any = loop.create_future()

    def done(value: Any, error: Optional[BaseException]) -> None:
        try:
            loop.call_soon_threadsafe(_settle, future, value, error)
        except RuntimeError:
            pass  # The loop is closed: nobody waits any more.

    cancel = start(done)
    try:
        return await future
    except asyncio.CancelledError:
        cancel.cancel()
        raise
