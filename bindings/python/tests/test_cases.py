"""The shared cases, through the public clients: blocking, and with asyncio. tests/cases/README.md says what a case holds."""

import asyncio
import json
from pathlib import Path

import pytest
import tierway
from matching import mismatch

ROOT = Path(__file__).resolve().parents[3]
FILES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "tests/cases").glob("*.json"))}
CASES = [(f"{stem}: {case['name']}", file["settings"], case) for stem, file in FILES.items() for case in file["cases"]]


def facts(error):
    """A failure as the case's README writes it, from what the exception shows."""
    after = error.retry_after
    return {
        "code": error.code,
        "message": str(error),
        "status": error.status,
        "retry_after_ms": None if after is None else round(after * 1000),
        "provider": error.provider,
        "vendor_code": error.vendor_code,
        "request_id": error.request_id,
        "field": error.field,
        "attempts": error.attempts,
        "refused": error.refused,
        "partial": plain(error.partial),
    }


def said(piece):
    if getattr(piece, "type", None) == "text":
        return piece.text
    choices = getattr(piece, "choices", None)
    return (choices[0].delta.content or "") if choices else ""


def plain(answer):
    """A dataclass as the JSON that it was."""
    return answer.to_dict() if hasattr(answer, "to_dict") else answer


async def wait(value):
    return await value if asyncio.iscoroutine(value) else value


async def drain(stream):
    pieces, error = [], None
    try:
        if hasattr(stream, "__aiter__"):
            async for piece in stream:
                pieces.append(piece)
        else:
            for piece in stream:
                pieces.append(piece)
    except tierway.TierwayError as failure:
        error = facts(failure)
    text = "".join(map(said, pieces))
    return {"pieces": [plain(piece) for piece in pieces], "text": text, "response": plain(stream.response), "error": error}


async def perform(client, call):
    ask, body = call["ask"], dict(call["body"])
    try:
        if ask == "send":
            return {"value": plain(await wait(client.send(body)))}
        if ask == "stream":
            return await drain(await wait(client.stream(body)))
        if ask == "route":
            return {"value": plain(client.route(body))}
        if ask == "route_chat":
            return {"value": plain(client.route(**body))}
        body.pop("stream", None)
        made = await wait(client.chat.completions.create(**body, stream=ask == "chat_stream"))
        return await drain(made) if ask == "chat_stream" else {"value": plain(made)}
    except tierway.TierwayError as failure:
        return {"error": facts(failure)}


async def report(client, query):
    try:
        return {"value": await wait(client.report(**query))}
    except tierway.TierwayError as failure:
        return {"error": facts(failure)}


async def run(kind, base, case):
    """What came out, and what is wrong with it."""
    faults = []

    def expect(place, want, found):
        if fault := mismatch(want, found):
            faults.append(f"{place}: {fault}")

    try:
        client = kind(**{**base, **case["settings"]})
    except tierway.TierwayError as failure:
        found = {"error": facts(failure)}
        expect("open", case.get("open", "no failure"), found)
        return {"open": found}, faults
    expect("open", case.get("open"), None)
    found = []
    for at, call in enumerate(case["calls"]):
        outcome = await perform(client, call)
        expect(f"call {at}", call["expect"], outcome)
        found.append(outcome)
    out = {"calls": found}
    if "report" in case:
        out["report"] = await report(client, case["report"]["query"])
        expect("report", case["report"]["expect"], out["report"].get("value", out["report"]))
    expect("balance", {"value": {"total": {"held": 0}}}, await report(client, {}))
    await wait(client.close())
    return out, faults


@pytest.fixture(scope="module")
def outcomes():
    found = {"python": [], "python-async": []}
    yield found
    folder = ROOT / "target" / "cases"
    folder.mkdir(parents=True, exist_ok=True)
    for language, lines in found.items():
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{language}.jsonl").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("language", ["python", "python-async"])
@pytest.mark.parametrize(("name", "base", "case"), CASES, ids=[name for name, _, _ in CASES])
def test_a_case(language, name, base, case, outcomes):
    kind = tierway.Client if language == "python" else tierway.AsyncClient
    outcome, faults = asyncio.run(run(kind, base, case))
    outcomes[language].append({"case": name, "outcome": outcome})
    assert not faults, "\n".join(faults)
