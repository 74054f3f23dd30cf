#!/usr/bin/env python3
"""Rehearses the promise of `tierway calibrate` on labelled sets and prints the table of docs/benchmarks.md.

    TIERWAY_DATA=DATA scripts/promise_table.py target/release/tierway [--times 1000] [--effort 1]

DATA holds `routing/`. Of a set above 3,000 rows every fourth one is taken. Prices are dollars per million tokens, in and out.
"""

import argparse
import gzip
import json
import os
import subprocess
import tempfile
from pathlib import Path

SETS = [
    ("ZeroEval mix", ["zeroeval__gsm", "zeroeval__math-l5", "zeroeval__crux"], {
        "Meta-Llama-3.1-8B-Instruct": [0.02, 0.05],
        "Phi-3.5-mini-instruct": [0.02, 0.05],
        "gemma-2-9b-it": [0.03, 0.09],
        "Yi-1.5-9B-Chat": [0.03, 0.09],
        "gpt-4o-mini-2024-07-18": [0.15, 0.60],
        "claude-3-5-sonnet-20241022": [3, 15],
    }),
    ("RouteLLM's MMLU", ["routellm__mmlu"], {"mixtral-8x7b": [0.24, 0.24], "gpt-4-1106-preview": [10, 30]}),
    ("MMLU-Pro", ["mmlu_pro__mmlu_pro"], {
        "Meta-Llama-3_1-8B-Instruct": [0.02, 0.05],
        "gemini-1.5-flash-002": [0.075, 0.30],
        "Meta-Llama-3_1-70B-Instruct": [0.35, 0.40],
        "gpt-4o-2024-05-13": [5, 15],
    }),
    ("reasoning-gym hard", ["reasoning_gym__hard"], {
        "meta-llama_llama-4-maverick": [0.15, 0.60],
        "qwen_qwq-32b": [0.15, 0.45],
        "openai_o3-mini": [1.1, 4.4],
    }),
]
LARGE = 3_000


def sample(data: Path, names: list, models: dict, folder: Path) -> list:
    """Copies the rows that are used, of each set into a file of its own."""
    paths = []
    for name in names:
        with gzip.open(data / "routing" / f"{name}.jsonl.gz", "rt") as lines:
            rows = [line for line in lines if set(models) <= set(json.loads(line)["labels"])]
        path = folder / f"{name}.jsonl"
        path.write_text("".join(rows[:: 4 if len(rows) > LARGE else 1]))
        paths.append(path)
    return paths


def calibrate(args, paths: list, prices: Path, models: dict, quality: float, confidence: float) -> dict:
    """Learns, tests and rehearses; a promise that cannot be given exits with a failure, and is no error here."""
    command = [args.tierway, "calibrate", "--json", "--rehearse", str(args.times), "--effort", str(args.effort)]
    command += ["--log", *map(str, paths), "--models", ",".join(models), "--prices", str(prices)]
    command += ["--quality", str(quality), "--confidence", str(confidence)]
    done = subprocess.run(command, capture_output=True, text=True)
    if not done.stdout:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tierway")
    parser.add_argument("--times", type=int, default=1_000)
    parser.add_argument("--effort", type=int, default=1)
    args = parser.parse_args()
    data = Path(os.environ["TIERWAY_DATA"])
    print("| set, marked calls | quality, confidence | found a policy | broke the limit | mean saving, of the oracle's |")
    print("|---|---|---|---|---|")
    for label, names, models in SETS:
        with tempfile.TemporaryDirectory() as folder:
            prices = Path(folder) / "prices.json"
            prices.write_text(json.dumps(models))
            paths = sample(data, names, models, Path(folder))
            for quality in (0.90, 0.95, 0.98):
                for confidence in (0.90, 0.95):
                    found = calibrate(args, paths, prices, models, quality, confidence)
                    calls, told = found["learnt_from"] + found["tested_on"], found["rehearsal"]
                    print(
                        f"| {label}, {calls}, {len(models)} models | {quality:.2f}, {confidence:.2f} "
                        f"| {told['found'] / told['times']:.1%} | {told['broken']:.1%} "
                        f"| {told['saving']:.3f} of {told['oracle_saving']:.3f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
