"""The clients: blocking and asynchronous, in OpenAI's shape."""

from __future__ import annotations

import json
import os
from types import TracebackType
from typing import Any, AsyncIterator, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Type, Union

from ._native import Handle
from ._native import Stream as NativeStream
from ._objects import Record, record

Settings = Union[str, "os.PathLike[str]", None]


def _open(
    config: Settings, keys: Optional[Mapping[str, str]], environment: Optional[bool], settings: Dict[str, Any]
) -> Handle:
    """`config` names a tierway.toml; keys come from the environment unless they are given here."""
    whole: Dict[str, Any] = dict(settings)
    if config is not None:
        whole["file"] = os.fspath(config)
    if keys is not None:
        whole["keys"] = dict(keys)
    whole["environment"] = keys is None if environment is None else environment
    return Handle(json.dumps(whole))


def _body(model: str, messages: Iterable[Mapping[str, Any]], fields: Dict[str, Any]) -> str:
    body = {"model": model, "messages": list(messages)}
    body.update((name, value) for name, value in fields.items() if value is not None)
    return json.dumps(body)


def _query(by: Optional[Iterable[str]], since_ms: Optional[int], until_ms: Optional[int]) -> str:
    return json.dumps({"by": list(by or ()), "since_ms": since_ms, "until_ms": until_ms})


class _Common:
    _handle: Handle

    def route(self, *, messages: Iterable[Mapping[str, Any]], model: str = "auto", **fields: Any) -> Record:
        """Decides who would answer, without a call: the whole explanation."""
        made: Record = record(self._handle.route_chat(_body(model, messages, fields)))
        return made

    explain = route

    def models(self) -> List[Record]:
        """The models on sale."""
        made: List[Record] = record(self._handle.models())
        return made


class Stream:
    """An answer piece by piece. Use it in a `with`, or read it to its end; else it is closed when it is collected."""

    def __init__(self, native: NativeStream) -> None:
        self._native = native

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        piece = self._native.next()
        if piece is None:
            raise StopIteration
        made: Record = record(piece)
        return made

    @property
    def response(self) -> Optional[Record]:
        """The whole answer, after the last piece."""
        text = self._native.response()
        return None if text is None else record(text)

    def close(self) -> None:
        """Cancels the call; what was delivered is settled."""
        self._native.close()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class _Completions:
    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def create(
        self, *, messages: Iterable[Mapping[str, Any]], model: str = "auto", stream: bool = False, **fields: Any
    ) -> Any:
        """As `openai.OpenAI().chat.completions.create`: a completion, or a `Stream` of chunks."""
        body = _body(model, messages, fields)
        return Stream(self._handle.chat_stream(body)) if stream else record(self._handle.chat(body))


class _Chat:
    def __init__(self, completions: Any) -> None:
        self.completions = completions


class Client(_Common):
    """A blocking client. Threads may share it; a fork makes its own.

    `config` names a `tierway.toml`; `keys` are by endpoint, and come from the environment where they are left out. Other
    keywords are sections of the settings: `router={"quality": 0.9}`, `policy={...}`, `ledger={"path": "spend.db"}`,
    `budgets=[...]`, `base_urls={...}`, `rows=[...]`.
    """

    def __init__(
        self,
        config: Settings = None,
        *,
        keys: Optional[Mapping[str, str]] = None,
        environment: Optional[bool] = None,
        **settings: Any,
    ) -> None:
        self._handle = _open(config, keys, environment, settings)
        self.chat = _Chat(_Completions(self._handle))

    def report(
        self, by: Optional[Iterable[str]] = None, *, since_ms: Optional[int] = None, until_ms: Optional[int] = None
    ) -> Record:
        """What was spent, in all and by `model`, `vendor`, `endpoint`, `tier`, `day`, `tag:NAME` ..."""
        made: Record = record(self._handle.report(_query(by, since_ms, until_ms)))
        return made

    def attempts(self, *, after: int = 0, limit: int = 1000) -> List[Record]:
        """The ledger's attempts, oldest first."""
        made: List[Record] = record(self._handle.attempts(json.dumps({"after": after, "limit": limit})))
        return made

    def close(self) -> None:
        """Writes what is queued to the ledger and closes it."""
        self._handle.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


def _settle(future: Any, value: Any, error: Optional[BaseException]) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


async def _run(start: Callable[[Callable[[Any, Optional[BaseException]], None]], Any]) -> Any:
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


class AsyncStream:
    """An answer piece by piece, for `async for`."""

    def __init__(self, native: NativeStream) -> None:
        self._native = native

    def __aiter__(self) -> AsyncIterator[Record]:
        return self

    async def __anext__(self) -> Record:
        piece = await _run(self._native.start_next)
        if piece is None:
            raise StopAsyncIteration
        made: Record = record(piece)
        return made

    @property
    def response(self) -> Optional[Record]:
        """The whole answer, after the last piece."""
        text = self._native.response()
        return None if text is None else record(text)

    async def close(self) -> None:
        """Cancels the call; what was delivered is settled."""
        self._native.close()

    async def __aenter__(self) -> "AsyncStream":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._native.close()


class _AsyncCompletions:
    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    async def create(
        self, *, messages: Iterable[Mapping[str, Any]], model: str = "auto", stream: bool = False, **fields: Any
    ) -> Any:
        """As `openai.AsyncOpenAI().chat.completions.create`: a completion, or an `AsyncStream` of chunks."""
        body = _body(model, messages, fields)
        if stream:
            return AsyncStream(await _run(lambda done: self._handle.start_chat_stream(body, done)))
        return record(await _run(lambda done: self._handle.start_chat(body, done)))


class AsyncClient(_Common):
    """An asynchronous client for asyncio and uvloop; settings as for `Client`."""

    def __init__(
        self,
        config: Settings = None,
        *,
        keys: Optional[Mapping[str, str]] = None,
        environment: Optional[bool] = None,
        **settings: Any,
    ) -> None:
        self._handle = _open(config, keys, environment, settings)
        self.chat = _Chat(_AsyncCompletions(self._handle))

    async def close(self) -> None:
        """Writes what is queued to the ledger and closes it."""
        self._handle.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._handle.close()
