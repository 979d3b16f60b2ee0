"""``pom qor train``, ``compare``, ``adrs`` and ``import``: the learned models."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pom.cli.common import json_option
from pom.cli.qor_options import (
    Training,
    kept_results,
    kernels_option,
    labels_option,
    resume_option,
    several_kernels_option,
    several_labels_option,
    shots_option,
    split_option,
    training_options,
)
from pom.errors import PomError

if TYPE_CHECKING:
    from pom.qor_model.evaluate import Evaluation
    from pom.qor_model.gnn.inner_loops import InnerLoop
    from pom.qor_model.gnn.samples import Sample
    from pom.qor_model.gnn.targets import MeasuredFile

SHOWN = 20
"""Refused designs that are listed."""


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
@split_option
@training_options
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
    split: str,
    training: Training,
    shots: int | None,
    leave_one_out: bool,
    start: str | None,
    as_json: bool,
) -> None:
    """Train the networks on measured designs, or correct trained ones with a few."""
    from pom.qor_model.gnn.baselines import kernel_table
    from pom.qor_model.gnn.fine_tune import fine_tune, with_metrics
    from pom.qor_model.gnn.leave_out import leave_one_kernel_out
    from pom.qor_model.gnn.origin import Origin
    from pom.qor_model.gnn.train import train
    from pom.qor_model.gnn.weights import load, save

    options = training.options()
    file, samples = _read(labels, kernels, training.per_kernel, training.seed)
    protocol = None
    unfinished = out.with_suffix(".members")
    if start is not None:
        known = load(_weights(start))
        model = fine_tune(known, with_metrics(samples, file.metrics, known.metrics))
    else:
        kept = kept_results(unfinished)
        if leave_one_out:
            protocol = leave_one_kernel_out(
                samples, file.metrics, options, progress=_say, shots=shots or 0, split=split,
                device=training.device, kept=kept,
            )  # fmt: skip
        with _bar(options.members * options.epochs, "epochs") as tick:
            model = train(
                samples, file.metrics, options, _say, unfinished, device=training.device, tick=tick
            )
        kept.forget()
    model = replace(model, origin=Origin.of_file(file))
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
@several_labels_option
@several_kernels_option
@click.option("--inner", metavar="CSV", type=click.Path(dir_okay=False, path_type=Path),
              help="Measured inner loops: the published method trains GNNp and GNNnp on them.")  # fmt: skip
@split_option
@training_options
@shots_option
@resume_option
@json_option
def compare_(
    labels: tuple[Path, ...],
    kernels: tuple[Path, ...],
    inner: Path | None,
    split: str,
    training: Training,
    shots: tuple[int, ...],
    resume: Path | None,
    as_json: bool,
) -> None:
    """Compare all models on the same designs, each kernel left out in turn."""
    from pom.qor_model.gnn.baselines import FINAL, compare, comparison_table, kernel_table

    if len(labels) != len(kernels):
        raise click.UsageError(f"{len(labels)} --labels, but {len(kernels)} --kernels")
    options = training.options()
    records: list[dict[str, object]] = []
    for path, folder in zip(labels, kernels, strict=True):
        file, samples = _read(path, folder, training.per_kernel, training.seed)
        loops = () if inner is None else _read_inner(inner, folder)
        found = compare(
            samples, file.metrics, options, _say, split, loops, training.device, sorted(set(shots)),
            kept_results(resume),
        )  # fmt: skip
        records.append({"labels": path.name, "models": [p.to_json() for p in found]})
        if not as_json:
            final = next(p for p in found if p.name == FINAL)
            click.echo(f"{path.name}, {len(samples)} designs: MAPE % on what was left out")
            click.echo(comparison_table(found))
            click.echo(f"\n{FINAL}\n{kernel_table(final)}\n")
    if as_json:
        click.echo(json.dumps(records, indent=2))


@click.command("learning-curve")
@labels_option
@kernels_option
@training_options
@shots_option
@click.option("--limits/--no-limits", default=False, show_default=True,
              help="Also what bounds any model: errors where nine tenths of every kernel's designs are "
              "known, and how far designs with the same features are apart.")  # fmt: skip
@resume_option
@json_option
def learning_curve_(
    labels: Path,
    kernels: Path,
    training: Training,
    shots: tuple[int, ...],
    limits: bool,
    resume: Path | None,
    as_json: bool,
) -> None:
    """Errors on unseen kernels, over how many kernels and designs are learned from."""
    from pom.qor_model.gnn.leave_out import learning_curve, leave_one_kernel_out, with_few_shots
    from pom.qor_model.gnn.limits import noise

    file, samples = _read(labels, kernels, training.per_kernel, training.seed)
    options, kept = training.options(), kept_results(resume)
    found = learning_curve(samples, file.metrics, options, _say, training.device, kept)
    few = tuple(sorted({0, *shots})) if shots else ()
    tuned = with_few_shots(
        samples, file.metrics, options, few, progress=_say, device=training.device, kept=kept
    ) if few else ()  # fmt: skip
    known = leave_one_kernel_out(
        samples, file.metrics, options, "random", _say, split="random", device=training.device,
        kept=kept,
    ) if limits else None  # fmt: skip
    same = noise(samples, file.metrics) if limits else None
    if as_json:
        rows = [
            {"kernels": p.kernels, "designs": p.designs,
             "mape": dict(zip(file.metrics, p.mape, strict=True))}
            for p in found
        ]  # fmt: skip
        learned = [
            {"shots": n, **protocol.to_json()} for n, protocol in zip(few, tuned, strict=True)
        ]
        record: dict[str, object] = {"curve": rows, "few_shots": learned}
        if known is not None and same is not None:
            record["random_split"] = known.to_json()
            numbers = [None if e != e else e for e in same.mape]
            record["same_features"] = {
                "designs": same.designs, "mape": dict(zip(file.metrics, numbers, strict=True))
            }  # fmt: skip
        click.echo(json.dumps(record, indent=2))
        return
    click.echo("MAPE % on the kernel that was left out")
    click.echo(f"{'kernels':>8}{'designs of each':>17}" + "".join(f"{m:>10}" for m in file.metrics))
    for point in found:
        text = "".join(f"{e:>10.2f}" for e in point.mape)
        click.echo(f"{point.kernels:>8}{point.designs:>17}{text}")
    for number, protocol in zip(few, tuned, strict=True):
        text = "".join(f"{e:>10.2f}" for e in protocol.mean)
        click.echo(f"{'and of the left-out one':>22}{number:>3}{text}")
    if known is not None and same is not None:
        for name, values in (
            ("and 9/10 of all kernels", known.mean),
            (f"same features ({same.designs})", same.mape),
        ):
            click.echo(f"{name:>25}" + "".join(f"{e:>10.2f}" for e in values))


@click.command("adrs")
@labels_option
@kernels_option
@click.option("--model", type=click.Choice(["analytical", "gnn"]), default="analytical",
              show_default=True, help="Who chooses; the GNN is trained without the kernel.")  # fmt: skip
@click.option("--picks", type=click.IntRange(min=1), default=25, show_default=True,
              help="How many designs may be measured.")  # fmt: skip
@click.option("--leave-out", "left_out", metavar="KERNEL", help="Only this kernel.")
@training_options
@json_option
def adrs_(
    labels: Path,
    kernels: Path,
    model: str,
    picks: int,
    left_out: str | None,
    training: Training,
    as_json: bool,
) -> None:
    """How close the designs that a model picks come to the true Pareto set (ADRS)."""
    from pom.qor_model.gnn.adrs import adrs_by_kernel

    file, samples = _read(labels, kernels, None, training.seed)
    options = training.options() if model == "gnn" else None
    rows = adrs_by_kernel(
        samples, file.metrics, picks, options, left_out, training.per_kernel, training.device
    )
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
