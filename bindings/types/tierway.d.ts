// Made by scripts/generate_types.py from the core's types: change those, then run it again.

/** What a decision aimed at. */
export type Aim = {
  by: "quality";
  /** The share. */
  quality: number;
  /** The best admitted model. */
  best: ModelId;
  /** Its chance of a good answer. */
  best_p_good: number;
  /** The chance that is asked for. */
  bar: number;
} | {
  by: "worth";
  /** What a good answer is worth. */
  worth: Usd;
} | {
  by: "spend";
  /** The cost. */
  spend_max: Usd;
};

/** One more answer to the same request. */
export type Alternative = {
  /** The answer, in order. */
  parts: Array<Part>;
  /** Why it ended. */
  stop?: StopReason | null;
  /** Log-probabilities of the drawn tokens, where asked for. */
  logprobs?: Array<TokenLogprob>;
};

/** One attempt. */
export type AttemptLine = {
  /** Counted from 1. */
  number: number;
  /** The model. */
  model: ModelId;
  /** Where. */
  endpoint: EndpointId;
  /** `first`, `retry`, `fallback`, `escalation`, `hedge`, `continuation` or `check`. */
  aim: string;
  /** `answered`, `over_budget`, `fell_short`, `outrun` (an attempt beside it was faster), or the error's kind. */
  outcome: string;
  /** What went wrong, where it did. */
  error: string | null;
};

/** What savings are counted against. */
export type BaselineLine = {
  /** The model. */
  model: ModelId;
  /** How likely its answer is good enough, where it may be asked. */
  p_good: number | null;
  /** Expected tokens of output. */
  expected_output: number;
  /** Expected cost. */
  expected_cost: Usd;
};

/** How long a vendor should keep a prompt prefix. */
export type CacheHint = "5m" | "1h";

/** A candidate. */
export type CandidateLine = {
  /** The model. */
  model: ModelId;
  /** Where. */
  endpoint: EndpointId;
  /** Who runs the endpoint. */
  vendor: VendorId;
  /** Where data is processed. */
  region: Region;
  /** The model's tier. */
  tier: Tier;
  /** What it is for. */
  role: CandidateRole;
  /** How likely its answer is good enough. */
  p_good: number;
  /** Expected tokens of output, reasoning included. */
  expected_output: number;
  /** Expected cost. */
  expected_cost: Usd;
  /** The most that an attempt at it can cost. */
  reserve: Usd;
  /** When its endpoint may be called again, where it rests. */
  rests_until: Timestamp | null;
  /**
   * The calls that are before this one there, where there are any: their wait counts as time that an answer
   * takes.
   */
  queue?: Queue | null;
};

/** What a candidate is for. */
export type CandidateRole = "choice" | "fallback" | "last_resort";

/** A cheap answer first, checked, and a better one where it falls short. */
export type CascadeLine = {
  /** Whether it is followed; else asking directly is expected to be as good for less, or nearly. */
  is_taken: boolean;
  /** Who is asked first. */
  first: ModelId;
  /** How the answer is checked: `wellformed`, `agreement`, `sample`, `confidence`, `judge` or `own`. */
  check: string;
  /** Who is asked besides, where the check asks a model. */
  with: ModelId | null;
  /** Who answers where the first answer falls short. */
  target: ModelId;
  /** How likely the first answer falls short. */
  p_short: number;
  /** How likely the answer that is delivered is good enough. */
  p_good: number;
  /** What the check is expected to cost. */
  check_cost: Usd;
  /** What the whole path is expected to cost. */
  expected_cost: Usd;
  /** What asking directly is expected to cost. */
  direct_cost: Usd;
};

/** One line of a charge: so many units of a class and what they cost. */
export type ChargeLine = {
  /** What was billed: `input`, `cached_read`, `output` ... */
  class: string;
  /** How many units. */
  quantity: number;
  /** What they cost, rounded up to a pico-dollar. */
  cost: Usd;
};

/** A contribution to the difficulty. */
export type Contribution = {
  /** What contributes. */
  name: string;
  /** How much, on the scale of abilities: one more makes a model of even odds fail three times in four. */
  amount: number;
};

/**
 * A name for a kind of data that a request holds, such as `customer-pii`, to which policy ties where it may
 * go.
 */
export type DataLabel = string;

/**
 * A piece of an answer. `part` numbers the piece's part within the answer, in the wire's own counting; parts
 * stand in the reply in the order of their first piece.
 */
export type Delta = {
  type: "start";
  /** The vendor's id of the answer. */
  id: string | null;
  /** The model that answers, as the vendor names it. */
  model: string | null;
} | {
  type: "text";
  /** Which part. */
  part: number;
  /** The text to append. */
  text: string;
} | {
  type: "reasoning";
  /** Which part. */
  part: number;
  /** The text to append; may be empty to open the part. */
  text: string;
} | {
  type: "refusal";
  /** Which part. */
  part: number;
  /** The text to append. */
  text: string;
} | {
  type: "tool_call";
  /** Which part. */
  part: number;
  /** The call's id. */
  id: string;
  /** The tool's name. */
  name: string;
} | {
  type: "arguments";
  /** Which part. */
  part: number;
  /** The text to append. */
  text: string;
} | {
  type: "part";
  /** Which part. */
  part: number;
  /** The part, which replaces what stood there. */
  whole: Part;
} | {
  type: "part_vendor";
  /** Which part; it is opened as reasoning where nothing stands there yet. */
  part: number;
  /** The fields. */
  fields: VendorFields;
} | {
  type: "logprobs";
  /** In order. */
  tokens: Array<TokenLogprob>;
} | {
  type: "usage";
  /** The report. */
  usage: Usage;
} | {
  type: "continued";
  /** Its pieces have this number of a part or a higher one. */
  part: number;
  /** The model. */
  model: ModelId;
} | {
  type: "replaced";
  /** The model that writes it. */
  model: ModelId;
} | {
  type: "stop";
  /** Why. */
  reason: StopReason;
} | {
  type: "vendor";
  /** The fields. */
  fields: VendorFields;
} | {
  type: "alternative";
  /** Which answer: 1 is the second. */
  index: number;
  /** The piece. */
  delta: Delta;
};

/** How hard to think. */
export type Effort = "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";

/** One address that serves models: a vendor in a region, a deployment, a server of the user's own. */
export type EndpointId = string;

/** A whole decision. `Display` fits one terminal screen; JSON holds all of it. */
export type Explanation = {
  /** When it was made. */
  at: Timestamp;
  /** How large the request is. */
  sizes: Sizes;
  /** How hard it was found to be; absent where the caller brought its own ratings. */
  hardness?: Hardness | null;
  /** What it aimed at. */
  aim: Aim;
  /** Where the promise of quality stands, where one was made: each time it failed the aim was raised. */
  promise?: PromiseState | null;
  /** The best way to ask a cheap model first and check its answer, where checks may be planned. */
  cascade?: CascadeLine | null;
  /** Who is asked, in order. */
  candidates: Array<CandidateLine>;
  /** Who may be asked and is not, the likeliest to be good enough first. */
  passed_over: Array<PassedOver>;
  /** Who may not be asked, by model. */
  refused: Array<RefusedModel>;
  /** What savings are counted against. */
  baseline: BaselineLine | null;
  /** What the choice saves. */
  saving: Saving | null;
};

/** How hard a request was found to be, and why. */
export type Hardness = {
  /** What kind of work it is. */
  kind: TaskKind;
  /** From 0 to 1. */
  difficulty: number;
  /** The parts, which add up on the scale of abilities. */
  parts: Array<Contribution>;
  /** Tokens of an answer of common length, without reasoning. */
  expected_output: number;
};

/** One turn of a conversation. */
export type Message = {
  /** Who speaks. */
  role: Role;
  /** What is said, in order. */
  parts: Array<Part>;
  /** The speaker's name, where a format has one. */
  name?: string | null;
  /** Fields of one format only. */
  vendor?: VendorFields;
};

/** Which model answers. */
export type ModelChoice = "auto" | {
  only: ModelId;
} | {
  any_of: Array<ModelId>;
};

/** A model as a user names it: `vendor/name`, such as `deepseek/deepseek-chat`. */
export type ModelId = string;

/** One piece of a message or a reply. */
export type Part = ({
  /** Asks the vendor to keep the prompt up to and including this part in its cache. */
  cache?: CacheHint | null;
  /** Fields of one format only: reasoning signatures, citations, image detail. */
  vendor?: VendorFields;
}) & ({
  type: "text";
  /** The words. */
  text: string;
} | {
  type: "image";
  /** Where its bytes are. */
  source: Source;
} | {
  type: "audio";
  /** Where its bytes are. */
  source: Source;
} | {
  type: "video";
  /** Where its bytes are. */
  source: Source;
} | {
  type: "document";
  /** Where its bytes are. */
  source: Source;
  /** Its name, where known. */
  name?: string | null;
} | ({
  type: "tool_call";
}) & ToolCall | ({
  type: "tool_result";
}) & ToolResult | {
  type: "reasoning";
  /** The reasoning, or a summary of it, as the vendor shows it. */
  text: string;
} | {
  type: "refusal";
  /** Its words. */
  text: string;
} | {
  type: "vendor";
});

/** A model that may be asked and is not. */
export type PassedOver = {
  /** The model. */
  model: ModelId;
  /** Its tier. */
  tier: Tier;
  /** How likely its answer would be good enough. */
  p_good: number;
  /** What its answer would be expected to cost. */
  expected_cost: Usd;
  /** Why it is not asked. */
  why: Why;
};

/** Why a request may not go to a model at an endpoint. */
export type PlaceRefusals = {
  /** The endpoint. */
  endpoint: EndpointId;
  /** Every reason, in the order of the rules. */
  refusals: Array<Refusal>;
};

/** Where a promise stands, since it was made or last failed. */
export type PromiseState = {
  /** The share of the better model's quality that was promised. */
  quality: number;
  /** How sure an alarm is. */
  confidence: number;
  /** How often it failed; each time the aim was raised by a step. */
  steps: number;
  /** The evidence against it: 1 is none, and it fails at 1 / (1 - confidence). */
  evidence: number;
  /** How many comparisons were made. */
  comparisons: number;
  /** How many marks came. */
  marks: number;
  /** The least mean loss that the comparisons leave possible, with that confidence, at any time. */
  loss_min: number;
  /** The greatest. */
  loss_max: number;
};

/** Calls that are before one which comes now. The default is no queue. */
export type Queue = {
  /** How many: those that are worked at and those that wait. */
  calls: number;
  /** How long they are expected to keep a new one waiting: their number by the measured speed. */
  wait: Span;
};

/** How much the model should think before it answers. */
export type ReasoningAsk = {
  /** In words. */
  effort?: Effort | null;
  /** In tokens; zero means none. */
  budget_tokens?: number | null;
  /** Whether to show the reasoning, or a summary of it, where the vendor hides it. */
  show?: boolean | null;
};

/** One reason why a request may not go to a model at an endpoint. */
export type Refusal = {
  /** The rule that refuses. */
  rule: RuleName;
  /** What is wrong, for people, in one line. */
  reason: string;
};

/** A model that may not see the request, at some endpoint or at all. */
export type RefusedModel = {
  /** The model. */
  model: ModelId;
  /** Its tier. */
  tier: Tier;
  /** The reasons, endpoint by endpoint. Empty where no endpoint serves the model, or `auto` may not choose it. */
  places: Array<PlaceRefusals>;
  /** Why it has no endpoint to speak of. */
  note: string | null;
};

/**
 * A place where data is processed, coarse or fine: `eu`, `us`, `cn`, `eu-central-1`, `local`, `global`
 * (anywhere).
 */
export type Region = string;

/** A whole answer. */
export type Reply = {
  /** The vendor's id of the answer. */
  id?: string | null;
  /** The model that answered, as the vendor names it. */
  model?: string | null;
  /** The answer, in order; the first where several were asked for. */
  parts: Array<Part>;
  /** Why it ended. */
  stop?: StopReason | null;
  /** What it used. */
  usage?: Usage;
  /** Log-probabilities of the drawn tokens, where asked for. */
  logprobs?: Array<TokenLogprob>;
  /** Further answers, where several were asked for. */
  alternatives?: Array<Alternative>;
  /** Where other models took over after a stream broke, in order; empty where one model wrote it all. */
  continued?: Array<Takeover>;
  /** Fields of one format only. */
  vendor?: VendorFields;
};

/** A request as data, before it was checked. Every field but `messages` may be left out. */
export type RequestDraft = {
  /** Which model answers. */
  model?: ModelChoice;
  /** The conversation so far, oldest first. */
  messages?: Array<Message>;
  /** Tools that the model may call. */
  tools?: Array<Tool>;
  /** Whether it may, must or must not call them. */
  tool_choice?: ToolChoice | null;
  /** Whether several tools may be called in one turn; `None` leaves it to the vendor. */
  parallel_tools?: boolean | null;
  /** The shape of the answer. */
  format?: ResponseFormat | null;
  /** How words are drawn. */
  sampling?: Sampling;
  /** Most tokens of output, reasoning included. */
  max_tokens?: number | null;
  /** How much the model should think first. */
  reasoning?: ReasoningAsk | null;
  /** The vendor's lane: priority costs more, flex and batch less. */
  service_tier?: ServiceTier | null;
  /** The conversation this belongs to: it pins models and keeps prompt caches warm. */
  session?: SessionId | null;
  /** Kinds of data the request holds: policy ties each to where it may go. */
  labels?: Array<DataLabel>;
  /** The caller's own names for the ledger: user, team, project, feature. */
  tags?: Record<string, string>;
  /** Fields of one wire format only. */
  vendor?: VendorFields;
};

/** One request as the router handles it, unique for ever: its attempts' ids are made from it. */
export type RequestId = string;

/** A whole answer with its route and its exact cost. */
export type Response = {
  /** The request's id: the ledger's attempts begin with it. */
  id: RequestId;
  /** The answer. */
  reply: Reply;
  /** Who gave it. */
  route: Route;
  /** What the request cost, every attempt included. */
  cost: Usd;
  /** What the answer's own attempt is charged for. */
  lines: Array<ChargeLine>;
  /** What the same answer would have cost on the baseline; `None` where it has no price. */
  baseline_cost: Usd | null;
  /** The baseline's cost less this request's; below zero where it cost more. */
  saved: Usd;
  /** How long it took. */
  timing: Timing;
};

/** The shape of an answer. */
export type ResponseFormat = {
  type: "text";
} | {
  type: "json_object";
} | {
  type: "json_schema";
  /** A name for the schema. */
  name: string;
  /** What it is for, for the model. */
  description?: string | null;
  /** The JSON Schema. */
  schema: unknown;
  /** Whether the vendor must hold the answer to it; `None` leaves it to the vendor. */
  strict?: boolean | null;
};

/** Who speaks. */
export type Role = "system" | "developer" | "user" | "assistant" | "tool";

/** Who answered, and what was tried before. */
export type Route = {
  /** The model that answered. */
  model: ModelId;
  /** Where. */
  endpoint: EndpointId;
  /** Who runs the endpoint. */
  vendor: VendorId;
  /** Where the data was processed. */
  region: Region;
  /** The model's tier. */
  tier: Tier;
  /** The model against which savings are counted. */
  baseline: ModelId | null;
  /** Every attempt, the last one the one that answered; where checks asked models, in the order of their numbers. */
  attempts: Array<AttemptLine>;
  /** Why its answer was delivered although it fell short of a check, where that is so. */
  fell_short: string | null;
};

/** A rule that can refuse. The names are stable: dashboards count them. */
export type RuleName = "asked" | "vendor" | "model" | "tier" | "residency" | "self_hosted" | "sensitivity" | "key" | "retired" | "unpriced" | "capability" | "format" | "context" | "accepts" | "budget" | "health";

/** How words are drawn. `None` leaves each to the vendor. */
export type Sampling = {
  /** 0 to 2. */
  temperature?: number | null;
  /** Above 0, to 1. */
  top_p?: number | null;
  /** At least 1. */
  top_k?: number | null;
  /** 0 to 1. */
  min_p?: number | null;
  /** -2 to 2. */
  frequency_penalty?: number | null;
  /** -2 to 2. */
  presence_penalty?: number | null;
  /** For repeatable drawing, as far as the vendor keeps it. */
  seed?: number | null;
  /** Texts that end the answer. */
  stop?: Array<string>;
  /** How many alternatives to each drawn token to report with log-probabilities: 0 to 20; `None` reports none. */
  logprobs?: number | null;
  /** How many answers: 1 to 8. */
  candidates?: number | null;
};

/** What the choice saves against the baseline. */
export type Saving = {
  /** The baseline's expected cost less the choice's; below zero where the choice costs more. */
  amount: Usd;
  /** As a share of the baseline's. */
  share: number;
};

/** A vendor's lane. */
export type ServiceTier = "auto" | "standard" | "flex" | "priority" | "batch";

/** A conversation whose requests belong together. */
export type SessionId = string;

/** How large a request is. */
export type Sizes = {
  /** Prompt tokens, roughly. */
  input_tokens: number;
  /** Prompt tokens, at most, at the first candidate. */
  input_tokens_max: number;
  /** Tokens of output, at most, at the first candidate. */
  output_tokens_max: number;
};

/** Where media bytes are. */
export type Source = {
  from: "base64";
  /** Such as `image/png`. */
  media_type: string;
  /** The bytes in standard base64. */
  data: string;
} | {
  from: "url";
  /** The address. */
  url: string;
  /** Such as `image/png`, where a format wants it said. */
  media_type?: string | null;
} | {
  from: "file";
  /** The vendor's id of the file. */
  id: string;
  /** Such as `application/pdf`, where a format wants it said. */
  media_type?: string | null;
} | {
  from: "text";
  /** The text. */
  text: string;
  /** Such as `text/plain`. */
  media_type: string;
};

/** A length of time, in milliseconds. */
export type Span = number;

/** Why an answer ended. */
export type StopReason = "end" | "stop_text" | "max_tokens" | "context_full" | "tool_use" | "content_filter" | "refusal" | "pause" | "bad_tool_call" | {
  other: string;
};

/** From where on another model wrote an answer. */
export type Takeover = {
  /** Its first part in `Reply::parts`, counted from 0. */
  part: number;
  /** The model that wrote from there on. */
  model: ModelId;
};

/** A kind of work. */
export type TaskKind = "conversation" | "extraction" | "classification" | "translation" | "summary" | "writing" | "knowledge" | "mathematics" | "code" | "reasoning" | "agentic";

/** How strong and how dear a model is, among those on sale. */
export type Tier = "local" | "economy" | "standard" | "frontier";

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Timestamp = number;

/** How long a request took. */
export type Timing = {
  /** The decision alone. */
  decision: number;
  /** From the attempt that answered being sent to its first piece. */
  first_piece: Span | null;
  /** Everything. */
  total: Span;
};

/** A drawn token and how likely it was. */
export type TokenLogprob = {
  /** The token's text. */
  token: string;
  /** Natural logarithm of its probability. */
  logprob: number;
  /** The likeliest tokens at this place, with theirs. */
  top?: Array<[string, number]>;
};

/** A tool that the model may call. */
export type Tool = {
  /** Its name: letters, digits, `_`, `-`, `.`, `:`; at most 128. */
  name: string;
  /** What it does, for the model. */
  description?: string | null;
  /** JSON Schema of its arguments; absent means no arguments. */
  parameters?: unknown;
  /** Whether the vendor must hold the arguments to the schema. */
  strict?: boolean | null;
  /** Keeps the prompt up to and including this tool in the vendor's cache. */
  cache?: CacheHint | null;
  /** Fields of one format only. A tool of the vendor's own (web search, code execution) is whole in here. */
  vendor?: VendorFields;
};

/** A model's wish to call a tool. */
export type ToolCall = {
  /** The call's id, which the result repeats. Formats without ids get one made from the position. */
  id: string;
  /** The tool's name. */
  name: string;
  /** The arguments as JSON text, exactly as the vendor sent them; models sometimes write invalid JSON. */
  arguments: string;
};

/** Whether tools may, must or must not be called. */
export type ToolChoice = "auto" | "none" | "required" | {
  named: string;
};

/** What a tool answered. */
export type ToolResult = {
  /** The id of the call that is answered. */
  call_id: string;
  /** The tool's name, where a format wants it said. */
  name?: string | null;
  /** The answer. */
  parts: Array<Part>;
  /** Whether the tool failed. */
  is_error?: boolean;
};

/**
 * Tokens and units of one call, normalised: parts lie inside their totals whatever the vendor's own
 * convention.
 */
export type Usage = {
  /** Every prompt token: cached reads, cache writes, audio and images included. */
  input?: number | null;
  /**
   * What the vendor bills as input, where that is another count than `input` (Cohere counts its own template and
   * bills only the caller's words). All of it costs the input rate, whatever was read from the cache.
   */
  billed_input?: number | null;
  /** Of `input`: read from the vendor's cache. */
  cached_read?: number | null;
  /** Of `input`: written to the cache for five minutes, or for the vendor's only lifetime. */
  cache_write_5m?: number | null;
  /** Of `input`: written to the cache for an hour. */
  cache_write_1h?: number | null;
  /** Every billed output token: reasoning, audio and images included. */
  output?: number | null;
  /** Of `output`: reasoning. */
  reasoning?: number | null;
  /** Of `input`: audio. */
  input_audio?: number | null;
  /** Of `cached_read`: audio. */
  cached_audio?: number | null;
  /** Of `output`: audio. */
  output_audio?: number | null;
  /** Of `input`: images. */
  input_image?: number | null;
  /** Of `output`: images. */
  output_image?: number | null;
  /** Searches that the vendor ran and bills by the piece. */
  searches?: number | null;
  /** What the vendor says the call cost, where it says so. */
  stated_cost?: Usd | null;
  /** The lane that the vendor says it used. */
  service_tier?: ServiceTier | null;
};

/** An exact amount of US dollars, in pico-dollars. JSON carries it as a decimal string. */
export type Usd = string;

/**
 * Extra JSON fields by the wire format they belong to. A wire writes the fields of its own format only. This
 * is also where opaque state lives that must be echoed without loss: reasoning signatures, encrypted items,
 * thought signatures. A reply's parts carry them; sending the parts back sends them back.
 */
export type VendorFields = Record<string, Record<string, unknown>>;

/** A company, or a server of the user's own, that answers requests: `anthropic`, `bedrock`, `my-vllm`. */
export type VendorId = string;

/** Why a model that may be asked is not. */
export type Why = "below_aim" | "dearer" | "above_spend" | "worth_less" | "less_likely" | "resting" | "queued";
