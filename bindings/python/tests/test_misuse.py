"""Two hundred ways to leave in the midst of it: each ends in an error or cleanly, and the account is balanced.
Where one leaves is drawn from the seed in the test's name."""

import asyncio
import gc
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
import tierway
from conftest import ASK, EVERY, LOOKS, PATIENCE, answer, balanced, eventually, forked, settings

SLOW = answer(pace={"before_ms": 4, "between_ms": 6, "piece_chars": 3})


def quick(begun):
    assert time.monotonic() - begun < PATIENCE


@pytest.mark.parametrize("seed", range(60))
def test_a_task_is_cancelled_at_a_random_point(seed):
    draw = random.Random(seed)
    stream = draw.random() < 0.7

    async def work(client):
        made = await client.chat.completions.create(messages=ASK, stream=stream)
        if stream:
            async for _ in made:
                pass

    async def run():
        client = tierway.AsyncClient(**settings(SLOW))
        task = asyncio.ensure_future(work(client))
        await asyncio.sleep(draw.random() * 0.08)
        begun = time.monotonic()
        task.cancel()
        try:
            await task
        except (asyncio.CancelledError, tierway.TierwayError):
            pass
        quick(begun)
        for _ in range(LOOKS):
            total = (await client.report()).total
            if not total.held:
                break
            await asyncio.sleep(EVERY)
        assert not total.held and total.attempts <= 1, total

    asyncio.run(run())


@pytest.mark.parametrize("seed", range(40))
def test_a_stream_is_collected_half_way(seed):
    draw = random.Random(seed + 1000)
    with tierway.Client(**settings(SLOW)) as client:
        stream = client.chat.completions.create(messages=ASK, stream=True)
        for _ in range(draw.randrange(5)):
            next(stream)
        if draw.random() < 0.5:
            # In a cycle, so that only the collector finds it.
            cycle = [stream]
            cycle.append(cycle)
            del cycle
        del stream
        gc.collect()
        balanced(client, 1)


@pytest.mark.parametrize("seed", range(40))
def test_threads_read_and_close_one_stream(seed):
    draw = random.Random(seed + 2000)
    with tierway.Client(**settings(SLOW)) as client:
        stream = client.chat.completions.create(messages=ASK, stream=True)
        readers = [threading.Thread(target=lambda: list(stream)) for _ in range(1 + draw.randrange(3))]
        for reader in readers:
            reader.start()
        time.sleep(draw.random() * 0.06)
        begun = time.monotonic()
        stream.close()
        for reader in readers:
            reader.join(PATIENCE)
            assert not reader.is_alive()
        quick(begun)
        balanced(client, 1)


LEAVING = """
import json, os, signal, sys, threading, time
import tierway
given = json.loads(sys.argv[1])
client = tierway.Client(**given["settings"])
stream = client.chat.completions.create(messages=given["ask"], stream=True)
next(stream)
def more():
    try:
        client.chat.completions.create(messages=given["ask"])
    except tierway.TierwayError:
        pass
threading.Thread(target=more, daemon=True).start()
threading.Thread(target=lambda: list(stream), daemon=True).start()
time.sleep(given["after"])
print("leaving", flush=True)
if given["how"] == "return":
    pass
elif given["how"] == "exit":
    sys.exit(7)
elif given["how"] == "raise":
    raise RuntimeError("left")
elif given["how"] == "at_once":
    os._exit(7)
else:
    os.kill(os.getpid(), signal.SIGTERM)
"""
ENDS = {"return": 0, "exit": 7, "raise": 1, "at_once": 7, "signal": -signal.SIGTERM}


def accounted(path):
    """Every attempt is in the file, settled or held, never lost."""
    with tierway.Client(**settings(SLOW, ledger={"path": str(path)})) as client:
        eventually(lambda: "the attempts are in the file", lambda: client.report().total.attempts >= 1)


@pytest.mark.parametrize("seed", range(30))
def test_the_interpreter_ends_in_the_midst_of_a_stream(seed, tmp_path):
    draw = random.Random(seed + 3000)
    how = list(ENDS)[seed % len(ENDS)]
    path = tmp_path / "spend.db"
    given = {"settings": settings(SLOW, ledger={"path": str(path)}), "ask": ASK, "how": how, "after": draw.random() * 0.05}
    child = subprocess.Popen([sys.executable, "-c", LEAVING, json.dumps(given)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "leaving\n"
    begun = time.monotonic()
    _, said = child.communicate(timeout=60)
    quick(begun)
    assert child.returncode == ENDS[how], said
    assert "panicked" not in said and "Fatal" not in said, said
    accounted(path)


LEAVING_A_LOOP = """
import asyncio, json, sys, threading
import tierway
given = json.loads(sys.argv[1])
def house(call):
    return {"text": "hello", "usage": {"input": 9, "output": 1}}
own = {"house": house} if given["own"] else {}
def keep_asking(client):
    while True:
        client.chat.completions.create(messages=given["ask"])
async def main():
    client = tierway.AsyncClient(**given["settings"], providers=own)
    async for _ in await client.chat.completions.create(messages=given["ask"], stream=True):
        pass
    for _ in range(5):
        await client.chat.completions.create(messages=given["ask"])
    if given["own"]:
        blocking = tierway.Client(**given["settings"], providers=own)
        threading.Thread(target=keep_asking, args=[blocking], daemon=True).start()
        await asyncio.sleep(0.02)
asyncio.run(main())
"""


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("turn", range(5))
def test_the_interpreter_ends_right_after_its_last_call(own, turn):
    """The library's thread may be on its way into the interpreter just then."""
    asked = settings(answer())
    if own:
        asked = {"rows": asked["rows"], "catalog": asked["catalog"], "keys": {}}
    given = json.dumps({"settings": asked, "ask": ASK, "own": own})
    child = subprocess.run([sys.executable, "-c", LEAVING_A_LOOP, given], capture_output=True, text=True, timeout=60)
    assert child.returncode == 0, child.stderr
    assert "panicked" not in child.stderr and "Fatal" not in child.stderr, child.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("seed", range(30))
def test_a_fork_in_the_midst_of_a_stream(seed):
    draw = random.Random(seed + 4000)
    client = tierway.Client(**settings(SLOW))
    stream = client.chat.completions.create(messages=ASK, stream=True)
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    time.sleep(draw.random() * 0.05)

    def in_the_child():
        nonlocal stream, client
        code = 3
        try:
            next(stream)
        except tierway.ForkedError:
            with tierway.Client(**settings(answer())) as own:
                code = 0 if own.chat.completions.create(messages=ASK).tierway.cost else 2
        del stream, client
        gc.collect()
        return code

    assert forked(in_the_child) == 0
    reader.join(PATIENCE)
    assert not reader.is_alive()
    balanced(client, 1)
