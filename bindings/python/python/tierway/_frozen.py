"""How plain JSON becomes frozen dataclasses, and they JSON again.

An instance takes the parsed object itself for its fields: what the JSON leaves out is found on the class, where a dataclass
has its defaults, and what the class has no name for stays beside them. So reading costs little more than parsing, and
`to_dict` brings what came, to the letter.
"""

from __future__ import annotations

import json
from typing import Any, Callable, ClassVar, Dict, Mapping, Optional, Tuple, Type, TypeVar

from ._objects import Record

Made = TypeVar("Made", bound="Frozen")
Reader = Callable[[Any], Any]

_new = object.__new__
_set = object.__setattr__


class Frozen:
    """A frozen dataclass that was JSON: it compares, prints, pickles and goes through `dataclasses.replace` as all do."""

    # By field: what makes of plain JSON what the field holds.
    _nested: ClassVar[Tuple[Tuple[str, Reader], ...]] = ()
    # Names in JSON that are words of Python's own, and the fields' names.
    _renamed: ClassVar[Tuple[Tuple[str, str], ...]] = ()

    @classmethod
    def read(cls: Type[Made], plain: Dict[str, Any]) -> Made:
        """Of plain JSON, which it takes for its own."""
        for key, name in cls._renamed:
            if key in plain:
                plain[name] = plain.pop(key)
        for name, reader in cls._nested:
            value = plain.get(name)
            if value is not None:
                plain[name] = reader(value)
        made = _new(cls)
        _set(made, "__dict__", plain)
        return made

    def to_dict(self) -> Dict[str, Any]:
        """The JSON that it was, as plain dicts and lists."""
        back = {name: key for key, name in self._renamed}
        return {back.get(name, name): thaw(value) for name, value in self.__dict__.items()}

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(self.to_dict())

    # As OpenAI's objects call them.
    model_dump = to_dict
    model_dump_json = to_json


def thaw(value: Any) -> Any:
    """Plain dicts and lists of what clients bring, at any depth."""
    if isinstance(value, Frozen):
        return value.to_dict()
    if isinstance(value, (list, tuple)):
        return [thaw(one) for one in value]
    if isinstance(value, Mapping):
        return {key: thaw(one) for key, one in value.items()}
    return value


def _unknown(value: Any) -> Any:
    """What requests may hold besides plain JSON: an answer's message that is sent back."""
    if isinstance(value, (Frozen, Mapping)):
        return thaw(value)
    raise TypeError(f"a request holds JSON, and {type(value).__name__} is none")


# Kept, since `json.dumps` with a hook makes one for each call.
write = json.JSONEncoder(default=_unknown).encode


def many(reader: Optional[Reader]) -> Reader:
    """A reader of lists, which become tuples."""
    return tuple if reader is None else lambda plain: tuple([reader(one) for one in plain])


def several(reader: Reader) -> Reader:
    """A reader of lists that stay lists, as OpenAI's objects have them."""
    return lambda plain: [reader(one) for one in plain]


def tagged(plain: Any, tag: str, arms: Mapping[str, Type[Frozen]]) -> Any:
    """The arm that a field names; what names none stays as it is."""
    arm = arms.get(plain[tag])
    return plain if arm is None else arm.read(plain)


def choice(plain: Any, arms: Mapping[str, Type[Frozen]]) -> Any:
    """A word as it is, and an object with one key as its arm."""
    if not isinstance(plain, dict):
        return plain
    arm = next((arms[key] for key in plain if key in arms), None)
    return plain if arm is None else arm.read(plain)


def reads(kind: Type[Frozen], nested: Mapping[str, Reader], renamed: Mapping[str, str] = {}, maps: Tuple[str, ...] = ()) -> None:
    """Says how a class is read. Fields named in `maps` are empty where the JSON leaves them out."""
    kind._nested = tuple(nested.items())
    kind._renamed = tuple(renamed.items())
    for name in maps:
        setattr(kind, name, Record())


class _Later:
    """A field that stays plain JSON until it is asked for."""

    def __init__(self, name: str, reader: Reader, default: Any) -> None:
        self._name = name
        self._reader = reader
        self._default = default

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        if owner is None:
            return self._default
        fields = owner.__dict__
        value = fields.get(self._name, self._default)
        if type(value) is dict:
            value = fields[self._name] = self._reader(value)
        return value

    def __set__(self, owner: Any, value: Any) -> None:
        owner.__dict__[self._name] = value


def reads_later(kind: Type[Frozen], nested: Mapping[str, Reader]) -> None:
    """Fields that few readers look at: what is made of their JSON is made then."""
    for name, reader in nested.items():
        setattr(kind, name, _Later(name, reader, getattr(kind, name, None)))
