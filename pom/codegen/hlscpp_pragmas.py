"""Directives of level 3 as Vitis pragmas: one row of a table per directive.

Each row takes the directive's attribute and gives the text after ``#pragma HLS ``, or None where
the pragma would say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

from pom.codegen.level3 import Attributes, Parameter
from pom.errors import PomError

LOOP_PRAGMAS: tuple[tuple[str, Callable[[Any], str | None]], ...] = (
    ("dataflow", lambda _: "DATAFLOW"),
    ("pipeline_ii", lambda ii: f"PIPELINE II={ii}"),
    ("pipeline_off", lambda _: "PIPELINE off"),
    ("unroll", lambda n: None if n == 1 else "UNROLL" if n == 0 else f"UNROLL factor={n}"),
    ("flatten", lambda on: "LOOP_FLATTEN" if on else "LOOP_FLATTEN off"),
)
"""Attribute of a loop → pragma; ``dependence_free`` names variables and is written by the caller."""


def loop_pragmas(attributes: Attributes, array_names: dict[str, str]) -> Iterator[str]:
    """Pragmas of a loop, in a fixed order.

    Parameters
    ----------
    array_names : dict
        C++ names of the arrays in scope by the user's names.
    """
    for name, render in LOOP_PRAGMAS:
        if name in attributes and (text := render(attributes[name])):
            yield text
    for array in attributes.get("dependence_free", ()):
        if array not in array_names:
            raise PomError("POM-C005", f"hls.dependence_free names {array}, which is no array here")
        yield f"DEPENDENCE variable={array_names[array]} type=inter dependent=false"


def function_pragmas(attributes: Attributes, is_top: bool) -> Iterator[str]:
    """Pragmas of a function; a callee that stays a function says so."""
    inline = attributes.get("inline", None if is_top else False)
    if inline is not None:
        yield "INLINE" if inline else "INLINE off"
    if attributes.get("dataflow"):
        yield "DATAFLOW"


def array_pragmas(variable: str, attributes: Attributes) -> Iterator[str]:
    """ARRAY_PARTITION, ARRAY_RESHAPE, BIND_STORAGE and STREAM of an array."""
    for directive in ("partition", "reshape"):
        for entry in attributes.get(directive, ()):
            if (text := _split_text(variable, directive, entry)) is not None:
                yield text
    if "storage" in attributes:
        entry = attributes["storage"]
        options = [f"{k}={entry[k]}" for k in ("type", "impl", "latency") if k in entry]
        yield f"BIND_STORAGE variable={variable} {' '.join(options)}"
    if "stream" in attributes:
        yield f"STREAM variable={variable} type=fifo depth={attributes['stream']}"


def _split_text(variable: str, directive: str, entry: dict[str, Any]) -> str | None:
    kind, factor, dim = entry["kind"], entry.get("factor", 0), entry["dim"]
    head = f"ARRAY_{directive.upper()} variable={variable} type={kind}"
    if kind == "complete":
        return f"{head} dim={dim}"
    return None if factor == 1 else f"{head} factor={factor} dim={dim}"


def bind_op_pragma(variable: str, entry: dict[str, Any]) -> str:
    """BIND_OP of the variable that holds an operation's result."""
    options = [f"{k}={entry[k]}" for k in ("op", "impl", "latency") if k in entry]
    return f"BIND_OP variable={variable} {' '.join(options)}"


def interface_pragmas(
    params: tuple[tuple[Parameter, str], ...], attributes: list[Attributes]
) -> Iterator[str]:
    """INTERFACE of every port of the top function, stated even where it is today's default.

    The default depends on the tool's flow and release, the port protocol of a design must not.
    """
    entries = [dict(attrs.get("interface", {})) for attrs in attributes]
    is_controlled = any(e.get("mode") in ("m_axi", "s_axilite") for e in entries)
    for (parameter, port), entry in zip(params, entries, strict=True):
        mode = entry.pop("mode", None) or _default_mode(parameter, is_controlled)
        if mode == "m_axi":
            entry = {"offset": "slave", **entry}
            entry.setdefault("depth", prod(parameter.shape or ()))
        options = "".join(f" {k}={v}" for k, v in entry.items())
        yield f"INTERFACE mode={mode} port={port}{options}"
    yield f"INTERFACE mode={'s_axilite' if is_controlled else 'ap_ctrl_hs'} port=return"


def _default_mode(parameter: Parameter, is_controlled: bool) -> str:
    """Wires, or registers of the bus where the kernel is controlled by one."""
    if parameter.shape:
        return "ap_memory"
    if is_controlled:
        return "s_axilite"
    if parameter.shape is None or not parameter.is_written:
        return "ap_none"
    return "ap_ovld" if parameter.direction == "inout" else "ap_vld"
