// The package for `import`: the very classes that `require` gives, so that `instanceof` holds across both.
import tierway from "./index.cjs";

export const {
  APIConnectionError,
  APITimeoutError,
  AuthenticationError,
  CancelledError,
  Client,
  ConfigError,
  IncompleteError,
  InvalidRequestError,
  LedgerError,
  OverBudgetError,
  ProviderError,
  ProviderFault,
  RateLimitError,
  RefusedError,
  Stream,
  TierwayError,
} = tierway;
export default tierway;
