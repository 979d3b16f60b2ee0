"""``pom deps``."""

from __future__ import annotations

from pathlib import Path

import click

from pom.cli.common import (
    json_option,
    kernel_argument,
    load_scheduled,
    schedule_option,
    size_option,
)


@click.command()
@kernel_argument
@schedule_option
@size_option
@click.option(
    "--format", "form", type=click.Choice(["table", "dot"]), default="table", show_default=True
)
@click.option("-o", "output", type=click.Path(path_type=Path), help="File to write.")
@json_option
def deps(
    kernel: str,
    schedule_file: str | None,
    size: str | None,
    form: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Show the dependences of a kernel: distances, directions, and the loops that carry them.

    Updates of a reduction are marked; a dependence that is only assumed says why.
    """
    from pom.files import write_text
    from pom.passes import dependence_report

    program = load_scheduled(kernel, size, schedule_file).program
    if as_json:
        content = dependence_report.as_json(program)
    elif form == "dot":
        content = dependence_report.dot(program)
    else:
        content = dependence_report.text(program)
    if output is None:
        click.echo(content, nl=not content.endswith("\n"))
    else:
        write_text(output, content)
        click.echo(f"wrote {output}")
