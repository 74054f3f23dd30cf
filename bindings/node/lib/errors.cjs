"use strict";
// One class for each kind of failure. All are TierwayError and carry the same facts.

class TierwayError extends Error {
  constructor(facts) {
    super(facts.message);
    this.code = facts.code;
    this.status = facts.status ?? undefined;
    // Milliseconds, as timers in JavaScript have it.
    this.retryAfter = facts.retry_after_ms ?? undefined;
    this.provider = facts.provider ?? undefined;
    this.vendorCode = facts.vendor_code ?? undefined;
    this.requestId = facts.request_id ?? undefined;
    this.field = facts.field ?? undefined;
    this.attempts = facts.attempts ?? [];
    this.refused = facts.refused ?? undefined;
    this.partial = facts.partial ?? undefined;
  }

  get name() {
    return this.constructor.name;
  }
}

class InvalidRequestError extends TierwayError {}
class ConfigError extends TierwayError {}
class RefusedError extends TierwayError {}
class OverBudgetError extends TierwayError {}
class LedgerError extends TierwayError {}
class CancelledError extends TierwayError {}
class ProviderError extends TierwayError {}
class AuthenticationError extends ProviderError {}
class RateLimitError extends ProviderError {}
class APITimeoutError extends ProviderError {}
class APIConnectionError extends ProviderError {}
class IncompleteError extends ProviderError {}

const BY_CODE = {
  invalid_request: InvalidRequestError,
  unknown_answer: InvalidRequestError,
  invalid_config: ConfigError,
  refused: RefusedError,
  over_budget: OverBudgetError,
  ledger: LedgerError,
  busy: LedgerError,
  forked: TierwayError,
  runtime: TierwayError,
  internal: TierwayError,
  cancelled: CancelledError,
  auth: AuthenticationError,
  permission: AuthenticationError,
  rate_limited: RateLimitError,
  quota: RateLimitError,
  timeout: APITimeoutError,
  connect: APIConnectionError,
  network: APIConnectionError,
  tls: APIConnectionError,
  incomplete: IncompleteError,
};

// What a provider written in JavaScript throws to say how it failed.
class ProviderFault extends Error {
  constructor(message, { kind = "server", status, code, retry, retryAfter, sent = true } = {}) {
    super(message);
    this.facts = { kind, message, status, code, retry, retry_after_ms: retryAfter, sent };
  }

  get name() {
    return "ProviderFault";
  }
}

// The error for a failure that the native half wrote as JSON.
function make(text) {
  const facts = JSON.parse(text);
  const Kind = BY_CODE[facts.code] ?? ProviderError;
  return new Kind(facts);
}

// Calls native code; what it throws holds a failure in its message.
function native(call) {
  try {
    return call();
  } catch (error) {
    if (typeof error?.message === "string" && error.message.startsWith("{")) throw make(error.message);
    throw error;
  }
}

module.exports = {
  make,
  native,
  classes: {
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    CancelledError,
    ConfigError,
    IncompleteError,
    InvalidRequestError,
    LedgerError,
    OverBudgetError,
    ProviderError,
    ProviderFault,
    RateLimitError,
    RefusedError,
    TierwayError,
  },
};
