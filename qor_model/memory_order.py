"""Memory order without what follows from the rest of it.

Accesses whose elements nobody can tell apart are ordered pair by pair, so a body of n of them has
n² constraints. Most follow from others: a load behind two stores, of which one is behind the other,
waits for the later one only.
"""

from __future__ import annotations

from collections.abc import Sequence

from pom.qor_model.expand import Node


def drop_implied(nodes: Sequence[Node]) -> None:
    """Take constraints out of `after` that hold because of the others.

    A constraint ``(p, gap)`` of node i says ``start(i) >= start(p) + gap``. With it goes whatever
    is as far behind p already. Only gaps of 0 and 1 are looked at.
    """
    # sets of nodes as bits: those that start no later, and those that start a cycle earlier
    no_later = [0] * len(nodes)
    earlier = [0] * len(nodes)
    for index, node in enumerate(nodes):
        if not node.after:
            continue
        met = met_earlier = 0
        kept: list[tuple[int, int]] = []
        for place, gap in sorted(node.after, reverse=True):
            known = met if gap == 0 else met_earlier if gap == 1 else 0
            if known >> place & 1:
                continue
            kept.append((place, gap))
            met |= no_later[place] | 1 << place
            met_earlier |= no_later[place] | 1 << place if gap else earlier[place]
        no_later[index], earlier[index] = met, met_earlier
        if len(kept) < len(node.after):
            node.after = kept[::-1]
