"""Options that the commands of ``pom qor`` share."""

from __future__ import annotations

from pathlib import Path

import click

labels_option = click.option(
    "--labels", required=True, metavar="CSV", type=click.Path(dir_okay=False, path_type=Path),
    help="Measured designs; the kind of file is told from its columns.",
)  # fmt: skip
kernels_option = click.option(
    "--kernels", required=True, metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="One kernel file per kernel, with loops named as the labels name them.",
)  # fmt: skip
