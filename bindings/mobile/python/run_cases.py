#!/usr/bin/env python3
"""The shared cases through uniffi's Python side of tierway-mobile: the same generated interface that Kotlin and Swift have.

    run_cases.py FOLDER

FOLDER holds the generated tierway_mobile.py beside its library. Leaves target/cases/uniffi-python.jsonl and ends in
`N passed, N failed`.
"""

import asyncio
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [sys.argv[1], str(ROOT / "bindings/python/tests")]

import tierway_mobile as native  # noqa: E402
from matching import mismatch  # noqa: E402


def facts(error):
    return json.loads(error.facts)


def said(piece):
    if piece.get("type") == "text":
        return piece["text"]
    return (piece["choices"][0]["delta"].get("content") or "") if piece.get("choices") else ""


async def drain(stream):
    pieces, error = [], None
    try:
        while (piece := await stream.next()) is not None:
            pieces.append(json.loads(piece))
    except native.CoreError as failure:
        error = facts(failure)
    response = stream.response()
    return {
        "pieces": pieces,
        "text": "".join(map(said, pieces)),
        "response": None if response is None else json.loads(response),
        "error": error,
    }


async def perform(core, call):
    ask, body = call["ask"], json.dumps(call["body"])
    try:
        if ask in ("route", "route_chat"):
            return {"value": json.loads(getattr(core, ask)(body))}
        if ask.endswith("stream"):
            stream = getattr(core, ask)(body)
            await stream.open(None)
            return await drain(stream)
        return {"value": json.loads(await getattr(core, ask)(body, None))}
    except native.CoreError as failure:
        return {"error": facts(failure)}


async def report(core, query):
    try:
        return {"value": json.loads(await core.report(json.dumps(query)))}
    except native.CoreError as failure:
        return {"error": facts(failure)}


async def run(base, case):
    """What came out, and what is wrong with it."""
    faults = []

    def expect(place, want, found):
        if fault := mismatch(want, found):
            faults.append(f"{place}: {fault}")

    offline = native.OfflinePlan(mode=native.OfflineMode.TRY, outbox=None)
    try:
        core = native.Core(json.dumps({**base, **case["settings"]}), {}, [], None, offline)
    except native.CoreError as failure:
        found = {"error": facts(failure)}
        expect("open", case.get("open", "no failure"), found)
        return {"open": found}, faults
    expect("open", case.get("open"), None)
    out = {"calls": []}
    for at, call in enumerate(case["calls"]):
        outcome = await perform(core, call)
        expect(f"call {at}", call["expect"], outcome)
        out["calls"].append(outcome)
    if "report" in case:
        out["report"] = await report(core, case["report"]["query"])
        expect("report", case["report"]["expect"], out["report"].get("value", out["report"]))
    expect("balance", {"value": {"total": {"held": 0}}}, await report(core, {}))
    await core.shut()
    return out, faults


async def main():
    passed, failed, lines = 0, 0, []
    for path in sorted((ROOT / "tests/cases").glob("*.json")):
        file = json.loads(path.read_text(encoding="utf-8"))
        for case in file["cases"]:
            name = f"{path.stem}: {case['name']}"
            outcome, faults = await run(file["settings"], case)
            lines.append(json.dumps({"case": name, "outcome": outcome}, ensure_ascii=False) + "\n")
            passed, failed = passed + (not faults), failed + bool(faults)
            for fault in faults:
                print(f"FAILED {name}: {fault}")
    folder = ROOT / "target" / "cases"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "uniffi-python.jsonl").write_text("".join(lines), encoding="utf-8")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
