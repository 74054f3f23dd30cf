"""What the vendor server answers, by a word in the prompt."""

TEXT = 'Größe: 12 µm; 漢字とかな. The quick brown fox, "twice", and then \\ rests\nby the river.'


def text(words):
    return {"type": "text", "text": words}


def call(number, name, arguments):
    return {"type": "tool_call", "id": f"call_{number}", "name": name, "arguments": arguments}


def reply(*parts, **more):
    return {"parts": list(parts), "usage": {"input": 31, "output": 27}, **more}


REPLIES = {
    "plain": reply(text(TEXT)),
    "empty-usage": reply(text("Yes."), usage={"input": 9, "output": 0}),
    "cached": reply(text("Cached."), usage={"input": 1000, "cached_read": 800, "output": 3}),
    "tool": reply(call(1, "look_up", '{"word": "Öl", "deep": {"n": [1, 2.5, null]}}')),
    "parallel": reply(call(1, "look_up", '{"word": "a"}'), call(2, "add", '{"a": 1, "b": 2}')),
    "text-and-tool": reply(text("I look that up."), call(1, "look_up", '{"word": "fox"}')),
    "thinking": reply(
        {"type": "reasoning", "text": "First think, dann reden: 漢字."}, text("Under the oak."),
        usage={"input": 31, "output": 40, "reasoning": 13},
    ),
    "cut": reply(text("It goes on and"), stop="max_tokens"),
    "json": reply(text('{"city": "Zürich", "people": 443037}')),
}

ERRORS = {400: None, 401: None, 403: None, 404: None, 429: {"seconds": 7}, 500: None, 529: None}

RULES = (
    [{"when": {"contains": f"case-{name}."}, "answer": {"reply": said}} for name, said in REPLIES.items()]
    + [
        {
            "when": {"contains": f"error-{status}."},
            "answer": {"fault": {"kind": "status", "status": status, "retry_after": after}},
        }
        for status, after in ERRORS.items()
    ]
    + [
        {
            "when": {"contains": "error-inside."},
            "answer": {"reply": REPLIES["plain"], "fault": {"kind": "error_inside", "after_events": 4}},
        }
    ]
)
