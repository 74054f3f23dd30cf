"""What comes back: frozen dataclasses. Made by scripts/generate_types.py from the core's types: change those, then run it again.

A field whose name is a word of Python's own has an underscore after it: `class_`, `from_`, `with_`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Literal, Optional, Tuple, Union

from ._frozen import Frozen, choice, many, reads, tagged


@dataclass(frozen=True)
class PartText(Frozen):
    """Words."""

    #: The words.
    text: str
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: Optional[CacheHint] = None
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: VendorFields = field(default_factory=dict)
    type: Literal["text"] = "text"


@dataclass(frozen=True)
class SourceBase64(Frozen):
    """Here, in base64."""

    #: Such as `image/png`.
    media_type: str
    #: The bytes in standard base64.
    data: str
    from_: Literal["base64"] = "base64"


@dataclass(frozen=True)
class SourceUrl(Frozen):
    """At an address that the vendor fetches."""

    #: The address.
    url: str
    #: Such as `image/png`, where a format wants it said.
    media_type: Optional[str] = None
    from_: Literal["url"] = "url"


@dataclass(frozen=True)
class SourceFile(Frozen):
    """Uploaded to the vendor before."""

    #: The vendor's id of the file.
    id: str
    #: Such as `application/pdf`, where a format wants it said.
    media_type: Optional[str] = None
    from_: Literal["file"] = "file"


@dataclass(frozen=True)
class SourceText(Frozen):
    """Plain text, for documents."""

    #: The text.
    text: str
    #: Such as `text/plain`.
    media_type: str
    from_: Literal["text"] = "text"


def read_source(plain: Any) -> "Source":
    """Of plain JSON, the arm that its `from` names."""
    made: Source = tagged(plain, "from", _SOURCE)
    return made


_SOURCE = {"base64": SourceBase64, "url": SourceUrl, "file": SourceFile, "text": SourceText}


@dataclass(frozen=True)
class PartImage(Frozen):
    """A picture."""

    #: Where its bytes are.
    source: Source
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: Optional[CacheHint] = None
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: VendorFields = field(default_factory=dict)
    type: Literal["image"] = "image"


@dataclass(frozen=True)
class PartAudio(Frozen):
    """A sound."""

    #: Where its bytes are.
    source: Source
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: Optional[CacheHint] = None
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: VendorFields = field(default_factory=dict)
    type: Literal["audio"] = "audio"


@dataclass(frozen=True)
class PartVideo(Frozen):
    """A moving picture."""

    #: Where its bytes are.
    source: Source
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: Optional[CacheHint] = None
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: VendorFields = field(default_factory=dict)
    type: Literal["video"] = "video"


@dataclass(frozen=True)
class PartDocument(Frozen):
    """A file: a PDF, a text, a table."""

    #: Where its bytes are.
    source: Source
    #: Its name, where known.
    name: Optional[str] = None
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: Optional[CacheHint] = None
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: VendorFields = field(default_factory=dict)
    type: Literal["document"] = "document"


@dataclass(frozen=True)
class PartToolCall(Frozen):
    """The model asks for a tool."""

    #: The call's id, which the result repeats. Formats without ids get one made from the position.
    id: str
    #: The tool's name.
    name: str
    #: The arguments as JSON text, exactly as the vendor sent them; models sometimes write invalid JSON.
    arguments: str
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: Optional[CacheHint] = None
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: VendorFields = field(default_factory=dict)
    type: Literal["tool_call"] = "tool_call"


@dataclass(frozen=True)
class PartToolResult(Frozen):
    """What a tool answered."""

    #: The id of the call that is answered.
    call_id: str
    #: The answer.
    parts: Tuple[Part, ...]
    #: The tool's name, where a format wants it said.
    name: Optional[str] = None
    #: Whether the tool failed.
    is_error: bool = False
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: Optional[CacheHint] = None
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: VendorFields = field(default_factory=dict)
    type: Literal["tool_result"] = "tool_result"


@dataclass(frozen=True)
class PartReasoning(Frozen):
    """The model's reasoning. Its signature or encrypted form, if any, is in the part's vendor fields, and the text may be
    empty where the vendor shows none.
    """

    #: The reasoning, or a summary of it, as the vendor shows it.
    text: str
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: Optional[CacheHint] = None
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: VendorFields = field(default_factory=dict)
    type: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True)
class PartRefusal(Frozen):
    """The model declines, where the format tells that apart from text."""

    #: Its words.
    text: str
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: Optional[CacheHint] = None
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: VendorFields = field(default_factory=dict)
    type: Literal["refusal"] = "refusal"


@dataclass(frozen=True)
class PartVendor(Frozen):
    """A part that only one format knows, whole in the part's vendor fields."""

    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: Optional[CacheHint] = None
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: VendorFields = field(default_factory=dict)
    type: Literal["vendor"] = "vendor"


def read_part(plain: Any) -> "Part":
    """Of plain JSON, the arm that its `type` names."""
    made: Part = tagged(plain, "type", _PART)
    return made


_PART = {"text": PartText, "image": PartImage, "audio": PartAudio, "video": PartVideo, "document": PartDocument, "tool_call": PartToolCall, "tool_result": PartToolResult, "reasoning": PartReasoning, "refusal": PartRefusal, "vendor": PartVendor}


@dataclass(frozen=True)
class StopReasonOther(Frozen):
    """A reason that no other name fits, in the vendor's word."""

    other: str


def read_stopreason(plain: Any) -> "StopReason":
    """Of plain JSON, a word or an arm."""
    made: StopReason = choice(plain, {"other": StopReasonOther})
    return made


@dataclass(frozen=True)
class Usage(Frozen):
    """Tokens and units of one call, normalised: parts lie inside their totals whatever the vendor's own convention."""

    #: Every prompt token: cached reads, cache writes, audio and images included.
    input: Optional[int] = None
    #: What the vendor bills as input, where that is another count than `input` (Cohere counts its own template and bills
    #: only the caller's words). All of it costs the input rate, whatever was read from the cache.
    billed_input: Optional[int] = None
    #: Of `input`: read from the vendor's cache.
    cached_read: Optional[int] = None
    #: Of `input`: written to the cache for five minutes, or for the vendor's only lifetime.
    cache_write_5m: Optional[int] = None
    #: Of `input`: written to the cache for an hour.
    cache_write_1h: Optional[int] = None
    #: Every billed output token: reasoning, audio and images included.
    output: Optional[int] = None
    #: Of `output`: reasoning.
    reasoning: Optional[int] = None
    #: Of `input`: audio.
    input_audio: Optional[int] = None
    #: Of `cached_read`: audio.
    cached_audio: Optional[int] = None
    #: Of `output`: audio.
    output_audio: Optional[int] = None
    #: Of `input`: images.
    input_image: Optional[int] = None
    #: Of `output`: images.
    output_image: Optional[int] = None
    #: Searches that the vendor ran and bills by the piece.
    searches: Optional[int] = None
    #: What the vendor says the call cost, where it says so.
    stated_cost: Optional[Usd] = None
    #: The lane that the vendor says it used.
    service_tier: Optional[ServiceTier] = None


@dataclass(frozen=True)
class TokenLogprob(Frozen):
    """A drawn token and how likely it was."""

    #: The token's text.
    token: str
    #: Natural logarithm of its probability.
    logprob: float
    #: The likeliest tokens at this place, with theirs.
    top: Tuple[Any, ...] = ()


@dataclass(frozen=True)
class Alternative(Frozen):
    """One more answer to the same request."""

    #: The answer, in order.
    parts: Tuple[Part, ...]
    #: Why it ended.
    stop: Optional[StopReason] = None
    #: Log-probabilities of the drawn tokens, where asked for.
    logprobs: Tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Takeover(Frozen):
    """From where on another model wrote an answer."""

    #: Its first part in `Reply::parts`, counted from 0.
    part: int
    #: The model that wrote from there on.
    model: ModelId


@dataclass(frozen=True)
class Reply(Frozen):
    """A whole answer."""

    #: The answer, in order; the first where several were asked for.
    parts: Tuple[Part, ...]
    #: The vendor's id of the answer.
    id: Optional[str] = None
    #: The model that answered, as the vendor names it.
    model: Optional[str] = None
    #: Why it ended.
    stop: Optional[StopReason] = None
    #: What it used.
    usage: Optional[Usage] = None
    #: Log-probabilities of the drawn tokens, where asked for.
    logprobs: Tuple[TokenLogprob, ...] = ()
    #: Further answers, where several were asked for.
    alternatives: Tuple[Alternative, ...] = ()
    #: Where other models took over after a stream broke, in order; empty where one model wrote it all.
    continued: Tuple[Takeover, ...] = ()
    #: Fields of one format only.
    vendor: VendorFields = field(default_factory=dict)


@dataclass(frozen=True)
class AttemptLine(Frozen):
    """One attempt."""

    #: Counted from 1.
    number: int
    #: The model.
    model: ModelId
    #: Where.
    endpoint: EndpointId
    #: `first`, `retry`, `fallback`, `escalation`, `hedge`, `continuation` or `check`.
    aim: str
    #: `answered`, `over_budget`, `fell_short`, `outrun` (an attempt beside it was faster), or the error's kind.
    outcome: str
    #: What went wrong, where it did.
    error: Optional[str] = None


@dataclass(frozen=True)
class Route(Frozen):
    """Who answered, and what was tried before."""

    #: The model that answered.
    model: ModelId
    #: Where.
    endpoint: EndpointId
    #: Who runs the endpoint.
    vendor: VendorId
    #: Where the data was processed.
    region: Region
    #: The model's tier.
    tier: Tier
    #: Every attempt, the last one the one that answered; where checks asked models, in the order of their numbers.
    attempts: Tuple[AttemptLine, ...]
    #: The model against which savings are counted.
    baseline: Optional[ModelId] = None
    #: Why its answer was delivered although it fell short of a check, where that is so.
    fell_short: Optional[str] = None


@dataclass(frozen=True)
class ChargeLine(Frozen):
    """One line of a charge: so many units of a class and what they cost."""

    #: What was billed: `input`, `cached_read`, `output` ...
    class_: str
    #: How many units.
    quantity: int
    #: What they cost, rounded up to a pico-dollar.
    cost: Usd


@dataclass(frozen=True)
class Timing(Frozen):
    """How long a request took."""

    #: The decision alone.
    decision: float
    #: Everything.
    total: Span
    #: From the attempt that answered being sent to its first piece.
    first_piece: Optional[Span] = None


@dataclass(frozen=True)
class Response(Frozen):
    """A whole answer with its route and its exact cost."""

    #: The request's id: the ledger's attempts begin with it.
    id: RequestId
    #: The answer.
    reply: Reply
    #: Who gave it.
    route: Route
    #: What the request cost, every attempt included.
    cost: Usd
    #: What the answer's own attempt is charged for.
    lines: Tuple[ChargeLine, ...]
    #: The baseline's cost less this request's; below zero where it cost more.
    saved: Usd
    #: How long it took.
    timing: Timing
    #: What the same answer would have cost on the baseline; `None` where it has no price.
    baseline_cost: Optional[Usd] = None


@dataclass(frozen=True)
class DeltaStart(Frozen):
    """The answer begins."""

    #: The vendor's id of the answer.
    id: Optional[str] = None
    #: The model that answers, as the vendor names it.
    model: Optional[str] = None
    type: Literal["start"] = "start"


@dataclass(frozen=True)
class DeltaText(Frozen):
    """More text."""

    #: Which part.
    part: int
    #: The text to append.
    text: str
    type: Literal["text"] = "text"


@dataclass(frozen=True)
class DeltaReasoning(Frozen):
    """More reasoning."""

    #: Which part.
    part: int
    #: The text to append; may be empty to open the part.
    text: str
    type: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True)
class DeltaRefusal(Frozen):
    """More of a refusal."""

    #: Which part.
    part: int
    #: The text to append.
    text: str
    type: Literal["refusal"] = "refusal"


@dataclass(frozen=True)
class DeltaToolCall(Frozen):
    """A tool call begins."""

    #: Which part.
    part: int
    #: The call's id.
    id: str
    #: The tool's name.
    name: str
    type: Literal["tool_call"] = "tool_call"


@dataclass(frozen=True)
class DeltaArguments(Frozen):
    """More of a tool call's arguments, as JSON text."""

    #: Which part.
    part: int
    #: The text to append.
    text: str
    type: Literal["arguments"] = "arguments"


@dataclass(frozen=True)
class DeltaPart(Frozen):
    """A whole part at once: an image, a vendor's own item."""

    #: Which part.
    part: int
    #: The part, which replaces what stood there.
    whole: Part
    type: Literal["part"] = "part"


@dataclass(frozen=True)
class DeltaPartVendor(Frozen):
    """Vendor fields of a part: a signature, an encrypted form. They are added to those there."""

    #: Which part; it is opened as reasoning where nothing stands there yet.
    part: int
    #: The fields.
    fields: VendorFields
    type: Literal["part_vendor"] = "part_vendor"


@dataclass(frozen=True)
class DeltaLogprobs(Frozen):
    """Log-probabilities of further tokens."""

    #: In order.
    tokens: Tuple[TokenLogprob, ...]
    type: Literal["logprobs"] = "logprobs"


@dataclass(frozen=True)
class DeltaUsage(Frozen):
    """What was used so far; the last report counts, class by class."""

    #: The report.
    usage: Usage
    type: Literal["usage"] = "usage"


@dataclass(frozen=True)
class DeltaContinued(Frozen):
    """The stream broke, and another model writes the rest of the answer from here on."""

    #: Its pieces have this number of a part or a higher one.
    part: int
    #: The model.
    model: ModelId
    type: Literal["continued"] = "continued"


@dataclass(frozen=True)
class DeltaReplaced(Frozen):
    """What came so far fell short of a check and is void: another answer takes its place from here on."""

    #: The model that writes it.
    model: ModelId
    type: Literal["replaced"] = "replaced"


@dataclass(frozen=True)
class DeltaStop(Frozen):
    """The answer ended."""

    #: Why.
    reason: StopReason
    type: Literal["stop"] = "stop"


@dataclass(frozen=True)
class DeltaVendor(Frozen):
    """Vendor fields of the whole answer."""

    #: The fields.
    fields: VendorFields
    type: Literal["vendor"] = "vendor"


@dataclass(frozen=True)
class DeltaAlternative(Frozen):
    """A piece of a further answer, where several were asked for."""

    #: Which answer: 1 is the second.
    index: int
    #: The piece.
    delta: Delta
    type: Literal["alternative"] = "alternative"


def read_delta(plain: Any) -> "Delta":
    """Of plain JSON, the arm that its `type` names."""
    made: Delta = tagged(plain, "type", _DELTA)
    return made


_DELTA = {"start": DeltaStart, "text": DeltaText, "reasoning": DeltaReasoning, "refusal": DeltaRefusal, "tool_call": DeltaToolCall, "arguments": DeltaArguments, "part": DeltaPart, "part_vendor": DeltaPartVendor, "logprobs": DeltaLogprobs, "usage": DeltaUsage, "continued": DeltaContinued, "replaced": DeltaReplaced, "stop": DeltaStop, "vendor": DeltaVendor, "alternative": DeltaAlternative}


@dataclass(frozen=True)
class Sizes(Frozen):
    """How large a request is."""

    #: Prompt tokens, roughly.
    input_tokens: int
    #: Prompt tokens, at most, at the first candidate.
    input_tokens_max: int
    #: Tokens of output, at most, at the first candidate.
    output_tokens_max: int


@dataclass(frozen=True)
class AimQuality(Frozen):
    """The least cost at this share of the best admitted model's chance."""

    #: The share.
    quality: float
    #: The best admitted model.
    best: ModelId
    #: Its chance of a good answer.
    best_p_good: float
    #: The chance that is asked for.
    bar: float
    by: Literal["quality"] = "quality"


@dataclass(frozen=True)
class AimWorth(Frozen):
    """The most worth less cost."""

    #: What a good answer is worth.
    worth: Usd
    by: Literal["worth"] = "worth"


@dataclass(frozen=True)
class AimSpend(Frozen):
    """The best chance within a cost."""

    #: The cost.
    spend_max: Usd
    by: Literal["spend"] = "spend"


def read_aim(plain: Any) -> "Aim":
    """Of plain JSON, the arm that its `by` names."""
    made: Aim = tagged(plain, "by", _AIM)
    return made


_AIM = {"quality": AimQuality, "worth": AimWorth, "spend": AimSpend}


@dataclass(frozen=True)
class Queue(Frozen):
    """Calls that are before one which comes now. The default is no queue."""

    #: How many: those that are worked at and those that wait.
    calls: int
    #: How long they are expected to keep a new one waiting: their number by the measured speed.
    wait: Span


@dataclass(frozen=True)
class CandidateLine(Frozen):
    """A candidate."""

    #: The model.
    model: ModelId
    #: Where.
    endpoint: EndpointId
    #: Who runs the endpoint.
    vendor: VendorId
    #: Where data is processed.
    region: Region
    #: The model's tier.
    tier: Tier
    #: What it is for.
    role: CandidateRole
    #: How likely its answer is good enough.
    p_good: float
    #: Expected tokens of output, reasoning included.
    expected_output: int
    #: Expected cost.
    expected_cost: Usd
    #: The most that an attempt at it can cost.
    reserve: Usd
    #: When its endpoint may be called again, where it rests.
    rests_until: Optional[Timestamp] = None
    #: The calls that are before this one there, where there are any: their wait counts as time that an answer takes.
    queue: Optional[Queue] = None


@dataclass(frozen=True)
class PassedOver(Frozen):
    """A model that may be asked and is not."""

    #: The model.
    model: ModelId
    #: Its tier.
    tier: Tier
    #: How likely its answer would be good enough.
    p_good: float
    #: What its answer would be expected to cost.
    expected_cost: Usd
    #: Why it is not asked.
    why: Why


@dataclass(frozen=True)
class Refusal(Frozen):
    """One reason why a request may not go to a model at an endpoint."""

    #: The rule that refuses.
    rule: RuleName
    #: What is wrong, for people, in one line.
    reason: str


@dataclass(frozen=True)
class PlaceRefusals(Frozen):
    """Why a request may not go to a model at an endpoint."""

    #: The endpoint.
    endpoint: EndpointId
    #: Every reason, in the order of the rules.
    refusals: Tuple[Refusal, ...]


@dataclass(frozen=True)
class RefusedModel(Frozen):
    """A model that may not see the request, at some endpoint or at all."""

    #: The model.
    model: ModelId
    #: Its tier.
    tier: Tier
    #: The reasons, endpoint by endpoint. Empty where no endpoint serves the model, or `auto` may not choose it.
    places: Tuple[PlaceRefusals, ...]
    #: Why it has no endpoint to speak of.
    note: Optional[str] = None


@dataclass(frozen=True)
class Contribution(Frozen):
    """A contribution to the difficulty."""

    #: What contributes.
    name: str
    #: How much, on the scale of abilities: one more makes a model of even odds fail three times in four.
    amount: float


@dataclass(frozen=True)
class Hardness(Frozen):
    """How hard a request was found to be, and why."""

    #: What kind of work it is.
    kind: TaskKind
    #: From 0 to 1.
    difficulty: float
    #: The parts, which add up on the scale of abilities.
    parts: Tuple[Contribution, ...]
    #: Tokens of an answer of common length, without reasoning.
    expected_output: int


@dataclass(frozen=True)
class PromiseState(Frozen):
    """Where a promise stands, since it was made or last failed."""

    #: The share of the better model's quality that was promised.
    quality: float
    #: How sure an alarm is.
    confidence: float
    #: How often it failed; each time the aim was raised by a step.
    steps: int
    #: The evidence against it: 1 is none, and it fails at 1 / (1 - confidence).
    evidence: float
    #: How many comparisons were made.
    comparisons: int
    #: How many marks came.
    marks: int
    #: The least mean loss that the comparisons leave possible, with that confidence, at any time.
    loss_min: float
    #: The greatest.
    loss_max: float


@dataclass(frozen=True)
class CascadeLine(Frozen):
    """A cheap answer first, checked, and a better one where it falls short."""

    #: Whether it is followed; else asking directly is expected to be as good for less, or nearly.
    is_taken: bool
    #: Who is asked first.
    first: ModelId
    #: How the answer is checked: `wellformed`, `agreement`, `sample`, `confidence`, `judge` or `own`.
    check: str
    #: Who answers where the first answer falls short.
    target: ModelId
    #: How likely the first answer falls short.
    p_short: float
    #: How likely the answer that is delivered is good enough.
    p_good: float
    #: What the check is expected to cost.
    check_cost: Usd
    #: What the whole path is expected to cost.
    expected_cost: Usd
    #: What asking directly is expected to cost.
    direct_cost: Usd
    #: Who is asked besides, where the check asks a model.
    with_: Optional[ModelId] = None


@dataclass(frozen=True)
class BaselineLine(Frozen):
    """What savings are counted against."""

    #: The model.
    model: ModelId
    #: Expected tokens of output.
    expected_output: int
    #: Expected cost.
    expected_cost: Usd
    #: How likely its answer is good enough, where it may be asked.
    p_good: Optional[float] = None


@dataclass(frozen=True)
class Saving(Frozen):
    """What the choice saves against the baseline."""

    #: The baseline's expected cost less the choice's; below zero where the choice costs more.
    amount: Usd
    #: As a share of the baseline's.
    share: float


@dataclass(frozen=True)
class Explanation(Frozen):
    """A whole decision. `Display` fits one terminal screen; JSON holds all of it."""

    #: When it was made.
    at: Timestamp
    #: How large the request is.
    sizes: Sizes
    #: What it aimed at.
    aim: Aim
    #: Who is asked, in order.
    candidates: Tuple[CandidateLine, ...]
    #: Who may be asked and is not, the likeliest to be good enough first.
    passed_over: Tuple[PassedOver, ...]
    #: Who may not be asked, by model.
    refused: Tuple[RefusedModel, ...]
    #: How hard it was found to be; absent where the caller brought its own ratings.
    hardness: Optional[Hardness] = None
    #: Where the promise of quality stands, where one was made: each time it failed the aim was raised.
    promise: Optional[PromiseState] = None
    #: The best way to ask a cheap model first and check its answer, where checks may be planned.
    cascade: Optional[CascadeLine] = None
    #: What savings are counted against.
    baseline: Optional[BaselineLine] = None
    #: What the choice saves.
    saving: Optional[Saving] = None


RequestId = str
CacheHint = Literal["5m", "1h"]
VendorFields = Dict[str, Dict[str, Any]]
Source = Union[SourceBase64, SourceUrl, SourceFile, SourceText]
Part = Union[PartText, PartImage, PartAudio, PartVideo, PartDocument, PartToolCall, PartToolResult, PartReasoning, PartRefusal, PartVendor]
StopReason = Union[Literal["end", "stop_text", "max_tokens", "context_full", "tool_use", "content_filter", "refusal", "pause", "bad_tool_call"], StopReasonOther]
Usd = str
ServiceTier = Literal["auto", "standard", "flex", "priority", "batch"]
ModelId = str
EndpointId = str
VendorId = str
Region = str
Tier = Literal["local", "economy", "standard", "frontier"]
Span = int
Delta = Union[DeltaStart, DeltaText, DeltaReasoning, DeltaRefusal, DeltaToolCall, DeltaArguments, DeltaPart, DeltaPartVendor, DeltaLogprobs, DeltaUsage, DeltaContinued, DeltaReplaced, DeltaStop, DeltaVendor, DeltaAlternative]
Timestamp = int
Aim = Union[AimQuality, AimWorth, AimSpend]
CandidateRole = Literal["choice", "fallback", "last_resort"]
Why = Literal["below_aim", "dearer", "above_spend", "worth_less", "less_likely", "resting", "queued"]
RuleName = Literal["asked", "vendor", "model", "tier", "residency", "self_hosted", "sensitivity", "key", "retired", "unpriced", "capability", "format", "context", "accepts", "budget", "health"]
TaskKind = Literal["conversation", "extraction", "classification", "translation", "summary", "writing", "knowledge", "mathematics", "code", "reasoning", "agentic"]

reads(PartText, {}, maps=("vendor",))
reads(SourceBase64, {}, renamed={"from": "from_"})
reads(SourceUrl, {}, renamed={"from": "from_"})
reads(SourceFile, {}, renamed={"from": "from_"})
reads(SourceText, {}, renamed={"from": "from_"})
reads(PartImage, {"source": read_source}, maps=("vendor",))
reads(PartAudio, {"source": read_source}, maps=("vendor",))
reads(PartVideo, {"source": read_source}, maps=("vendor",))
reads(PartDocument, {"source": read_source}, maps=("vendor",))
reads(PartToolCall, {}, maps=("vendor",))
reads(PartToolResult, {"parts": many(read_part)}, maps=("vendor",))
reads(PartReasoning, {}, maps=("vendor",))
reads(PartRefusal, {}, maps=("vendor",))
reads(PartVendor, {}, maps=("vendor",))
reads(TokenLogprob, {"top": many(None)})
reads(Alternative, {"parts": many(read_part), "stop": read_stopreason, "logprobs": many(TokenLogprob.read)})
reads(Reply, {"parts": many(read_part), "stop": read_stopreason, "usage": Usage.read, "logprobs": many(TokenLogprob.read), "alternatives": many(Alternative.read), "continued": many(Takeover.read)}, maps=("vendor",))
reads(Route, {"attempts": many(AttemptLine.read)})
reads(ChargeLine, {}, renamed={"class": "class_"})
reads(Response, {"reply": Reply.read, "route": Route.read, "lines": many(ChargeLine.read), "timing": Timing.read})
reads(DeltaPart, {"whole": read_part})
reads(DeltaLogprobs, {"tokens": many(TokenLogprob.read)})
reads(DeltaUsage, {"usage": Usage.read})
reads(DeltaStop, {"reason": read_stopreason})
reads(DeltaAlternative, {"delta": read_delta})
reads(CandidateLine, {"queue": Queue.read})
reads(PlaceRefusals, {"refusals": many(Refusal.read)})
reads(RefusedModel, {"places": many(PlaceRefusals.read)})
reads(Hardness, {"parts": many(Contribution.read)})
reads(CascadeLine, {}, renamed={"with": "with_"})
reads(Explanation, {"sizes": Sizes.read, "aim": read_aim, "candidates": many(CandidateLine.read), "passed_over": many(PassedOver.read), "refused": many(RefusedModel.read), "hardness": Hardness.read, "promise": PromiseState.read, "cascade": CascadeLine.read, "baseline": BaselineLine.read, "saving": Saving.read})
