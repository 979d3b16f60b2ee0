"""``pom compile``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pom.cli.common import (
    clock_option,
    json_option,
    kernel_argument,
    load_scheduled,
    schedule_option,
    size_option,
    target_option,
)


@click.command("compile")
@kernel_argument
@target_option
@clock_option
@schedule_option
@size_option
@click.option(
    "--emit",
    type=click.Choice(["graph", "poly", "affine", "hlscpp", "project"]),
    default="hlscpp",
    show_default=True,
    help="What to write.",
)
@click.option(
    "-o", "output", type=click.Path(path_type=Path), help="File, or folder for a project."
)
@click.option("--timing", is_flag=True, help="Print the time that each step took to stderr.")
@json_option
def compile_(
    kernel: str,
    target: str,
    clock_ns: float | None,
    schedule_file: str | None,
    size: str | None,
    emit: str,
    output: Path | None,
    timing: bool,
    as_json: bool,
) -> None:
    """Lower a kernel: to MLIR at one of the three levels, to HLS C++, or to a Vitis project.

    Every compilation is validated: the loops that come out run exactly the statement instances of
    the kernel, in an order that respects every dependence.
    """
    from pom.api import build
    from pom.files import write_text

    schedule = load_scheduled(kernel, size, schedule_file)
    if emit == "project" and output is None:
        raise click.UsageError("--emit project needs -o FOLDER")
    design = build(schedule, target=target, clock_ns=clock_ns)
    if emit == "project" and output is not None:
        design.write_project(output)
    else:
        text = design.text(emit)
        if output is not None:
            write_text(output, text)
        elif not as_json:
            click.echo(text, nl=not text.endswith("\n"))
    if timing:
        for step, seconds in design.timing:
            click.echo(f"{step:<12} {seconds * 1e3:8.2f} ms", err=True)
    if as_json:
        record = {
            "kernel": design.name,
            "target": design.device.name,
            "clock_ns": design.clock_ns,
            "emit": emit,
            "output": str(output) if output else None,
            "text": None if output else design.text(emit),
        }
        click.echo(json.dumps(record, indent=2))
    elif output is not None:
        click.echo(f"wrote {output}")
