"""Whether what came out of a case is what was expected: the rules of tests/cases/README.md."""

import json


def mismatch(want, found, place="$"):
    """What differs, or None."""
    fails = f"{place}: expected {json.dumps(want)}, found {json.dumps(found)[:400]}"
    if isinstance(want, dict):
        if len(want) == 1:
            (rule, argument), = want.items()
            if rule in _RULES:
                return _RULES[rule](argument, found, place, fails)
        get = found.get if isinstance(found, dict) else (lambda _: None)
        return next((fault for key in want if (fault := mismatch(want[key], get(key), f"{place}.{key}"))), None)
    if isinstance(want, list):
        if not isinstance(found, list) or len(want) != len(found):
            return fails
        return _begins(want, found, place, fails)
    return None if want == found and isinstance(want, bool) == isinstance(found, bool) else fails


def _begins(want, found, place, fails):
    if not isinstance(found, list) or len(found) < len(want):
        return fails
    pairs = enumerate(zip(want, found))
    return next((fault for at, (a, b) in pairs if (fault := mismatch(a, b, f"{place}[{at}]"))), None)


def _json(want, found, place, fails):
    try:
        return None if json.loads(found) == want else fails
    except (TypeError, ValueError):
        return fails


_RULES = {
    "has": lambda want, found, _, fails: None if isinstance(found, str) and want in found else fails,
    "at_least": lambda want, found, _, fails: None if isinstance(found, int) and found >= want else fails,
    "one_of": lambda want, found, _, fails: None if found in want else fails,
    "json": _json,
    "begins": _begins,
}
