"""What a search is asked for: a kernel, a device, a clock, limits and an objective."""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Literal

from pom.devices import Device
from pom.errors import PomError
from pom.ir.graph import Kernel

Objective = Literal["latency", "pareto"]


@dataclass(frozen=True, slots=True)
class Resources:
    """Amounts of what a device has. LUT and FF are counts, BRAM in 18-kbit blocks."""

    dsp: int = 0
    lut: int = 0
    ff: int = 0
    bram_18k: int = 0
    uram: int = 0

    def exceeded(self, limits: Resources) -> tuple[str, ...]:
        """Names of the resources of which `self` needs more than `limits` allow."""
        return tuple(
            f.name for f in fields(self) if getattr(self, f.name) > getattr(limits, f.name)
        )

    def share(self, limits: Resources) -> float:
        """The largest share of a limit that `self` needs: what a design costs, in one number."""
        allowed = dict(limits.items())
        return max(used / max(allowed[name], 1) for name, used in self.items())

    def items(self) -> tuple[tuple[str, int], ...]:
        return tuple((f.name, getattr(self, f.name)) for f in fields(self))


RESOURCE_NAMES = tuple(f.name for f in fields(Resources))


def parse_limit(text: str, device: Device) -> tuple[str, int]:
    """``dsp=80%`` or ``lut=40000`` as a resource name and an absolute amount.

    Raises
    ------
    PomError
        POM-X110 it cannot be read, or is not positive or beyond the device.
    """
    name, separator, amount = text.partition("=")
    name = {"bram": "bram_18k", "bram18": "bram_18k"}.get(
        name.strip().lower(), name.strip().lower()
    )
    amount = amount.strip()
    if not separator or name not in RESOURCE_NAMES:
        close = get_close_matches(name, RESOURCE_NAMES, 1)
        raise PomError(
            "POM-X110",
            f"the limit {text!r} is not RESOURCE=AMOUNT",
            hint=(f"did you mean {close[0]!r}? " if close and close[0] != name else "")
            + f"one of {', '.join(RESOURCE_NAMES)}, as in --limit dsp=80% or --limit lut=40000",
        )
    available: int = getattr(device, name)
    try:
        if amount.endswith("%"):
            value = int(available * float(amount[:-1]) / 100)
        else:
            value = int(amount)
    except ValueError:
        raise PomError(
            "POM-X110",
            f"the amount {amount!r} of {name} is neither an integer nor a percentage",
            hint="as in --limit dsp=80% or --limit lut=40000",
        ) from None
    if value < 0 or value > available:
        raise PomError(
            "POM-X110",
            f"the limit {text!r} is outside of what {device.name} has (0 to {available})",
            hint="choose another amount, or another device with --target",
        )
    return name, value


def limits_of(device: Device, limits: tuple[str, ...]) -> Resources:
    """The device's resources, reduced by `limits`.

    Raises
    ------
    PomError
        POM-X110 a limit cannot be read; POM-X111 two limits contradict each other.
    """
    amounts = {name: int(getattr(device, name)) for name in RESOURCE_NAMES}
    given: dict[str, int] = {}
    for text in limits:
        name, value = parse_limit(text, device)
        if name in given and given[name] != value:
            raise PomError(
                "POM-X111",
                f"two limits for {name}: {given[name]} and {value}",
                hint="give each resource once",
            )
        given[name] = amounts[name] = value
    return Resources(**amounts)


@dataclass(frozen=True, slots=True)
class Problem:
    """A search problem.

    Parameters
    ----------
    kernel : Kernel
        Level 1.
    device : Device
    clock_ns : float
    limits : Resources
        No design may need more, by the synthesis estimate.
    latency_cap_cycles : int, optional
        Designs slower than this are of no interest.
    objective : {"latency", "pareto"}
    fast_math : bool
        Whether floating-point reductions may be reassociated.
    """

    kernel: Kernel
    device: Device
    clock_ns: float
    limits: Resources
    latency_cap_cycles: int | None = None
    objective: Objective = "latency"
    fast_math: bool = False
