"""`tierway` on the command line, for those who have the Python package: `chat`, `explain`, `models`, `report`.

Exit codes: 0 done, 1 the request failed, 2 wrong use or settings, 3 policy or a budget refused it, 4 a file could not be read or
written.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, List, Optional

from ._client import Client
from ._errors import ConfigError, InvalidRequestError, LedgerError, OverBudgetError, RefusedError, TierwayError

_CODES = ((ConfigError, 2), (InvalidRequestError, 2), (RefusedError, 3), (OverBudgetError, 3), (LedgerError, 4))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tierway", description=__doc__)
    parser.add_argument("--config", help="a tierway.toml; the one in this folder where it is left out")
    # On the command or after it, as people write it.
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (("chat", "asks, and prints the answer as it comes"), ("explain", "decides without a call")):
        command = commands.add_parser(name, help=about, parents=[common])
        command.add_argument("prompt", help="what to ask; - reads it from the standard input")
        command.add_argument("--model", default="auto")
        command.add_argument("--max-tokens", type=int)
    commands.add_parser("models", help="lists the models on sale", parents=[common])
    report = commands.add_parser("report", help="what was spent", parents=[common])
    report.add_argument("--by", action="append", default=[], help="model, vendor, tier, day, tag:NAME ...")
    return parser


def _messages(prompt: str) -> List[Any]:
    return [{"role": "user", "content": sys.stdin.read() if prompt == "-" else prompt}]


def _chat(client: Client, wanted: argparse.Namespace) -> None:
    asked: Any = {"model": wanted.model, "messages": _messages(wanted.prompt), "max_tokens": wanted.max_tokens}
    if wanted.json:
        print(client.chat.completions.create(**asked).to_json())
        return
    with client.chat.completions.create(stream=True, **asked) as stream:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                print(chunk.choices[0].delta.content, end="", flush=True)
        print()
        if stream.response is not None:
            account = stream.response.tierway
            print(f"{account.route.model}, {account.route.tier}, {account.cost}, saved {account.saved}", file=sys.stderr)


def _explain(client: Client, wanted: argparse.Namespace) -> None:
    plan = client.route(model=wanted.model, messages=_messages(wanted.prompt), max_tokens=wanted.max_tokens)
    if wanted.json:
        print(plan.to_json())
        return
    for candidate in plan.candidates:
        line = (candidate.model, candidate.role, f"P(good) {candidate.p_good:.3f}", f"expected {candidate.expected_cost}")
        print("{:<44} {:<12} {:<14} {}".format(*line))


def _models(client: Client, wanted: argparse.Namespace) -> None:
    models = client.models()
    if wanted.json:
        print(json.dumps([model.to_dict() for model in models]))
        return
    for model in models:
        print(f"{model.id:<56} {model.tier:<10} {'callable' if model.callable else ''}".rstrip())


def _report(client: Client, wanted: argparse.Namespace) -> None:
    report = client.report(wanted.by)
    if wanted.json:
        print(json.dumps(report))
        return
    for group in [*report.groups, report.total]:
        name = " ".join(str(group[by]) for by in wanted.by if by in group) or "in all"
        print(f"{name:<44} {group.requests:>8} requests {group.cost:>16} saved {group.saved}")


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs a command; brings the exit code."""
    wanted = _parser().parse_args(arguments)
    does = {"chat": _chat, "explain": _explain, "models": _models, "report": _report}[wanted.command]
    try:
        with Client("" if wanted.config is None else wanted.config) as client:
            does(client, wanted)
    except TierwayError as error:
        told = {"error": {"code": error.code, "message": error.message, "field": error.field}}
        print(json.dumps(told) if wanted.json else f"tierway: {error.message}", file=sys.stderr)
        return next((code for kind, code in _CODES if isinstance(error, kind)), 1)
    except BrokenPipeError:
        # Whoever read has enough. The interpreter would say so once more when it closes the stream.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
