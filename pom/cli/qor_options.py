"""Options that the commands of ``pom qor`` share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pom.qor_model.gnn.kept_results import KeptResults
    from pom.qor_model.gnn.model import TrainOptions

_LABELS = "Measured designs; the kind of file is told from its columns."
_KERNELS = "One kernel file per kernel, with loops named as the labels name them."

labels_option = click.option(
    "--labels", required=True, metavar="CSV", type=click.Path(dir_okay=False, path_type=Path),
    help=_LABELS,
)  # fmt: skip
kernels_option = click.option(
    "--kernels", required=True, metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=_KERNELS,
)  # fmt: skip
several_labels_option = click.option(
    "--labels", required=True, multiple=True, metavar="CSV",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"{_LABELS} May be given several times, each with its --kernels.",
)  # fmt: skip
several_kernels_option = click.option(
    "--kernels", required=True, multiple=True, metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path), help=_KERNELS,
)  # fmt: skip
split_option = click.option(
    "--split", type=click.Choice(["kernel", "random"]), default="kernel", show_default=True,
    help="What is left out in turn: every kernel, or random tenths, which flatter.",
)  # fmt: skip
shots_option = click.option(
    "--shots", type=click.IntRange(min=5), multiple=True, metavar="N",
    help="Also with N designs of the kernel that is left out (few-shot); may be given several times.",
)  # fmt: skip
resume_option = click.option(
    "--resume", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path),
    help="Keep there what is finished, and take up what is there.",
)  # fmt: skip


def kept_results(folder: Path | None) -> KeptResults:
    """What `--resume` says."""
    from pom.qor_model.gnn.kept_results import KeptResults

    return KeptResults(folder)


@dataclass(frozen=True, slots=True)
class Training:
    """What the commands that train have in common."""

    per_kernel: int | None
    layer: str
    epochs: int
    members: int
    width: int
    boosters: int
    seed: int
    device: str

    def options(self) -> TrainOptions:
        """How the networks are trained."""
        from pom.qor_model.gnn.model import TrainOptions

        if self.width % 4:
            raise click.BadParameter("the width has to be a multiple of four", param_hint="--width")
        return TrainOptions(
            layer=self.layer, width=self.width, epochs=self.epochs, members=self.members,
            boosters=self.boosters, seed=self.seed,
        )  # fmt: skip


_TRAINING = (
    click.option(
        "--per-kernel", type=click.IntRange(min=1), metavar="N",
        help="At most so many designs of each kernel and device, drawn with the seed.",
    ),
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
    click.option(
        "--boosters", type=click.IntRange(0, 16), default=2, show_default=True,
        help="Gradient boosters beside the networks.",
    ),
    click.option("--seed", type=int, default=0, show_default=True),
    click.option(
        "--device", default="auto", show_default=True,
        help="Where to train: cpu, cuda, or a GPU where there is one (auto).",
    ),
)  # fmt: skip


def training_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of :class:`Training`, as its argument `training`."""

    @wraps(function)
    def command(**arguments: Any) -> Any:
        own = {name: arguments.pop(name) for name in Training.__slots__}
        return function(training=Training(**own), **arguments)

    for option in reversed(_TRAINING):
        command = option(command)
    return command
