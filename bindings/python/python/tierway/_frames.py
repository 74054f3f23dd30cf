"""Reports as tables, where pandas or polars is installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Iterable, Mapping

_MONEY = ("cost", "baseline_cost", "saved", "held_cost", "reserved", "baseline")


def frame(rows: Iterable[Mapping[str, Any]], kind: str) -> Any:
    """`kind` is `pandas` or `polars`. Amounts are exact: `decimal.Decimal` in both."""
    from decimal import Decimal

    def cell(name: str, value: Any) -> Any:
        return Decimal(value) if name in _MONEY and isinstance(value, str) else value

    table = [{name: cell(name, value) for name, value in row.items()} for row in rows]
    if kind == "pandas":
        return import_module("pandas").DataFrame(table)
    if kind == "polars":
        return import_module("polars").DataFrame(table, infer_schema_length=None)
    raise ValueError("a frame is of pandas or polars")
