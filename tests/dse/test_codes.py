"""What the search refuses before it starts."""

from __future__ import annotations

import builtins

import pytest

import pom
from pom.dse.evaluation import only
from pom.dse.executor import open_executor
from pom.dse.strategies import make_strategy
from pom.errors import PomError
from pom.passes.graph_to_poly import graph_to_poly


def test_unknown_strategy_is_refused_with_the_known_ones():
    with pytest.raises(PomError, match="POM-X140") as caught:
        make_strategy("annealing")
    assert "exact" in (caught.value.hint or "")


def test_cluster_without_its_package_is_refused(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **kw):
        if name == "distributed":
            raise ImportError(name)
        return real(name, *rest, **kw)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PomError, match="POM-X121"), open_executor(1, "tcp://127.0.0.1:1"):
        pass


def test_a_program_without_statements_is_no_program():
    @pom.kernel
    def k(x: pom.f32[4]):
        x[0] = 1.0

    with pytest.raises(PomError, match="POM-X130"):
        only(graph_to_poly(k.graph), ("nothing",))
