"""Answers in the shape of OpenAI's chat completions, as frozen dataclasses with the names of its own library.

What that shape has no words for is under `tierway`: who answered, and what it cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Literal, Optional, Tuple

from ._frozen import Frozen, many, reads, reads_later, several
from .answers import ChargeLine, Part, Route, Timing, Usd, read_part

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True)
class Account(Frozen):
    """Who answered and what it cost. Amounts are dollars, exact, as text."""

    #: The answer's own id, for `client.feedback`.
    id: str
    route: Route
    #: What the request cost, every attempt included.
    cost: Usd
    #: What the answer's own attempt is charged for.
    lines: Tuple[ChargeLine, ...]
    #: What the same answer would have cost on the baseline; None where it has no price.
    baseline_cost: Optional[Usd]
    saved: Usd
    #: Why the answer ended, where `finish_reason` has no word for it.
    stop: Optional[str]
    timing: Timing
    #: In a stream's last chunk: the whole answer's parts, where a vendor wants state of its own back.
    parts: Optional[Tuple[Part, ...]] = None


@dataclass(frozen=True)
class MessageState(Frozen):
    """What OpenAI's messages lose of an answer and its vendor wants back."""

    parts: Tuple[Part, ...]


@dataclass(frozen=True)
class Function(Frozen):
    """Which tool a model asks for. In a chunk of a stream, a piece of it."""

    name: Optional[str] = None
    arguments: str = ""


@dataclass(frozen=True)
class ChatCompletionMessageToolCall(Frozen):
    """A call of a tool."""

    id: str
    function: Function
    type: Literal["function"] = "function"


@dataclass(frozen=True)
class TopLogprob(Frozen):
    """What might have been drawn, and how likely it was."""

    token: str
    logprob: float
    bytes: Optional[List[int]] = None


@dataclass(frozen=True)
class ChatCompletionTokenLogprob(Frozen):
    """A drawn token, how likely it was, and what else was likely."""

    token: str
    logprob: float
    top_logprobs: List[TopLogprob]
    bytes: Optional[List[int]] = None


@dataclass(frozen=True)
class ChoiceLogprobs(Frozen):
    """How likely the tokens were."""

    content: Optional[List[ChatCompletionTokenLogprob]] = None
    refusal: Optional[List[ChatCompletionTokenLogprob]] = None


@dataclass(frozen=True)
class ChatCompletionMessage(Frozen):
    """What the model said. It may be sent back as it is, among the messages of the next request."""

    role: Literal["assistant"] = "assistant"
    content: Optional[str] = None
    refusal: Optional[str] = None
    reasoning_content: Optional[str] = None
    tool_calls: Optional[List[ChatCompletionMessageToolCall]] = None
    annotations: Optional[List[Any]] = None
    audio: Optional[Any] = None
    function_call: Optional[Any] = None
    tierway: Optional[MessageState] = None


@dataclass(frozen=True)
class Choice(Frozen):
    """One answer."""

    index: int
    message: ChatCompletionMessage
    finish_reason: FinishReason
    logprobs: Optional[ChoiceLogprobs] = None


@dataclass(frozen=True)
class PromptTokensDetails(Frozen):
    """Of the prompt's tokens."""

    cached_tokens: Optional[int] = None
    cache_write_tokens: Optional[int] = None
    audio_tokens: Optional[int] = None
    image_tokens: Optional[int] = None


@dataclass(frozen=True)
class CompletionTokensDetails(Frozen):
    """Of the answer's tokens."""

    reasoning_tokens: Optional[int] = None
    audio_tokens: Optional[int] = None
    image_tokens: Optional[int] = None


@dataclass(frozen=True)
class CompletionUsage(Frozen):
    """Tokens, as the vendor counted them. Details stand only where it reported them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: Optional[PromptTokensDetails] = None
    completion_tokens_details: Optional[CompletionTokensDetails] = None


@dataclass(frozen=True)
class ChatCompletion(Frozen):
    """A whole answer."""

    id: str
    choices: List[Choice]
    #: When it was decided, in seconds.
    created: int
    model: str
    usage: CompletionUsage
    tierway: Account
    object: Literal["chat.completion"] = "chat.completion"
    service_tier: Optional[str] = None
    system_fingerprint: Optional[str] = None


@dataclass(frozen=True)
class ChoiceDeltaToolCall(Frozen):
    """A piece of a call of a tool."""

    index: int
    id: Optional[str] = None
    function: Optional[Function] = None
    type: Optional[Literal["function"]] = None


@dataclass(frozen=True)
class ChoiceDelta(Frozen):
    """What a chunk adds to an answer."""

    role: Optional[Literal["assistant"]] = None
    content: Optional[str] = None
    refusal: Optional[str] = None
    reasoning_content: Optional[str] = None
    tool_calls: Optional[List[ChoiceDeltaToolCall]] = None
    function_call: Optional[Any] = None


@dataclass(frozen=True)
class ChunkChoice(Frozen):
    """Which answer a chunk adds to, and what."""

    index: int
    delta: ChoiceDelta
    finish_reason: Optional[FinishReason] = None
    logprobs: Optional[ChoiceLogprobs] = None


@dataclass(frozen=True)
class ChatCompletionChunk(Frozen):
    """A piece of an answer. The one that says why the answer ended holds its account."""

    id: str
    choices: List[ChunkChoice]
    created: int
    model: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    usage: Optional[CompletionUsage] = None
    tierway: Optional[Account] = None
    service_tier: Optional[str] = None
    system_fingerprint: Optional[str] = None


@dataclass(frozen=True)
class Model(Frozen):
    """A model on sale."""

    id: str
    vendor: str
    tier: Literal["local", "economy", "standard", "frontier"]
    context_window: int
    max_output: int
    retired: bool
    #: Whether one of its endpoints has its key.
    callable: bool


_LOGPROBS = {"content": several(ChatCompletionTokenLogprob.read), "refusal": several(ChatCompletionTokenLogprob.read)}
_USAGE = {"prompt_tokens_details": PromptTokensDetails.read, "completion_tokens_details": CompletionTokensDetails.read}

reads(Account, {"route": Route.read, "lines": many(ChargeLine.read), "timing": Timing.read, "parts": many(read_part)})
reads(MessageState, {"parts": many(read_part)})
reads(ChatCompletionMessageToolCall, {"function": Function.read})
reads(ChatCompletionTokenLogprob, {"top_logprobs": several(TopLogprob.read)})
reads(ChoiceLogprobs, _LOGPROBS)
reads(ChatCompletionMessage, {"tool_calls": several(ChatCompletionMessageToolCall.read), "tierway": MessageState.read})
reads(Choice, {"message": ChatCompletionMessage.read, "logprobs": ChoiceLogprobs.read})
reads(CompletionUsage, _USAGE)
reads(ChatCompletion, {"choices": several(Choice.read)})
reads(ChoiceDeltaToolCall, {"function": Function.read})
reads(ChoiceDelta, {"tool_calls": several(ChoiceDeltaToolCall.read)})
reads(ChunkChoice, {"delta": ChoiceDelta.read, "logprobs": ChoiceLogprobs.read})
reads(ChatCompletionChunk, {"choices": several(ChunkChoice.read)})
for _kind in (ChatCompletion, ChatCompletionChunk):
    reads_later(_kind, {"usage": CompletionUsage.read, "tierway": Account.read})
