"""Writes the shared cases: `make.py` writes the files beside it, `make.py --check` compares them.

What a case expects is worked out here from the rules that the documentation states, with rational arithmetic and
code that shares nothing with the library; it is not what the library was seen to say.
"""

import json
import sys
from fractions import Fraction
from math import ceil
from pathlib import Path

HERE = Path(__file__).parent
PICO = 10**12

# The house: every model of the cases. Rates are dollars for a million tokens, or for one of a request and a search.
RATES = {
    "house/small": {"input": "1", "cached_read": "0.1", "cache_write_5m": "1.25", "cache_write_1h": "2", "output": "4"},
    "house/mid": {"input": "2.5", "cached_read": "0.25", "output": "10", "search": "0.01"},
    "house/large": {"input": "10", "cached_read": "1", "output": "40", "reasoning": "60"},
    "house/eu-small": {"input": "1.5", "output": "6"},
    "house/own": {"input": "0.1", "output": "0.2"},
    "house/fee": {"input": "3", "output": "9", "request": "0.005"},
    "house/odd": {"input": "0.0000013", "output": "0.333333"},
    "house/brief": {"input": "5", "output": "20"},
    "house/ears": {"input": "1", "cached_read": "0.5", "input_audio": "8", "output": "2", "output_audio": "16"},
}
TIERS = {
    "house/small": "economy",
    "house/mid": "standard",
    "house/large": "frontier",
    "house/eu-small": "economy",
    "house/own": "local",
    "house/fee": "standard",
    "house/odd": "economy",
    "house/brief": "standard",
    "house/ears": "economy",
}
CAN = ["tools", "json_mode", "streaming", "prompt_cache"]
CAPABILITIES = {
    "house/small": CAN,
    "house/mid": CAN + ["vision", "json_schema", "parallel_tools", "forced_tools", "logprobs", "candidates", "seed"],
    "house/large": CAN + ["vision", "json_schema", "parallel_tools", "forced_tools", "reasoning", "documents"],
    "house/eu-small": CAN,
    "house/own": ["streaming"],
    "house/fee": CAN,
    "house/odd": CAN,
    "house/brief": CAN,
    "house/ears": CAN + ["audio_input"],
}
PLACES = {
    "house/small": ["house"],
    "house/mid": ["house"],
    "house/large": ["house", "house-eu"],
    "house/eu-small": ["house-eu"],
    "house/own": ["own"],
    "house/fee": ["house"],
    "house/odd": ["house"],
    "house/brief": ["house"],
    "house/ears": ["house"],
}
# A window that a page fills.
SHORT = {"house/brief": {"context_window": 1000, "max_output": 500}}
# Formats that the loopback server speaks, each at an endpoint of its own.
FORMATS = {
    "chat_completions": "https://vendor.example/v1",
    "responses": "https://vendor.example/v1",
    "messages": "https://vendor.example",
    "generateContent": "https://vendor.example/v1beta",
    "converse": "https://vendor.example",
    "cohere_chat": "https://vendor.example",
    "ollama_chat": "http://vendor.example",
}
NOW_MS = 1_790_000_000_000
USER = [{"role": "user", "content": "Why is the sky blue?"}]
NATIVE = [{"role": "user", "parts": [{"type": "text", "text": "Why is the sky blue?"}]}]
SKY = "Rayleigh scattering does it."


# --- the oracle ---------------------------------------------------------------------------------------------------


def amount(quantity, rate, per):
    """A charge line in pico-dollars: rounded up once."""
    return ceil(Fraction(quantity) * Fraction(rate) * PICO / per)


def usd(pico):
    """An amount as the ledger writes it: the exact decimal without trailing zeros."""
    sign, pico = ("-", -pico) if pico < 0 else ("", pico)
    text = f"{pico // PICO}.{pico % PICO:012}".rstrip("0").rstrip(".")
    return sign + text


def cost(model, usage, factor="1"):
    """What a call costs, in pico-dollars. Parts lie inside their totals; a class without a rate costs what the whole does."""
    rates = RATES[model]

    def rate(name, whole):
        return Fraction(rates.get(name, rates[whole])) * Fraction(factor)

    get = lambda name: usage.get(name, 0)
    cached_audio = min(get("cached_audio"), get("cached_read"))
    heard = get("input_audio") - cached_audio
    plain = max(get("input") - get("cached_read") - get("cache_write_5m") - get("cache_write_1h") - heard, 0)
    total = amount(plain, rate("input", "input"), 10**6)
    total += amount(get("cached_read") - cached_audio, rate("cached_read", "input"), 10**6)
    total += amount(get("cache_write_5m"), rate("cache_write_5m", "input"), 10**6)
    total += amount(get("cache_write_1h"), rate("cache_write_1h", "input"), 10**6)
    total += amount(heard, rate("input_audio", "input"), 10**6)
    said = max(get("output") - get("reasoning") - get("output_audio"), 0)
    total += amount(said, rate("output", "output"), 10**6)
    total += amount(get("reasoning"), rate("reasoning", "output"), 10**6)
    total += amount(get("output_audio"), rate("output_audio", "output"), 10**6)
    if "request" in rates:
        total += amount(1, rates["request"], 1)
    if get("searches"):
        total += amount(get("searches"), rates["search"], 1)
    return total


# --- how cases are put together -------------------------------------------------------------------------------------


def model_row(model, **more):
    return {
        "id": model,
        "family": model.split("/")[1],
        "tier": TIERS[model],
        "context_window": 65536,
        "max_output": 4096,
        "capabilities": CAPABILITIES[model],
        "endpoints": PLACES[model],
        "source": "made up for these cases",
        "date": "2026-01-01",
        "prices": [{"rates": RATES[model]}],
        **more,
    }


def place(name, region, **more):
    return {"id": name, "api": "chat_completions", "base_url": "http://house.example/v1", "region": region,
            "auth": "bearer", **more}


HOUSE = {
    "vendor": "house",
    "endpoints": [
        place("house", "us"),
        place("house-eu", "eu-central-1"),
        place("own", "local", self_hosted=True, auth="none"),
    ],
    "models": [model_row(model, **SHORT.get(model, {})) for model in RATES],
}
BASE = {
    "environment": False,
    "keys": {"house": "sk-canary-1", "house-eu": "sk-canary-2"},
    "catalog": {"only_files": True},
    "rows": [HOUSE],
    "router": {"endpoints": ["own"]},
}
FILES = {}
ABOUT = {}


def case(file, name, calls, *, settings=None, opened=None, report=None, held=False):
    found = FILES.setdefault(file, [])
    assert all(other["name"] != name for other in found), name
    whole = {"name": name, "settings": settings or {}}
    if opened is not None:
        whole["open"] = opened
    whole["calls"] = calls
    if report is not None:
        whole["report"] = report
    if held:
        whole["held"] = True
    found.append(whole)


def call(ask, body, expect):
    return {"ask": ask, "body": body, "expect": expect}


def scripted(turns, endpoint="house", **more):
    return {"testing": {"now_ms": NOW_MS, "providers": {endpoint: turns, **more}}}


def loopback(*rules):
    return {"testing": {"now_ms": NOW_MS, "loopback": list(rules)}}


def text_reply(text=SKY, usage=None, **more):
    return {"parts": [{"type": "text", "text": text}], "usage": usage or {"input": 100, "output": 10}, **more}


def body(model="house/small", **more):
    return {"model": model, "messages": USER, **more}


def draft(model="house/small", **more):
    choice = model if model == "auto" else {"only": model}
    return {"model": choice, "messages": NATIVE, **more}


def answered(model, pico, text=SKY, **more):
    """A completion of this text at this cost."""
    return {"value": {"object": "chat.completion", "model": model,
                      "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, **more}],
                      "tierway": {"cost": usd(pico)}}}


def has(text):
    return {"has": text}


# --- what a call costs ----------------------------------------------------------------------------------------------

ABOUT["costs"] = "What a call costs: quantity times rate, each line rounded up once to a pico-dollar."
USAGES = {
    "plain": {"input": 100, "output": 10},
    "nothing used": {"input": 0, "output": 0},
    "one token each": {"input": 1, "output": 1},
    "cached": {"input": 1000, "cached_read": 800, "output": 50},
    "all cached": {"input": 640, "cached_read": 640, "output": 3},
    "many": {"input": 48000, "output": 4000},
}


def costs():
    for model in ["house/small", "house/mid", "house/large", "house/odd"]:
        for name, usage in USAGES.items():
            pico = cost(model, usage)
            base = cost("house/large", usage)
            want = answered(model, pico)
            want["value"]["tierway"].update(baseline_cost=usd(base), saved=usd(base - pico))
            want["value"]["usage"] = {"prompt_tokens": usage["input"], "completion_tokens": usage["output"],
                                      "total_tokens": usage["input"] + usage["output"]}
            # Asked by name, the model asked is the only one admitted, and so the baseline is said.
            settings = scripted([{"answer": text_reply(usage=usage)}])
            settings["router"] = {"endpoints": ["own"], "baseline": "house/large"}
            case("costs", f"{model}: {name}", [call("chat", body(model), want)], settings=settings)
    special = {
        "house/small": [("written to the cache", {"input": 900, "cache_write_5m": 300, "cache_write_1h": 200, "output": 7}),
                        ("read and written", {"input": 2000, "cached_read": 1500, "cache_write_5m": 400, "output": 9})],
        "house/large": [("with reasoning", {"input": 60, "output": 900, "reasoning": 850})],
        "house/mid": [("with searches", {"input": 60, "output": 90, "searches": 3}),
                      ("reasoning at the price of output", {"input": 60, "output": 90, "reasoning": 40})],
        "house/fee": [("a fee for the call", {"input": 10, "output": 10}), ("a fee alone", {"input": 0, "output": 0})],
        "house/ears": [("heard", {"input": 500, "input_audio": 400, "output": 20}),
                       ("heard and said", {"input": 500, "input_audio": 400, "output": 220, "output_audio": 200})],
    }
    for model, usages in special.items():
        for name, usage in usages:
            lines_sum = usd(cost(model, usage))
            want = answered(model, cost(model, usage))
            want["value"]["tierway"]["cost"] = lines_sum
            case("costs", f"{model}: {name}", [call("chat", body(model), want)],
                 settings=scripted([{"answer": text_reply(usage=usage)}]))


# --- every format, whole and streamed -----------------------------------------------------------------------------

ABOUT["formats"] = "The same answer in every vendor's format, whole and streamed: the same text, calls, counts and cost."
TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather in a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}}}


def format_settings(api, answer, counts):
    file = {
        "vendor": "vendor",
        "endpoints": [{"id": "vendor", "api": api, "base_url": FORMATS[api], "region": "us", "auth": "bearer"}],
        "models": [{"id": "vendor/model", "wire_name": "model-1", "family": "model", "tier": "standard",
                    "context_window": 65536, "max_output": 4096, "source": "made up for these cases",
                    "capabilities": CAN + ["parallel_tools", "forced_tools", "reasoning"],
                    "date": "2026-01-01", "prices": [{"rates": {"input": "2", "output": "8"}}]}],
    }
    answer = {"reply": {**answer, "usage": counts}}
    return {"rows": [file], "keys": {"vendor": "sk-canary-3"}, "router": {}, **loopback({"answer": answer})}


def ended(api, made):
    """Gemini's streams say why they ended beside an empty text, which is then a part of the answer."""
    if api != "generateContent":
        return made
    choice = made["choices"][0]
    return {**made, "choices": [{**choice, "message": {**choice["message"], "content": ""}}]}


def formats():
    counts = {"input": 321, "output": 45}
    pico = amount(321, "2", 10**6) + amount(45, "8", 10**6)
    words = "Große Antwort: 漢字 und 12 µm, and then some more words."
    arguments = '{"town":"Bern"}'
    tool_call = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": arguments}
    account = {"cost": usd(pico), "route": {"model": "vendor/model", "endpoint": "vendor", "region": "us"}}
    plain = {"parts": [{"type": "text", "text": words}]}
    for api in FORMATS:
        ask = {"model": "vendor/model", "messages": USER}
        whole = {"model": "vendor/model", "choices": [{"message": {"content": words, "tool_calls": None},
                 "finish_reason": "stop"}], "usage": {"prompt_tokens": 321, "completion_tokens": 45}, "tierway": account}
        case("formats", f"{api}: a text, whole", [call("chat", ask, {"value": whole})],
             settings=format_settings(api, plain, counts))
        case("formats", f"{api}: a text, streamed",
             [call("chat_stream", ask, {"text": words, "response": whole, "error": None})],
             settings=format_settings(api, plain, counts))
        # Ollama's and Gemini's calls have no ids of their own: the id is left open.
        made = {"choices": [{"message": {"content": None, "tool_calls": [{"type": "function",
                "function": {"name": "weather", "arguments": {"json": json.loads(arguments)}}}]},
                "finish_reason": "tool_calls"}], "tierway": account}
        tooled = {**ask, "tools": [TOOL]}
        reply = {"parts": [tool_call], "stop": "tool_use"}
        case("formats", f"{api}: a tool call, whole", [call("chat", tooled, {"value": made})],
             settings=format_settings(api, reply, counts))
        case("formats", f"{api}: a tool call, streamed",
             [call("chat_stream", tooled, {"text": "", "response": ended(api, made), "error": None})],
             settings=format_settings(api, reply, counts))
        cut = {"choices": [{"message": {"content": words}, "finish_reason": "length"}], "tierway": account}
        case("formats", f"{api}: cut at the most tokens", [call("chat", ask, {"value": cut})],
             settings=format_settings(api, {**plain, "stop": "max_tokens"}, counts))
    shown = {"parts": [{"type": "reasoning", "text": "Blue light scatters more."}, {"type": "text", "text": SKY}]}
    for api in ["chat_completions", "messages", "generateContent", "ollama_chat"]:
        want = {"choices": [{"message": {"content": SKY, "reasoning_content": "Blue light scatters more."}}]}
        ask = {"model": "vendor/model", "messages": USER}
        case("formats", f"{api}: shown reasoning", [call("chat", ask, {"value": want})],
             settings=format_settings(api, shown, counts))


# --- who is chosen ----------------------------------------------------------------------------------------------------

ABOUT["choice"] = "Who would answer, without a call: the cheapest that is good enough, among those that policy admits."


def leads(model, endpoint):
    return {"value": {"candidates": {"begins": [{"model": model, "endpoint": endpoint, "role": "choice"}]}}}


def choice():
    low = {"quality": 0.01, "endpoints": ["own"]}
    # At a hundredth of the best chance everybody is good enough: the least cost decides, and prices lie far apart.
    named = [
        # An answer is longer than this prompt: 0.2 for output beats a third of a dollar, though its input is dearer.
        ("the cheapest of all", {}, "house/own", "own"),
        ("the cheapest in the union", {"policy": {"regions": {"allow": ["eu"]}, "models": {"deny": ["house/own"]}}},
         "house/eu-small", "house-eu"),
        ("the cheapest of one's own", {"policy": {"self_hosted_only": True}}, "house/own", "own"),
        ("a tier at least", {"policy": {"min_tier": "frontier"}}, "house/large", "house"),
        ("a tier at least, in the union", {"policy": {"min_tier": "frontier", "regions": {"allow": ["eu"]}}},
         "house/large", "house-eu"),
        ("a tier between", {"policy": {"min_tier": "standard", "max_tier": "standard", "models": {"deny": ["house/fee"]}}},
         "house/mid", "house"),
        ("not the denied one", {"policy": {"models": {"deny": ["house/odd", "house/own", "ears"]}}}, "house/small", "house"),
        ("by a pattern", {"policy": {"models": {"allow": ["house/m*"]}}}, "house/mid", "house"),
        ("by a family", {"policy": {"models": {"allow": ["large"]}}}, "house/large", "house"),
        ("among those listed", {"router": {**low, "models": ["house/mid", "house/large"]}}, "house/mid", "house"),
        ("the best where all its quality is wanted",
         {"router": {"quality": 1.0, "models": ["house/small", "house/large"]}}, "house/large", "house"),
    ]
    for name, more, model, endpoint in named:
        settings = {**scripted([{"answer": text_reply()}]), "router": low, **more}
        for ask, asked in [("route_chat", body("auto")), ("route", draft("auto"))]:
            case("choice", f"{name} ({ask})", [call(ask, asked, leads(model, endpoint))], settings=settings,
                 report={"query": {}, "expect": {"total": {"attempts": 0}}})
    settings = {**scripted([{"answer": text_reply()}]), "router": low}
    for model, endpoint in [("house/small", "house"), ("house/own", "own"), ("house/eu-small", "house-eu")]:
        case("choice", f"by name: {model}", [call("route_chat", body(model), leads(model, endpoint))], settings=settings)
    case("choice", "by a bare name", [call("route_chat", body("mid"), leads("house/mid", "house"))], settings=settings)
    case("choice", "one of several", [call("route", {"model": {"any_of": ["house/large", "house/mid"]}, "messages": NATIVE},
                                            leads("house/mid", "house"))], settings=settings)
    several = body("auto", tierway={"models": ["house/large", "house/small"]})
    case("choice", "one of several, in a body", [call("route_chat", several, leads("house/small", "house"))],
         settings=settings)
    # What the request holds decides who can answer: a picture wants eyes, a schema a model that keeps to it.
    picture = [{"role": "user", "content": [{"type": "text", "text": "What is this?"},
               {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}]
    case("choice", "a picture wants eyes",
         [call("route_chat", {"model": "auto", "messages": picture}, leads("house/mid", "house"))], settings=settings)
    schema = {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": {"type": "object"}}}
    case("choice", "a schema wants one that keeps to it",
         [call("route_chat", body("auto", response_format=schema), leads("house/mid", "house"))], settings=settings)
    case("choice", "log-probabilities",
         [call("route_chat", body("auto", logprobs=True, top_logprobs=2), leads("house/mid", "house"))], settings=settings)
    case("choice", "tools are not for the own one", [call("route_chat", body("auto", tools=[TOOL]), {
        "value": {"candidates": {"begins": [{"model": "house/odd"}]}}})], settings=settings)


# --- who is refused -----------------------------------------------------------------------------------------------

ABOUT["refusals"] = "Policy as a wall: the rule that refuses is named, nothing is sent, nothing is charged."


def refusals():
    nothing = {"query": {}, "expect": {"total": {"attempts": 0, "cost": "0", "held": 0}}}
    rules = [
        ("another vendor", "vendor", "house/small", {"vendors": {"deny": ["house"]}}, {}),
        ("an empty list of vendors", "vendor", "house/small", {"vendors": {"allow": []}}, {}),
        ("the model", "model", "house/small", {"models": {"deny": ["house/small"]}}, {}),
        ("the model's family", "model", "house/small", {"models": {"deny": ["small"]}}, {}),
        ("the model by a pattern", "model", "house/small", {"models": {"deny": ["house/*"]}}, {}),
        ("a tier too low", "tier", "house/small", {"min_tier": "standard"}, {}),
        ("a tier too high", "tier", "house/large", {"max_tier": "standard"}, {}),
        ("the region", "residency", "house/small", {"regions": {"allow": ["eu"]}}, {}),
        ("a region that is denied", "residency", "house/small", {"regions": {"deny": ["us"]}}, {}),
        ("a vendor's server", "self_hosted", "house/small", {"self_hosted_only": True}, {}),
        ("a label without a rule", "sensitivity", "house/small", {}, {"labels": ["secret"]}),
        ("a label elsewhere", "sensitivity", "house/small", {"labels": {"pii": {"regions": ["eu"]}}}, {"labels": ["pii"]}),
        ("a label that goes nowhere", "sensitivity", "house/small", {"labels": {"pii": {}}}, {"labels": ["pii"]}),
        ("the bound of its cost", "budget", "house/large", {"max_cost": "0.000001"}, {}),
    ]
    for name, rule, model, policy, extras in rules:
        expect = {"error": {"code": "refused", "status": None, "refused": {"counts": {rule: {"at_least": 1}}}}}
        asked = body(model, tierway=extras) if extras else body(model)
        native = draft(model, **extras)
        settings = {**scripted([{"answer": text_reply()}]), "policy": policy}
        case("refusals", f"{name}: chat", [call("chat", asked, expect)], settings=settings, report=nothing)
        case("refusals", f"{name}: stream", [call("stream", native, expect)], settings=settings, report=nothing)
    refused = lambda rule: {"error": {"code": "refused", "refused": {"counts": {rule: {"at_least": 1}}}}}
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}]
    settings = scripted([{"answer": text_reply()}])
    case("refusals", "eyes that it has not",
         [call("chat", {"model": "house/small", "messages": picture}, refused("capability"))], settings=settings, report=nothing)
    case("refusals", "no key", [call("chat", body("house/small"), refused("key"))],
         settings={"keys": {}, "testing": {"now_ms": NOW_MS}}, report=nothing)
    case("refusals", "a prompt beyond the window",
         [call("chat", {"model": "house/brief", "messages": [{"role": "user", "content": "word " * 1500}]}, refused("context"))],
         settings=settings, report=nothing)
    case("refusals", "an unknown model",
         [call("chat", body("house/none"), {"error": {"code": "refused", "message": has("house/none")}})],
         settings=settings, report=nothing)
    case("refusals", "a label where it may go", [call("chat", body("house/eu-small", tierway={"labels": ["pii"]}),
         answered("house/eu-small", cost("house/eu-small", USAGES["plain"])))],
         settings={**scripted([], **{"house-eu": [{"answer": text_reply()}]}), "policy": {"labels": {"pii": {"regions": ["eu"]}}}})


# --- what fails, and what then ----------------------------------------------------------------------------------------

ABOUT["failures"] = "A vendor fails: retries within bounds, who stands in, one typed error where nobody does."


def fail(kind, status=None, **more):
    return {"fail": {"kind": kind, "message": "as scripted", "status": status, **more}}


def failures():
    kinds = [
        ("auth", 401), ("permission", 403), ("quota", 402), ("not_found", 404), ("invalid", 400),
        ("context_too_long", 400), ("too_large", 413), ("content_filtered", 400), ("unsupported", 422),
    ]
    for kind, status in kinds:
        turn = fail(kind, status, retry="never")
        expect = {"error": {"code": kind, "status": status, "provider": "house",
                            "attempts": [{"number": 1, "outcome": kind, "status": status, "aim": "first"}]}}
        case("failures", f"{kind}: no second try", [call("chat", body(), expect)], settings=scripted([turn]))
    for kind, status in [("rate_limited", 429), ("overloaded", 529), ("server", 500), ("connect", None)]:
        again = fail(kind, status, retry="here", retry_after_ms=1)
        case("failures", f"{kind}: answered at the second try",
             [call("chat", body(), {"value": {"choices": [{"message": {"content": SKY}}], "tierway": {"route": {"attempts": [
                 {"number": 1, "aim": "first", "outcome": kind}, {"number": 2, "aim": "retry", "outcome": "answered"}]}}}})],
             settings=scripted([again, {"answer": text_reply()}]))
        case("failures", f"{kind}: three tries and no more",
             [call("chat", body(), {"error": {"code": kind, "status": status, "retry_after_ms": 1, "provider": "house",
                   "attempts": [{"number": n, "outcome": kind} for n in (1, 2, 3)]}})], settings=scripted([again]))
    # What was never sent costs nothing; what was sent and failed without a word of usage is held to no charge either.
    unsent = fail("connect", None, retry="elsewhere", sent=False)
    case("failures", "the next in the plan stands in", [call("chat", body("auto"), {"value": {
        "model": "house/eu-small", "choices": [{"message": {"content": SKY}}],
        "tierway": {"cost": usd(cost("house/eu-small", USAGES["plain"])), "route": {"endpoint": "house-eu", "attempts": [
            {"endpoint": "house", "aim": "first", "outcome": "connect"},
            {"endpoint": "house-eu", "aim": "fallback", "outcome": "answered"}]}}}})],
         settings={**scripted([unsent], **{"house-eu": [{"answer": text_reply()}]}),
                   "router": {"quality": 0.01, "models": ["house/small", "house/eu-small"]}},
         report={"query": {"by": ["endpoint"]}, "expect": {"groups": [{"endpoint": "house", "cost": "0"},
                 {"endpoint": "house-eu", "cost": usd(cost("house/eu-small", USAGES["plain"]))}]}})
    walls = {"policy": {"regions": {"allow": ["us"]}}, "router": {"quality": 0.01, "models": ["house/small", "house/eu-small"]}}
    case("failures", "nobody behind the wall stands in", [call("chat", body("auto"), {"error": {
        "code": "connect", "attempts": [{"endpoint": "house"}]}})],
         settings={**scripted([unsent], **{"house-eu": [{"answer": text_reply()}]}), **walls})
    case("failures", "no answer in time", [call("chat", body(), {"error": {"code": "timeout", "provider": "house"}})],
         settings={**scripted([{"hang": True}]), "timeouts": {"total_ms": 60}, "retry": {"attempts_max": 1}})
    for status, code in [(401, "auth"), (403, "permission"), (404, "not_found"), (400, "invalid"), (413, "too_large")]:
        rule = {"answer": {"reply": text_reply(), "fault": {"kind": "status", "status": status}}}
        case("failures", f"status {status} from a server", [call("chat", body(), {"error": {"code": code, "status": status,
             "provider": "house"}})], settings=loopback(rule))
    for status, code in [(429, "rate_limited"), (500, "server"), (503, "overloaded")]:
        fault = {"kind": "status", "status": status, "retry_after": {"milliseconds": 1}}
        rules = [{"times": 1, "answer": {"reply": text_reply(), "fault": fault}}, {"answer": {"reply": text_reply()}}]
        case("failures", f"status {status}, then an answer", [call("chat", body(), {"value": {
            "choices": [{"message": {"content": SKY}}],
            "tierway": {"route": {"attempts": [{"outcome": code}, {"outcome": "answered"}]}}}})], settings=loopback(*rules))


# --- streams ------------------------------------------------------------------------------------------------------

ABOUT["streams"] = "Answers piece by piece: the pieces, the end with the cost, and what a broken stream leaves."


def piece(**delta):
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def streams():
    pico = cost("house/small", USAGES["plain"])
    words = ["Rayleigh ", "scattering ", "does ", "it."]
    opening = piece(role="assistant", content="")
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "tierway": {"cost": usd(pico)}}
    counted = {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}}
    pieces = [opening, *[piece(content=word) for word in words], end]
    one = scripted([{"answer": text_reply()}])
    case("streams", "chunks word by word", [call("chat_stream", body(stream=True), {"pieces": pieces, "text": SKY})], settings=one)
    case("streams", "with the usage last", [call("chat_stream", body(stream_options={"include_usage": True}),
         {"pieces": [*pieces, counted], "text": SKY})], settings=one)
    native = [{"type": "start"}, *[{"type": "text", "part": 0, "text": word} for word in words],
              {"type": "usage", "usage": {"input": 100, "output": 10}}, {"type": "stop", "reason": "end"}]
    case("streams", "our own deltas", [call("stream", draft(), {"pieces": native, "text": SKY,
         "response": {"cost": usd(pico), "reply": {"parts": [{"type": "text", "text": SKY}], "stop": "end"}}})], settings=one)
    tool = {"type": "tool_call", "id": "call_9", "name": "weather", "arguments": '{"town":"Bern"}'}
    usage = {"input": 40, "output": 12}
    called = scripted([{"answer": {"parts": [tool], "usage": usage}}])
    case("streams", "a tool call in pieces", [call("chat_stream", body(tools=[TOOL]), {"pieces": [
        opening,
        piece(tool_calls=[{"index": 0, "id": "call_9", "type": "function", "function": {"name": "weather", "arguments": ""}}]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": '{"town":"Bern"}'}}]),
        {"choices": [{"finish_reason": "tool_calls"}], "tierway": {"cost": usd(cost("house/small", usage))}}]})], settings=called)
    thinking = {"parts": [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "Yes."}], "usage": usage}
    case("streams", "reasoning before the text", [call("chat_stream", body(), {"text": "Yes.", "response": {
        "choices": [{"message": {"content": "Yes.", "reasoning_content": "Hm."}}]}})], settings=scripted([{"answer": thinking}]))
    for stop, finish in [("max_tokens", "length"), ("content_filter", "content_filter"), ("stop_text", "stop"), ("refusal", "content_filter")]:
        case("streams", f"the end is {stop}", [call("chat_stream", body(), {"text": SKY, "response": {"choices": [{"finish_reason": finish}],
             "tierway": {"stop": stop}}})], settings=scripted([{"answer": text_reply(stop=stop)}]))
    for count, text in [(2, "Rayleigh "), (3, "Rayleigh scattering "), (4, "Rayleigh scattering does ")]:
        broken = {"break": text_reply(), "pieces": count, "error": {"kind": "network", "message": "gone", "retry": "elsewhere"}}
        case("streams", f"broken after {count} pieces", [call("chat_stream", body(), {"text": text, "response": None,
             "error": {"code": "incomplete", "provider": "house", "partial": {"parts": [{"type": "text", "text": text}]}}})],
             settings=scripted([broken]), report={"query": {}, "expect": {"total": {"attempts": 1, "failed": 1, "held": 0}}})
    # Nothing was delivered yet: another try is allowed.
    early = {"break": text_reply(), "pieces": 0, "error": {"kind": "network", "message": "gone", "retry": "here", "retry_after_ms": 1}}
    case("streams", "broken before the first piece", [call("chat_stream", body(), {"text": SKY, "error": None})],
         settings=scripted([early, {"answer": text_reply()}]))
    case("streams", "failed before the first piece", [call("chat_stream", body(), {"error": {"code": "auth", "status": 401}})],
         settings=scripted([fail("auth", 401, retry="never")]))
    case("streams", "two streams, one after the other", [
        call("chat_stream", body(), {"text": "one"}), call("chat_stream", body(), {"text": "two"})],
        settings=scripted([{"answer": text_reply("one")}, {"answer": text_reply("two")}]),
        report={"query": {}, "expect": {"total": {"requests": 2, "attempts": 2, "cost": usd(2 * pico)}}})


# --- requests and settings that are wrong -----------------------------------------------------------------------------

ABOUT["wrong"] = "What is wrong is named by its field before anything is sent, without a word of what was asked."


def wrong():
    one = scripted([{"answer": text_reply()}])
    bad = lambda field, **more: {"error": {"code": "invalid_request", "field": field, "status": None, **more}}
    drafts = [
        ("no messages", {"messages": []}, "messages"),
        ("an empty message", {"messages": [{"role": "user", "parts": []}]}, "messages[0]"),
        ("no token to answer with", draft(max_tokens=0), "max_tokens"),
        ("a choice of none", {"model": {"any_of": []}, "messages": NATIVE}, "model.any_of"),
        ("a nameless tool", draft(tools=[{"name": ""}]), "tools[0].name"),
        ("a tool twice", draft(tools=[{"name": "a"}, {"name": "a"}]), "tools[1].name"),
        ("a tool that is not there", draft(tools=[{"name": "a"}], tool_choice={"named": "b"}), "tool_choice"),
        ("a tool required of none", draft(tool_choice="required"), "tool_choice"),
        ("too warm", draft(sampling={"temperature": 2.5}), "sampling.temperature"),
        ("top_p of nothing", draft(sampling={"top_p": 0}), "sampling.top_p"),
        ("top_k of nothing", draft(sampling={"top_k": 0}), "sampling.top_k"),
        ("a schema that is none", draft(format={"type": "json_schema", "name": "s", "schema": 7}), "format.schema"),
    ]
    for name, asked, field in drafts:
        case("wrong", name, [call("send", asked, bad(field))], settings=one)
    case("wrong", "no model of this form", [call("chat", body("no such name"), bad("model"))], settings=one)
    case("wrong", "an extra that is not known", [call("chat", body(tierway={"tag": {}}), bad("tierway"))], settings=one)
    case("wrong", "a message of no role", [call("chat", {"model": "house/small", "messages": [{"content": "x"}]},
                                                   {"error": {"code": "invalid_request"}})], settings=one)
    case("wrong", "a group that is none", [], settings=one,
         report={"query": {"by": ["colour"]}, "expect": {"error": {"code": "invalid_request", "field": "by"}}})
    opened = lambda field, **more: {"error": {"code": "invalid_config", "field": field, **more}}
    settings = [
        ("a key for nobody", {"keys": {"nobody": "sk-canary"}}, "keys.nobody"),
        ("an address for nobody", {"base_urls": {"nobody": "http://x"}}, "base_urls.nobody"),
        ("a setting that is not known", {"qualty": 1}, "settings"),
        ("rows that are none", {"rows": [7]}, None),
        ("a row without a price", {"rows": [{"vendor": "x", "models": [{"id": "x/y"}]}]}, "catalog"),
    ]
    for name, more, field in settings:
        want = opened(field) if field else {"error": {"code": "invalid_config"}}
        case("wrong", name, [], settings=more, opened=want)


# --- the account ------------------------------------------------------------------------------------------------------

ABOUT["account"] = "What was spent, by any name; and limits that hold."


def account():
    plain = USAGES["plain"]
    small, mid = cost("house/small", plain), cost("house/mid", plain)
    one = scripted([{"answer": text_reply()}])
    asked = lambda model, **more: call("chat", body(model, **more), {"value": {"model": model}})
    case("account", "by model", [asked("house/small"), asked("house/mid"), asked("house/small")], settings=one,
         report={"query": {"by": ["model"]}, "expect": {"by": ["model"], "groups": [
             {"model": "house/mid", "attempts": 1, "cost": usd(mid)}, {"model": "house/small", "attempts": 2, "cost": usd(2 * small)}],
             "total": {"requests": 3, "attempts": 3, "input_tokens": 300, "output_tokens": 30, "cost": usd(2 * small + mid)}}})
    tag = lambda team: {"tierway": {"tags": {"team": team}}}
    case("account", "by a tag", [asked("house/small", **tag("red")), asked("house/small", **tag("blue")), asked("house/small")],
         settings=one, report={"query": {"by": ["tag:team"]}, "expect": {"groups": [
             {"tag:team": "", "attempts": 1}, {"tag:team": "blue", "attempts": 1}, {"tag:team": "red", "attempts": 1}]}})
    case("account", "by tier and endpoint", [asked("house/small"), asked("house/mid")], settings=one,
         report={"query": {"by": ["tier", "endpoint"]}, "expect": {"groups": [
             {"tier": "economy", "endpoint": "house", "cost": usd(small)}, {"tier": "standard", "endpoint": "house", "cost": usd(mid)}]}})
    # One request a day: the second is refused, and nothing of it is sent.
    case("account", "so many requests", [asked("house/small"), call("chat", body(), {"error": {"code": {"one_of": ["over_budget", "refused"]}}})],
         settings={**one, "budgets": [{"name": "few", "requests": 1, "window": "day"}]},
         report={"query": {}, "expect": {"total": {"attempts": 1, "cost": usd(small), "held": 0}}})
    # The bound of an attempt is its prompt and the most it may answer: 40 tokens at 4 dollars a million are 0.00016.
    case("account", "so many dollars", [call("chat", body(max_tokens=40), {"error": {"code": {"one_of": ["over_budget", "refused"]}}})],
         settings={**one, "budgets": [{"name": "tiny", "usd": "0.00015", "window": "day"}]},
         report={"query": {}, "expect": {"total": {"attempts": 0, "cost": "0"}}})
    case("account", "room enough", [call("chat", body(max_tokens=40), answered("house/small", small))],
         settings={**one, "budgets": [{"name": "enough", "usd": "1", "window": "day"}]})
    case("account", "the vendor's own figure counts", [call("chat", body(), answered("house/small", 9 * PICO))],
         settings=scripted([{"answer": text_reply(usage={**plain, "stated_cost": "9"})}]))
    case("account", "an answer without usage", [call("chat", body(max_tokens=50), {"value": {"choices": [{"message": {"content": SKY}}]}})],
         settings=scripted([{"answer": {"parts": [{"type": "text", "text": SKY}]}}]),
         report={"query": {}, "expect": {"total": {"attempts": 1, "failed": 0, "held": 0}}})
    case("account", "nothing yet", [], settings=one, report={"query": {"by": ["day"]}, "expect": {"groups": [],
         "total": {"requests": 0, "attempts": 0, "cost": "0", "saved": "0"}}})


def main():
    for build in [costs, formats, choice, refusals, failures, streams, wrong, account]:
        build()
    stale = []
    for file, cases in FILES.items():
        lines = ",\n".join("    " + json.dumps(one, ensure_ascii=False) for one in cases)
        head = json.dumps(ABOUT[file], ensure_ascii=False)
        base = json.dumps(BASE, ensure_ascii=False)
        text = f'{{\n  "about": {head},\n  "settings": {base},\n  "cases": [\n{lines}\n  ]\n}}\n'
        path = HERE / f"{file}.json"
        if "--check" in sys.argv:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(path.name)
        else:
            path.write_text(text, encoding="utf-8")
    print(f"{sum(map(len, FILES.values()))} cases in {len(FILES)} files")
    if stale:
        sys.exit(f"not what make.py gives: {', '.join(stale)}; run tests/cases/make.py")


if __name__ == "__main__":
    main()
