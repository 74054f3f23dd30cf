"""A house catalogue and a vendor server on loopback, inside the client: builds for tests script both by settings."""

import os
import signal
import time

ROWS = {
    "vendor": "house",
    "endpoints": [
        {"id": "house", "api": "chat_completions", "base_url": "http://localhost/v1", "region": "us", "auth": "bearer"}
    ],
    "models": [
        {
            "id": "house/small",
            "family": "small",
            "tier": "economy",
            "context_window": 65536,
            "max_output": 4096,
            "capabilities": ["tools", "json_mode", "streaming"],
            "source": "made up for tests",
            "date": "2026-01-01",
            "prices": [{"rates": {"input": "1", "output": "4"}}],
        }
    ],
}


def answer(text="Rayleigh scattering does it.", **more):
    return {"reply": {"parts": [{"type": "text", "text": text}], "usage": {"input": 100, "output": 10}}, **more}


def settings(*answers, **more):
    rules = [{"times": 1, "answer": one} for one in answers[:-1]] + [{"answer": answers[-1]}]
    return {
        "keys": {"house": "sk-canary"},
        "catalog": {"only_files": True},
        "rows": [ROWS],
        "testing": {"loopback": rules},
        **more,
    }


ASK = [{"role": "user", "content": "Why is the sky blue?"}]
# 100 tokens at 1 dollar a million and 10 at 4: 0.0001 + 0.00004.
COST = "0.00014"

# How often to look whether something has come to pass: for ten seconds, which are longer on a machine that is busy or stood
# still, since looks are counted and not the time.
LOOKS = 2000
EVERY = 0.005
# How many seconds are given to what takes a few milliseconds. What hangs here does so for a minute at least.
PATIENCE = 30


def eventually(what, holds):
    """Waits for something."""
    for _ in range(LOOKS):
        if holds():
            return
        time.sleep(EVERY)
    raise AssertionError(f"not in time: {what()}")


def balanced(client, attempts):
    """Waits until every attempt has ended."""

    def total():
        return client.report().total

    eventually(total, lambda: (total().attempts, total().held) == (attempts, 0))


def forked(work):
    """What `work` returns in a forked child, as the child's exit code; 1 where it raises."""
    child = os.fork()
    if child == 0:
        # Whatever happens, the child does not go on with the tests.
        code = 1
        try:
            code = work()
        finally:
            os._exit(code)
    ended = []

    def has_ended():
        ended[:] = os.waitpid(child, os.WNOHANG)
        return ended[0] != 0

    try:
        eventually(lambda: "the child ends", has_ended)
    except AssertionError:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    return os.waitstatus_to_exitcode(ended[1])
