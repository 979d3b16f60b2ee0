"""Random loop nests: affine bounds with steps, guards, divisions of either sign."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

Value = Callable[[list[int]], int]
CAPACITY = 4000


def expression(rng: random.Random, dims: int, depth: int = 2) -> tuple[str, Value]:
    """An affine expression over ``d0`` … as MLIR text and as a Python function."""
    chance = rng.random()
    if depth == 0 or chance < 0.3:
        if dims and rng.random() < 0.75:
            k = rng.randrange(dims)
            return f"d{k}", lambda point: point[k]
        constant = rng.randint(-6, 6)
        return f"({constant})", lambda point: constant
    text, value = expression(rng, dims, depth - 1)
    if chance < 0.6:
        other, second = expression(rng, dims, depth - 1)
        return f"({text} + {other})", lambda point: value(point) + second(point)
    if chance < 0.72:
        factor = rng.choice([-3, -1, 2, 3, 4])
        return f"({text} * {factor})", lambda point: value(point) * factor
    d = rng.choice([2, 3, 4, 5])
    if chance < 0.84:
        return f"({text} floordiv {d})", lambda point: value(point) // d
    if chance < 0.94:
        return f"({text} mod {d})", lambda point: value(point) % d
    return f"({text} ceildiv {d})", lambda point: -(-value(point) // d)


@dataclass
class Nest:
    """MLIR text of a nest that logs three expressions per instance, and what it must log."""

    text: str
    expected: list[list[int]]


def random_nest(seed: int) -> Nest:
    """A nest of one to three loops; its log is at most `CAPACITY` long."""
    rng = random.Random(seed)
    depth = rng.randint(1, 3)
    bounds = []
    for d in range(depth):
        lowers = [expression(rng, d) for _ in range(rng.randint(1, 2))]
        uppers = [expression(rng, d) for _ in range(rng.randint(1, 2))]
        uppers = [(f"({t} + 9)", lambda p, f=f: f(p) + 9) for t, f in uppers]  # type: ignore[misc]
        bounds.append((lowers, uppers, rng.choice([1, 1, 1, 2, 3])))
    guards = []
    if rng.random() < 0.6:
        guards = [(*expression(rng, depth), rng.random() < 0.15) for _ in range(rng.randint(1, 2))]
    logged = [expression(rng, depth, 3) for _ in range(3)]
    expected: list[list[int]] = [[], [], []]

    def run(point: list[int]) -> None:
        if len(point) == depth:
            if all(f(point) == 0 if equal else f(point) >= 0 for _, f, equal in guards):
                for log, (_, f) in zip(expected, logged, strict=True):
                    log.append(f(point))
            return
        lowers, uppers, step = bounds[len(point)]
        low, high = max(f(point) for _, f in lowers), min(f(point) for _, f in uppers)
        for x in range(low, high, step):
            run([*point, x])

    run([])
    if len(expected[0]) > CAPACITY:
        return random_nest(seed + 1000)
    return Nest(_text(depth, bounds, guards, logged), expected)


def _map(texts: list[str], dims: int) -> str:
    names = ", ".join(f"d{k}" for k in range(dims))
    return f"affine_map<({names}) -> ({', '.join(texts)})>"


def _text(depth: int, bounds: list, guards: list, logged: list) -> str:  # type: ignore[type-arg]
    lines = []
    for d, (lowers, uppers, step) in enumerate(bounds):
        outer = ", ".join(f"%i{k}" for k in range(d))
        low, high = (_map([t for t, _ in e], d) for e in (lowers, uppers))
        lines.append(f"affine.for %i{d} = max {low}({outer}) to min {high}({outer}) step {step} {{")
    names = ", ".join(f"d{k}" for k in range(depth))
    args = ", ".join(f"%i{k}" for k in range(depth))
    if guards:
        rows = ", ".join(f"{t} {'==' if equal else '>='} 0" for t, _, equal in guards)
        lines.append(f"affine.if affine_set<({names}) : ({rows})>({args}) {{")
    lines.append("%n = affine.load %N[] : memref<i32>")
    lines.append("%at = arith.index_cast %n : i32 to index")
    for k, (t, _) in enumerate(logged):
        lines.append(f"%a{k} = affine.apply {_map([t], depth)}({args})")
        lines.append(f'%b{k} = "hls.index"(%a{k}) {{result = "int32"}} : (index) -> i32')
        lines.append(f"memref.store %b{k}, %O{k}[%at] : memref<{CAPACITY}xi32>")
    lines += [
        "%one = arith.constant 1 : i32",
        '%m = "hls.add"(%n, %one) {types = ["int32", "int32"], result = "int33"} : (i32, i32) -> i33',
        '%w = "hls.cast"(%m) {types = ["int33"], result = "int32"} : (i33) -> i32',
        "affine.store %w, %N[] : memref<i32>",
    ]
    lines += ["}"] if guards else []
    lines += [f'}} {{hls.name = "l{d}", hls.loop = "i{d}"}}' for d in reversed(range(depth))]
    arguments = ['%N: memref<i32> {hls.name = "N", hls.type = "int32", hls.direction = "inout"}']
    arguments += [
        f"%O{k}: memref<{CAPACITY}xi32> "
        f'{{hls.name = "O{k}", hls.type = "int32", hls.direction = "inout"}}'
        for k in range(3)
    ]
    body = "\n".join(lines)
    return (
        f"module {{\nfunc.func @nest({', '.join(arguments)}) attributes {{hls.top}} {{\n"
        f"{body}\nreturn\n}}\n}}\n"
    )
