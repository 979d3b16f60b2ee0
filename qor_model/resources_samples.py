"""Counts of labelled designs, for refitting the resource constants."""

from __future__ import annotations

from pom.errors import PomError
from pom.qor_model.evaluate import (
    DesignSource,
    LibraryOf,
    every_array,
    library_part,
    outline_nests,
    resource_model,
    settings_of,
)
from pom.qor_model.labels import LabelFile, LabelKind
from pom.qor_model.latency import LatencyModel
from pom.qor_model.resources import ResourceModel
from pom.qor_model.resources_fit import Sample, sample


def collect_samples(
    file: LabelFile, source: DesignSource, library_of: LibraryOf
) -> tuple[Sample, ...]:
    """Return the counts and the measured LUT and FF of every design of `file`.

    Parameters
    ----------
    file : LabelFile
        Whole designs with LUT and FF.
    source : DesignSource
        Builds a kernel through the front end.
    library_of : callable
        Operator library for a part name and a clock in ns.

    Raises
    ------
    PomError
        ``POM-Q025`` if the labels have no LUT and FF.
    """
    models: dict[tuple[str, str, str, str], tuple[LatencyModel, ResourceModel]] = {}
    samples: list[Sample] = []
    for label in file.labels:
        truth = dict(label.values)
        if "lut" not in truth or "ff" not in truth:
            raise PomError("POM-Q025", f"{label.design} has no measured LUT and FF")
        key = (label.kernel, label.size, label.dtype, label.part)
        if key not in models:
            design = source.design(label.kernel, label.size, label.dtype)
            if file.kind is LabelKind.HGNN_DESIGNS:
                design = outline_nests(design)
            library = library_of(library_part(file.kind, label.part), label.clock_ns)
            settings = settings_of(file.kind)
            models[key] = (
                LatencyModel(design, library, settings), resource_model(library, settings)
            )  # fmt: skip
        scheduler, counter = models[key]
        loops, partitions = dict(label.loops), dict(label.partitions)
        if "*" in partitions:
            partitions = every_array(scheduler.design, partitions["*"])
        result = scheduler.estimate(loops, partitions)
        counts = counter.count(scheduler.with_directives(loops, partitions), result)
        samples.append(sample(label.kernel, counts, round(truth["lut"]), round(truth["ff"])))
    return tuple(samples)
