"""Send each request to the cheapest model that is good enough, prove what it cost, and keep data where it may go."""

from __future__ import annotations

from ._client import AsyncClient, Client
from ._errors import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    CancelledError,
    ConfigError,
    ForkedError,
    IncompleteError,
    InvalidRequestError,
    LedgerError,
    OverBudgetError,
    ProviderError,
    RateLimitError,
    RefusedError,
    TierwayError,
)
from ._host import ProviderFault
from ._objects import Record
from ._streams import AsyncStream, Stream

__all__ = [
    "APIConnectionError",
    "APITimeoutError",
    "AsyncClient",
    "AsyncStream",
    "AuthenticationError",
    "CancelledError",
    "Client",
    "ConfigError",
    "ForkedError",
    "IncompleteError",
    "InvalidRequestError",
    "LedgerError",
    "OverBudgetError",
    "ProviderError",
    "ProviderFault",
    "RateLimitError",
    "Record",
    "RefusedError",
    "Stream",
    "TierwayError",
]
