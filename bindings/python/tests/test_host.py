"""Providers and checks that are written in Python, blocking and asynchronous."""

import asyncio
import logging
import threading

import pytest
import tierway
from conftest import ASK, COST, LOOKS, PATIENCE, ROWS, balanced, settings

USAGE = {"input": 100, "output": 10}
TEXT = "Rayleigh scattering does it."


def own(provider, **more):
    return {**settings({}), "testing": {}, "providers": {"house": provider}, **more}


def text_of(stream):
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


class Blocking:
    def __init__(self):
        self.calls = []

    def chat(self, call):
        self.calls.append((call.model, call.endpoint, threading.current_thread().name))
        return {"text": TEXT, "usage": USAGE}

    def stream(self, call):
        yield "Rayleigh "
        yield {"type": "text", "part": 0, "text": "scattering does it."}
        yield {"type": "usage", "usage": USAGE}


class Asynchronous:
    async def chat(self, call):
        await asyncio.sleep(0)
        return {"text": TEXT, "usage": USAGE}

    async def stream(self, call):
        for word in ["Rayleigh ", "scattering ", "does it."]:
            await asyncio.sleep(0)
            yield word
        yield {"type": "usage", "usage": USAGE}


def plain(call):
    return {"text": TEXT, "usage": USAGE}


@pytest.mark.parametrize("provider", [Blocking(), Asynchronous(), plain], ids=["blocking", "asynchronous", "function"])
def test_a_provider_answers_whole_and_streamed(provider):
    with tierway.Client(**own(provider)) as client:
        assert client.chat.completions.create(messages=ASK).tierway.cost == COST
        stream = client.chat.completions.create(messages=ASK, stream=True)
        assert text_of(stream) == TEXT
        assert stream.response.tierway.cost == COST
        balanced(client, 2)


@pytest.mark.parametrize("provider", [Blocking(), Asynchronous(), plain], ids=["blocking", "asynchronous", "function"])
def test_a_provider_answers_asynchronous_clients(provider):
    async def run():
        async with tierway.AsyncClient(**own(provider)) as client:
            asked = [client.chat.completions.create(messages=ASK) for _ in range(30)]
            return {reply.tierway.cost for reply in await asyncio.gather(*asked)}

    assert asyncio.run(run()) == {COST}


def test_a_slow_blocking_provider_holds_up_nobody_else():
    # Each waits for all the others: they meet only where none has to end before another begins.
    meeting = threading.Barrier(8, timeout=PATIENCE)

    def slow(call):
        meeting.wait()
        return TEXT

    async def run():
        async with tierway.AsyncClient(**own(slow, retry={"attempts_max": 1})) as client:
            await asyncio.gather(*(client.chat.completions.create(messages=ASK) for _ in range(8)))

    asyncio.run(run())


def test_what_a_provider_raises_is_typed_and_quotes_nothing(caplog):
    def limited(call):
        raise tierway.ProviderFault("slow down", kind="rate_limited", status=429, retry_after=0.007)

    with tierway.Client(**own(limited, retry={"attempts_max": 1})) as client:
        with pytest.raises(tierway.RateLimitError) as caught:
            client.chat.completions.create(messages=ASK)
        assert (caught.value.status, caught.value.retry_after) == (429, 0.007)

    def broken(call):
        raise KeyError("the sky is a canary")

    with tierway.Client(**own(broken, retry={"attempts_max": 1})) as client:
        with pytest.raises(tierway.ProviderError) as caught:
            client.chat.completions.create(messages=ASK)
        assert "KeyError" in str(caught.value) and "canary" not in str(caught.value)
    with pytest.raises(TypeError):
        tierway.Client(**own(7))


def test_a_providers_stream_is_closed_where_its_reader_leaves():
    closed = threading.Event()

    class Endless:
        def chat(self, call):
            return TEXT

        async def stream(self, call):
            try:
                while True:
                    yield "more "
                    await asyncio.sleep(0.005)
            finally:
                closed.set()

    with tierway.Client(**own(Endless())) as client:
        with client.chat.completions.create(messages=ASK, stream=True) as stream:
            next(stream)
            next(stream)
        assert closed.wait(PATIENCE)
        balanced(client, 1)


def test_what_is_no_reply_is_an_error_in_a_stream_too():
    with tierway.Client(**own(lambda call: None, retry={"attempts_max": 1})) as client:
        # It is not waited for until the limit of two minutes, whose error is another.
        with pytest.raises(tierway.ProviderError) as caught:
            list(client.chat.completions.create(messages=ASK, stream=True))
        assert "AttributeError" in str(caught.value)
        balanced(client, 1)


def test_a_call_that_panics_has_failed():
    turns = [{"panic": {"text": TEXT, "usage": USAGE}, "pieces": 0}]
    broken = {**settings({}), "testing": {"providers": {"house": turns}}}
    with tierway.Client(**broken) as client:
        with pytest.raises(tierway.TierwayError, match="please report it") as blocking:
            client.chat.completions.create(messages=ASK)
        assert (type(blocking.value), blocking.value.code) == (tierway.TierwayError, "internal")
        balanced(client, 1)

    async def run():
        async with tierway.AsyncClient(**broken) as client:
            for stream in (False, True):
                with pytest.raises(tierway.TierwayError) as failed:
                    await asyncio.wait_for(client.chat.completions.create(messages=ASK, stream=stream), 5)
                assert failed.value.code == "internal"
            assert (await client.report()).total.held == 0

    asyncio.run(run())


def test_a_stream_that_is_opened_too_late_is_closed():
    begun, given_up, closed = threading.Event(), threading.Event(), threading.Event()

    class Pieces:
        def __iter__(self):
            return self

        def __next__(self):
            raise StopIteration

        def close(self):
            closed.set()

    class Slow:
        def chat(self, call):
            return TEXT

        def stream(self, call):
            begun.set()
            assert given_up.wait(PATIENCE)
            return Pieces()

    limits = {"timeouts": {"first_byte_ms": 50}, "retry": {"attempts_max": 1}}
    with tierway.Client(**own(Slow(), **limits)) as client:
        asked = 0
        # On a busy machine one is given up before its thread has begun: it is never opened.
        while not begun.is_set() and asked < LOOKS:
            asked += 1
            with pytest.raises(tierway.TierwayError):
                next(client.chat.completions.create(messages=ASK, stream=True))
        given_up.set()
        assert closed.wait(PATIENCE)
        balanced(client, asked)


@pytest.mark.parametrize("stream", [False, True])
def test_a_task_that_is_cancelled_cancels_the_providers(stream):
    begun, cancelled = threading.Event(), threading.Event()

    async def forever(call):
        begun.set()
        try:
            await asyncio.sleep(10 * PATIENCE)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def run():
        async with tierway.AsyncClient(**own(forever)) as client:
            task = asyncio.ensure_future(client.chat.completions.create(messages=ASK, stream=stream))
            assert await asyncio.to_thread(begun.wait, PATIENCE)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    assert cancelled.wait(PATIENCE)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_check_sends_the_request_to_a_better_model(is_async):
    strong = {**ROWS["models"][0], "id": "house/strong", "family": "strong", "tier": "frontier",
              "prices": [{"rates": {"input": "10", "output": "40"}}]}
    rows = [{**ROWS, "models": [*ROWS["models"], strong]}]

    def answers(call):
        return "right" if call.model == "strong" else "wrong"

    def judge(request, reply):
        assert request.messages[0].role == "user"
        return None if reply.parts[0].text == "right" else "it is wrong"

    async def judge_later(request, reply):
        return judge(request, reply)

    router = {"quality": 0.01, "models": ["house/small", "house/strong"]}
    check = judge_later if is_async else judge
    with tierway.Client(**own(answers, rows=rows, router=router, checks=[check])) as client:
        reply = client.chat.completions.create(messages=ASK)
        assert reply.choices[0].message.content == "right"
        assert [attempt.outcome for attempt in reply.tierway.route.attempts] == ["fell_short", "answered"]


def test_the_log_says_what_came_of_a_call_and_not_what_was_asked(caplog):
    with caplog.at_level(logging.DEBUG, "tierway"), tierway.Client(**own(plain)) as client:
        client.chat.completions.create(messages=ASK)
        with pytest.raises(tierway.RefusedError):
            client.chat.completions.create(model="house/none", messages=ASK)
    said = [(line.levelname, line.getMessage()) for line in caplog.records if line.name == "tierway"]
    assert said[0] == ("DEBUG", f"house/small at house answered for {COST}")
    assert said[1][0] == "WARNING" and said[1][1].startswith("refused")
    assert "sky" not in caplog.text and "Rayleigh" not in caplog.text
