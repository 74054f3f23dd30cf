#!/usr/bin/env python3
"""What is shipped to phones, asked through uniffi's Python side: it answers, and whatever a host's callback does it stays alive.

    shipped.py FOLDER

FOLDER holds the generated tierway_mobile.py beside the stripped library.
"""

import asyncio
import json
import sys

sys.path.insert(0, sys.argv[1])

import tierway_mobile as native  # noqa: E402

REQUEST = json.dumps({"messages": [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}]})
TRY = native.OfflinePlan(mode=native.OfflineMode.TRY, outbox=None)
ROWS = {
    "vendor": "house",
    "endpoints": [{"id": "house", "api": "engine", "base_url": "", "region": "local", "auth": "none", "self_hosted": True}],
    "models": [{
        "id": "house/brain", "family": "brain", "tier": "local", "context_window": 8192, "max_output": 1024,
        "capabilities": ["streaming"], "source": "ours", "date": "2026-01-01",
        "prices": [{"rates": {"input": "0.1", "output": 0.2}}],
    }],
}


class House(native.HostProvider):
    """Answers, or breaks in a way that no interface foresees."""

    breaks = False

    async def chat(self, call):
        if self.breaks:
            raise RuntimeError("the callback broke")
        return json.dumps({"text": "hello", "usage": {"input": 9, "output": 1}})

    async def begin(self, stream, call):
        raise RuntimeError("the callback broke")

    async def next(self, stream):
        return None

    def end(self, stream):
        raise RuntimeError("the callback broke")


class Broken(native.HostTransport):
    """A transport that breaks at once."""

    async def begin(self, body, request):
        raise RuntimeError("the callback broke")

    async def read(self, body):
        raise RuntimeError("the callback broke")

    def end(self, body):
        raise RuntimeError("the callback broke")


class Judge(native.HostCheck):
    """A check that breaks."""

    async def judge(self, request, reply):
        raise RuntimeError("the callback broke")


async def expect(want, work):
    try:
        await work
        found = "none"
    except native.CoreError as error:
        found = json.loads(error.facts)["code"]
    assert found == want, f"wanted {want}, got {found}"


def core(settings, providers, checks=(), transport=None):
    return native.Core(json.dumps({"keys": {}, **settings}), providers, list(checks), transport, TRY)


async def main():
    # Callbacks come on the library's own thread.
    native.uniffi_set_event_loop(asyncio.get_running_loop())
    house = House()
    own = {"rows": [ROWS], "router": {"endpoints": ["house"]}, "retry": {"deadline_ms": 60_000, "attempts_max": 1}}
    client = core(own, {"house": house})
    answer = json.loads(await client.send(REQUEST, None))
    assert answer["reply"]["parts"][0]["text"] == "hello", answer
    assert len(json.loads(client.models())) > 400, "the built-in rows are there"
    house.breaks = True
    await expect("server", client.send(REQUEST, None))
    await expect("server", client.stream(REQUEST).open(None))
    house.breaks = False
    await expect("none", core(own, {"house": house}, [Judge()]).send(REQUEST, None))
    vendor = {"keys": {"openai": "sk-canary"}, "retry": {"deadline_ms": 60_000, "attempts_max": 1}}
    await expect("network", core(vendor, {}, (), Broken()).send(REQUEST, None))
    await expect("none", client.send(REQUEST, None))
    await expect("invalid_request", client.send('{"messages": 7}', None))
    zoned = {"budgets": [{"name": "day", "usd": "1", "window": "day", "zone": "Europe/Berlin"}]}
    await expect("none", core({**own, **zoned}, {"house": house}).send(REQUEST, None))
    report = json.loads(await client.report("{}"))
    assert report["total"]["held"] in (0, "0"), report
    await client.shut()


asyncio.run(main())
