"""``pom devices``."""

from __future__ import annotations

import dataclasses
import json

import click

from pom.cli.common import json_option


@click.command()
@json_option
def devices(as_json: bool) -> None:
    """List the devices that can be a --target, with their resources."""
    from pom import devices as library

    known = [library.load(name) for name in library.available()]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(d) for d in known], indent=2))
        return
    click.echo(f"{'name':<12}{'part':<28}{'DSP':>7}{'LUT':>10}{'FF':>10}{'BRAM18':>8}{'URAM':>6}")
    for d in known:
        click.echo(
            f"{d.name:<12}{d.part:<28}{d.dsp:>7}{d.lut:>10}{d.ff:>10}{d.bram_18k:>8}{d.uram:>6}"
        )
