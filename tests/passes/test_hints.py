"""A hint that names a call works when it is followed."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom.errors import PomError
from pom.passes.base import PolyPass
from pom.schedule import Schedule, schedule
from tests.fuzz.kernels import random_kernel
from tests.fuzz.schedules import propose

_CALL = re.compile(r"(?:s\[['\"](\w+)['\"]\]\.)?\b(\w+)\(([^()]+)\)")

FOLLOWED = {"POM-S001", "POM-S010", "POM-S015", "POM-P067"}
"""Codes whose hints name calls."""


def follow(hint: str, refused: PolyPass, s: Schedule) -> None:
    """Do what `hint` says, and then what was refused, unless that was replaced."""
    if "fast_math=True" in hint:
        s.apply(replace(refused, fast_math=True))  # type: ignore[call-arg]
        return
    calls = _CALL.findall(hint)
    if not calls:
        return
    for statement, method, arguments in calls:
        handle = s[statement or refused.statement]  # type: ignore[attr-defined]
        eval(f"handle.{method}({arguments})", {"handle": handle})
    if calls[0][1] != refused.name.removeprefix("poly-"):
        s.apply(refused)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_hints_work(seed: int) -> None:
    rng = random.Random(seed)
    s = schedule(random_kernel(rng))
    for _ in range(6):
        primitive = propose(rng, s.program, False)
        if primitive is None:
            return
        try:
            s.apply(primitive)
        except PomError as error:
            if error.code in FOLLOWED and error.hint:
                follow(error.hint, primitive, s.copy())


@pytest.mark.parametrize(
    ("hint", "calls"),
    [
        ("skew first: skew('i', 'j', 1), skew('i', 'k', 1)", ["skew", "skew"]),
        ("share fewer of them: after('S6', 'i')", ["after"]),
        ("give it constant bounds first: s['S2'].guard('i1'); or something", ["guard"]),
        ("name another statement", []),
    ],
)
def test_calls_are_found(hint: str, calls: list[str]) -> None:
    assert [method for _, method, _ in _CALL.findall(hint)] == calls
