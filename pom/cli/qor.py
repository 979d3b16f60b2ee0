"""``pom qor``: the models of quality of results against measured designs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pom.cli.common import json_option
from pom.cli.qor_learn import COMMANDS, eval_gnn
from pom.cli.qor_options import kernels_option, labels_option

if TYPE_CHECKING:
    from pom.dsl.kernel import KernelFunction
    from pom.qor_model.evaluate import Evaluation, LibraryOf
    from pom.qor_model.labels import Label
    from pom.qor_model.region import Design


@click.group()
def qor() -> None:
    """Evaluate the models of quality of results."""


@qor.command("eval")
@labels_option
@kernels_option
@click.option(
    "--model", type=click.Choice(["analytical", "gnn"]), default="analytical", show_default=True,
    help="The model to evaluate; the GNN predicts each kernel by networks trained without it.",
)  # fmt: skip
@click.option(
    "--check-every", default=0, metavar="N", show_default=True,
    help="Build every N-th design through the schedule primitives too and compare.",
)  # fmt: skip
@json_option
def eval_(labels: Path, kernels: Path, model: str, check_every: int, as_json: bool) -> None:
    """Estimate every labelled design and print the errors."""
    from pom.qor_model.evaluate import evaluate
    from pom.qor_model.labels import read_labels

    if model == "gnn":
        result = eval_gnn(labels, kernels)
    else:
        result = evaluate(
            read_labels(labels), KernelFiles(kernels), library_of(), check_every=check_every
        )
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=2))
    else:
        click.echo(table(result))


@qor.command()
@labels_option
@kernels_option
@click.option("--every", default=10, show_default=True, help="Use every N-th design.")
def refit(labels: Path, kernels: Path, every: int) -> None:
    """Find the latency model's thresholds again without each kernel in turn."""
    from pom.qor_model.labels import read_labels
    from pom.qor_model.refit import leave_one_out

    rows = leave_one_out(read_labels(labels), KernelFiles(kernels), library_of(), every)
    names = [name for name, _ in rows[0].constants] if rows else []
    click.echo(
        f"{'left out':<12}{'MAPE %':>9}{'refitted':>10}" + "".join(f"{n:>20}" for n in names)
    )
    for row in rows:
        numbers = "".join(f"{value:>20g}" for _, value in row.constants)
        click.echo(f"{row.kernel:<12}{row.mape_in_use:>9.4f}{row.mape_refitted:>10.4f}{numbers}")


@qor.command("refit-resources")
@labels_option
@kernels_option
@click.option(
    "--near", metavar="TOOL", help="Stay close to the constants of a tool (for few designs)."
)
@click.option("--pull", type=float, help="How close; 0.1 with --near.")
@click.option("--every", default=1, metavar="N", show_default=True, help="Use every N-th design.")
@click.option(
    "--all",
    "fits_all",
    is_flag=True,
    help="Fit the coefficients of registers and multiplexers that are counted bit by bit too.",
)
@click.option(
    "-o", "--output", metavar="TOML", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the constants here.",
)  # fmt: skip
def refit_resources(
    labels: Path,
    kernels: Path,
    near: str | None,
    pull: float | None,
    every: int,
    fits_all: bool,
    output: Path | None,
) -> None:
    """Fit the constants of the resource model, and again without each kernel in turn."""
    from pom.qor_model.labels import read_labels
    from pom.qor_model.resources_constants import load_constants
    from pom.qor_model.resources_fit import fit_constants, leave_one_out, overall, write_constants
    from pom.qor_model.resources_samples import collect_samples

    file = read_labels(labels)
    file = replace(file, labels=file.labels[::every])
    samples = collect_samples(file, KernelFiles(kernels), library_of())
    prior = load_constants(near) if near else None
    pull = 0.1 if near and pull is None else pull
    click.echo(
        f"{'kernel':<16}{'designs':>8}{'LUT %':>9}{'left out':>10}{'FF %':>9}{'left out':>10}"
    )
    rows = leave_one_out(samples, prior, pull, fits_all=fits_all)
    for row in (*rows, overall(rows)):
        click.echo(
            f"{row.kernel:<16}{row.designs:>8}{row.lut_mape:>9.2f}{row.lut_mape_left_out:>10.2f}"
            f"{row.ff_mape:>9.2f}{row.ff_mape_left_out:>10.2f}"
        )
    if output is not None:
        source = f"{labels.name}, {len(samples)} designs"
        found = fit_constants(samples, source, prior, pull, fits_all=fits_all)
        write_constants(found, output)


def library_of() -> LibraryOf:
    """Operator libraries by part and clock, built once each."""
    from functools import cache

    from pom import devices
    from pom.qor_model.operators import OperatorLibrary

    @cache
    def library(part: str, clock_ns: float) -> OperatorLibrary:
        # labels are what the tool reports
        return OperatorLibrary.for_device(devices.load(device_of(part)), clock_ns, as_reported=True)

    return library


def device_of(part: str) -> str:
    """The device whose name begins a part's; the part itself if there is none."""
    from pom import devices

    return max((n for n in devices.available() if part.startswith(n)), key=len, default=part)


class KernelFiles:
    """Kernels of a folder, built through the front end.

    A file may offer sizes and types with ``make(size, dtype)``; otherwise it holds one kernel.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def design(self, kernel: str, size: str, dtype: str) -> Design:
        """The kernel without directives, as the estimator reads it.

        Raises
        ------
        PomError
            ``POM-Q024`` if there is no file for the kernel.
        """
        from pom.passes.poly_to_affine import poly_to_affine
        from pom.qor_model.from_affine import design_from_affine
        from pom.schedule import schedule

        function = self._kernel(kernel, size, dtype)
        return design_from_affine(poly_to_affine(schedule(function).program))

    def scheduled(self, label: Label) -> Design:
        """The kernel with the label's directives applied by schedule primitives."""
        from pom.passes.poly_to_affine import poly_to_affine
        from pom.qor_model.from_affine import design_from_affine
        from pom.schedule import schedule

        built = schedule(self._kernel(label.kernel, label.size, label.dtype))
        directives = dict(label.loops)
        done: set[str] = set()
        for statement in built.program.statements:
            names = [node.name for node in built.program.loops(statement.name)]
            is_inside = False
            for name in names:
                wanted = directives.get(name)
                if wanted is not None and name not in done:
                    done.add(name)
                    handle = built[statement.name]
                    if wanted.unroll != 1:
                        handle.unroll(name, wanted.unroll)
                    if not is_inside:
                        handle.pipeline(name, (wanted.ii or 1) if wanted.pipeline else 0)
                    if wanted.flatten is False:
                        handle.flatten(name, False)
                is_inside = is_inside or bool(wanted and wanted.pipeline)
        for array, partitions in label.partitions:
            for item in partitions:
                built.array(array).partition(item.dim + 1, item.kind.value, item.factor)
        return design_from_affine(poly_to_affine(built.program))

    def _kernel(self, kernel: str, size: str, dtype: str) -> KernelFunction:
        from pom.dsl.load import load_kernel, load_module
        from pom.errors import PomError
        from pom.ir.types import FixedType, FloatType

        path = self._file(kernel)
        if path is None:
            raise PomError("POM-Q024", f"{self.folder} has no file for the kernel {kernel}")
        if size:
            types = {"fixed": FixedType(32, 16), "float": FloatType(64)}
            made: KernelFunction = load_module(path).make(size, types[dtype])
            return made
        return load_kernel(path)

    def _file(self, kernel: str) -> Path | None:
        for name in (kernel, kernel.replace("-", "_"), f"k{kernel}", kernel.removeprefix("k")):
            path = self.folder / f"{name}.py"
            if path.is_file():
                return path
        return None


def table(result: Evaluation) -> str:
    """The evaluation as a table for people."""
    from pom.qor_model.labels import METRICS

    lines = [f"{result.kind}: {len(result.outcomes)} designs, {len(result.refused)} refused"]
    head = f"{'kernel':<16}{'metric':<9}{'MAPE %':>10}{'median':>10}{'p99':>10}{'worst':>10}"
    lines.append(head + f"{'exact %':>10}")
    for kernel in (*result.kernels(), None):
        for metric in METRICS:
            found = result.statistics(metric, kernel)
            if found is not None:
                numbers = (found.mape, found.median, found.p99, found.worst, found.exact)
                text = "".join(f"{n:>10.3f}" for n in numbers)
                lines.append(f"{kernel or 'overall':<16}{metric:<9}{text}")
    shares = {
        "II exact": "is_ii_exact",
        "iteration latency within one cycle": "is_depth_close",
        "set of pipelined loops exact": "is_pipelining_exact",
        "operator instances exact": "is_operators_exact",
    }
    for text, name in shares.items():
        share = result.share(name)
        if share is not None:
            wrong = [k for k in result.kernels() if (result.share(name, k) or 0.0) < 100.0]
            where = f" (not in {', '.join(wrong)})" if wrong else ""
            lines.append(f"{text}: {share:.2f} %{where}")
    lines += [f"refused {design}: {reason}" for design, reason in result.refused[:20]]
    return "\n".join(lines)


for _command in COMMANDS:
    qor.add_command(_command)
