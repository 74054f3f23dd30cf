"""Providers and checks that are written in Python, blocking or asynchronous.

The native half asks by text and a number and is answered later. Blocking code runs on threads of its own, asynchronous
code on one event loop of the package's, so that the library's own thread never waits for Python.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Set

from ._frozen import write
from ._objects import Record, frozen, record

if TYPE_CHECKING:
    from .answers import Reply

_LOG = logging.getLogger("tierway")
# Blocking providers and checks that may run at once.
_THREADS_MAX = 32


class ProviderFault(Exception):
    """What a provider raises to say how it failed: the router then knows whether to try again, and where.

    `kind` is one of `rate_limited`, `overloaded`, `server`, `timeout`, `auth`, `invalid`, `content_filtered` ... `retry` is
    `here`, `elsewhere` or `never`, and follows from the kind where it is left out.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str = "server",
        status: Optional[int] = None,
        code: Optional[str] = None,
        retry: Optional[str] = None,
        retry_after: Optional[float] = None,
        sent: bool = True,
    ) -> None:
        super().__init__(message)
        self.facts: Dict[str, Any] = {
            "kind": kind,
            "message": message,
            "status": status,
            "code": code,
            "retry": retry,
            "retry_after_ms": None if retry_after is None else round(retry_after * 1000),
            "sent": sent,
        }


class _Workers:
    """The threads and the loop of one process, made when they are first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: Optional[ThreadPoolExecutor] = None
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_THREADS_MAX, thread_name_prefix="tierway-host")
            return self._pool

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="tierway-host-loop", daemon=True).start()
            return self._loop


_WORKERS = _Workers()


def _after_fork() -> None:
    # The parent's threads are not here, and its lock may be held by one of them.
    global _WORKERS
    _WORKERS = _Workers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _fault(error: BaseException) -> str:
    if isinstance(error, ProviderFault):
        return json.dumps(error.facts)
    # What an unknown exception says may quote the prompt: its class is told, the rest is for the log.
    _LOG.warning("a provider written in Python failed", exc_info=error)
    return json.dumps({"message": f"the provider raised {type(error).__name__}"})


def _begin(function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):
        return asyncio.run_coroutine_threadsafe(function(*arguments), _WORKERS.loop())
    return _WORKERS.pool().submit(function, *arguments)


def _tell(work: "Future[Any]", answer: Any, write: Callable[[Any], Optional[str]]) -> None:
    """Answers when `work` is done."""

    def done(work: "Future[Any]") -> None:
        if work.cancelled():
            answer('{"kind": "cancelled", "message": "cancelled", "retry": "never"}', None)
            return
        error = work.exception()
        if error is not None:
            answer(_fault(error), None)
            return
        try:
            answer(None, write(work.result()))
        except (TypeError, ValueError) as fault:
            answer(_fault(fault), None)

    work.add_done_callback(done)


def _text(value: Any) -> str:
    return write(value)


class Provider:
    """The native half's way to a provider: an object with `chat(call)` and perhaps `stream(call)`, or a callable."""

    def __init__(self, own: Any) -> None:
        chat = getattr(own, "chat", None) or (own if callable(own) else None)
        if chat is None:
            raise TypeError("a provider is a callable, or has a method chat(call)")
        self._chat: Callable[[Record], Any] = chat
        self._stream: Optional[Callable[[Record], Any]] = getattr(own, "stream", None)
        # By the native half's numbers: what is open, and what is still being opened. A lock, since both are changed by
        # threads of this side and of the other.
        self._lock = threading.Lock()
        self._streams: Dict[int, Any] = {}
        self._opening: Set[int] = set()

    def chat(self, call: str, answer: Any) -> "Future[Any]":
        work = _begin(self._chat, record(call))
        _tell(work, answer, _text)
        return work

    def open(self, numbered: str, answer: Any) -> "Future[Any]":
        number, call = numbered.split(" ", 1)
        begin = self._whole if self._stream is None else self._open
        with self._lock:
            self._opening.add(int(number))
        work = begin(int(number), record(call))
        _tell(work, answer, lambda _: None)
        return work

    def next(self, number: str, answer: Any) -> "Future[Any]":
        pieces = self._streams.get(int(number))
        if pieces is None:
            closed: "Future[Any]" = Future()
            closed.set_result(None)
            _tell(closed, answer, lambda _: None)
            return closed
        if hasattr(pieces, "__anext__"):
            work = asyncio.run_coroutine_threadsafe(_anext(pieces), _WORKERS.loop())
        else:
            work = _WORKERS.pool().submit(next, pieces, _END)
        _tell(work, answer, lambda piece: None if piece is _END else _text(piece))
        return work

    def close(self, number: int) -> None:
        with self._lock:
            self._opening.discard(number)
            pieces = self._streams.pop(number, None)
        _end(pieces)

    def _keep(self, number: int, pieces: Any) -> None:
        """Keeps a stream that was opened; one whose caller gave up meanwhile is closed."""
        with self._lock:
            is_wanted = number in self._opening
            self._opening.discard(number)
            if is_wanted:
                self._streams[number] = pieces
        if not is_wanted:
            _end(pieces)

    def _open(self, number: int, call: Record) -> "Future[Any]":
        assert self._stream is not None
        stream = self._stream
        if inspect.iscoroutinefunction(stream):

            async def wait() -> None:
                self._keep(number, _iterator(await stream(call)))

            return asyncio.run_coroutine_threadsafe(wait(), _WORKERS.loop())
        return _WORKERS.pool().submit(lambda: self._keep(number, _iterator(stream(call))))

    def _whole(self, number: int, call: Record) -> "Future[Any]":
        """A provider without a stream brings its answer in one go."""
        opened: "Future[Any]" = Future()

        def done(work: "Future[Any]") -> None:
            if work.cancelled():
                opened.cancel()
            elif not opened.set_running_or_notify_cancel():
                return
            elif work.exception() is not None:
                opened.set_exception(work.exception())
            else:
                try:
                    self._keep(number, iter(_pieces(work.result())))
                    opened.set_result(None)
                except Exception as fault:  # noqa: BLE001 - what is no reply is told as such, and not waited for.
                    opened.set_exception(fault)

        work = _begin(self._chat, call)
        work.add_done_callback(done)

        def given_up(opened: "Future[Any]") -> None:
            if opened.cancelled():
                work.cancel()

        opened.add_done_callback(given_up)
        return opened


_END = object()


def _end(pieces: Any) -> None:
    if hasattr(pieces, "aclose"):
        asyncio.run_coroutine_threadsafe(_aclose(pieces), _WORKERS.loop())
    elif hasattr(pieces, "close"):
        _WORKERS.pool().submit(_close, pieces)


async def _anext(pieces: Any) -> Any:
    try:
        return await pieces.__anext__()
    except StopAsyncIteration:
        return _END


async def _aclose(pieces: Any) -> None:
    try:
        await pieces.aclose()
    except Exception:  # noqa: BLE001 - it is closed for good, whatever its own clean-up says.
        _LOG.warning("a provider's stream failed to close", exc_info=True)


def _close(pieces: Any) -> None:
    try:
        pieces.close()
    except ValueError:
        pass  # A generator that is being read on another thread: it is dropped when that is done.
    except Exception:  # noqa: BLE001
        _LOG.warning("a provider's stream failed to close", exc_info=True)


def _iterator(pieces: Any) -> Any:
    return pieces.__aiter__() if hasattr(pieces, "__aiter__") else iter(pieces)


def _pieces(reply: Any) -> Any:
    """A whole answer as the pieces of a stream."""
    if isinstance(reply, str):
        return [reply]
    found = []
    if isinstance(reply.get("text"), str):
        found.append({"type": "text", "part": 0, "text": reply["text"]})
    for part, whole in enumerate(reply.get("parts") or ()):
        found.append({"type": "part", "part": part, "whole": whole})
    if reply.get("usage"):
        found.append({"type": "usage", "usage": reply["usage"]})
    if reply.get("stop"):
        found.append({"type": "stop", "reason": reply["stop"]})
    return found


class Check:
    """The native half's way to a check: a callable of the request and the reply that returns why the reply falls short."""

    def __init__(self, own: "Callable[[Record, Reply], Any]") -> None:
        if not callable(own):
            raise TypeError("a check is a callable of the request and the reply")
        self._own = own

    def judge(self, asked: str, answer: Any) -> "Future[Any]":
        from .answers import Reply

        both = json.loads(asked)
        work = _begin(self._own, frozen(both["request"]), Reply.read(both["reply"]))
        _tell(work, answer, _verdict)
        return work


def _verdict(said: Any) -> Optional[str]:
    if said is None or said is True:
        return None
    return "the check says no" if said is False else str(said)
