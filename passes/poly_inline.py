"""Inline the kernel's function into its callers, or keep it apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass


@dataclass(frozen=True)
class Inline(PolyPass):
    """The function dissolves into its callers (INLINE), or stays a module (INLINE off).

    ::

        void f(…) { … }        →        void f(…) {
                                        #pragma HLS INLINE
                                        … }

    Parameters
    ----------
    enabled : bool
    """

    name: ClassVar[str] = "poly-inline"
    summary: ClassVar[str] = "inline the kernel's function, or keep it apart"
    enabled: bool = True

    def run(self, program: PolyProgram) -> PolyProgram:
        return replace(program, function=replace(program.function, inline=self.enabled))
