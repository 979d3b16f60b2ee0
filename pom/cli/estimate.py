"""``pom estimate``: latency and resources of a scheduled kernel, with the reasons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pom.cli.common import (
    clock_option,
    json_option,
    kernel_argument,
    load_scheduled,
    schedule_option,
    size_option,
    target_option,
    weights_option,
)

if TYPE_CHECKING:
    from pom.qor_model.schedule_result import DesignResult


@click.command()
@kernel_argument
@schedule_option
@size_option
@target_option
@clock_option
@click.option(
    "--tool", type=click.Choice(["vitis", "directives", "none"]), default="vitis",
    show_default=True,
    help="What the HLS tool does by itself: Vitis' defaults; what the directives ask on "
    "UltraScale+ memories; or nothing.",
)  # fmt: skip
@click.option("--model", type=click.Choice(["analytical", "gnn"]), default="analytical",
              show_default=True,
              help="gnn adds what the networks predict after place and route, with intervals.")  # fmt: skip
@weights_option
@click.option("--gantt", metavar="SVG", type=click.Path(dir_okay=False, path_type=Path),
              help="Write a picture of a loop body's schedule.")  # fmt: skip
@click.option("--loop", "loop_name", metavar="NAME", help="The loop of --gantt; default: slowest.")
@json_option
def estimate(
    kernel: str,
    schedule_file: str | None,
    size: str | None,
    target: str,
    clock_ns: float | None,
    tool: str,
    model: str,
    weights: Path | None,
    gantt: Path | None,
    loop_name: str | None,
    as_json: bool,
) -> None:
    """Predict latency and resources, say what limits them, and what to change first."""
    from pom import devices
    from pom.passes.poly_to_affine import poly_to_affine
    from pom.qor_model.explain import explain
    from pom.qor_model.from_affine import design_from_affine
    from pom.qor_model.inline import inline_functions
    from pom.qor_model.latency import estimate_latency
    from pom.qor_model.operators import OperatorLibrary
    from pom.qor_model.resources import ResourceModel
    from pom.qor_model.settings import SETTINGS

    if weights is not None and model != "gnn":
        raise click.UsageError("--weights are for --model gnn")
    schedule = load_scheduled(kernel, size, schedule_file)
    design = design_from_affine(poly_to_affine(schedule.program))
    device = devices.load(target)
    library = OperatorLibrary.for_device(device, clock_ns)
    design = inline_functions(design)
    result = estimate_latency(design, library, SETTINGS[tool])
    resources = ResourceModel(library).estimate(design, result)
    available = tuple(
        (name, int(getattr(device, name))) for name in ("dsp", "lut", "ff", "bram_18k", "uram")
    )
    found = explain(design, result, device.name, resources, available)
    if gantt is not None:
        gantt.write_text(_picture(result, loop_name), encoding="utf-8")
    record, text = found.to_json(), found.text()
    if model == "gnn":
        from pom.exploration.prediction import (
            predict_designs,
            prediction_json,
            prediction_text,
            stage_of,
        )

        (predicted,) = predict_designs([design], library, None, SETTINGS[tool], weights)
        record["predicted"] = prediction_json(predicted)
        known = {name: float(getattr(resources.total, name)) for name, _ in available}
        after = "place and route" if stage_of(weights) == "routed" else "synthesis"
        text += f"\n\nafter {after}, by the GNN:\n" + prediction_text(predicted, known)
    click.echo(json.dumps(record, indent=2) if as_json else text)


def _picture(result: DesignResult, name: str | None) -> str:
    from pom.errors import PomError
    from pom.qor_model.gantt import gantt_svg

    found = [
        loop
        for loop in result.all_loops()
        if loop.schedules and (name in loop.names if name else not loop.children)
    ]
    if not found:
        raise PomError(
            "POM-Q030",
            f"no loop {name!r} has a schedule of its own" if name else "there is no loop",
            hint="see the table of `pom estimate` for the names",
        )
    loop = found[0] if name else max(found, key=lambda item: item.latency_cycles)
    kind = f"II={loop.ii}" if loop.ii is not None else "not pipelined"
    return gantt_svg(loop.schedules[0], f"{'+'.join(loop.names)} ({kind})")
