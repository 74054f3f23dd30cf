#!/usr/bin/env python3
"""Builds workload.jsonl, the demo's requests, from the texts under source/.

    make_workload.py            rewrites workload.jsonl
    make_workload.py --check    exits 1 when workload.jsonl is not what the sources give

The output depends on the sources alone: no clock, no randomness but seeded arithmetic, no zlib. README.md
documents the format of the sources and of the output.
"""

import json
import re
import sys
from pathlib import Path

import documents
import pictures

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "source"
OUTPUT = HERE / "workload.jsonl"

#: Category -> prefix of its ids.
CATEGORIES = {
    "extraction": "extract",
    "classification": "classify",
    "code-review": "review",
    "code-writing": "code",
    "mathematics": "maths",
    "reasoning": "reason",
    "conversation": "chat",
    "creative-writing": "creative",
    "customer-mail": "mail",
    "summaries": "summary",
    "translation": "translate",
    "sql": "sql",
    "long-document": "longdoc",
    "vision": "vision",
    "tools": "tools",
    "structured-output": "schema",
}
STREAMED = {"code-writing", "reasoning", "conversation", "creative-writing", "mathematics", "long-document"}
COLD = {"extraction", "classification", "sql", "structured-output", "tools", "summaries"}
BOUNDED = {"extraction", "classification", "summaries", "translation"}
LABELS = {"customer-pii", "health", "financial", "confidential"}


class Workload:
    """Collects the lines in the order of the sources and numbers them by category."""

    def __init__(self):
        self.tools = json.loads((SOURCE / "tools.json").read_text("utf-8"))
        self.schemas = json.loads((SOURCE / "schemas.json").read_text("utf-8"))
        self.systems = read_systems(SOURCE / "systems.txt")
        self.counts = dict.fromkeys(CATEGORIES, 0)
        self.rows = []

    def add(self, head, messages, reply_tokens, reasoning_tokens, difficulty):
        """Emits one request that holds a copy of `messages`."""
        category = head["category"]
        self.counts[category] += 1
        body = {"model": "auto", "messages": json.loads(json.dumps(messages))}
        options = head["options"]
        if "tools" in options:
            body["tools"] = [{"type": "function", "function": self.tools[name]} for name in options["tools"].split(",")]
        if "choice" in options:
            choice = options["choice"]
            named = {"type": "function", "function": {"name": choice}}
            body["tool_choice"] = choice if choice in ("auto", "required", "none") else named
        if "schema" in options:
            name = options["schema"]
            schema = {"name": name, "strict": True, "schema": self.schemas[name]}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if "t" in options:
            body["temperature"] = float(options["t"])
        elif category in COLD:
            body["temperature"] = 0.0
        if "max" in options:
            body["max_tokens"] = int(options["max"])
        elif category in BOUNDED:
            body["max_tokens"] = -(-reply_tokens * 2 // 64) * 64
        if options.get("stream", "1" if category in STREAMED else "0") == "1":
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        labels = options["labels"].split(",") if "labels" in options else []
        unknown = set(labels) - LABELS
        if unknown:
            raise ValueError(f"{head['where']}: unknown labels {unknown}")
        self.rows.append({
            "id": f"{CATEGORIES[category]}-{self.counts[category]:03}",
            "category": category,
            "language": head["language"],
            "difficulty": difficulty,
            "labels": labels,
            "tags": {"team": head["team"], "feature": head["feature"]},
            "session": options.get("session"),
            "reply_tokens": reply_tokens,
            "reasoning_tokens": reasoning_tokens,
            "body": body,
        })


def read_systems(path):
    """System prompts by feature: a line `= feature`, then the text."""
    systems = {}
    for block in re.split(r"^= ", path.read_text("utf-8"), flags=re.M)[1:]:
        feature, text = block.split("\n", 1)
        systems[feature.strip()] = text.strip()
    return systems


def read_head(line, where):
    """Parses `### category language difficulty reply_tokens team/feature key=value...`."""
    words = line[4:].split()
    if len(words) < 5 or words[0] not in CATEGORIES or words[2] not in ("easy", "medium", "hard"):
        raise ValueError(f"{where}: bad heading: {line}")
    team, feature = words[4].split("/")
    return {
        "category": words[0], "language": words[1], "difficulty": words[2], "reply_tokens": int(words[3]),
        "team": team, "feature": feature, "options": dict(word.split("=", 1) for word in words[5:]), "where": where,
    }


class Dialogue:
    """Builds the messages of one source entry, marker by marker."""

    def __init__(self, workload, head):
        self.workload, self.head, self.messages = workload, head, []
        self.pending_calls, self.call_count = [], 0

    def feed(self, marker, text):
        text = text.strip("\n").strip()
        if not self.messages and marker != "S" and self.head["feature"] in self.workload.systems:
            self.messages.append({"role": "system", "content": self.workload.systems[self.head["feature"]]})
        {"S": self.system, "U": self.user, "A": self.assistant, "C": self.call, "R": self.result,
         "I": self.image, "D": self.document, "CUT": self.cut}[marker](text)

    def system(self, text):
        self.messages.append({"role": "system", "content": text})

    def user(self, text):
        self.messages.append({"role": "user", "content": text})

    def assistant(self, text):
        self.messages.append({"role": "assistant", "content": text})

    def call(self, text):
        """`name {arguments}`: calls that follow one another are parallel calls of one assistant message."""
        name, arguments = text.split(" ", 1)
        arguments = json.dumps(json.loads(arguments), ensure_ascii=False)
        self.call_count += 1
        call_id = f"call_{self.workload.counts[self.head['category']] + 1:03}_{self.call_count}"
        last = self.messages[-1]
        if last["role"] != "assistant":
            last = {"role": "assistant", "content": None}
            self.messages.append(last)
        last.setdefault("tool_calls", []).append(
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}})
        self.pending_calls.append(call_id)

    def result(self, text):
        self.messages.append({"role": "tool", "tool_call_id": self.pending_calls.pop(0), "content": text})

    def image(self, text):
        """A picture for the last user message: the name of one in pictures.py, or an https address."""
        last = self.messages[-1]
        if isinstance(last["content"], str):
            last["content"] = [{"type": "text", "text": last["content"]}]
        url = text if text.startswith("https://") else pictures.data_uri(text)
        last["content"].append({"type": "image_url", "image_url": {"url": url, "detail": "auto"}})

    def document(self, text):
        """Appends a document of documents.py to the last user message: `name characters seed`."""
        name, size, seed = text.split()
        self.messages[-1]["content"] += "\n\n" + documents.write(name, int(size), int(seed))

    def cut(self, text):
        """Emits the request as it stands here: `reply_tokens [reasoning_tokens [difficulty]]`."""
        words = text.split()
        reasoning = int(words[1]) if len(words) > 1 else 0
        difficulty = words[2] if len(words) > 2 else self.head["difficulty"]
        self.workload.add(self.head, self.messages, int(words[0]), reasoning, difficulty)


def read_source(workload, path):
    """Reads one source file: entries that start with `###`, messages that start with `>X`."""
    text = path.read_text("utf-8")
    for number, entry in enumerate(re.split(r"^(?=### )", text, flags=re.M)):
        if not entry.startswith("### "):
            continue
        where = f"{path.name}, entry {number}"
        line, rest = entry.split("\n", 1)
        head = read_head(line, where)
        dialogue = Dialogue(workload, head)
        pieces = re.split(r"^>(S|U|A|C|R|I|D|CUT)(?: |$)", rest, flags=re.M)
        for marker, piece in zip(pieces[1::2], pieces[2::2]):
            try:
                dialogue.feed(marker, piece)
            except (ValueError, KeyError, IndexError) as cause:
                raise ValueError(f"{where}: {line}: {marker} {piece[:60]!r}: {cause!r}") from cause
        if pieces[-2] != "CUT":
            reasoning = int(head["options"].get("think", 0))
            workload.add(head, dialogue.messages, head["reply_tokens"], reasoning, head["difficulty"])


def interleave(rows):
    """Mixes the categories as traffic does, the same way every time, and keeps the order inside each session."""
    keyed, place = [], {}
    for index, row in enumerate(rows):
        spread = (index * 7919 + 104729) % 100003
        session = row["session"]
        if session is not None:
            spread = place[session] + 2500 if session in place else spread // 2
            place[session] = spread
        keyed.append((spread, index, row))
    return [row for _, _, row in sorted(keyed, key=lambda item: item[:2])]


def build():
    workload = Workload()
    for path in sorted(SOURCE.glob("[0-9]*.txt")):
        read_source(workload, path)
    rows = interleave(workload.rows)
    return "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)


def main():
    text = build()
    if "--check" in sys.argv:
        if not OUTPUT.exists() or OUTPUT.read_text("utf-8") != text:
            print("workload.jsonl is not what its sources give: run make_workload.py", file=sys.stderr)
            return 1
        return 0
    OUTPUT.write_text(text, "utf-8", newline="\n")
    print(f"{text.count(chr(10))} requests, {len(text.encode())} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
