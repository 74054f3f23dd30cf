"""The core's JSON Schema as declarations, from which languages with nominal types are written.

Only what the core's types use of JSON Schema is understood; anything else is an error, so that no type is made up.
"""

import json
from dataclasses import dataclass, field

# What a type is: a word ("text", "int", "long", "float", "bool", "json"), or a pair of a word and what it holds.
SIMPLE = {"string": "text", "number": "float", "boolean": "bool"}
SHORT = {"uint8", "uint16", "int8", "int16", "int32"}


@dataclass
class Field:
    """A field: `default` is how it is read where it is absent: None (it never is), "null", "list", "map" or "false"."""

    key: str
    doc: str
    type: object
    default: object


@dataclass
class Alias:
    name: str
    doc: str
    type: object


@dataclass
class Words:
    """One of some words."""

    name: str
    doc: str
    words: list


@dataclass
class Struct:
    name: str
    doc: str
    fields: list


@dataclass
class Union:
    """One of some arms, told apart by the field `tag`; `base` are the fields of all. An arm is (word, doc, fields, whole),
    `whole` the struct whose fields they are, where there is one."""

    name: str
    doc: str
    tag: str
    base: list
    arms: list


@dataclass
class Choice:
    """A word, or an object with one key of some: keyed is [(key, doc, type)]."""

    name: str
    doc: str
    words: list
    keyed: list


@dataclass
class Model:
    types: dict
    found: list = field(default_factory=list)

    def type_of(self, node):
        if node is True or set(node) <= {"description", "default", "title"}:
            return "json"
        if "$ref" in node:
            return ("ref", name_of(node))
        if "anyOf" in node:
            arms = [arm for arm in node["anyOf"] if arm.get("type") != "null"]
            if len(arms) == 1:
                return ("optional", self.type_of(arms[0]))
        kind = node.get("type")
        if isinstance(kind, list) and len(kind) == 2 and "null" in kind:
            return ("optional", self.type_of({**node, "type": next(one for one in kind if one != "null")}))
        if kind == "integer":
            return "int" if node.get("format") in SHORT else "long"
        if kind in SIMPLE and "enum" not in node and "const" not in node:
            return SIMPLE[kind]
        if kind == "array":
            # A tuple has no name for its places.
            return "json" if "prefixItems" in node else ("list", self.type_of(node["items"]))
        if kind == "object" and "properties" not in node:
            return ("map", self.type_of(node.get("additionalProperties", True)))
        raise ValueError(f"no type for {json.dumps(node)[:200]}")

    def fields_of(self, node, without=()):
        required = node.get("required", [])
        return [
            self.field(key, value, key in required)
            for key, value in node.get("properties", {}).items() if key not in without
        ]

    def field(self, key, node, is_required):
        found = self.type_of(node)
        doc = node.get("description", "") if isinstance(node, dict) else ""
        if isinstance(found, tuple) and found[0] == "optional":
            return Field(key, doc, found, "null")
        if is_required:
            return Field(key, doc, found, None)
        bare = self.bare(found)
        default = {"bool": "false"}.get(bare) if isinstance(bare, str) else {"list": "list", "map": "map"}.get(bare[0])
        return Field(key, doc, found if default else ("optional", found), default or "null")

    def bare(self, found):
        """A type with aliases looked through."""
        if isinstance(found, tuple) and found[0] == "ref":
            node = self.types[found[1]]
            if node.get("type") == "object" and "properties" not in node and "oneOf" not in node:
                return self.type_of(node)
        return found

    def declaration(self, name, node):
        doc = node.get("description", "")
        if "oneOf" in node:
            return self.union(name, doc, node)
        if "enum" in node:
            return Words(name, doc, [(word, "") for word in node["enum"]])
        if node.get("type") == "object" and "properties" in node:
            return Struct(name, doc, self.fields_of(node))
        return Alias(name, doc, self.type_of(node))

    def union(self, name, doc, node):
        arms = node["oneOf"]
        words = [(arm["const"], arm.get("description", "")) for arm in arms if "const" in arm]
        for arm in arms:
            words += [(word, "") for word in arm.get("enum", [])]
        objects = [arm for arm in arms if "const" not in arm and "enum" not in arm]
        if not objects:
            return Words(name, doc, words)
        if words:
            keyed = [self.keyed(arm) for arm in objects]
            return Choice(name, doc, words, keyed)
        tag = next(key for key, value in objects[0]["properties"].items() if "const" in value)
        return Union(name, doc, tag, self.fields_of(node), [self.arm(arm, tag) for arm in objects])

    def keyed(self, arm):
        (key, value), = arm["properties"].items()
        return (key, arm.get("description", ""), self.type_of(value))

    def arm(self, arm, tag):
        word, whole = arm["properties"][tag]["const"], None
        fields = self.fields_of(arm, (tag,))
        if "$ref" in arm:
            whole = name_of(arm)
            fields = self.fields_of(self.types[whole]) + fields
        return (word, arm.get("description", ""), fields, whole)


def name_of(node: dict) -> str:
    return node["$ref"].rsplit("/", 1)[1]


def declarations(types: dict) -> list:
    model = Model(types)
    return [model.declaration(name, node) for name, node in types.items()]


def camel(name: str) -> str:
    """`max_tokens` as `maxTokens`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def pascal(name: str) -> str:
    """`tool_call` as `ToolCall`."""
    return "".join(word[:1].upper() + word[1:] for word in name.replace("-", "_").split("_"))
