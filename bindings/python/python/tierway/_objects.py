"""Records: JSON whose fields are not the same each time (reports, the account, what providers and checks are asked), read-only,
by attribute and by key."""

from __future__ import annotations

import json
from typing import Any, Dict, NoReturn


class Record(Dict[str, Any]):
    """A JSON object whose fields are attributes too. It is read-only; `dict(record)` is a copy to change."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            if name.startswith("_"):
                raise AttributeError(name) from None
            # A field that the library leaves out is None.
            return None

    def _read_only(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("records are read-only: change a copy, dict(record)")

    __setattr__ = __delattr__ = __setitem__ = __delitem__ = _read_only
    clear = pop = popitem = setdefault = update = _read_only

    def __ior__(self, _: Any) -> NoReturn:  # type: ignore[misc]
        raise TypeError("records are read-only: change a copy, dict(record)")

    def to_dict(self) -> Dict[str, Any]:
        """A plain copy, nested records included."""
        copied: Dict[str, Any] = json.loads(json.dumps(self))
        return copied

    def __reduce__(self) -> Any:
        return (record, (json.dumps(self),))


def _hook(pairs: Any) -> Record:
    return Record(pairs)


def record(text: str) -> Any:
    """Reads JSON; every object in it is a record."""
    return json.loads(text, object_pairs_hook=_hook)


def frozen(value: Any) -> Any:
    """Parsed JSON; every object in it is a record."""
    if isinstance(value, dict):
        return Record((key, frozen(one)) for key, one in value.items())
    return [frozen(one) for one in value] if isinstance(value, list) else value
