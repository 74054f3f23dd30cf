"""Writes declarations of types_model as frozen Python dataclasses: what comes back, and all that it holds."""

import keyword
import textwrap

from types_model import Alias, Choice, Struct, Union, Words, pascal

# What clients bring; what these hold is written with them.
ROOTS = ("Response", "Delta", "Explanation")
SIMPLE = {"text": "str", "int": "int", "long": "int", "float": "float", "bool": "bool", "json": "Any"}
DEFAULTS = {"null": " = None", "list": " = ()", "map": " = field(default_factory=dict)", "false": " = False"}
HEAD = '''"""What comes back: frozen dataclasses. Made by scripts/generate_types.py from the core's types: change those, then run it again.

A field whose name is a word of Python's own has an underscore after it: `class_`, `from_`, `with_`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Literal, Optional, Tuple, Union

from ._frozen import Frozen, choice, many, reads, tagged
'''


def name(key: str) -> str:
    return f"{key}_" if keyword.iskeyword(key) else key


def doc(text: str, indent: str) -> list:
    return [f"{indent}#: {line}" for line in textwrap.wrap(" ".join(text.split()), 118 - len(indent))]


def docstring(text: str) -> list:
    lines = textwrap.wrap(" ".join(text.split()), 116)
    if len(lines) == 1:
        return [f'    """{lines[0]}"""', ""]
    return [f'    """{lines[0]}', *[f"    {line}" for line in lines[1:]], '    """', ""] if lines else []


class Dataclasses:
    def __init__(self, declared: list) -> None:
        self.known = {one.name: one for one in declared}
        self.classes: list = []
        self.readers: list = []
        self.aliases: list = []
        self.done: set = set()

    def type(self, found) -> str:
        if isinstance(found, str):
            return SIMPLE[found]
        kind, inner = found
        if kind == "ref":
            self.write(inner)
            return inner
        forms = {"optional": "Optional[{}]", "list": "Tuple[{}, ...]", "map": "Dict[str, {}]"}
        return forms[kind].format(self.type(inner))

    def reader(self, found):
        """What makes of plain JSON what the field holds; None where it is that already."""
        if isinstance(found, str):
            return None
        kind, inner = found
        if kind == "list":
            return f"many({self.reader(inner)})"
        if kind == "optional":
            return self.reader(inner)
        if kind == "map":
            return None
        known = self.known[inner]
        if isinstance(known, Alias):
            return self.reader(known.type)
        if isinstance(known, Words):
            return None
        return f"{inner}.read" if isinstance(known, Struct) else f"read_{inner.lower()}"

    def write(self, wanted: str) -> None:
        if wanted in self.done:
            return
        self.done.add(wanted)
        declared = self.known[wanted]
        writer = {Alias: self.alias, Words: self.words, Struct: self.struct, Union: self.union, Choice: self.choice}
        writer[type(declared)](declared)

    def alias(self, declared) -> None:
        self.aliases.append(f"{declared.name} = {self.type(declared.type)}")

    def words(self, declared) -> None:
        told = ", ".join(f'"{word}"' for word, _ in declared.words)
        self.aliases.append(f"{declared.name} = Literal[{told}]")

    def struct(self, declared) -> None:
        self.dataclass(declared.name, declared.doc, declared.fields)

    def dataclass(self, called: str, about: str, fields: list, tag=None) -> None:
        # Required fields first: the others have defaults.
        ordered = sorted(fields, key=lambda one: one.default is not None)
        lines = ["@dataclass(frozen=True)", f"class {called}(Frozen):", *docstring(about)]
        renamed, nested = [], []
        if tag:
            ordered = [*ordered, None]
        for one in ordered:
            if one is None:
                key, word = tag
                lines.append(f'    {name(key)}: Literal["{word}"] = "{word}"')
            else:
                key = one.key
                reader = self.reader(one.type)
                nested += [f'"{name(key)}": {reader}'] if reader else []
                lines += doc(one.doc, "    ")
                lines.append(f"    {name(key)}: {self.type(one.type)}{DEFAULTS[one.default] if one.default else ''}")
            renamed += [f'"{key}": "{name(key)}"'] if name(key) != key else []
        self.classes.append("\n".join(lines))
        maps = [f'"{name(one.key)}"' for one in fields if one.default == "map"]
        if renamed or nested or maps:
            said = ["{" + ", ".join(nested) + "}"]
            said += ["renamed={" + ", ".join(renamed) + "}"] if renamed else []
            said += ["maps=(" + ", ".join(maps) + ",)"] if maps else []
            self.readers.append(f"reads({called}, {', '.join(said)})")

    def union(self, declared) -> None:
        arms = []
        for word, about, fields, _ in declared.arms:
            called = declared.name + pascal(word)
            self.dataclass(called, about, [*fields, *declared.base], (declared.tag, word))
            arms.append((word, called))
        self.aliases.append(f"{declared.name} = Union[" + ", ".join(called for _, called in arms) + "]")
        told = ", ".join(f'"{word}": {called}' for word, called in arms)
        self.classes.append(
            f'def read_{declared.name.lower()}(plain: Any) -> "{declared.name}":\n'
            f'    """Of plain JSON, the arm that its `{declared.tag}` names."""\n'
            f"    made: {declared.name} = tagged(plain, \"{declared.tag}\", _{declared.name.upper()})\n"
            f"    return made\n\n\n_{declared.name.upper()} = {{{told}}}"
        )

    def choice(self, declared) -> None:
        arms = []
        for key, about, found in declared.keyed:
            called = declared.name + pascal(key)
            lines = ["@dataclass(frozen=True)", f"class {called}(Frozen):", *docstring(about)]
            self.classes.append("\n".join([*lines, f"    {name(key)}: {self.type(found)}"]))
            arms.append((key, called))
        words = ", ".join(f'"{word}"' for word, _ in declared.words)
        self.aliases.append(f"{declared.name} = Union[Literal[{words}], " + ", ".join(called for _, called in arms) + "]")
        told = ", ".join(f'"{key}": {called}' for key, called in arms)
        self.classes.append(
            f'def read_{declared.name.lower()}(plain: Any) -> "{declared.name}":\n'
            f'    """Of plain JSON, a word or an arm."""\n'
            f"    made: {declared.name} = choice(plain, {{{told}}})\n"
            f"    return made"
        )


def file(declared: list) -> str:
    made = Dataclasses(declared)
    for root in ROOTS:
        made.write(root)
    body = "\n\n\n".join(made.classes)
    return f"{HEAD}\n\n{body}\n\n\n" + "\n".join([*made.aliases, "", *made.readers]) + "\n"
