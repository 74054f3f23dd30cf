// The package's types. What requests, replies and decisions hold is in types.d.ts, made from the core's own types.
import type { Delta, Explanation, Reply, RequestDraft, Response, Route, Tier, Usd } from "./types.js";

export type * from "./types.js";

/** A client's settings; each may be left out. */
export interface ClientOptions {
  /** A `tierway.toml` to start from; an empty text looks for one in the working folder. */
  config?: string | URL;
  /** Keys by endpoint of the catalogue. Left out, they are read from the environment. */
  keys?: Record<string, string>;
  /** Whether to read keys from the environment too. */
  environment?: boolean;
  /** What answers in JavaScript, by the endpoint of the catalogue that it answers for. */
  providers?: Record<string, Provider | Provider["chat"]>;
  /** What judges answers, in order: brings why one falls short, or nothing. */
  checks?: Check[];
  router?: {
    quality?: number;
    baseline?: string;
    models?: string[];
    worth?: Usd;
    spend_max?: Usd;
    latency_max_ms?: number;
    endpoints?: string[];
  };
  policy?: Record<string, unknown>;
  ledger?: { path?: string };
  budgets?: Array<Record<string, unknown>>;
  rates?: Array<Record<string, unknown>>;
  timeouts?: { connect_ms?: number; first_byte_ms?: number; idle_ms?: number; total_ms?: number };
  retry?: { attempts_max?: number; deadline_ms?: number; hedge_percent?: number; continue_streams?: boolean };
  transport?: { proxy?: string; roots?: string[] };
  catalog?: { files?: string[]; only_files?: boolean };
  catalog_texts?: Record<string, string>;
  rows?: Array<Record<string, unknown>>;
  key_env?: Record<string, string>;
  base_urls?: Record<string, string>;
  assume_keys?: boolean;
  check_wellformed?: boolean;
}

/** What a provider is asked. */
export interface ProviderCall {
  /** The name that goes over the wire. */
  model: string;
  /** The catalogue's id. */
  id: string;
  endpoint: string;
  /** The ledger's key of this attempt: pass it on as an idempotency key. */
  attempt: string;
  /** The bound that was reserved. */
  max_tokens: number;
  timeout_ms: number;
  request: RequestDraft;
}

/** A whole answer: a text, a text with usage, or a reply. */
export type Answered = string | { text: string; usage?: Reply["usage"] } | Partial<Reply>;

/** Answers in JavaScript. `signal` aborts where nobody waits for the answer any more. */
export interface Provider {
  chat(call: ProviderCall, options: { signal: AbortSignal }): Answered | Promise<Answered>;
  /** Pieces: texts, or deltas. Left out, `chat` answers in one piece. */
  stream?(
    call: ProviderCall,
    options: { signal: AbortSignal },
  ): AsyncIterable<string | Delta> | Iterable<string | Delta> | Promise<AsyncIterable<string | Delta>>;
}

/** Why an answer falls short of the request; nothing, or `true`, where it is good enough. */
export type Check = (
  request: RequestDraft,
  reply: Reply,
) => string | boolean | null | undefined | Promise<string | boolean | null | undefined>;

export interface ChatMessage {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  content?: string | null | Array<Record<string, unknown>>;
  [field: string]: unknown;
}

/** A body of OpenAI's chat completions; what the router is told besides stands under `tierway`. */
export interface ChatBody {
  /** `auto`, `vendor/name`, or any name that the catalogue resolves to one model. */
  model?: string;
  messages: ChatMessage[];
  stream?: boolean;
  max_tokens?: number;
  temperature?: number;
  tools?: Array<Record<string, unknown>>;
  tierway?: {
    models?: string[];
    tags?: Record<string, string>;
    labels?: string[];
    session?: string;
    reasoning?: Record<string, unknown>;
  };
  [field: string]: unknown;
}

/** What OpenAI's shape has no words for: who answered and what it cost, to the pico-dollar. */
export interface Account {
  id: string;
  route: Route;
  cost: Usd;
  baseline_cost: Usd | null;
  saved: Usd;
  stop: string | null;
  [field: string]: unknown;
}

export interface ToolCallMade {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  created: number;
  model: string;
  choices: Array<{
    index: number;
    message: {
      role: "assistant";
      content: string | null;
      refusal: string | null;
      reasoning_content?: string;
      tool_calls?: ToolCallMade[];
    };
    finish_reason: "stop" | "length" | "tool_calls" | "content_filter";
    logprobs: unknown;
  }>;
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number; [detail: string]: unknown };
  tierway: Account;
}

export interface ChatCompletionChunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  choices: Array<{
    index: number;
    delta: {
      role?: "assistant";
      content?: string;
      refusal?: string;
      reasoning_content?: string;
      tool_calls?: Array<{ index: number; id?: string; type?: "function"; function: { name?: string; arguments?: string } }>;
    };
    finish_reason: ChatCompletion["choices"][0]["finish_reason"] | null;
    logprobs: unknown;
  }>;
  usage?: ChatCompletion["usage"];
  /** In the chunk that says why the answer ended. */
  tierway?: Account;
}

export interface CallOptions {
  /** Cancels the call; what was delivered until then is settled. */
  signal?: AbortSignal;
}

/** An answer piece by piece. Leaving the loop, `close`, and being collected all cancel the call. */
export declare class Stream<Piece, Whole> implements AsyncIterableIterator<Piece> {
  private constructor();
  next(): Promise<IteratorResult<Piece, undefined>>;
  return(value?: undefined): Promise<IteratorResult<Piece, undefined>>;
  [Symbol.asyncIterator](): this;
  /** Who answers. */
  readonly route: Route;
  /** The whole answer, after the last piece. */
  readonly response: Whole | undefined;
  close(): void;
  toReadableStream(): ReadableStream<Piece>;
}

export interface Sums {
  requests: number;
  attempts: number;
  failed: number;
  held: number;
  input_tokens: number;
  cached_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  cost: Usd;
  baseline_cost: Usd;
  saved: Usd;
  held_cost: Usd;
}

export interface Report {
  by: string[];
  groups: Array<Sums & Record<string, unknown>>;
  total: Sums;
}

export interface ModelLine {
  id: string;
  vendor: string;
  tier: Tier;
  context_window: number;
  max_output: number;
  retired: boolean;
  /** Whether one of its endpoints has its key. */
  callable: boolean;
}

/** Sends each request to the cheapest model that is good enough. */
export declare class Client {
  constructor(options?: ClientOptions);
  readonly chat: {
    readonly completions: {
      create(
        body: ChatBody & { stream: true },
        options?: CallOptions,
      ): Promise<Stream<ChatCompletionChunk, ChatCompletion>>;
      create(body: ChatBody & { stream?: false }, options?: CallOptions): Promise<ChatCompletion>;
    };
  };
  send(request: RequestDraft, options?: CallOptions): Promise<Response>;
  stream(request: RequestDraft, options?: CallOptions): Promise<Stream<Delta, Response>>;
  route(asked: ChatBody | RequestDraft): Explanation;
  explain(asked: ChatBody | RequestDraft): Explanation;
  models(): ModelLine[];
  report(query?: { by?: string[]; sinceMs?: number; untilMs?: number }): Promise<Report>;
  attempts(query?: { after?: number; limit?: number }): Promise<Array<Record<string, unknown>>>;
  /**
   * Marks an answer from 0, useless, to 1, right, once: later decisions go by what was learnt. `answer` is what a call
   * brought, in either shape, a stream that was read to its end, or the id of an answer.
   */
  feedback(answer: object | string, mark: number): Promise<void>;
  /** What was learnt from marks: counts by kind of work and model, and no text. */
  experience(): Promise<Record<string, unknown>>;
  /** Puts another experience in place of what was learnt, for all who share the ledger; null forgets. */
  setExperience(experience: Record<string, unknown> | null): Promise<void>;
  close(): Promise<void>;
}

/** A request that brought no answer. `code` is stable; the message says what to do. */
export declare class TierwayError extends Error {
  readonly code: string;
  readonly status?: number;
  /** Milliseconds. */
  readonly retryAfter?: number;
  readonly provider?: string;
  readonly vendorCode?: string;
  readonly requestId?: string;
  readonly field?: string;
  readonly attempts: Array<Record<string, unknown>>;
  readonly refused?: Record<string, unknown>;
  readonly partial?: Reply;
}
export declare class InvalidRequestError extends TierwayError {}
export declare class ConfigError extends TierwayError {}
export declare class RefusedError extends TierwayError {}
export declare class OverBudgetError extends TierwayError {}
export declare class LedgerError extends TierwayError {}
export declare class CancelledError extends TierwayError {}
export declare class ProviderError extends TierwayError {}
export declare class AuthenticationError extends ProviderError {}
export declare class RateLimitError extends ProviderError {}
export declare class APITimeoutError extends ProviderError {}
export declare class APIConnectionError extends ProviderError {}
export declare class IncompleteError extends ProviderError {}

/** What a provider written in JavaScript throws to say how it failed. */
export declare class ProviderFault extends Error {
  constructor(
    message: string,
    facts?: {
      kind?: string;
      status?: number;
      code?: string;
      retry?: "here" | "elsewhere" | "never";
      retryAfter?: number;
      sent?: boolean;
    },
  );
}
