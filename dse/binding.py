"""What a lower bound rests on: per nest, which limit its cycles come from, and where it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MINOR = 0.02
"""Nests with a smaller share of the cycles are left out of texts."""


class BindingKind(StrEnum):
    """Which limit decides."""

    COMPUTE = "compute"
    RECURRENCE = "recurrence"
    PORTS = "memory ports"
    ENTRIES = "pipeline entries"
    LATENCY = "operator latency"


@dataclass(frozen=True, slots=True)
class Binding:
    """The limit of one nest in the design that a bound is reached by.

    Parameters
    ----------
    nest : str
        Its first statement.
    kind : BindingKind
    subject : str
        The resource whose operators are missing, the loop that carries the recurrence, the array
        whose ports are busy, or the loops in whose iterations the pipeline is filled; empty where
        operators follow each other once.
    detail : str
        In words.
    cycles : float
        Of the nest, in the bound.
    """

    nest: str
    kind: BindingKind
    subject: str
    detail: str
    cycles: float

    def to_json(self) -> dict[str, Any]:
        """Values that JSON has."""
        return {
            "nest": self.nest,
            "kind": str(self.kind),
            "subject": self.subject,
            "detail": self.detail,
            "cycles": self.cycles,
        }


def binding_text(bindings: tuple[Binding, ...]) -> str:
    """One line: the limits with their share of the bound, largest first."""
    total = sum(b.cycles for b in bindings)
    ranked = sorted(bindings, key=lambda b: -b.cycles)
    return "; ".join(
        f"{b.kind} of {b.nest}, {b.detail} ({b.cycles / total:.0%})"
        for b in ranked
        if total and b.cycles >= MINOR * total
    )
