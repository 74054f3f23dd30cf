"""Makes TypeScript types, Python TypedDicts and dataclasses, Kotlin data classes and Swift structs from the core's JSON Schema.

    python3 scripts/generate_types.py            writes bindings/types/{schema.json,tierway.d.ts}, and the types of the
                                                 Python, Kotlin and Swift packages where these keep them
    python3 scripts/generate_types.py --check    fails where they are not what the core's types give

It builds the command `tierway` and reads `tierway schema`. Only what the core's types use of JSON Schema is understood;
anything else is an error, so that no type is made up.
"""

import json
import keyword
import pathlib
import re
import subprocess
import sys
import textwrap

import types_dataclasses
import types_kotlin
import types_swift
from types_model import declarations, name_of

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = "bindings/types"
KOTLIN = "bindings/mobile/kotlin/src/main/kotlin/io/github/tierway/Types.kt"
ANSWERS = "bindings/python/python/tierway/answers.py"
PYTHON = "bindings/python/python/tierway/types.py"
SWIFT = "bindings/mobile/swift/Sources/Tierway/Types.swift"


def schema() -> dict:
    command = ["cargo", "run", "-q", "-p", "tierway-cli", "--", "schema"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def is_anything(node) -> bool:
    """A schema that says nothing of the value."""
    return node is True or set(node) <= {"description", "default", "title"}


def unquoted(hint: str) -> str:
    """A hint that stands in quotes of its own needs none within, but for literals."""
    return re.sub(r'"(\w+)"', r"\1", hint)


def doc_lines(node: dict, width: int) -> list:
    text = " ".join(node.get("description", "").split())
    return textwrap.wrap(text, width) if text else []


def merged(one: dict, other: dict) -> dict:
    """An object with the properties of both."""
    both = {"type": "object", "properties": {**one.get("properties", {}), **other.get("properties", {})}}
    both["required"] = one.get("required", []) + other.get("required", [])
    both["description"] = other.get("description") or one.get("description", "")
    return both


class TypeScript:
    """Interfaces and unions."""

    def of(self, node) -> str:
        if is_anything(node):
            return "unknown"
        if "$ref" in node:
            return f"({self.object(node)}) & {name_of(node)}" if "properties" in node else name_of(node)
        if "const" in node:
            return json.dumps(node["const"])
        if "enum" in node:
            return " | ".join(json.dumps(value) for value in node["enum"])
        for union in ("oneOf", "anyOf"):
            if union in node:
                base = {key: node[key] for key in ("properties", "required") if key in node}
                arms = [self.of(arm) for arm in node[union]]
                joined = " | ".join(dict.fromkeys(arms))
                return f"({self.object(base)}) & ({joined})" if base else joined
        kind = node.get("type")
        if isinstance(kind, list):
            return " | ".join(dict.fromkeys(self.of({**node, "type": one}) for one in kind))
        if kind == "object":
            return self.object(node)
        if kind == "array":
            if "prefixItems" in node:
                return "[" + ", ".join(self.of(item) for item in node["prefixItems"]) + "]"
            return f"Array<{self.of(node['items'])}>"
        simple = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
        if kind in simple:
            return simple[kind]
        raise ValueError(f"no TypeScript for {json.dumps(node)[:200]}")

    def object(self, node: dict) -> str:
        if "properties" not in node:
            more = node.get("additionalProperties", True)
            if "propertyNames" in node and "$ref" in node["propertyNames"]:
                return f"Partial<Record<{name_of(node['propertyNames'])}, {self.of(more)}>>"
            return f"Record<string, {self.of(more)}>"
        lines = ["{"]
        for key, value in node["properties"].items():
            for line in self.comment(value):
                lines.append("  " + line)
            mark = "" if key in node.get("required", []) else "?"
            body = self.of(value).replace("\n", "\n  ")
            lines.append(f"  {key if key.isidentifier() else json.dumps(key)}{mark}: {body};")
        return "\n".join(lines + ["}"])

    def comment(self, node) -> list:
        lines = doc_lines(node, 108) if isinstance(node, dict) else []
        return [f"/** {lines[0]} */"] if len(lines) == 1 else ["/**", *[f" * {line}" for line in lines], " */"] if lines else []

    def file(self, types: dict) -> str:
        out = ["// Made by scripts/generate_types.py from the core's types: change those, then run it again.", ""]
        for name, node in types.items():
            out += self.comment(node) + [f"export type {name} = {self.of(node)};", ""]
        return "\n".join(out)


class Python:
    """TypedDicts and unions. Arms of a union that are objects get a class of their own."""

    def __init__(self, types: dict) -> None:
        self.types = types
        self.classes: list = []

    def of(self, node, path: str) -> str:
        if is_anything(node):
            return "Any"
        if "$ref" in node and "properties" in node:
            node = merged(self.types[name_of(node)], node)
        if "$ref" in node:
            return f'"{name_of(node)}"'
        if "const" in node:
            return f"Literal[{node['const']!r}]"
        if "enum" in node:
            return "Literal[" + ", ".join(repr(value) for value in node["enum"]) + "]"
        for union in ("oneOf", "anyOf"):
            if union in node:
                return self.union(node, node[union], path)
        kind = node.get("type")
        if isinstance(kind, list):
            arms = dict.fromkeys(self.of({**node, "type": one}, path) for one in kind)
            return "Union[" + ", ".join(arms) + "]"
        if kind == "object":
            if "properties" in node:
                self.typed_dict(path, node)
                return f'"{path}"'
            return f"Dict[str, {self.of(node.get('additionalProperties', True), path + 'Value')}]"
        if kind == "array":
            if "prefixItems" in node:
                return "Tuple[" + ", ".join(self.of(item, path) for item in node["prefixItems"]) + "]"
            return f"List[{self.of(node['items'], path + 'Item')}]"
        simple = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
        if kind in simple:
            return simple[kind]
        raise ValueError(f"no Python for {json.dumps(node)[:200]}")

    def union(self, node: dict, arms: list, path: str) -> str:
        found = []
        for at, arm in enumerate(arms):
            if "$ref" in arm and ("properties" in node or "properties" in arm):
                arm = merged(self.types[name_of(arm)], arm)
            whole = merged(node, arm) if "properties" in node else arm
            found.append(self.of(whole, path + self.arm_name(whole, at)))
        unique = list(dict.fromkeys(found))
        return unique[0] if len(unique) == 1 else "Union[" + ", ".join(unique) + "]"

    @staticmethod
    def arm_name(arm: dict, at: int) -> str:
        for value in arm.get("properties", {}).values():
            if isinstance(value, dict) and isinstance(value.get("const"), str):
                return "".join(word.capitalize() for word in re.split(r"\W|_", value["const"]))
        required = arm.get("required", [])
        return required[0].capitalize() if len(required) == 1 else f"Arm{at + 1}"

    def typed_dict(self, name: str, node: dict) -> None:
        fields = []
        required = node.get("required", [])
        for key, value in node["properties"].items():
            hint = self.of(value, name + "".join(word.capitalize() for word in key.split("_")))
            fields.append((key, hint if key in required else f"NotRequired[{hint}]", value))
        plain = all(key.isidentifier() and not keyword.iskeyword(key) for key, _, _ in fields)
        if not plain:
            body = ", ".join(f"{key!r}: {unquoted(hint)!r}" for key, hint, _ in fields)
            self.classes.append(f"{name} = TypedDict({name!r}, {{{body}}})")
            return
        lines = [f"class {name}(TypedDict):"]
        doc = doc_lines(node, 108)
        if doc:
            lines += [f'    """{doc[0]}' + ('"""' if len(doc) == 1 else "")]
            lines += [f"    {line}" for line in doc[1:]] + (['    """'] if len(doc) > 1 else [])
        for key, hint, value in fields:
            lines += [f"    #: {line}" for line in (doc_lines(value, 106) if isinstance(value, dict) else [])]
            lines.append(f"    {key}: {hint}")
        if not fields:
            lines.append("    pass")
        self.classes.append("\n".join(lines))

    def file(self) -> str:
        aliases = []
        for name, node in self.types.items():
            hint = self.of(node, name)
            if hint != f'"{name}"':
                aliases.append(f'{name} = {hint}')
        head = [
            '"""Made by scripts/generate_types.py from the core\'s types: change those, then run it again."""',
            "",
            "from __future__ import annotations",
            "",
            "from typing import TYPE_CHECKING, Any, Dict, List, Literal, Tuple, TypedDict, Union",
            "",
            "if TYPE_CHECKING:",
            "    from typing_extensions import NotRequired",
        ]
        body = "\n\n\n".join(self.classes)
        return "\n".join(head) + "\n\n\n" + body + "\n\n\n" + "\n".join(aliases) + "\n"


def files() -> dict:
    document = schema()
    types = document["$defs"]
    declared = declarations(types)
    return {
        f"{FOLDER}/schema.json": json.dumps(document, indent=2, ensure_ascii=False) + "\n",
        f"{FOLDER}/tierway.d.ts": TypeScript().file(types),
        PYTHON: Python(types).file(),
        ANSWERS: types_dataclasses.file(declared),
        KOTLIN: types_kotlin.file(declared),
        SWIFT: types_swift.file(declared),
    }


def main() -> None:
    check = "--check" in sys.argv[1:]
    stale = []
    for name, text in files().items():
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.exit(f"{', '.join(stale)} are not what the core's types give: run scripts/generate_types.py")
    print(f"types of other languages: {'up to date' if not stale else 'written ' + ', '.join(stale)}")


if __name__ == "__main__":
    main()
