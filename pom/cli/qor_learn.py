"""``pom qor train``, ``compare``, ``adrs`` and ``import``: the learned models."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pom.cli.common import json_option
from pom.cli.qor_options import kernels_option, labels_option
from pom.errors import PomError

if TYPE_CHECKING:
    from pom.qor_model.evaluate import Evaluation
    from pom.qor_model.gnn.inner_loops import InnerLoop
    from pom.qor_model.gnn.model import TrainOptions
    from pom.qor_model.gnn.samples import Sample
    from pom.qor_model.gnn.targets import MeasuredFile

SHOWN = 20
"""Refused designs that are listed."""

_per_kernel = click.option(
    "--per-kernel", type=click.IntRange(min=1), metavar="N",
    help="At most so many designs of each kernel and device, drawn with the seed.",
)  # fmt: skip


_split = click.option(
    "--split", type=click.Choice(["kernel", "random"]), default="kernel", show_default=True,
    help="What is left out in turn: every kernel, or random tenths, which flatter.",
)  # fmt: skip


def _training(function: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option(
            "--layer", default="sage", show_default=True,
            type=click.Choice(["gat", "gcn", "pna", "sage", "transformer"]),
            help="Message-passing layer.",
        ),
        click.option("--epochs", type=click.IntRange(1, 1000), default=24, show_default=True),
        click.option(
            "--members", type=click.IntRange(1, 16), default=3, show_default=True,
            help="Networks in the ensemble.",
        ),
        click.option("--width", type=click.IntRange(4, 512), default=32, show_default=True),
        click.option("--seed", type=int, default=0, show_default=True),
        click.option(
            "--device", default="auto", show_default=True,
            help="Where to train: cpu, cuda, or a GPU where there is one (auto).",
        ),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def _options(layer: str, epochs: int, members: int, width: int, seed: int) -> TrainOptions:
    from pom.qor_model.gnn.model import TrainOptions

    if width % 4:
        raise click.BadParameter("the width has to be a multiple of four", param_hint="--width")
    return TrainOptions(layer=layer, width=width, epochs=epochs, members=members, seed=seed)


def _read(
    labels: Path, kernels: Path, per_kernel: int | None, seed: int
) -> tuple[MeasuredFile, tuple[Sample, ...]]:
    """Samples of a label file, with a progress bar and the designs that were refused."""
    from pom.cli.qor import KernelFiles, library_of
    from pom.qor_model.gnn.samples import choose, labelled_samples
    from pom.qor_model.gnn.targets import read_measured

    file = read_measured(labels)
    if per_kernel is not None:
        file = choose(file, per_kernel, seed)
    with _bar(len(file.rows), "designs") as tick:
        samples, refused = labelled_samples(file, KernelFiles(kernels), library_of(), tick)
    refused = (*file.unread, *refused)
    for design, reason in refused[:SHOWN]:
        _say(f"refused {design}: {reason}")
    if len(refused) > SHOWN:
        _say(f"and {len(refused) - SHOWN} more")
    if not samples:
        raise PomError(
            "POM-Q049", f"no design of {labels.name} can be built with the kernels of {kernels}",
            notes=tuple(f"{design}: {reason}" for design, reason in refused[:3]),
        )  # fmt: skip
    return file, samples


def _read_inner(path: Path, kernels: Path) -> tuple[InnerLoop, ...]:
    from pom.cli.qor import KernelFiles, library_of
    from pom.qor_model.gnn.inner_loops import read_inner_loops

    loops, refused = read_inner_loops(path, KernelFiles(kernels), library_of())
    for design, reason in refused[:SHOWN]:
        _say(f"refused {design}: {reason}")
    _say(f"{len(loops)} inner loops")
    return loops


@contextmanager
def _bar(length: int, label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, told how much is done; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield lambda done, most: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield lambda done, most: bar.update(done - bar.pos)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _weights(name: str) -> Path:
    """The file of shipped weights, by their stage, or another one."""
    from pom.qor_model.gnn.targets import Stage
    from pom.qor_model.gnn.weights import shipped

    return shipped(name) if name in list(Stage) else Path(name)


@click.command("train")
@labels_option
@kernels_option
@click.option("--out", "-o", required=True, metavar="FILE",
              type=click.Path(dir_okay=False, path_type=Path), help="Weights (safetensors).")  # fmt: skip
@_per_kernel
@_split
@_training
@click.option("--shots", type=click.IntRange(min=5), metavar="N",
              help="Give the model N designs of the kernel that is left out (few-shot).")  # fmt: skip
@click.option("--leave-one-out/--no-leave-one-out", default=True, show_default=True,
              help="Also measure the error on kernels that were never seen.")  # fmt: skip
@click.option("--fine-tune", "start", metavar="WEIGHTS",
              help="Correct these weights with the labels (20 designs are enough): a file, or "
              "routed or synthesis for the shipped ones.")  # fmt: skip
@json_option
def train_(
    labels: Path,
    kernels: Path,
    out: Path,
    per_kernel: int | None,
    split: str,
    layer: str,
    epochs: int,
    members: int,
    width: int,
    seed: int,
    device: str,
    shots: int | None,
    leave_one_out: bool,
    start: str | None,
    as_json: bool,
) -> None:
    """Train the networks on measured designs, or correct trained ones with a few."""
    from pom.qor_model.gnn.baselines import kernel_table
    from pom.qor_model.gnn.fine_tune import fine_tune, with_metrics
    from pom.qor_model.gnn.leave_out import leave_one_kernel_out
    from pom.qor_model.gnn.train import train
    from pom.qor_model.gnn.weights import load, save

    options = _options(layer, epochs, members, width, seed)
    file, samples = _read(labels, kernels, per_kernel, seed)
    protocol = None
    if start is not None:
        known = load(_weights(start))
        model = fine_tune(known, with_metrics(samples, file.metrics, known.metrics))
    else:
        with _bar(options.members * options.epochs, "epochs") as tick:
            model = train(
                samples, file.metrics, options, _say, out.with_suffix(".members"),
                device=device, tick=tick,
            )  # fmt: skip
        if leave_one_out:
            protocol = leave_one_kernel_out(
                samples,
                file.metrics,
                options,
                progress=_say,
                shots=shots or 0,
                split=split,
                device=device,
            )
    save(model, out, f"{labels.name}: {len(samples)} designs")
    if as_json:
        record = {"designs": len(samples), "weights": str(out)}
        found = {} if protocol is None else protocol.to_json()
        click.echo(json.dumps({**record, "leave_one_kernel_out": found}, indent=2))
        return
    if protocol is not None:
        click.echo("MAPE % on the kernel that was left out")
        click.echo(kernel_table(protocol))
        text = "".join(f"{c:>10.1f}" for c in protocol.mean_coverage)
        click.echo(f"{'in interval':<14}{text}")
    click.echo(
        f"wrote {out}: {', '.join(model.metrics)} of {len(samples)} designs of "
        + ", ".join(model.kernels)
    )


@click.command("compare")
@labels_option
@kernels_option
@click.option("--inner", metavar="CSV", type=click.Path(dir_okay=False, path_type=Path),
              help="Measured inner loops: the published method trains GNNp and GNNnp on them.")  # fmt: skip
@_per_kernel
@_split
@_training
@json_option
def compare_(
    labels: Path,
    kernels: Path,
    inner: Path | None,
    per_kernel: int | None,
    split: str,
    layer: str,
    epochs: int,
    members: int,
    width: int,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Compare all models on the same designs, each kernel left out in turn."""
    from pom.qor_model.gnn.baselines import compare, comparison_table

    file, samples = _read(labels, kernels, per_kernel, seed)
    options = _options(layer, epochs, members, width, seed)
    loops = () if inner is None else _read_inner(inner, kernels)
    found = compare(samples, file.metrics, options, _say, split, loops, device)
    if as_json:
        click.echo(json.dumps([p.to_json() for p in found], indent=2))
    else:
        click.echo(comparison_table(found))


@click.command("learning-curve")
@labels_option
@kernels_option
@_per_kernel
@_training
@json_option
def learning_curve_(
    labels: Path,
    kernels: Path,
    per_kernel: int | None,
    layer: str,
    epochs: int,
    members: int,
    width: int,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Errors on unseen kernels, over how many kernels and designs are learned from."""
    from pom.qor_model.gnn.leave_out import learning_curve

    file, samples = _read(labels, kernels, per_kernel, seed)
    options = _options(layer, epochs, members, width, seed)
    found = learning_curve(samples, file.metrics, options, _say, device)
    if as_json:
        rows = [
            {"kernels": p.kernels, "designs": p.designs,
             "mape": dict(zip(file.metrics, p.mape, strict=True))}
            for p in found
        ]  # fmt: skip
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo("MAPE % on the kernel that was left out")
    click.echo(f"{'kernels':>8}{'designs of each':>17}" + "".join(f"{m:>10}" for m in file.metrics))
    for point in found:
        text = "".join(f"{e:>10.2f}" for e in point.mape)
        click.echo(f"{point.kernels:>8}{point.designs:>17}{text}")


@click.command("adrs")
@labels_option
@kernels_option
@click.option("--model", type=click.Choice(["analytical", "gnn"]), default="analytical",
              show_default=True, help="Who chooses; the GNN is trained without the kernel.")  # fmt: skip
@click.option("--picks", type=click.IntRange(min=1), default=25, show_default=True,
              help="How many designs may be measured.")  # fmt: skip
@click.option("--leave-out", "left_out", metavar="KERNEL", help="Only this kernel.")
@_per_kernel
@_training
@json_option
def adrs_(
    labels: Path,
    kernels: Path,
    model: str,
    picks: int,
    left_out: str | None,
    per_kernel: int | None,
    layer: str,
    epochs: int,
    members: int,
    width: int,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """How close the designs that a model picks come to the true Pareto set (ADRS)."""
    from pom.qor_model.gnn.adrs import adrs_by_kernel

    file, samples = _read(labels, kernels, None, seed)
    options = _options(layer, epochs, members, width, seed) if model == "gnn" else None
    rows = adrs_by_kernel(samples, file.metrics, picks, options, left_out, per_kernel, device)
    mean = [sum(getattr(r, n) for r in rows) / len(rows) for n in ("two", "four")]
    if as_json:
        record = {
            "picks": picks, "model": model,
            "kernels": {r.kernel: {"two": 100 * r.two, "four": 100 * r.four} for r in rows},
            "mean": {"two": 100 * mean[0], "four": 100 * mean[1]},
        }  # fmt: skip
        click.echo(json.dumps(record, indent=2))
        return
    click.echo(f"ADRS % with at most {picks} picks, {model} model")
    click.echo(f"{'kernel':<14}{'designs':>9}{'latency, area':>16}{'four objectives':>18}")
    counts = {r.kernel: sum(s.kernel == r.kernel for s in samples) for r in rows}
    for r in rows:
        click.echo(f"{r.kernel:<14}{counts[r.kernel]:>9}{100 * r.two:>16.3f}{100 * r.four:>18.3f}")
    click.echo(f"{'mean':<23}{100 * mean[0]:>16.3f}{100 * mean[1]:>18.3f}")


@click.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", metavar="CSV", type=click.Path(dir_okay=False, path_type=Path),
              help="Write there and not to standard output.")  # fmt: skip
def import_(folder: Path, output: Path | None) -> None:
    """Read Vitis and Vivado reports, one folder a design, into a label file."""
    from pom.files import write_text
    from pom.qor_model.gnn.reports import read_reports, to_csv

    reports = read_reports(folder)
    text = to_csv(reports)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
        click.echo(f"wrote {output}: {len(reports)} designs")


def eval_gnn(labels: Path, kernels: Path, per_kernel: int | None = 100) -> Evaluation:
    """Predict every labelled kernel by networks trained without it."""
    import numpy as np

    from pom.qor_model.evaluate import Evaluation, Outcome
    from pom.qor_model.gnn.model import TrainOptions, forward
    from pom.qor_model.gnn.train import train
    from pom.qor_model.labels import Label

    file, samples = _read(labels, kernels, per_kernel, 0)
    outcomes: list[Outcome] = []
    for kernel in sorted({s.kernel for s in samples}):
        left = [s for s in samples if s.kernel == kernel]
        model = train([s for s in samples if s.kernel != kernel], file.metrics, TrainOptions())
        for sample, values in zip(left, np.expm1(forward(model, left)), strict=True):
            pairs = tuple(
                (metric, truth, float(value))
                for metric, truth, value in zip(file.metrics, sample.labels, values, strict=True)
                if truth == truth
            )
            label = Label(sample.name, kernel, sample.device, sample.clock_ns, ())
            outcomes.append(Outcome(label, pairs))
        _say(f"{kernel}: {len(left)} designs")
    return Evaluation(file.kind, tuple(outcomes), ())


COMMANDS = (train_, compare_, learning_curve_, adrs_, import_)
