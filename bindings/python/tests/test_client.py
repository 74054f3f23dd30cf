"""The client as a user of OpenAI's would use it, against a vendor server on loopback."""

import asyncio
import copy
import dataclasses
import gc
import json
import os
import pickle
import threading

import pytest
import tierway
from conftest import ASK, COST, PATIENCE, answer, balanced, eventually, forked, settings
from tierway.answers import DeltaStop, DeltaText, Explanation, PartText
from tierway.chat import ChatCompletion

STALL = {"fault": {"kind": "no_head"}}
SLOW = {"pace": {"between_ms": 200, "piece_chars": 4}}
QUOTA = {"fault": {"kind": "status", "status": 401}}


def test_a_reply_is_a_frozen_dataclass_and_costs_what_the_prices_say():
    with tierway.Client(**settings(answer())) as client:
        reply = client.chat.completions.create(model="auto", messages=ASK, max_tokens=50)
        assert reply.choices[0].message.content == "Rayleigh scattering does it."
        assert reply.choices[0].finish_reason == "stop"
        assert (reply.choices[0].message.tool_calls, reply.system_fingerprint) == (None, None)
        assert (reply.model, reply.tierway.cost) == ("house/small", COST)
        assert reply.usage.total_tokens == 110
        assert client.report(by=["model"]).groups[0].cost == COST
        with pytest.raises(dataclasses.FrozenInstanceError):
            reply.model = "other"
        with pytest.raises(AttributeError):
            reply.choises
        assert pickle.loads(pickle.dumps(reply)) == copy.deepcopy(reply) == reply
        assert dataclasses.replace(reply, model="other") != reply
        assert isinstance(reply, ChatCompletion) and repr(reply).startswith("ChatCompletion(id=")
        assert json.loads(reply.to_json()) == reply.model_dump() == reply.to_dict()
        assert reply.to_dict()["tierway"]["lines"][0]["class"] == reply.tierway.lines[0].class_
        assert dataclasses.asdict(reply)["usage"]["total_tokens"] == 110


def test_an_answer_may_be_sent_back_as_it_came():
    with tierway.Client(**settings(answer())) as client:
        said = client.chat.completions.create(messages=ASK).choices[0].message
        again = client.chat.completions.create(messages=[*ASK, said, {"role": "user", "content": "Sure?"}])
        assert again.choices[0].message == said
        with pytest.raises(TypeError):
            client.chat.completions.create(messages=[{"role": "user", "content": object()}])


def test_answers_of_our_own_form_are_dataclasses_at_any_depth():
    with tierway.Client(**settings(answer())) as client:
        asked = {"messages": [{"role": "user", "parts": [{"type": "text", "text": "Why?"}]}]}
        response = client.send(asked)
        assert response.reply.parts == (PartText("Rayleigh scattering does it."),)
        assert response.reply.parts[0].vendor == {} and response.reply.logprobs == ()
        assert response.lines[0].class_ == "input" and response.route.attempts[0].outcome == "answered"
        with pytest.raises(dataclasses.FrozenInstanceError):
            response.route.model = "other"
        whole = dataclasses.asdict(response)
        assert whole["reply"]["parts"][0]["text"] == "Rayleigh scattering does it."
        assert pickle.loads(pickle.dumps(response)) == response
        plan = client.route(asked)
        assert isinstance(plan, Explanation) and plan.candidates[0].role == "choice" and plan.aim.by == plan.to_dict()["aim"]["by"]
        deltas = list(client.stream(asked))
        assert {type(delta) for delta in deltas} >= {DeltaText, DeltaStop}
        assert [model.callable for model in client.models()] == [True]
        with pytest.raises(dataclasses.FrozenInstanceError):
            client.models()[0].tier = "local"


def test_chunks_add_up_to_the_reply_and_the_last_one_holds_the_cost():
    with tierway.Client(**settings(answer())) as client:
        with client.chat.completions.create(messages=ASK, stream=True) as stream:
            chunks = list(stream)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            assert text == "Rayleigh scattering does it."
            assert chunks[-1].choices[0].finish_reason == "stop"
            assert chunks[-1].tierway.cost == COST
            assert stream.response.choices[0].message.content == text
        chunks = list(client.chat.completions.create(messages=ASK, stream=True, stream_options={"include_usage": True}))
        assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 110


def test_marks_are_taken_once_and_are_learnt():
    with tierway.Client(**settings(answer())) as client:
        reply = client.chat.completions.create(messages=ASK)
        client.feedback(reply, 1)
        with pytest.raises(tierway.InvalidRequestError) as taken:
            client.feedback(reply, 0)
        assert (taken.value.code, taken.value.field) == ("unknown_answer", "id")
        with client.chat.completions.create(messages=ASK, stream=True) as stream:
            list(stream)
        client.feedback(stream, 0.5)
        own = client.send({"messages": [{"role": "user", "parts": [{"type": "text", "text": "Why?"}]}]})
        for mark in (-0.1, 1.1, float("nan")):
            with pytest.raises(tierway.InvalidRequestError):
                client.feedback(own, mark)
        client.feedback(own.id, 0.25)
        learnt = client.experience()
        assert list(learnt.overall) == ["house/small"]
        client.set_experience(None)
        assert client.experience().overall == {}
        client.set_experience(learnt)
        # A number that is read and written again may move its last digit.
        assert client.experience().overall["house/small"].marks == learnt.overall["house/small"].marks
        with pytest.raises(TypeError):
            client.feedback({"choices": []}, 1)

    async def run():
        async with tierway.AsyncClient(**settings(answer())) as client:
            reply = await client.chat.completions.create(messages=ASK)
            await client.feedback(reply, 1)
            assert list(client.experience().overall) == ["house/small"]
            with pytest.raises(tierway.InvalidRequestError):
                await client.feedback(reply, 1)

    asyncio.run(run())


def test_async_is_the_same():
    async def run():
        async with tierway.AsyncClient(**settings(answer())) as client:
            ask = client.chat.completions.create
            replies = await asyncio.gather(*(ask(messages=ASK) for _ in range(20)))
            assert {reply.tierway.cost for reply in replies} == {COST}
            async with await ask(messages=ASK, stream=True) as stream:
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(run()) == "Rayleigh scattering does it."


def test_errors_are_classes_with_facts_and_hold_no_key():
    with tierway.Client(**settings(answer(**QUOTA))) as client:
        with pytest.raises(tierway.AuthenticationError) as caught:
            client.chat.completions.create(messages=ASK)
        assert (caught.value.code, caught.value.status, caught.value.provider) == ("auth", 401, "house")
        assert "canary" not in str(caught.value) and "sky" not in str(caught.value)
        assert pickle.loads(pickle.dumps(caught.value)).code == "auth"
        with pytest.raises(tierway.InvalidRequestError):
            client.chat.completions.create(messages=[])
        with pytest.raises(tierway.RefusedError) as caught:
            client.chat.completions.create(model="house/other", messages=ASK)
        assert caught.value.refused["counts"]
    with pytest.raises(tierway.ConfigError) as caught:
        tierway.Client(keys={"nobody": "sk-canary"})
    assert caught.value.field == "keys.nobody" and "canary" not in str(caught.value)


def test_route_decides_without_a_call():
    with tierway.Client(**settings(answer())) as client:
        assert client.route(messages=ASK).candidates[0].model == "house/small"
        assert client.report().total.attempts == 0


def test_a_cancelled_task_settles():
    async def run(client):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.chat.completions.create(messages=ASK), 0.1)

    asynchronous = tierway.AsyncClient(**settings(answer(**STALL)))
    asyncio.run(run(asynchronous))

    def held():
        return json.loads(asynchronous._handle.report("{}"))["total"]["held"]

    eventually(held, lambda: not held())


@pytest.mark.parametrize("pieces", range(4))
@pytest.mark.parametrize("how", ["close", "collect", "thread"])
def test_a_stream_left_half_way_settles(pieces, how):
    with tierway.Client(**settings(answer(**SLOW))) as client:
        stream = client.chat.completions.create(messages=ASK, stream=True)
        for _ in range(pieces):
            next(stream)
        if how == "close":
            stream.close()
            assert list(stream) == []
        elif how == "collect":
            del stream
            gc.collect()
        else:
            reader = threading.Thread(target=lambda: list(stream))
            reader.start()
            stream.close()
            reader.join(PATIENCE)
            assert not reader.is_alive()
        balanced(client, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_is_refused_and_may_make_its_own():
    client = tierway.Client(**settings(answer()))
    client.chat.completions.create(messages=ASK)

    def in_the_child():
        try:
            client.chat.completions.create(messages=ASK)
        except tierway.ForkedError:
            with tierway.Client(**settings(answer())) as own:
                return 0 if own.chat.completions.create(messages=ASK).tierway.cost == COST else 2
        return 3

    assert forked(in_the_child) == 0
    balanced(client, 1)
