"""``pom graph``: the design graph that the networks read."""

from __future__ import annotations

from pathlib import Path

import click

from pom.cli.common import (
    clock_option,
    kernel_argument,
    load_scheduled,
    schedule_option,
    size_option,
    target_option,
)


@click.command()
@kernel_argument
@schedule_option
@size_option
@target_option
@clock_option
@click.option(
    "--format", "format_", type=click.Choice(["dot", "svg", "json"]), default="dot",
    show_default=True, help="Graphviz text, a picture, or JSON.",
)  # fmt: skip
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Write there and not to standard output.")  # fmt: skip
@click.option(
    "--tool", type=click.Choice(["vitis", "directives", "none"]), default="vitis",
    show_default=True, help="What the HLS tool does by itself, as for `pom estimate`.",
)  # fmt: skip
def graph(
    kernel: str,
    schedule_file: str | None,
    size: str | None,
    target: str,
    clock_ns: float | None,
    format_: str,
    output: Path | None,
    tool: str,
) -> None:
    """Draw the design graph: operations, banks, control and loops, replicated lanes once."""
    from pom import devices
    from pom.files import write_text
    from pom.passes.poly_to_affine import poly_to_affine
    from pom.qor_model import graph_text
    from pom.qor_model.design_graph import GraphMaker
    from pom.qor_model.from_affine import design_from_affine
    from pom.qor_model.latency import estimate_latency
    from pom.qor_model.operators import OperatorLibrary
    from pom.qor_model.settings import SETTINGS

    schedule = load_scheduled(kernel, size, schedule_file)
    design = design_from_affine(poly_to_affine(schedule.program))
    library = OperatorLibrary.for_device(devices.load(target), clock_ns)
    settings = SETTINGS[tool]
    result = estimate_latency(design, library, settings)
    made = GraphMaker(library, settings).graph(design, result)
    writers = {"dot": graph_text.to_dot, "svg": graph_text.to_svg, "json": graph_text.to_json}
    text = writers[format_](made)
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        write_text(output, text)
