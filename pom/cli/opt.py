"""``pom opt``."""

from __future__ import annotations

import sys
from pathlib import Path

import click


def _list_passes(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    """Print every pass with what it does and its options, and leave."""
    if not is_wanted:
        return
    from pom.passes.options import describe_options
    from pom.passes.parse import find_pass
    from pom.passes.registry import PASSES

    for name in PASSES:
        kind = find_pass(name)
        click.echo(f"{name}: {kind.summary}\n    {describe_options(kind)}")
    context.exit()


@click.command()
@click.argument("file", metavar="FILE.mlir|-")
@click.option(
    "--passes", "pipeline", default="", help='Pipeline, e.g. "poly-split{…},poly-to-affine".'
)
@click.option("--print-ir-after", is_flag=True, help="Print the program after each pass to stderr.")
@click.option("--timing", is_flag=True, help="Print the time of each pass to stderr.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_passes,
    help="List the passes and stop.",
)
@click.option("-o", "output", type=click.Path(path_type=Path), help="File to write.")
def opt(
    file: str,
    pipeline: str,
    print_ir_after: bool,
    timing: bool,
    output: Path | None,
) -> None:
    """Run passes over a program at any level, as mlir-opt does; `-` reads standard input."""
    from pom.files import read_text, write_text
    from pom.passes.manager import run_text

    text = sys.stdin.read() if file == "-" else read_text(Path(file))
    result = run_text(
        text,
        pipeline,
        file=file,
        print_after=(lambda t: click.echo(t, err=True)) if print_ir_after else None,
        report_timing=(lambda t: click.echo(t, err=True)) if timing else None,
    )
    if output is None:
        click.echo(result, nl=not result.endswith("\n"))
    else:
        write_text(output, result)
        click.echo(f"wrote {output}")
