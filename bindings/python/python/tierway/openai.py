"""The official `openai` client over Tierway, inside this process: change the import, and `model` to `"auto"`.

    from tierway.openai import OpenAI          # was: from openai import OpenAI

    client = OpenAI()
    client.chat.completions.create(model="auto", messages=[...])

No socket is opened between the two: the client's HTTP library is given a transport that asks Tierway. Chat completions
and the list of models are served; everything else is answered with 404. Tierway has retried already, so the client is
told not to.
"""

from __future__ import annotations

import importlib
import json
from typing import Any, AsyncIterator, Dict, Iterator, List, Tuple

from ._client import AsyncClient, AsyncTunnel, Client, Tunnel
from ._errors import TierwayError
from ._streams import AsyncStream, Stream

__all__ = ["AsyncOpenAI", "OpenAI", "async_http_client", "http_client"]

# What a failure is in HTTP where no vendor's status says it.
_STATUS = {
    "invalid_request": 400,
    "refused": 403,
    "over_budget": 402,
    "auth": 401,
    "permission": 403,
    "not_found": 404,
    "rate_limited": 429,
    "quota": 429,
    "timeout": 504,
    "connect": 502,
    "network": 502,
    "tls": 502,
}


def _library() -> Any:
    """The HTTP library that the installed `openai` is made on: httpx, or httpx2 in later versions."""
    openai = importlib.import_module("openai")
    bases = [base.__module__.split(".")[0] for base in openai.DefaultHttpxClient.__mro__]
    return importlib.import_module(next(name for name in bases if name.startswith("httpx")))


def _failure(error: TierwayError) -> Tuple[int, List[Tuple[str, str]], bytes]:
    status = error.status or _STATUS.get(error.code, 500)
    headers = [("content-type", "application/json"), ("x-should-retry", "false")]
    if error.retry_after is not None:
        headers.append(("retry-after", str(error.retry_after)))
    if error.request_id is not None:
        headers.append(("x-request-id", error.request_id))
    return status, headers, json.dumps({"error": _told(error)}).encode()


def _told(error: TierwayError) -> Dict[str, Any]:
    return {"message": str(error), "type": "tierway_error", "code": error.code, "param": error.field}


def _models(client: Any) -> bytes:
    lines = [{"id": "auto", "object": "model", "created": 0, "owned_by": "tierway"}]
    lines += [
        {"id": model.id, "object": "model", "created": 0, "owned_by": model.vendor}
        for model in client.models()
        if model.callable
    ]
    return json.dumps({"object": "list", "data": lines}).encode()


_JSON = [("content-type", "application/json")]
_EVENTS = [("content-type", "text/event-stream; charset=utf-8")]
_END = b"data: [DONE]\n\n"


def _event(text: str) -> bytes:
    return b"data: " + text.encode() + b"\n\n"


def _asked(method: str, path: str) -> str:
    if method == "POST" and path.endswith("/chat/completions"):
        return "chat"
    return "models" if method == "GET" and path.endswith("/models") else ""


def _nothing(path: str) -> Tuple[int, List[Tuple[str, str]], bytes]:
    told = {"message": f"tierway serves chat completions and models, not {path}", "type": "tierway_error", "code": "not_found"}
    return 404, [*_JSON, ("x-should-retry", "false")], json.dumps({"error": told}).encode()


def _transport(library: Any, client: Client) -> Any:
    tunnel = Tunnel(client)

    class Events(library.SyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: "Stream[str, str]") -> None:
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            try:
                for text in tunnel.pieces(self._stream):
                    yield _event(text)
            except TierwayError as error:
                yield _event(json.dumps({"error": _told(error)}))
            yield _END

        def close(self) -> None:
            self._stream.close()

    class Transport(library.BaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            asked = _asked(request.method, request.url.path)
            if asked == "models":
                return library.Response(200, headers=_JSON, content=_models(client))
            if not asked:
                status, headers, body = _nothing(request.url.path)
                return library.Response(status, headers=headers, content=body)
            body = request.read()
            try:
                if _streams(body):
                    return library.Response(200, headers=_EVENTS, stream=Events(tunnel.stream(body.decode())))
                return library.Response(200, headers=_JSON, content=tunnel.chat(body.decode()).encode())
            except TierwayError as error:
                status, headers, body = _failure(error)
                return library.Response(status, headers=headers, content=body)

    return Transport()


def _async_transport(library: Any, client: AsyncClient) -> Any:
    tunnel = AsyncTunnel(client)

    class Events(library.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: "AsyncStream[str, str]") -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for text in tunnel.pieces(self._stream):
                    yield _event(text)
            except TierwayError as error:
                yield _event(json.dumps({"error": _told(error)}))
            yield _END

        async def aclose(self) -> None:
            await self._stream.close()

    class Transport(library.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            asked = _asked(request.method, request.url.path)
            if asked == "models":
                return library.Response(200, headers=_JSON, content=_models(client))
            if not asked:
                status, headers, body = _nothing(request.url.path)
                return library.Response(status, headers=headers, content=body)
            body = await request.aread()
            try:
                if _streams(body):
                    return library.Response(200, headers=_EVENTS, stream=Events(await tunnel.stream(body.decode())))
                return library.Response(200, headers=_JSON, content=(await tunnel.chat(body.decode())).encode())
            except TierwayError as error:
                status, headers, body = _failure(error)
                return library.Response(status, headers=headers, content=body)

    return Transport()


def _streams(body: bytes) -> bool:
    try:
        return json.loads(body).get("stream") is True
    except (ValueError, AttributeError):
        return False


def http_client(client: Client) -> Any:
    """What `openai.OpenAI(http_client=...)` takes: an HTTP client whose answers come from `client`."""
    library = _library()
    return library.Client(transport=_transport(library, client), base_url="http://tierway.invalid/v1")


def async_http_client(client: AsyncClient) -> Any:
    """What `openai.AsyncOpenAI(http_client=...)` takes."""
    library = _library()
    return library.AsyncClient(transport=_async_transport(library, client), base_url="http://tierway.invalid/v1")


def OpenAI(tierway: Any = None, **options: Any) -> Any:  # noqa: N802 - it stands where the class stood.
    """An `openai.OpenAI` over `tierway`, a client; or over one with keys from the environment."""
    openai = importlib.import_module("openai")
    given = {"api_key": "unused", "base_url": "http://tierway.invalid/v1", **options}
    return openai.OpenAI(http_client=http_client(tierway or Client()), **given)


def AsyncOpenAI(tierway: Any = None, **options: Any) -> Any:  # noqa: N802
    """An `openai.AsyncOpenAI` over `tierway`, an asynchronous client; or over one with keys from the environment."""
    openai = importlib.import_module("openai")
    given = {"api_key": "unused", "base_url": "http://tierway.invalid/v1", **options}
    return openai.AsyncOpenAI(http_client=async_http_client(tierway or AsyncClient()), **given)
