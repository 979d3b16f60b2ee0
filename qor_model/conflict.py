"""Exact test whether a store meets a later load in a loop nest, with the loops' bounds (isl)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import islpy as isl

from pom.qor_model.expand import Element, Linear
from pom.qor_model.region import Affine, Loop

_Loop = tuple[str, tuple[Affine, ...], tuple[Affine, ...]]


def may_conflict(loops: Sequence[Loop], source: Element, sink: Element) -> bool:
    """Whether some iteration's store is read in a later iteration of the nest.

    Induction variables of loops around the nest are unknown but the same for both.

    Parameters
    ----------
    loops : sequence of Loop
        The nest, outermost first.
    source, sink : Element
        Element stored and element loaded.
    """
    if source.linear is None or sink.linear is None:
        return True
    bounds = tuple((loop.name, loop.lower, loop.upper) for loop in loops)
    apart = tuple(a - b for a, b in zip(source.const, sink.const, strict=True))
    return _meets(bounds, source.linear, sink.linear, apart)


@lru_cache(maxsize=4096)
def _meets(loops: tuple[_Loop, ...], source: Linear, sink: Linear, apart: tuple[int, ...]) -> bool:
    """Whether ``source + apart`` in some iteration is ``sink`` in a later one."""
    names = [name for name, _, _ in loops]
    parameters = sorted(_free(loops, source, sink) - set(names))
    plain = {n: f"p{k}" for k, n in enumerate(parameters)}
    first = {**plain, **{n: f"a{k}" for k, n in enumerate(names)}}
    second = {**plain, **{n: f"b{k}" for k, n in enumerate(names)}}
    parts = _bounds(loops, first) + _bounds(loops, second)
    for mine, theirs, const in zip(source, sink, apart, strict=True):
        parts.append(f"{_text(Affine(mine, const), first)} = {_text(Affine(theirs), second)}")
    later = []
    for depth in range(len(names)):
        equal = [f"a{k} = b{k}" for k in range(depth)]
        later.append(" and ".join([*equal, f"a{depth} < b{depth}"]))
    order = " or ".join(f"({text})" for text in later)
    dims = ", ".join([f"a{k}" for k in range(len(names))] + [f"b{k}" for k in range(len(names))])
    head = f"[{', '.join(plain.values())}] -> " if plain else ""
    text = f"{head}{{ [{dims}] : {' and '.join(parts)} and ({order}) }}"
    return not isl.Set(text).is_empty()


def _free(loops: Sequence[_Loop], source: Linear, sink: Linear) -> set[str]:
    found: set[str] = set()
    for _, lower, upper in loops:
        found |= {n for b in (*lower, *upper) for n in b.variables}
    return found | {n for part in (*source, *sink) for n, _ in part}


def _bounds(loops: Sequence[_Loop], names: dict[str, str]) -> list[str]:
    parts: list[str] = []
    for name, lower, upper in loops:
        own = names[name]
        parts += [f"{_text(b, names)} <= {own}" for b in lower]
        parts += [f"{own} < {_text(b, names)}" for b in upper]
    return parts


def _text(value: Affine, names: dict[str, str]) -> str:
    parts = [f"{coef}*{names[name]}" for name, coef in value.terms]
    for item, coef in value.floors:
        parts.append(f"{coef}*floor(({_text(item.numerator, names)})/{item.divisor})")
    return " + ".join([*parts, str(value.const)])
