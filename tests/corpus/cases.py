"""The corpus as values: each source with what must come out of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from tests.corpus.generated import GENERATED

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """A source and what must come out of it; see ``expected.toml``.

    Attributes
    ----------
    kind
        ``transactions`` or ``importance``.
    name
        Its name.
    landed
        Rows that can reach a total.
    rejected
        Line and reason of every other row.
    error
        Class of the error, then pieces of its text; empty: none.
    customers
        Ids of the landed rows, in order; ``None``: not said.
    weights
        Of importance: weight by customer, at merchant M1.
    """

    kind: str
    name: str
    landed: int = 0
    rejected: list[str] = field(default_factory=list)
    error: list[str] = field(default_factory=list)
    customers: list[str] | None = None
    weights: dict[str, Decimal] = field(default_factory=dict)

    @property
    def source(self) -> bytes:
        """Its bytes."""
        if self.kind == "transactions" and self.name in GENERATED:
            return GENERATED[self.name]()
        return (FOLDER / self.kind / f"{self.name}.csv").read_bytes()


def _cases(kind: str) -> Iterator[Case]:
    with (FOLDER / "expected.toml").open("rb") as file:
        expected = tomllib.load(file, parse_float=Decimal)
    for name, outcome in expected[kind].items():
        yield Case(kind, name, **outcome)


TRANSACTIONS = list(_cases("transactions"))
IMPORTANCE = list(_cases("importance"))
