"""What the official SDKs read from our vendor server is what our wires read from the same bytes."""

import functools
import json

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from answers import ERRORS, REPLIES

MODES = ["unary", "stream"]


def prompt(name):
    return f"case-{name}. Where does the fox rest?"


def plain(found):
    """What a reading must agree on, without what a format does not have."""
    return {key: value for key, value in found.items() if value not in (None, "", [])}


def check(vendors, api, read, parts=("text", "reasoning", "tool_calls", "usage")):
    ours = vendors.decoded(api)
    assert ours["error"] is None, ours
    usage = {key: count for key, count in ours["usage"].items() if count}
    assert {"text": ours["text"], "tool_calls": ours["tool_calls"]} == {
        "text": read["text"], "tool_calls": read["tool_calls"]
    }
    assert ours["reasoning"] == read["reasoning"]
    assert ours["stop"] == read["stop"]
    assert usage == {key: count for key, count in read["usage"].items() if count}


OPENAI_STOPS = {"stop": "end", "tool_calls": "tool_use", "length": "max_tokens"}


@functools.cache
def openai_client(vendors):
    return openai.OpenAI(base_url=f"{vendors.url}/openai/v1", api_key="sk-test", max_retries=0)


def chat_usage(usage):
    return {
        "input": usage.prompt_tokens, "cached_read": usage.prompt_tokens_details.cached_tokens,
        "output": usage.completion_tokens, "reasoning": usage.completion_tokens_details.reasoning_tokens,
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", REPLIES)
def test_chat_completions(vendors, name, mode):
    asked = dict(model="gpt-test", messages=[{"role": "user", "content": prompt(name)}], max_completion_tokens=200)
    client = openai_client(vendors)
    read = {"text": "", "reasoning": "", "tool_calls": [], "stop": None, "usage": {}}
    if mode == "unary":
        answer = client.chat.completions.create(**asked)
        choice = answer.choices[0]
        read["text"] = choice.message.content or ""
        read["reasoning"] = getattr(choice.message, "reasoning_content", None) or ""
        for tool in choice.message.tool_calls or []:
            arguments = json.loads(tool.function.arguments)
            read["tool_calls"].append({"id": tool.id, "name": tool.function.name, "arguments": arguments})
        read["stop"], read["usage"] = OPENAI_STOPS[choice.finish_reason], chat_usage(answer.usage)
    else:
        calls = {}
        for chunk in client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
            if chunk.usage:
                read["usage"] = chat_usage(chunk.usage)
            for choice in chunk.choices:
                read["text"] += choice.delta.content or ""
                read["reasoning"] += getattr(choice.delta, "reasoning_content", None) or ""
                for tool in choice.delta.tool_calls or []:
                    known = calls.setdefault(tool.index, {"id": "", "name": "", "arguments": ""})
                    known["id"] += tool.id or ""
                    known["name"] += tool.function.name or ""
                    known["arguments"] += tool.function.arguments or ""
                if choice.finish_reason:
                    read["stop"] = OPENAI_STOPS[choice.finish_reason]
        read["tool_calls"] = [{**one, "arguments": json.loads(one["arguments"])} for one in calls.values()]
    check(vendors, "chat_completions", read)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", REPLIES)
def test_responses(vendors, name, mode):
    asked = dict(model="gpt-test", input=prompt(name), max_output_tokens=200, store=False)
    client = openai_client(vendors)
    if mode == "unary":
        answer = client.responses.create(**asked)
    else:
        answer, pieces = None, ""
        for event in client.responses.create(**asked, stream=True):
            if event.type == "response.output_text.delta":
                pieces += event.delta
            if event.type in ("response.completed", "response.incomplete"):
                answer = event.response
        assert pieces == answer.output_text
    calls = [item for item in answer.output if item.type == "function_call"]
    thoughts = [part.text for item in answer.output if item.type == "reasoning" for part in item.summary]
    stop = "max_tokens" if answer.status == "incomplete" else "tool_use" if calls else "end"
    read = {
        "text": answer.output_text, "reasoning": "".join(thoughts), "stop": stop,
        "tool_calls": [{"id": c.call_id, "name": c.name, "arguments": json.loads(c.arguments)} for c in calls],
        "usage": {
            "input": answer.usage.input_tokens, "output": answer.usage.output_tokens,
            "cached_read": answer.usage.input_tokens_details.cached_tokens,
            "reasoning": answer.usage.output_tokens_details.reasoning_tokens,
        },
    }
    check(vendors, "responses", read)


MESSAGES_STOPS = {"end_turn": "end", "tool_use": "tool_use", "max_tokens": "max_tokens"}


@functools.cache
def anthropic_client(vendors):
    return anthropic.Anthropic(base_url=f"{vendors.url}/anthropic", api_key="sk-test", max_retries=0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", REPLIES)
def test_messages(vendors, name, mode):
    asked = dict(model="claude-test", max_tokens=200, messages=[{"role": "user", "content": prompt(name)}])
    client = anthropic_client(vendors)
    if mode == "unary":
        answer = client.messages.create(**asked)
    else:
        with client.messages.stream(**asked) as stream:
            pieces = "".join(stream.text_stream)
            answer = stream.get_final_message()
        assert pieces == "".join(block.text for block in answer.content if block.type == "text")
    of = lambda kind: [block for block in answer.content if block.type == kind]
    usage = answer.usage
    cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    read = {
        "text": "".join(block.text for block in of("text")),
        "reasoning": "".join(block.thinking for block in of("thinking")),
        "tool_calls": [{"id": b.id, "name": b.name, "arguments": b.input} for b in of("tool_use")],
        "stop": MESSAGES_STOPS[answer.stop_reason],
        "usage": {
            "input": usage.input_tokens + cached + written, "cached_read": cached, "cache_write": written,
            "output": usage.output_tokens,
        },
    }
    check(vendors, "messages", read)


@functools.cache
def genai_client(vendors):
    return genai.Client(api_key="test", http_options=types.HttpOptions(base_url=f"{vendors.url}/google"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", REPLIES)
def test_generate_content(vendors, name, mode):
    models = genai_client(vendors).models
    asked = dict(model="gemini-test", contents=prompt(name), config={"max_output_tokens": 200})
    answers = [models.generate_content(**asked)] if mode == "unary" else list(models.generate_content_stream(**asked))
    parts = [part for answer in answers for part in (answer.candidates[0].content.parts or [])]
    usage = next(answer.usage_metadata for answer in reversed(answers) if answer.usage_metadata)
    calls = [part.function_call for part in parts if part.function_call]
    reasons = [answer.candidates[0].finish_reason for answer in answers if answer.candidates[0].finish_reason]
    stop = "max_tokens" if reasons[-1].name == "MAX_TOKENS" else "tool_use" if calls else "end"
    ours = vendors.decoded("generateContent")
    read = {
        "text": "".join(part.text or "" for part in parts if not part.thought),
        "reasoning": "".join(part.text or "" for part in parts if part.thought),
        # The format has ids for calls only where the vendor gives them.
        "tool_calls": [
            {"id": c.id or one["id"], "name": c.name, "arguments": c.args} for c, one in zip(calls, ours["tool_calls"])
        ],
        "stop": stop,
        "usage": {
            "input": usage.prompt_token_count, "cached_read": usage.cached_content_token_count,
            "output": (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
            "reasoning": usage.thoughts_token_count,
        },
    }
    assert len(calls) == len(ours["tool_calls"])
    check(vendors, "generateContent", read)


# What the SDKs call the failures that we name so.
KINDS = {
    400: "invalid", 401: "auth", 403: "permission", 404: "not_found", 429: "rate_limited", 500: "server",
    529: "overloaded",
}
SDK_KINDS = {
    400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError",
    429: "RateLimitError", 500: "InternalServerError",
}


def check_error(vendors, api, status, error):
    ours = vendors.decoded(api)["error"]
    assert vendors.last().status == status == error.status_code
    assert ours["kind"] == KINDS[status], ours
    if status in SDK_KINDS:
        assert type(error).__name__ == SDK_KINDS[status]
    said = error.body["error"]["message"] if "error" in error.body else error.body["message"]
    assert said in ours["message"], (said, ours)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("status", ERRORS)
def test_errors_of_openai(vendors, status, mode):
    client = openai_client(vendors)
    words, stream = f"error-{status}. Hello?", mode == "stream"
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": words}], stream=stream)
    check_error(vendors, "chat_completions", status, caught.value)
    with pytest.raises(openai.APIStatusError) as caught:
        client.responses.create(model="m", input=words, stream=stream)
    check_error(vendors, "responses", status, caught.value)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("status", ERRORS)
def test_errors_of_anthropic(vendors, status, mode):
    messages = [{"role": "user", "content": f"error-{status}. Hello?"}]
    with pytest.raises(anthropic.APIStatusError) as caught:
        anthropic_client(vendors).messages.create(
            model="m", max_tokens=9, messages=messages, stream=mode == "stream"
        )
    check_error(vendors, "messages", status, caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_errors_of_gemini(vendors, status):
    with pytest.raises(genai.errors.APIError) as caught:
        genai_client(vendors).models.generate_content(model="m", contents=f"error-{status}. Hello?")
    ours = vendors.decoded("generateContent")["error"]
    assert (caught.value.code, ours["kind"]) == (status, KINDS[status])


def test_an_error_inside_a_stream(vendors):
    messages = [{"role": "user", "content": "error-inside. Hello?"}]
    with pytest.raises(openai.APIError):
        list(openai_client(vendors).chat.completions.create(model="m", messages=messages, stream=True))
    assert vendors.decoded("chat_completions")["error"]["kind"] in ("overloaded", "server")
    # This SDK hands the error over as an event.
    events = list(openai_client(vendors).responses.create(model="m", input="error-inside. Hello?", stream=True))
    assert events[-1].type == "error"
    assert vendors.decoded("responses")["error"]["kind"] in ("overloaded", "server")
    with pytest.raises(anthropic.APIError):
        list(anthropic_client(vendors).messages.create(model="m", max_tokens=9, messages=messages, stream=True))
    assert vendors.decoded("messages")["error"]["kind"] == "overloaded"
