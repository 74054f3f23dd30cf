"""Made by scripts/generate_types.py from the core's types: change those, then run it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Literal, Tuple, TypedDict, Union

if TYPE_CHECKING:
    from typing_extensions import NotRequired


class AimQuality(TypedDict):
    """The least cost at this share of the best admitted model's chance."""
    by: Literal['quality']
    #: The share.
    quality: float
    #: The best admitted model.
    best: "ModelId"
    #: Its chance of a good answer.
    best_p_good: float
    #: The chance that is asked for.
    bar: float


class AimWorth(TypedDict):
    """The most worth less cost."""
    by: Literal['worth']
    #: What a good answer is worth.
    worth: "Usd"


class AimSpend(TypedDict):
    """The best chance within a cost."""
    by: Literal['spend']
    #: The cost.
    spend_max: "Usd"


class Alternative(TypedDict):
    """One more answer to the same request."""
    #: The answer, in order.
    parts: List["Part"]
    #: Why it ended.
    stop: NotRequired[Union["StopReason", None]]
    #: Log-probabilities of the drawn tokens, where asked for.
    logprobs: NotRequired[List["TokenLogprob"]]


class AttemptLine(TypedDict):
    """One attempt."""
    #: Counted from 1.
    number: int
    #: The model.
    model: "ModelId"
    #: Where.
    endpoint: "EndpointId"
    #: `first`, `retry`, `fallback`, `escalation`, `hedge`, `continuation` or `check`.
    aim: str
    #: `answered`, `over_budget`, `fell_short`, `outrun` (an attempt beside it was faster), or the error's kind.
    outcome: str
    #: What went wrong, where it did.
    error: Union[str, None]


class BaselineLine(TypedDict):
    """What savings are counted against."""
    #: The model.
    model: "ModelId"
    #: How likely its answer is good enough, where it may be asked.
    p_good: Union[float, None]
    #: Expected tokens of output.
    expected_output: int
    #: Expected cost.
    expected_cost: "Usd"


class CandidateLine(TypedDict):
    """A candidate."""
    #: The model.
    model: "ModelId"
    #: Where.
    endpoint: "EndpointId"
    #: Who runs the endpoint.
    vendor: "VendorId"
    #: Where data is processed.
    region: "Region"
    #: The model's tier.
    tier: "Tier"
    #: What it is for.
    role: "CandidateRole"
    #: How likely its answer is good enough.
    p_good: float
    #: Expected tokens of output, reasoning included.
    expected_output: int
    #: Expected cost.
    expected_cost: "Usd"
    #: The most that an attempt at it can cost.
    reserve: "Usd"
    #: When its endpoint may be called again, where it rests.
    rests_until: Union["Timestamp", None]
    #: The calls that are before this one there, where there are any: their wait counts as time that an answer
    #: takes.
    queue: NotRequired[Union["Queue", None]]


CascadeLine = TypedDict('CascadeLine', {'is_taken': 'bool', 'first': 'ModelId', 'check': 'str', 'with': 'Union[ModelId, None]', 'target': 'ModelId', 'p_short': 'float', 'p_good': 'float', 'check_cost': 'Usd', 'expected_cost': 'Usd', 'direct_cost': 'Usd'})


ChargeLine = TypedDict('ChargeLine', {'class': 'str', 'quantity': 'int', 'cost': 'Usd'})


class Contribution(TypedDict):
    """A contribution to the difficulty."""
    #: What contributes.
    name: str
    #: How much, on the scale of abilities: one more makes a model of even odds fail three times in four.
    amount: float


class DeltaStart(TypedDict):
    """The answer begins."""
    type: Literal['start']
    #: The vendor's id of the answer.
    id: Union[str, None]
    #: The model that answers, as the vendor names it.
    model: Union[str, None]


class DeltaText(TypedDict):
    """More text."""
    type: Literal['text']
    #: Which part.
    part: int
    #: The text to append.
    text: str


class DeltaReasoning(TypedDict):
    """More reasoning."""
    type: Literal['reasoning']
    #: Which part.
    part: int
    #: The text to append; may be empty to open the part.
    text: str


class DeltaRefusal(TypedDict):
    """More of a refusal."""
    type: Literal['refusal']
    #: Which part.
    part: int
    #: The text to append.
    text: str


class DeltaToolCall(TypedDict):
    """A tool call begins."""
    type: Literal['tool_call']
    #: Which part.
    part: int
    #: The call's id.
    id: str
    #: The tool's name.
    name: str


class DeltaArguments(TypedDict):
    """More of a tool call's arguments, as JSON text."""
    type: Literal['arguments']
    #: Which part.
    part: int
    #: The text to append.
    text: str


class DeltaPart(TypedDict):
    """A whole part at once: an image, a vendor's own item."""
    type: Literal['part']
    #: Which part.
    part: int
    #: The part, which replaces what stood there.
    whole: "Part"


class DeltaPartVendor(TypedDict):
    """Vendor fields of a part: a signature, an encrypted form. They are added to those there."""
    type: Literal['part_vendor']
    #: Which part; it is opened as reasoning where nothing stands there yet.
    part: int
    #: The fields.
    fields: "VendorFields"


class DeltaLogprobs(TypedDict):
    """Log-probabilities of further tokens."""
    type: Literal['logprobs']
    #: In order.
    tokens: List["TokenLogprob"]


class DeltaUsage(TypedDict):
    """What was used so far; the last report counts, class by class."""
    type: Literal['usage']
    #: The report.
    usage: "Usage"


class DeltaContinued(TypedDict):
    """The stream broke, and another model writes the rest of the answer from here on."""
    type: Literal['continued']
    #: Its pieces have this number of a part or a higher one.
    part: int
    #: The model.
    model: "ModelId"


class DeltaReplaced(TypedDict):
    """What came so far fell short of a check and is void: another answer takes its place from here on."""
    type: Literal['replaced']
    #: The model that writes it.
    model: "ModelId"


class DeltaStop(TypedDict):
    """The answer ended."""
    type: Literal['stop']
    #: Why.
    reason: "StopReason"


class DeltaVendor(TypedDict):
    """Vendor fields of the whole answer."""
    type: Literal['vendor']
    #: The fields.
    fields: "VendorFields"


class DeltaAlternative(TypedDict):
    """A piece of a further answer, where several were asked for."""
    type: Literal['alternative']
    #: Which answer: 1 is the second.
    index: int
    #: The piece.
    delta: "Delta"


class Explanation(TypedDict):
    """A whole decision. `Display` fits one terminal screen; JSON holds all of it."""
    #: When it was made.
    at: "Timestamp"
    #: How large the request is.
    sizes: "Sizes"
    #: How hard it was found to be; absent where the caller brought its own ratings.
    hardness: NotRequired[Union["Hardness", None]]
    #: What it aimed at.
    aim: "Aim"
    #: Where the promise of quality stands, where one was made: each time it failed the aim was raised.
    promise: NotRequired[Union["PromiseState", None]]
    #: The best way to ask a cheap model first and check its answer, where checks may be planned.
    cascade: NotRequired[Union["CascadeLine", None]]
    #: Who is asked, in order.
    candidates: List["CandidateLine"]
    #: Who may be asked and is not, the likeliest to be good enough first.
    passed_over: List["PassedOver"]
    #: Who may not be asked, by model.
    refused: List["RefusedModel"]
    #: What savings are counted against.
    baseline: Union["BaselineLine", None]
    #: What the choice saves.
    saving: Union["Saving", None]


class Hardness(TypedDict):
    """How hard a request was found to be, and why."""
    #: What kind of work it is.
    kind: "TaskKind"
    #: From 0 to 1.
    difficulty: float
    #: The parts, which add up on the scale of abilities.
    parts: List["Contribution"]
    #: Tokens of an answer of common length, without reasoning.
    expected_output: int


class Message(TypedDict):
    """One turn of a conversation."""
    #: Who speaks.
    role: "Role"
    #: What is said, in order.
    parts: List["Part"]
    #: The speaker's name, where a format has one.
    name: NotRequired[Union[str, None]]
    #: Fields of one format only.
    vendor: NotRequired["VendorFields"]


class ModelChoiceOnly(TypedDict):
    """This one, if policy admits it."""
    only: "ModelId"


class ModelChoiceAny_of(TypedDict):
    """The best of these."""
    any_of: List["ModelId"]


class PartText(TypedDict):
    """Words."""
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: NotRequired[Union["CacheHint", None]]
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: NotRequired["VendorFields"]
    type: Literal['text']
    #: The words.
    text: str


class PartImage(TypedDict):
    """A picture."""
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: NotRequired[Union["CacheHint", None]]
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: NotRequired["VendorFields"]
    type: Literal['image']
    #: Where its bytes are.
    source: "Source"


class PartAudio(TypedDict):
    """A sound."""
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: NotRequired[Union["CacheHint", None]]
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: NotRequired["VendorFields"]
    type: Literal['audio']
    #: Where its bytes are.
    source: "Source"


class PartVideo(TypedDict):
    """A moving picture."""
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: NotRequired[Union["CacheHint", None]]
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: NotRequired["VendorFields"]
    type: Literal['video']
    #: Where its bytes are.
    source: "Source"


class PartDocument(TypedDict):
    """A file: a PDF, a text, a table."""
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: NotRequired[Union["CacheHint", None]]
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: NotRequired["VendorFields"]
    type: Literal['document']
    #: Where its bytes are.
    source: "Source"
    #: Its name, where known.
    name: NotRequired[Union[str, None]]


class PartToolCall(TypedDict):
    """The model asks for a tool."""
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: NotRequired[Union["CacheHint", None]]
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: NotRequired["VendorFields"]
    #: The call's id, which the result repeats. Formats without ids get one made from the position.
    id: str
    #: The tool's name.
    name: str
    #: The arguments as JSON text, exactly as the vendor sent them; models sometimes write invalid JSON.
    arguments: str
    type: Literal['tool_call']


class PartToolResult(TypedDict):
    """What a tool answered."""
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: NotRequired[Union["CacheHint", None]]
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: NotRequired["VendorFields"]
    #: The id of the call that is answered.
    call_id: str
    #: The tool's name, where a format wants it said.
    name: NotRequired[Union[str, None]]
    #: The answer.
    parts: List["Part"]
    #: Whether the tool failed.
    is_error: NotRequired[bool]
    type: Literal['tool_result']


class PartReasoning(TypedDict):
    """The model's reasoning. Its signature or encrypted form, if any, is in the part's vendor fields, and the text
    may be empty where the vendor shows none.
    """
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: NotRequired[Union["CacheHint", None]]
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: NotRequired["VendorFields"]
    type: Literal['reasoning']
    #: The reasoning, or a summary of it, as the vendor shows it.
    text: str


class PartRefusal(TypedDict):
    """The model declines, where the format tells that apart from text."""
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: NotRequired[Union["CacheHint", None]]
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: NotRequired["VendorFields"]
    type: Literal['refusal']
    #: Its words.
    text: str


class PartVendor(TypedDict):
    """A part that only one format knows, whole in the part's vendor fields."""
    #: Asks the vendor to keep the prompt up to and including this part in its cache.
    cache: NotRequired[Union["CacheHint", None]]
    #: Fields of one format only: reasoning signatures, citations, image detail.
    vendor: NotRequired["VendorFields"]
    type: Literal['vendor']


class PassedOver(TypedDict):
    """A model that may be asked and is not."""
    #: The model.
    model: "ModelId"
    #: Its tier.
    tier: "Tier"
    #: How likely its answer would be good enough.
    p_good: float
    #: What its answer would be expected to cost.
    expected_cost: "Usd"
    #: Why it is not asked.
    why: "Why"


class PlaceRefusals(TypedDict):
    """Why a request may not go to a model at an endpoint."""
    #: The endpoint.
    endpoint: "EndpointId"
    #: Every reason, in the order of the rules.
    refusals: List["Refusal"]


class PromiseState(TypedDict):
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


class Queue(TypedDict):
    """Calls that are before one which comes now. The default is no queue."""
    #: How many: those that are worked at and those that wait.
    calls: int
    #: How long they are expected to keep a new one waiting: their number by the measured speed.
    wait: "Span"


class ReasoningAsk(TypedDict):
    """How much the model should think before it answers."""
    #: In words.
    effort: NotRequired[Union["Effort", None]]
    #: In tokens; zero means none.
    budget_tokens: NotRequired[Union[int, None]]
    #: Whether to show the reasoning, or a summary of it, where the vendor hides it.
    show: NotRequired[Union[bool, None]]


class Refusal(TypedDict):
    """One reason why a request may not go to a model at an endpoint."""
    #: The rule that refuses.
    rule: "RuleName"
    #: What is wrong, for people, in one line.
    reason: str


class RefusedModel(TypedDict):
    """A model that may not see the request, at some endpoint or at all."""
    #: The model.
    model: "ModelId"
    #: Its tier.
    tier: "Tier"
    #: The reasons, endpoint by endpoint. Empty where no endpoint serves the model, or `auto` may not choose it.
    places: List["PlaceRefusals"]
    #: Why it has no endpoint to speak of.
    note: Union[str, None]


class Reply(TypedDict):
    """A whole answer."""
    #: The vendor's id of the answer.
    id: NotRequired[Union[str, None]]
    #: The model that answered, as the vendor names it.
    model: NotRequired[Union[str, None]]
    #: The answer, in order; the first where several were asked for.
    parts: List["Part"]
    #: Why it ended.
    stop: NotRequired[Union["StopReason", None]]
    #: What it used.
    usage: NotRequired["Usage"]
    #: Log-probabilities of the drawn tokens, where asked for.
    logprobs: NotRequired[List["TokenLogprob"]]
    #: Further answers, where several were asked for.
    alternatives: NotRequired[List["Alternative"]]
    #: Where other models took over after a stream broke, in order; empty where one model wrote it all.
    continued: NotRequired[List["Takeover"]]
    #: Fields of one format only.
    vendor: NotRequired["VendorFields"]


class RequestDraft(TypedDict):
    """A request as data, before it was checked. Every field but `messages` may be left out."""
    #: Which model answers.
    model: NotRequired["ModelChoice"]
    #: The conversation so far, oldest first.
    messages: NotRequired[List["Message"]]
    #: Tools that the model may call.
    tools: NotRequired[List["Tool"]]
    #: Whether it may, must or must not call them.
    tool_choice: NotRequired[Union["ToolChoice", None]]
    #: Whether several tools may be called in one turn; `None` leaves it to the vendor.
    parallel_tools: NotRequired[Union[bool, None]]
    #: The shape of the answer.
    format: NotRequired[Union["ResponseFormat", None]]
    #: How words are drawn.
    sampling: NotRequired["Sampling"]
    #: Most tokens of output, reasoning included.
    max_tokens: NotRequired[Union[int, None]]
    #: How much the model should think first.
    reasoning: NotRequired[Union["ReasoningAsk", None]]
    #: The vendor's lane: priority costs more, flex and batch less.
    service_tier: NotRequired[Union["ServiceTier", None]]
    #: The conversation this belongs to: it pins models and keeps prompt caches warm.
    session: NotRequired[Union["SessionId", None]]
    #: Kinds of data the request holds: policy ties each to where it may go.
    labels: NotRequired[List["DataLabel"]]
    #: The caller's own names for the ledger: user, team, project, feature.
    tags: NotRequired[Dict[str, str]]
    #: Fields of one wire format only.
    vendor: NotRequired["VendorFields"]


class Response(TypedDict):
    """A whole answer with its route and its exact cost."""
    #: The request's id: the ledger's attempts begin with it.
    id: "RequestId"
    #: The answer.
    reply: "Reply"
    #: Who gave it.
    route: "Route"
    #: What the request cost, every attempt included.
    cost: "Usd"
    #: What the answer's own attempt is charged for.
    lines: List["ChargeLine"]
    #: What the same answer would have cost on the baseline; `None` where it has no price.
    baseline_cost: Union["Usd", None]
    #: The baseline's cost less this request's; below zero where it cost more.
    saved: "Usd"
    #: How long it took.
    timing: "Timing"


class ResponseFormatText(TypedDict):
    """Free text."""
    type: Literal['text']


class ResponseFormatJsonObject(TypedDict):
    """Any JSON object."""
    type: Literal['json_object']


class ResponseFormatJsonSchema(TypedDict):
    """JSON that keeps to a schema."""
    type: Literal['json_schema']
    #: A name for the schema.
    name: str
    #: What it is for, for the model.
    description: NotRequired[Union[str, None]]
    #: The JSON Schema.
    schema: Any
    #: Whether the vendor must hold the answer to it; `None` leaves it to the vendor.
    strict: NotRequired[Union[bool, None]]


class Route(TypedDict):
    """Who answered, and what was tried before."""
    #: The model that answered.
    model: "ModelId"
    #: Where.
    endpoint: "EndpointId"
    #: Who runs the endpoint.
    vendor: "VendorId"
    #: Where the data was processed.
    region: "Region"
    #: The model's tier.
    tier: "Tier"
    #: The model against which savings are counted.
    baseline: Union["ModelId", None]
    #: Every attempt, the last one the one that answered; where checks asked models, in the order of their
    #: numbers.
    attempts: List["AttemptLine"]
    #: Why its answer was delivered although it fell short of a check, where that is so.
    fell_short: Union[str, None]


class Sampling(TypedDict):
    """How words are drawn. `None` leaves each to the vendor."""
    #: 0 to 2.
    temperature: NotRequired[Union[float, None]]
    #: Above 0, to 1.
    top_p: NotRequired[Union[float, None]]
    #: At least 1.
    top_k: NotRequired[Union[int, None]]
    #: 0 to 1.
    min_p: NotRequired[Union[float, None]]
    #: -2 to 2.
    frequency_penalty: NotRequired[Union[float, None]]
    #: -2 to 2.
    presence_penalty: NotRequired[Union[float, None]]
    #: For repeatable drawing, as far as the vendor keeps it.
    seed: NotRequired[Union[int, None]]
    #: Texts that end the answer.
    stop: NotRequired[List[str]]
    #: How many alternatives to each drawn token to report with log-probabilities: 0 to 20; `None` reports none.
    logprobs: NotRequired[Union[int, None]]
    #: How many answers: 1 to 8.
    candidates: NotRequired[Union[int, None]]


class Saving(TypedDict):
    """What the choice saves against the baseline."""
    #: The baseline's expected cost less the choice's; below zero where the choice costs more.
    amount: "Usd"
    #: As a share of the baseline's.
    share: float


class Sizes(TypedDict):
    """How large a request is."""
    #: Prompt tokens, roughly.
    input_tokens: int
    #: Prompt tokens, at most, at the first candidate.
    input_tokens_max: int
    #: Tokens of output, at most, at the first candidate.
    output_tokens_max: int


SourceBase64 = TypedDict('SourceBase64', {'from': "Literal['base64']", 'media_type': 'str', 'data': 'str'})


SourceUrl = TypedDict('SourceUrl', {'from': "Literal['url']", 'url': 'str', 'media_type': 'NotRequired[Union[str, None]]'})


SourceFile = TypedDict('SourceFile', {'from': "Literal['file']", 'id': 'str', 'media_type': 'NotRequired[Union[str, None]]'})


SourceText = TypedDict('SourceText', {'from': "Literal['text']", 'text': 'str', 'media_type': 'str'})


class StopReasonOther(TypedDict):
    """A reason that no other name fits, in the vendor's word."""
    other: str


class Takeover(TypedDict):
    """From where on another model wrote an answer."""
    #: Its first part in `Reply::parts`, counted from 0.
    part: int
    #: The model that wrote from there on.
    model: "ModelId"


class Timing(TypedDict):
    """How long a request took."""
    #: The decision alone.
    decision: float
    #: From the attempt that answered being sent to its first piece.
    first_piece: Union["Span", None]
    #: Everything.
    total: "Span"


class TokenLogprob(TypedDict):
    """A drawn token and how likely it was."""
    #: The token's text.
    token: str
    #: Natural logarithm of its probability.
    logprob: float
    #: The likeliest tokens at this place, with theirs.
    top: NotRequired[List[Tuple[str, float]]]


class Tool(TypedDict):
    """A tool that the model may call."""
    #: Its name: letters, digits, `_`, `-`, `.`, `:`; at most 128.
    name: str
    #: What it does, for the model.
    description: NotRequired[Union[str, None]]
    #: JSON Schema of its arguments; absent means no arguments.
    parameters: NotRequired[Any]
    #: Whether the vendor must hold the arguments to the schema.
    strict: NotRequired[Union[bool, None]]
    #: Keeps the prompt up to and including this tool in the vendor's cache.
    cache: NotRequired[Union["CacheHint", None]]
    #: Fields of one format only. A tool of the vendor's own (web search, code execution) is whole in here.
    vendor: NotRequired["VendorFields"]


class ToolCall(TypedDict):
    """A model's wish to call a tool."""
    #: The call's id, which the result repeats. Formats without ids get one made from the position.
    id: str
    #: The tool's name.
    name: str
    #: The arguments as JSON text, exactly as the vendor sent them; models sometimes write invalid JSON.
    arguments: str


class ToolChoiceNamed(TypedDict):
    """This tool is called."""
    named: str


class ToolResult(TypedDict):
    """What a tool answered."""
    #: The id of the call that is answered.
    call_id: str
    #: The tool's name, where a format wants it said.
    name: NotRequired[Union[str, None]]
    #: The answer.
    parts: List["Part"]
    #: Whether the tool failed.
    is_error: NotRequired[bool]


class Usage(TypedDict):
    """Tokens and units of one call, normalised: parts lie inside their totals whatever the vendor's own
    convention.
    """
    #: Every prompt token: cached reads, cache writes, audio and images included.
    input: NotRequired[Union[int, None]]
    #: What the vendor bills as input, where that is another count than `input` (Cohere counts its own template
    #: and bills only the caller's words). All of it costs the input rate, whatever was read from the cache.
    billed_input: NotRequired[Union[int, None]]
    #: Of `input`: read from the vendor's cache.
    cached_read: NotRequired[Union[int, None]]
    #: Of `input`: written to the cache for five minutes, or for the vendor's only lifetime.
    cache_write_5m: NotRequired[Union[int, None]]
    #: Of `input`: written to the cache for an hour.
    cache_write_1h: NotRequired[Union[int, None]]
    #: Every billed output token: reasoning, audio and images included.
    output: NotRequired[Union[int, None]]
    #: Of `output`: reasoning.
    reasoning: NotRequired[Union[int, None]]
    #: Of `input`: audio.
    input_audio: NotRequired[Union[int, None]]
    #: Of `cached_read`: audio.
    cached_audio: NotRequired[Union[int, None]]
    #: Of `output`: audio.
    output_audio: NotRequired[Union[int, None]]
    #: Of `input`: images.
    input_image: NotRequired[Union[int, None]]
    #: Of `output`: images.
    output_image: NotRequired[Union[int, None]]
    #: Searches that the vendor ran and bills by the piece.
    searches: NotRequired[Union[int, None]]
    #: What the vendor says the call cost, where it says so.
    stated_cost: NotRequired[Union["Usd", None]]
    #: The lane that the vendor says it used.
    service_tier: NotRequired[Union["ServiceTier", None]]


Aim = Union["AimQuality", "AimWorth", "AimSpend"]
CacheHint = Union[Literal['5m'], Literal['1h']]
CandidateRole = Union[Literal['choice'], Literal['fallback'], Literal['last_resort']]
DataLabel = str
Delta = Union["DeltaStart", "DeltaText", "DeltaReasoning", "DeltaRefusal", "DeltaToolCall", "DeltaArguments", "DeltaPart", "DeltaPartVendor", "DeltaLogprobs", "DeltaUsage", "DeltaContinued", "DeltaReplaced", "DeltaStop", "DeltaVendor", "DeltaAlternative"]
Effort = Union[Literal['none'], Literal['minimal'], Literal['low'], Literal['medium'], Literal['high'], Literal['xhigh'], Literal['max']]
EndpointId = str
ModelChoice = Union[Literal['auto'], "ModelChoiceOnly", "ModelChoiceAny_of"]
ModelId = str
Part = Union["PartText", "PartImage", "PartAudio", "PartVideo", "PartDocument", "PartToolCall", "PartToolResult", "PartReasoning", "PartRefusal", "PartVendor"]
Region = str
RequestId = str
ResponseFormat = Union["ResponseFormatText", "ResponseFormatJsonObject", "ResponseFormatJsonSchema"]
Role = Union[Literal['system'], Literal['developer'], Literal['user'], Literal['assistant'], Literal['tool']]
RuleName = Union[Literal['asked'], Literal['vendor'], Literal['model'], Literal['tier'], Literal['residency'], Literal['self_hosted'], Literal['sensitivity'], Literal['key'], Literal['retired'], Literal['unpriced'], Literal['capability'], Literal['format'], Literal['context'], Literal['accepts'], Literal['budget'], Literal['health']]
ServiceTier = Union[Literal['auto'], Literal['standard'], Literal['flex'], Literal['priority'], Literal['batch']]
SessionId = str
Source = Union["SourceBase64", "SourceUrl", "SourceFile", "SourceText"]
Span = int
StopReason = Union[Literal['end'], Literal['stop_text'], Literal['max_tokens'], Literal['context_full'], Literal['tool_use'], Literal['content_filter'], Literal['refusal'], Literal['pause'], Literal['bad_tool_call'], "StopReasonOther"]
TaskKind = Union[Literal['conversation'], Literal['extraction'], Literal['classification'], Literal['translation'], Literal['summary'], Literal['writing'], Literal['knowledge'], Literal['mathematics'], Literal['code'], Literal['reasoning'], Literal['agentic']]
Tier = Union[Literal['local'], Literal['economy'], Literal['standard'], Literal['frontier']]
Timestamp = int
ToolChoice = Union[Literal['auto'], Literal['none'], Literal['required'], "ToolChoiceNamed"]
Usd = str
VendorFields = Dict[str, Dict[str, Any]]
VendorId = str
Why = Union[Literal['below_aim'], Literal['dearer'], Literal['above_spend'], Literal['worth_less'], Literal['less_likely'], Literal['resting'], Literal['queued']]
