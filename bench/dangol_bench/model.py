"""The nouns of a measurement: a figure, its bar, and what a row is."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from dangol.errors import DangolError

if TYPE_CHECKING:
    from dangol_bench.ground import Ground


class Side(StrEnum):
    """Where the product runs."""

    EMBEDDED = "embedded"  # SQLite, one process
    PRODUCTION = "production"  # Kafka and PostgreSQL, a process a role


class Untrue(DangolError):
    """What was done is not what was to be done: a count is wrong, and a figure of it would say nothing."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure should reach: its ratio to the reference where it has one, else its value."""

    at_least: float | None = None
    at_most: float | None = None

    def met(self, measured: float) -> bool:
        """Whether it is reached."""
        low = self.at_least is None or measured >= self.at_least
        return low and (self.at_most is None or measured <= self.at_most)

    def __str__(self) -> str:
        return f"≥ {self.at_least:,g}" if self.at_least is not None else f"≤ {self.at_most:,g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured; `reference` is what `against` gave in the same run, in the same unit."""

    what: str
    value: float
    unit: str
    reference: float | None = None
    against: str = ""
    bar: Bar | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """The value as a share of the reference."""
        return self.value / self.reference if self.reference else None

    @property
    def met(self) -> bool | None:
        """Whether the bar is reached; None without one."""
        measured = self.value if self.ratio is None else self.ratio
        return None if self.bar is None else self.bar.met(measured)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: its name on the command line, what it is, and how it is measured on a side."""

    name: str
    about: str
    measure: Callable[["Ground"], Awaitable[Sequence[Figure]]]


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a row on one side; `failed` says why there are no figures."""

    row: str
    side: Side
    figures: Sequence[Figure] = ()
    failed: str = ""
    seconds: float = 0.0
