"""Designs of the tool's user as models read them that were trained on designs of another tool.

A correction learned on estimates for one tool says nothing of estimates for another.  So what the
user's tool would do by itself (pipelining, unrolling small loops) is made explicit first, and then
the features are those that the estimator makes for the tool of the training designs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pom import devices
from pom.qor_model.collection import paused_collection
from pom.qor_model.defaults import resolve
from pom.qor_model.evaluate import library_part
from pom.qor_model.gnn.origin import Origin
from pom.qor_model.gnn.samples import TERMS, Sample, SampleMaker
from pom.qor_model.inline import inline_functions
from pom.qor_model.labels import LabelKind
from pom.qor_model.latency import estimate_latency
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import Design, with_loop_directives
from pom.qor_model.settings import ToolSettings


def design_samples(
    designs: Sequence[Design], library: OperatorLibrary, origin: Origin, tool: ToolSettings
) -> tuple[Sample, ...]:
    """Samples for a model.

    Parameters
    ----------
    designs : sequence of Design
        With their directives.
    library : OperatorLibrary
        Of their device and clock.
    origin : Origin
        Of the model.
    tool : ToolSettings
        What the tool that will read the designs does by itself.
    """
    settings = origin.settings
    maker = SampleMaker(_library(library, origin.kind), settings)
    with paused_collection():
        return tuple(_sample(design, library.device, maker, settings, tool) for design in designs)


def _library(library: OperatorLibrary, kind: LabelKind) -> OperatorLibrary:
    """The operators that stood for those of the device in training."""
    part = library_part(kind, library.device)
    if part == library.device:
        return library
    return OperatorLibrary.for_device(devices.load(part), library.clock_ns)


def _sample(
    design: Design, device: str, maker: SampleMaker, settings: ToolSettings, tool: ToolSettings
) -> Sample:
    plain = inline_functions(design)
    asked = replace(
        plain,
        functions=tuple(
            replace(f, body=with_loop_directives(f.body, resolve(f.body, {}, tool)))
            for f in plain.functions
        ),
    )
    found = maker.sample(asked, estimate_latency(asked, maker.library, settings, folds=True))
    terms = list(found.terms)
    terms[TERMS.index("is_7series")] = float(device.lower().startswith("xc7"))
    return replace(found, device=device, terms=tuple(terms))
