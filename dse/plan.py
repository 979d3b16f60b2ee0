"""A point of the design space, as a value: what to do with every nest and every array.

A plan is made of *structure* (a named variant of the kernel's loops: as written, distributed,
skewed …), one `NestPlan` per nest of that variant, and the partition of every array. It says
nothing that a schedule could not say: `pom.dse.realise` turns it into schedule primitives.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from pom.ir.directives import Partition

Partitions = tuple[tuple[str, tuple[Partition, ...]], ...]
"""Of arrays, by name."""


@dataclass(frozen=True, slots=True)
class NestPlan:
    """Parallelisation of one nest.

    Parameters
    ----------
    statement : str
        First statement of the nest: its stable handle.
    order : tuple of str
        The nest's band loops from the outside inwards.
    factors : tuple of int
        For each loop of `order`, how many of its iterations run side by side; the trip count or
        more means all of them.
    is_pipelined : bool
        Whether the innermost loop that remains is pipelined.
    ii : int
        The initiation interval that is asked for.
    tile : int
        So many blocks of the innermost loop are a tile: the loop over tiles is outermost, and every
        tile runs in full. 0 for no tiles.
    """

    statement: str
    order: tuple[str, ...]
    factors: tuple[int, ...]
    is_pipelined: bool = True
    ii: int = 1
    tile: int = 0

    @property
    def lanes(self) -> int:
        """How many instances of each statement run side by side."""
        product = 1
        for factor in self.factors:
            product *= factor
        return product

    def factor(self, loop: str) -> int:
        return self.factors[self.order.index(loop)]

    def __str__(self) -> str:
        loops = " ".join(
            name if factor == 1 else f"{name}*{factor}"
            for name, factor in zip(self.order, self.factors, strict=True)
        )
        tiled = f" tiles of {self.tile}" if self.tile else ""
        return f"{self.statement}[{loops}{tiled}]" + ("" if self.is_pipelined else " not pipelined")


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole design.

    Parameters
    ----------
    structure : str
        Name of the structural variant.
    nests : tuple of NestPlan
        Nests without a plan stay as they are.
    partitions : tuple of (array, tuple of Partition)
        Sorted by array.
    implementations : tuple of (op, impl)
        Implementation of operators in the whole design, such as ``("fadd", "fabric")``; sorted.
    dataflow : bool
        Whether the nests overlap as a dataflow region.
    """

    structure: str
    nests: tuple[NestPlan, ...]
    partitions: Partitions = ()
    implementations: tuple[tuple[str, str], ...] = ()
    dataflow: bool = False

    @property
    def text(self) -> str:
        """Canonical JSON: equal plans have equal texts."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    def __str__(self) -> str:
        parts = [self.structure, *map(str, self.nests)]
        parts += [f"{op} in {impl}" for op, impl in self.implementations]
        parts += ["dataflow"] if self.dataflow else []
        return "; ".join(parts)


def parse_plan(text: str) -> Plan:
    """The inverse of `Plan.text`."""
    data: dict[str, Any] = json.loads(text)
    return Plan(
        structure=data["structure"],
        nests=tuple(
            NestPlan(
                n["statement"],
                tuple(n["order"]),
                tuple(n["factors"]),
                n["is_pipelined"],
                n["ii"],
                n.get("tile", 0),
            )
            for n in data["nests"]
        ),
        partitions=tuple(
            (array, tuple(Partition(p["dim"], p["kind"], p["factor"]) for p in partitions))
            for array, partitions in data["partitions"]
        ),
        implementations=tuple((op, impl) for op, impl in data["implementations"]),
        dataflow=data["dataflow"],
    )
