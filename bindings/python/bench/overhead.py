"""What a call costs in processor time, beside what people use today, in one run against one server on loopback.

    pip install tierway openai litellm tensorzero
    cargo build --release --manifest-path bench/Cargo.toml
    python bindings/python/bench/overhead.py [--json] [--calls N] [--only calls|async|imports]

The server is a process of its own, so that the time is the client's alone: all its threads, the native ones included. Of five
rounds taken in turns the least counts. A call is 375 characters asked in OpenAI's shape, answered at once; Tierway's holds the
decision and a ledger in memory besides; TensorZero runs embedded, its observability off. Imports
are measured in fresh interpreters, above what a bare one takes.
"""

import argparse
import asyncio
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
ROUNDS = 5
CHUNKS = 100
PROMPT = (
    "A customer writes that the parcel with order number 48213 arrived two days late and that one of the three cups inside is "
    "broken. She is polite, has bought from us eleven times, and asks whether we can send a new cup before her mother's birthday "
    "on Saturday. Please write a short, friendly answer that apologises, promises a replacement by Friday and offers free delivery."
)
ASK = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": 400}
ROWS = {
    "vendor": "bench",
    "endpoints": [{"id": "bench", "api": "chat_completions", "base_url": "URL", "region": "us", "auth": "bearer"}],
    "models": [
        {
            "id": "bench/bench-model",
            "family": "bench-model",
            "tier": "economy",
            "context_window": 128000,
            "max_output": 16000,
            "capabilities": ["tools", "json_mode", "streaming"],
            "source": "made up for the benchmark",
            "date": "2026-01-01",
            "prices": [{"rates": {"input": "0.10", "output": "0.40"}}],
        }
    ],
}
# Microseconds of processor time; None where there is no bar.
BARS = {("call", "tierway"): 120, ("async call", "tierway"): 250, ("chunk", "tierway"): 20}


def cpu():
    """Processor time of this process in microseconds, all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e6


def least(count, *calls):
    """The least processor time of a call, for each of `calls`, which are taken in turns."""
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for at, call in enumerate(calls):
            for _ in range(max(count // 10, 1)):
                call()
            before = cpu()
            for _ in range(count):
                call()
            best[at] = min(best[at], (cpu() - before) / count)
    return best


async def least_async(count, at_once, *calls):
    """The same for coroutines, so many at a time."""
    best = [float("inf")] * len(calls)

    async def run(call, calls_left):
        while calls_left:
            calls_left.pop()
            await call()

    for _ in range(ROUNDS):
        for at, call in enumerate(calls):
            await asyncio.gather(*(call() for _ in range(at_once)))
            left, before = [None] * count, cpu()
            await asyncio.gather(*(run(call, left) for _ in range(at_once)))
            best[at] = min(best[at], (cpu() - before) / count)
    return best


TENSORZERO = """
[gateway]
observability.enabled = false
[models.bench]
routing = ["bench"]
[models.bench.providers.bench]
type = "openai"
api_base = "URL/"
model_name = "bench-model"
api_key_location = "none"
"""
TENSORZERO_ASK = {"model_name": "bench", "input": {"messages": ASK["messages"]}, "params": {"chat_completion": {"max_tokens": 400}}}


def tensorzero_file(url):
    path = pathlib.Path(tempfile.mkdtemp()) / "tensorzero.toml"
    path.write_text(TENSORZERO.replace("URL", url))
    return str(path)


def tierway_settings(url):
    rows = json.loads(json.dumps(ROWS).replace("URL", url))
    return {"keys": {"bench": "sk-bench"}, "catalog": {"only_files": True}, "rows": [rows]}


def peers(url):
    """Blocking calls by name: whole answers, and streams read to their end."""
    import httpx
    import litellm
    import openai
    import tensorzero
    import tierway

    own = tierway.Client(**tierway_settings(url))
    official = openai.OpenAI(base_url=url, api_key="sk-bench")
    bare = httpx.Client()
    zero = tensorzero.TensorZeroGateway.build_embedded(config_file=tensorzero_file(url))
    litellm.suppress_debug_info = True
    lite = {"model": "openai/bench-model", "api_base": url, "api_key": "sk-bench", **ASK}

    def read(stream):
        return sum(len(chunk.choices[0].delta.content or "") for chunk in stream if chunk.choices)

    def bare_call():
        reply = bare.post(f"{url}/chat/completions", json={"model": "bench-model", **ASK}).json()
        return len(reply["choices"][0]["message"]["content"])

    whole = {
        "tierway": lambda: own.chat.completions.create(**ASK).choices[0].message.content,
        "httpx": bare_call,
        "openai": lambda: official.chat.completions.create(model="bench-model", **ASK).choices[0].message.content,
        "litellm": lambda: litellm.completion(**lite).choices[0].message.content,
        "tensorzero": lambda: zero.inference(**TENSORZERO_ASK).content[0].text,
    }
    streams = {
        "tierway": lambda: read(own.chat.completions.create(stream=True, **ASK)),
        "openai": lambda: read(official.chat.completions.create(model="bench-model", stream=True, **ASK)),
        "litellm": lambda: read(litellm.completion(stream=True, **lite)),
        "tensorzero": lambda: sum(len(c.text or "") for d in zero.inference(stream=True, **TENSORZERO_ASK) for c in d.content),
    }
    return whole, streams


async def async_peers(url, count):
    import litellm
    import openai
    import tensorzero
    import tierway

    zero = await tensorzero.AsyncTensorZeroGateway.build_embedded(config_file=tensorzero_file(url), async_setup=True)
    own = tierway.AsyncClient(**tierway_settings(url))
    official = openai.AsyncOpenAI(base_url=url, api_key="sk-bench")
    lite = {"model": "openai/bench-model", "api_base": url, "api_key": "sk-bench", **ASK}
    calls = {
        "tierway": lambda: own.chat.completions.create(**ASK),
        "openai": lambda: official.chat.completions.create(model="bench-model", **ASK),
        "litellm": lambda: litellm.acompletion(**lite),
        "tensorzero": lambda: zero.inference(**TENSORZERO_ASK),
    }
    found = {}
    for at_once in (1, 32):
        taken = await least_async(count, at_once, *calls.values())
        what = "async call" if at_once == 1 else f"async call, {at_once} at once"
        found.update({(what, name): us for name, us in zip(calls, taken)})
    return found


def imports():
    """Processor time of an import in milliseconds, above a bare interpreter's: the least of five, all modules compiled."""

    def run(code):
        best = float("inf")
        for _ in range(ROUNDS):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "true"})
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return best * 1e3

    bare = run("pass")
    return {("import", name): run(f"import {name}") - bare for name in ("tierway", "openai", "litellm", "tensorzero")}


def measure(url, options):
    """Microseconds by what was done and with what; imports in milliseconds."""
    taken = {}
    if options.only in (None, "calls"):
        whole, streams = peers(url)
        taken = {("call", name): us for name, us in zip(whole, least(options.calls, *whole.values()))}
        for name, us in zip(streams, least(max(options.calls // 20, 1), *streams.values())):
            # What a stream takes beyond a whole answer, shared among its chunks.
            taken[("chunk", name)] = (us - taken[("call", name)]) / CHUNKS
            taken[("stream of 100 chunks", name)] = us
    if options.only in (None, "async"):
        taken.update(asyncio.run(async_peers(url, options.calls)))
    if options.only in (None, "imports"):
        taken.update(imports())
    return taken


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--server", default=str(ROOT / "bench" / "target" / "release" / "tierway-bench"))
    options.add_argument("--json", action="store_true")
    options.add_argument("--calls", type=int, default=1000, help="calls of each client in each of the five rounds")
    options.add_argument("--only", choices=("calls", "async", "imports"), help="one part, on a machine that is lent for a minute")
    options = options.parse_args()
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"
    server = subprocess.Popen([options.server, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        taken = measure(url, options)
    finally:
        server.kill()
    if options.json:
        print(json.dumps([{"what": what, "with": name, "taken": value} for (what, name), value in taken.items()]))
        return
    for (what, name), value in taken.items():
        unit = "ms" if what == "import" else "µs"
        bar = BARS.get((what, name)) or (150 if (what, name) == ("import", "tierway") else None)
        said = "" if bar is None else f"   bar {bar}: {'met' if value <= bar else 'missed'}"
        print(f"{what:<26}{name:<10}{value:>10.1f} {unit}{said}")


if __name__ == "__main__":
    main()
