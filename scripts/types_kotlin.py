"""Writes declarations of types_model as Kotlin data classes for kotlinx.serialization."""

import json
import textwrap

from types_model import Alias, Choice, Struct, Union, Words, camel, pascal

HEAD = """// Made by scripts/generate_types.py from the core's types: change those, then run it again.
@file:OptIn(ExperimentalSerializationApi::class)

package io.github.tierway

import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.builtins.ListSerializer
import kotlinx.serialization.builtins.serializer
import kotlinx.serialization.json.JsonClassDiscriminator
import kotlinx.serialization.json.JsonElement
"""
SIMPLE = {"text": "String", "int": "Int", "long": "Long", "float": "Double", "bool": "Boolean", "json": "JsonElement"}
DEFAULTS = {"null": "null", "list": "emptyList()", "map": "emptyMap()", "false": "false"}
# What no backtick is worth: Kotlin's hard keywords among the fields.
HARD = {"class", "object", "in", "is", "as", "fun", "val", "var", "when", "interface", "typealias", "null", "this"}
# Written by hand, with more than a type to them.
BY_HAND = {"Usd"}


def name(key: str) -> str:
    made = camel(key)
    return f"`{made}`" if made in HARD else made


def constant(word: str) -> str:
    made = word.upper().replace("-", "_")
    return made if made[0].isalpha() else "FOR_" + made


def doc(text: str, indent: str = "") -> list:
    words = " ".join(text.split())
    lines = textwrap.wrap(words, 112 - len(indent)) if words else []
    if len(lines) == 1:
        return [f"{indent}/** {lines[0]} */"]
    return [f"{indent}/**", *[f"{indent} * {line}" for line in lines], f"{indent} */"] if lines else []


class Kotlin:
    def __init__(self) -> None:
        # Arms of the union that is being written: within it their names hide those of types.
        self.hidden: set = set()

    def type(self, found) -> str:
        if isinstance(found, str):
            return SIMPLE[found]
        kind, inner = found
        if kind == "ref":
            return f"io.github.tierway.{inner}" if inner in self.hidden else inner
        if kind == "optional":
            return self.type(inner) + "?"
        return f"List<{self.type(inner)}>" if kind == "list" else f"Map<String, {self.type(inner)}>"

    def serializer(self, found) -> str:
        if isinstance(found, str):
            return SIMPLE[found] + ".serializer()"
        kind, inner = found
        if kind == "list":
            return f"ListSerializer({self.serializer(inner)})"
        # Names are texts.
        return "String.serializer()" if inner.endswith("Id") else f"{inner}.serializer()"

    def field(self, field, indent: str, before: str = "") -> list:
        serial = f'@SerialName("{field.key}") ' if name(field.key).strip("`") != field.key else ""
        default = f" = {DEFAULTS[field.default]}" if field.default else ""
        return [*doc(field.doc, indent), f"{indent}{serial}{before}val {name(field.key)}: {self.type(field.type)}{default},"]

    def write(self, declared) -> list:
        writer = {Alias: self.alias, Words: self.words, Struct: self.struct, Union: self.union, Choice: self.choice}
        return writer[type(declared)](declared)

    def alias(self, declared) -> list:
        return [*doc(declared.doc), f"typealias {declared.name} = {self.type(declared.type)}"]

    def words(self, declared) -> list:
        lines = [*doc(declared.doc), "@Serializable", f"enum class {declared.name} {{"]
        for word, about in declared.words:
            lines += [*doc(about, "    "), f'    @SerialName("{word}") {constant(word)},']
        return [*lines, "}"]

    def struct(self, declared) -> list:
        # Required fields first: the others have defaults.
        fields = sorted(declared.fields, key=lambda field: field.default is not None)
        lines = [*doc(declared.doc), "@Serializable", f"data class {declared.name}("]
        return [*lines, *[line for field in fields for line in self.field(field, "    ")], ")"]

    def union(self, declared) -> list:
        self.hidden = {pascal(word) for word, _, _, _ in declared.arms}
        lines = [*doc(declared.doc), "@Serializable", f'@JsonClassDiscriminator("{declared.tag}")']
        lines.append(f"sealed interface {declared.name} {{")
        for field in declared.base:
            lines += [*doc(field.doc, "    "), f"    val {name(field.key)}: {self.type(field.type)}", ""]
        for word, about, fields, _ in declared.arms:
            head = [*doc(about, "    "), "    @Serializable", f'    @SerialName("{word}")']
            if not fields and not declared.base:
                lines += [*head, f"    data object {pascal(word)} : {declared.name}", ""]
                continue
            own = sorted(fields, key=lambda field: field.default is not None)
            lines += [*head, f"    data class {pascal(word)}("]
            lines += [line for field in own for line in self.field(field, "        ")]
            for field in declared.base:
                lines += self.field(field, "        ", "override ")[len(doc(field.doc, "        ")):]
            lines += [f"    ) : {declared.name}", ""]
        self.hidden = set()
        return [*lines[:-1], "}"]

    def choice(self, declared) -> list:
        lines = [*doc(declared.doc), f"@Serializable(with = {declared.name}.Serial::class)"]
        lines.append(f"sealed interface {declared.name} {{")
        for word, about in declared.words:
            lines += [*doc(about, "    "), f"    data object {pascal(word)} : {declared.name}", ""]
        for key, about, found in declared.keyed:
            value = f"data class {pascal(key)}(val {name(key)}: {self.type(found)}) : {declared.name}"
            lines += [*doc(about, "    "), f"    {value}", ""]
        words = ", ".join(f"{json.dumps(word)} to {pascal(word)}" for word, _ in declared.words)
        lines += [f"    /** As a word, or as an object with one key. */", f"    object Serial : ChoiceSerializer<{declared.name}>("]
        lines += [f'        "{declared.name}",', f"        mapOf({words}),"]
        for key, _, found in declared.keyed:
            arm = pascal(key)
            lines.append(f'        Keyed("{key}", {self.serializer(found)}, ::{arm}) {{ (it as? {arm})?.{name(key)} }},')
        return [*lines, "    )", "}"]


def file(declared: list) -> str:
    kotlin = Kotlin()
    lines = [HEAD]
    for one in declared:
        if one.name not in BY_HAND:
            lines += [*kotlin.write(one), ""]
    return "\n".join(lines)
