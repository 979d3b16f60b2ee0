"""What the tool does without being asked: pipelining, unrolling of small loops, flattening."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pom.qor_model.carried import Level, distance
from pom.qor_model.expand import Element, element_of
from pom.qor_model.leaf import all_loops, has_loops
from pom.qor_model.region import Block, If, Loop, LoopDirectives, Op, OpKind, Region
from pom.qor_model.settings import ToolSettings

_CONTROL = frozenset({OpKind.CMP, OpKind.SELECT, OpKind.CALL})


def resolve(
    regions: tuple[Region, ...],
    given: Mapping[str, LoopDirectives],
    settings: ToolSettings,
) -> dict[str, LoopDirectives]:
    """Directives of every loop after automatic pipelining and unrolling.

    Parameters
    ----------
    regions : tuple of Region
        Body of a function.
    given : mapping
        Directives that replace those on the loops.
    settings : ToolSettings
    """
    found: dict[str, LoopDirectives] = {}
    _collect(regions, given, found)
    if settings.pipeline_loops:
        for region in regions:
            _automatic(region, found, settings)
    return found


def _collect(
    regions: tuple[Region, ...],
    given: Mapping[str, LoopDirectives],
    found: dict[str, LoopDirectives],
) -> None:
    for region in regions:
        match region:
            case Loop():
                found[region.name] = given.get(region.name, region.directives)
                _collect(region.body, given, found)
            case If():
                _collect(region.then_body, given, found)
                _collect(region.else_body, given, found)


def _automatic(region: Region, found: dict[str, LoopDirectives], settings: ToolSettings) -> None:
    match region:
        case If():
            for item in (*region.then_body, *region.else_body):
                _automatic(item, found, settings)
        case Loop():
            if found[region.name].pipeline is not None:
                return
            inner = inner_loops(region.body)
            if not inner:
                found[region.name] = replace(found[region.name], pipeline=True)
            elif all(_is_small(i, found, settings) for i in inner) and not _stays_whole(region):
                for item in inner:
                    found[item.name] = replace(found[item.name], unroll=0)
                found[region.name] = replace(found[region.name], pipeline=True)
            else:
                for item in inner:
                    _automatic(item, found, settings)


def inner_loops(regions: tuple[Region, ...]) -> list[Loop]:
    """Loops directly inside, guards looked through."""
    result: list[Loop] = []
    for region in regions:
        match region:
            case Loop():
                result.append(region)
            case If():
                result += inner_loops(region.then_body)
                result += inner_loops(region.else_body)
    return result


def _is_small(loop: Loop, found: Mapping[str, LoopDirectives], settings: ToolSettings) -> bool:
    count = loop.constant_trip_count
    if count is None or has_loops(loop.body) or found[loop.name].pipeline is not None:
        return False
    return count < settings.pipeline_loops


def _stays_whole(loop: Loop) -> bool:
    """A perfect nest that is flattened as it stands keeps its small inner loop.

    That is one whose inner body moves nothing out, accumulates nothing, and carries nothing from
    one iteration to the next.
    """
    if len(loop.body) != 1 or not isinstance(loop.body[0], Loop):
        return False
    inner = loop.body[0]
    ops = operations(inner.body)
    stores = [element_of(o.access, {}) for o in ops if o.kind is OpKind.STORE and o.access]
    written = {s.array for s in stores}
    if any(not s.depends_on((inner.name,)) for s in stores):
        return False
    for op in ops:
        if op.kind is not OpKind.LOAD or op.access is None:
            continue
        element = element_of(op.access, {})
        if element.array not in written and not element.depends_on((inner.name,)):
            return False
    levels = [Level(item.name, item.step, 1 << 30, 1 << 30) for item in (loop, inner)]
    for store in stores:
        for op in ops:
            if op.kind is OpKind.LOAD and op.access is not None:
                element = element_of(op.access, {})
                is_same = element.array == store.array and element.linear == store.linear
                if is_same and distance(levels, store, element) is not None:
                    return False
    return True


def operations(regions: tuple[Region, ...]) -> list[Op]:
    """Every operation inside, in program order."""
    result: list[Op] = []
    for region in regions:
        match region:
            case Block():
                result += region.ops
            case Loop():
                result += operations(region.body)
            case If():
                result += operations(region.then_body) + operations(region.else_body)
    return result


def is_flattened_into(
    outer: Loop,
    chain: tuple[Loop, ...],
    directives: Mapping[str, LoopDirectives],
    settings: ToolSettings,
) -> bool:
    """Whether `outer` can join the loops of `chain` inside it, the last of which is pipelined.

    The nest is perfect, or the tool accepts initialisations of constants in front of the inner
    loop and arithmetic without choices, on no second element of an array, behind it.
    """
    own, inner = directives[outer.name], chain[0]
    if own.unroll != 1 or own.flatten is False or directives[inner.name].flatten is False:
        return False
    if any(not isinstance(r, (Loop, Block)) for r in outer.body):
        return False
    if sum(isinstance(r, Loop) for r in outer.body) != 1:
        return False
    bounds = [b for item in chain for b in (*item.lower, *item.upper)]
    if any(outer.name in b.variables for b in bounds):
        return False
    position = next(n for n, r in enumerate(outer.body) if r is inner)
    before, behind = operations(outer.body[:position]), operations(outer.body[position + 1 :])
    if not before and not behind:
        return not accumulates(chain[-1]) and not carries(chain[-1])
    if not settings.flatten_imperfect:
        return False
    return _is_initialisation(before) and _is_simple_end(behind, before)


def accumulates(loop: Loop) -> bool:
    """Whether a pipelined loop keeps an element in a register that it loads first."""
    ops = operations(loop.body)
    stored = [element_of(o.access, {}) for o in ops if o.kind is OpKind.STORE and o.access]
    loaded = [element_of(o.access, {}) for o in ops if o.kind is OpKind.LOAD and o.access]
    inside = (loop.name, *(item.name for item in all_loops(loop.body)))
    for element in stored:
        if element.depends_on(inside) or element not in loaded:
            continue
        if _is_written_first(element, loop):
            continue
        others = [e for e in (*stored, *loaded) if e.array == element.array and e != element]
        if not others:
            return True
    return False


def _is_written_first(element: Element, loop: Loop) -> bool:
    """Whether every iteration stores to an element before anything loads it: a value of its own."""
    always = [op for item in loop.body if isinstance(item, Block) for op in item.ops]
    for op in operations(loop.body):
        if op.access is not None and element_of(op.access, {}) == element:
            return op.kind is OpKind.STORE and any(op is each for each in always)
    return False


def carries(loop: Loop) -> bool:
    """Whether an element that one iteration stores is a neighbour's operand in the next ones."""
    ops = operations(loop.body)
    if has_loops(loop.body):
        return False
    count = loop.constant_trip_count or 1
    level = Level(loop.name, loop.step, count, count)
    stores = [element_of(o.access, {}) for o in ops if o.kind is OpKind.STORE and o.access]
    loads = [element_of(o.access, {}) for o in ops if o.kind is OpKind.LOAD and o.access]
    return any(
        store.array == load.array
        and store != load
        and store.linear == load.linear
        and distance((level,), store, load) is not None
        for store in stores
        for load in loads
    )


def _is_initialisation(ops: list[Op]) -> bool:
    return all(o.kind in (OpKind.STORE, OpKind.CONST) and not o.operands for o in ops)


def _is_simple_end(ops: list[Op], before: list[Op]) -> bool:
    if any(o.kind in _CONTROL for o in ops):
        return False
    touched: dict[str, set[object]] = {}
    for op in (*before, *ops):
        if op.access is not None:
            element = element_of(op.access, {})
            touched.setdefault(element.array, set()).add(element)
    return all(len(elements) == 1 for elements in touched.values())
