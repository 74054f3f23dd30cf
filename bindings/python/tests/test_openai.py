"""The official client over the in-process transport."""

import asyncio

import openai
import pytest
import tierway
from conftest import ASK, COST, answer, settings
from tierway.openai import AsyncOpenAI, OpenAI

TEXT = "Rayleigh scattering does it."


def test_a_reply_and_its_cost():
    client = OpenAI(tierway.Client(**settings(answer())))
    reply = client.chat.completions.create(model="auto", messages=ASK, max_tokens=50)
    assert isinstance(reply, openai.types.chat.ChatCompletion)
    assert (reply.choices[0].message.content, reply.usage.total_tokens) == (TEXT, 110)
    assert reply.model_extra["tierway"]["cost"] == COST


def test_a_stream():
    client = OpenAI(tierway.Client(**settings(answer())))
    with client.chat.completions.create(model="auto", messages=ASK, stream=True) as stream:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == TEXT


def test_a_stream_that_is_left_settles():
    own = tierway.Client(**settings(answer(pace={"between_ms": 200, "piece_chars": 4})))
    with OpenAI(own).chat.completions.create(model="auto", messages=ASK, stream=True) as stream:
        next(iter(stream))
    from test_client import balanced

    balanced(own, 1)


def test_async_whole_and_streamed():
    async def run():
        client = AsyncOpenAI(tierway.AsyncClient(**settings(answer())))
        reply = await client.chat.completions.create(model="auto", messages=ASK)
        assert reply.choices[0].message.content == TEXT
        text = ""
        async for chunk in await client.chat.completions.create(model="auto", messages=ASK, stream=True):
            text += chunk.choices[0].delta.content or ""
        return text

    assert asyncio.run(run()) == TEXT


def test_errors_are_the_clients_own_classes_and_are_not_retried():
    own = tierway.Client(**settings(answer(fault={"kind": "status", "status": 401})))
    with pytest.raises(openai.AuthenticationError) as caught:
        OpenAI(own).chat.completions.create(model="auto", messages=ASK)
    assert caught.value.code == "auth"
    assert own.report().total.attempts == 1
    with pytest.raises(openai.BadRequestError):
        OpenAI(own).chat.completions.create(model="auto", messages=[])
    with pytest.raises(openai.PermissionDeniedError) as caught:
        OpenAI(own).chat.completions.create(model="house/none", messages=ASK)
    assert caught.value.code == "refused"
    with pytest.raises(openai.NotFoundError):
        OpenAI(own).embeddings.create(model="x", input="y")


def test_the_models_that_can_be_called():
    client = OpenAI(tierway.Client(**settings(answer())))
    assert [model.id for model in client.models.list()] == ["auto", "house/small"]
