"""Labels that cannot all be right, found by comparing them with each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pom.qor_model.labels import Label

_CLOCK = "est_clock_ns"


def is_7series(part: str) -> bool:
    """Whether a part is of the 7 series: slower than what came after, and with other memories."""
    return part.lower().startswith("xc7")


def other_technology(labels: Sequence[Label]) -> Mapping[int, int]:
    """Labels whose synthesis report is that of the same design on a device of another technology.

    Returns
    -------
    mapping of int to int
        Places in `labels`, each with the place of one that has the same report.

    Notes
    -----
    Two technologies have different delays, so that the clock periods that the tool expects differ.
    Where the reports of both agree in everything, that clock period included, one design was made
    for the device of the other. Which one it is the reports do not say, so that neither is known.
    In ml4accel_postroute.csv these are 133 pairs of syrk, every second one in the order in which
    the designs were made (which is what tells that it is no chance), and none of six other kernels.
    """
    found: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        if any(name == _CLOCK for name, _ in label.values):
            found[
                label.kernel, label.size, label.dtype, label.loops, label.partitions,
                label.top_loop, label.clock_ns, label.unsafe_math, label.tool,
                label.pipeline_loops, label.values,
            ].append(place)  # fmt: skip
    twins: dict[int, int] = {}
    for places in found.values():
        for place in places:
            own = is_7series(labels[place].part)
            others = (p for p in places if is_7series(labels[p].part) != own)
            twin = next(others, None)
            if twin is not None:
                twins[place] = twin
    return twins
