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
    # a neighbour is one number: kind and direction, times more than there are colours, plus colour
    around: list[list[tuple[int, int]]] = [[] for _ in colours]
    kinds: dict[Hashable, int] = {}
    for source, target, kind in edges:
        number = 2 * len(colours) * kinds.setdefault(kind, len(kinds))
        around[target].append((number + len(colours), source))
        around[source].append((number, target))
    for _ in range(rounds):
        refined = _number(
            [
                (own, tuple(sorted([number + current[n] for number, n in near])))
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


def combine(parts: Sequence[Folded], weights: Sequence[int]) -> Folded | None:
    """Classes of a wide graph from those of narrow ones with the same lanes.

    Whatever is counted in the wide graph is the weighted sum of what is counted in the narrow
    ones (`pom.qor_model.fold`).  That holds for the members of a class and for the edges between
    two classes if another lane makes no new class: then the classes of all narrow graphs, numbered
    by first appearance, are joined by the same edges.  None where they are not, since a wider
    graph may then have classes that no narrow one shows.
    """
    last = parts[-1]
    shape = {(s, t, k) for s, t, k, _ in last.edges}
    for part in parts:
        if len(part.members) != len(last.members):
            return None
        if {(s, t, k) for s, t, k, _ in part.edges} != shape:
            return None
    pairs = list(zip(parts, weights, strict=True))
    members = tuple(sum(w * p.members[c] for p, w in pairs) for c in range(len(last.members)))
    if min(members, default=1) < 1:
        return None
    totals: Counter[tuple[int, int, Hashable]] = Counter()
    for part, weight in pairs:
        for s, t, k, mean in part.edges:
            totals[s, t, k] += weight * round(mean * part.members[t])
    edges = tuple((s, t, k, totals[s, t, k] / members[t]) for s, t, k, _ in last.edges)
    return Folded(last.class_of, members, edges)
