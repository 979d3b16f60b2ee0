"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pom.dsl.kernel import KernelFunction
    from pom.schedule import Schedule

F = TypeVar("F", bound=Callable[..., Any])

kernel_argument = click.argument("kernel", metavar="FILE[:KERNEL]")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")

size_option = click.option(
    "--size", metavar="NAME", help="Problem size, for files that define several (mini, small, …)."
)

schedule_option = click.option(
    "--schedule",
    "schedule_file",
    metavar="FILE",
    help="Python file that defines schedule(s).",
)

target_option = click.option(
    "--target", default="xczu9eg", show_default=True, metavar="DEVICE", help="See `pom devices`."
)

clock_option = click.option(
    "--clock-ns",
    type=click.FloatRange(0.1, 1000.0),
    default=None,
    help="Clock period in ns; default: the device's.",
)

weights_option = click.option(
    "--weights", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="Weights of one's own for the GNN (`pom qor train`), instead of the shipped ones.",
)  # fmt: skip


def load(kernel: str, size: str | None) -> KernelFunction:
    """The kernel that ``FILE[:KERNEL]`` names."""
    from pom.dsl.load import load_kernel

    return load_kernel(kernel, size=size)


def load_scheduled(kernel: str, size: str | None, schedule_file: str | None) -> Schedule:
    """The kernel with the schedule of a file applied, or with none."""
    from pom.schedule import load_schedule, schedule

    function = load(kernel, size)
    return load_schedule(schedule_file, function) if schedule_file else schedule(function)
