"""``pom check``."""

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


@click.command()
@kernel_argument
@schedule_option
@size_option
@target_option
@clock_option
@click.option("--seed", type=int, default=0, show_default=True, help="Which random inputs.")
@click.option(
    "--cases", type=click.IntRange(1, 1000), default=8, show_default=True, help="How many inputs."
)
@click.option("--no-cpp", is_flag=True, help="Do not run the emitted C++ (needs no g++).")
@click.option(
    "--keep", metavar="FOLDER", type=click.Path(path_type=Path),
    help="Also write the project with its testbench there.",
)  # fmt: skip
@json_option
def check(
    kernel: str,
    schedule_file: str | None,
    size: str | None,
    target: str,
    clock_ns: float | None,
    seed: int,
    cases: int,
    no_cpp: bool,
    keep: Path | None,
    as_json: bool,
) -> int:
    """Run a kernel three ways and compare: reference, JIT of level 3, and the emitted C++.

    Inputs are random and edge cases. Integers and fixed point must agree to the last bit, floats
    too unless the schedule reassociates a reduction. Exits with 1 where they differ.
    """
    from pom.api import build
    from pom.runtime.check import check_design

    design = build(load_scheduled(kernel, size, schedule_file), target=target, clock_ns=clock_ns)
    report = check_design(design, seed=seed, count=cases, with_cpp=not no_cpp)
    if keep is not None:
        design.write_project(keep)
    click.echo(json.dumps(report.to_json(), indent=2) if as_json else report.render())
    return 0 if report.passed else 1
