"""What a type checker says of answers: read by mypy, not run."""

from typing import List, Optional

from tierway import AsyncClient, Client
from tierway.answers import Delta, Response
from tierway.chat import ChatCompletion, ChatCompletionChunk
from typing_extensions import assert_type


def blocking(client: Client) -> None:
    reply = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "Why?"}])
    assert_type(reply, ChatCompletion)
    assert_type(reply.choices[0].message.content, Optional[str])
    with client.chat.completions.create(messages=[reply.choices[0].message], stream=True) as stream:
        assert_type(list(stream), List[ChatCompletionChunk])
        assert_type(stream.response, Optional[ChatCompletion])
    response = client.send({"messages": [{"role": "user", "parts": [{"type": "text", "text": "Why?"}]}]})
    assert_type(response.lines[0].class_, str)
    reply.model = "other"  # type: ignore[misc]


async def asynchronous(client: AsyncClient) -> None:
    assert_type(await client.chat.completions.create(messages=[]), ChatCompletion)
    stream = await client.stream({"messages": []})
    async for delta in stream:
        assert_type(delta, Delta)
        if delta.type == "text":
            assert_type(delta.text, str)
    assert_type(stream.response, Optional[Response])
