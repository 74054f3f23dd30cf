"""Writes declarations of types_model as Swift structs and enums that are Codable."""

import textwrap

from types_model import Alias, Choice, Field, Struct, Union, Words, camel

HEAD = """// Made by scripts/generate_types.py from the core's types: change those, then run it again.
"""
SIMPLE = {"text": "String", "int": "Int", "long": "Int", "float": "Double", "bool": "Bool", "json": "JSON"}
DEFAULTS = {"null": "nil", "list": "[]", "map": "[:]", "false": "false"}
KEYWORDS = {
    "case", "class", "continue", "default", "do", "else", "enum", "extension", "for", "func", "if", "import", "in", "init",
    "internal", "is", "let", "operator", "private", "protocol", "public", "repeat", "return", "self", "static", "struct",
    "switch", "throw", "try", "var", "where", "while", "as", "nil", "true", "false",
}
# Written by hand, with more than a type to them.
BY_HAND = {"Usd"}


def name(key: str) -> str:
    made = camel(key.replace("-", "_"))
    made = made if made[0].isalpha() else "for" + made
    return f"`{made}`" if made in KEYWORDS else made


def doc(text: str, indent: str = "") -> list:
    words = " ".join(text.split())
    return [f"{indent}/// {line}" for line in textwrap.wrap(words, 112 - len(indent))]


def type_of(found) -> str:
    if isinstance(found, str):
        return SIMPLE[found]
    kind, inner = found
    if kind == "ref":
        return inner
    if kind == "optional":
        return type_of(inner) + "?"
    return f"[{type_of(inner)}]" if kind == "list" else f"[String: {type_of(inner)}]"


def bare(found) -> str:
    """A type without its being optional."""
    return type_of(found[1] if isinstance(found, tuple) and found[0] == "optional" else found)


def coding(keys: list, indent: str) -> list:
    cases = [f'{indent}    case {name(key)}' + ("" if name(key).strip("`") == key else f' = "{key}"') for key in keys]
    return [f"{indent}private enum CodingKeys: String, CodingKey {{", *cases, f"{indent}}}"] if keys else []


def read(field: Field, container: str = "container") -> str:
    key = "." + name(field.key).strip("`") if name(field.key).strip("`") != "init" else ".`init`"
    if field.default is None:
        return f"try {container}.decode({type_of(field.type)}.self, forKey: {key})"
    found = f"try {container}.decodeIfPresent({bare(field.type)}.self, forKey: {key})"
    return found if field.default == "null" else f"{found} ?? {DEFAULTS[field.default]}"


def write(field: Field, value: str, container: str = "container") -> str:
    key = "." + name(field.key).strip("`")
    if field.default is None:
        return f"try {container}.encode({value}, forKey: {key})"
    if field.default == "null":
        return f"try {container}.encodeIfPresent({value}, forKey: {key})"
    test = value if field.default == "false" else f"!{value}.isEmpty"
    return f"if {test} {{ try {container}.encode({value}, forKey: {key}) }}"


def ordered(fields: list) -> list:
    """Required fields first: the others have defaults."""
    return sorted(fields, key=lambda field: field.default is not None)


def properties(fields: list, indent: str) -> list:
    lines = []
    for field in fields:
        lines += [*doc(field.doc, indent), f"{indent}public var {name(field.key)}: {type_of(field.type)}"]
    return lines


def initialiser(fields: list, indent: str) -> list:
    params = []
    for field in ordered(fields):
        default = f" = {DEFAULTS[field.default]}" if field.default else ""
        params.append(f"{indent}    {name(field.key)}: {type_of(field.type)}{default}")
    body = [f"{indent}    self.{name(field.key).strip('`')} = {name(field.key)}" for field in ordered(fields)]
    return [f"{indent}public init(", ",\n".join(params), f"{indent}) {{", *body, f"{indent}}}"]


def alias(declared) -> list:
    return [*doc(declared.doc), f"public typealias {declared.name} = {type_of(declared.type)}"]


def words(declared) -> list:
    lines = [*doc(declared.doc), f"public enum {declared.name}: String, Codable, Hashable, Sendable, CaseIterable {{"]
    for word, about in declared.words:
        made = name(word)
        lines += [*doc(about, "    "), f"    case {made}" + ("" if made.strip("`") == word else f' = "{word}"')]
    return [*lines, "}"]


def struct(declared) -> list:
    fields = declared.fields
    lines = [*doc(declared.doc), f"public struct {declared.name}: Codable, Hashable, Sendable {{"]
    lines += [*properties(fields, "    "), "", *initialiser(fields, "    "), ""]
    lines += coding([field.key for field in fields], "    ")
    # What has defaults other than nothing is read and written by hand.
    if any(field.default not in (None, "null") for field in fields):
        lines += ["", "    public init(from decoder: Decoder) throws {"]
        lines.append("        let container = try decoder.container(keyedBy: CodingKeys.self)")
        lines += [f"        self.{name(field.key).strip('`')} = {read(field)}" for field in fields]
        lines += ["    }", "", "    public func encode(to encoder: Encoder) throws {"]
        lines.append("        var container = encoder.container(keyedBy: CodingKeys.self)")
        lines += [f"        {write(field, name(field.key))}" for field in fields]
        lines.append("    }")
    return [*lines, "}"]


def arm_case(arm) -> str:
    word, _, fields, whole = arm
    if whole:
        return f"case {name(word)}({whole})"
    params = ", ".join(
        f"{name(field.key)}: {type_of(field.type)}" + (f" = {DEFAULTS[field.default]}" if field.default else "")
        for field in ordered(fields)
    )
    return f"case {name(word)}({params})" if params else f"case {name(word)}"


def arm_read(arm) -> list:
    word, _, fields, whole = arm
    made = name(word).strip("`")
    lines = [f'        case "{word}":']
    if whole:
        return [*lines, f"            self = .{made}(try {whole}(from: decoder))"]
    if not fields:
        return [*lines, f"            self = .{made}"]
    args = ",\n".join(f"                {name(field.key)}: {read(field)}" for field in ordered(fields))
    return [*lines, f"            self = .{made}(", args, "            )"]


def arm_write(arm, tag: str) -> list:
    word, _, fields, whole = arm
    made = name(word).strip("`")
    tagged = f'            try container.encode("{word}", forKey: .{name(tag).strip("`")})'
    if whole:
        return [f"        case .{made}(let whole):", tagged, "            try whole.encode(to: encoder)"]
    if not fields:
        return [f"        case .{made}:", tagged]
    bound = ", ".join(f"let {name(field.key)}" for field in ordered(fields))
    lines = [f"        case .{made}({bound}):", tagged]
    return [*lines, *[f"            {write(field, name(field.key))}" for field in ordered(fields)]]


def tagged_enum(type_name: str, about: str, declared, indent: str) -> list:
    keys = list(dict.fromkeys([declared.tag, *[f.key for _, _, fields, whole in declared.arms if not whole for f in fields]]))
    lines = [*doc(about), f"public indirect enum {type_name}: Codable, Hashable, Sendable {{"]
    for arm in declared.arms:
        lines += [*doc(arm[1], "    "), f"    {arm_case(arm)}"]
    lines += ["", *coding(keys, "    "), "", "    public init(from decoder: Decoder) throws {"]
    lines.append("        let container = try decoder.container(keyedBy: CodingKeys.self)")
    lines.append(f"        switch try container.decode(String.self, forKey: .{name(declared.tag).strip('`')}) {{")
    lines += [line for arm in declared.arms for line in arm_read(arm)]
    lines += ["        case let other:", f'            throw unknown("{declared.name}", other, at: decoder)', "        }", "    }", ""]
    lines += ["    public func encode(to encoder: Encoder) throws {"]
    lines += ["        var container = encoder.container(keyedBy: CodingKeys.self)", "        switch self {"]
    lines += [line for arm in declared.arms for line in arm_write(arm, declared.tag)]
    return [indent + line if line else line for line in [*lines, "        }", "    }", "}"]]


def union(declared) -> list:
    if not declared.base:
        return tagged_enum(declared.name, declared.doc, declared, "")
    content = Field("content", "What it is.", ("ref", "Content"), None)
    lines = [*doc(declared.doc), f"public struct {declared.name}: Codable, Hashable, Sendable {{"]
    lines += tagged_enum("Content", "What a piece is.", declared, "    ")
    lines += ["", *properties([content, *declared.base], "    "), ""]
    made = initialiser([content, *declared.base], "    ")
    lines += [made[0], made[1].replace("content: Content", "_ content: Content", 1), *made[2:], ""]
    lines += [*coding([field.key for field in declared.base], "    "), "", "    public init(from decoder: Decoder) throws {"]
    lines += ["        let container = try decoder.container(keyedBy: CodingKeys.self)", "        content = try Content(from: decoder)"]
    lines += [f"        {name(field.key)} = {read(field)}" for field in declared.base]
    lines += ["    }", "", "    public func encode(to encoder: Encoder) throws {", "        try content.encode(to: encoder)"]
    lines.append("        var container = encoder.container(keyedBy: CodingKeys.self)")
    return [*lines, *[f"        {write(field, name(field.key))}" for field in declared.base], "    }", "}"]


def choice(declared) -> list:
    lines = [*doc(declared.doc), f"public enum {declared.name}: Codable, Hashable, Sendable {{"]
    for word, about in declared.words:
        lines += [*doc(about, "    "), f"    case {name(word)}"]
    for key, about, found in declared.keyed:
        lines += [*doc(about, "    "), f"    case {name(key)}({type_of(found)})"]
    lines += ["", *coding([key for key, _, _ in declared.keyed], "    "), "", "    public init(from decoder: Decoder) throws {"]
    lines += ["        if let word = try? decoder.singleValueContainer().decode(String.self) {", "            switch word {"]
    for word, _ in declared.words:
        lines.append(f'            case "{word}": self = .{name(word).strip("`")}')
    lines += [f'            default: throw unknown("{declared.name}", word, at: decoder)', "            }", "            return", "        }"]
    lines.append("        let container = try decoder.container(keyedBy: CodingKeys.self)")
    *others, last = declared.keyed
    for key, _, found in others:
        made = name(key).strip("`")
        lines += [f"        if let value = try container.decodeIfPresent({type_of(found)}.self, forKey: .{made}) {{"]
        lines += [f"            self = .{made}(value)", "            return", "        }"]
    made = name(last[0]).strip("`")
    lines += [f"        self = .{made}(try container.decode({type_of(last[2])}.self, forKey: .{made}))", "    }", ""]
    lines += ["    public func encode(to encoder: Encoder) throws {", "        switch self {"]
    for word, _ in declared.words:
        lines += [f"        case .{name(word).strip('`')}:", "            var word = encoder.singleValueContainer()", f'            try word.encode("{word}")']
    for key, _, _ in declared.keyed:
        made = name(key).strip("`")
        lines += [f"        case .{made}(let value):", "            var container = encoder.container(keyedBy: CodingKeys.self)"]
        lines.append(f"            try container.encode(value, forKey: .{made})")
    return [*lines, "        }", "    }", "}"]


WRITERS = {Alias: alias, Words: words, Struct: struct, Union: union, Choice: choice}


def file(declared: list) -> str:
    lines = [HEAD]
    for one in declared:
        if one.name not in BY_HAND:
            lines += [*WRITERS[type(one)](one), ""]
    return "\n".join(lines)
