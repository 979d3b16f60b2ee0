"""isl's code generator on a schedule tree: loops with bounds, guards and statement calls.

The result is a small tree of values (`AstFor`, `AstIf`, `AstCall`) in which bounds, conditions and
arguments are `pom.ir.affine` expressions over the loops' variables. Nothing here knows MLIR.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import islpy as isl

from pom.errors import InternalError
from pom.ir.affine import Affine, Constraint, FloorDiv
from pom.ir.poly import Leaf, Loop, PolyProgram, ScheduleNode, Sequence
from pom.passes.isl_build import affine, domain

_OP = isl.ast_expr_op_type
_NODE = isl.ast_node_type
_EXPR = isl.ast_expr_type
_CHOICES = (_OP.cond, _OP.select)


@dataclass(frozen=True, slots=True)
class AstFor:
    """``for variable in [max(lowers), min(uppers)) step step``, made from `loop`."""

    variable: str
    lowers: tuple[Affine, ...]
    uppers: tuple[Affine, ...]
    step: int
    loop: Loop
    body: tuple[AstNode, ...]


@dataclass(frozen=True, slots=True)
class AstIf:
    """`body` where every constraint holds, `orelse` elsewhere."""

    constraints: tuple[Constraint, ...]
    body: tuple[AstNode, ...]
    orelse: tuple[AstNode, ...] = ()


@dataclass(frozen=True, slots=True)
class AstCall:
    """An instance of a statement: the values of its iterators."""

    statement: str
    arguments: tuple[Affine, ...]


AstNode = AstFor | AstIf | AstCall


def build_ast(program: PolyProgram) -> tuple[AstNode, ...]:
    """Code that runs `program`'s instances in the order of its schedule.

    Notes
    -----
    Every schedule loop is a one-dimensional band below a mark that names it, so that the loops isl
    makes from it (several, where it separates) are known. Bounds and guards are exact.
    """
    instances = isl.UnionSet.empty(isl.Space.params_alloc(isl.DEFAULT_CONTEXT, 0))
    guards: dict[str, isl.AstExpr] = {}
    for statement in program.statements:
        covered = _covered_domain(program, statement.name)
        if covered is None:
            covered = domain(statement)
        else:
            guards[statement.name] = _guard(domain(statement), covered)
        instances = instances.union(isl.UnionSet.from_set(covered))
    if instances.is_empty():
        return ()
    loops: list[Loop] = []
    tree = isl.Schedule.from_domain(instances).get_root().child(0)
    tree = _insert(tree, program.schedule, program, loops, ())
    build = isl.AstBuild.from_context(isl.Set("{ : }"))
    ast = build.node_from_schedule(tree.get_schedule())
    return _Reader(program, tuple(loops), guards).nodes(ast, None, {})


def _covered_domain(program: PolyProgram, name: str) -> isl.Set | None:
    """The instances and what ``guard`` loops and roundings add to them; None where nothing is added.

    A loop whose part is ``guard`` runs over the whole range of its values, whatever the loops
    around it are at; the instances that the program does not have are kept out by a guard. So are
    bounds that round: isl's generator loses instances of some sets with floors in inequalities
    (where a loop has few values that lie apart, it can take them for one).

    What is added satisfies the equations and strides that every instance satisfies. The schedule
    may tell instances apart only because of these, and each time has to have one instance.
    """
    loops = program.loops(name)
    guarded = [k for k, loop in enumerate(loops) if loop.part == "guard"]
    instances = domain(program.statement(name))
    is_rounded = _has_rounded_bounds(instances)
    if not (guarded or is_rounded) or instances.is_empty():
        return None
    around = instances.remove_divs() if is_rounded else instances
    function = _schedule_function(program, name, loops)
    hull = around.apply(isl.Map.from_multi_aff(function))
    for position in guarded:
        low, high = hull.dim_min_val(position), hull.dim_max_val(position)
        hull = hull.project_out(isl.dim_type.set, position, 1)
        hull = hull.insert_dims(isl.dim_type.set, position, 1)
        hull = hull.lower_bound_val(isl.dim_type.set, position, low)
        hull = hull.upper_bound_val(isl.dim_type.set, position, high)
    covered = hull.preimage_multi_aff(function).intersect(instances.affine_hull().to_set())
    times = isl.Map.from_multi_aff(function).intersect_domain(covered)
    return covered if times.is_injective() else None


def _has_rounded_bounds(instances: isl.Set) -> bool:
    """Whether an inequality of `instances` has a floor in it, as strides do not."""
    parts = instances.get_basic_sets()
    return any(
        constraint.involves_dims(isl.dim_type.div, position, 1)
        for part in parts
        for constraint in part.get_constraints()
        if not constraint.is_equality()
        for position in range(part.dim(isl.dim_type.div))
        if not constraint.is_div_constraint()
    )


def _guard(instances: isl.Set, covered: isl.Set) -> isl.AstExpr:
    """The condition that tells an instance from what was added."""
    build = isl.AstBuild.from_context(isl.Set("{ : }"))
    condition = instances.gist(covered)
    # an expression over named dims needs them as parameters
    names = condition.dim(isl.dim_type.set)
    condition = condition.reset_tuple_id()
    for position in range(names):
        condition = condition.set_dim_name(isl.dim_type.set, position, f"x{position}")
    condition = condition.move_dims(isl.dim_type.param, 0, isl.dim_type.set, 0, names)
    return build.expr_from_set(condition.params())


def _insert(
    node: isl.ScheduleNode,
    ours: ScheduleNode,
    program: PolyProgram,
    loops: list[Loop],
    outer: tuple[Loop, ...],
) -> isl.ScheduleNode:
    """`ours` inserted at `node`; returns the node at the same place."""
    match ours:
        case Leaf():
            return node
        case Loop():
            loops.append(ours)
            mark = isl.Id(f"loop:{len(loops) - 1}")
            node = node.insert_partial_schedule(_partial_schedule(program, ours))
            node = _with_part(node, program, ours, outer)
            node = _insert(node.child(0), ours.child, program, loops, (*outer, ours)).parent()
            return node.insert_mark(mark)
        case Sequence():
            filters = isl.UnionSetList.alloc(isl.DEFAULT_CONTEXT, len(ours.children))
            for child in ours.children:
                part = isl.UnionSet.empty(isl.Space.params_alloc(isl.DEFAULT_CONTEXT, 0))
                for name in child.statements:
                    space = domain(program.statement(name)).get_space()
                    part = part.union(isl.UnionSet.from_set(isl.Set.universe(space)))
                filters = filters.add(part)
            node = node.insert_sequence(filters)
            for position, child in enumerate(ours.children):
                inner = _insert(node.child(position).child(0), child, program, loops, outer)
                node = inner.parent().parent()
            return node


def _partial_schedule(program: PolyProgram, loop: Loop) -> isl.MultiUnionPwAff:
    value = None
    for name, expression in loop.exprs:
        piece = isl.UnionPwAff.from_pw_aff(
            isl.PwAff.from_aff(affine(program.statement(name), expression))
        )
        value = piece if value is None else value.union_add(piece)
    return isl.MultiUnionPwAff.from_union_pw_aff(value)


def _with_part(
    band: isl.ScheduleNode, program: PolyProgram, loop: Loop, outer: tuple[Loop, ...]
) -> isl.ScheduleNode:
    """`band` with the options that `Loop.part` asks for."""
    match loop.part:
        case "separate":
            return band.band_member_set_ast_loop_type(0, isl.ast_loop_type.separate)
        case "isolate":
            full = _full_tiles(program, loop, outer)
            if full is None:
                return band
            return band.band_set_ast_build_options(isl.UnionSet.from_set(full))
    return band


def _full_tiles(program: PolyProgram, loop: Loop, outer: tuple[Loop, ...]) -> isl.Set | None:
    """The ``isolate`` option: outer values and values of `loop` all of whose blocks are full.

    A loop below whose value is ``e mod f`` where `loop` or a loop around it is ``floor(e / f)`` is
    a loop within a block. A block is full where every combination of the values of the loops
    within it runs, for every statement that has it.
    """
    partial: isl.Set | None = None
    present: isl.Set | None = None
    for name in loop.statements:
        within = _within_block(program, name, (*outer, loop), loop)
        values = _image(program, name, (*outer, loop, *within))
        if values.is_empty():
            continue
        depth = len(outer) + 1
        blocks = values.project_out(isl.dim_type.set, depth, len(within))
        hull = blocks.add_dims(isl.dim_type.set, len(within))
        for position in range(depth, depth + len(within)):
            low, high = values.dim_min_val(position), values.dim_max_val(position)
            hull = hull.lower_bound_val(isl.dim_type.set, position, low)
            hull = hull.upper_bound_val(isl.dim_type.set, position, high)
        missing = hull.subtract(values).project_out(isl.dim_type.set, depth, len(within))
        partial = missing if partial is None else partial.union(missing)
        present = blocks if present is None else present.union(blocks)
    if present is None or partial is None:
        return None
    full = present.subtract(partial)
    if full.is_empty() or partial.is_empty():
        return None
    # isolate[[outer] -> [value]]
    split = isl.Map.from_domain_and_range(
        isl.Set.universe(isl.Space.set_alloc(isl.DEFAULT_CONTEXT, 0, len(outer))),
        isl.Set.universe(isl.Space.set_alloc(isl.DEFAULT_CONTEXT, 0, 1)),
    )
    pairs = _as_map(full, len(outer)).intersect(split)
    return pairs.wrap().set_tuple_name("isolate").coalesce()


def _as_map(points: isl.Set, inputs: int) -> isl.Map:
    """``[a…, b…]`` as ``[a…] -> [b…]`` with `inputs` dims on the left."""
    result = isl.Map.from_range(points)
    return result.move_dims(isl.dim_type.in_, 0, isl.dim_type.out, 0, inputs)


def _within_block(
    program: PolyProgram, statement: str, around: tuple[Loop, ...], loop: Loop
) -> tuple[Loop, ...]:
    blocks: set[FloorDiv] = set()
    for block in around:
        blocks |= {a for a, _ in block.expr(statement).terms if isinstance(a, FloorDiv)}
    path = [n for n in program.path(statement) if isinstance(n, Loop)]
    names = [n.name for n in path]
    below = path[names.index(loop.name) + 1 :]
    return tuple(
        inner
        for inner in below
        if any(
            isinstance(a, FloorDiv) and a in blocks and c == -a.denominator
            for a, c in inner.expr(statement).terms
        )
    )


def _image(program: PolyProgram, name: str, loops: tuple[Loop, ...]) -> isl.Set:
    """The values of `loops` over the statement's instances."""
    instances = domain(program.statement(name))
    return instances.apply(isl.Map.from_multi_aff(_schedule_function(program, name, loops)))


def _schedule_function(program: PolyProgram, name: str, loops: tuple[Loop, ...]) -> isl.MultiAff:
    statement = program.statement(name)
    target = isl.Space.set_alloc(isl.DEFAULT_CONTEXT, 0, len(loops))
    space = domain(statement).get_space().map_from_domain_and_range(target)
    function = isl.MultiAff.zero(space)
    for position, loop in enumerate(loops):
        function = function.set_aff(position, affine(statement, loop.expr(name)))
    return function


def _pipelined(nodes: tuple[AstNode, ...], around: Loop | None) -> tuple[AstNode, ...]:
    """`nodes` with their outermost loops pipelined, where `around` is a pipelined loop that vanished.

    The tool would unroll them if that loop were still there. Loops around one with varying bounds,
    which cannot be unrolled, stay as they are.
    """
    if around is None or around.directives.pipeline_ii is None:
        return nodes
    found: list[AstNode] = []
    for node in nodes:
        match node:
            case AstFor(loop=loop, body=body) if not loop.directives.pipeline_off and all(
                map(_is_unrollable, body)
            ):
                ii = around.directives.pipeline_ii
                directives = replace(loop.directives, pipeline_ii=ii, unroll=1)
                node = replace(node, loop=replace(loop, directives=directives))
            case AstIf(body=body, orelse=orelse):
                body, orelse = _pipelined(body, around), _pipelined(orelse, around)
                node = replace(node, body=body, orelse=orelse)
        found.append(node)
    return tuple(found)


def _is_unrollable(node: AstNode) -> bool:
    """Whether every loop at and in `node` has constant bounds."""
    match node:
        case AstFor(lowers=lowers, uppers=uppers, body=body):
            bounds = (*lowers, *uppers)
            return all(b.is_constant for b in bounds) and all(_is_unrollable(n) for n in body)
        case AstIf(body=body, orelse=orelse):
            return all(_is_unrollable(n) for n in (*body, *orelse))
    return True


class _Reader:
    """isl's AST as our values; degenerate loops disappear into the values of their variable."""

    def __init__(
        self, program: PolyProgram, loops: tuple[Loop, ...], guards: dict[str, isl.AstExpr]
    ) -> None:
        self.program = program
        self.loops = loops
        self.guards = guards
        self.decided: dict[str, bool] = {}

    def nodes(
        self, node: isl.AstNode, loop: Loop | None, values: dict[str, Affine]
    ) -> tuple[AstNode, ...]:
        kind = node.get_type()
        condition = self._undecided(node, kind)
        if condition is not None:
            # ``c ? a : b`` in a bound, a guard or an argument: the node once for each outcome
            text = condition.to_C_str()
            outcomes = []
            for outcome in (True, False):
                self.decided[text] = outcome
                outcomes.append(self.nodes(node, loop, values))
            del self.decided[text]
            return self._if(condition, outcomes[0], outcomes[1], values)
        if kind == _NODE.block:
            children = node.block_get_children()
            return tuple(
                found
                for k in range(children.n_ast_node())
                for found in self.nodes(children.get_at(k), loop, values)
            )
        if kind == _NODE.mark:
            number = int(node.mark_get_id().get_name().partition(":")[2])
            # A loop that runs once may leave no node of its own: then `loop` is still to come.
            return _pipelined(self.nodes(node.mark_get_node(), self.loops[number], values), loop)
        if kind == _NODE.for_:
            return self._for(node, loop, values)
        if kind == _NODE.if_:
            orelse = (
                self.nodes(node.if_get_else_node(), loop, values) if node.if_has_else_node() else ()
            )
            body = self.nodes(node.if_get_then_node(), loop, values)
            return self._if(node.if_get_cond(), body, orelse, values)
        if kind == _NODE.user:
            call = node.user_get_expr()
            arguments = [
                self._affine(call.op_get_arg(k), values) for k in range(1, call.op_get_n_arg())
            ]
            name = call.op_get_arg(0).id_get_id().get_name()
            return self._guarded(AstCall(name, tuple(arguments)))
        raise InternalError(f"unexpected AST node {kind}")

    def _undecided(self, node: isl.AstNode, kind: isl.ast_node_type) -> isl.AstExpr | None:
        """The condition of a choice in the node's own expressions that is not decided yet."""
        if kind == _NODE.for_:
            parts = [node.for_get_init()]
            if not node.for_is_degenerate():
                parts.append(node.for_get_cond())
        elif kind == _NODE.if_:
            parts = [node.if_get_cond()]
        elif kind == _NODE.user:
            parts = [node.user_get_expr()]
        else:
            return None
        return next((c for part in parts if (c := self._choice(part)) is not None), None)

    def _choice(self, expr: isl.AstExpr) -> isl.AstExpr | None:
        if expr.get_type() != _EXPR.op:
            return None
        operands = [expr.op_get_arg(k) for k in range(expr.op_get_n_arg())]
        if expr.op_get_type() in _CHOICES:
            outcome = self.decided.get(operands[0].to_C_str())
            if outcome is None:
                # conditions of choices inside the condition come first
                return self._choice(operands[0]) or operands[0]
            return self._choice(operands[1 if outcome else 2])
        return next((c for o in operands if (c := self._choice(o)) is not None), None)

    def _chosen(self, expr: isl.AstExpr) -> isl.AstExpr:
        """`expr` without decided choices at its top."""
        while expr.get_type() == _EXPR.op and expr.op_get_type() in _CHOICES:
            expr = expr.op_get_arg(1 if self.decided[expr.op_get_arg(0).to_C_str()] else 2)
        return expr

    def _guarded(self, call: AstCall) -> tuple[AstNode, ...]:
        guard = self.guards.get(call.statement)
        if guard is None:
            return (call,)
        values = {f"x{k}": a for k, a in enumerate(call.arguments)}
        if guard.get_type() == _EXPR.int:
            return (call,) if guard.int_get_val().to_python() else ()
        return self._if(guard, (call,), (), values)

    def _for(
        self, node: isl.AstNode, loop: Loop | None, values: dict[str, Affine]
    ) -> tuple[AstNode, ...]:
        if loop is None:
            raise InternalError("the code generator made a loop that no schedule loop asked for")
        variable = node.for_get_iterator().id_get_id().get_name()
        init = node.for_get_init()
        if node.for_is_degenerate():
            body = self.nodes(
                node.for_get_body(), None, {**values, variable: self._affine(init, values)}
            )
            return _pipelined(body, loop)
        condition = node.for_get_cond()
        comparison = condition.op_get_type()
        if comparison not in (_OP.le, _OP.lt):
            raise InternalError(f"unexpected loop condition {condition.to_C_str()}")
        extra = 1 if comparison == _OP.le else 0
        uppers = self._extrema(condition.op_get_arg(1), _OP.min, values)
        lowers = self._extrema(init, _OP.max, values)
        inner = {k: v for k, v in values.items() if k != variable}
        return (
            AstFor(
                variable,
                lowers,
                tuple(u + extra for u in uppers),
                node.for_get_inc().int_get_val().to_python(),
                loop,
                self.nodes(node.for_get_body(), None, inner),
            ),
        )

    def _extrema(
        self, expr: isl.AstExpr, which: isl.ast_expr_op_type, values: dict[str, Affine]
    ) -> tuple[Affine, ...]:
        """The operands of a (nested) minimum or maximum, sums distributed over it."""
        expr = self._chosen(expr)
        if expr.get_type() == _EXPR.op:
            kind = expr.op_get_type()
            if kind == which:
                return tuple(
                    e
                    for k in range(expr.op_get_n_arg())
                    for e in self._extrema(expr.op_get_arg(k), which, values)
                )
            if kind in (_OP.add, _OP.sub):
                left, right = expr.op_get_arg(0), expr.op_get_arg(1)
                sign = 1 if kind == _OP.add else -1
                other = which if sign == 1 else (_OP.min if which == _OP.max else _OP.max)
                return tuple(
                    a + b * sign
                    for a in self._extrema(left, which, values)
                    for b in self._extrema(right, other, values)
                )
        return (self._affine(expr, values),)

    def _affine(self, expr: isl.AstExpr, values: dict[str, Affine]) -> Affine:
        expr = self._chosen(expr)
        kind = expr.get_type()
        if kind == _EXPR.int:
            return Affine.const(expr.int_get_val().to_python())
        if kind == _EXPR.id:
            name = expr.id_get_id().get_name()
            return values.get(name, Affine.var(name))
        op = expr.op_get_type()
        args = [self._affine(expr.op_get_arg(k), values) for k in range(expr.op_get_n_arg())]
        if op == _OP.add:
            return args[0] + args[1]
        if op == _OP.sub:
            return args[0] - args[1]
        if op == _OP.minus:
            return -args[0]
        if op == _OP.mul:
            a, b = args
            if a.is_constant:
                return b * a.constant
            if b.is_constant:
                return a * b.constant
        if op in (_OP.div, _OP.fdiv_q, _OP.pdiv_q) and args[1].is_constant:
            # div is exact and pdiv_q has a dividend that is not negative: all are floors here
            return args[0] // args[1].constant
        if op in (_OP.pdiv_r, _OP.zdiv_r) and args[1].is_constant:
            # zdiv_r only appears in comparisons with zero, where the sign does not matter
            return args[0] % args[1].constant
        raise InternalError(f"the code generator made {expr.to_C_str()}, which is not affine")

    def _if(
        self,
        condition: isl.AstExpr,
        body: tuple[AstNode, ...],
        orelse: tuple[AstNode, ...],
        values: dict[str, Affine],
    ) -> tuple[AstNode, ...]:
        alternatives = self._conditions(condition, values)
        for constraints in reversed(alternatives):
            orelse = (AstIf(constraints, body, orelse),) if constraints else body
        return orelse

    def _conditions(
        self, expr: isl.AstExpr, values: dict[str, Affine]
    ) -> tuple[tuple[Constraint, ...], ...]:
        """A condition in disjunctive normal form."""
        expr = self._chosen(expr)
        op = expr.op_get_type()
        if op in (_OP.and_, _OP.and_then):
            left = self._conditions(expr.op_get_arg(0), values)
            right = self._conditions(expr.op_get_arg(1), values)
            return tuple((*a, *b) for a in left for b in right)
        if op in (_OP.or_, _OP.or_else):
            return (
                *self._conditions(expr.op_get_arg(0), values),
                *self._conditions(expr.op_get_arg(1), values),
            )
        lower_is_left = op in (_OP.le, _OP.lt)
        if op == _OP.eq:
            a = self._affine(expr.op_get_arg(0), values)
            b = self._affine(expr.op_get_arg(1), values)
            return ((Constraint(a - b, is_equality=True),),)
        if op in (_OP.le, _OP.lt, _OP.ge, _OP.gt):
            small, large = expr.op_get_arg(0), expr.op_get_arg(1)
            if not lower_is_left:
                small, large = large, small
            slack = 1 if op in (_OP.lt, _OP.gt) else 0
            return (
                tuple(
                    Constraint(b - a - slack)
                    for a in self._extrema(small, _OP.max, values)
                    for b in self._extrema(large, _OP.min, values)
                ),
            )
        raise InternalError(f"the code generator made the condition {expr.to_C_str()}")
