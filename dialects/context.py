"""MLIR contexts with POM's dialects."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlir.ir import Context


def new_context() -> Context:
    """A fresh context with the graph, poly and hls dialects.

    Unregistered dialects stay forbidden. Contexts are single-threaded: the programs are small, and
    a thread pool would not survive a fork.
    """
    from mlir.ir import Context

    from pom.dialects import graph, hls, poly

    context = Context()
    context.enable_multithreading(False)
    for dialect in (graph, poly, hls):
        dialect.register(context)
    return context


def process_context() -> Context:
    """One context for the life of this process (a forked child gets its own)."""
    return _context_of(os.getpid())


@lru_cache(maxsize=1)
def _context_of(pid: int) -> Context:
    return new_context()
