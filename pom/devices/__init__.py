"""FPGA devices: one TOML file a device, beside this module."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from pom.errors import PomError

_SUFFIX = ".toml"


@dataclass(frozen=True, slots=True)
class Device:
    """A part and what it offers.

    Attributes
    ----------
    name : str
        Short name, which is also the file's name (``xczu9eg``).
    part : str
        Full part number, as the vendor's tools want it.
    family : str
        Vendor's family word (``zynq``, ``zynquplus``, ``virtexuplus`` …).
    speed_grade : str
        Speed grade with its sign, for example ``"-2"``.
    dsp, lut, ff, bram_18k, uram : int
        How many of each the part has; ``bram_18k`` counts 18 Kbit halves.
    slrs : int
        Super logic regions (dies); 1 for a monolithic part.
    clock_ns : float
        Clock period that is used when none is asked for.
    aliases : tuple of str
        Other names by which :func:`load` finds the device.
    """

    name: str
    part: str
    family: str
    speed_grade: str
    dsp: int
    lut: int
    ff: int
    bram_18k: int
    uram: int
    slrs: int
    clock_ns: float
    aliases: tuple[str, ...] = ()


@cache
def available() -> tuple[str, ...]:
    """Return the short names of all devices, sorted."""
    names = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(n.removesuffix(_SUFFIX) for n in names if n.endswith(_SUFFIX)))


def load(name: str) -> Device:
    """Return the device called `name`.

    Parameters
    ----------
    name : str
        A short name, a full part number or an alias; case does not matter.

    Raises
    ------
    PomError
        ``POM-D080`` if there is no such device; the hint names the closest.
    """
    device = _by_name().get(name.strip().lower())
    if device is None:
        close = difflib.get_close_matches(name.strip().lower(), _by_name(), n=1, cutoff=0.5)
        known = ", ".join(available())
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise PomError("POM-D080", f"unknown device '{name}'", hint=f"{hint}known: {known}")
    return device


@cache
def _by_name() -> dict[str, Device]:
    table: dict[str, Device] = {}
    for short in available():
        device = _read(short)
        for key in (device.name, device.part, *device.aliases):
            table[key.lower()] = device
    return table


def _read(short: str) -> Device:
    text = resources.files(__name__).joinpath(short + _SUFFIX).read_text(encoding="utf-8")
    data = tomllib.loads(text)
    counts = data["resources"]
    return Device(
        name=data["name"],
        part=data["part"],
        family=data["family"],
        speed_grade=data["speed_grade"],
        dsp=counts["dsp"],
        lut=counts["lut"],
        ff=counts["ff"],
        bram_18k=counts["bram_18k"],
        uram=counts["uram"],
        slrs=data["slrs"],
        clock_ns=float(data["clock_ns"]),
        aliases=tuple(data["aliases"]),
    )
