"""``pom dse``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from pom.cli.common import (
    clock_option,
    json_option,
    kernel_argument,
    load,
    size_option,
    target_option,
    weights_option,
)

if TYPE_CHECKING:
    from pom.dse.problem import Problem
    from pom.exploration.result import SearchResult

STORE_FILE = "store.sqlite"
SYNTHESIS_FOLDER = "synthesis"


@click.command()
@kernel_argument
@target_option
@clock_option
@size_option
@click.option("--strategy", default="exact", show_default=True, metavar="NAME",
              help="exact, exhaustive, pom (the published method), nsga2 or random.")  # fmt: skip
@click.option("--limit", "limits", multiple=True, metavar="RESOURCE=AMOUNT",
              help="Of dsp, lut, ff, bram_18k, uram: dsp=80% or dsp=64; may be repeated.")  # fmt: skip
@click.option("--latency-cap", type=click.IntRange(min=1), metavar="CYCLES",
              help="Slower designs are of no interest.")  # fmt: skip
@click.option("--objective", type=click.Choice(["latency", "pareto"]), default="latency",
              show_default=True, help="The fastest design, or the front of latency and resources.")  # fmt: skip
@click.option("--fast-math", is_flag=True,
              help="Allow reassociation of floating-point reductions.")  # fmt: skip
@click.option("--time-budget", "time_budget_s", type=click.FloatRange(min=0.0), metavar="SECONDS",
              help="End with the best found by then, and a gap.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True,
              help="Local processes.")  # fmt: skip
@click.option("--cluster", metavar="ADDRESS", help="A Dask scheduler, tcp://host:port.")
@click.option("--store", type=click.Path(dir_okay=False, path_type=Path),
              help=f"File that keeps every answer of the model. [default: FOLDER/{STORE_FILE}]")  # fmt: skip
@click.option("--resume", is_flag=True, help="Continue an interrupted run of the store.")
@click.option("--rerank", type=click.Choice(["auto", "gnn", "none"]), default="auto",
              show_default=True, help="Whether the GNN has a word on the finalists, so that the "
              "design fits after place and route; auto: where it is trained for the device.")  # fmt: skip
@weights_option
@click.option("--synthesise", "finalists", type=click.IntRange(0, 100), default=3, show_default=True,
              help="Finalists that Vitis HLS synthesises where it is installed; 0: none.")  # fmt: skip
@click.option("--vitis", metavar="PATH",
              help="v++ or vitis_hls, or their folder. [default: what the PATH has]")  # fmt: skip
@click.option("--vitis-timeout", "vitis_timeout_s", type=click.FloatRange(min=1.0), default=3600.0,
              show_default=True, metavar="SECONDS", help="For one design.")  # fmt: skip
@click.option("-o", "folder", type=click.Path(file_okay=False, path_type=Path),
              help="Where the results go. [default: dse_KERNEL_DEVICE]")  # fmt: skip
@click.option("--explain-space", is_flag=True, help="Print the size of the space, and stop.")
@json_option
def dse(
    kernel: str,
    target: str,
    clock_ns: float | None,
    size: str | None,
    strategy: str,
    limits: tuple[str, ...],
    latency_cap: int | None,
    objective: Literal["latency", "pareto"],
    fast_math: bool,
    time_budget_s: float | None,
    jobs: int,
    cluster: str | None,
    store: Path | None,
    resume: bool,
    rerank: Literal["auto", "gnn", "none"],
    weights: Path | None,
    finalists: int,
    vitis: str | None,
    vitis_timeout_s: float,
    folder: Path | None,
    explain_space: bool,
    as_json: bool,
) -> None:
    """Search for the best accelerator for a kernel on a device.

    The space is searched with the analytical model, with a bound that proves how far from the best
    the answer can be. The answer has been built, validated and executed. It is written to a folder:
    the schedule as Python, the HLS C++ project, a report and the numbers.

    Every answer of the model is kept in a store, so a run that is interrupted or killed goes on
    with --resume.
    """
    from pom.dse.progress import shown_progress
    from pom.exploration.run import auto_dse, make_problem
    from pom.exploration.synthesis import SynthesisOptions
    from pom.exploration.vitis import find_tool

    function = load(kernel, size)
    problem = make_problem(
        function, target, clock_ns=clock_ns, limits=limits, latency_cap=latency_cap,
        objective=objective, fast_math=fast_math,
    )  # fmt: skip
    if explain_space:
        _explain_space(problem, as_json)
        return
    place = folder or Path(f"dse_{function.name}_{problem.device.name}")
    kept = store or place / STORE_FILE
    synthesis = (
        SynthesisOptions(place / SYNTHESIS_FOLDER, finalists, vitis, vitis_timeout_s)
        if finalists
        else None
    )
    if vitis is not None:
        find_tool(vitis)
    if store is None:
        _make_folder(place)
    try:
        with shown_progress(sys.stderr) as progress:
            result = auto_dse(
                function, problem.device, clock_ns=problem.clock_ns, strategy=strategy,
                limits=limits, latency_cap=latency_cap, objective=objective, fast_math=fast_math,
                time_budget_s=time_budget_s, jobs=jobs, cluster=cluster, store=kept, resume=resume, rerank=rerank,
                weights=weights,                 synthesis=synthesis, progress=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        click.echo(
            f"every design judged so far is in {kept}; --resume goes on from there", err=True
        )
        raise
    result.write(place)
    _show(result, place, as_json)


def _make_folder(place: Path) -> None:
    from pom.errors import PomError

    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PomError(
            "POM-X170",
            f"cannot make the folder {str(place)!r}: {error.strerror}",
            hint="choose another place with -o",
        ) from error


def _show(result: SearchResult, place: Path, as_json: bool) -> None:
    from pom.exploration.result import PROJECT_FOLDER, REPORT_FILE, SCHEDULE_FILE

    cpp = next((place / PROJECT_FOLDER).rglob(f"{result.kernel}.cpp"), place / PROJECT_FOLDER)
    if as_json:
        paths = {
            "schedule": str(place / SCHEDULE_FILE),
            "cpp": str(cpp),
            "report": str(place / REPORT_FILE),
        }
        click.echo(json.dumps({**result.to_json(), "files": paths}, indent=2))
        return
    click.echo(str(result))
    click.echo(f"  schedule   {place / SCHEDULE_FILE}")
    click.echo(f"  HLS C++    {cpp}")
    click.echo(f"  report     {place / REPORT_FILE}")


def _explain_space(problem: Problem, as_json: bool) -> None:
    from pom.dse.explain_space import explain_space

    found = explain_space(problem)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    else:
        click.echo(found.text())
