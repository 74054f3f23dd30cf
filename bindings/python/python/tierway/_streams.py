"""Answers piece by piece, blocking and asynchronous, and how native work is waited for in an event loop."""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import logging
import os
import weakref
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Generic, Iterator, List, Optional, TypeVar

from ._errors import TierwayError
from ._native import Cancel, Mailbox, forked, shut
from ._native import Stream as NativeStream

if TYPE_CHECKING:
    from .answers import Delta, Response
    from .chat import ChatCompletion, ChatCompletionChunk, Model

# Every call's end: at DEBUG what it cost, at WARNING that it failed. Never what was asked or answered.
_LOG = logging.getLogger("tierway")

# Pieces that are there already and given out before other tasks of the loop have their turn.
_AT_ONCE_MAX = 32

Piece = TypeVar("Piece", covariant=True)
Whole = TypeVar("Whole", covariant=True)


# The native half writes nothing before or after its JSON.
_decode = json.JSONDecoder().raw_decode


# The classes of answers are made when the first is read: an import of the package is quick.
@functools.lru_cache(maxsize=None)
def _chat() -> Any:
    from . import chat

    return chat


@functools.lru_cache(maxsize=None)
def _answers() -> Any:
    from . import answers

    return answers


def completion(text: str) -> "ChatCompletion":
    made: ChatCompletion = _chat().ChatCompletion.read(_decode(text)[0])
    return made


def chunk(text: str) -> "ChatCompletionChunk":
    made: ChatCompletionChunk = _chat().ChatCompletionChunk.read(_decode(text)[0])
    return made


def response(text: str) -> "Response":
    made: Response = _answers().Response.read(_decode(text)[0])
    return made


def delta(text: str) -> "Delta":
    made: Delta = _answers().read_delta(_decode(text)[0])
    return made


def models(text: str) -> "List[Model]":
    return [_chat().Model.read(line) for line in _decode(text)[0]]


def log_answer(answer: Any) -> None:
    """`answer` is a response or a completion."""
    if _LOG.isEnabledFor(logging.DEBUG):
        account = getattr(answer, "tierway", answer)
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
        self._at_once = 0

    def __aiter__(self) -> AsyncIterator[Piece]:
        return self

    async def __anext__(self) -> Piece:
        self._at_once += 1
        if self._at_once % _AT_ONCE_MAX == 0:
            await asyncio.sleep(0)
        try:
            text = await next_piece(self._native)
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


# Where the calls of each event loop end.
_MAILBOXES: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Mailbox]" = weakref.WeakKeyDictionary()


def _mailbox(loop: asyncio.AbstractEventLoop) -> Mailbox:
    found = _MAILBOXES.get(loop)
    if found is None:
        found = _MAILBOXES[loop] = _open_mailbox(loop)
    return found


def _open_mailbox(loop: asyncio.AbstractEventLoop) -> Mailbox:
    try:
        made = Mailbox()
        loop.add_reader(made.fileno(), made.deliver)
        return made
    except (NotImplementedError, OSError):
        pass  # Loops on Windows watch no pipes.
    whose = weakref.ref(loop)

    def ring() -> None:
        open_loop = whose()
        if open_loop is not None:
            open_loop.call_soon_threadsafe(ringing.deliver)

    ringing = Mailbox(ring)
    return ringing


def _after_fork() -> None:
    # The parent's loops read the parent's mailboxes.
    global _MAILBOXES
    _MAILBOXES = weakref.WeakKeyDictionary()
    forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(shut)


async def _ended(future: "asyncio.Future[Any]", cancel: Cancel) -> Any:
    try:
        return await future
    except asyncio.CancelledError:
        cancel.cancel()
        raise


async def run(start: Callable[..., Cancel], *asked: Any) -> Any:
    """Starts native work and waits for it in the running loop; cancelling the task cancels the work."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    return await _ended(future, start(*asked, _mailbox(loop), future))


async def next_piece(stream: NativeStream) -> Any:
    """The next piece of a stream, which is not waited for where it is there; None after the last."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    found = stream.start_next(_mailbox(loop), future)
    return await _ended(future, found) if isinstance(found, Cancel) else found
