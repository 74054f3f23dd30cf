"""One exception class for each kind of failure; all are `TierwayError` and carry the same fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Type

if TYPE_CHECKING:
    from .answers import Reply


class TierwayError(Exception):
    """A request that brought no answer. `code` is stable; the message says what to do."""

    def __init__(self, facts: Dict[str, Any]) -> None:
        super().__init__(facts["message"])
        self.code: str = facts["code"]
        self.message: str = facts["message"]
        self.status: Optional[int] = facts.get("status")
        after = facts.get("retry_after_ms")
        self.retry_after: Optional[float] = None if after is None else after / 1000
        self.provider: Optional[str] = facts.get("provider")
        self.vendor_code: Optional[str] = facts.get("vendor_code")
        self.request_id: Optional[str] = facts.get("request_id")
        self.field: Optional[str] = facts.get("field")
        self.attempts: List[Dict[str, Any]] = facts.get("attempts") or []
        self.refused: Optional[Dict[str, Any]] = facts.get("refused")
        self._facts = facts

    @property
    def partial(self) -> "Optional[Reply]":
        """What had come before the answer broke off."""
        found = self._facts.get("partial")
        if found is None:
            return None
        from .answers import Reply

        # Reading takes what it is given for its own.
        return Reply.read(json.loads(json.dumps(found)))

    def __reduce__(self) -> Any:
        return (type(self), (self._facts,))


class InvalidRequestError(TierwayError):
    """The request is not valid; `field` names what is wrong."""


class ConfigError(TierwayError):
    """The settings are not valid; `field` names what is wrong."""


class RefusedError(TierwayError):
    """Policy lets no model see the request; `refused` holds every reason of every model."""


class OverBudgetError(TierwayError):
    """No budget has room."""


class LedgerError(TierwayError):
    """The account could not be kept, so nothing more was sent."""


class ForkedError(TierwayError):
    """The client was made in another process."""


class CancelledError(TierwayError):
    """The caller gave up."""


class ProviderError(TierwayError):
    """Every candidate failed; `attempts` holds each failure."""


class AuthenticationError(ProviderError):
    """A key is missing, wrong, or may not do this."""


class RateLimitError(ProviderError):
    """Too many requests, or a quota is used up."""


class APITimeoutError(ProviderError):
    """A time limit passed."""


class APIConnectionError(ProviderError):
    """No connection, or a broken one."""


class IncompleteError(ProviderError):
    """The answer broke off; `partial` holds what had come."""


_CLASSES: Dict[str, Type[TierwayError]] = {
    "invalid_request": InvalidRequestError,
    "unknown_answer": InvalidRequestError,
    "invalid_config": ConfigError,
    "refused": RefusedError,
    "over_budget": OverBudgetError,
    "ledger": LedgerError,
    "busy": LedgerError,
    "forked": ForkedError,
    "cancelled": CancelledError,
    "auth": AuthenticationError,
    "permission": AuthenticationError,
    "rate_limited": RateLimitError,
    "quota": RateLimitError,
    "timeout": APITimeoutError,
    "connect": APIConnectionError,
    "network": APIConnectionError,
    "tls": APIConnectionError,
    "incomplete": IncompleteError,
    "runtime": TierwayError,
    "internal": TierwayError,
}


def make(text: str) -> TierwayError:
    """The exception for a failure that the native half wrote as JSON."""
    facts = json.loads(text)
    return _CLASSES.get(facts["code"], ProviderError)(facts)
