"""The bodies that the official SDKs write are read by our wires and written again as they were."""

import base64
import json
import re

import pydantic
import pytest

from test_replies import anthropic_client, genai_client, openai_client, prompt

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\nfixture").decode()
SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string", "description": "what"}, "n": {"type": "integer"}},
    "required": ["word", "n"],
    "additionalProperties": False,
}


class City(pydantic.BaseModel):
    city: str
    people: int


def same(vendors, api):
    """What was sent and what our wire makes of it; what says nothing (null, empty, a default) counts as not said."""

    def is_default(key, value):
        return key in ("stream", "is_error") and value is False

    def name(key):
        # Gemini takes its names in either spelling, and its SDK mixes them.
        return re.sub("_([a-z])", lambda found: found[1].upper(), key) if api == "generateContent" else key

    def said(value):
        if isinstance(value, dict):
            found = {name(key): said(one) for key, one in value.items()}
            return {key: one for key, one in found.items() if one not in (None, [], {}) and not is_default(key, one)}
        if isinstance(value, list):
            return [said(one) for one in value]
        return value

    sent, written = said(json.loads(vendors.last().body)), said(vendors.rewritten(api))
    assert written == sent


def user(words="case-plain. Hello"):
    return [{"role": "user", "content": words}]


CHAT_TOOL = {"type": "function", "function": {"name": "look_up", "description": "Looks up.", "parameters": SCHEMA}}
CHAT = {
    "one message": {},
    "system and settings": dict(
        messages=[{"role": "system", "content": "Be brief."}, *user()], temperature=0.5, top_p=0.9, seed=7,
        stop=["END", "\n\n"], max_completion_tokens=99, frequency_penalty=0.1, presence_penalty=-0.1,
    ),
    "developer and effort": dict(
        messages=[{"role": "developer", "content": "Be brief."}, *user()], reasoning_effort="high",
    ),
    "tools": dict(tools=[CHAT_TOOL], tool_choice="auto", parallel_tool_calls=False),
    "a strict tool, forced": dict(
        tools=[{"type": "function", "function": {**CHAT_TOOL["function"], "strict": True}}],
        tool_choice={"type": "function", "function": {"name": "look_up"}},
    ),
    "tools forbidden": dict(tools=[CHAT_TOOL], tool_choice="none"),
    "tools required": dict(tools=[CHAT_TOOL], tool_choice="required"),
    "a tool's turn": dict(
        messages=[
            *user(),
            {"role": "assistant", "content": "I look.", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{\"word\": \"Öl\"}"}},
                {"id": "c2", "type": "function", "function": {"name": "look_up", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "oil"},
            {"role": "tool", "tool_call_id": "c2", "content": "nothing"},
        ],
        tools=[CHAT_TOOL],
    ),
    "a picture": dict(messages=user([
        {"type": "text", "text": "case-plain. What is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
    ])),
    "log-probabilities": dict(logprobs=True, top_logprobs=3),
    "a lane and answers": dict(service_tier="flex", n=2),
    "any JSON": dict(response_format={"type": "json_object"}),
    "a schema": dict(response_format={
        "type": "json_schema", "json_schema": {"name": "found", "schema": SCHEMA, "strict": True}
    }),
    "fields of the vendor's": dict(metadata={"a": "b"}, store=False, user="u1", prompt_cache_key="k"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", CHAT)
def test_chat_completions(vendors, name, stream):
    asked = {"model": "gpt-test", "messages": user(), **CHAT[name], "stream": stream}
    if stream:
        asked["stream_options"] = {"include_usage": True}
    openai_client(vendors).chat.completions.create(**asked)
    same(vendors, "chat_completions")


def test_chat_completions_parse(vendors):
    answer = openai_client(vendors).chat.completions.parse(
        model="gpt-test", messages=user(prompt("json")), response_format=City
    )
    assert answer.choices[0].message.parsed == City(city="Zürich", people=443037)
    same(vendors, "chat_completions")


RESPONSES_TOOL = {"type": "function", "name": "look_up", "description": "Looks up.", "parameters": SCHEMA, "strict": True}
RESPONSES = {
    "text": {},
    "instructions and settings": dict(instructions="Be brief.", temperature=0.5, top_p=0.9, max_output_tokens=99),
    "turns": dict(input=[
        {"role": "user", "content": "case-plain. Hello"}, {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "And?"},
    ]),
    "effort": dict(reasoning={"effort": "low", "summary": "auto"}, include=["reasoning.encrypted_content"]),
    "tools": dict(tools=[RESPONSES_TOOL], tool_choice="required", parallel_tool_calls=False),
    "a tool's turn with reasoning": dict(
        input=[
            {"role": "user", "content": "case-plain. Hello"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "b3BhcXVl"},
            {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": "{\"word\": \"Öl\"}"},
            {"type": "function_call_output", "call_id": "c1", "output": "oil"},
        ],
        tools=[RESPONSES_TOOL],
    ),
    "a picture": dict(input=[{"role": "user", "content": [
        {"type": "input_text", "text": "case-plain. What is it?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "low"},
    ]}]),
    "a schema": dict(text={"format": {"type": "json_schema", "name": "found", "schema": SCHEMA, "strict": True}}),
    "a lane": dict(service_tier="priority", metadata={"a": "b"}),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", RESPONSES)
def test_responses(vendors, name, stream):
    asked = {"model": "gpt-test", "input": "case-plain. Hello", "store": False, **RESPONSES[name], "stream": stream}
    answer = openai_client(vendors).responses.create(**asked)
    if stream:
        list(answer)
    same(vendors, "responses")


MESSAGES_TOOL = {"name": "look_up", "description": "Looks up.", "input_schema": SCHEMA}
HOUR = {"type": "ephemeral", "ttl": "1h"}
MESSAGES = {
    "one message": {},
    "system and settings": dict(
        system="Be brief.", stop_sequences=["END"], extra_body={"temperature": 0.5, "top_p": 0.9, "top_k": 5}
    ),
    "a cached system": dict(system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]),
    "cached for an hour": dict(messages=user([{"type": "text", "text": "case-plain. Hi", "cache_control": HOUR}])),
    "tools": dict(tools=[MESSAGES_TOOL], tool_choice={"type": "auto", "disable_parallel_tool_use": True}),
    "a tool forced": dict(tools=[MESSAGES_TOOL], tool_choice={"type": "tool", "name": "look_up"}),
    "tools required": dict(tools=[MESSAGES_TOOL], tool_choice={"type": "any"}),
    "tools forbidden": dict(tools=[MESSAGES_TOOL], tool_choice={"type": "none"}),
    "a tool's turn with thinking": dict(
        messages=[
            *user(),
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "I look.", "signature": "c2lnbmVk"},
                {"type": "redacted_thinking", "data": "b3BhcXVl"},
                {"type": "tool_use", "id": "t1", "name": "look_up", "input": {"word": "Öl", "n": 1}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "oil"}]},
        ],
        tools=[MESSAGES_TOOL], thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=4096,
    ),
    "a picture and a document": dict(messages=user([
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PIXEL}},
        {"type": "text", "text": "case-plain. What is it?"},
    ])),
    "a lane and a user": dict(service_tier="auto", metadata={"user_id": "u1"}),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", MESSAGES)
def test_messages(vendors, name, stream):
    asked = {"model": "claude-test", "max_tokens": 200, "messages": user(), **MESSAGES[name], "stream": stream}
    anthropic_client(vendors).messages.create(**asked)
    same(vendors, "messages")


GEMINI = {
    "text": {},
    "settings": {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "seed": 7, "stop_sequences": ["END"], "max_output_tokens": 9},
    "a system": {"system_instruction": "Be brief."},
    "a schema": {"response_mime_type": "application/json", "response_json_schema": SCHEMA},
    "thinking": {"thinking_config": {"thinking_budget": 256, "include_thoughts": True}},
    "tools": {
        "tools": [{"function_declarations": [
            {"name": "look_up", "description": "Looks up.", "parameters_json_schema": SCHEMA}
        ]}],
        "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["look_up"]}},
        "automatic_function_calling": {"disable": True},
    },
}


@pytest.mark.parametrize("name", GEMINI)
def test_generate_content(vendors, name):
    genai_client(vendors).models.generate_content(model="gemini-test", contents="case-plain. Hello", config=GEMINI[name])
    same(vendors, "generateContent")
