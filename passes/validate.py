"""Translation validation: level 3 runs exactly the program, proved from the module alone.

The module is read back (`pom.passes.validate_read`), its statement instances and their execution
order are rebuilt as isl relations, and three things are proved for every function:

(a) the instances that run are those of the domains, each once;
(b) every operation and access is the statement's, at the claimed instance
    (`pom.passes.validate_body`);
(c) instances that depend on each other in the given program keep their order
    (`pom.passes.validate_order`).

No code is shared with the code generator, nor with the isl objects that transformations use.
"""

from __future__ import annotations

from dataclasses import dataclass

import islpy as isl
from mlir.ir import Attribute, Module, Operation, Value

from pom.errors import PomError
from pom.ir.graph import Array, Scalar
from pom.ir.poly import PolyProgram
from pom.ir.types import ArrayType, FloatType, ScalarType
from pom.passes.validate_body import BodyMatcher, Claim, MismatchError
from pom.passes.validate_linear import text
from pom.passes.validate_order import check_order
from pom.passes.validate_read import FunctionReader, Occurrence

_SET, _OUT, _IN = isl.dim_type.set, isl.dim_type.out, isl.dim_type.in_


def validate(program: PolyProgram, module: Module) -> None:
    """Prove that `module` runs `program`.

    Parameters
    ----------
    program : PolyProgram
        What was asked for, in an order whose dependences count: the program before it was
        scheduled, or after the last transformation that changed its statements.
    module : mlir.ir.Module
        Level 3.

    Raises
    ------
    PomError
        POM-A100: a function, argument or array is missing or of another type. POM-A101: something
        that is not part of a statement. POM-A102, A103, A104: an instance that should not run, does
        not run, or runs twice. POM-A105, A106: an access or an operation that is not the
        statement's. POM-A107: dependent instances changed places. Each names a concrete iteration.
    """
    functions: dict[str, Operation] = {}
    for op in module.body.operations:
        if op.operation.name != "func.func":
            raise PomError("POM-A100", f"{op.operation.name} is not a function", program.location)
        functions[_text(op.operation.attributes["sym_name"])] = op.operation
    expected = {p.name: p for p in _programs(program)}
    if set(functions) != set(expected):
        raise PomError(
            "POM-A100",
            f"the functions are {sorted(functions)}, not {sorted(expected)}",
            program.location,
        )
    for name, one in expected.items():
        _FunctionCheck(one, functions[name]).run()


def _programs(program: PolyProgram) -> tuple[PolyProgram, ...]:
    return (program, *(p for callee in program.callees for p in _programs(callee)))


def _text(attribute: Attribute) -> str:
    return str(attribute).strip('"')


@dataclass(slots=True)
class Instances:
    """What the module runs of one statement.

    Parameters
    ----------
    domain : isl.Set
        Instances of the program, in a space named `tuple_name`.
    runs : list of (Occurrence, isl.Map)
        Time to instance, for every occurrence.
    """

    tuple_name: str
    domain: isl.Set
    runs: list[tuple[Occurrence, isl.Map]]

    def all_runs(self) -> isl.Map | None:
        """Every run as one relation from time to instance."""
        union: isl.Map | None = None
        for _, run in self.runs:
            union = run if union is None else union.union(run)
        return union


class _FunctionCheck:
    """The proofs for one function."""

    def __init__(self, program: PolyProgram, function: Operation) -> None:
        self.program = program
        self.function = function
        self.reader = FunctionReader(program.name, program.location)
        self.tuples = {s.name: f"S{k}" for k, s in enumerate(program.statements)}

    def run(self) -> None:
        (block,) = self.function.regions[0].blocks
        self.reader.read(block)
        matcher = BodyMatcher(self.program, self.reader, self._named_values())
        length = max((len(o.time) for o in self.reader.occurrences), default=1)
        instances = {
            s.name: Instances(self.tuples[s.name], self._domain(s.name), [])
            for s in self.program.statements
        }
        for occurrence in self.reader.occurrences:
            if occurrence.statement not in instances:
                raise self.reader.refuse(
                    "POM-A102", f"statement {occurrence.statement!r} is not in the program"
                )
            try:
                claims = matcher.match(occurrence)
            except MismatchError as error:
                raise self._located("POM-A106", occurrence.statement, str(error)) from None
            run = self._run_map(occurrence, length)
            instances[occurrence.statement].runs.append((occurrence, run))
            if claims:
                self._check_claims(occurrence, claims)
        for name, one in instances.items():
            self._check_instances(name, one)
        check_order(
            self.program,
            self.reader,
            {
                name: (one.tuple_name, one.domain, run)
                for name, one in instances.items()
                if (run := one.all_runs()) is not None
            },
        )

    def _located(self, code: str, statement: str, summary: str) -> PomError:
        error = self.reader.refuse(code, f"statement {statement!r}: {summary}")
        place = self.program.statement(statement).location
        return PomError(code, error.summary, place or error.location, error.hint)

    def _named_values(self) -> dict[str, Value]:
        """Parameters and local arrays as SSA values, their types checked."""
        (block,) = self.function.regions[0].blocks
        arguments = tuple(block.arguments)
        params = self.program.params
        if len(arguments) != len(params):
            raise self.reader.refuse("POM-A100", f"it has {len(arguments)} arguments")
        found: dict[str, Value] = {}
        attributes = self.function.attributes["arg_attrs"] if arguments else ()
        for param, argument, given in zip(params, arguments, attributes, strict=True):
            self._check_type(param, str(argument.type), given)
            found[param.name] = argument
        for allocation in self.reader.allocations:
            name = _text(allocation.attributes["hls.name"])
            local = next((a for a in self.program.locals if a.name == name), None)
            if local is None or name in found:
                raise self.reader.refuse("POM-A100", f"it has an array {name!r} too many")
            self._check_type(local, str(allocation.results[0].type), allocation.attributes)
            found[name] = allocation.results[0]
        missing = [a.name for a in self.program.locals if a.name not in found]
        if missing:
            raise self.reader.refuse("POM-A100", f"the arrays {missing} are missing")
        return found

    def _check_type(self, item: Scalar | Array, found: str, attributes: Attribute) -> None:
        element = item.type.element if isinstance(item.type, ArrayType) else item.type
        expected = _scalar(element)
        if isinstance(item.type, ArrayType):
            expected = f"memref<{''.join(f'{n}x' for n in item.type.shape)}{expected}>"
        meaning, name = _text(attributes["hls.type"]), _text(attributes["hls.name"])
        if (found, meaning, name) != (expected, str(element), item.name):
            raise self.reader.refuse(
                "POM-A100", f"{item.name!r} is {name!r} of {found} ({meaning}), not {expected}"
            )

    def _domain(self, name: str) -> isl.Set:
        """The instances of a statement, under a name that isl text can hold."""
        statement = self.program.statement(name)
        rank = len(statement.iterators)
        found = isl.Set(statement.domain)
        if found.dim(_SET) != rank:
            # an empty set is printed without its dims
            return isl.Set(f"{{ {self.tuples[name]}[{_dims('i', rank)}] : false }}")
        return found.set_tuple_name(self.tuples[name])

    def _run_map(self, occurrence: Occurrence, length: int) -> isl.Map:
        """Time to instance: ``{ [0, v0, 1, v1, 0] -> S0[v0, v1 + 1] : bounds and guards }``."""
        time = [*map(str, occurrence.time), *["0"] * (length - len(occurrence.time))]
        instance = ", ".join(text(e) for e in occurrence.iterators)
        name = self.tuples[occurrence.statement]
        return isl.Map(f"{{ [{', '.join(time)}] -> {name}[{instance}] : {occurrence.where} }}")

    def _check_claims(self, occurrence: Occurrence, claims: tuple[Claim, ...]) -> None:
        """(b) Subscripts that differ as forms must be equal at every instance that runs."""
        variables = ", ".join(occurrence.variables)
        for claim in claims:
            different = isl.Set(
                f"{{ [{variables}] : {occurrence.where} and "
                f"{text(claim.found)} != {text(claim.expected)} }}"
            )
            point = _sample(different)
            if point is None:
                continue
            values = ", ".join(
                f"{n} = {p}" for n, p in zip(occurrence.variables, point, strict=True)
            )
            raise self._located(
                "POM-A105",
                occurrence.statement,
                f"{claim.what} is {text(claim.found)}, not {text(claim.expected)}, at {values}",
            )

    def _check_instances(self, name: str, one: Instances) -> None:
        """(a) The instances that run are the domain, each once."""
        runs = one.all_runs()
        if runs is None:
            if (point := _sample(one.domain)) is not None:
                raise self._located("POM-A103", name, f"instance {point} does not run")
            return
        covered = runs.range()
        if (point := _sample(covered.subtract(one.domain))) is not None:
            raise self._located("POM-A102", name, f"instance {point} runs, but should not")
        if (point := _sample(one.domain.subtract(covered))) is not None:
            raise self._located("POM-A103", name, f"instance {point} does not run")
        if not runs.is_injective():
            raise self._located("POM-A104", name, f"instance {_twice(runs)} runs twice")


def _twice(runs: isl.Map) -> tuple[int, ...] | None:
    """An instance that has two times."""
    times = runs.reverse()
    pairs = times.reverse().apply_range(times)
    later = pairs.intersect(isl.Map.lex_lt(runs.get_space().domain()))
    return _sample(runs.intersect_domain(later.domain()).range())


def _dims(prefix: str, count: int) -> str:
    return ", ".join(f"{prefix}{k}" for k in range(count))


def _sample(points: isl.Set) -> tuple[int, ...] | None:
    point = points.sample_point()
    if point.is_void():
        return None
    return tuple(point.get_coordinate_val(_SET, k).to_python() for k in range(points.dim(_SET)))


def _scalar(type: ScalarType) -> str:
    return f"f{type.width}" if isinstance(type, FloatType) else f"i{type.width}"
