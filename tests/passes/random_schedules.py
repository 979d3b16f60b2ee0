"""Random transformations of a program, legal or not, made by the primitives' own rewrites."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.poly_after import After, fused
from pom.passes.poly_distribute import Distribute, distribute
from pom.passes.poly_interchange import Interchange
from pom.passes.poly_reorder import Reorder, reordered
from pom.passes.poly_reverse import Reverse, reversed_loop
from pom.passes.poly_shift import Shift, shifted
from pom.passes.poly_skew import Skew, skew
from pom.passes.poly_split import Split, split
from pom.passes.poly_tile import Tile, tiled

Rewrite = Callable[[], tuple[PolyProgram, ...]]


def random_primitive(
    rng: random.Random, program: PolyProgram, fast_math: bool = False
) -> tuple[PolyPass, Rewrite]:
    """A primitive with arguments that make sense, and what it rewrites `program` to, unchecked.

    Some statement of `program` is in a loop.
    """
    statement = rng.choice([s.name for s in program.statements if program.loops(s.name)])
    names = [n.name for n in program.loops(statement)]
    loop = rng.choice(names)
    choices = ["split", "shift", "reverse", "distribute", "after"]
    if len(names) > 1:
        choices += ["reorder", "reorder", "interchange", "tile", "skew"]
    match rng.choice(choices):
        case "split":
            factor = rng.randint(1, 3)
            return Split(statement, loop, factor), lambda: (
                split(program, statement, loop, factor),
            )
        case "shift":
            amount = rng.randint(-2, 2)
            return (
                Shift(statement, loop, amount, fast_math),
                lambda: (shifted(program, statement, loop, amount),),
            )
        case "reverse":
            return (
                Reverse(statement, loop, fast_math),
                lambda: (reversed_loop(program, statement, loop),),
            )
        case "distribute":
            return (
                Distribute(statement, loop, fast_math),
                lambda: (distribute(program, statement, loop),),
            )
        case "after":
            other = rng.choice(program.statements).name
            inner = rng.choice(["", *(n.name for n in program.loops(other))])
            return (
                After(statement, other, inner, fast_math),
                lambda: fused(program, statement, other, inner),
            )
        case "interchange":
            outer, inner = sorted(rng.sample(names, 2), key=names.index)
            return (
                Interchange(statement, outer, inner, fast_math),
                lambda: reordered(program, statement, (inner, outer)),
            )
        case "tile":
            loops = tuple(rng.sample(names, 2))
            sizes = (rng.randint(1, 3), rng.randint(1, 3))
            return (
                Tile(statement, loops, sizes, "isolate", fast_math),
                lambda: tiled(program, statement, loops, sizes),
            )
        case "skew":
            outer, inner = sorted(rng.sample(names, 2), key=names.index)
            factor = rng.choice((-1, 1, 2))
            return (
                Skew(statement, outer, inner, factor),
                lambda: (skew(program, statement, outer, inner, factor),),
            )
    order = tuple(rng.sample(names, rng.randint(2, len(names))))
    return Reorder(statement, order, fast_math), lambda: reordered(program, statement, order)


def rewrites(
    rng: random.Random, program: PolyProgram, steps: int, fast_math: bool = False
) -> Iterator[tuple[PolyProgram, PolyPass, tuple[PolyProgram, ...]]]:
    """Up to `steps` primitives in a row: the program before, the primitive, what it may rewrite to.

    The next step starts from the program that the primitive accepts.
    """
    for _ in range(steps):
        primitive, rewrite = random_primitive(rng, program, fast_math)
        try:
            candidates = rewrite()
        except PomError:
            continue
        yield program, primitive, candidates
        try:
            program = primitive.run(program)
        except PomError:
            continue
