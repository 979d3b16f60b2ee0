"""Replicated lanes once: classes of nodes that message passing cannot tell apart.

Colour refinement starts from the nodes' own colours and splits a class when two members differ in
the multiset of (edge kind, direction, colour) of their neighbours.  After k rounds two nodes of
one class have equal neighbourhoods up to distance k, so any network of k message-passing layers
gives them the same embedding (Morris et al. 2019, "Weisfeiler and Leman go neural"): replacing a
class by one node with a multiplicity, and its edges by one edge with a mean number per member,
loses nothing that the network could have seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

LAYERS = 3
"""Rounds of refinement; as many as the networks have message-passing layers."""


@dataclass(frozen=True, slots=True)
class Folded:
    """Classes of nodes.

    Attributes
    ----------
    class_of : tuple of int
        Class of every node, numbered by first appearance.
    members : tuple of int
        Size of every class.
    edges : tuple of (int, int, Hashable, float)
        Source class, target class, kind and mean number of such edges per member of the target.
    """

    class_of: tuple[int, ...]
    members: tuple[int, ...]
    edges: tuple[tuple[int, int, Hashable, float], ...]


def fold(
    colours: Sequence[Hashable],
    edges: Sequence[tuple[int, int, Hashable]],
    rounds: int = LAYERS,
) -> Folded:
    """Classes of nodes after `rounds` rounds of colour refinement.

    Parameters
    ----------
    colours : sequence
        What a node is by itself.
    edges : sequence of (int, int, Hashable)
        Source, target and kind; parallel edges count.
    rounds : int
    """
    current = _number(colours)
    around: list[list[tuple[bool, int, int]]] = [[] for _ in colours]
    kinds: dict[Hashable, int] = {}
    for source, target, kind in edges:
        number = kinds.setdefault(kind, len(kinds))
        around[target].append((True, number, source))
        around[source].append((False, number, target))
    for _ in range(rounds):
        refined = _number(
            [
                (own, tuple(sorted((d, k, current[n]) for d, k, n in near)))
                for own, near in zip(current, around, strict=True)
            ]
        )
        if max(refined, default=0) == max(current, default=0):
            break
        current = refined
    members = Counter(current)
    joined = Counter((current[s], current[t], k) for s, t, k in edges)
    return Folded(
        tuple(current),
        tuple(members[c] for c in range(len(members))),
        tuple((s, t, k, n / members[t]) for (s, t, k), n in joined.items()),
    )


def _number(colours: Sequence[Hashable]) -> list[int]:
    known: dict[Hashable, int] = {}
    return [known.setdefault(c, len(known)) for c in colours]
